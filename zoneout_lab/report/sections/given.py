"""Results that were made elsewhere, as they were given: where they come from, what was left out, and every value."""

from __future__ import annotations

from typing import Any

from zoneout_lab import schema
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing
from zoneout_lab.results.numbers import decimals, number
from zoneout_lab.results.scalars import scalar

#: columns that fit beside each other, and rows that anybody would look at; the CSV has all
MOST_METRICS, MOST_ROWS, LONG = 6, 2000, 12


def build(data: ReportData) -> Section | None:
    if not data.source:
        return None
    names = [str(name) for name in schema.metrics_of(data.study) if name in data.metrics][:MOST_METRICS]
    about = [data.quantity(name) for name in names]
    values = [scalar(data.tree, name).values for name in names]
    places = [decimals((one.factor * each).ravel()) for one, each in zip(about, values, strict=True)]
    rows = []
    if len(data.arms) * len(data.seeds) <= MOST_ROWS:
        rows = [
            (
                arm,
                data.pair_name(seed),
                [
                    (float(each[row, place]), number(one.factor * float(each[row, place]), digits))
                    for one, each, digits in zip(about, values, places, strict=True)
                ],
            )
            for row, arm in enumerate(data.arms)
            for place, seed in enumerate(data.seeds)
            if data.status[arm.name, seed] == "finished"
        ]
    return Section(
        "given",
        "The results as given",
        "given.html",
        {
            "facts": _facts(data),
            "notes": [legible(note) for note in data.source.get("notes") or []],
            "heads": [one.axis for one in about],
            "rows": rows,
            "pair": data.pair,
            "long": len(rows) > LONG,
        },
    )


def _facts(data: ReportData) -> list[tuple[str, str]]:
    source = data.source
    by = [legible(each) for each in source.get("pairs") or []]
    columns = source.get("columns")
    metrics = [legible(each) for each in columns.values()] if isinstance(columns, dict) else []
    rows: Any = source.get("rows")
    facts = [
        ("from", legible(source.get("name") or "a table")),
        *((legible(name), legible(value)) for name, value in (source.get("place") or {}).items()),
        ("SHA-256", legible(source.get("sha256") or "")),
        ("rows", f"{rows:,}" if isinstance(rows, int) else ""),
        ("arms are", f"{legible(source.get('arm') or '')} ({count(len(data.arms), 'value')})"),
        ("paired by", " × ".join(by) if data.blocks.paired else "nothing: two independent samples"),
        ("metrics", listing(metrics[:20]) + (f" and {len(metrics) - 20} more" if len(metrics) > 20 else "")),
        ("α", f"{data.study.get('alpha')}"),
    ]
    return [(name, value) for name, value in facts if value]
