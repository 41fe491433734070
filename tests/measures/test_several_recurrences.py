"""Every recurrence of a model is one series: two layers in a function, one layer called twice, a loop over one cell twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from two_recurrences import BEGINNINGS, B, H, N, T, X, Y, squares

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import gradient_flow, perturbation_growth, probe


def retained(outputs: list[Tensor], loss: Tensor) -> list[np.ndarray]:
    """Norms of the gradients of outputs [T, B, H], by autograd itself."""
    gradients = torch.autograd.grad(loss, outputs)
    return [gradient.norm(dim=-1).mean(-1).numpy() for gradient in gradients]


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_two_layers_in_a_plain_function_are_two_series(engine: str):
    torch.manual_seed(0)
    a, b = zl.LSTM(N, H, engine=engine), zl.GRU(H, H, engine=engine)
    flow = gradient_flow(lambda x: b(a(x)[0])[0], X, squares)
    assert list(flow.layer.values) == ["l0", "l0#2"]
    assert flow.sizes["time"] == T

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = a, b

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x)[0])[0]

    named = gradient_flow(Both(), X, squares)
    assert list(named.layer.values) == ["first.l0", "second.l0"]
    np.testing.assert_array_equal(flow.norm, named.norm)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
@pytest.mark.parametrize("as_module", [False, True])
def test_a_layer_that_reads_two_sequences_makes_two_series(engine: str, as_module: bool):
    """Each twin has what it would have if the other were not measured."""
    torch.manual_seed(0)
    rnn = zl.GRU(N, H, 2, engine=engine)

    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = rnn

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.rnn(x)[0] * self.rnn(y)[0]

    model: Callable[..., Tensor] = Siamese() if as_module else lambda x, y: rnn(x)[0] * rnn(y)[0]
    flow = gradient_flow(model, (X, Y), torch.sum)
    assert list(flow.layer.values) == ["l0", "l1", "l0#2", "l1#2"]
    assert flow.sizes["time"] == T
    with torch.no_grad():
        other_x, other_y = rnn(Y)[0], rnn(X)[0]
    for one, other, labels in ((X, other_x, ["l0", "l1"]), (Y, other_y, ["l0#2", "l1#2"])):
        alone = gradient_flow(rnn, one, lambda result, other=other: (result[0] * other).sum())
        np.testing.assert_allclose(flow.norm.sel(layer=labels), alone.norm, rtol=1e-5)


def test_a_recurrence_that_goes_on_is_one_series():
    """A sequence in pieces, the states handed on, detached or reset for some examples: one recurrence."""
    torch.manual_seed(0)
    rnn = zl.LSTM(N, H)
    whole = gradient_flow(rnn, X, lambda result: squares(result[0]))

    def in_pieces(x: Tensor) -> Tensor:
        first, state = rnn(x[:2])
        return torch.cat([first, rnn(x[2:], state)[0]])

    def step_by_step(x: Tensor) -> Tensor:
        outs, state = [], None
        for x_t in x:
            out, (h, c) = rnn(x_t[None], state)
            state = h * 1.0, c * 1.0
            outs.append(out)
        return torch.cat(outs)

    for model in (in_pieces, step_by_step):
        flow = gradient_flow(model, X, squares)
        assert list(flow.layer.values) == ["l0"]
        np.testing.assert_allclose(flow.norm.sel(state="hidden"), whole.norm.sel(state="hidden"), rtol=1e-5)

    def cut(x: Tensor) -> Tensor:
        first, state = rnn(x[:2])
        return torch.cat([first, rnn(x[2:], tuple(s.detach() for s in state))[0]])

    assert list(gradient_flow(cut, X, squares).layer.values) == ["l0"]


class Twice(nn.Module):
    """One of torch's cells read over two sequences, each from its own beginning."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        super().__init__()
        self.cell, self.begin = nn.GRUCell(N, H), begin

    def over(self, x: Tensor) -> Tensor:
        h, out = self.begin(), []
        for x_t in x:
            h = self.cell(x_t, h)
            out.append(h)
        return torch.stack(out)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.over(x) * self.over(y)


@pytest.mark.parametrize("case", BEGINNINGS)
def test_two_loops_over_one_cell_of_torchs_are_two_series(case: str):
    model = Twice(BEGINNINGS[case])
    flow = gradient_flow(model, (X, Y), torch.sum)
    assert list(flow.layer.values) == ["cell", "cell#2"]
    assert flow.sizes["time"] == T
    swapped = gradient_flow(model, (Y, X), torch.sum)
    np.testing.assert_allclose(flow.norm.sel(layer="cell"), swapped.norm.sel(layer="cell#2"), rtol=1e-5)


def test_interleaved_loops_over_one_cell_are_two_series():
    model = Twice(lambda: None)

    def interleaved(self: Twice, x: Tensor, y: Tensor) -> Tensor:
        a = b = torch.zeros(B, H)
        outs = []
        for x_t, y_t in zip(x, y, strict=True):
            a, b = self.cell(x_t, hx=a), self.cell(y_t, hx=b)
            outs.append(a * b)
        return torch.stack(outs)

    expected = gradient_flow(model, (X, Y), torch.sum)

    class Interleaved(Twice):
        forward = interleaved

    other = Interleaved(lambda: None)
    other.cell = model.cell
    np.testing.assert_allclose(gradient_flow(other, (X, Y), torch.sum).norm, expected.norm, rtol=1e-5)


class Mixed(nn.Module):
    """Noise of one's own between a cell's steps: still one recurrence."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(N, H)

    def forward(self, x: Tensor, states: tuple[Tensor, Tensor] | None = None) -> Tensor:
        h, c = states or (torch.zeros(B, H), torch.zeros(B, H))
        for x_t in x:
            new_h, new_c = self.cell(x_t, (h, c))
            h, c = 0.5 * h + 0.5 * new_h, 0.5 * c + 0.5 * new_c
        return h


def test_states_that_are_changed_between_steps_stay_one_series():
    assert dict(gradient_flow(Mixed(), X, squares).sizes)["time"] == T
    states = torch.ones(B, H), torch.ones(B, H)
    growth = perturbation_growth(Mixed(), X, states)
    assert list(growth.layer.values) == ["cell"]
    assert growth.sizes["lag"] == T


def test_a_layer_that_is_stepped_with_changed_states_is_one_recurrence():
    rnn = zl.GRU(N, H, batch_first=True)

    def model(x: Tensor, h: Tensor) -> None:
        for begin in (h, torch.zeros(1, B, H)):
            state = begin
            for x_t in x:
                state = 0.5 * rnn(x_t[:, None], state)[1]

    growth = perturbation_growth(model, X, torch.ones(1, B, H), layers=["l0"])
    assert growth.sizes["lag"] == T
    with pytest.raises(InputRefusedError, match=r"has 2 \(l0, l0#2\)"):
        perturbation_growth(model, X, torch.ones(1, B, H))


def test_a_perturbation_is_followed_in_the_series_that_it_is_of():
    torch.manual_seed(0)
    rnn, h = zl.GRU(N, H), torch.ones(1, B, H)

    def model(x: Tensor, states: Tensor) -> Tensor:
        return rnn(x, states)[0] + rnn(Y)[0]

    with pytest.raises(InputRefusedError, match=r"1 layer and the model has 2 \(l0, l0#2\)"):
        perturbation_growth(model, X, h)
    growth = perturbation_growth(model, X, h, layers=["l0"]).growth
    np.testing.assert_array_equal(growth, perturbation_growth(rnn, X, h).growth)
    twins = perturbation_growth(lambda x, states: (rnn(x, states[:1]), rnn(Y, states[1:])), X, h.expand(2, B, H))
    assert list(twins.layer.values) == ["l0", "l0#2"]
    assert twins.sizes["lag"] == T


def test_two_runs_that_show_different_states_are_refused():
    shown = iter([3, 4])

    def model(x: Tensor, h: Tensor) -> None:
        for _ in range(next(shown)):
            probe(hidden=h)

    with pytest.raises(InputRefusedError, match=r"3 timesteps .* and 4"):
        perturbation_growth(model, X, torch.ones(B, H))


class Beside(nn.Module):
    def __init__(self, other: nn.Module) -> None:
        super().__init__()
        self.ours, self.other = zl.GRU(N, H), other

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        return self.other(self.ours(x, h)[0])[0]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_fused_layer_beside_ours_is_said_to_be_left_out(kind: type[nn.RNNBase]):
    model, name = Beside(kind(H, H)), kind.__name__  # type: ignore[call-arg]
    said = rf"torch\.nn\.{name} \(other\) ran too and is left out.*put zoneout_lab\.{name} in its place"
    with pytest.warns(UserWarning, match=said) as warned:
        flow = gradient_flow(model, X, squares)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert list(flow.layer.values) == ["l0"]
    with pytest.warns(UserWarning, match=said):
        perturbation_growth(model, X, torch.ones(1, B, H))
    with pytest.warns(UserWarning, match=rf"torch\.nn\.{name} ran too"):
        gradient_flow(lambda x: model.other(model.ours(x)[0])[0], X, squares)


def test_a_fused_layer_that_does_not_run_is_not_mentioned():
    model = Beside(nn.Identity())
    model.spare = nn.LSTM(N, H)
    gradient_flow(model, X, squares)


def test_a_cell_of_torchs_that_a_function_holds_is_said_to_be_left_out():
    ours, cell = zl.GRU(N, H), nn.GRUCell(H, H)
    with pytest.warns(UserWarning, match=r"torch\.nn\.GRUCell ran too and is left out.*inside a module"):
        gradient_flow(lambda x: cell(ours(x)[0][-1]), X, squares)
    with pytest.raises(InputRefusedError, match="seen inside a module: give the module"):
        gradient_flow(lambda x: cell(x[0]) if False else nn.GRUCell(N, H)(x[0]), X, squares)


def test_states_of_other_examples_than_were_given_are_refused():
    with pytest.raises(InputRefusedError, match=r"'l0' of shape \[2, 4\], and those given are of 3 examples"):
        perturbation_growth(lambda x, h: probe(hidden=h[:2]), X, torch.ones(B, H))
