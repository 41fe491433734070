"""What happened inside a recurrence, as labelled arrays."""

from zoneout_lab.measures.gradient_flow import gradient_flow, norms, watch
from zoneout_lab.measures.perturbation import growth, perturbation_growth

__all__ = ["gradient_flow", "growth", "norms", "perturbation_growth", "watch"]
