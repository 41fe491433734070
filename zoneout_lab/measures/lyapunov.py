"""Lyapunov exponents of a recurrence: the mean rates at which small changes of its state grow or shrink, along the inputs of each example.

With s_t all states of a layer as one vector of n numbers, J_t = ∂s_t/∂s_{t−1}, and Q_0 an orthonormal frame [n, k],

    Q_j R_j = J_{t+m} ⋯ J_{t+1} Q_{j−1}          λ_i = 1/T' Σ_j log |(R_j)_ii|

are the k largest exponents as T' grows (Benettin et al. 1980; for recurrent networks Vogt et al. 2022 and Engelken, Wolf & Abbott 2023). The
product over a chunk of m timesteps is never made: it is applied to the k columns of the frame, each beside a copy of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoneout_lab.checked import whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.base import Batch, Measure, Subject
from zoneout_lab.metrics import Metric
from zoneout_lab.ops import reference
from zoneout_lab.ops.cells import States
from zoneout_lab.ops.probe import recording
from zoneout_lab.ops.recurrence import Recurrence

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class LyapunovExponents(Measure):
    """The largest Lyapunov exponents of each layer, along the inputs of each example and averaged over them.

    A layer's exponents are those of its own states (h and c of an LSTM) with its inputs given. A stack's Jacobian is block triangular, a
    layer at t depending on those below at t and on itself at t − 1, so that the exponents of the whole are those of its layers
    together. Under masks the Jacobian is that of the very masks drawn: the row of a preserved unit is the identity's.

    The first quarter of the sequence turns the frame, random at first, towards the directions that grow most, and is not counted; the
    other T' timesteps are. Exponents of short sequences are those of a finite time, and may not come in order of size.

    −∞ means that a direction is lost within one chunk: R_ii is 0 up to rounding. An average over examples is −∞
    where one of them is; figures and comparisons leave it out. NaN, not measured: cells whose states do not suffice (an output gate that
    mixes with the one before, an sLSTM, whose c, n and m express the same memory in many ways), and in training those whose examples depend
    on each other (batch norm).

    It computes in double precision on the reference loop, with k tangents for each example beside k copies of its states, and a QR
    decomposition of [n, k] for every chunk and example. On one core, 20 sequences of 200 timesteps through an LSTM of 100 units take
    about .7 s at k = 3 and 1.6 s at k = 10, and the same again without noise. With ``chunk`` timesteps in one product, an exponent that
    lies more than 36 / ``chunk`` below the largest, over any one chunk, cannot be told from −∞.

    Args:
        k: how many exponents; at most the number of units of all a layer's states together.
        chunk: timesteps between two QR decompositions: more of them cost less, and change nothing but rounding.

    Raises:
        InputRefusedError: ``k`` or ``chunk`` is not a whole number of at least 1, or ``k`` is more than a layer has.

    >>> LyapunovExponents(k=5).names()[:2]
    ['largest_lyapunov_exponent', 'mean_lyapunov_exponent']
    """

    kind: ClassVar[str] = "lyapunov"
    title: ClassVar[str] = "Lyapunov exponents"
    dims: ClassVar[tuple[str, ...]] = ("layer", "order")
    quantities: ClassVar[Mapping[str, Metric]] = {
        "lyapunov_exponent": Metric(
            "mean rate at which small changes of a layer's states grow, in the frame's order, mean over examples",
            "per timestep",
        ),
    }
    scalars: ClassVar[Mapping[str, Metric]] = {
        "largest_lyapunov_exponent": Metric(
            "largest Lyapunov exponent of any layer", "per timestep", "largest Lyapunov exponent"
        ),
        "mean_lyapunov_exponent": Metric(
            "mean over layers of the largest Lyapunov exponents measured", "per timestep", "mean Lyapunov exponent"
        ),
    }

    k: int = 3
    chunk: int = 1

    def __post_init__(self) -> None:
        for name in ("k", "chunk"):
            object.__setattr__(self, name, whole(getattr(self, name), f"lyapunov's {name}", 1))

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """The exponents of every layer."""
        import xarray as xr

        layers = batch.recurrences(model)
        with torch.no_grad(), recording() as probe:
            probe.closed = True  # what runs here is not part of any recording
            found = torch.stack([exponents(layer, self.k, self.chunk).mean(1) for layer in layers.values()], 1)
        coords = {"layer": list(layers), "order": range(1, self.k + 1)}
        return [xr.Dataset({"lyapunov_exponent": (self.dims, row)}, coords) for row in found.cpu().numpy()]

    def reduce(self, measured: xr.Dataset) -> Mapping[str, Any]:
        return {
            "largest_lyapunov_exponent": measured.lyapunov_exponent.max(),
            "mean_lyapunov_exponent": measured.lyapunov_exponent.mean(),
        }


def first_frame(n: int, k: int) -> Tensor:
    """Q_0, a random orthonormal frame [n, k], the same each time."""
    gaussian = torch.randn(n, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frame: Tensor = torch.linalg.qr(gaussian).Q
    return frame


def exponents(layer: Recurrence, k: int, chunk: int) -> Tensor:
    """λ_1 … λ_k of each example, [R, B, k]; NaN where the layer's cell has none.

    Raises:
        InputRefusedError: ``k`` is more than its states have numbers.
    """
    cell, inputs = layer.cell, layer.inputs.double()
    (R, B, H), T = layer.states[0].shape, inputs.shape[1]
    n = len(layer.states) * H
    if k > n:
        raise InputRefusedError(f"k is {k}, but the states of a layer have only {n} numbers; give at most {n}.")
    if not cell.states_suffice or (cell.mixes_examples and layer.training):
        return inputs.new_full((R, B, k), torch.nan)
    step = cell.begin({stem: value.detach().double() for stem, value in layer.weights.items()}, training=layer.training)
    states = tuple(state.double() for state in layer.states)
    frame = first_frame(n, k).to(inputs.device).expand(R, B, n, k)
    uncounted = T // 4
    total = inputs.new_zeros(R, B, k)
    for start, stop in _chunks(0, uncounted, chunk) + _chunks(uncounted, T, chunk):
        masks = {site: _slice(mask, start, stop, k) for site, mask in layer.masks.items()}
        run = partial(reference.forward, cell, step, inputs[:, start:stop].repeat(1, 1, k, 1), masks=masks)
        states, product = _pushed(run, states, frame)
        frame, upper = torch.linalg.qr(product)
        if start >= uncounted:
            total = total + _logarithms(upper, product)
    return total / (T - uncounted)


def _chunks(start: int, stop: int, chunk: int) -> list[tuple[int, int]]:
    return [(at, min(at + chunk, stop)) for at in range(start, stop, chunk)]


def _slice(mask: Tensor, start: int, stop: int, k: int) -> Tensor:
    """Some timesteps of a mask, for every example k times."""
    full = mask.reshape((1,) * (4 - mask.dim()) + mask.shape)
    some = full if full.shape[1] == 1 else full[:, start:stop]
    return some if some.shape[2] == 1 else some.repeat(1, 1, k, 1)


def _pushed(run: Callable[[States], tuple[Tensor, States]], states: States, frame: Tensor) -> tuple[States, Tensor]:
    """Where states [R, B, H] each go, and the Jacobian's product with a frame [R, B, n, k].

    ``run`` returns outputs and states of the k B examples that it takes. The product is the derivative, by u, of the backward pass from
    cotangents u, which is linear in them. Two backward passes suit every cell that trains; forward-mode differentiation does not.
    """
    R, B, n, k = frame.shape
    with torch.enable_grad():
        begin = torch.cat(states, -1).repeat(1, k, 1).requires_grad_()
        end = torch.cat(run(begin.chunk(len(states), -1))[1], -1)
        u = torch.zeros_like(end, requires_grad=True)
        back = torch.autograd.grad(end, begin, u, create_graph=True)[0] if end.requires_grad else end
        tangents = frame.permute(0, 3, 1, 2).reshape(begin.shape)
        # what comes from no state before has no graph
        pushed = torch.autograd.grad(back, u, tangents)[0] if back.requires_grad else torch.zeros_like(end)
    ends = end[:, :B].detach().chunk(len(states), -1)
    return ends, pushed.reshape(R, k, B, n).permute(0, 2, 3, 1)


def _logarithms(upper: Tensor, product: Tensor) -> Tensor:
    """log |R_ii| [R, B, k]; −∞ where rounding alone would leave as much of a column of the product."""
    diagonal = upper.diagonal(dim1=-2, dim2=-1).abs()
    rounding = product.shape[-2] * torch.finfo(product.dtype).eps * torch.linalg.vector_norm(product, dim=-2)
    return torch.where(diagonal <= rounding, -torch.inf, diagonal.log())
