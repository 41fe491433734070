"""The LSTM recurrence with its backward pass written out: the numbers of the reference, in less time on a CPU.

For where nothing can be compiled: the equations are those of :mod:`zoneout_lab.ops.cpu`. Buffers are
[R, T, B, ·] throughout; R replicas, T timesteps, B examples, H units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoneout_lab.ops.products import aligned, multiply
from zoneout_lab.ops.reference import Shares, States, by_time, drop, preserve

_SITES = ("cell", "hidden", "update", "memory", "output")


def lstm(x: Tensor, states: States, weight: Tensor, shares: Shares) -> tuple[Tensor, States]:
    """What :func:`zoneout_lab.ops.reference.run` does for an LSTM, without lengths and without recording.

    Args:
        x: input products with both biases, [R, T, B, 4H].
        states: initial (h, c), each [R, B, H].
        weight: recurrent weights [R, 4H, H].
        shares: site → share, broadcastable to [R, T, B, H]; masks may be of any dtype.

    Returns:
        Outputs [R, T, B, H] and the final (h, c). Differentiable once.
    """
    h, c = states
    out, last_c = _Lstm.apply(x, h, c, weight, *(shares.get(site) for site in _SITES))  # type: ignore[no-untyped-call]
    return out, (out[:, -1], last_c)


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, c: Tensor, weight: Tensor, *shares: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        R, T, B, G = x.shape
        H = G // 4
        scale, offset = _gates(x)
        halved = (weight * scale[:, None]).transpose(1, 2).contiguous()
        gates = torch.empty_like(x)
        hs, cs, tanhs = x.new_empty(R, T + 1, B, H), x.new_empty(R, T + 1, B, H), x.new_empty(R, T, B, H)
        hs[:, 0], cs[:, 0] = h, c
        at = [(None,) * T if share is None else by_time(share, T) for share in shares]
        for t in range(T):
            z_c, z_h, u, m, d = (_floating(share[t], x.dtype) for share in at)
            # σ(a) = ½ tanh(a/2) + ½: halving is exact, so one tanh serves all four gates
            pre = multiply(h, halved).addcmul_(x[:, t], scale).tanh_()
            gate = torch.addcmul(offset, pre, scale, out=gates[:, t])
            i, f, g, o = gate.chunk(4, -1)
            new = drop(torch.addcmul(drop(i * g, u), f, c), m)
            tanh = torch.tanh(new)
            h, c = preserve(h, drop(o * tanh, d), z_h), preserve(c, new, z_c)
            hs[:, t + 1], cs[:, t + 1], tanhs[:, t] = h, c, tanh
        ctx.save_for_backward(gates, hs, cs, tanhs, weight, *shares)
        return hs[:, 1:], c.clone()

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, d_last: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # torch's once_differentiable lets a gradient of constant weights through, and its gradient is then wrong in silence
            raise RuntimeError(
                "The cpu path can be differentiated once, and this gradient is to be differentiated again (create_graph=True). "
                'Make the layer with engine="reference".'
            )
        gates, hs, cs, tanhs, weight, *shares = ctx.saved_tensors
        R, T = tanhs.shape[:2]
        at = [(None,) * T if share is None else by_time(share, T) for share in shares]
        d_gates = torch.empty_like(gates)
        d_h: Tensor | None = None
        d_c: Tensor | None = d_last
        for t in reversed(range(T)):
            z_c, z_h, u, m, d = (_floating(share[t], gates.dtype) for share in at)
            i, f, g, o = gates[:, t].chunk(4, -1)
            d_i, d_f, d_g, d_o = d_gates[:, t].chunk(4, -1)
            tanh = tanhs[:, t]
            new_h, d_h = _split(d_out[:, t] if d_h is None else d_h + d_out[:, t], z_h)
            new_h = drop(new_h, d)
            new_c, d_c = _split(d_c, z_c)
            to_tanh = new_h * o
            to_tanh = torch.addcmul(to_tanh, to_tanh * tanh, tanh, value=-1)
            new_c = drop(to_tanh if new_c is None else new_c + to_tanh, m)
            write = drop(new_c, u)
            torch.mul((write * g).mul_(i), 1 - i, out=d_i)
            torch.mul((new_c * cs[:, t]).mul_(f), 1 - f, out=d_f)
            torch.mul((new_h * tanh).mul_(o), 1 - o, out=d_o)
            write = write * i
            torch.addcmul(write, write * g, g, value=-1, out=d_g)
            d_c = new_c * f if d_c is None else torch.addcmul(d_c, new_c, f)
            back = multiply(d_gates[:, t], weight)
            d_h = back if d_h is None else back.add_(d_h)
        d_weight = torch.stack(
            [torch.mm(aligned(d_gates[r].flatten(0, 1)).t(), aligned(hs[r, :T].flatten(0, 1))) for r in range(R)]
        )
        return d_gates, d_h, d_c, d_weight, *(None for _ in shares)


def _gates(x: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset [4H] that turn tanh into σ at i, f and o."""
    H = x.shape[-1] // 4
    half = x.new_full((4 * H,), 0.5)
    scale, offset = half.clone(), half
    scale[2 * H : 3 * H], offset[2 * H : 3 * H] = 1, 0
    return scale, offset


def _floating(share: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    # products with a mask of 0 and 1 are exact, and twenty times as fast as selecting with a bool mask
    return None if share is None else share.to(dtype)


def _split(grad: Tensor | None, share: Tensor | None) -> tuple[Any, Tensor | None]:
    """A gradient's part that goes to the candidate, and the part that goes to the previous value; None for no part."""
    if grad is None or share is None:
        return grad, None
    old = grad * share
    return grad - old, old
