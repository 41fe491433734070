"""Start here: what is asked, and why, in a few sentences.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does zoneout lower the error on scanned digits?",
    # one of the tasks that `zoneout-lab parts` lists, or a class of your own
    task="digits",
    # any field of the setting, for all arms: training.lr, training.epochs, model.hidden, model.cell, options.permute, ...
    change={"training.epochs": 20},
    # what is compared; each arm may have a `change` of its own
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)),
    ),
    baseline="lstm",
    # six seeds are the fewest with which an exact test can decide; `zoneout-lab power` says what a number of seeds would show
    seeds=8,
    # declared before there are data: what would make you say yes?
    hypotheses=(
        Hypothesis(
            name="helps",
            statement="Zoneout has a lower test error than the LSTM.",
            arm="zoneout",
            against="lstm",
            metric="test_score",
            direction="lower",
            margin=0.0,  # the smallest difference that matters in practice, in the metric's units (with scale="log", a factor such as 1.05)
            reason="",
        ),
    ),
    # gradient_epochs=(1, -1),  # measure inside the recurrence after these epochs; -1: each run's last
)
