"""Update activity: a loop written out over examples, units and timesteps, and cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr
from stacks import Array, At, B, H, T, batch, encoded, masks, stack, weights, zoned

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import UpdateActivity, from_json, take, to_json
from zoneout_lab.ops.cells import CELLS

BOTH = pytest.mark.parametrize("training", [True, False])


def measured(measure: UpdateActivity, model: torch.nn.Module, training: bool, **options: object) -> list[xr.Dataset]:
    """With noise or without, as ``training`` says, under the names with noise."""
    found = take(measure, model, batch(**options), len(model.readout_bias))
    suffix = "" if training else "_without_noise"
    return [xr.Dataset({name: each[f"{name}{suffix}"] for name in measure.quantities}, each.coords) for each in found]


def rnn_twin(w: dict[str, Array], x: Array, z: Array) -> Array:
    """h [T, B, H] of a tanh-RNN."""
    out = np.empty((len(x), B, H))
    for b in range(B):
        h = np.zeros(H)
        for t in range(len(x)):
            new = np.tanh(w["weight_ih"] @ x[t, b] + w["weight_hh"] @ h + w["bias_ih"] + w["bias_hh"])
            h = z[t, b] * h + (1 - z[t, b]) * new
            out[t, b] = h
    return out


@BOTH
@pytest.mark.parametrize("symbols", [False, True])
def test_it_is_what_a_loop_finds(symbols: bool, training: bool) -> None:
    threshold = 0.3
    model = stack("rnn_tanh", [At(0.5, ("hidden",)), At(0.2, ("hidden",))], layers=2)
    found = measured(UpdateActivity(threshold), model, training, symbols=symbols)
    model.train(training)
    for r, each in enumerate(found):
        assert list(each.time.values) == [1, 2, 3, 4, 5, 6]
        x = encoded(batch(symbols=symbols))
        for layer in range(2):
            x = rnn_twin(weights(model, r, layer), x, masks(model, r, layer)["hidden"])
            for t in range(1, T):
                far, count, relative = 0.0, 0, []
                for b in range(B):
                    steps = [abs(x[t, b, unit] - x[t - 1, b, unit]) for unit in range(H)]
                    far += sum(steps)
                    count += sum(step > threshold for step in steps)
                    if any(x[t - 1, b]):  # else a mask has preserved the state at its start, zero
                        relative.append(math.hypot(*steps) / math.hypot(*x[t - 1, b]))
                at = {"layer": f"l{layer}", "state": "hidden", "time": t}
                assert each.moved.sel(at) == count / (B * H)
                assert each.step.sel(at) == pytest.approx(far / (B * H), rel=1e-6)
                assert each.relative_step.sel(at) == pytest.approx(sum(relative) / len(relative), rel=1e-6)
        assert 0 < each.moved.mean() < 1


@BOTH
@pytest.mark.parametrize("kind", CELLS)
def test_every_state_of_every_cell_is_measured(kind: str, training: bool) -> None:
    cell = CELLS[kind]()
    some, none = measured(UpdateActivity(0), stack(kind, [zoned(cell, 0.6), zoned(cell, 0.0)], layers=2), training)
    assert list(some.state.values) == list(cell.states)
    for each in (some, none):
        assert each.moved.notnull().all()
        assert (each.step > 0).any(["layer", "time"]).all()  # the second layer of relus is dead
        assert each.relative_step.notnull().any(["layer", "time"]).all()
    for state, site in cell.states.items():
        if site in cell.sites:
            fewer = some.moved.sel(state=state).mean() < none.moved.sel(state=state).mean()
            assert fewer or not training


def test_a_unit_that_a_mask_preserves_does_not_move() -> None:
    """Nothing but a mask holds a unit in place, so the fraction of those that move is exactly that of the units not preserved."""
    model = stack("lstm", [At(0.7, ("cell",))], layers=2)
    (found,) = measured(UpdateActivity(0), model, True)
    model.train()
    for layer in range(2):
        preserved = masks(model, 0, layer)["cell"][1:].mean((1, 2))
        np.testing.assert_allclose(found.moved.sel(layer=f"l{layer}", state="cell"), 1 - preserved, rtol=1e-12)
        assert (found.moved.sel(layer=f"l{layer}", state="hidden") == 1).all()
    assert (measured(UpdateActivity(0), model, False)[0].moved == 1).all()  # in expectation all move, some less far


@BOTH
@pytest.mark.parametrize("kind", [kind for kind, cell in CELLS.items() if set(cell.states.values()) <= set(cell.sites)])
def test_with_a_rate_of_one_nothing_moves(kind: str, training: bool) -> None:
    (found,) = measured(UpdateActivity(0), stack(kind, [zoned(CELLS[kind](), 1.0)]), training)
    assert (found.moved == 0).all()
    assert (found.step == 0).all()
    assert found.relative_step.isnull().all()  # it stays at zero, which has no relative step


def test_a_state_that_doubles_has_a_known_step() -> None:
    """h_t = relu(2 h_{t−1}) from h_0 = 1: 2, 4, 8, …"""
    model = stack("rnn_relu", [At(0.0, ())])
    with torch.no_grad():
        for name, parameter in model.rnn.named_parameters():
            parameter.zero_()
            if name.startswith("weight_hh"):
                parameter.copy_(2 * torch.eye(H)[None])
    given = batch()
    given.inputs.zero_()
    given.inputs[:, 0] = 1
    with torch.no_grad():
        model.rnn.weight_ih_l0[:, :, 0] = 1
    (found,) = take(UpdateActivity(100.0), model, given, 1)
    np.testing.assert_allclose(found.step[0, 0], [2**t - 2 ** (t - 1) for t in range(1, T)])
    np.testing.assert_allclose(found.relative_step[0, 0], np.ones(T - 1))
    assert found.moved_units == 0
    assert take(UpdateActivity(31.5), model, given, 1)[0].moved_units == pytest.approx(1 / 6)  # the last step alone, 32


def test_scalars_are_of_the_output_and_of_all_states() -> None:
    (found,) = take(UpdateActivity(0), stack("lstm", [At(0.7, ("cell",))]), batch(), 1)
    assert found.moved_units == 1
    assert found.moved_of_all_states == pytest.approx((1 + found.moved.sel(state="cell").mean()) / 2)
    assert found.mean_step == pytest.approx(found.step.sel(state="hidden").mean())
    assert found.mean_relative_step == pytest.approx(found.relative_step.sel(state="hidden").mean())


def test_a_single_timestep_has_no_update() -> None:
    assert take(UpdateActivity(), stack("gru", [At(0.0, ())]), batch(timesteps=1), 1) == []


def test_the_threshold_is_an_option_that_json_holds() -> None:
    assert from_json(to_json(UpdateActivity(0.5))) == UpdateActivity(0.5)
    with pytest.raises(InputRefusedError, match="update_activity's threshold"):
        UpdateActivity(-0.1)
