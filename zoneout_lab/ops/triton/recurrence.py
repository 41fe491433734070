"""The autograd function over both paths: what they share before the loop over time and after it.

The gradients of all weights are products over the whole [T·B] once the loop is done, one for each replica, so that a replica's
bits are those that it would have alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoneout_lab.ops.reference import OnNorms
from zoneout_lab.ops.triton import persistent, steps
from zoneout_lab.ops.triton.buffers import own, site, stacked
from zoneout_lab.ops.triton.cells import Cell
from zoneout_lab.ops.triton.persistent import Fit

POINTS = ("state", "candidate")


@dataclass(frozen=True)
class Plan:
    """How a recurrence is computed: in one launch (``fit``) or step by step (None), and in which precision."""

    cell: Cell
    fit: Fit | None
    low: bool


class Recurrence(torch.autograd.Function):
    """(x, weights, initial states, masks) → outputs [R, T, B, H] and the final states; differentiable once.

    Takes a plan, a callback for norms or None, x (products [R, T, B, G·H], or inputs [R or 1, T, B, 1] with input weights
    [R, G·H] and bias), a GRU's recurrent bias, the recurrent weights [R, G·H, H], h and c (None where there is none), and masks
    in the order of the cell's sites.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        on_norms: OnNorms | None,
        x: Tensor,
        input_weight: Tensor | None,
        input_bias: Tensor | None,
        hidden_bias: Tensor | None,
        weight: Tensor,
        h: Tensor,
        c: Tensor | None,
        *masks: Tensor | None,
    ) -> tuple[Tensor, ...]:
        cell, T = plan.cell, x.shape[1]
        R, _, H = weight.shape
        B = h.shape[1]
        weight = weight.contiguous()
        saved = stacked(x, R, T, B, cell.columns * H)
        hs = stacked(x, R, T + 1, B, H)
        hs[:, 0] = h
        cs = None
        if c is not None:
            cs = stacked(x, R, T + 1, B, H)
            cs[:, 0] = c
        sites = tuple(site(mask, (R, T, B, H)) for mask in masks)
        if plan.fit is not None:
            w_x, b, b_h = (None if v is None else v.contiguous() for v in (input_weight, input_bias, hidden_bias))
            persistent.forward(cell, plan.fit, x, w_x, b, b_h, weight, hs, cs, saved, sites)
        else:
            with precision(low=plan.low):
                steps.forward(cell, x, hidden_bias, weight, hs, cs, saved, sites)
        ctx.plan, ctx.on_norms = plan, on_norms
        ctx.set_materialize_grads(False)
        kept = None if input_weight is None else x  # products are not needed again
        ctx.save_for_backward(kept, input_weight, weight, hs, cs, saved, *masks)
        finals = [states[:, T].clone() for states in (hs, cs) if states is not None]
        return hs[:, 1:], *finals

    @staticmethod
    def backward(ctx: Any, d_out: Tensor | None, *d_finals: Tensor | None) -> tuple[Any, ...]:
        if torch.is_grad_enabled():
            # torch's once_differentiable lets a gradient of constant weights through, and its gradient is then wrong in silence
            raise RuntimeError(
                "The triton path can be differentiated once, and this gradient is to be differentiated again "
                '(create_graph=True). Make the layer with engine="reference".'
            )
        x, input_weight, weight, hs, cs, saved, *masks = ctx.saved_tensors
        plan: Plan = ctx.plan
        cell = plan.cell
        R, T, B, _ = saved.shape
        H = weight.shape[-1]
        sites = tuple(site(mask, (R, T, B, H)) for mask in masks)
        d_saved = torch.empty_strided(saved.shape, saved.stride(), dtype=saved.dtype, device=saved.device)
        d_out = None if d_out is None else d_out.contiguous()
        d_states = tuple(hs.new_zeros(R, B, H) if grad is None else grad.contiguous() for grad in d_finals)
        norms = None
        if ctx.on_norms is not None:
            tiles = 1 if plan.fit is not None else steps.tiles(H)
            norms = hs.new_empty(len(POINTS) * len(cell.states), R, T, B, tiles)
        with precision(low=plan.low):
            if plan.fit is not None:
                d_initial = persistent.backward(
                    cell, plan.fit, weight, hs, cs, saved, sites, d_saved, d_out, d_states, norms
                )
            else:
                d_initial = steps.backward(cell, weight, hs, cs, saved, sites, d_saved, d_out, d_states, norms)
            grads = _of_inputs(ctx.needs_input_grad, cell, x, input_weight, hs, d_saved)
        if norms is not None:
            _hand_over_norms(ctx.on_norms, cell, norms)
        d_c = d_initial[1] if cs is not None else None
        return None, None, *grads, d_initial[0], d_c, *(None for _ in masks)


def _of_inputs(
    needed: tuple[bool, ...], cell: Cell, x: Tensor | None, input_weight: Tensor | None, hs: Tensor, d_saved: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of x, input weights, input bias, recurrent bias and recurrent weights, from those of the columns."""
    R, T, B, _ = d_saved.shape
    H = hs.shape[-1]
    to_x = d_saved[..., : cell.gates * H]
    to_h = [d.flatten(0, 1) for d in d_saved[..., (cell.columns - cell.gates) * H :]]
    d_x: Tensor | None = None
    d_input_weight = d_input_bias = d_hidden_bias = None
    if input_weight is None or x is None:
        d_x = to_x
    else:
        rows = [d.flatten(0, 1) for d in to_x]
        if needed[2]:
            d_x = torch.stack([torch.mv(d, w) for d, w in zip(rows, own(input_weight), strict=True)])
            d_x = d_x.reshape(R, T, B, 1)
            if x.shape[0] < R:
                d_x = d_x.sum(0, keepdim=True)
        if needed[3]:
            inputs = [each.flatten() for each in own(x)] * (R // x.shape[0])
            d_input_weight = torch.stack([torch.mv(d.t(), each) for d, each in zip(rows, inputs, strict=True)])
        if needed[4]:
            d_input_bias = torch.stack([d.sum(0) for d in rows])
    if needed[5]:
        d_hidden_bias = torch.stack([d.sum(0) for d in to_h])
    d_weight = torch.stack([torch.mm(d.t(), h[:T].flatten(0, 1)) for d, h in zip(to_h, hs, strict=True)])
    return d_x, d_input_weight, d_input_bias, d_hidden_bias, d_weight


def _hand_over_norms(on_norms: OnNorms, cell: Cell, sums: Tensor) -> None:
    """Report ‖gradient‖₂ [R, T, B] from sums of squares [which, R, T, B, tiles], which are added from the first tile to the last."""
    total = sums[..., 0]
    for part in sums[..., 1:].unbind(-1):
        total = total + part
    norms = iter(total.sqrt())
    for state in cell.states:
        for point in POINTS:
            on_norms(state, point, next(norms))


@contextmanager
def precision(*, low: bool) -> Iterator[None]:
    """Matrix products of fp32 numbers on a GPU in tf32 or in fp32, as the recurrence around them."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32" if low else "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before
