"""How much of the loss's gradient reaches each timestep of a recurrence.

For a state s_t (memory cell c_t or hidden state h_t) the measure is the mean over examples of ‖∂L/∂s_t‖₂, and that divided by
its sum over t (Krueger et al. 2017, Figure 6). It is taken at the *state* that the next timestep sees and at the *candidate*
before zoneout, which is where the authors' own probe sits. ∂L/∂s_t is the total derivative: through every later timestep.
An LSTM's h̃_t is made from the candidate c̃_t, so the way through h_t counts at the candidate and not at the state c_t; this
holds without zoneout too, where the two have one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.shown import modules_announced, refuse_if_empty
from zoneout_lab.ops.trace import POINTS, Trace, recording

if TYPE_CHECKING:
    import xarray as xr

STATE_ORDER = ("cell", "hidden")


def gradient_flow(model: Callable[..., Any], inputs: Any, loss: Callable[[Any], Tensor]) -> xr.Dataset:
    """Gradient norms by timestep in any model built from this package's layers, torch's cells or watched states.

    Args:
        model: a module or a function. States are found in ``zoneout_lab`` layers, in ``torch.nn.LSTMCell``, ``GRUCell`` and
            ``RNNCell`` (one call is one timestep), and wherever the model calls :func:`~zoneout_lab.watch`. It runs once, in the mode
            (training or evaluation) it is in.
        inputs: passed to the model; a tuple is passed as several arguments.
        loss: makes the scalar L from the model's output. A mean over examples divides every norm by their number; give a
            sum, or a mean times the number, for norms that do not depend on it.

    Returns:
        Dataset with ``norm`` and ``normalised`` over (layer, state, point, time); NaN where a point was not announced.
        A model with R > 1 replicas has a first dimension ``replica``. Layers have torch's suffixes (``l0``, ``l0_reverse``, whose
        time runs as it does, from the end), after the module's name where the model holds several recurrent modules.

    Raises:
        InputRefusedError: the model announces no states (``torch.nn.LSTM`` hides its own), or the loss is no scalar.

    >>> import zoneout_lab as zl
    >>> rnn = zl.LSTM(3, 4, regularizer=zl.Zoneout(cell=0.5), mask_seed=0)
    >>> flow = gradient_flow(rnn, torch.ones(6, 2, 3), lambda out: out[0][-1].sum())
    >>> dict(flow.sizes)
    {'layer': 1, 'state': 2, 'point': 2, 'time': 6}
    >>> round(float(flow.normalised.sel(state="cell", point="state").sum()), 6)
    1.0
    """
    import xarray as xr

    from zoneout_lab.schema import gradient_dataset

    several = isinstance(inputs, tuple) and not isinstance(inputs, PackedSequence)
    arguments = inputs if several else (inputs,)
    with recording(norms_suffice=True) as trace, modules_announced(model, trace):
        value = loss(model(*arguments))
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise InputRefusedError(
            "The loss must be one number, so that its gradient is one vector; reduce it with sum() or mean()."
        )
    refuse_if_empty(trace, model)
    values, layers, states = norms(trace, value)
    parts = [gradient_dataset(replica, layers=layers, states=states) for replica in values]
    return parts[0] if len(parts) == 1 else xr.concat(parts, "replica")


def norms(trace: Trace, loss: Tensor) -> tuple[npt.NDArray[np.float64], list[str], list[str]]:
    """Mean over examples of ‖∂L/∂s_t‖₂ for everything in a trace.

    Returns:
        Norms [replica, layer, state, point, time], the layers' labels and the states' names. NaN where nothing was announced.
    """
    keys = [*trace.norms, *trace.tensors]
    layers = list(dict.fromkeys(layer for layer, _, _ in keys))
    states = sorted({state for _, state, _ in keys}, key=lambda s: (s not in STATE_ORDER, s))
    tensors = [tensor for series in trace.tensors.values() for tensor in series]
    gradients = torch.autograd.grad(loss, [*tensors, *trace.roots], allow_unused=True)
    found = _of_tensors(trace, gradients)
    for key, calls in trace.norms.items():  # the gradients of the roots have made them just now
        found[key] = torch.cat([call.double().mean(-1) for call in calls], 1)
    R, T = (max(values.shape[axis] for values in found.values()) for axis in (0, 1))
    out = np.full((R, len(layers), len(states), len(POINTS), T), np.nan)
    for (layer, state, point), values in found.items():
        at = (slice(None), layers.index(layer), states.index(state), POINTS.index(point), slice(values.shape[1]))
        out[at] = values.cpu().numpy()
    return out, layers, states


def _of_tensors(trace: Trace, gradients: Sequence[Tensor | None]) -> dict[tuple[str, str, str], Tensor]:
    """Mean norms [R, T] of the gradients of announced tensors, in the order of their announcement."""
    remaining, found = iter(gradients), {}
    for key, series in trace.tensors.items():
        by_time = []
        for tensor in series:
            gradient = next(remaining)
            # a state the loss does not depend on has gradient zero; autograd says None
            norm = torch.zeros(_replicas(tensor), 1) if gradient is None else torch.linalg.vector_norm(gradient, dim=-1)
            by_time.append(norm.reshape(_replicas(tensor), -1).double().mean(1).cpu())
        found[key] = torch.stack(by_time, 1)
    return found


def _replicas(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() > 2 else 1
