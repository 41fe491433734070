"""Every run of the study, failures first: a diverged or missing run is a result and is shown as one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.quantity import Quantity, quantity
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, duration, legible, numbered
from zoneout_lab.results.numbers import ABSENT, decimals, number

LONG = 12


#: metrics of a study's own, as many as fit a table
MOST = 3


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    metrics = data.metrics
    best = _by_run(metrics, "best_epoch")
    columns = _columns(data, best)
    seconds = (
        _by_run(data.tree["provenance"].to_dataset().load(), "seconds") if "provenance" in data.tree.children else {}
    )
    places = [decimals(about.factor * v for v in values.values()) for _, about, values in columns]

    rows, arms = [], []
    for arm in data.arms:
        keys = [(arm.name, seed) for seed in data.seeds]
        found = Counter(data.status[key] for key in keys)
        arms.append(
            {
                "arm": arm,
                "counts": [found[status] for status in ("finished", "diverged", "missing")],
                "values": [
                    _summary([about.factor * values.get(key, np.nan) for key in keys], digits)
                    for (_, about, values), digits in zip(columns, places, strict=True)
                ],
                "epoch": _median([best.get(key, np.nan) for key in keys]),
                "seconds": duration(float(np.nansum([seconds.get(key, np.nan) for key in keys]))),
            }
        )
        for key in keys:
            rows.append(
                {
                    "arm": arm,
                    "seed": key[1],
                    "status": data.status[key],
                    "epoch": number(best.get(key), 0),
                    "values": [
                        ((value := values.get(key, np.nan)), number(about.factor * value, digits))
                        for (_, about, values), digits in zip(columns, places, strict=True)
                    ],
                    "seconds": duration(seconds.get(key, np.nan)),
                }
            )
    values = {
        "rows": rows,
        "arms": arms,
        "heads": [head for head, _, _ in columns],
        "selected": bool(best),
        "timed": bool(seconds),
        "failures": (failures := _failures(data)),
        "traced": bool(data.study.get("train")) and any(each["status"] == "missing" for each in failures),
        "unmeasured": _unmeasured(data),
        "left_out": [legible(str(text)) for text in data.recorded("left_out") or []],
        "long": len(rows) > LONG,
    }
    return Section("runs", "Runs", "runs.html", values)


def _columns(
    data: ReportData, best: dict[tuple[str, int], float]
) -> list[tuple[str, Quantity, dict[tuple[str, int], float]]]:
    """What is shown of each run: heading, how it is shown, and its values. The study's own metrics where it describes them, else score and test score."""
    metrics, score = data.metrics, data.score
    if own := [name for name in schema.metrics_of(data.study) if name in metrics and "epoch" not in metrics[name].dims]:
        shown = [(data.quantity(name), _by_run(metrics, name)) for name in own[:MOST]]
        return [(about.axis, about, values) for about, values in shown]
    test = _test_name(metrics, score)
    about, tested = (data.quantity(name) if name else quantity("", "") for name in (score, test))
    return [
        (about.axis if score else "validation score", about, _at_best(metrics, score, best)),
        (tested.axis if test else "test score", tested, _by_run(metrics, test)),
    ]


def _test_name(metrics: xr.Dataset, score: str | None) -> str | None:
    names = [
        str(name) for name in metrics.data_vars if str(name).startswith("test_") and "epoch" not in metrics[name].dims
    ]
    twin = f"test_{score.split('_', 1)[1]}" if score else ""
    return twin if twin in names else min(names, default=None)


def _by_run(dataset: xr.Dataset, name: str | None) -> dict[tuple[str, int], float]:
    if name is None or name not in dataset:
        return {}
    values = dataset[name].transpose("arm", "seed").values
    return {
        (str(arm), int(seed)): float(values[row, column])
        for row, arm in enumerate(dataset.arm.values)
        for column, seed in enumerate(dataset.seed.values)
    }


def _at_best(
    metrics: xr.Dataset, score: str | None, best: dict[tuple[str, int], float]
) -> dict[tuple[str, int], float]:
    if score is None:
        return {}
    epochs = {float(epoch): place for place, epoch in enumerate(metrics.epoch.values)}
    values = metrics[score].transpose("arm", "seed", "epoch").values
    result = {}
    for row, arm in enumerate(metrics.arm.values):
        for column, seed in enumerate(metrics.seed.values):
            place = epochs.get(best.get((str(arm), int(seed)), np.nan))
            if place is not None:
                result[str(arm), int(seed)] = float(values[row, column, place])
    return result


def _summary(values: list[float], places: int) -> str:
    """Mean ± standard deviation over seeds; the deviation needs two."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return ABSENT
    mean = number(float(known.mean()), places)
    return f"{mean} ± {number(float(known.std(ddof=1)), places)}" if known.size > 1 else mean


def _median(values: list[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{np.median(known):g}" if known else ABSENT


def _failures(data: ReportData) -> list[dict[str, Any]]:
    """For each kind of failure: how many, and which arms and seeds."""
    failures = []
    for status in ("diverged", "missing"):
        where = {arm.label: [str(s) for s in data.seeds if data.status[arm.name, s] == status] for arm in data.arms}
        where = {label: seeds for label, seeds in where.items() if seeds}
        total = sum(len(seeds) for seeds in where.values())
        if total:
            places = "; ".join(f"{label}, {numbered(seeds)}" for label, seeds in where.items())
            failures.append({"status": status, "count": f"{count(total, 'run')} {status}", "where": places})
    return failures


def _unmeasured(data: ReportData) -> list[str]:
    """For each way in which a measure failed: after which epoch, in which runs, and why."""
    runs: dict[tuple[int, str], dict[str, list[str]]] = {}
    order = [arm.name for arm in data.arms]
    failed = [each for each in data.recorded("unmeasured") or [] if each["arm"] in order]
    for each in sorted(failed, key=lambda each: (each["epoch"], order.index(each["arm"]), each["seed"])):
        where = runs.setdefault((each["epoch"], each["error"]), {})
        where.setdefault(data.arm(each["arm"]).label, []).append(str(each["seed"]))
    return [
        f"{'After' if epoch else 'Before'} {f'epoch {epoch}' if epoch else 'training'}: "
        f"{'; '.join(f'{label}, {numbered(seeds)}' for label, seeds in where.items())}: {legible(error.rstrip('.'))}."
        for (epoch, error), where in runs.items()
    ]
