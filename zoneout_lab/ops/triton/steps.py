"""Large H, and float64: for each timestep one matrix product per replica and one fused pointwise kernel.

All buffers are made before the loop and nothing is read back, so the whole pass can be captured in a CUDA graph.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoneout_lab.ops.triton.buffers import Site, blocks, launch, own, stacked
from zoneout_lab.ops.triton.cells import Cell

_ROWS, _UNITS = 4, 128


def tiles(H: int) -> int:
    """How many tiles of units a row of H has, each of which writes its own part of a norm."""
    return blocks(H, _UNITS)


def forward(
    cell: Cell,
    x: Tensor,
    hidden_bias: Tensor | None,
    weight: Tensor,
    hs: Tensor,
    cs: Tensor | None,
    saved: Tensor,
    sites: tuple[Site, ...],
) -> None:
    """Fill hs, cs and ``saved``; arguments as of :func:`zoneout_lab.ops.triton.persistent.forward`, x being products."""
    R, T, B, _ = saved.shape
    H = weight.shape[-1]
    columns = [w.t() for w in own(weight)]
    if cell.name == "gru":  # whose reset gate acts between the two products; the others' gates see only the sum
        recurrent = stacked(x, R, B, 3 * H)
        recurrent_r = recurrent.stride(0)
    else:
        recurrent, recurrent_r = None, 0
        saved.copy_(x)
    for t in range(T):
        for r in range(R):
            if recurrent is None:
                saved[r, t].addmm_(hs[r, t], columns[r])
            elif hidden_bias is None:
                torch.mm(hs[r, t], columns[r], out=recurrent[r])
            else:
                torch.addmm(hidden_bias[r], hs[r, t], columns[r], out=recurrent[r])
        launch(
            cell.kernels.forward_step, (blocks(B, _ROWS), tiles(H), R),
            x, x.stride(0), x.stride(1), recurrent, recurrent_r, hs, cs, hs.stride(0), saved, saved.stride(0), sites, t, B,
            H=H, HP=_padded(H), BT=_ROWS, **cell.options,
        )  # fmt: skip


def backward(
    cell: Cell,
    weight: Tensor,
    hs: Tensor,
    cs: Tensor | None,
    saved: Tensor,
    sites: tuple[Site, ...],
    d_saved: Tensor,
    d_out: Tensor | None,
    d_states: tuple[Tensor, ...],
    norms: Tensor | None,
) -> tuple[Tensor, ...]:
    """Fill ``d_saved`` and ``norms``; returns the gradients of the initial states."""
    R, T, B, _ = saved.shape
    H = weight.shape[-1]
    rows = own(weight)
    carried = tuple(stacked(grad, *grad.shape).copy_(grad) for grad in d_states)
    d_h, d_c = carried[0], carried[1] if len(carried) == 2 else None
    facing = d_saved[..., (cell.columns - cell.gates) * H :]
    for t in reversed(range(T)):
        launch(
            cell.kernels.backward_step, (blocks(B, _ROWS), tiles(H), R),
            hs, cs, hs.stride(0), saved, d_saved, saved.stride(0), d_out, d_h, d_c, d_h.stride(0), sites, norms, t, T, B,
            H=H, HP=_padded(H), BT=_ROWS, **cell.options,
        )  # fmt: skip
        for r in range(R):
            d_h[r].addmm_(facing[r, t], rows[r])
    return carried


def _padded(H: int) -> int:
    """Units of a tile. No fewer than 32, so that no element of a tile belongs to two threads: states are updated in place."""
    return min(_UNITS, max(32, 1 << (H - 1).bit_length()))
