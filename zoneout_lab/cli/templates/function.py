"""Start here: an ablation of a training function of your own, in whatever library you like.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from zoneout_lab import Arm, Hypothesis, Metric, Running, Study


def train(run: Running) -> dict[str, float]:
    """One run: called in a process of its own, for each arm and seed."""
    digits = load_digits()
    # three seeds, each for one kind of randomness: arms of one seed get the same ones, so that they are compared in pairs
    x, x_test, y, y_test = train_test_split(digits.data / 16, digits.target, random_state=run.seeds.data % 2**32)
    model = SGDClassifier(average=run.params["average"], random_state=run.seeds.init % 2**32)
    for epoch in range(run.params["epochs"]):
        model.partial_fit(x, y, classes=range(10))
        run.log(epoch, train_accuracy=100 * model.score(x, y))  # a curve of the report
        # run.save({...}) makes a long run go on where it was interrupted, with run.restored; run.record(dataset) keeps a measurement
    return {"test_accuracy": 100 * model.score(x_test, y_test)}


STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does averaging the weights over updates help?",
    train=train,
    # everything that an arm, `--set` or a search may change
    params={"average": False, "epochs": 5},
    # every number that the function returns
    metrics={"test_accuracy": Metric("test accuracy", unit="%", better="higher")},
    arms=(
        Arm(name="last", label="last weights"),
        Arm(name="average", label="averaged weights", params={"average": True}),
    ),
    baseline="last",
    # six seeds are the fewest with which an exact test can decide; `zoneout-lab power` says what a number of seeds would show
    seeds=8,
    # declared before there are data: what would make you say yes?
    hypotheses=(
        Hypothesis(
            name="helps",
            statement="Averaged weights have a higher test accuracy.",
            arm="average",
            against="last",
            metric="test_accuracy",
            direction="higher",
            margin=0.0,  # the smallest difference that matters in practice, in the metric's units
            reason="",
        ),
    ),
)
