"""Weights that are not parameters: weight norm, spectral norm, weight drop, functional calls; with autocast and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_sequence

from zoneout_lab import GRU, LSTM, RNN, Zoneout
from zoneout_lab.layers import Recurrent

X = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
parametrizations = nn.utils.parametrizations


def weight_drop(rnn: Recurrent) -> None:
    """As AWD-LSTM does it: the parameter under another name, in its place what is left of it after dropout."""
    raw = rnn.weight_hh_l0
    del rnn._parameters["weight_hh_l0"]
    rnn.register_parameter("weight_hh_l0_raw", raw)
    torch.manual_seed(5)
    rnn.weight_hh_l0 = nn.functional.dropout(raw, 0.5)


def everything_made(rnn: Recurrent) -> None:
    for name in [name for name, _ in rnn.named_parameters()]:
        raw = rnn._parameters.pop(name)
        setattr(rnn, name, raw.detach() * 2)


MADE: dict[str, Callable[[Recurrent], Any]] = {
    "weight norm": lambda rnn: parametrizations.weight_norm(rnn, "weight_hh_l0"),
    "weight norm of the input": lambda rnn: parametrizations.weight_norm(rnn, "weight_ih_l0"),
    "spectral norm": lambda rnn: parametrizations.spectral_norm(rnn, "weight_hh_l0"),
    "spectral norm of the input": lambda rnn: parametrizations.spectral_norm(rnn, "weight_ih_l0"),
    "older weight norm": lambda rnn: nn.utils.weight_norm(rnn, "weight_hh_l0"),
    "older spectral norm": lambda rnn: nn.utils.spectral_norm(rnn, "weight_ih_l0"),
    "orthogonal": lambda rnn: parametrizations.orthogonal(rnn, "weight_hh_l0"),
    "weight drop": weight_drop,
    "no parameters at all": everything_made,
}
LAYERS = [LSTM, GRU, RNN]


def made(layer: type[Recurrent], case: str) -> Recurrent:
    torch.manual_seed(1)
    rnn = layer(4, 5, regularizer=Zoneout(hidden=0.3), mask_seed=2)  # type: ignore[call-arg]
    torch.manual_seed(2)
    MADE[case](rnn)
    return rnn


@pytest.mark.filterwarnings("ignore:.*(weight|spectral)_norm.* is deprecated")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("case", MADE)
def test_autocast_gives_the_numbers_and_gradients_that_there_are_without(
    case: str, layer: type[Recurrent], packed: bool
):
    x: Any = pack_sequence([X[:, 0], X[:2, 1]]) if packed else X
    results = []
    for on in (False, True):
        rnn = made(layer, case)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
            out, _ = rnn(x)
        assert out.data.dtype == torch.float32
        parameters = list(rnn.parameters())
        loss = (out.data if packed else out).square().sum()
        found = torch.autograd.grad(loss, parameters) if parameters else ()
        results.append([loss, *found, *rnn.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.filterwarnings("ignore:.*(weight|spectral)_norm.* is deprecated")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("case", MADE)
def test_the_layer_computes_with_what_stands_in_the_weights_place(case: str, layer: type[Recurrent]):
    rnn = made(layer, case).eval()
    plain = layer(4, 5, regularizer=Zoneout(hidden=0.3)).eval()  # type: ignore[call-arg]
    found = rnn(X)[0]
    with torch.no_grad():
        for mine, theirs in zip(plain.all_weights[0], rnn.all_weights[0], strict=True):
            mine.copy_(theirs)
    assert torch.equal(plain(X)[0], found)


@pytest.mark.parametrize("on", [False, True])
def test_a_pass_takes_one_step_of_spectral_norm(on: bool):
    rnn = made(LSTM, "spectral norm of the input")
    before = [buffer.clone() for buffer in rnn.buffers()]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
        rnn(X)
    once = [buffer.clone() for buffer in rnn.buffers()]
    other = made(LSTM, "spectral norm of the input")
    assert all(torch.equal(a, b) for a, b in zip(before, other.buffers(), strict=True))
    other.weight_ih_l0  # noqa: B018
    assert all(torch.equal(a, b) for a, b in zip(once, other.buffers(), strict=True))


@pytest.mark.parametrize("on", [False, True])
def test_a_functional_call_under_autocast(on: bool):
    rnn = made(GRU, "weight norm")
    doubled: dict[str, Tensor] = {name: 2 * p.detach() for name, p in rnn.named_parameters()}
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
        found = functional_call(rnn, doubled, (X,))[0]
    rnn.load_state_dict(doubled)
    rnn.update = 0
    assert torch.equal(rnn(X)[0], found)
