"""Pilot: the plain LSTM on permuted MNIST, pooled. Other settings are changes of this one: see pilots.csv."""

from zoneout_lab import Arm, Study
from zoneout_lab.tasks import Images

STUDY = Study(
    name="pilot_pmnist",
    title="Pilot: the plain LSTM on pooled permuted MNIST",
    question="At which laptop setting does the plain LSTM learn and then overfit or converge?",
    task=Images(path="pilotdata/mnist_pool2.npz"),
    change={
        "model.hidden": 64,
        "model.learned_state": True,
        "model.init": "semi_orthogonal",
        "training.optimizer": "rmsprop_floored",
        "training.lr": 3e-3,
        "training.batch": 100,
        "training.epochs": 60,
    },
    arms=(Arm(name="lstm", label="LSTM"),),
    baseline="lstm",
    seeds=3,
    seed=9000,
)
