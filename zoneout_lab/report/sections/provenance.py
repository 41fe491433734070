"""Where the numbers come from: code, libraries, machines, data and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import legible, plain, words
from zoneout_lab.results.variance import what_varies


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    groups = [
        {"title": title, "records": records}
        for title, key in (
            ("Data", "data"),
            ("Code", "git"),
            ("Own code", "code"),
            ("Libraries", "versions"),
            ("Machine", "machine"),
            ("Cluster", "cluster"),
            ("Recurrences", "engine"),
            ("Runs taken over from", "taken_over"),
        )
        if (records := _records(_recorded(data, key), key))
    ]
    return Section(
        "provenance",
        "Provenance",
        "provenance.html",
        {
            "groups": groups,
            "seeds": data.seeds,
            "files": _files(data),
            "shared": _shared(data),
        },
    )


def _shared(data: ReportData) -> str:
    """What arms share at one seed. Where their seeds vary different kinds of randomness they share less: their own section says what."""
    if not data.trained_here or len(set(what_varies(data.study).values())) > 1:
        return ""
    if data.study.get("train"):  # what becomes of them is the function's own affair
        return "At one seed, the training function is given the same seeds for initialisation, data and noise in every arm."
    return "Arms that share a seed share initialisation and data order."


def _recorded(data: ReportData, key: str) -> Any:
    if key == "code":
        return data.study.get(key)
    found = data.recorded(key)
    if data.study.get("train") and key in ("data", "engine"):
        return None  # a training function has its own
    if key != "cluster" or not isinstance(found, list):
        return found
    each = [record for record in found if isinstance(record, Mapping)]
    return (
        {f"{name}s": len({str(record.get(name)) for record in each}) for name in ("machine", "worker")}
        if each
        else None
    )


def _records(found: Any, key: str) -> list[list[tuple[str, str]]]:
    """Each distinct record as (name, value) pairs."""
    records = []
    for record in found if isinstance(found, list) else [] if found is None else [found]:
        if isinstance(record, Mapping):
            records.append([(_name(str(name), key), _value(value)) for name, value in record.items()])
        elif key == "git":
            records.append([("commit", legible(record) if record else "not under version control")])
        elif record is not None:
            records.append([("computed by" if key == "engine" else "", _value(record))])
    return [record for place, record in enumerate(records) if record and record not in records[:place]]


def _name(name: str, key: str) -> str:
    return legible(name if key in ("versions", "code", "taken_over") else words(name))  # as it is installed, or called


def _value(value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(part, str) for part in value):
        return legible("; ".join(value))
    return legible(plain(value)) or "none"


def _files(data: ReportData) -> list[tuple[str, int, str, str]]:
    """Arm, seed, run id and digest of every run's file."""
    if "provenance" not in data.tree.children:
        return []
    record = data.tree["provenance"].to_dataset().load()
    if "sha256" not in record:
        return []
    return [
        (arm.label, seed, str(record["run_id"].sel(arm=arm.name, seed=seed).item()), digest)
        for arm in data.arms
        for seed in data.seeds
        if (digest := str(record["sha256"].sel(arm=arm.name, seed=seed).item()))
    ]
