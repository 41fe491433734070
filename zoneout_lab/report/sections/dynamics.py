"""Dynamics: what is left of a perturbation of the states, by the timesteps since, with the masks of training and without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, lines
from zoneout_lab.report.figures.lines import Array, what_is_drawn
from zoneout_lab.report.section import Section
from zoneout_lab.results.numbers import number

WITH = {"growth": "masks of training", "growth_without_noise": "without noise"}


def build(data: ReportData) -> Section | None:
    if "dynamics" not in data.tree.children:
        return None
    dynamics = data.tree["dynamics"].to_dataset().load()
    epochs = [int(e) for e in dynamics.epoch.values if bool(np.isfinite(dynamics.growth.sel(epoch=e)).any())]
    if not epochs or not dynamics.sizes.get("lag"):
        return None
    times = [_epoch(data, dynamics.sel(epoch=epoch), epoch) for epoch in reversed(epochs)]
    return Section("dynamics", "Dynamics", "dynamics.html", {"times": times, "arms": data.arms})


def _epoch(data: ReportData, chosen: xr.Dataset, epoch: int) -> dict[str, Any]:
    cells = [
        (name, str(layer), str(state))
        for layer in chosen.layer.values
        for state in chosen.state.values
        for name in WITH
        if name in chosen and bool(np.isfinite(chosen[name].sel(layer=layer, state=state)).any())
    ]
    several = chosen.sizes["layer"] > 1
    when = "before training" if epoch == 0 else f"after epoch {epoch}"
    drawn = what_is_drawn(len(data.arms), len(data.seeds), chosen.sizes["lag"])
    figure = Figure(
        tuple(_panel(data, chosen, epoch, *cell, several=several) for cell in cells),
        f"What is left of a perturbation, {when}, as a share of it, on a logarithmic axis: halfway through the sequence the states are "
        f"moved by a tenth of their norm in a random direction, and the rest is read twice under the same masks. A falling line "
        f"forgets the perturbation; where it levels out near 10⁻⁶, single precision ends. Bold lines are geometric means over seeds. {drawn}",
        data.arms,
    )
    table = [(arm, [100 * _mean(_cell(chosen, *cell)[row]) for cell in cells]) for row, arm in enumerate(data.arms)]
    return {
        "when": when,
        "figure": figure,
        "heads": [_heading(*cell, several=several) for cell in cells],
        "table": table,
    }


def _mean(growth: Array) -> float:
    known = growth[np.isfinite(growth).all(-1)]
    return float(known.mean()) if known.size else float("nan")


def _cell(chosen: xr.Dataset, name: str, layer: str, state: str) -> Array:
    part = chosen[name].sel(layer=layer, state=state).transpose("arm", "seed", "lag")
    return np.asarray(part.values, dtype=np.float64)


def _heading(name: str, layer: str, state: str, *, several: bool) -> str:
    return f"{state.capitalize()}, {WITH[name]}" + (f", layer {layer}" if several else "")


def _panel(
    data: ReportData, chosen: xr.Dataset, epoch: int, name: str, layer: str, state: str, *, several: bool
) -> Panel:
    values = _cell(chosen, name, layer, state)
    left = [f"{arm.label} {number(100 * _mean(values[row]))}%" for row, arm in enumerate(data.arms)]
    return lines(
        f"dynamics-{epoch}-{name.replace('_', '-')}-{layer.replace('_', '-').replace('.', '-')}-{state}",
        np.asarray(chosen.lag.values, dtype=np.float64),
        values,
        data.arms,
        title=_heading(name, layer, state, several=several),
        description=f"What is left of a perturbation by timestep since; on average over timesteps: {'; '.join(left)}.",
        xlabel="timesteps since the perturbation",
        ylabel="share left",
        log=True,
        height=200,
    )
