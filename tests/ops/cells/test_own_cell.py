"""A cell of one's own: any number of states, sites of its own, and one sentence for what it does wrong."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from zoneout_lab import Cell, Recurrent, Regularizer, Zoneout, gradient_flow, perturbation_growth
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import GRU, LSTM, Parameter, States
from zoneout_lab.ops.masks import MaskSpec, Place, draw

T, B, I, H = 4, 3, 2, 5  # noqa: E741


@dataclass(frozen=True)
class Trace(Cell):
    """h and two running means of it, fast and slow, the slow one with a site of its own."""

    states: ClassVar[Mapping[str, str]] = {"hidden": "hidden", "fast": "hidden", "slow": "slow trace"}
    sites: ClassVar[tuple[str, ...]] = ("hidden", "slow trace")

    rate: float = 0.1

    def step(self, x: Tensor, states: States, weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> States:
        h, fast, slow = states
        new = torch.tanh(x + h @ weights["weight_hh"].transpose(1, 2) + 0.1 * slow)
        return new, (1 - self.rate) * fast + self.rate * new, (1 - self.rate**2) * slow + self.rate**2 * new


@dataclass(frozen=True)
class SlowZoneout(Regularizer):
    z: float = 0.5

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"slow trace": MaskSpec(self.z)}


def made(regularizer: Regularizer | None = None, cell: Cell | None = None) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(cell or Trace(), I, H, regularizer=regularizer, mask_seed=7, dtype=torch.float64)


def inputs() -> Tensor:
    return torch.randn(T, B, I, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def test_it_is_the_equation_written_out_with_a_mask_at_a_site_of_its_own():
    rnn, x = made(SlowZoneout(0.5)), inputs()
    place = Place(7, 0, "slow trace", 0)
    z = torch.from_numpy(draw(MaskSpec(0.5), place, T, B, H)).double().transpose(0, 1)
    assert 0 < z.mean() < 1
    other = draw(MaskSpec(0.5), replace(place, site="another trace"), T, B, H)
    assert not torch.equal(z.bool(), torch.from_numpy(other).transpose(0, 1))
    h = fast = slow = torch.zeros(B, H, dtype=torch.float64)
    for t in range(T):
        h = torch.tanh(
            x[t] @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + rnn.bias_hh_l0 + h @ rnn.weight_hh_l0.T + 0.1 * slow
        )
        fast = 0.9 * fast + 0.1 * h
        slow = z[t] * slow + (1 - z[t]) * (0.99 * slow + 0.01 * h)
    _, last = rnn(x)
    for got, want in zip(last, (h, fast, slow), strict=True):
        torch.testing.assert_close(got[0], want, rtol=1e-12, atol=1e-14)


def test_it_is_measured_by_its_own_states():
    flow = gradient_flow(made(), inputs(), lambda out: out[0].square().sum() + out[1][1].sum())
    assert set(flow.state.values) == {"hidden", "fast", "slow"}


def test_its_name_is_its_own_and_not_its_parents():
    @dataclass(frozen=True)
    class Mine(LSTM):
        pass

    assert (Mine.kind, Mine.noun) == ("Mine", "Mine")
    assert (Trace.kind, LSTM.kind) == ("Trace", "lstm")


@pytest.mark.parametrize("site", ["cell", "update", "memory"])
def test_a_regularizer_that_it_has_no_site_for_is_refused_by_name(site: str):
    @dataclass(frozen=True)
    class At(Regularizer):
        def sites(self) -> Mapping[str, MaskSpec]:
            return {site: MaskSpec(0.5)}

    with pytest.raises(
        InputRefusedError, match=r"does not work with the Trace.*can be regularized at: hidden, slow trace"
    ):
        made(At())


WRONG = {
    "a tensor": (lambda h, fast, slow: h, "returned a Tensor; it has to return a tuple of tensors"),
    "too few": (lambda h, fast, slow: (h, fast), r"returned states of shapes \[\[1, 3, 5\], \[1, 3, 5\]\]"),
    "another shape": (
        lambda h, fast, slow: (h, fast, slow[..., :2]),
        r"\[1, 3, 2\]\]; its states \(hidden, fast, slow\)",
    ),
    "None": (lambda h, fast, slow: (h, fast, None), "tuple of tensors"),
    "broadcast": (lambda h, fast, slow: (h, fast, slow[:, :1]), r"\[1, 1, 5\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_step_that_returns_something_else_is_refused(case: str):
    returns, message = WRONG[case]

    @dataclass(frozen=True)
    class Wrong(Trace):
        def step(self, x, states, weights, masks):
            return returns(*states)

    with pytest.raises(InputRefusedError, match=message):
        made(cell=Wrong())(inputs())


def test_perturbations_of_its_first_state():
    rnn = made(Zoneout(hidden=1.0))

    def model(x: Tensor, h: Tensor) -> Tensor:
        zero = torch.zeros_like(h)
        return rnn(x, (h, zero, zero))[0]

    growth = perturbation_growth(model, inputs(), torch.ones(1, B, H, dtype=torch.float64)).growth
    assert growth.sel(state="hidden").values.round(12).tolist() == [[1.0] * T]


@pytest.mark.parametrize("parent", [LSTM, GRU])
@pytest.mark.parametrize("kind", ["", "lstm", "gru"])
def test_one_derived_from_a_fast_cell_is_computed_by_its_own_step(parent: type[Cell], kind: str):
    @dataclass(frozen=True)
    class Nothing(parent):  # type: ignore[valid-type, misc]
        def step(self, x, states, weights, masks):
            return tuple(torch.zeros_like(state) for state in states)

    if kind:
        Nothing.kind = kind
    assert Recurrent(Nothing(), I, H)(torch.randn(T, B, I))[0].abs().max() == 0


ODD: dict[str, tuple[dict[str, object], str]] = {
    "late": ({"begin": lambda self, weights, **_: counted(lambda t, s: s if t < 2 else s[:2])}, r"The step of .* returned states of shapes \[\["),
    "another type": ({"step": lambda self, x, s, w, m: tuple(each.float() for each in s)}, "returned states of type torch.float32"),
    "preserve": ({"preserve": lambda self, s, c, m: c[:1]}, "The preserve of .* returned states of shapes"),
    "no step": ({"begin": lambda self, weights, **_: None}, r"begin\(\) of .* returned a NoneType"),
    "fewer timesteps": ({"project": lambda self, x, w: Cell.project(self, x, w)[:, 1:]}, r"project\(\) of .* returned \[1, 3, 3, 5\]"),
    "no tensor": ({"project": lambda self, x, w: None}, r"project\(\) of .* returned NoneType"),
}  # fmt: skip


IN_PLACE: dict[str, object] = {
    "the output": lambda x, h, fast, slow: (h.mul_(0.9), fast.clone(), slow.clone()),
    "a later state": lambda x, h, fast, slow: (h.clone(), fast.clone(), slow.add_(1.0)),
    "part of one": lambda x, h, fast, slow: (h.clone(), fast[..., 1:].zero_() is None or fast.clone(), slow.clone()),
    "the input": lambda x, h, fast, slow: (h + x.tanh_(), fast.clone(), slow.clone()),
    "by a function": lambda x, h, fast, slow: (torch.relu_(h), fast, slow),
}


@pytest.mark.parametrize(
    ("case", "grad"),
    [(case, grad) for case in IN_PLACE for grad in (True, False) if not (grad and case == "the input")],
)
def test_a_step_that_writes_to_what_it_is_given_is_refused(case: str, grad: bool):
    """It would change the caller's states, and zoneout would preserve the new ones."""
    step = IN_PLACE[case]
    cell = dataclass(frozen=True)(
        type("InPlace", (Trace,), {"__annotations__": {}, "step": lambda self, x, s, w, m: step(x, *s)})
    )()
    with (
        torch.set_grad_enabled(grad),
        pytest.raises(InputRefusedError, match=r"The step of InPlace.*changed .* in place"),
    ):
        made(Zoneout(hidden=1.0), cell=cell)(inputs())


def counted(step):
    """A step that is told which timestep it is."""
    now = iter(range(T))
    return lambda x, states, masks: step(next(now), states)


@pytest.mark.parametrize("case", ODD)
def test_what_a_cell_returns_is_checked_at_every_timestep(case: str):
    methods, message = ODD[case]
    cell = dataclass(frozen=True)(type("Odd", (Trace,), {"__annotations__": {}, **methods}))()
    with pytest.raises(InputRefusedError, match=message):
        made(cell=cell)(inputs())


def test_a_cell_without_parameters():
    @dataclass(frozen=True)
    class Sum(Cell):
        def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
            return {}

        def project(self, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
            return x

        def step(self, x, states, weights, masks):
            return (states[0] + x,)

    for dtype in (torch.float32, torch.float64):
        x = torch.randn(T, B, H, dtype=dtype)
        torch.testing.assert_close(Recurrent(Sum(), H, H)(x)[0], x.cumsum(0))


def test_a_cell_whose_parameters_depend_on_its_sizes():
    @dataclass(frozen=True)
    class Heads(Cell):
        heads: int = 5

        def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
            if units % self.heads:
                raise ValueError(f"{units} units cannot be shared among {self.heads} heads")
            return {f"weight_head{k}": Parameter((units // self.heads, inputs)) for k in range(units // self.heads + 1)}

        def project(self, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
            assert set(weights) == {"weight_head0", "weight_head1"}
            return x.new_zeros(1, *x.shape[1:3], H)

        def step(self, x, states, weights, masks):
            return states

    rnn = Recurrent(Heads(), I, H, 2)
    assert rnn(torch.randn(T, B, I))[0].shape == (T, B, H)
    assert [len(weights) for weights in rnn.all_weights] == [2, 2]


SITES: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "misspelt": ({"hidden": "hiden"}, ("hidden",), "preserved at the site 'hiden', which is not among its sites"),
    "the stack's": (
        {"hidden": "hidden"},
        ("hidden", "input"),
        "has a site 'input', which is the name of a site outside",
    ),
}


@pytest.mark.parametrize("case", SITES)
def test_sites_that_cannot_be_are_refused(case: str):
    states, sites, message = SITES[case]

    @dataclass(frozen=True)
    class Sited(Trace):
        pass

    Sited.states, Sited.sites = states, sites
    with pytest.raises(InputRefusedError, match=message):
        made(cell=Sited())


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda out: out.square().mean().reshape(1), r"has shape \[1\]"),
        (lambda out: out.square(), r"has shape \[4, 3, 5\]"),
        (lambda out: 0.5, "has type float"),
        (lambda out: (out > 0).any(), r"has shape \[\]"),
    ],
)
def test_a_penalty_that_is_not_one_number_is_refused(give, message: str):
    @dataclass(frozen=True)
    class Penalised(Regularizer):
        def penalty(self, out: Tensor) -> Tensor:
            return give(out)

    with pytest.raises(InputRefusedError, match=message):
        made(Penalised())(inputs())


@dataclass(frozen=True)
class ByCell(Regularizer):
    """Says what it does cell by cell, as the base class allows."""

    def masks(self, cell: Cell) -> Mapping[str, MaskSpec]:
        return {"hidden": MaskSpec(0.5)}


def test_a_regularizer_may_say_what_it_does_cell_by_cell():
    torch.manual_seed(0)
    first, second = (Recurrent("gru", I, H, regularizer=ByCell()) for _ in range(2))
    assert first.mask_seeds != second.mask_seeds
    x = torch.randn(T, B, I)
    assert not torch.equal(first(x)[0], first(x)[0])
    with pytest.raises(InputRefusedError, match="is a deep copy"):
        copy.deepcopy(first)(x)
    with pytest.raises(InputRefusedError, match="two parts act at the site 'hidden'"):
        Recurrent("gru", I, H, regularizer=ByCell() + Zoneout(hidden=0.1))


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf"), None, "much"])
def test_weight_noise_that_cannot_be_is_refused(sigma: object):
    @dataclass(frozen=True)
    class Noisy(Regularizer):
        @property
        def weight_noise(self) -> float:
            return sigma  # type: ignore[return-value]

    with pytest.raises(InputRefusedError, match=r"The weight noise of .*Noisy\(\) is .*finite number of at least 0"):
        made(Noisy())


@pytest.mark.parametrize(
    "options", [{"rate": 1.5}, {"rate": float("nan")}, {"rate": 0.5, "end": -1}, {"rate": 0.5, "varies": {"time"}}]
)
def test_a_mask_that_cannot_be_drawn_is_refused(options: dict[str, object]):
    with pytest.raises(
        InputRefusedError, match=r"must lie in \[0, 1\]|cannot vary over 'time'; choose among site, update"
    ):
        MaskSpec(**options)  # type: ignore[arg-type]
