"""Does zoneout help a small LSTM on two kinds of sequence at once: scanned digits, and sums of two marked numbers? Minutes on a laptop.

Claims 16 and 17 of Krueger et al. 2017 at the smallest scale, and an example of a study of several tasks. The paper reports nothing for either task.
Their scores have no common unit (errors, squared errors), so each seed's difference is divided by the root mean square of its task's, and one task weighs as
much as the other.

Decision rule: paired by seed, exact flips of whole seeds, joint over two hypotheses, at α = .05, for which six seeds are the fewest on one task
(2/2⁶ = .031); over both tasks, within which signs are flipped apart, three on each would do. Margins are zero: at this scale any difference is of interest.
"""

from zoneout_lab import Arm, Hypothesis, OnTask, RecurrentDropout, Study, Zoneout

STUDY = Study(
    name="two_tasks",
    title="Zoneout on two kinds of sequence",
    question="Does zoneout help a small LSTM on both scanned digits and the adding problem?",
    background="The arms are the same on both tasks. What is said of both is about these two and no others.",
    tasks=("digits", OnTask(task="adding", change={"options.length": 20})),
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.15, hidden=0.15)),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.15)),
    ),
    baseline="lstm",
    seeds=6,
    hypotheses=(
        Hypothesis(
            name="zoneout_helps",
            statement="Zoneout has a lower validation score than the plain LSTM.",
            claims=(16,),
            arm="zoneout",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="beats_recurrent_dropout",
            statement="Zoneout has a lower validation score than recurrent dropout.",
            claims=(17,),
            arm="zoneout",
            against="recurrent_dropout",
            metric="valid_score",
        ),
    ),
)
