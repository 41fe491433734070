"""With every regularizer tuned on the same budget: which rates of zoneout are best, and what does each state's zoneout add?

Claims 3 and 5 to 7 of Krueger et al. 2017 (§4.1, Figure 3). The paper shows validation curves of a grid over zoneout's two rates and
prints no figures for it; of the others only recurrent dropout was run at several rates. What it says: cells alone (.5) and hidden
states alone (.05) each beat the best recurrent dropout (validation 1.396), both together are best (1.362), and .5 for cells with a low
rate for hidden states is the place to be.

Here every arm with something to tune gets the same number of settings from the same sampler, on seeds that no comparison uses; the
best of each is then run on fresh seeds. Recurrent dropout is searched from .05 to .95, so that both readings of the paper's p lie
within. Beside the plain LSTM two arms are not tuned: zoneout at the paper's rates, and with the two rates exchanged.

Decision rule: paired by seed, exact flips of whole seeds, joint over nine hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); nine are run. The margin is .01 bit, a tenth of the gain over the LSTM that the paper reports. Tuning runs
enter no comparison.
"""

from zoneout_lab import Arm, Hypothesis, NormStabilizer, RecurrentDropout, Study, Tuning, WeightNoise, Zoneout


def lower(name: str, statement: str, claim: int, arm: str, against: str) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=statement,
        claims=(claim,),
        arm=arm,
        against=against,
        metric="valid_score",
        margin=0.01,
        scale="linear",
        reason="a tenth of the gain over the LSTM that the paper reports",
    )


STUDY = Study(
    name="char_ptb_grid",
    title="Zoneout's two rates, every arm tuned alike",
    question="With equal tuning for all, is zoneout on cells and hidden states together best, near the paper's rates?",
    background=(
        "Optuna's tree-structured Parzen estimator chooses settings on two tuning seeds, as many for each arm. What is compared are "
        "the best settings on nine other seeds."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(
            name="zoneout_tuned",
            label="zoneout, tuned",
            regularizer=Zoneout(),
            search={"cell": (0.0, 0.9), "hidden": (0.0, 0.5)},
        ),
        Arm(name="zoneout_cell", label="cells alone, tuned", regularizer=Zoneout(), search={"cell": (0.0, 0.9)}),
        Arm(name="zoneout_hidden", label="hidden alone, tuned", regularizer=Zoneout(), search={"hidden": (0.0, 0.5)}),
        Arm(name="zoneout", label="zoneout, cells .5, hidden .05", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(
            name="zoneout_exchanged", label="zoneout, cells .05, hidden .5", regularizer=Zoneout(cell=0.05, hidden=0.5)
        ),
        Arm(
            name="recurrent_dropout",
            label="recurrent dropout, tuned",
            regularizer=RecurrentDropout(),
            search={"p": (0.05, 0.95)},
        ),
        Arm(name="weight_noise", label="weight noise, tuned", regularizer=WeightNoise(), search={"sigma": (0.0, 0.15)}),
        Arm(
            name="norm_stabilizer",
            label="norm stabilizer, tuned",
            regularizer=NormStabilizer(),
            search={"beta": (0.0, 100.0)},
        ),
        Arm(
            name="stochastic_depth",
            label="stochastic depth, tuned",
            regularizer=Zoneout(share=True, per="layer"),
            search={"cell": (0.0, 0.5), "hidden": (0.0, 0.5)},
        ),
    ),
    baseline="lstm",
    seeds=9,
    tuning=Tuning(trials=16, seeds=2, at_once=4),
    hypotheses=(
        lower(
            "cells_alone",
            "Zoneout on cells alone has a lower validation score than recurrent dropout.",
            5,
            "zoneout_cell",
            "recurrent_dropout",
        ),
        lower(
            "hidden_alone",
            "Zoneout on hidden states alone has a lower validation score than recurrent dropout.",
            5,
            "zoneout_hidden",
            "recurrent_dropout",
        ),
        lower(
            "hidden_adds",
            "Zoneout on both has a lower validation score than on cells alone.",
            6,
            "zoneout_tuned",
            "zoneout_cell",
        ),
        lower(
            "cells_add",
            "Zoneout on both has a lower validation score than on hidden states alone.",
            6,
            "zoneout_tuned",
            "zoneout_hidden",
        ),
        Hypothesis(
            name="paper_rates_are_best",
            statement="Tuned rates come to the same validation score as the paper's .5 and .05, to within a tenth of its gain.",
            claims=(7,),
            arm="zoneout_tuned",
            against="zoneout",
            metric="valid_score",
            direction="same",
            margin=0.01,
            scale="linear",
            reason="a tenth of the gain over the LSTM that the paper reports",
        ),
        lower(
            "cells_take_the_high_rate",
            "A high rate for cells and a low one for hidden states has a lower validation score than the reverse.",
            7,
            "zoneout",
            "zoneout_exchanged",
        ),
        lower(
            "beats_weight_noise",
            "Tuned zoneout has a lower validation score than tuned weight noise.",
            3,
            "zoneout_tuned",
            "weight_noise",
        ),
        lower(
            "beats_norm_stabilizer",
            "Tuned zoneout has a lower validation score than the tuned norm stabilizer.",
            3,
            "zoneout_tuned",
            "norm_stabilizer",
        ),
        lower(
            "beats_stochastic_depth",
            "Tuned zoneout has a lower validation score than tuned stochastic depth.",
            3,
            "zoneout_tuned",
            "stochastic_depth",
        ),
    ),
)
