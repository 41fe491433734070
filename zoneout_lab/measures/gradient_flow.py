"""How much of the loss's gradient reaches each timestep of a recurrence.

For a state s_t (memory cell c_t or hidden state h_t) the measure is the mean over examples of ‖∂L/∂s_t‖₂, and that divided by
its sum over t (Krueger et al. 2017, Figure 6). It is taken at the *state* that the next timestep sees and at the
*candidate* before zoneout, which is where the authors' own probe sits. ∂L/∂s_t is the total derivative: through every later
timestep. An LSTM's h̃_t is made from the candidate c̃_t, so the way through h_t counts at the candidate and not at the state
c_t; this holds without zoneout too, where the two have one value. In a packed batch the mean is over the examples that have
the timestep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.base import Batch, Measure, Subject
from zoneout_lab.measures.probing import (
    PROBE,
    modules_probed,
    ordinary,
    refuse_if_empty,
    refuse_unless_callable,
    warn_of_hidden,
)
from zoneout_lab.measures.unmoved import unmoved
from zoneout_lab.metrics import Metric
from zoneout_lab.ops.probe import POINTS, Probe
from zoneout_lab.profiles import GRADIENT_QUANTITIES, GRADIENTS, gradient_dataset, scalars_of, states_in_order

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class GradientFlow(Measure):
    """How much of the loss's gradient reaches each timestep (:func:`gradient_flow`), each replica's of its own loss.

    The loss is a mean over predictions times the number of examples: the norm of one example's gradient must not depend on how many there
    are.

    >>> GradientFlow().dims
    ('layer', 'state', 'point', 'time')
    """

    kind: ClassVar[str] = "gradient_flow"
    title: ClassVar[str] = "Gradient flow"
    group: ClassVar[str] = GRADIENTS
    dims: ClassVar[tuple[str, ...]] = ("layer", "state", "point", "time")
    quantities: ClassVar[Mapping[str, Metric]] = GRADIENT_QUANTITIES
    scalars: ClassVar[Mapping[str, Metric]] = scalars_of(GRADIENTS)
    reduced_when_read: ClassVar[bool] = True

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """Norms at the state and at the candidate of every layer."""
        with unmoved(norms_suffice=True) as probe:
            loss = batch.loss(model).sum() * batch.examples
        values, layers, states = norms(probe, loss)
        return [gradient_dataset(replica, layers=layers, states=states) for replica in values]


def gradient_flow(model: Callable[..., Any], inputs: Any, loss: Callable[[Any], Tensor]) -> xr.Dataset:
    """Gradient norms by timestep in any model built from this package's layers, torch's cells or probed states.

    Args:
        model: a module or a function. States are found in ``zoneout_lab`` layers, in ``torch.nn.LSTMCell``, ``GRUCell`` and
            ``RNNCell`` (one call is one timestep), and wherever the model calls :func:`~zoneout_lab.probe`. It runs once, in the mode
            (training or evaluation) it is in. Counters of masks, generators and buffers are afterwards as before.
        inputs: passed to the model; a tuple is passed as several arguments.
        loss: makes the scalar L from the model's output. A mean over examples divides every norm by their number; give a
            sum, or a mean times the number, for norms that do not depend on it.

    Returns:
        Dataset with ``norm`` and ``normalised`` over (layer, state, point, time); NaN where a point was not recorded, or a layer ran
        under ``torch.no_grad()``.
        A model with R > 1 replicas has a first dimension ``replica``. Layers have torch's suffixes (``l0``, ``l0_reverse``, whose
        time runs as it does, from the end), after the module's name where the model holds several recurrent modules. A second call
        makes a second recurrence, ``l0#2``, unless it starts from the states that the first ended in, or from what autograd knows to be
        computed from them.

    Raises:
        InputRefusedError: the model has no states that can be probed (``torch.nn.LSTM`` hides its own), the loss is not a scalar or no gradient
            of it reaches a state, or gradients are switched off.

    >>> import zoneout_lab as zl
    >>> rnn = zl.LSTM(3, 4, regularizer=zl.Zoneout(cell=0.5), mask_seed=0)
    >>> flow = gradient_flow(rnn, torch.ones(6, 2, 3), lambda out: out[0][-1].sum())
    >>> dict(flow.sizes)
    {'layer': 1, 'state': 2, 'point': 2, 'time': 6}
    >>> round(float(flow.normalised.sel(state="cell", point="state").sum()), 6)
    1.0
    """
    import xarray as xr

    refuse_unless_callable(model)
    if not callable(loss):
        raise InputRefusedError(
            f"The loss is of type {type(loss).__name__}; give a function that makes one number of the model's output."
        )
    if not torch.is_grad_enabled():
        raise InputRefusedError(
            "gradient_flow was called under torch.no_grad() or inference_mode(), where there are no gradients; call it outside."
        )
    several = isinstance(inputs, tuple) and not isinstance(inputs, PackedSequence)
    arguments = ordinary(inputs if several else (inputs,))
    with unmoved(norms_suffice=True) as probe:
        with modules_probed(model, probe) as hidden:
            value = loss(model(*arguments))
        probe.closed = True  # what is checkpointed runs again below
        if not isinstance(value, Tensor) or value.numel() != 1 or value.is_complex():
            raise InputRefusedError(
                "The loss must be one number, a real tensor with a gradient; reduce it with sum() or mean(), and without item()."
            )
        refuse_if_empty(probe, hidden)
        values, layers, states = norms(probe, value)
    warn_of_hidden(model, hidden, probe, stacklevel=3)
    parts = [gradient_dataset(replica, layers=layers, states=states) for replica in values]
    return parts[0] if len(parts) == 1 else xr.concat(parts, "replica")


def norms(probe: Probe, loss: Tensor) -> tuple[npt.NDArray[np.float64], list[str], list[str]]:
    """Mean over examples of ‖∂L/∂s_t‖₂ for everything in a probe.

    Returns:
        Norms [replica, layer, state, point, time], the layers' labels and the states' names. NaN where nothing was recorded.
    """
    _refuse_lost(probe, loss)
    keys = [*probe.norms, *probe.tensors]
    layers = list(dict.fromkeys(layer for layer, _, _ in keys))
    states = states_in_order({state for _, state, _ in keys})
    tensors = [tensor for series in probe.tensors.values() for tensor in series if tensor.requires_grad]
    gradients = _gradients(loss, [*tensors, *probe.roots])
    found = _of_tensors(probe, gradients)
    for key, calls in probe.norms.items():  # the gradients of the roots have made them just now
        found[key] = torch.cat([call.double().mean(-1) for call in calls], 1)
    R, T = (max(values.shape[axis] for values in found.values()) for axis in (0, 1))
    out = np.full((R, len(layers), len(states), len(POINTS), T), np.nan)
    for (layer, state, point), values in found.items():
        at = (slice(None), layers.index(layer), states.index(state), POINTS.index(point), slice(values.shape[1]))
        out[at] = values.cpu().numpy()
    return out, layers, states


def _refuse_lost(probe: Probe, loss: Tensor) -> None:
    """Raise InputRefusedError where the loss has no graph, or its graph leaves out a layer that is run again in the backward pass."""
    if not loss.requires_grad:
        raise InputRefusedError(
            "The loss has no gradient: it was detached, or made under torch.no_grad() or by operations without a gradient. Return "
            "it as the model's output made it."
        )
    if probe.outside and _has_node(loss, "CheckpointFunctionBackward"):
        raise InputRefusedError(f"No gradient reaches the states of {probe.outside[0]!r}: {_REENTRANT}")


_REENTRANT = (
    "activation checkpointing with use_reentrant=True hides what it runs from a measurement. Give use_reentrant=False, "
    "or measure without checkpointing."
)


def _gradients(loss: Tensor, of: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradients of a loss; InputRefusedError where there are none at all."""
    try:
        gradients = torch.autograd.grad(loss, of, allow_unused=True) if of else ()
    except RuntimeError as error:
        if "second time" in str(error):
            raise InputRefusedError(
                "The gradient of the loss was taken already, and its graph is gone: return the loss without calling backward()."
            ) from error
        if "use_reentrant=True" not in str(error):
            raise
        raise InputRefusedError(f"The gradient cannot be taken: {_REENTRANT}") from error
    if all(gradient is None for gradient in gradients):
        raise InputRefusedError(
            "No gradient of the loss reaches any state: the loss does not depend on them, or between them and the loss something is "
            "detached or runs under torch.no_grad(). Let the loss follow from the recurrence's output."
        )
    return gradients


def _has_node(loss: Tensor, name: str) -> bool:
    waiting, seen = [loss.grad_fn], {None}
    while waiting:
        node: Any = waiting.pop()
        if node not in seen:
            if node.name() == name:
                return True
            seen.add(node)
            waiting += [after for after, _ in node.next_functions]
    return False


def _of_tensors(probe: Probe, gradients: Sequence[Tensor | None]) -> dict[tuple[str, str, str], Tensor]:
    """Mean norms [R, T] of the gradients of recorded tensors, in the order in which they were recorded."""
    remaining, found = iter(gradients), {}
    for key, series in probe.tensors.items():
        by_time, used = [], False
        for tensor, present in zip(series, probe.present[key], strict=True):
            R = _replicas(tensor)
            if not tensor.requires_grad:  # made where autograd records nothing: not zero, but not measured
                by_time.append(torch.full((R,), torch.nan, dtype=torch.float64))
                continue
            gradient = next(remaining)
            used |= gradient is not None
            # a state the loss does not depend on has gradient zero; autograd says None
            norm = torch.zeros(R, 1) if gradient is None else torch.linalg.vector_norm(gradient, dim=-1)
            norm = norm.reshape(R, -1)
            if present is not None and gradient is not None:
                norm = norm[:, present]
            by_time.append(norm.double().mean(1).cpu())
        if not used and probe.owners.get(key[0]) == PROBE and any(tensor.requires_grad for tensor in series):
            raise InputRefusedError(
                f"Nothing that the loss depends on was made of the {key[1]} state that is probed as {key[0]!r}: probe the very tensor that "
                "the next timestep uses, and not a copy."
            )
        if len({len(norm) for norm in by_time}) > 1:
            raise InputRefusedError(
                f"The {key[1]} states of {key[0]!r} have different numbers of dimensions or replicas from timestep to timestep; show "
                "them as [B, H], or [R, B, H] with R replicas, at every one."
            )
        found[key] = torch.stack(by_time, 1)
    return found


def _replicas(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() > 2 else 1
