"""Training of runs: one visible loop over stacked replicas, on one process or several."""

from zoneout_lab.training.loop import Progress, train
from zoneout_lab.training.outcome import Outcome
from zoneout_lab.training.workers import default_workers, train_batches

__all__ = ["Outcome", "Progress", "default_workers", "train", "train_batches"]
