"""Which call goes on with which recurrence: by its states, by autograd, or refused."""

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
from zoneout_lab.measures import gradient_flow, perturbation_growth


class Stepped(nn.Module):
    """A layer of ours, one timestep at a time, read over two sequences."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        super().__init__()
        self.rnn, self.begin = zl.GRU(N, H), begin

    def over(self, x: Tensor, h: Tensor) -> None:
        for x_t in x:
            h = self.rnn(x_t[None], h)[1]

    def forward(self, x: Tensor, h: Tensor) -> None:
        self.over(x, h)
        self.over(Y, self.begin()[None])


class CellTwice(Stepped):
    """The same with one of torch's cells."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        super().__init__(begin)
        self.rnn = nn.GRUCell(N, H)

    def over(self, x: Tensor, h: Tensor) -> None:
        h = h[0]
        for x_t in x:
            h = self.rnn(x_t, h)


SECOND = BEGINNINGS | {"ones": lambda: torch.ones(B, H), "computed of ones": lambda: torch.ones(B, H) * 2}
del SECOND["none"]
AROUND: dict[str, Callable[[], Any]] = {
    "with gradients": torch.enable_grad,
    "no_grad around": torch.no_grad,
    "inference_mode around": torch.inference_mode,
}


@pytest.mark.parametrize("kind", [Stepped, CellTwice])
@pytest.mark.parametrize("case", SECOND)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_perturbation_is_told_from_a_second_sequence_wherever_that_begins(kind: type, case: str, frozen: bool):
    model = kind(SECOND[case]).requires_grad_(not frozen)
    h = torch.rand(1, B, H)
    label = "rnn" if kind is CellTwice else "l0"
    found = [perturbation_growth(model, X, h, layers=[label]).growth.values]
    for around in AROUND.values():
        with around():
            with pytest.raises(InputRefusedError, match=rf"1 layer and the model has 2 \({label}, {label}#2\)"):
                perturbation_growth(model, X * 1, h)
            found.append(perturbation_growth(model, X * 1, h, layers=[label]).growth.values)
    assert found[0].shape[-1] == T
    assert all(np.array_equal(one, found[0]) for one in found)


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_changed_states_of_frozen_cells_stay_one_series(kind: type[nn.Module]):
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = kind(N, H).requires_grad_(False)

        def forward(self, x: Tensor, states: Any = None) -> Tensor:
            for x_t in x:
                found = self.cell(x_t, states)
                states = 0.5 * found if isinstance(found, Tensor) else tuple(0.5 * state for state in found)
            return states if isinstance(states, Tensor) else states[0]

    assert dict(gradient_flow(Halved(), X, squares).sizes)["time"] == T
    h = torch.ones(B, H)
    growth = perturbation_growth(Halved(), X, h if kind is nn.GRUCell else (h, h))
    assert dict(growth.sizes)["lag"] == T


@pytest.mark.parametrize("kind", [Stepped, CellTwice])
def test_a_loop_under_no_grad_whose_states_nothing_tells_apart_is_refused(kind: type):
    def no_grad(begin: Callable[[], Any]) -> nn.Module:
        model = kind(begin)
        model.forward = torch.no_grad()(model.forward)
        return model

    label, h = "rnn" if kind is CellTwice else "l0", torch.ones(1, B, H)
    with pytest.raises(
        InputRefusedError, match=r"GRU(Cell)? more than once under torch\.no_grad\(\).*one recurrence or two"
    ):
        perturbation_growth(no_grad(lambda: torch.full((B, H), 2.0)), X, h, layers=[label])
    growth = perturbation_growth(no_grad(lambda: torch.zeros(B, H)), X, h, layers=[label])
    assert growth.sizes["lag"] == T


def test_states_that_are_detached_and_changed_are_said_to_begin_another_recurrence():
    cell = nn.GRUCell(N, H)

    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, x: Tensor, h: Tensor) -> None:
            for x_t in x:
                h = 0.5 * self.cell(x_t, h).detach()

    with pytest.raises(InputRefusedError, match="states that are detached and then changed begin another"):
        perturbation_growth(Cut(), X, torch.ones(B, H))


def test_a_model_may_write_to_its_states():
    h = torch.ones(1, B, H)

    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = zl.GRU(N, H).requires_grad_(False)
            self.cell = nn.GRUCell(N, H).requires_grad_(False)

        def forward(self, x: Tensor, h: Tensor) -> None:
            h.mul_(0.5)
            for x_t in x:
                h = self.rnn(x_t[None], h)[1].mul_(0.5)
                h = self.cell(x_t, h[0]).mul_(0.5)[None]

    growth = perturbation_growth(Writes(), X, h, layers=["l0"])
    assert growth.sizes["lag"] == T
    assert torch.equal(h, torch.ones(1, B, H))


@pytest.mark.parametrize("as_packed", [False, True])
def test_inputs_made_in_inference_mode_are_measured_as_others(as_packed: bool):
    rnn, h = zl.GRU(N, H), torch.ones(1, B, H)

    def inputs() -> Any:
        return nn.utils.rnn.pack_sequence([X[:, 0], X[:3, 1], X[:1, 2]]) if as_packed else X * 1

    with torch.inference_mode():
        made = inputs()
    with torch.no_grad():
        plain = inputs()

    def loss(out: Any) -> Tensor:
        return squares(out[0].data if as_packed else out[0])

    np.testing.assert_array_equal(gradient_flow(rnn, made, loss).norm, gradient_flow(rnn, plain, loss).norm)
    np.testing.assert_array_equal(perturbation_growth(rnn, made, h).growth, perturbation_growth(rnn, plain, h).growth)


def test_starts_that_are_computed_from_earlier_outputs_are_searched_once():
    rnn, calls = zl.GRU(N, H), 50

    def chained(x: Tensor) -> Tensor:
        outs = [rnn(x)[0]]
        for _ in range(calls - 1):
            outs.append(rnn(x, outs[-1].mean(0, keepdim=True))[0])
        return torch.stack(outs)

    def apart(x: Tensor) -> Tensor:
        return torch.stack([rnn(x)[0] for _ in range(calls)])

    # where each call searched the graph once for every earlier one, this took minutes
    for model in (apart, chained):
        assert gradient_flow(model, X, squares).sizes["layer"] == calls
