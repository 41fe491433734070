"""Table 2 of the paper: does zoneout classify permuted MNIST better than the LSTM and recurrent dropout?

Claims 16 and 17 of Krueger et al. 2017 (§4.3). What the paper reports, as error (validation, test), one run each: LSTM .092, .102;
zoneout (shared mask, z = .15) .063, .069; recurrent dropout .083, .075. For recurrent dropout the table says .5 and the text .15;
both are run.

Decision rule: paired by seed, exact flips of whole seeds, joint over three hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. The margin is half a percentage point: 50 of 10,000 validation images, the smallest gap on
which the paper builds a claim (19). At the laptop preset training stops long before convergence, and half a point is little more
than one of its 250 validation images: there the mean over seeds carries the verdict.
"""

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, Study, Zoneout


def beats(name: str, what: str, against: str, claim: int) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=f"Zoneout has a lower validation score than {what}.",
        claims=(claim,),
        arm="zoneout",
        against=against,
        metric="valid_score",
        margin=0.005,
        scale="linear",
        reason="50 of 10,000 images, the smallest gap on which the paper builds a claim",
    )


STUDY = Study(
    name="pmnist_table2",
    title="Zoneout and recurrent dropout on permuted MNIST",
    question="Does zoneout classify permuted MNIST better than the plain LSTM and than recurrent dropout, at the paper's settings?",
    background=(
        "Zoneout preserves cells and hidden states with one shared mask, as in the paper's experiment. Recurrent dropout is run at "
        "both rates that the paper gives."
    ),
    task="pmnist",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout, shared mask", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True)),
        Arm(name="recurrent_dropout", label="recurrent dropout .5", regularizer=RecurrentDropout(0.5)),
        Arm(name="recurrent_dropout_text", label="recurrent dropout .15", regularizer=RecurrentDropout(0.15)),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        beats("beats_lstm", "the plain LSTM", "lstm", 16),
        beats("beats_recurrent_dropout", "recurrent dropout at .5", "recurrent_dropout", 17),
        beats("beats_recurrent_dropout_text", "recurrent dropout at .15", "recurrent_dropout_text", 17),
    ),
)
