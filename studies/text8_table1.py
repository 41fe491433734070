"""Table 1 of the paper at text8: is zoneout best there, and is it distinguishable from stochastic depth?

Claims 11 and 12 of Krueger et al. 2017 (§4.1). What the paper reports, in bits per character (validation, test), one run each: LSTM
1.396, 1.408; weight noise 1.356, 1.367; norm stabilizer 1.382, 1.398; stochastic depth 1.337, 1.343; recurrent dropout 1.386, 1.401;
zoneout (cells .5, hidden states .05) 1.331, 1.336: .006 and .007 below stochastic depth.

The README of the paper's code has .2 for both rates, which is an arm of its own, and .5 for recurrent dropout, where keeping and
dropping are the same. Settings of weight noise, norm stabilizer and stochastic depth are those of the Penn Treebank: the paper gives
no others.

Decision rule: paired by seed, exact flips of whole seeds, joint over six hypotheses, at α = .05, for which six seeds are the fewest
(2/2⁶ = .031); eight are run. Claim 11 has a margin of zero: the paper claims an order. Claim 12 is one of sameness, to within .01
bit: more than the difference that the paper shows, and about a sixth of the gain over the LSTM. Validation follows every pass over
90 million characters; the code that the authors' derives from looks every 500 updates.
"""

from zoneout_lab import Arm, Hypothesis, NormStabilizer, RecurrentDropout, Study, WeightNoise, Zoneout


def lower(name: str, arm: str, what: str, against: str, than: str) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=f"{what} has a lower validation score than {than}.",
        claims=(11,),
        arm=arm,
        against=against,
        metric="valid_score",
    )


STUDY = Study(
    name="text8_table1",
    title="Zoneout and four regularizers on text8",
    question="Is zoneout the best of five ways to regularize an LSTM on text8, and how far is it from stochastic depth?",
    background=(
        "Every arm has the setting of the paper or of its code, for text8 or for the Penn Treebank. Zoneout is run at the rates of both."
    ),
    task="text8",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout, cells .5, hidden .05", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(name="zoneout_of_the_code", label="zoneout, both .2", regularizer=Zoneout(cell=0.2, hidden=0.2)),
        Arm(name="recurrent_dropout", label="recurrent dropout .5", regularizer=RecurrentDropout(0.5)),
        Arm(name="weight_noise", label="weight noise", regularizer=WeightNoise(0.075)),
        Arm(name="norm_stabilizer", label="norm stabilizer", regularizer=NormStabilizer(50.0)),
        Arm(
            name="stochastic_depth",
            label="stochastic depth",
            regularizer=Zoneout(cell=0.05, hidden=0.05, share=True, per="layer"),
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        lower("beats_lstm", "zoneout", "Zoneout", "lstm", "the plain LSTM"),
        lower("beats_lstm_at_the_codes_rates", "zoneout_of_the_code", "Zoneout at .2", "lstm", "the plain LSTM"),
        lower("beats_recurrent_dropout", "zoneout", "Zoneout", "recurrent_dropout", "recurrent dropout"),
        lower("beats_weight_noise", "zoneout", "Zoneout", "weight_noise", "weight noise"),
        lower("beats_norm_stabilizer", "zoneout", "Zoneout", "norm_stabilizer", "the norm stabilizer"),
        Hypothesis(
            name="like_stochastic_depth",
            statement="Zoneout and stochastic depth have the same validation score.",
            claims=(12,),
            arm="zoneout",
            against="stochastic_depth",
            metric="valid_score",
            direction="same",
            margin=0.01,
            scale="linear",
            reason="about a sixth of the gain over the LSTM that the paper reports",
        ),
    ),
)
