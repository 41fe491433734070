"""What is claimed of results from elsewhere: hypotheses from a TOML file or as values, or where there are none, every arm against the baseline.

A claim that is read together with the results was declared when they were judged. That it was written before they existed, nothing here can show, and
what is said of it does not say so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError, told, unknown
from zoneout_lab.metrics import Metric, Scale
from zoneout_lab.results.legible import legible

_LARGEST = 1 << 20
_MOST = 200
_TEXTS = ("name", "statement", "arm", "against", "metric", "direction", "scale", "reason")
_TOP = ("hypotheses", "metrics", "labels", "alpha", "baseline", "title")


@dataclass(frozen=True)
class Claims:
    """A file of claims: its ``hypotheses`` as it has them, ``metrics`` it describes, ``labels`` that it gives to arms, and
    ``alpha``, ``baseline`` and ``title`` where it says them."""

    hypotheses: tuple[dict[str, Any], ...]
    metrics: dict[str, Metric] = field(default_factory=dict)
    alpha: float | None = None
    baseline: str | None = None
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


def read_claims(path: str | Path) -> Claims:
    """The claims in a TOML file.

    Each ``[[hypotheses]]`` has the fields of :class:`zoneout_lab.Hypothesis`: ``arm``, ``against``, ``metric`` and, where they are not the usual ones,
    ``direction``, ``margin``, ``scale``, ``name``, ``statement`` and ``reason``. ``[metrics.NAME]`` describes a metric as :class:`zoneout_lab.Metric` does;
    ``alpha``, ``baseline`` and ``title`` may stand at the top, and ``[labels]`` says what arms are called.

    Raises InputRefusedError where the file cannot be read or says something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputRefusedError(f"{path} has more than 1 MiB: it is no file of claims.")
        read = tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise InputRefusedError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputRefusedError):
            raise
        raise InputRefusedError(f"{path} is not TOML: {told(error)}.") from error
    for key in read:
        if key not in _TOP:
            raise InputRefusedError(
                f"{path} has {legible(key)!r}, and a file of claims has {', '.join(_TOP)}. Each claim begins with [[hypotheses]]."
            )
    hypotheses = read.get("hypotheses", [])
    if not isinstance(hypotheses, list) or not all(isinstance(each, dict) for each in hypotheses):
        raise InputRefusedError(f"{path}: each claim begins with [[hypotheses]].")
    metrics = read.get("metrics", {})
    if not isinstance(metrics, dict) or not all(isinstance(each, dict) for each in metrics.values()):
        raise InputRefusedError(f"{path}: a metric is described below [metrics.NAME].")
    for key, kind, given in (
        ("alpha", float, "a number between 0 and 1, such as 0.05"),
        ("baseline", str, "the name of an arm, in quotes"),
        ("title", str, "a text, in quotes"),
        ("labels", dict, 'lines such as full = "full model" below [labels]'),
    ):
        if key in read and not isinstance(read[key], kind):
            raise InputRefusedError(f"{path}: {key} is {legible(repr(read[key]))}; give {given}.")
    described = {name: _metric(path, name, about) for name, about in metrics.items()}
    said = {key: read.get(key) for key in ("alpha", "baseline", "title")}
    return Claims(tuple(hypotheses), described, **said, labels=read.get("labels", {}))


def _metric(path: Path, name: str, about: Mapping[str, Any]) -> Metric:
    try:
        return Metric(**{"long_name": name.replace("_", " "), "unit": "", **about})
    except (TypeError, InputRefusedError) as error:
        raise InputRefusedError(f"{path}: the metric {legible(name)!r} cannot be described so: {error}") from error


def checked(
    hypotheses: Sequence[Any], arms: Mapping[str, str], metrics: Mapping[str, Metric], stored: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Hypotheses as results record them: of arms that are there, and metrics by their stored names.

    ``hypotheses`` are mappings, or values with ``model_dump`` such as :class:`zoneout_lab.Hypothesis`; ``arms`` are what each is called; ``metrics`` are
    described by column.

    Raises InputRefusedError where one cannot be tested, UsageError where it names what is not there.
    """
    if len(hypotheses) > _MOST:
        raise InputRefusedError(f"{len(hypotheses)} hypotheses are declared, and up to {_MOST} are judged together.")
    out: list[dict[str, Any]] = []
    for place, given in enumerate(hypotheses, start=1):
        each = given.model_dump() if hasattr(given, "model_dump") else given
        if not isinstance(each, Mapping):
            raise InputRefusedError(f"Hypothesis {place} is {given!r}; give a zoneout_lab.Hypothesis or a mapping.")
        one = _one(dict(each), place, arms, metrics, stored)
        if one["name"] in [other["name"] for other in out]:
            raise InputRefusedError(f"Two hypotheses are called {legible(one['name'])!r}.")
        out.append(one)
    return out


def _one(
    given: dict[str, Any], place: int, arms: Mapping[str, str], metrics: Mapping[str, Metric], stored: Mapping[str, str]
) -> dict[str, Any]:
    called = f"Hypothesis {place}" + (f" ({legible(given['name'])})" if isinstance(given.get("name"), str) else "")
    if strange := [key for key in given if key not in (*_TEXTS, "margin", "claims")]:
        raise InputRefusedError(
            f"{called} has {legible(strange[0])!r}, which is no field of one: {', '.join((*_TEXTS, 'margin'))}."
        )
    for key in ("arm", "against", "metric"):
        if key not in given:
            raise InputRefusedError(f"{called} lacks {key!r}.")
    for key in _TEXTS:
        if given.get(key) is not None and not isinstance(given[key], str):
            raise InputRefusedError(f"{called} has {key} = {given[key]!r}; give a text.")
    for key in ("arm", "against"):
        if given[key] not in arms:
            raise unknown("arm", given[key], arms)
    if given["arm"] == given["against"]:
        raise InputRefusedError(f"{called} compares {legible(given['arm'])!r} with itself.")
    column = _column(given["metric"], stored)
    direction, margin = given.get("direction") or metrics[column].better or "lower", given.get("margin", 0.0)
    if direction not in stats.DIRECTIONS:
        raise InputRefusedError(f"{called} has direction = {direction!r}; choose {', '.join(stats.DIRECTIONS)}.")
    if isinstance(margin, bool) or not isinstance(margin, int | float):
        raise InputRefusedError(f"{called} has margin = {margin!r}; give a number.")
    scale = given.get("scale")
    if scale not in (None, *get_args(Scale)):
        raise InputRefusedError(f"{called} has scale = {scale!r}; choose {', '.join(get_args(Scale))}.")
    try:
        used = stats.named_or_own(scale, metrics[column].scale, float(margin), column)
        stats.Claim(direction, stats.margin_on(used, float(margin)))
    except InputRefusedError as error:
        raise InputRefusedError(f"{called}: {error}") from error
    name = given.get("name") or f"{given['arm']}-{given['against']}-{stored[column]}-{place}"
    usual = _statement(arms[given["arm"]], arms[given["against"]], metrics[column], direction)
    return {
        "name": name,
        "statement": given.get("statement") or usual,
        "claims": [],  # the paper's are about what was run here
        "arm": given["arm"],
        "against": given["against"],
        "metric": stored[column],
        "direction": direction,
        "margin": float(margin),
        "scale": used,
        "reason": given.get("reason") or "",
    }


def _column(metric: str, stored: Mapping[str, str]) -> str:
    """The column that is called so or, where none is, the one that is stored under this name."""
    column = metric if metric in stored else next((c for c, name in stored.items() if name == metric), None)
    if column is None:
        raise unknown("metric", metric, stored)
    return column


def everything(
    arms: Mapping[str, str], baseline: str, metrics: Mapping[str, Metric], stored: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Each arm against the baseline on each metric of which one way is better: what is looked up where nothing was declared."""
    judged = sum(bool(about.better) for about in metrics.values())
    if (len(arms) - 1) * judged > _MOST:
        raise InputRefusedError(
            f"{len(arms) - 1:,} arms compared with {legible(baseline)} on {judged} metric{'s' * (judged != 1)} make {(len(arms) - 1) * judged:,} comparisons, and up to "
            f"{_MOST} are judged together. Name fewer metrics (--metric, metrics=), leave arms out, or declare what is claimed (--hypotheses, hypotheses=)."
        )
    claims = [
        {"arm": arm, "against": baseline, "metric": column, "direction": about.better}
        for column, about in metrics.items()
        if about.better
        for arm in arms
        if arm != baseline
    ]
    return checked(claims, arms, metrics, stored)


def _statement(arm: str, against: str, metric: Metric, direction: str) -> str:
    noun = metric.noun or metric.long_name
    words = (
        "the same"
        if direction == "same"
        else f"no {side}"
        if (side := direction.removeprefix("not ")) != direction
        else direction
    )
    than = "as" if direction == "same" else "than"
    return f"{legible(arm)} has {words} {noun} {than} {legible(against)}."
