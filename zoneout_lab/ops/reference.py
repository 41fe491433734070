"""The recurrences: an explicit loop over time in plain torch. This file is the specification; faster paths are tested against it.

Shapes: R replicas, T timesteps, B examples, H units, G = 4H (LSTM), 3H (GRU) or H gate columns, in torch's gate order.

Every regularizer is a *share* in [0, 1] at a site, of [R, T, B, H] or anything that broadcasts to it; 0 means untouched. A mask
is a share of zeros and ones; at evaluation the share is the mask's mean. With z_c, z_h the shares preserved and u, m, d dropped,

    LSTM    c̃_t = (1 − m) ⊙ (f ⊙ c_{t−1} + (1 − u) ⊙ i ⊙ g)      h̃_t = (1 − d) ⊙ o ⊙ tanh(c̃_t)
            c_t = z_c ⊙ c_{t−1} + (1 − z_c) ⊙ c̃_t                 h_t = z_h ⊙ h_{t−1} + (1 − z_h) ⊙ h̃_t
    GRU     h̃_t = (1 − d) ⊙ (k ⊙ h_{t−1} + (1 − k) ⊙ (1 − u) ⊙ n) n = tanh(W_n x + b + r ⊙ (U_n h_{t−1} + b'))
    RNN     h̃_t = (1 − d) ⊙ φ(W x + U h_{t−1} + b)                 φ is tanh or relu

With a share v dropped at :data:`MORE_SITES`, h_{t−1} is (1 − v) ⊙ h_{t−1} inside the products.
h_t for GRU and RNN as for the LSTM. Zoneout: Krueger et al. 2017, eqs. 4–6 (h̃ from the candidate c̃, not from c); u:
Semeniuta et al. 2016, eqs. 13–15; m: dropout on the memory cell itself. The GRU is torch's, which applies r after the product
(Cho et al. 2014 apply it before).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from zoneout_lab.ops.products import recur
from zoneout_lab.ops.trace import announce, is_recording

#: cell → (number of gates, its states, the sites a regularizer may act on)
CELLS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "lstm": (4, ("hidden", "cell"), ("cell", "hidden", "update", "memory", "output")),
    "gru": (3, ("hidden",), ("hidden", "update", "output")),
    "rnn_tanh": (1, ("hidden",), ("hidden", "output")),
    "rnn_relu": (1, ("hidden",), ("hidden", "output")),
}
#: a site that every cell has, known to this file alone: h_{t−1} on its way into the products
MORE_SITES = ("recurrent",)

States = tuple[Tensor, ...]
Shares = Mapping[str, Tensor]
#: called by a backward pass with a state's name, a point (candidate or state) and norms [R, T, B] of the gradients there
OnNorms = Callable[[str, str, Tensor], None]


class Weights(NamedTuple):
    """Parameters of one layer: [R, G, I], [R, G, H] and two biases [R, G] or None, in torch's gate order."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None


def check(cell: str, x: Tensor, states: States, weights: Weights, shares: Shares) -> None:
    """Raise ValueError unless shapes, dtypes and devices belong together: compiled code and kernels take them on trust.

    Args:
        cell: a key of :data:`CELLS`.
        x: inputs [R or 1, T, B, I].
        states, weights, shares: of the layer.
    """
    R, N, H = weights.hidden.shape
    shape = (R, *x.shape[1:3], H)
    right = CELLS[cell][0] * H == N and x.shape[0] in (1, R) and weights.input.shape == (R, N, x.shape[3])
    right &= all(bias is None or bias.shape == (R, N) for bias in weights[2:])
    right &= all(state.shape == (R, shape[2], H) for state in states) and len(states) == len(CELLS[cell][1])
    tensors = [t for t in (x, *weights, *states) if t is not None]
    right &= all(t.dtype == x.dtype and t.device == x.device for t in tensors)
    if not right:
        found = [f"{list(t.shape)} {t.dtype} {t.device}".replace("torch.", "") for t in tensors]
        raise ValueError(f"Inputs, weights and states of a {cell} do not belong together: {'; '.join(found)}.")
    for site, share in shares.items():
        lead = (1,) * (4 - share.dim()) + tuple(share.shape)
        if share.device != x.device or any(n not in (1, m) for n, m in zip(lead, shape, strict=True)):
            raise ValueError(
                f"The share at {site!r} is {list(share.shape)} on {share.device}; it has to broadcast to {list(shape)} on {x.device}."
            )


def preserve(old: Tensor, new: Tensor, share: Tensor | None) -> Tensor:
    """share ⊙ old + (1 − share) ⊙ new; exactly old where the share is 1 and exactly new where it is 0."""
    return new if share is None else torch.addcmul(new * (1 - share), old, share)


def drop(value: Tensor, share: Tensor | None) -> Tensor:
    """(1 − share) ⊙ value."""
    return value if share is None else value * (1 - share)


def by_time(share: Tensor, T: int) -> tuple[Tensor, ...]:
    """A share's T slices [R, B, H] or what broadcasts to it. (Unbound: the gradient of T indexings would be T whole tensors.)"""
    full = share.reshape((1,) * (4 - share.dim()) + share.shape)
    return full.expand(-1, T, -1, -1).unbind(1)


def sigmoid(x: Tensor) -> Tensor:
    """Logistic function as ½ tanh(x/2) + ½.

    torch.sigmoid rounds differently in the last elements of a buffer than elsewhere, so a replica's numbers would depend on its
    place among others; tanh does not.
    """
    return torch.tanh(x * 0.5) * 0.5 + 0.5


def lstm_step(x: Tensor, states: States, weight: Tensor, bias: Tensor | None, shares: Shares) -> tuple[States, States]:
    """One LSTM timestep: x [R, B, 4H] with both biases in it, states (h, c) → candidates (h̃, c̃) and states (h, c)."""
    h, c = states
    i, f, g, o = recur(drop(h, shares.get("recurrent")), weight, x).chunk(4, -1)
    write = drop(sigmoid(i) * torch.tanh(g), shares.get("update"))
    new_c = drop(sigmoid(f) * c + write, shares.get("memory"))
    new_h = drop(sigmoid(o) * torch.tanh(new_c), shares.get("output"))
    return (new_h, new_c), (preserve(h, new_h, shares.get("hidden")), preserve(c, new_c, shares.get("cell")))


def gru_step(x: Tensor, states: States, weight: Tensor, bias: Tensor | None, shares: Shares) -> tuple[States, States]:
    """One GRU timestep: input products x [R, B, 3H], state (h,) → candidate (h̃,) and state (h,)."""
    (h,) = states
    zero = x.new_zeros(1, 1, 1) if bias is None else bias[:, None]
    recurrent = recur(drop(h, shares.get("recurrent")), weight, zero.expand_as(x))
    x_r, x_k, x_n = x.chunk(3, -1)
    h_r, h_k, h_n = recurrent.chunk(3, -1)
    keep = sigmoid(x_k + h_k)
    n = torch.tanh(x_n + sigmoid(x_r + h_r) * h_n)
    new = drop(keep * h + (1 - keep) * drop(n, shares.get("update")), shares.get("output"))
    return (new,), (preserve(h, new, shares.get("hidden")),)


def rnn_step(
    x: Tensor, states: States, weight: Tensor, bias: Tensor | None, shares: Shares, *, relu: bool = False
) -> tuple[States, States]:
    """One Elman timestep: x [R, B, H] with both biases in it, state (h,) → candidate (h̃,) and state (h,)."""
    (h,) = states
    pre = recur(drop(h, shares.get("recurrent")), weight, x)
    new = drop(torch.relu(pre) if relu else torch.tanh(pre), shares.get("output"))
    return (new,), (preserve(h, new, shares.get("hidden")),)


def rnn_relu_step(
    x: Tensor, states: States, weight: Tensor, bias: Tensor | None, shares: Shares
) -> tuple[States, States]:
    """:func:`rnn_step` with relu."""
    return rnn_step(x, states, weight, bias, shares, relu=True)


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn_tanh": rnn_step, "rnn_relu": rnn_relu_step}


def run(
    cell: str,
    x: Tensor,
    states: States,
    weight: Tensor,
    bias: Tensor | None = None,
    shares: Shares | None = None,
    *,
    lengths: Tensor | None = None,
    layer: str = "l0",
) -> tuple[Tensor, States]:
    """Run a recurrence over time.

    Args:
        cell: a key of :data:`CELLS`.
        x: input products W x + b, [R, T, B, G]; for LSTM and RNN with the recurrent bias b' added too.
        states: initial (h, c) or (h,), each [R, B, H].
        weight: recurrent weights [R, G, H].
        bias: recurrent biases b' [R, G] of a GRU, whose reset gate acts on them.
        shares: site → share preserved or dropped, broadcastable to [R, T, B, H]; masks may be of any dtype.
        lengths: valid timesteps of each example, [B]; past them its states stand still and its outputs are 0.
        layer: label under which states are announced to a recording.

    Returns:
        Outputs [R, T, B, H] and the final states.

    >>> x, h = torch.zeros(1, 5, 2, 3), torch.ones(1, 2, 3)
    >>> out, (last,) = run("rnn_tanh", x, (h,), torch.zeros(1, 3, 3), shares={"hidden": torch.ones(1)})
    >>> bool((last == h).all())  # a rate of 1 preserves the state for ever
    True
    """
    step = STEPS[cell]
    kinds = CELLS[cell][1]
    T = x.shape[1]
    at = {site: by_time(share, T) for site, share in (shares or {}).items()}
    outputs = []
    for t, x_t in enumerate(x.unbind(1)):
        candidates, new = step(x_t, states, weight, bias, {site: share[t].to(x.dtype) for site, share in at.items()})
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
        for kind, candidate, state in zip(kinds, candidates, states, strict=True):
            announce(layer, kind, "candidate", candidate, present=present)
            announce(layer, kind, "state", state, present=present)
        outputs.append(out)
    return torch.stack(outputs, 1), states
