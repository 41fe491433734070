"""The reference recurrence against its equations written out in scalars: one replica, one example, one unit at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from zoneout_lab.ops.arithmetic import sigmoid
from zoneout_lab.ops.cells import FAST
from zoneout_lab.ops.reference import forward

R, T, B, H = 2, 4, 3, 5
Scalars = dict[str, list[float]]
SITES = {cell: FAST[cell].fast_sites for cell in FAST}


def logistic(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def slow_lstm(x, h, c, W, bias, at: Scalars):
    """replication.md §1, §3: m is the keep-new mask there, here 1 − z."""
    pre = [x[g] + sum(W[g][k] * h[k] for k in range(H)) for g in range(4 * H)]
    new_h, new_c = [], []
    for j in range(H):
        i, f, o = (logistic(pre[gate * H + j]) for gate in (0, 1, 3))
        g = math.tanh(pre[2 * H + j])
        candidate = (1 - at["memory"][j]) * (f * c[j] + (1 - at["update"][j]) * i * g)
        hidden = (1 - at["output"][j]) * o * math.tanh(candidate)
        m_c, m_h = 1 - at["cell"][j], 1 - at["hidden"][j]
        new_c.append(m_c * candidate + (1 - m_c) * c[j])
        new_h.append(m_h * hidden + (1 - m_h) * h[j])
    return new_h, new_c


def slow_gru(x, h, c, W, bias, at: Scalars):
    """torch's GRU: the reset gate acts on the recurrent product and its bias."""
    product = [bias[g] + sum(W[g][k] * h[k] for k in range(H)) for g in range(3 * H)]
    new_h = []
    for j in range(H):
        r, u = logistic(x[j] + product[j]), logistic(x[H + j] + product[H + j])
        n = (1 - at["update"][j]) * math.tanh(x[2 * H + j] + r * product[2 * H + j])
        hidden = (1 - at["output"][j]) * (u * h[j] + (1 - u) * n)
        m_h = 1 - at["hidden"][j]
        new_h.append(m_h * hidden + (1 - m_h) * h[j])
    return new_h, c


def slow_rnn(phi: Callable[[float], float]):
    def step(x, h, c, W, bias, at: Scalars):
        hidden = [(1 - at["output"][j]) * phi(x[j] + sum(W[j][k] * h[k] for k in range(H))) for j in range(H)]
        m_h = [1 - at["hidden"][j] for j in range(H)]
        return [m_h[j] * hidden[j] + (1 - m_h[j]) * h[j] for j in range(H)], c

    return step


SLOW = {
    "lstm": slow_lstm,
    "gru": slow_gru,
    "rnn_tanh": slow_rnn(math.tanh),
    "rnn_relu": slow_rnn(lambda a: max(a, 0.0)),
}


def problem(cell: str, masks: str) -> dict[str, np.ndarray]:
    """Inputs, states, weights and a mask [R, T, B, H] at each site: masks, or anything in [0, 1]."""
    rng = np.random.default_rng(3)
    G = FAST[cell].gates * H
    sizes = {"x": (R, T, B, G), "h": (R, B, H), "c": (R, B, H), "W": (R, G, H), "bias": (R, G)}
    values = {name: rng.normal(size=size) for name, size in sizes.items()}
    draws = {site: rng.random((R, T, B, H)) for site in SITES[cell]}
    if masks != "fractions":
        draws = {site: (draw < 0.5).astype(float) for site, draw in draws.items()}
    return values | {site: draw for site, draw in draws.items() if masks != site}


@pytest.mark.parametrize(
    ("cell", "masks"), [(cell, masks) for cell in FAST for masks in ("masks", "fractions", *SITES[cell])]
)
def test_equals_the_scalar_equations(cell: str, masks: str):
    """``masks``: masks or fractions at all sites, or masks at all sites but the one named."""
    p = problem(cell, masks)
    outputs = np.zeros((R, T, B, H))
    finals = np.zeros((2, R, B, H))
    for r, b in np.ndindex(R, B):
        h, c = list(p["h"][r, b]), list(p["c"][r, b])
        for t in range(T):
            at = {site: list(p[site][r, t, b]) if site in p else [0.0] * H for site in FAST["lstm"].fast_sites}
            h, c = SLOW[cell](p["x"][r, t, b], h, c, p["W"][r], p["bias"][r], at)
            outputs[r, t, b] = h
        finals[:, r, b] = h, c

    tensors = {name: torch.from_numpy(value) for name, value in p.items()}
    states = (tensors["h"], tensors["c"])[: len(FAST[cell].states)]
    sites = {site: tensors[site] for site in SITES[cell] if site in tensors}
    weights = {"weight_hh": tensors["W"]} | ({"bias_hh": tensors["bias"]} if cell == "gru" else {})
    out, last = forward(FAST[cell](), FAST[cell]().begin(weights), tensors["x"], states, sites)
    np.testing.assert_allclose(out.numpy(), outputs, rtol=1e-12, atol=1e-13)
    for state, expected in zip(last, finals, strict=False):
        np.testing.assert_allclose(state.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_is_the_logistic_function(dtype: torch.dtype):
    x = torch.linspace(-30, 30, 4001, dtype=dtype)
    assert torch.allclose(sigmoid(x), torch.sigmoid(x.double()).to(dtype), rtol=0, atol=torch.finfo(dtype).eps)


@pytest.mark.parametrize("cell", FAST)
def test_past_an_examples_length_states_stand_still(cell: str):
    p = {name: torch.from_numpy(value) for name, value in problem(cell, "masks").items()}
    states = (p["h"], p["c"])[: len(FAST[cell].states)]
    lengths = torch.tensor([4, 1, 3])
    made = FAST[cell]()
    step = made.begin({"weight_hh": p["W"]})
    out, last = forward(made, step, p["x"], states, lengths=lengths)
    for b, length in enumerate(lengths.tolist()):
        own, own_last = forward(made, step, p["x"][:, :length, [b]], tuple(s[:, [b]] for s in states))
        assert torch.allclose(out[:, :length, [b]], own, rtol=1e-12)
        assert (out[:, length:, b] == 0).all()
        assert all(torch.allclose(s[:, [b]], o, rtol=1e-12) for s, o in zip(last, own_last, strict=True))
