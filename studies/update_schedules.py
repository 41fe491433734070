"""Do rates that change over training, or differ by unit, do better than constant ones?

Claim 30 of Krueger et al. 2017: §2.4 says that the authors tried such rates and "did not find any benefit", without a figure.

Decision rule: paired by seed, exact flips of whole seeds, joint over three hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. The margin is .01 bit, a tenth of the gain over the LSTM that the paper reports. The claim is
read as one of sameness: it is contradicted by a schedule that is better by more than that, and by one that is worse.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

ARMS = {
    "rising": (
        "rates that rise from zero over training",
        Zoneout(cell=0.0, hidden=0.0, cell_end=0.5, hidden_end=0.05, over_share=1.0),
    ),
    "falling": (
        "rates that fall to zero over training",
        Zoneout(cell=0.5, hidden=0.05, cell_end=0.0, hidden_end=0.0, over_share=1.0),
    ),
    "by_unit": ("rates spread over the units", Zoneout(cell=(0.1, 0.9), hidden=(0.0, 0.1))),
}

STUDY = Study(
    name="update_schedules",
    title="Zoneout rates that change or differ",
    question="Does zoneout do better with rates that change over training or differ by unit than with constant ones?",
    background=(
        "Schedules run in a straight line over all of training, between zero and the paper's rates. Rates by unit are spread evenly "
        "around the paper's: cells from .1 to .9, hidden states from 0 to .1."
    ),
    task="char_ptb",
    arms=(
        Arm(name="zoneout", label="constant rates", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        *(Arm(name=name, label=label, regularizer=zoneout) for name, (label, zoneout) in ARMS.items()),
    ),
    baseline="zoneout",
    seeds=8,
    hypotheses=tuple(
        Hypothesis(
            name=f"{name}_makes_no_difference",
            statement=f"Zoneout with {label} has the same validation score as with constant rates.",
            claims=(30,),
            arm=name,
            against="zoneout",
            metric="valid_score",
            direction="same",
            margin=0.01,
            scale="linear",
            reason="a tenth of the gain over the LSTM that the paper reports",
        )
        for name, (label, _) in ARMS.items()
    ),
)
