"""The recurrences on a CPU with their backward passes written out: the numbers of the reference in a fraction of its time.

With G_h, G_c the total gradients at t, z what is preserved, u, m and d what is dropped, an LSTM's are

    dh̃ = (1 − z_h) ⊙ G_h, then times 1 − d   dc̃ = (1 − z_c) ⊙ G_c + dh̃ ⊙ o ⊙ (1 − tanh² c̃),    then times 1 − m
    do = dh̃ ⊙ tanh c̃    df = dc̃ ⊙ c₋    di = dc̃ ⊙ (1 − u) ⊙ g    dg = dc̃ ⊙ (1 − u) ⊙ i
    G_c₋ = z_c ⊙ G_c + f ⊙ dc̃               G_h₋ = z_h ⊙ G_h + dgates · W + external

where dgates holds the four gradients times the slopes of σ and tanh. All of it, the products too, runs in compiled code
(native/recurrence.c): every example by itself through all timesteps, on as many threads as torch may use. Shapes as in
:mod:`zoneout_lab.ops.reference`.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from zoneout_lab.ops.cells import CELLS, Masks, States
from zoneout_lab.ops.compiled import library
from zoneout_lab.ops.reference import Matrices, OnNorms, check

_KINDS = {"lstm": 0, "gru": 1, "rnn_tanh": 2, "rnn_relu": 3}
_SAVED = {"lstm": 4, "gru": 4, "rnn_tanh": 1, "rnn_relu": 1}
_SITES = ("cell", "hidden", "update", "memory", "output")
_POINTS = (("cell", "candidate"), ("cell", "state"), ("hidden", "candidate"), ("hidden", "state"))


class _Mask(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("stride", ctypes.c_int64 * 4), ("kind", ctypes.c_int64))


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("cell", "R", "T", "B", "H", "I", "threads")),
        ("x", ctypes.c_void_p),
        ("x_stride", ctypes.c_int64 * 3),
        *((name, ctypes.c_void_p) for name in ("w_in", "w_hidden", "b_in", "b_hidden")),
        ("mask", _Mask * len(_SITES)),
        ("gates_stride", ctypes.c_int64),
        ("states_stride", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in ("gates", "hs", "cs", "d_out", "d_gates", "d_h", "d_c", "d_weights", "d_bias", "d_x", "norms")
        ),
    )


def is_compiled(dtype: torch.dtype = torch.float32) -> bool:
    """True where a C compiler was found and compiled what this path needs for a dtype."""
    return _body(dtype) is not None


def forward(
    cell: str, x: Tensor, states: States, weights: Matrices, masks: Masks, *, on_norms: OnNorms | None = None
) -> tuple[Tensor, States]:
    """A layer over time, as :func:`zoneout_lab.ops.engine.forward` without lengths; differentiable once.

    Args:
        cell: kind of a cell with a fast path.
        x: inputs [R or 1, T, B, I], float32 or float64.
        states, weights, masks: as for the engine; all of one dtype but masks, which may be bytes.
        on_norms: called from the backward pass for every state and point, with the norms over units [R, T, B].

    Raises:
        ValueError: shapes, dtypes or devices that do not belong together.
    """
    check(CELLS[cell], x, states, weights, masks)
    values = (masks.get(site) for site in _SITES)
    out, last_c = _Recurrence.apply(cell, on_norms, x, *weights, *states, *[None] * (2 - len(states)), *values)  # type: ignore[no-untyped-call]
    return out, (out[:, -1], last_c)[: len(states)]


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, cell: str, on_norms: OnNorms | None, x: Tensor, w_in: Tensor, w_hidden: Tensor, b_in: Tensor | None,
        b_hidden: Tensor | None, h: Tensor, c: Tensor | None, *masks: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        x = x if x.stride(-1) == 1 else x.contiguous()
        R, (T, B), H = w_hidden.shape[0], x.shape[1:3], w_hidden.shape[2]
        S = _SAVED[cell] * H
        gates, hs = _slabs(x, R, T, B, S), _slabs(x, R, T + 1, B, H)
        hs[:, 0] = h
        cs = None
        if c is not None:
            cs = _slabs(x, R, T + 1, B, H)
            cs[:, 0] = c
        parameters = [None if p is None else p.contiguous() for p in (w_in, w_hidden, b_in, b_hidden)]
        saved = (x, *parameters, gates, hs, cs)
        masks = tuple(None if mask is None else _plain(mask, x.dtype) for mask in masks)
        _call("forward", _problem(cell, saved, masks), x.dtype)
        ctx.save_for_backward(*saved, *masks)
        ctx.cell, ctx.on_norms = cell, on_norms
        return hs[:, 1:], None if cs is None else cs[:, -1].clone()

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # torch's once_differentiable lets a gradient of constant weights through, and its gradient is then wrong in silence
            raise RuntimeError(
                "The cpu path can be differentiated once, and this gradient is to be differentiated again (create_graph=True). "
                'Make the layer with engine="reference".'
            )
        cell, kept = ctx.cell, ctx.saved_tensors  # once: activation checkpointing hands each tensor out a single time
        saved, masks = kept[:8], kept[8:]
        x, _, _, b_in, b_hidden, gates, hs, cs = saved
        R, T, B, S = gates.shape
        d_gates, d_h = _slabs(x, R, T, B, S), torch.zeros_like(hs[:, 0], memory_format=torch.contiguous_format)
        d_c = None if d_last is None or cs is None else d_last.clone(memory_format=torch.contiguous_format)
        norms = None if ctx.on_norms is None else x.new_empty(4, R, T, B)
        d_weights = d_bias = None
        if any(ctx.needs_input_grad[3:7]):
            d_weights, d_bias = x.new_empty(R, S, x.shape[3] + hs.shape[3]), x.new_empty(R, S)
        d_x = x.new_empty(R, T, B, x.shape[3]) if ctx.needs_input_grad[2] else None
        back = {"d_out": d_out.contiguous(), "d_gates": d_gates, "d_h": d_h, "d_c": d_c, "d_weights": d_weights, "d_bias": d_bias,
                "d_x": d_x, "norms": norms}  # fmt: skip
        problem = _problem(cell, saved, masks, **back)
        _call("backward", problem, x.dtype)
        if norms is not None:
            for row, (state, point) in enumerate(_POINTS):
                if state in CELLS[cell].states:
                    ctx.on_norms(state, point, norms[row].sqrt_())
        parameters: list[Tensor | None] = [None] * 4
        if d_weights is not None and d_bias is not None:
            _call("backward_weights", problem, x.dtype)
            parameters = _of_parameters(cell, d_weights, d_bias, b_in, b_hidden)
        if d_x is not None:
            _call("backward_input", problem, x.dtype)
            if x.shape[0] == 1 and R > 1:
                d_x = d_x.sum(0, keepdim=True)
        return (None, None, d_x, *parameters, d_h, d_c, *[None] * len(masks))


def _of_parameters(
    cell: str, d_weights: Tensor, d_bias: Tensor, b_in: Tensor | None, b_hidden: Tensor | None
) -> list[Tensor | None]:
    """Gradients of both weights and both biases, from those of all products by x and h."""
    H = d_weights.shape[1] // _SAVED[cell]
    N, inputs = CELLS[cell].gates * H, d_weights.shape[2] - H
    # a GRU's recurrent product made r, k and a part of n that has a gradient of its own
    own = torch.cat([torch.arange(2 * H), torch.arange(3 * H, 4 * H)]) if cell == "gru" else slice(None)
    # a clone: autograd keeps what it is given, and a caller may scale one bias's gradient in place
    return [
        d_weights[:, :N, :inputs], d_weights[:, own, inputs:],
        None if b_in is None else d_bias[:, :N], None if b_hidden is None else d_bias[:, own].clone(),
    ]  # fmt: skip


# ---- the compiled code's view of the tensors ----


def _slabs(like: Tensor, R: int, *shape: int) -> Tensor:
    """New [R, *shape], every replica at a multiple of 64 bytes, so that the products after it need not copy it (matmul.aligned)."""
    size = torch.Size(shape).numel()
    lanes = 64 // like.element_size()
    return like.new_empty(R, -(-size // lanes) * lanes)[:, :size].view(R, *shape)


def _plain(mask: Tensor, dtype: torch.dtype) -> Tensor:
    mask = mask.reshape((1,) * (4 - mask.dim()) + mask.shape)
    return mask if mask.dtype in (torch.uint8, dtype) else mask.to(dtype)


def _problem(cell: str, saved: tuple[Any, ...], masks: Iterable[Tensor | None], **back: Tensor | None) -> _Problem:
    """The C struct; it points into the tensors, which its maker keeps alive."""
    x, w_in, w_hidden, b_in, b_hidden, gates, hs, cs = saved
    R, T, B, _ = gates.shape
    problem = _Problem(_KINDS[cell], R, T, B, w_hidden.shape[2], x.shape[3], torch.get_num_threads())
    named = {"x": x, "w_in": w_in, "w_hidden": w_hidden, "b_in": b_in, "b_hidden": b_hidden, "gates": gates, "hs": hs,
             "cs": cs, **back}  # fmt: skip
    for name, tensor in named.items():
        setattr(problem, name, None if tensor is None else tensor.data_ptr())
    problem.x_stride[:] = (0 if x.shape[0] == 1 else x.stride(0), x.stride(1), x.stride(2))
    problem.gates_stride, problem.states_stride = gates.stride(0), hs.stride(0)
    for slot, mask in zip(problem.mask, masks, strict=True):
        if mask is not None:
            slot.data, slot.kind = mask.data_ptr(), 1 if mask.dtype == torch.uint8 else 2
            slot.stride[:] = [0 if n == 1 else s for n, s in zip(mask.shape, mask.stride(), strict=True)]
    return problem


@functools.cache
def _body(dtype: torch.dtype) -> ctypes.CDLL | None:
    return library("recurrence", *(["DOUBLE"] if dtype == torch.float64 else []))


def _call(name: str, problem: _Problem, dtype: torch.dtype) -> None:
    body = _body(dtype)
    assert body is not None
    if getattr(body, name)(ctypes.byref(problem)):
        raise MemoryError("The recurrence found no memory for its weights.")
