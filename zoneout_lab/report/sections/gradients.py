"""Gradient flow: how much of the loss gradient reaches each timestep, per state and at both sides of the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab.report.against_baseline import Curves, against_baseline
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, lines
from zoneout_lab.report.figures.lines import Array, what_is_drawn
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import listing
from zoneout_lab.results.numbers import number

POINT = {"candidate": "before the mask", "state": "after the mask"}
WITHOUT = {"normalised": "", "normalised_without_noise": ", without noise"}


def build(data: ReportData) -> Section | None:
    if "gradients" not in data.tree.children:
        return None
    gradients = data.tree["gradients"].to_dataset().load()
    if "normalised" not in gradients or not gradients.sizes.get("time"):
        return None
    epochs = [int(e) for e in gradients.epoch.values if bool(np.isfinite(gradients.norm.sel(epoch=e)).any())]
    if not epochs:
        return None
    times = [_epoch(data, gradients, epoch, newest=epoch == epochs[-1]) for epoch in reversed(epochs)]
    return Section("gradients", "Gradient flow", "gradients.html", {"times": times, "arms": data.arms})


def _epoch(data: ReportData, gradients: xr.Dataset, epoch: int, *, newest: bool) -> dict[str, Any]:
    chosen = gradients.sel(epoch=epoch)
    cells = [
        (str(layer), str(state), str(point))
        for layer in chosen.layer.values
        for state in chosen.state.values
        for point in chosen.point.values
        if bool(np.isfinite(chosen.norm.sel(layer=layer, state=state, point=point)).any())
    ]
    drawn = what_is_drawn(len(data.arms), len(data.seeds), chosen.sizes["time"])
    when = "before training" if epoch == 0 else f"after epoch {epoch}"
    share = Figure(
        tuple(_panel(data, chosen, "normalised", epoch, *cell) for cell in cells),
        f"Share of the gradient norm at each timestep, {when}: the norm divided by its sum over time. "
        f"Bold lines are means over seeds. {drawn}",
        data.arms,
    )
    raw = Figure(
        tuple(_panel(data, chosen, "norm", epoch, *cell) for cell in cells),
        f"Gradient norm itself, {when}, on a logarithmic axis: what normalising hides. Bold lines are geometric means "
        f"over seeds. {drawn} Norms up to 2⁻¹²⁶ ≈ 10⁻³⁸, where single precision underflows, are left out.",
        data.arms,
    )
    silent = "normalised_without_noise"
    probes = [cell for cell in cells if cell[2] == "candidate"] if silent in chosen else []
    without_noise = None
    if probes:
        without_noise = Figure(
            tuple(_panel(data, chosen, silent, epoch, *cell) for cell in probes),
            f"The share once more, {when}, from a pass that draws no masks and uses their expectation: what the noise of training "
            f"itself does to the gradient is the difference between this and the first figure. {drawn}",
            data.arms,
        )
    against = {
        name: against_baseline(
            data,
            [
                Curves(
                    _name(name, epoch, *cell),
                    _heading(*cell, several=chosen.sizes["layer"] > 1) + what,
                    np.asarray(chosen.time.values, dtype=np.float64),
                    _cell(chosen, name, *cell),
                    ratio=True,
                    norms=_cell(chosen, "norm", *cell),
                )
                for cell in cells
            ],
            what=said,
            noun="timestep",
            when=when,
            explained=name == "normalised",
        )
        for name, what, said in (
            ("normalised", ", share", "shares of the gradient norm"),
            ("norm", ", norm", "gradient norms"),
        )
        if newest  # one epoch is enough to look at, and to test
    }
    several = len({layer for layer, *_ in cells}) > 1
    columns = [("normalised", cell) for cell in cells] + [(silent, cell) for cell in probes]
    table = [
        (arm, [100 * early(_cell(chosen, name, *cell)[row]) for name, cell in columns])
        for row, arm in enumerate(data.arms)
    ]
    heads = [_heading(*cell, several=several) + WITHOUT[name] for name, cell in columns]
    return {
        "when": when,
        "share": share,
        "raw": raw,
        "without_noise": without_noise,
        "against": against,
        "heads": heads,
        "table": table,
    }


def early(profile: Array) -> float:
    """Mean over seeds of the share [seed, time] that falls in the first third of the timesteps.

    >>> early(np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]]))
    0.6
    """
    known = profile[np.isfinite(profile).all(-1)]
    third = profile.shape[-1] // 3
    return float(known[:, :third].sum(-1).mean()) if known.size else float("nan")


def _heading(layer: str, state: str, point: str, *, several: bool) -> str:
    return f"{state.capitalize()} {POINT.get(point, point)}" + (f", layer {layer}" if several else "")


def _cell(chosen: xr.Dataset, name: str, layer: str, state: str, point: str) -> Array:
    part = chosen[name].sel(layer=layer, state=state, point=point).transpose("arm", "seed", "time")
    return np.asarray(part.values, dtype=np.float64)


def _panel(data: ReportData, chosen: xr.Dataset, name: str, epoch: int, layer: str, state: str, point: str) -> Panel:
    values = _cell(chosen, name, layer, state, point) * (1 if name == "norm" else 100)
    heading = _heading(layer, state, point, several=chosen.sizes["layer"] > 1)
    heading += WITHOUT.get(name, "")
    if name != "norm":
        shares = [f"{arm.label} {number(early(values[row]))}%" for row, arm in enumerate(data.arms)]
        description = (
            f"Share of the gradient norm by timestep. In the first third of the timesteps: {'; '.join(shares)}."
        )
    else:
        shares = [f"{arm.label} {_ends(values[row])}" for row, arm in enumerate(data.arms)]
        description = (
            f"Gradient norm by timestep, median over seeds at the first and the last timestep: {'; '.join(shares)}."
        )
    return lines(
        _name(name, epoch, layer, state, point),
        np.asarray(chosen.time.values, dtype=np.float64),
        values,
        data.arms,
        title=heading,
        description=description,
        xlabel="timestep",
        ylabel="gradient norm" if name == "norm" else "share of the norm (%)",
        log=name == "norm",
        height=200,
    )


def _name(quantity: str, epoch: int, layer: str, state: str, point: str) -> str:
    return f"gradient-{_slug(quantity)}-{epoch}-{_slug(layer)}-{_slug(state)}-{_slug(point)}"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)


def _ends(values: Array) -> str:
    ends = []
    for step in (0, -1):
        known = values[np.isfinite(values[:, step]), step]
        ends.append(number(float(np.median(known))) if known.size else "not measured")
    return listing(ends)
