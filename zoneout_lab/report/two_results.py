"""Two results of one study: their hypotheses matched, what differs between them, and what follows from that for what may be concluded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.gathered import runs_of
from zoneout_lab.report.sections.deviations import changes
from zoneout_lab.report.text import count, legible, listing, plain
from zoneout_lab.results import Judgement
from zoneout_lab.results.builds import replicates, split_variance
from zoneout_lab.results.earlier import asked

#: what a question is where a study does not say; its other fields have no default
_USUAL = {"direction": "lower", "margin": 0.0, "scale": "linear"}
#: fields of a study that have rows of their own, or are prose
_APART = ("hypotheses", "title", "question", "background", "authors", "family", "alpha", "looks", "seeds", "seed")


@dataclass(frozen=True)
class Matched:
    """One hypothesis in two results, and its number in the report of each."""

    one: Judgement
    other: Judgement
    places: tuple[int, int]


def matched(one: ReportData, other: ReportData) -> tuple[Matched, ...]:
    """The hypotheses of both results, by name, in the order of the first.

    Raises InputRefusedError where one result has a hypothesis that the other lacks, or puts one otherwise; it says which.
    """
    sides = [{judgement.name: judgement for judgement in data.judgements} for data in (one, other)]
    if not all(sides):
        raise InputRefusedError(
            "Results are set beside each other by their hypotheses, and "
            f"{'neither of these has' if not any(sides) else 'one of these has not'} any."
        )
    tasks = [data.study.get("task") for data in (one, other)]
    if one.study.get("name") == other.study.get("name") and tasks[0] != tasks[1]:
        raise InputRefusedError(
            f"These are results of one study on two tasks, {legible(tasks[0])} and {legible(tasks[1])}. What they say together: zoneout-lab across FOLDER FOLDER2."
        )
    questions = [_questions(data) for data in (one, other)]
    faults = [
        f"only {called} has {listing([repr(name) for name in names])}"
        for called, here, there in (("A", *sides), ("B", *reversed(sides)))
        if (names := [legible(name) for name in here if name not in there])
    ]
    faults += [
        f"{legible(name)!r} has {field} {mine} in A and {theirs} in B"
        for name in sides[0]
        if name in sides[1]
        for field, mine, theirs in changes(questions[0][name], questions[1][name])
    ]
    if faults:
        raise InputRefusedError(
            f"These results are of different hypotheses: {'; '.join(faults)}. Give two results of one study."
        )
    order = list(sides[1])
    return tuple(
        Matched(judgement, sides[1][name], (place, order.index(name) + 1))
        for place, (name, judgement) in enumerate(sides[0].items(), start=1)
    )


def _questions(data: ReportData) -> dict[str, dict[str, Any]]:
    declared = data.study["hypotheses"]
    return {str(each["name"]): _USUAL | question for each, question in zip(declared, asked(declared), strict=True)}


Difference = tuple[str, str, str]


def differing(one: ReportData, other: ReportData) -> list[Difference]:
    """What differs between the two, as (what, in the first, in the second): how they were judged, run and trained."""
    rows: list[Difference] = []
    for what, of in (
        ("seeds", lambda data: str(len(data.seeds))),
        ("runs", _runs),
        ("written", lambda data: data.date or "not recorded"),
        ("number that seeds derive from", lambda data: plain(data.study.get("seed"))),
        ("how hypotheses are judged", _rule),
        ("deviations from the declaration", _deviations),
        ("earlier looks", lambda data: count(len(data.recorded("earlier_looks") or []), "look")),
        ("command", lambda data: legible(data.recorded("command") or "not recorded")),
    ):
        pair = of(one), of(other)
        rows += [(what, *pair)] if pair[0] != pair[1] else []
    rows += changes(*({k: v for k, v in data.study.items() if k not in _APART} for data in (one, other)))
    for what, key in (
        ("data", "data"),
        ("code", "git"),
        ("version of", "versions"),
        ("machine", "machine"),
        ("recurrences computed by", "engine"),
    ):
        rows += _recorded(what, key, one, other)
    return rows


def _runs(data: ReportData) -> str:
    found = list(data.status.values())
    counts = [(status, found.count(status)) for status in ("finished", "diverged", "missing")]
    return ", ".join(f"{n} {status}" for status, n in counts if n)


def _rule(data: ReportData) -> str:
    """How the family is corrected and absence is judged, at which α, and at which looks."""
    study = data.study
    rule = {"joint": "flips of whole seeds, jointly", "holm": "Holm"}.get(str(study.get("family", "holm")), "")
    absence = "absence one-sided" if "family" in study else "absence two-sided"
    looks = study.get("looks") or ()
    parts = [rule, absence, f"α = {plain(study.get('alpha'))}", *([f"looks at {plain(looks)}"] if looks else [])]
    return legible(", ".join(parts))


def _deviations(data: ReportData) -> str:
    overrides = data.recorded("overrides")
    return legible("; ".join(map(str, overrides))) if isinstance(overrides, list) and overrides else "none"


def _recorded(what: str, key: str, one: ReportData, other: ReportData) -> Iterator[Difference]:
    """Fields of a record that differ; a field with several values, in runs of one result, shows them all."""
    sides = [_fields(data.recorded(key)) for data in (one, other)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        shown = ["; ".join(side.get(name, ())) or "not recorded" for side in sides]
        if shown[0] != shown[1]:
            yield f"{what}{' ' if what.endswith('of') else ' · ' if name else ''}{legible(name)}", shown[0], shown[1]


def _fields(record: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in record if isinstance(record, list) else [record]:
        for name, value in (each if isinstance(each, Mapping) else {"": each} if each is not None else {}).items():
            text = legible(plain(value))
            found[str(name)] = tuple(dict.fromkeys([*found.get(str(name), ()), text]))
    return found


def conclusions(one: ReportData, other: ReportData, matches: tuple[Matched, ...]) -> list[str]:
    """What may be made of the two together, and what may not, from how they are related."""
    notes = [_relation(one, other)]
    if split := _between_builds(one, other, matches):
        notes.append(split)
    if any(each.one.comparison.verdict != each.other.comparison.verdict for each in matches):
        notes.append(
            "That a claim has one verdict here and another there does not show that the two results differ: neither is tested against the other, "
            "and intervals that overlap widely can lie on either side of an edge."
        )
    notes.append(
        "Each result keeps its chance of a false verdict at its own α, over its own hypotheses. To pick the verdict one prefers out of two raises it."
    )
    return notes


def _relation(one: ReportData, other: ReportData) -> str:
    shared = len(runs_of(one) & runs_of(other))
    seeds = sorted(set(one.seeds) & set(other.seeds))
    if shared:
        sizes = [len(runs_of(data)) for data in (one, other)]
        return (
            f"The two share {count(shared, 'run')}, of {sizes[0]} in A and {sizes[1]} in B. These are the same files and not a repetition: that the "
            "results agree on them shows nothing."
        )
    if one.study.get("seed") is None or other.study.get("seed") is None:
        return "The results do not record what their seeds derive from, so that nothing says whether they repeat each other or are independent."
    if one.study["seed"] != other.study["seed"]:
        return (
            "The seeds of the two derive from different numbers, so that no run of one has its initial weights, order of data or masks from the other's: the "
            "results are independent of each other, as far as chance goes. A verdict found in both was found twice. Their seeds may be counted "
            "together only if that was declared before either was seen."
        )
    if not seeds:
        return "The two have no seed in common, so that their runs are independent of each other."
    if replicates([one.tree, other.tree]):
        together = len(set(one.seeds) | set(other.seeds))
        return (
            f"Both trained the same study, with {count(len(seeds), 'seed')} in common: the same initial weights, order of data and masks. What differs between "
            f"two runs of a seed comes of the code, build or machine below: where the code does the same, rounding alone, which training amplifies. So these are replicates within a seed: together they are "
            f"{count(together, 'seed')} and not {len(one.seeds) + len(other.seeds)}. They may be averaged within a seed "
            "(zoneout_lab.results.builds.averaged), and are never pooled."
        )
    return (
        f"Both derive their seeds from the same number and have {len(seeds)} in common, but were trained otherwise: the table below says how. What the change "
        "does to an effect is tested by neither; a study with both settings as arms would test it. Their seeds must not be pooled."
    )


def _between_builds(one: ReportData, other: ReportData, matches: tuple[Matched, ...]) -> str:
    """How much of the arms' variance lies between two builds of the same seeds; nothing where they are not that."""
    if not replicates([one.tree, other.tree]):
        return ""
    parts = []
    for metric, noun in {
        m.one.comparison.metric: m.one.comparison.noun or m.one.comparison.long_name for m in matches
    }.items():
        try:
            splits = split_variance([one.tree, other.tree], metric)
        except LabError:
            return ""  # results that are no replicates of each other: their relation says so
        found = [split.fraction_of_builds for split in splits if math.isfinite(split.fraction_of_builds)]
        if found:
            low, high = (f"{100 * share:.0f}%" for share in (min(found), max(found)))
            parts.append(f"{low if low == high else f'{low} to {high}'} of that of {noun}")
    return f"Of an arm’s variance, the part between the two results within a seed is {listing(parts)}." if parts else ""
