"""The recurrence: an explicit loop over time in plain torch. This file and ``cells/`` are the specification; faster paths are tested against them.

Shapes: R replicas, T timesteps, B examples, H units.

A mask at a site is 1 where a unit is preserved or dropped; at evaluation it is the mask's mean, a fraction in [0, 1]. A cell's step gives
candidates s̃_t (``cells/`` has the equations), and every state whose site has a mask z is then preserved in part (Krueger et al. 2017, eq. 3):

    s_t = z ⊙ s_{t−1} + (1 − z) ⊙ s̃_t
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import Cell, Masks, States, Step
from zoneout_lab.ops.probe import is_recording, record

#: called by a backward pass with a state's name, a point (candidate or state) and norms [R, T, B] of the gradients there
OnNorms = Callable[[str, str, Tensor], None]


class Matrices(NamedTuple):
    """What the fast paths take: [R, G·H, I], [R, G·H, H] and two biases [R, G·H] or None, in torch's gate order."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None

    def named(self) -> dict[str, Tensor]:
        """By the stems of torch's names, as a cell takes them."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return {name: value for name, value in zip(names, self, strict=True) if value is not None}

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> Matrices:
        """The reverse of :meth:`named`."""
        return cls(weights["weight_ih"], weights["weight_hh"], weights.get("bias_ih"), weights.get("bias_hh"))


def check(cell: type[Cell], x: Tensor, states: States, weights: Matrices, masks: Masks) -> None:
    """Raise ValueError unless shapes, dtypes and devices belong together: compiled code and kernels take them on trust.

    Args:
        cell: one with torch's parameters.
        x: inputs [R or 1, T, B, I].
        states, weights, masks: of the layer.
    """
    R, N, H = weights.hidden.shape
    shape = (R, *x.shape[1:3], H)
    right = cell.gates * H == N and x.shape[0] in (1, R) and weights.input.shape == (R, N, x.shape[3])
    right &= all(bias is None or bias.shape == (R, N) for bias in weights[2:])
    right &= all(state.shape == (R, shape[2], H) for state in states) and len(states) == len(cell.states)
    tensors = [t for t in (x, *weights, *states) if t is not None]
    right &= all(t.dtype == x.dtype and t.device == x.device for t in tensors)
    if not right:
        found = [f"{list(t.shape)} {t.dtype} {t.device}".replace("torch.", "") for t in tensors]
        raise ValueError(f"Inputs, weights and states of a {cell.kind} do not belong together: {'; '.join(found)}.")
    for site, mask in masks.items():
        lead = (1,) * (4 - mask.dim()) + tuple(mask.shape)
        if mask.device != x.device or any(n not in (1, m) for n, m in zip(lead, shape, strict=True)):
            raise ValueError(
                f"The mask at {site!r} is {list(mask.shape)} on {mask.device}; it has to broadcast to {list(shape)} on {x.device}."
            )


def by_time(mask: Tensor, T: int) -> tuple[Tensor, ...]:
    """A mask's T slices [R, B, H] or what broadcasts to it. (Unbound: the gradient of T indexings would be T whole tensors.)"""
    full = mask.reshape((1,) * (4 - mask.dim()) + mask.shape)
    return full.expand(-1, T, -1, -1).unbind(1)


def forward(
    cell: Cell,
    step: Step,
    x: Tensor,
    states: States,
    masks: Masks | None = None,
    *,
    lengths: Tensor | None = None,
    layer: str = "l0",
) -> tuple[Tensor, States]:
    """Run a recurrence over time.

    Args:
        cell: whose states these are.
        step: one timestep of it, from :meth:`~zoneout_lab.ops.cells.base.Cell.begin`.
        x: what :meth:`~zoneout_lab.ops.cells.base.Cell.project` made of the inputs, [R, T, B, ·].
        states: initial states in the cell's order, each [R, B, H].
        masks: site → mask or its expectation, broadcastable to [R, T, B, H], of any dtype.
        lengths: valid timesteps of each example, [B]; past them its states stand still and its outputs are 0.
        layer: label under which states are recorded.

    Returns:
        Outputs [R, T, B, H] and the final states.

    Raises:
        InputRefusedError: the step returned another number of states, states of other shapes or types, or wrote to what it was given.

    >>> from zoneout_lab.ops.cells import TanhRNN
    >>> x, h = torch.zeros(1, 5, 2, 3), torch.ones(1, 2, 3)
    >>> step = TanhRNN().begin({"weight_hh": torch.zeros(1, 3, 3)})
    >>> out, (last,) = forward(TanhRNN(), step, x, (h,), {"hidden": torch.ones(1)})
    >>> bool((last == h).all())  # a rate of 1 preserves the state for ever
    True
    """
    at = {site: by_time(mask, x.shape[1]) for site, mask in (masks or {}).items()}
    outputs = []
    for t, x_t in enumerate(x.unbind(1)):
        now = {site: mask[t].to(x.dtype) for site, mask in at.items()}
        given = (x_t, *states, *now.values())
        before = versions(given)
        candidates = step(x_t, states, now)
        _check(cell, "step", candidates, states)
        new = cell.preserve(states, candidates, now)
        _check(cell, "preserve", new, states)
        if versions(given) != before:
            raise InputRefusedError(
                f"The step of {cell} changed its input, a state or a mask in place, and zoneout has to know what they were: compute new "
                "tensors, h + a in place of h += a."
            )
        if is_recording():
            # where nothing is preserved the state is its candidate: it still has a gradient of its own, through t + 1 alone
            new = tuple(state.view_as(state) for state in new)
        present = None if lengths is None else t < lengths
        if present is None:
            out = new[0]
        else:
            active = present[None, :, None]
            new = tuple(torch.where(active, n, s) for n, s in zip(new, states, strict=True))
            out = torch.where(active, new[0], 0.0)
        states = new
        for kind, candidate, state in zip(cell.states, candidates, states, strict=True):
            record(layer, kind, "candidate", candidate, present=present)
            record(layer, kind, "state", state, present=present)
        outputs.append(out)
    return torch.stack(outputs, 1), states


def versions(tensors: Iterable[Tensor]) -> list[int]:
    """How often each tensor was written to; torch does not count it for inference tensors."""
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def _check(cell: Cell, what: str, found: object, states: States) -> None:
    """Refuse what a user's cell returned in place of its states."""
    if not isinstance(found, tuple) or not all(isinstance(each, Tensor) for each in found):
        raise InputRefusedError(
            f"The {what} of {cell} returned a {type(found).__name__}; it has to return a tuple of tensors, one for each of its "
            f"states ({', '.join(cell.states)})."
        )
    if [each.shape for each in found] != [state.shape for state in states]:
        shapes, wanted = ([list(each.shape) for each in group] for group in (found, states))
        raise InputRefusedError(
            f"The {what} of {cell} returned states of shapes {shapes}; its states ({', '.join(cell.states)}) have shapes {wanted}."
        )
    if any(each.dtype != state.dtype for each, state in zip(found, states, strict=True)):
        types = ", ".join(str(each.dtype) for each in found)
        raise InputRefusedError(
            f"The {what} of {cell} returned states of type {types}; the layer computes in {states[0].dtype}."
        )
