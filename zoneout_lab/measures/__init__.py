"""What happened inside a recurrence, as labelled arrays."""

from zoneout_lab.measures.gradient_flow import gradient_flow, norms
from zoneout_lab.measures.perturbation import growth, perturbation_growth
from zoneout_lab.measures.shown import watch

__all__ = ["gradient_flow", "growth", "norms", "perturbation_growth", "watch"]
