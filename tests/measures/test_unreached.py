"""Where no gradient can arrive, a measurement says so in words; where states are frozen but connected, it measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import gradient_flow, perturbation_growth, probe

T, B, N, H = 5, 3, 2, 4
X = torch.randn(T, B, N, generator=torch.Generator().manual_seed(0))
ENGINES = ["cpu", "reference"]


def squares(out: Any) -> Tensor:
    return (out if isinstance(out, Tensor) else out[0]).square().sum()


class Checkpointed(nn.Module):
    def __init__(self, engine: str, *, reentrant: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = zl.LSTM(N, H, engine=engine), zl.GRU(H, H, engine=engine)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        out = checkpoint(lambda x: self.a(x)[0], x.clone().requires_grad_(), use_reentrant=self.reentrant)
        return self.b(out)[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_reentrant_checkpointing_is_refused_by_name(engine: str):
    model = Checkpointed(engine, reentrant=True)
    with pytest.raises(InputRefusedError, match=r"states of 'a.l0': activation checkpointing with use_reentrant=True"):
        gradient_flow(model, X, squares)
    alone = model.a
    with pytest.raises(InputRefusedError, match="activation checkpointing with use_reentrant=True"):
        gradient_flow(
            lambda x: checkpoint(lambda x: alone(x)[0], x, use_reentrant=True), X.clone().requires_grad_(), squares
        )
    with pytest.raises(InputRefusedError, match="activation checkpointing with use_reentrant=True"):
        gradient_flow(lambda x: checkpoint(torch.tanh, alone(x)[0], use_reentrant=True), X, squares)


@pytest.mark.parametrize("engine", ENGINES)
def test_checkpointing_that_is_not_reentrant_gives_the_same_norms(engine: str):
    model = Checkpointed(engine, reentrant=False)
    plain = gradient_flow(Plain(model), X, squares)
    np.testing.assert_array_equal(gradient_flow(model, X, squares).norm, plain.norm)


class Plain(nn.Module):
    def __init__(self, of: Checkpointed) -> None:
        super().__init__()
        self.a, self.b = of.a, of.b

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x)[0])[0]


def loop(x: Tensor, *, probed: Callable[[Tensor], Any], point: str = "state") -> Tensor:
    h = torch.zeros(B, N, requires_grad=True)
    for x_t in x:
        h = torch.tanh(x_t + h)
        probe(point=point, hidden=probed(h))
    return h


RNN = zl.LSTM(N, H)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "no loss": (RNN, None, "The loss is of type NoneType; give a function"),
    "no model": ("rnn", squares, "The model is of type str; give a module or a function"),
    "the loss is a number": (RNN, lambda out: squares(out).item(), "must be one number, a real tensor"),
    "the loss is complex": (RNN, lambda out: squares(out).to(torch.complex64), "must be one number, a real tensor"),
    "the loss is nothing": (RNN, lambda out: None, "must be one number, a real tensor"),
    "the loss is detached": (RNN, lambda out: squares(out).detach(), "The loss has no gradient: it was detached"),
    "the loss is an integer": (RNN, lambda out: out[0].argmax(), "The loss has no gradient"),
    "the loss is differentiated": (RNN, lambda out: (squares(out), squares(out).backward())[0], "was taken already"),
    "the output is detached": (
        lambda x: RNN(x)[0].detach() + torch.zeros(1, requires_grad=True),
        squares,
        "No gradient of the loss reaches any state",
    ),
    "probed arrays": (
        lambda x: loop(x, probed=lambda h: h.detach().numpy()),
        squares,
        "The hidden state that is probed as 'l0' is of type ndarray; give the tensor",
    ),
    "probed numbers": (lambda x: loop(x, probed=lambda h: 1.0), squares, "is of type float; give the tensor"),
    "probed and detached": (lambda x: loop(x, probed=Tensor.detach), squares, r"'l0' has no gradient: it was detached"),
    "an unknown point": (
        lambda x: loop(x, probed=lambda h: h, point="gate"),
        squares,
        "point is 'gate'; choose one of candidate, state",
    ),
    "replicas that come and go": (
        lambda x: (probe(hidden=(h := x[0] * torch.ones(1, requires_grad=True))), probe(hidden=h.expand(3, B, N)), h)[
            2
        ],
        squares,
        "different numbers of dimensions or replicas",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_gradient_is_refused_in_words(case: str):
    model, loss, message = REFUSED[case]
    with pytest.raises(InputRefusedError, match=message):
        gradient_flow(model, X, loss)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_measurement_without_gradients_is_refused(off: Any):
    with off(), pytest.raises(InputRefusedError, match="gradient_flow was called under"):
        gradient_flow(RNN, X, squares)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_that_runs_without_gradients_has_none_and_the_others_have_theirs(engine: str):
    torch.manual_seed(0)
    encoder, decoder = zl.LSTM(N, H, engine=engine), zl.GRU(H, H, engine=engine)

    def model(x: Tensor) -> Tensor:
        with torch.no_grad():
            read = encoder(x)[0]
        return decoder(read)[0]

    flow = gradient_flow(model, X, squares)
    assert flow.norm.sel(layer="l0").isnull().all()
    alone = gradient_flow(decoder, encoder(X)[0].detach(), squares)
    np.testing.assert_array_equal(
        flow.norm.sel(layer="l0#2", state="hidden"), alone.norm.sel(layer="l0", state="hidden")
    )

    def nowhere(x: Tensor) -> Tensor:
        with torch.no_grad():
            return model(x)

    with pytest.raises(InputRefusedError, match="The loss has no gradient"):
        gradient_flow(nowhere, X, squares)


FROZEN = {
    "cpu": zl.LSTM(N, H),
    "reference": zl.LSTM(N, H, engine="reference"),
    "layer norm": zl.Recurrent("layer_norm_lstm", N, H),
    "packed": zl.GRU(N, H),
}


@pytest.mark.parametrize("case", FROZEN)
def test_frozen_weights_change_no_norm(case: str):
    rnn = FROZEN[case]
    x = nn.utils.rnn.pack_sequence([X[:, 0], X[:2, 1]]) if case == "packed" else X

    def loss(result: Any) -> Tensor:
        return squares(result[0].data if case == "packed" else result)

    expected = gradient_flow(rnn.requires_grad_(), x, loss)
    np.testing.assert_array_equal(gradient_flow(rnn.requires_grad_(False), x, loss).norm, expected.norm)


def test_a_frozen_cell_of_torchs_is_measured():
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(N, H)

        def forward(self, x: Tensor) -> Tensor:
            state = None
            for x_t in x:
                state = self.cell(x_t, state)
            return state[0]

    model = Loop()
    expected = gradient_flow(model, X, squares)
    np.testing.assert_array_equal(gradient_flow(model.requires_grad_(False), X, squares).norm, expected.norm)


def test_a_gradient_of_zero_is_a_number():
    flow = gradient_flow(RNN, X, lambda result: 0 * squares(result))
    assert (flow.norm == 0).all()


def test_a_perturbation_needs_no_gradient_but_tensors():
    growth = perturbation_growth(lambda x, h: probe(hidden=h.detach()), X, torch.ones(B, H)).growth
    assert growth.item() == pytest.approx(1.0)
    with pytest.raises(InputRefusedError, match="is of type ndarray; give the tensor"):
        perturbation_growth(lambda x, h: probe(hidden=h.numpy()), X, torch.ones(B, H))
    with pytest.raises(InputRefusedError, match="The model is of type NoneType"):
        perturbation_growth(None, X, torch.ones(B, H))


def test_a_probed_copy_that_nothing_uses_is_refused():
    cell, x = nn.LSTMCell(3, 4), torch.randn(5, 2, 3)

    def model(x: Tensor) -> Tensor:
        h = c = torch.zeros(2, 4)
        for x_t in x:
            h, c = cell(x_t, (h, c))
            c = c.view_as(c)
            zl.probe(cell=c, hidden=h * 1)
        return h

    with pytest.raises(InputRefusedError, match="hidden state that is probed as 'l0'"):
        zl.gradient_flow(model, x, torch.sum)
