"""Training of a built-in study's runs: one visible loop over stacked replicas, saved as it goes."""

from zoneout_lab.training.loop import train
from zoneout_lab.training.trainer import TaskTrainer

__all__ = ["TaskTrainer", "train"]
