"""Lyapunov exponents: finite differences and Gram–Schmidt written out, and spectra that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from stacks import Array, At, B, H, batch, encoded, masks, sigmoid, stack, weights, zoned
from torch import Tensor

from zoneout_lab import Cell
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import LyapunovExponents, from_json, lyapunov, take, to_json
from zoneout_lab.measures.lyapunov import first_frame
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.ops.matmul import recur
from zoneout_lab.ops.probe import Probe, recording

BOTH = pytest.mark.parametrize("training", [True, False])
T = 12
Step = Callable[[Array], Array]


@dataclass(frozen=True)
class Linear(Cell):
    """h_t = U h_{t−1} + W x_t."""

    kind: ClassVar[str] = "linear"

    def step(self, x: Tensor, states: Any, weights: Any, masks: Any) -> Any:
        return (recur(states[0], weights["weight_hh"], x),)


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "linear", Linear)


def measured(measure: LyapunovExponents, model: torch.nn.Module, training: bool, **options: Any) -> list[xr.DataArray]:
    """[layer, order] with noise or without, as ``training`` says."""
    found = take(measure, model, batch(**{"timesteps": T} | options), len(model.readout_bias))
    return [each["lyapunov_exponent" if training else "lyapunov_exponent_without_noise"] for each in found]


# -- the twin: steps of one example, their Jacobian by finite differences, and Gram–Schmidt after every timestep


def rnn_step(w: dict[str, Array], x: Array, z: dict[str, Array], h: Array) -> Array:
    new = np.tanh(w["weight_ih"] @ x + w["weight_hh"] @ h + w["bias_ih"] + w["bias_hh"])
    return z["hidden"] * h + (1 - z["hidden"]) * new


def lstm_step(w: dict[str, Array], x: Array, z: dict[str, Array], s: Array) -> Array:
    h, c = s[:H], s[H:]
    a = w["weight_ih"] @ x + w["weight_hh"] @ h + w["bias_ih"] + w["bias_hh"]
    new_c = sigmoid(a[H : 2 * H]) * c + sigmoid(a[:H]) * np.tanh(a[2 * H : 3 * H])
    new_h = sigmoid(a[3 * H :]) * np.tanh(new_c)
    return np.concatenate([z["hidden"] * h + (1 - z["hidden"]) * new_h, z["cell"] * c + (1 - z["cell"]) * new_c])


def jacobian(step: Step, s: Array) -> Array:
    columns = []
    for j in range(len(s)):
        e = np.zeros(len(s))
        e[j] = 1e-5
        columns.append((step(s + e) - step(s - e)) / 2e-5)
    return np.stack(columns, 1)


def gram_schmidt(a: Array) -> tuple[Array, Array]:
    """An orthonormal basis of the columns, and what each column had left of it."""
    basis: list[Array] = []
    left = []
    for column in a.T:
        rest = column.copy()
        for _ in range(2):  # twice is enough
            for q in basis:
                rest = rest - (q @ rest) * q
        left.append(np.sqrt(rest @ rest))
        basis.append(rest / left[-1])
    return np.stack(basis, 1), np.array(left)


def twin(step: Callable[[int, Array], Array], n: int, k: int) -> tuple[Array, Array]:
    """Exponents of one example from T steps, and its trajectory [T, n]."""
    s, frame, logs, path = np.zeros(n), first_frame(n, k).numpy(), np.zeros(k), []
    for t in range(T):

        def now(at: Array, t: int = t) -> Array:
            return step(t, at)

        frame, left = gram_schmidt(jacobian(now, s) @ frame)
        s = now(s)
        path.append(s)
        if t >= 3:  # a quarter of twelve
            logs += np.log(left)
    return logs / (T - 3), np.stack(path)


STEPS = {"rnn_tanh": (rnn_step, H), "lstm": (lstm_step, 2 * H)}


@BOTH
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("kind", STEPS)
def test_it_is_what_finite_differences_find(kind: str, symbols: bool, training: bool) -> None:
    step, n = STEPS[kind]
    cell = CELLS[kind]()
    model = stack(kind, [zoned(cell, 0.6), zoned(cell, 0.2)], layers=2)
    with torch.no_grad():
        for parameter in model.rnn.parameters():
            parameter.mul_(0.3)  # finite differences see no gradient of a saturated tanh
    found = measured(LyapunovExponents(k=3), model, training, symbols=symbols)
    model.train(training)
    for r, each in enumerate(found):
        inputs = encoded(batch(symbols=symbols, timesteps=T))
        for layer in range(2):
            w, z = weights(model, r, layer), masks(model, r, layer, T)

            def of_example(b: int, w: Any = w, z: Any = z, x: Array = inputs) -> tuple[Array, Array]:
                return twin(lambda t, s: step(w, x[t, b], {site: m[t, b] for site, m in z.items()}, s), n, 3)

            spectra, paths = zip(*(of_example(b) for b in range(B)), strict=True)
            np.testing.assert_allclose(each.sel(layer=f"l{layer}"), np.mean(spectra, 0), rtol=1e-4, atol=1e-6)
            inputs = np.stack(paths, 1)[:, :, :H]


# -- known spectra


EIGENVALUES = np.array([1.25, 0.8, 0.5, 0.1])


def with_eigenvalues(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(H, H, generator=generator, dtype=torch.float64) + 2 * torch.eye(H)
    with torch.no_grad():
        model.rnn.weight_hh_l0.copy_(basis @ torch.diag(torch.from_numpy(EIGENVALUES)) @ basis.inverse())


@pytest.mark.usefixtures("linear")
@pytest.mark.parametrize("chunk", [1, 7])
def test_a_linear_network_has_the_logarithms_of_its_eigenvalues(chunk: int) -> None:
    model = stack("linear", [At(0.0, ())])
    with_eigenvalues(model)
    (found,) = measured(LyapunovExponents(k=4, chunk=chunk), model, False, timesteps=200)
    np.testing.assert_allclose(found[0], np.log(EIGENVALUES), atol=1e-6)


@pytest.mark.usefixtures("linear")
def test_a_linear_network_under_an_expected_mask_has_eigenvalues_drawn_towards_one() -> None:
    model = stack("linear", [At(0.4, ("hidden",))])
    with_eigenvalues(model)
    (found,) = measured(LyapunovExponents(k=4), model, False, timesteps=200)
    np.testing.assert_allclose(found[0], np.log(0.4 + 0.6 * EIGENVALUES), atol=1e-6)


@pytest.mark.usefixtures("linear")
def test_a_diagonal_network_under_masks_has_the_mean_logarithms_of_its_units() -> None:
    """A preserved unit stands still: z = 1 in place of its eigenvalue."""
    model = stack("linear", [At(0.3, ("hidden",))])
    with torch.no_grad():
        model.rnn.weight_hh_l0.copy_(torch.diag(torch.tensor([0.9, 0.4, 0.1, 0.01]))[None])
    (found,) = measured(LyapunovExponents(k=4), model, True, timesteps=400)
    preserved = masks(model.train(), 0, 0, 400)["hidden"][100:]
    of_units = ((1 - preserved) * np.log([0.9, 0.4, 0.1, 0.01])).mean((0, 1))
    np.testing.assert_allclose(found[0], of_units, atol=2e-3)


@BOTH
@pytest.mark.parametrize("kind", [kind for kind, cell in CELLS.items() if set(cell.states.values()) <= set(cell.sites)])
def test_a_frozen_state_has_exponents_of_zero(kind: str, training: bool) -> None:
    cell = CELLS[kind]()
    (found,) = measured(LyapunovExponents(), stack(kind, [zoned(cell, 1.0)]), training)
    if cell.states_suffice and not (cell.mixes_examples and training):
        assert abs(found).max() < 1e-15
    else:
        assert found.isnull().all()


def test_a_network_without_recurrent_weights_forgets_at_once() -> None:
    model = stack("rnn_tanh", [At(0.0, ()), At(0.5, ("hidden",))])
    with torch.no_grad():
        model.rnn.weight_hh_l0.zero_()
    found = take(LyapunovExponents(k=4), model, batch(timesteps=T), 2)
    for name in LyapunovExponents().names():
        assert found[0][name] == -np.inf
    assert (found[0].lyapunov_exponent == -np.inf).all()
    np.testing.assert_allclose(found[1].lyapunov_exponent_without_noise, np.log(0.5))


def test_a_direction_of_rounding_errors_alone_is_gone() -> None:
    """The weights have rank 2 and float64 no exact zeros: the third exponent is −∞, and not one of 10⁻¹⁷."""
    model = stack("rnn_tanh", [At(0.0, ())])
    with torch.no_grad():
        u, v = torch.randn(2, H, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        model.rnn.weight_hh_l0.copy_((u @ v.T)[None])
    (found,) = measured(LyapunovExponents(k=4), model, False)
    assert np.isfinite(found[0, :2]).all()
    assert (found[0, 2:] == -np.inf).all()


def test_gates_alone_have_the_mean_logarithm_of_the_carry() -> None:
    """A minGRU has no recurrent weights: its Jacobian is the diagonal of 1 − k_t."""
    model = stack("min_gru", [At(0.0, ())])
    with torch.no_grad():
        model.rnn.weight_ih_l0.mul_(0.05)  # units that differ by their biases
        model.rnn.bias_ih_l0[0, :H] = torch.tensor([-3.0, -1.0, 0.5, 2.0])
    (found,) = measured(LyapunovExponents(k=4), model, False, timesteps=200)
    w, x = weights(model, 0, 0), encoded(batch(timesteps=200))
    keep = 1 - sigmoid(x @ w["weight_ih"][:H].T + w["bias_ih"][:H])
    np.testing.assert_allclose(found[0], np.log(keep[50:]).mean((0, 1)), atol=1e-6)


@dataclass(frozen=True)
class Memoryless(Cell):
    """h_t = W x_t."""

    kind: ClassVar[str] = "memoryless"

    def step(self, x: Tensor, states: Any, weights: Any, masks: Any) -> Any:
        return (x.clone(),)


def test_what_depends_on_no_state_before_is_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "memoryless", Memoryless)
    for rate, rest in ((0.0, -np.inf), (0.5, np.log(0.5))):
        model = stack("memoryless", [At(rate, ("hidden",) if rate else ())])
        (found,) = measured(LyapunovExponents(k=2), model, False)
        np.testing.assert_allclose(found, rest)


# -- every cell


@BOTH
@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_whose_states_suffice_is_measured(kind: str, training: bool) -> None:
    cell = CELLS[kind]()
    found = measured(LyapunovExponents(k=2), stack(kind, [zoned(cell, 0.5), zoned(cell, 0.0)], layers=2), training)
    for each in found:
        assert each.shape == (2, 2)
        assert each.isnull().all() == (not cell.states_suffice or (cell.mixes_examples and training))
        assert each.isnull().any() == each.isnull().all()


@pytest.mark.parametrize("chunk", [2, 5, 100])
def test_the_length_of_a_chunk_changes_rounding_alone(chunk: int) -> None:
    model = stack("gru", [At(0.5, ("hidden",))], layers=2)
    one, other = (measured(LyapunovExponents(k=2, chunk=m), model, True)[0] for m in (1, chunk))
    np.testing.assert_allclose(other, one, rtol=1e-8)


def test_it_keeps_no_states_of_what_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = []

    @contextmanager
    def remembered() -> Iterator[Probe]:
        with recording() as probe:
            probes.append(probe)
            yield probe

    monkeypatch.setattr(lyapunov, "recording", remembered)
    with recording() as outside:
        LyapunovExponents().measure(stack("lstm", [At(0.5, ("cell",))]), batch())
    assert [probe.tensors for probe in (outside, *probes)] == [{}, {}]


def test_the_largest_is_of_all_layers_and_orders() -> None:
    given = xr.Dataset({"lyapunov_exponent": (("layer", "order"), [[-1.0, -2.0], [-0.75, -0.25]])})
    reduced = {name: float(value) for name, value in LyapunovExponents(k=2).reduce(given).items()}
    assert reduced == {"largest_lyapunov_exponent": -0.25, "mean_lyapunov_exponent": -1.0}


def test_options_that_cannot_be_are_refused() -> None:
    assert from_json(to_json(LyapunovExponents(k=2))) == LyapunovExponents(k=2)
    for options in ({"k": 0}, {"k": 1.5}, {"chunk": 0}):
        with pytest.raises(InputRefusedError, match=r"lyapunov's .* a whole number of at least 1"):
            LyapunovExponents(**options)  # type: ignore[arg-type]
    with pytest.raises(InputRefusedError, match="k is 9, but the states of a layer have only 8 numbers"):
        take(LyapunovExponents(k=9), stack("lstm", [At(0.0, ())]), batch(), 1)
