"""With every arm tuned on the same budget, does zoneout still win?

Claims 7, 16 and 17 of Krueger et al. 2017. The paper tunes zoneout on a two-dimensional grid and gives its baselines one value
each. Here both regularizers get the same number of settings from the same sampler on the same tuning seeds; the best of each is
then run on fresh seeds, and only those runs are compared. The plain LSTM has nothing to tune. What the paper reports, as validation error,
one run each: LSTM .092, zoneout .063, recurrent dropout .083.

Decision rule: paired by seed, exact flips of whole seeds, joint over three hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Margin zero: the claims are about an order, and tuned arms may lie close. Tuning runs enter no
comparison.
"""

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, Study, Tuning, Zoneout

STUDY = Study(
    name="tuned_rates",
    title="Zoneout and recurrent dropout, tuned alike",
    question="When both have the same tuning budget, does zoneout generalise better than recurrent dropout?",
    background=(
        "Rates are chosen by Optuna's tree-structured Parzen estimator on two tuning seeds, and compared on eight others."
    ),
    task="pmnist",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(
            name="zoneout",
            label="zoneout, tuned",
            regularizer=Zoneout(),
            search={"cell": (0.0, 0.5), "hidden": (0.0, 0.3)},
        ),
        Arm(
            name="recurrent_dropout",
            label="recurrent dropout, tuned",
            regularizer=RecurrentDropout(),
            search={"p": (0.0, 0.7)},
        ),
    ),
    baseline="lstm",
    seeds=8,
    tuning=Tuning(trials=12, seeds=2, at_once=4),
    hypotheses=(
        Hypothesis(
            name="zoneout_helps",
            statement="Tuned zoneout has a lower validation score than the plain LSTM.",
            claims=(7, 16),
            arm="zoneout",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="recurrent_dropout_helps",
            statement="Tuned recurrent dropout has a lower validation score than the plain LSTM.",
            claims=(17,),
            arm="recurrent_dropout",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="zoneout_beats_recurrent_dropout",
            statement="Tuned zoneout has a lower validation score than tuned recurrent dropout.",
            claims=(17,),
            arm="zoneout",
            against="recurrent_dropout",
            metric="valid_score",
        ),
    ),
)
