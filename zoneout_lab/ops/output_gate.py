"""Recurrent dropout that reuses its mask to preserve the output gate: the variant of Krueger et al. 2017, section 3.3.

With d ~ Bernoulli(1 − p), 1 where the update is kept,

    c_t = f ⊙ c_{t−1} + d ⊙ i ⊙ g        h_t = (d ⊙ o_{t−1} + (1 − d) ⊙ o_t) ⊙ tanh(c_t)    as printed
                                          h_t = (d ⊙ o_t + (1 − d) ⊙ o_{t−1}) ⊙ tanh(c_t)    as intended

The text motivates it as preserving the output gate *where the update is dropped*, which is the second; the printed sign does the
opposite. There is no gate before the first timestep of a sequence, which uses its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoneout_lab.ops.products import project, recur
from zoneout_lab.ops.reference import Shares, States, Weights, by_time, drop, preserve, sigmoid
from zoneout_lab.ops.trace import announce, is_recording


def run(
    x: Tensor, states: States, weights: Weights, shares: Shares, *, printed: bool, layer: str = "l0"
) -> tuple[Tensor, States]:
    """The recurrence; arguments and result as for :func:`zoneout_lab.ops.normalised.run`, the share dropped at ``update`` alone.

    >>> x, h = torch.ones(1, 3, 2, 4), torch.zeros(1, 2, 5)
    >>> weights = Weights(torch.ones(1, 20, 4), torch.ones(1, 20, 5))
    >>> out, (h, c) = run(x, (h, h), weights, {}, printed=True)
    >>> out.shape
    torch.Size([1, 3, 2, 5])
    """
    R, N = weights.hidden.shape[:2]
    bias = sum((b for b in weights[2:] if b is not None), x.new_zeros(R, N))
    h, c = states
    before: Tensor | None = None
    outputs = []
    dropped = by_time(shares.get("update", x.new_zeros(1)), x.shape[1])
    for x_t, share in zip(project(x, weights.input, bias).unbind(1), dropped, strict=True):
        u = share.to(x.dtype)
        i, f, g, o = recur(h, weights.hidden, x_t).chunk(4, -1)
        gate = sigmoid(o)
        c = sigmoid(f) * c + drop(sigmoid(i) * torch.tanh(g), u)
        mixed = gate if before is None else preserve(before, gate, 1 - u if printed else u)
        h, before = mixed * torch.tanh(c), gate
        if is_recording():
            h, c = h.view_as(h), c.view_as(c)
        for kind, state in (("hidden", h), ("cell", c)):
            announce(layer, kind, "candidate", state)
            announce(layer, kind, "state", state)
        outputs.append(h)
    return torch.stack(outputs, 1), (h, c)
