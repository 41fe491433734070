"""Every run of the study, failures first: a diverged or missing run is a result and is shown as one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.quantity import quantity
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, duration, legible, numbered
from zoneout_lab.results.numbers import ABSENT, decimals, number

LONG = 12


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    metrics = data.metrics
    score = data.score
    test = _test_name(metrics, score)
    best = _by_run(metrics, "best_epoch")
    chosen = _at_best(metrics, score, best)
    tested = _by_run(metrics, test)
    seconds = (
        _by_run(data.tree["provenance"].to_dataset().load(), "seconds") if "provenance" in data.tree.children else {}
    )
    about = [data.quantity(name) if name else quantity("", "") for name in (score, test)]
    places = [
        decimals(one.factor * v for v in values.values()) for one, values in zip(about, (chosen, tested), strict=True)
    ]

    rows, arms = [], []
    for arm in data.arms:
        keys = [(arm.name, seed) for seed in data.seeds]
        found = Counter(data.status[key] for key in keys)
        arms.append(
            {
                "arm": arm,
                "counts": [found[status] for status in ("finished", "diverged", "missing")],
                "values": [
                    _summary([one.factor * values.get(key, np.nan) for key in keys], digits)
                    for one, values, digits in zip(about, (chosen, tested), places, strict=True)
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
                        ((value := values.get(key, np.nan)), number(one.factor * value, digits))
                        for one, values, digits in zip(about, (chosen, tested), places, strict=True)
                    ],
                    "seconds": duration(seconds.get(key, np.nan)),
                }
            )
    values = {
        "rows": rows,
        "arms": arms,
        "score": about[0].axis if score else "validation score",
        "test": about[1].axis if test else "test score",
        "failures": _failures(data),
        "unmeasured": _unmeasured(data),
        "long": len(rows) > LONG,
    }
    return Section("runs", "Runs", "runs.html", values)


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
