"""What happened inside a recurrence, as labelled arrays."""

from zoneout_lab.measures.gradient_flow import gradient_flow, norms, watch

__all__ = ["gradient_flow", "norms", "watch"]
