"""Table 1 of the paper at word-level Penn Treebank: what does zoneout add to dropout up the stack?

Claims 13 to 15 of Krueger et al. 2017 (§4.2). What the paper reports, in perplexity (validation, test), one run each: non-recurrent
dropout (Zaremba et al. 2014) 82.2, 78.4; with zoneout (cells .25, hidden states .025) 81.4, 77.4; recurrent dropout 91.6, 87.0.

Its "unregularized" 120.7, 114.5 equals Zaremba et al.'s smaller model, 2 × 200, so it is not a baseline for models of 2 × 1500. The plain
LSTM here has the same size as every other arm. Zoneout alone is said not to be competitive, without a figure. The rate of recurrent
dropout is not stated either; it is the one of the characters.

Decision rule: paired by seed, exact flips of whole seeds, joint over five hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Margin zero: the paper claims directions. The test text is read once as a single stream, by the
model of the last epoch at the paper's preset.
"""

from zoneout_lab import Arm, Hypothesis, NonRecurrentDropout, RecurrentDropout, Study, Zoneout

STACK, ZONEOUT = NonRecurrentDropout(0.65), Zoneout(cell=0.25, hidden=0.025)

STUDY = Study(
    name="word_ptb_table1",
    title="Zoneout beside dropout up the stack",
    question="At word level, does zoneout add to non-recurrent dropout, and what do the two do alone?",
    background=(
        "Non-recurrent dropout acts on what goes up the stack of layers, zoneout on what goes from one timestep to the next. The plain "
        "LSTM has the same size as the others, other than the paper's."
    ),
    task="word_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=ZONEOUT),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.25)),
        Arm(name="non_recurrent_dropout", label="non-recurrent dropout", regularizer=STACK),
        Arm(
            name="non_recurrent_dropout_zoneout",
            label="non-recurrent dropout + zoneout",
            regularizer=STACK + ZONEOUT,
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="zoneout_adds",
            statement="Zoneout lowers the validation score of non-recurrent dropout.",
            claims=(13,),
            arm="non_recurrent_dropout_zoneout",
            against="non_recurrent_dropout",
            metric="valid_score",
        ),
        Hypothesis(
            name="zoneout_adds_on_test",
            statement="Zoneout lowers the test score of non-recurrent dropout.",
            claims=(13,),
            arm="non_recurrent_dropout_zoneout",
            against="non_recurrent_dropout",
            metric="test_score",
        ),
        Hypothesis(
            name="alone_it_falls_behind",
            statement="Zoneout alone has a higher validation score than non-recurrent dropout.",
            claims=(14,),
            arm="zoneout",
            against="non_recurrent_dropout",
            metric="valid_score",
            direction="higher",
        ),
        Hypothesis(
            name="alone_it_helps",
            statement="Zoneout alone has a lower validation score than the plain LSTM of the same size.",
            arm="zoneout",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="recurrent_dropout_falls_behind",
            statement="Recurrent dropout has a higher validation score than non-recurrent dropout with zoneout.",
            claims=(15,),
            arm="recurrent_dropout",
            against="non_recurrent_dropout_zoneout",
            metric="valid_score",
            direction="higher",
        ),
    ),
)
