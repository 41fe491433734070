"""How should a network trained with zoneout be evaluated, and does the answer to claim 1 depend on it?

Krueger et al. 2017 replace every mask by its expectation (§3), which is a mean-field approximation: c and h are averaged apart from
each other, and h̃ is made from the cell that is not averaged. The alternatives are one sample of the masks, and the average prediction
of ten. Claim 1 is that zoneout beats the plain LSTM (1.466 to 1.362 bits in validation); the paper reports no other evaluation.

The three zoneout arms train in the very same way and differ in how they are evaluated, also where the checkpoint is chosen.

Decision rule: paired by seed, exact flips of whole seeds, joint over four hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. The margin is .01 bit, a tenth of the gain over the LSTM that the paper reports.
"""

from typing import Literal

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

ZONEOUT = Zoneout(cell=0.5, hidden=0.05)
TENTH = "a tenth of the gain over the LSTM that the paper reports"


def score(
    name: str,
    statement: str,
    arm: str,
    against: str,
    direction: Literal["lower", "same"] = "lower",
) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=statement,
        claims=(1,) if against == "lstm" else (),
        arm=arm,
        against=against,
        metric="valid_score",
        direction=direction,
        margin=0.01,
        scale="linear",
        reason=TENTH,
    )


STUDY = Study(
    name="evaluation_modes",
    title="Expectation, one sample, or the mean of ten",
    question="Does zoneout's gain depend on evaluating with the masks' expectation?",
    background="The arms with zoneout have the same weights after every epoch; they differ in what stands for the masks in evaluation.",
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout, expectation", regularizer=ZONEOUT),
        Arm(
            name="sampled",
            label="zoneout, one sample",
            regularizer=ZONEOUT,
            change={"training.evaluation": "sampled"},
        ),
        Arm(
            name="monte_carlo",
            label="zoneout, mean of ten",
            regularizer=ZONEOUT,
            change={"training.evaluation": "monte_carlo"},
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        score(
            "expectation_helps",
            "Evaluated with expectations, zoneout has a lower validation score than the plain LSTM.",
            "zoneout",
            "lstm",
        ),
        score(
            "one_sample_helps",
            "Evaluated with one sample of its masks, zoneout has a lower validation score than the plain LSTM.",
            "sampled",
            "lstm",
        ),
        score(
            "expectation_beats_one_sample",
            "Expectations give a lower validation score than one sample of the masks.",
            "zoneout",
            "sampled",
        ),
        score(
            "expectation_is_the_mean",
            "Expectations and the mean over ten samples give the same validation score.",
            "zoneout",
            "monte_carlo",
            "same",
        ),
    ),
)
