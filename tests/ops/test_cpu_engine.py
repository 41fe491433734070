"""The written-out backward pass against the reference: outputs, final states and every gradient, at ragged sizes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers import LSTM
from zoneout_lab.ops import cpu, engine, reference
from zoneout_lab.ops.trace import recording
from zoneout_lab.regularizers import Zoneout

NAMES = ("x", "h", "c", "weight")
SITES = ("cell", "hidden", "update", "memory")
#: T, B, H, R
SIZES = [(1, 1, 1, 1), (1, 5, 129, 3), (5, 1, 20, 3), (5, 5, 1, 3), (5, 100, 129, 1), (63, 5, 100, 3), (63, 1, 129, 1),
         (5, 5, 20, 1), (63, 100, 20, 1)]  # fmt: skip
#: shape of a share in terms of R, T, B, H
SHAPES = {
    "separate": lambda R, T, B, H: (R, T, B, H),
    "per layer": lambda R, T, B, H: (R, T, B, 1),
    "per sequence": lambda R, T, B, H: (R, 1, B, H),
    "static": lambda R, T, B, H: (R, T, 1, H),
    "rate": lambda R, T, B, H: (R, 1, 1, 1),
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Every tensor that torch.empty makes is full of NaN."""
    deterministic, fill = (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill


def problem(sizes: tuple[int, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    T, B, H, R = sizes
    generator = torch.Generator().manual_seed(1)
    shapes = ((R, T, B, 4 * H), (R, B, H), (R, B, H), (R, 4 * H, H))
    made = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    made[3] /= H**0.5
    return dict(zip(NAMES, made, strict=True))


def shares_at(sizes: tuple[int, ...], kind: str, sites: tuple[str, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    T, B, H, R = sizes
    generator = torch.Generator().manual_seed(2)
    shares = {site: torch.rand(SHAPES[kind](R, T, B, H), generator=generator) for site in sites}
    # drawn masks reach a recurrence as bytes, rates in its own type
    return {site: s.to(dtype) if kind == "rate" else (s < 0.4).to(torch.uint8) for site, s in shares.items()}


def computed(path, problem: dict[str, Tensor], shares: dict[str, Tensor]) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in problem.items()}
    out, (h, c) = path(leaves["x"], (leaves["h"], leaves["c"]), leaves["weight"], shares)
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in (out, h, c)]
    loss = sum((t * w).sum() for t, w in zip((out, h, c), weights, strict=True))
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return {"out": out, "h_n": h, "c_n": c} | {f"d {name}": g for name, g in zip(leaves, grads, strict=True)}


def by_reference(x, states, weight, shares):
    return reference.run("lstm", x, states, weight, shares=shares)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("sites", [(), ("cell", "hidden"), SITES], ids=["none", "zoneout", "all sites"])
def test_the_same_numbers_as_the_reference(sizes: tuple[int, ...], sites: tuple[str, ...], dtype: torch.dtype):
    data, shares = problem(sizes, dtype), shares_at(sizes, "separate", sites, dtype)
    expected, got = computed(by_reference, data, shares), computed(cpu.lstm, data, shares)
    for name, value in expected.items():
        assert got[name].shape == value.shape
        assert got[name].isfinite().all(), name
        assert torch.dist(got[name], value) <= TOLERANCE[dtype] * value.norm(), name


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("site", SITES)
def test_every_site_with_every_shape_of_share(site: str, kind: str):
    sizes = (5, 3, 7, 2)
    data, shares = problem(sizes, torch.float64), shares_at(sizes, kind, (site,), torch.float64)
    expected, got = computed(by_reference, data, shares), computed(cpu.lstm, data, shares)
    for name, value in expected.items():
        assert torch.dist(got[name], value) <= 1e-12 * value.norm(), name


@pytest.mark.parametrize("part", ["out", "h_n", "c_n"])
def test_a_loss_on_one_part_of_the_result_alone(part: str):
    data = problem((5, 3, 7, 2), torch.float64)
    grads = []
    for path in (by_reference, cpu.lstm):
        leaves = [value.clone().requires_grad_() for value in data.values()]
        out, (h, c) = path(leaves[0], (leaves[1], leaves[2]), leaves[3], {})
        grads.append(torch.autograd.grad({"out": out, "h_n": h, "c_n": c}[part].square().sum(), leaves))
    for expected, got in zip(*grads, strict=True):
        assert torch.dist(got, expected) <= 1e-12 * expected.norm()


def test_no_drift_over_784_timesteps():
    sizes = (784, 2, 20, 1)
    data, shares = problem(sizes, torch.float32), shares_at(sizes, "separate", ("cell", "hidden"), torch.float32)
    expected, got = computed(by_reference, data, shares), computed(cpu.lstm, data, shares)
    for name, value in expected.items():
        assert torch.dist(got[name], value) <= 1e-5 * value.norm(), name


class Calls:
    """Which path :func:`engine.run` took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        for name, module, function in (("cpu", cpu, "lstm"), ("reference", reference, "run")):
            monkeypatch.setattr(module, function, self._noting(name, getattr(module, function)))

    def _noting(self, name: str, original):
        def noted(*arguments, **options):
            self.made.append(name)
            return original(*arguments, **options)

        return noted


CHOICES = {
    "auto": ({"engine": "auto"}, "lstm", "cpu"),
    "cpu": ({"engine": "cpu"}, "lstm", "cpu"),
    "reference": ({"engine": "reference"}, "lstm", "reference"),
    "lengths": ({"engine": "cpu", "lengths": torch.tensor([2, 1])}, "lstm", "reference"),
    "a GRU": ({"engine": "cpu"}, "gru", "reference"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_path_is_the_fastest_that_can(case: str, monkeypatch: pytest.MonkeyPatch):
    options, cell, expected = CHOICES[case]
    calls, G = Calls(monkeypatch), reference.CELLS[cell][0] * 3
    states = tuple(torch.zeros(1, 2, 3) for _ in reference.CELLS[cell][1])
    engine.run(
        cell,
        torch.ones(1, 2, 2, G),
        states,
        torch.ones(1, G, 3),
        None,
        {},
        **{"lengths": None, "layer": "l0", **options},
    )
    assert calls.made == [expected]


def test_a_recording_sees_the_states_whatever_the_engine():
    rnn = LSTM(2, 3, engine="cpu")
    with recording() as trace:
        rnn(torch.ones(4, 2, 2))
    assert {key: len(series) for key, series in trace.tensors.items()} == {
        ("l0", state, point): 4 for state in ("cell", "hidden") for point in ("candidate", "state")
    }


@pytest.mark.parametrize("loss", [torch.sum, lambda out: out.square().sum()], ids=["linear", "square"])
def test_the_reference_can_be_differentiated_twice_and_the_cpu_path_refuses(loss):
    x = torch.ones(4, 2, 2, requires_grad=True)
    for engine_name, twice in (("reference", True), ("cpu", False)):
        rnn = LSTM(2, 3, engine=engine_name, regularizer=Zoneout(0.5, 0.5), mask_seed=0)  # type: ignore[arg-type]
        if twice:
            (grad,) = torch.autograd.grad(loss(rnn(x)[0]), x, create_graph=True)
            assert all(g.abs().sum() > 0 for g in torch.autograd.grad(grad.square().sum(), [x, *rnn.parameters()]))
        else:
            with pytest.raises(RuntimeError, match='engine="reference"'):
                torch.autograd.grad(loss(rnn(x)[0]), x, create_graph=True)


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputRefusedError, match="choose one of auto, reference, cpu"):
        LSTM(2, 3, engine="gpu")  # type: ignore[arg-type]
