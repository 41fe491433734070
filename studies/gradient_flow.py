"""Figure 6 of the paper: how much of the gradient reaches early timesteps, with zoneout and with three kinds of dropout.

Claims 20, 21 and 26 of Krueger et al. 2017 (§4.4). The paper shows norms of ∂L/∂c_t divided by their sum over t, after one epoch of
permuted MNIST, for an LSTM, zoneout (cells .5) and a "dropout" of .5 that it does not define: the curve of zoneout is the flattest,
that of dropout falls to nothing early. It prints no figures. Here "dropout" is run in three readings: naive on cells, naive on
hidden states, and Semeniuta's.

Dividing by the sum hides magnitudes, and zoneout also lengthens the memory of a cell in the plainest way: the share carried over
grows from f to z + (1 − z) f. So an LSTM with a larger forget bias is a control: at b = 1.862 its f starts where zoneout's mean share
does, σ(1.862) = ½ + ½ σ(1). The report's figure has the raw norms on a logarithmic scale too.

Claim 26 speaks of saturated gates. No gate is made to saturate here: zoneout on hidden states against recurrent dropout in a network
as it was trained stands in for it.

Measured at the candidate before zoneout, where the authors' probe sits: the part of the norm in the first third of the sequence.

Decision rule: paired by seed, exact flips of whole seeds, joint over seven hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); nine are run. Shares are compared as ratios, with a margin of 1.06: a flat curve has a third of its norm in
the first third, and a fiftieth of the whole more or less would not be seen in the paper's figure. The same measure without noise is
in the report and enters no verdict.
"""

from typing import Literal

from zoneout_lab import Arm, CellDropout, HiddenDropout, Hypothesis, RecurrentDropout, Study, Zoneout


def early(
    name: str,
    statement: str,
    claim: int,
    arm: str,
    against: str,
    state: str,
    direction: Literal["lower", "higher"] = "higher",
) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=statement,
        claims=(claim,),
        arm=arm,
        against=against,
        metric=f"early_third_mass_{state}",
        direction=direction,
        margin=1.06,
        scale="log",
        reason="less would not be seen in the paper's figure",
    )


STUDY = Study(
    name="gradient_flow",
    title="How far back the gradient reaches",
    question="Does zoneout carry more of the gradient to early timesteps than the LSTM does, and dropout less?",
    background=(
        "One epoch of training, as in the paper's Figure 6; then the gradient of each example's loss is taken with the masks of training, "
        "and once more with their expectation. A control LSTM starts with the memory that zoneout has on average."
    ),
    task="pmnist",
    change={"training.epochs": 1},
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout on cells", regularizer=Zoneout(cell=0.5)),
        Arm(name="zoneout_hidden", label="zoneout on hidden states", regularizer=Zoneout(hidden=0.5)),
        Arm(name="cell_dropout", label="dropout on cells", regularizer=CellDropout(0.5)),
        Arm(name="hidden_dropout", label="dropout on hidden states", regularizer=HiddenDropout(0.5)),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.5)),
        Arm(name="forget_bias", label="LSTM, forget bias 1.862", change={"model.forget_bias": 1.862}),
    ),
    baseline="lstm",
    seeds=9,
    gradient_epochs=(0, 1),
    hypotheses=(
        early(
            "cells",
            "Zoneout carries more of the cell's gradient to the first third than the LSTM.",
            20,
            "zoneout",
            "lstm",
            "cell",
        ),
        early(
            "hidden",
            "Zoneout carries more of the hidden state's gradient to the first third than the LSTM.",
            20,
            "zoneout",
            "lstm",
            "hidden",
        ),
        early(
            "more_than_memory",
            "Zoneout carries more of the cell's gradient to the first third than an LSTM with as much memory.",
            20,
            "zoneout",
            "forget_bias",
            "cell",
        ),
        early(
            "cell_dropout",
            "Dropout on cells carries less of the cell's gradient to the first third than the LSTM.",
            21,
            "cell_dropout",
            "lstm",
            "cell",
            "lower",
        ),
        early(
            "hidden_dropout",
            "Dropout on hidden states carries less of the hidden state's gradient to the first third than the LSTM.",
            21,
            "hidden_dropout",
            "lstm",
            "hidden",
            "lower",
        ),
        early(
            "recurrent_dropout",
            "Recurrent dropout carries less of the cell's gradient to the first third than the LSTM.",
            21,
            "recurrent_dropout",
            "lstm",
            "cell",
            "lower",
        ),
        early(
            "against_recurrent_dropout",
            "Zoneout on hidden states carries more of their gradient to the first third than recurrent dropout.",
            26,
            "zoneout_hidden",
            "recurrent_dropout",
            "hidden",
        ),
    ),
)
