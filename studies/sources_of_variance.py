"""Where does the scatter between seeds come from: initial weights, the order of the data, or the masks? Minutes on a laptop.

Claim 16 of Krueger et al. 2017 at a small scale, tested where everything varies; the paper reports one run of each model and no variance, so
that it cannot say how much of a difference is a seed's luck. Here the same LSTM is trained with zoneout and without, over and over: with
everything drawn anew, and with one kind of randomness at a time while the others are held at one draw (after Bouthillier et al. 2021).

Decision rule: paired by seed, an exact sign-flip test of the one hypothesis at α = .05, for which six seeds are the fewest
(2/2⁶ = .031). Twenty are run, because a standard deviation from six is known only to a factor of three. The margin is zero: at this
scale any difference is of interest. That hypothesis compares arms whose seeds vary the same; the others are described and not tested.
"""

from zoneout_lab import Arm, Hypothesis, NoRegularizer, Study, Zoneout

WITH = {"lstm": ("LSTM", NoRegularizer()), "zoneout": ("zoneout", Zoneout(cell=0.15, hidden=0.15))}
ONE_KIND = {"init": "initial weights", "data": "order of the data", "masks": "masks"}

STUDY = Study(
    name="sources_of_variance",
    title="Where the variance between seeds comes from",
    question="How much do initial weights, the order of the data and masks each contribute to the scatter of a score between seeds?",
    background=(
        "Each arm is one way of training, at twenty seeds. Two arms draw everything anew at each seed; the others vary one kind of "
        "randomness and hold the rest at the draw of seed 0. Without zoneout there are no masks to vary."
    ),
    task="digits",
    change={"training.epochs": 20},
    arms=(
        *(Arm(name=name, label=f"{label}, everything varied", regularizer=r) for name, (label, r) in WITH.items()),
        *(
            Arm(name=f"{name}_{kind}", label=f"{label}, {words} only", regularizer=r, vary=(kind,))
            for name, (label, r) in WITH.items()
            for kind, words in ONE_KIND.items()
            if (name, kind) != ("lstm", "masks")
        ),
    ),
    baseline="lstm",
    seeds=20,
    hypotheses=(
        Hypothesis(
            name="zoneout_helps",
            statement="With everything varied, zoneout has a lower validation score than the plain LSTM.",
            claims=(16,),
            arm="zoneout",
            against="lstm",
            metric="valid_score",
        ),
    ),
)
