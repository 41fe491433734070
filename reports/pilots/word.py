"""Pilot: the plain LSTM on words, with and without dropout up the stack. Other settings are changes of this one: see pilots.csv."""

from zoneout_lab import Arm, NonRecurrentDropout, Study
from zoneout_lab.tasks import WordPTB

STUDY = Study(
    name="pilot_word",
    title="Pilot: the plain LSTM on words, with and without dropout up the stack",
    question="At which laptop setting does the plain LSTM learn and then overfit or converge?",
    task=WordPTB(train_tokens=50_000, valid_tokens=10_000, test_tokens=2000),
    change={
        "model.hidden": 200,
        "model.embedding": 200,
        "training.select": "best",
        "training.epochs": 14,
    },
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="dropout", label="LSTM, dropout .5 up the stack", regularizer=NonRecurrentDropout(0.5)),
    ),
    baseline="lstm",
    seeds=3,
    seed=9000,
)
