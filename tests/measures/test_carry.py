"""Effective carry and the saturation of gates: a loop written out over examples and timesteps, and cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr
from stacks import Array, At, B, H, T, batch, encoded, masks, sigmoid, stack, weights, zoned

from zoneout_lab.measures import EffectiveCarry, take
from zoneout_lab.ops.cells import CELLS

BOTH = pytest.mark.parametrize("training", [True, False])


def measured(model: torch.nn.Module, training: bool, **options: object) -> list[xr.Dataset]:
    """With noise or without, as ``training`` says, under the names with noise."""
    found = take(EffectiveCarry(), model, batch(**options), len(model.readout_bias))
    suffix = "" if training else "_without_noise"
    return [
        xr.Dataset({name: each[f"{name}{suffix}"] for name in EffectiveCarry.quantities}, each.coords) for each in found
    ]


def lstm_twin(w: dict[str, Array], x: Array, m: dict[str, Array]) -> tuple[Array, dict[str, Array], Array]:
    """Carry of c [T, B, H], gates and outputs."""
    shape = (len(x), B, H)
    none = np.zeros(shape)
    carry, out, gates = (
        np.empty(shape),
        np.empty(shape),
        {name: np.empty(shape) for name in ("input", "forget", "output")},
    )
    for b in range(B):
        h, c = np.zeros(H), np.zeros(H)
        for t in range(len(x)):
            a = w["weight_ih"] @ x[t, b] + w["weight_hh"] @ h + w["bias_ih"] + w["bias_hh"]
            i, f, g, o = sigmoid(a[:H]), sigmoid(a[H : 2 * H]), np.tanh(a[2 * H : 3 * H]), sigmoid(a[3 * H :])
            z_c, z_h, dropped = (m.get(site, none)[t, b] for site in ("cell", "hidden", "memory"))
            new_c = (1 - dropped) * (f * c + i * g)
            h = z_h * h + (1 - z_h) * o * np.tanh(new_c)
            c = z_c * c + (1 - z_c) * new_c
            carry[t, b], out[t, b] = z_c + (1 - z_c) * (1 - dropped) * f, h
            for name, gate in (("input", i), ("forget", f), ("output", o)):
                gates[name][t, b] = gate
    return carry, gates, out


def gru_twin(w: dict[str, Array], x: Array, m: dict[str, Array]) -> tuple[Array, dict[str, Array], Array]:
    shape = (len(x), B, H)
    none = np.zeros(shape)
    carry, out, gates = np.empty(shape), np.empty(shape), {name: np.empty(shape) for name in ("reset", "keep")}
    for b in range(B):
        h = np.zeros(H)
        for t in range(len(x)):
            a, u = w["weight_ih"] @ x[t, b] + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
            r, k = sigmoid(a[:H] + u[:H]), sigmoid(a[H : 2 * H] + u[H : 2 * H])
            z = m.get("hidden", none)[t, b]
            h = z * h + (1 - z) * (k * h + (1 - k) * np.tanh(a[2 * H :] + r * u[2 * H :]))
            carry[t, b], out[t, b] = z + (1 - z) * k, h
            gates["reset"][t, b], gates["keep"][t, b] = r, k
    return carry, gates, out


TWINS = {"lstm": (lstm_twin, "cell", ("cell", "hidden", "memory")), "gru": (gru_twin, "hidden", ("hidden",))}


@BOTH
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("kind", TWINS)
def test_it_is_what_a_loop_finds(kind: str, symbols: bool, training: bool) -> None:
    twin, memory, sites = TWINS[kind]
    model = stack(kind, [At(0.4, sites), At(0.0, ()), At(0.7, sites[:1])], layers=2)
    found = measured(model, training, symbols=symbols)
    model.train(training)
    for r, each in enumerate(found):
        carry, constants, left, right = each.data_vars.values()
        x = encoded(batch(symbols=symbols))
        for layer in range(2):
            want, gates, x = twin(weights(model, r, layer), x, masks(model, r, layer))
            at = {"layer": f"l{layer}", "state": memory}
            np.testing.assert_allclose(carry.sel(at), want.mean((1, 2)), rtol=1e-6)
            means = want.mean((0, 1))
            by_unit = sorted(-1 / math.log(mean) if 0 < mean < 1 else math.inf * (mean == 1) for mean in means)
            np.testing.assert_allclose(constants.sel(at), by_unit, rtol=1e-6)
            for name, gate in gates.items():
                assert left.sel(layer=f"l{layer}", gate=name) == pytest.approx((gate < 0.1).mean())
                assert right.sel(layer=f"l{layer}", gate=name) == pytest.approx((gate > 0.9).mean())
        assert 0 < left.max() < 1
        assert 0 < right.max() < 1


@BOTH
@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_s_carry_lies_between_the_mask_and_one(kind: str, training: bool) -> None:
    cell = CELLS[kind]()
    model = stack(kind, [zoned(cell, 0.5), zoned(cell, 0.0)], layers=2)
    some, none = measured(model, training)
    gates = list(some.gate.values)
    assert set(some.state.values) <= set(cell.states)
    for each in (some, none):
        assert each.carry.notnull().all()
        assert (each.time_constant.diff("unit") >= 0).all()
        assert each.left_saturated.isnull().all() == (gates == ["none"])
    has_site = all(cell.states[state] in cell.sites for state in some.state.values)
    if gates == ["none"]:
        assert (none.carry == 0).all()
        assert (none.time_constant == 0).all()
        if not training:
            np.testing.assert_allclose(some.carry, 0.5)
            np.testing.assert_allclose(some.time_constant, 1 / math.log(2))
    else:
        assert ((none.carry > 0) & (none.carry < 1)).all()
        if has_site and not training:
            assert ((some.carry > 0.5) & (some.carry < 1)).all()


@BOTH
@pytest.mark.parametrize("kind", [kind for kind, cell in CELLS.items() if set(cell.states.values()) <= set(cell.sites)])
def test_a_rate_of_one_carries_all_for_ever(kind: str, training: bool) -> None:
    model = stack(kind, [zoned(CELLS[kind](), 1.0)])
    carry, constants, *_ = measured(model, training)[0].data_vars.values()
    assert (carry == 1).all()
    assert (constants == np.inf).all()


def test_gates_without_weights_have_a_known_carry_and_saturation() -> None:
    """f = σ(log 3) = 3/4, and z = 1/2: 7/8 is carried. The input gate is open, the output gate closed."""
    model = stack("lstm", [At(0.5, ("cell",))])
    with torch.no_grad():
        for name, parameter in model.rnn.named_parameters():
            parameter.zero_()
            if name.startswith("bias_ih"):
                for block, value in enumerate((5.0, math.log(3), 0.0, -5.0)):
                    parameter[:, block * H : (block + 1) * H] = value
    (found,) = take(EffectiveCarry(), model, batch(), 1)
    np.testing.assert_allclose(found.carry_without_noise, 7 / 8, rtol=1e-6)
    np.testing.assert_allclose(found.time_constant_without_noise, -1 / math.log(7 / 8), rtol=1e-6)
    assert found.left_saturated_without_noise.sel(layer="l0").to_series().to_dict() == {
        "input": 0,
        "forget": 0,
        "output": 1,
    }
    assert found.right_saturated_without_noise.sel(layer="l0").to_series().to_dict() == {
        "input": 1,
        "forget": 0,
        "output": 0,
    }
    assert found.mean_carry_without_noise == pytest.approx(7 / 8)
    assert found.median_time_constant_without_noise == pytest.approx(-1 / math.log(7 / 8))
    assert found.left_saturation == found.right_saturation == pytest.approx(1 / 3)
    # masks of zeros and ones: each carry is 1 or 3/4
    preserved = masks(model.train(), 0, 0)["cell"].mean((1, 2))
    np.testing.assert_allclose(found.carry[0, 0], preserved + (1 - preserved) * 3 / 4)
    assert len(preserved) == T


def test_the_median_time_constant_is_of_units_and_the_mean_of_layers() -> None:
    constants = (("layer", "state", "unit"), [[[1.0, 2.0, np.inf]], [[1.0, 4.0, 5.0]]])
    carry, saturated = (("layer", "state", "time"), [[[0.25]], [[0.75]]]), (("layer", "gate"), [[0.5, 0.0]] * 2)
    given = xr.Dataset(
        {"carry": carry, "time_constant": constants, "left_saturated": saturated, "right_saturated": saturated}
    )
    reduced = {name: float(value) for name, value in EffectiveCarry().reduce(given).items()}
    assert reduced == {
        "mean_carry": 0.5, "median_time_constant": 3.0, "left_saturation": 0.25, "right_saturation": 0.25,
    }  # fmt: skip
    (found,) = take(EffectiveCarry(), stack("gru", [At(1.0, ("hidden",))]), batch(), 1)
    assert found.median_time_constant == np.inf
