"""Recurrent batch normalisation on permuted MNIST, alone and with zoneout.

Claims 18 and 19 of Krueger et al. 2017 (§4.3). What the paper reports, as test error, one run each: recurrent batch normalisation
.046, with zoneout .041 (validation .045): a gap of 50 of 10,000 images; LSTM .102, recurrent dropout .075, zoneout .069.

Population statistics are averaged in training, under zoneout's noise, and evaluation then replaces the noise by its expectation:
the statistics belong to another distribution of states. This alone could move claim 19 either way, so the combination is evaluated
in both ways, with expectations and with sampled masks.

Decision rule: paired by seed, exact flips of whole seeds, joint over five hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); ten are run. Margin zero: the paper claims directions. At the laptop preset training stops long before
convergence. The normalised arms run the reference loop, several times slower than the others.
"""

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, Study, Zoneout, cells

NORM = {"model.cell": cells.BatchNormLSTM(steps=784)}
ZONEOUT = Zoneout(cell=0.15, hidden=0.15, share=True)


def lower(name: str, statement: str, arm: str, against: str, claim: int) -> Hypothesis:
    return Hypothesis(name=name, statement=statement, claims=(claim,), arm=arm, against=against, metric="test_score")


STUDY = Study(
    name="recurrent_batch_norm",
    title="Recurrent batch normalisation with and without zoneout",
    question="Does recurrent batch normalisation beat zoneout on permuted MNIST, and does zoneout improve it further?",
    background=(
        "The batch-normalised LSTM has statistics for each of its 784 timesteps. Zoneout acts after the normalisation, with one mask "
        "shared by cells and hidden states."
    ),
    task="pmnist",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=ZONEOUT),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.5)),
        Arm(name="recurrent_batch_norm", label="batch norm", change=NORM),
        Arm(name="recurrent_batch_norm_zoneout", label="batch norm + zoneout", change=NORM, regularizer=ZONEOUT),
        Arm(
            name="norm_zoneout_sampled",
            label="batch norm + zoneout, sampled",
            change=NORM | {"training.evaluation": "sampled"},
            regularizer=ZONEOUT,
        ),
    ),
    baseline="lstm",
    seeds=10,
    hypotheses=(
        lower(
            "beats_lstm", "Batch norm has a lower test score than the plain LSTM.", "recurrent_batch_norm", "lstm", 18
        ),
        lower(
            "beats_zoneout", "Batch norm has a lower test score than zoneout.", "recurrent_batch_norm", "zoneout", 18
        ),
        lower(
            "beats_recurrent_dropout",
            "Batch norm has a lower test score than recurrent dropout.",
            "recurrent_batch_norm",
            "recurrent_dropout",
            18,
        ),
        lower(
            "zoneout_adds",
            "Evaluated with expectations, zoneout lowers the test score of batch norm.",
            "recurrent_batch_norm_zoneout",
            "recurrent_batch_norm",
            19,
        ),
        lower(
            "zoneout_adds_sampled",
            "Evaluated with sampled masks, zoneout lowers the test score of batch norm.",
            "norm_zoneout_sampled",
            "recurrent_batch_norm",
            19,
        ),
    ),
)
