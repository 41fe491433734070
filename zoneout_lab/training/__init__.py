"""Training of runs: one visible loop over stacked replicas, on one process or several, saved as it goes."""

from zoneout_lab.training.checkpoint import Checkpoints
from zoneout_lab.training.loop import train
from zoneout_lab.training.outcome import Outcome
from zoneout_lab.training.replicas import Progress
from zoneout_lab.training.workers import default_workers, train_batches

__all__ = ["Checkpoints", "Outcome", "Progress", "default_workers", "train", "train_batches"]
