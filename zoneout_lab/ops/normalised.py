"""The LSTM with normalised products: layer normalisation, and recurrent batch normalisation with statistics of each timestep.

With N a normalisation to mean 0 and variance 1 (+ ε) and a gain γ for each column,

    i, f, o, g before their functions = γ_x ⊙ N(W x_t) + γ_h ⊙ N(U h_{t−1}) + b
    c̃_t = f ⊙ c_{t−1} + i ⊙ g            h̃_t = o ⊙ tanh(γ_c ⊙ N(c̃_t) + β_c)

N acts over the units of an example (Ba et al. 2016, eqs. 20–22) or over the examples of a batch, separately at every timestep
(Cooijmans et al. 2017, eqs. 6–10). Only the way to h̃ sees the normalised cell. Shares act as in
:mod:`zoneout_lab.ops.reference`; preserving comes after normalising.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.ops.products import project, recur
from zoneout_lab.ops.reference import Shares, States, Weights, by_time, drop, preserve, sigmoid
from zoneout_lab.ops.trace import announce, is_recording

#: what is normalised, and how many columns it has in units
POINTS = {"input": 4, "hidden": 4, "cell": 1}
RATE = 0.01


class Gains(NamedTuple):
    """γ [R, 4H], [R, 4H], [R, H] and β_c [R, H]."""

    input: Tensor
    hidden: Tensor
    cell: Tensor
    cell_shift: Tensor


#: point → population mean and biased variance by timestep, [R, S, columns] each
Population = Mapping[str, tuple[Tensor, Tensor]]
Normalise = Callable[[str, int, Tensor], Tensor]


def run(
    x: Tensor,
    states: States,
    weights: Weights,
    gains: Gains,
    shares: Shares,
    normalise: Normalise,
    *,
    layer: str = "l0",
) -> tuple[Tensor, States]:
    """The recurrence; arguments as for :func:`zoneout_lab.ops.engine.run`.

    Args:
        x: inputs [R or 1, T, B, I].
        states: initial (h, c), each [R, B, H].
        weights, gains: the layer's parameters.
        shares: site → share preserved or dropped.
        normalise: N as a function of a point (a key of :data:`POINTS`), the timestep, and values [R, B, columns].
        layer: label under which states are announced.

    Returns:
        Outputs [R, T, B, H] and the final (h, c).
    """
    T = x.shape[1]
    at = {site: by_time(share, T) for site, share in shares.items()}
    R, N = weights.hidden.shape[:2]
    bias = sum((b for b in weights[2:] if b is not None), x.new_zeros(R, N))[:, None]
    gain_x, gain_h, gain_c, shift_c = (gain[:, None] for gain in gains)
    h, c = states
    outputs = []
    for t, from_x in enumerate(project(x, weights.input).unbind(1)):
        now: dict[str, Tensor] = {site: share[t].to(x.dtype) for site, share in at.items()}
        from_h = recur(drop(h, now.get("recurrent")), weights.hidden, torch.zeros_like(from_x))
        gates = gain_x * normalise("input", t, from_x) + gain_h * normalise("hidden", t, from_h) + bias
        i, f, g, o = gates.chunk(4, -1)
        write = drop(sigmoid(i) * torch.tanh(g), now.get("update"))
        new_c = drop(sigmoid(f) * c + write, now.get("memory"))
        new_h = drop(sigmoid(o) * torch.tanh(gain_c * normalise("cell", t, new_c) + shift_c), now.get("output"))
        next_h, next_c = preserve(h, new_h, now.get("hidden")), preserve(c, new_c, now.get("cell"))
        if is_recording():
            next_h, next_c = next_h.view_as(next_h), next_c.view_as(next_c)
        h, c = next_h, next_c
        for kind, candidate, state in (("hidden", new_h, h), ("cell", new_c, c)):
            announce(layer, kind, "candidate", candidate)
            announce(layer, kind, "state", state)
        outputs.append(h)
    return torch.stack(outputs, 1), (h, c)


def unchanged(_point: str, _t: int, value: Tensor) -> Tensor:
    """No normalisation."""
    return value


def shifted_only(shift: Tensor) -> Gains:
    """Gains of one beside a shift β_c [R, H]."""
    one = torch.ones_like(shift[:, :1])
    return Gains(one, one, one, shift)


def over_units(epsilon: float) -> Normalise:
    """Layer normalisation: over the columns of each example."""
    return lambda _point, _t, value: F.layer_norm(value, value.shape[-1:], eps=epsilon)


def over_examples(epsilon: float, population: Population, *, update: bool) -> Normalise:
    """Batch normalisation in training: over the examples of each timestep.

    With ``update`` the population moves a hundredth of the way (:data:`RATE`) to the batch's mean and variance; timesteps past its
    last one leave it alone.
    """

    def normalise(point: str, t: int, value: Tensor) -> Tensor:
        mean = value.mean(1, keepdim=True)
        centred = value - mean
        variance = centred.square().mean(1, keepdim=True)
        means, variances = population[point]
        if update and t < means.shape[1]:
            with torch.no_grad():
                means[:, t] += RATE * (mean[:, 0] - means[:, t])
                variances[:, t] += RATE * (variance[:, 0] - variances[:, t])
        return centred * (variance + epsilon).rsqrt()

    return normalise


def by_population(epsilon: float, population: Population) -> Normalise:
    """Batch normalisation in evaluation: by the population's statistics, past its last timestep by those of the last."""

    def normalise(point: str, t: int, value: Tensor) -> Tensor:
        mean, variance = (statistic[:, None, min(t, statistic.shape[1] - 1)] for statistic in population[point])
        return (value - mean) * (variance + epsilon).rsqrt()

    return normalise
