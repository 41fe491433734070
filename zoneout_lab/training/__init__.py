"""Training of runs: one visible loop over stacked replicas."""

from zoneout_lab.training.loop import Outcome, Progress, train

__all__ = ["Outcome", "Progress", "train"]
