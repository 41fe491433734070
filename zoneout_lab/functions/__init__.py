"""Training functions of one's own: what one is given, what is kept of it, and what becomes of what it returns. Without torch."""

from zoneout_lab.functions.running import Running
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.functions.trainer import FunctionTrainer

__all__ = ["FunctionRun", "FunctionTrainer", "Running"]
