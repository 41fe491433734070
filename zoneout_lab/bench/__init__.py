"""The benchmark: a training step of ours beside what others would write, the same work in interleaved rounds."""

from zoneout_lab.bench.cases import CASES, REPLICAS, Case, chosen
from zoneout_lab.bench.timing import Measured, Row, Setup, Sweep, SweepRow, measure, timing_process

__all__ = [
    "CASES",
    "REPLICAS",
    "Case",
    "Measured",
    "Row",
    "Setup",
    "Sweep",
    "SweepRow",
    "chosen",
    "measure",
    "timing_process",
]
