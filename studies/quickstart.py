"""Quickstart: six ways to regularize one LSTM, on real scanned digits read one pixel at a time. Minutes on a laptop.

Claims 8, 16, 17, 20 and 24 of Krueger et al. 2017 at the smallest scale at which every step of an answer is real: training, pairing,
tests, verdict. The paper reports nothing for these digits; on permuted MNIST its test errors are .102 for the LSTM, .069 for zoneout
and .075 for recurrent dropout, one run each. What holds for 32 units and 1,097 digits need not hold at the paper's scale.

Decision rule: paired by seed, exact flips of whole seeds, joint over the five hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031), and then only if all six agree; ten leave room for some that do not. The static arm is evaluated with the mask
it was trained with. Margins are zero: at this scale any difference is of interest. Gradient flow is judged after epoch 12.
"""

from zoneout_lab import Arm, Hypothesis, NoRegularizer, RecurrentDropout, Study, Zoneout

STUDY = Study(
    name="quickstart",
    title="Zoneout and its ablations on scanned digits",
    question="Does zoneout regularize a small LSTM better than its ablations and recurrent dropout do?",
    background=(
        "Each of 1,797 handwritten digits is read as a permuted sequence of 64 pixels. Six arms share every initial weight and "
        "every batch, seed by seed; they differ in their regularizer, and the static arm is evaluated with its own mask."
    ),
    task="digits",
    change={"training.epochs": 20},
    arms=(
        Arm(name="lstm", label="LSTM", regularizer=NoRegularizer()),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.15, hidden=0.15)),
        Arm(name="shared", label="shared mask", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True)),
        Arm(name="per_layer", label="per layer", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True, per="layer")),
        Arm(
            name="static",
            label="static identity",
            regularizer=Zoneout(cell=0.15, hidden=0.15, resample="never"),
            change={"training.evaluation": "sampled"},
        ),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.15)),
    ),
    baseline="lstm",
    seeds=10,
    hypotheses=(
        Hypothesis(
            name="zoneout_helps",
            statement="Zoneout has a lower validation score than the plain LSTM.",
            claims=(16,),
            arm="zoneout",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="beats_recurrent_dropout",
            statement="Zoneout has a lower validation score than recurrent dropout.",
            claims=(17,),
            arm="zoneout",
            against="recurrent_dropout",
            metric="valid_score",
        ),
        Hypothesis(
            name="per_unit_helps",
            statement="Zoneout per unit has a lower validation score than per layer.",
            claims=(8,),
            arm="zoneout",
            against="per_layer",
            metric="valid_score",
        ),
        Hypothesis(
            name="noise_helps",
            statement="Fresh masks have a lower validation score than one mask kept for training and evaluation.",
            claims=(24,),
            arm="zoneout",
            against="static",
            metric="valid_score",
        ),
        Hypothesis(
            name="gradient_flows",
            statement="Zoneout carries more of the cell's gradient to the first third of the sequence than the LSTM.",
            claims=(20,),
            arm="zoneout",
            against="lstm",
            metric="early_third_mass_cell",
            direction="higher",
        ),
    ),
    gradient_epochs=(1, 12),
)
