"""What measures without a section of their own found: every quantity over its last dimension, and their scalars by arm."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.descriptions import description, units_of
from zoneout_lab.profiles import WITHOUT_NOISE
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, lines
from zoneout_lab.report.figures.lines import Array, what_is_drawn
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import legible, listing, words
from zoneout_lab.results.numbers import number

MOST_PANELS = 24  # of one measure at one epoch: more would not be looked at, and each takes a third of a second to draw
_OF_RUNS = ("arm", "seed", "epoch")


def build(data: ReportData) -> Section | None:
    groups = [str(name) for name in data.tree.children if name not in ("metrics", "provenance", *schema.MEASURED)]
    parts = [_part(data, name) for name in groups if set(_OF_RUNS) <= set(data.tree[name].dims)]
    if not parts:
        return None
    entries = tuple((part["anchor"], part["title"]) for part in parts)
    return Section("measures", "Measures", "measured.html", {"parts": parts, "arms": data.arms}, entries)


def _part(data: ReportData, group: str) -> dict[str, Any]:
    found = data.tree[group].to_dataset().load()
    epochs = [
        int(epoch)
        for epoch in found.epoch.values
        if any(bool(values.sel(epoch=epoch).notnull().any()) for values in found.data_vars.values())
    ]
    about = schema.measure_of(data.tree, group)
    return {
        "anchor": f"measure-{_slug(group)}",
        "title": legible(about.get("title") or words(group).capitalize()),
        "about": legible(about.get("about") or ""),
        "times": [_epoch(data, group, found.sel(epoch=epoch), epoch) for epoch in reversed(epochs)],
        "absent": _absent(data, found),
    }


def _epoch(data: ReportData, group: str, found: xr.Dataset, epoch: int) -> dict[str, Any]:
    quantities = [str(name) for name, values in found.data_vars.items() if set(values.dims) > {"arm", "seed"}]
    scalars = [str(name) for name, values in found.data_vars.items() if set(values.dims) == {"arm", "seed"}]
    cells = [(name, place) for name in quantities for place in _places(found[name])]
    panels = [_panel(data, group, found[name], epoch, place) for name, place in cells[:MOST_PANELS]]
    left = (
        f" {len(cells) - len(panels)} more of the {len(cells)} panels are in study.nc."
        if len(cells) > len(panels)
        else ""
    )
    when = "before training" if epoch == 0 else f"after epoch {epoch}"
    longest = max((found[name].sizes[_last(found[name])] for name in quantities), default=0)
    drawn = what_is_drawn(len(data.arms), len(data.seeds), longest, noun="steps")
    caption = f"{_said(found, quantities)} Measured {when}. Bold lines are means over seeds. {drawn}{left}"
    return {
        "when": when,
        "figure": Figure(tuple(panels), caption, data.arms) if panels else None,
        "tables": [
            _table(data, found, caption, names)
            for caption, names in (
                ("Mean over seeds", [name for name in scalars if not name.endswith(WITHOUT_NOISE)]),
                (
                    "Mean over seeds, with every mask replaced by its expectation",
                    [name for name in scalars if name.endswith(WITHOUT_NOISE)],
                ),
            )
            if names
        ],
    }


def _said(found: xr.Dataset, quantities: list[str]) -> str:
    """What is drawn, a sentence each; those without noise, which have the same words, in one."""
    known = {
        name: description(name, found[name].attrs).long_name for name in quantities if not name.endswith(WITHOUT_NOISE)
    }
    said = [f"{_capital(words(name))}: {about}." for name, about in known.items()]
    if len(known) < len(quantities):
        said.append("Without noise: every mask is replaced by its expectation.")
    return " ".join(said)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(data: ReportData, found: xr.Dataset, caption: str, names: list[str]) -> dict[str, Any]:
    """Scalars by arm."""
    shown = [data.quantity(name) for name in names]
    return {
        "caption": caption,
        "heads": [about.axis for about in shown],
        "rows": [
            (arm, [about.factor * _mean(found[name], row) for name, about in zip(names, shown, strict=True)])
            for row, arm in enumerate(data.arms)
        ],
    }


def _places(values: xr.DataArray) -> list[dict[str, Any]]:
    """Every label of the dimensions before the last at which something was measured."""
    outer = [dim for dim in values.dims if dim not in ("arm", "seed", _last(values))]
    places = [
        dict(zip(map(str, outer), labels, strict=True))
        for labels in itertools.product(*(values[dim].values for dim in outer))
    ]
    return [place for place in places if bool(values.sel(place).notnull().any())]


def _last(values: xr.DataArray) -> str:
    return next(str(dim) for dim in reversed(values.dims) if dim not in ("arm", "seed"))


def _panel(data: ReportData, group: str, values: xr.DataArray, epoch: int, place: dict[str, Any]) -> Panel:
    last = _last(values)
    labels = values[last].values
    curves: Array = np.asarray(values.sel(place).transpose("arm", "seed", last).values, dtype=np.float64)
    numeric = labels.dtype.kind in "biuf"
    steps = labels.astype(np.float64) if numeric else np.arange(labels.size, dtype=np.float64)
    where = ", ".join(f"{words(dim)} {label}" for dim, label in place.items())
    name = words(str(values.name))
    unit = units_of(values.attrs)
    means = [f"{arm.label} {number(_mean_of(curves[row]))}" for row, arm in enumerate(data.arms)]
    return lines(
        "-".join(_slug(part) for part in (group, str(epoch), str(values.name), *map(str, place.values()))),
        steps,
        curves,
        data.arms,
        title=legible(_capital(name) + (f", {where}" if where else "")),
        description=legible(f"{name} by {words(last)}, mean over it and over seeds: {'; '.join(means)}."),
        xlabel=legible(words(last)),
        ylabel=legible("" if unit == "1" else unit),  # the title has the name, which may be longer than the axis
        names=None if numeric else [legible(str(label)) for label in labels],
        height=200,
    )


def _mean(values: xr.DataArray, row: int) -> float:
    return _mean_of(np.asarray(values.transpose("arm", "seed").values[row], dtype=np.float64))


def _mean_of(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _absent(data: ReportData, found: xr.Dataset) -> str:
    """The arms whose finished runs have no finite value of something that was measured, in a sentence."""
    said = []
    for name, values in found.data_vars.items():
        arms = [
            arm.label
            for arm in data.arms
            if any(data.status[arm.name, seed] == "finished" for seed in data.seeds)
            and not bool(np.isfinite(values.sel(arm=arm.name)).any())
        ]
        if arms:
            said.append(f"{words(str(name))} of {listing(arms)}")
    return f"Not measured, or never a finite number: {'; '.join(said)}." if said else ""


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
