"""Where batches of runs train: in this process, in several, or on a cluster; what becomes of them, and what is saved of them meanwhile.

Nothing here knows what training is: a :class:`Trainer` does.
"""

from zoneout_lab.engines.engine import Engine, Trainer, Work
from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.engines.outcome import Outcome, Progress
from zoneout_lab.engines.workers import default_workers, train_batches

__all__ = ["Checkpoints", "Engine", "Outcome", "Progress", "Trainer", "Work", "default_workers", "train_batches"]
