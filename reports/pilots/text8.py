"""Pilot: the plain LSTM on letters of Wikipedia, a stand-in for text8. Other settings are changes of this one: see pilots.csv."""

from zoneout_lab import Arm, Study
from zoneout_lab.tasks import CharText

STUDY = Study(
    name="pilot_text8",
    title="Pilot: the plain LSTM on a stand-in for text8",
    question="At which laptop setting does the plain LSTM learn and then overfit or converge?",
    task=CharText(
        path="pilotdata/wiki_train_200k.txt",
        valid_path="pilotdata/wiki_valid.txt",
        test_path="pilotdata/wiki_test.txt",
        length=180,
    ),
    change={
        "model.hidden": 128,
        "model.learned_state": True,
        "model.init": "block_orthogonal",
        "training.optimizer": "adam",
        "training.lr": 1e-2,
        "training.batch": 32,
        "training.epochs": 80,
    },
    arms=(Arm(name="lstm", label="LSTM"),),
    baseline="lstm",
    seeds=3,
    seed=9000,
)
