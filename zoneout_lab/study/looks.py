"""Looks at the data: how often a study was judged, at how many seeds, and what came of it.

Each look at more seeds is another chance of a false verdict. A study may declare its looks, and then stops at the first at which every
hypothesis has a verdict. What was looked at without being declared is kept with the results and shown as a deviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoneout_lab.errors import LabError
from zoneout_lab.frozen import AnyRun
from zoneout_lab.results import judge
from zoneout_lab.results.earlier import asked
from zoneout_lab.results.open import open_quickly
from zoneout_lab.study.driver import Driver
from zoneout_lab.study.spec import Study
from zoneout_lab.study.stopped import open_in
from zoneout_lab.study.store import CONFIRM, Store
from zoneout_lab.study.takeover import Siblings


def train_by_looks(driver: Driver, study: Study) -> int:
    """Train to each declared look and judge there; stop where every hypothesis has a verdict. Returns the number of seeds reached.

    A study without declared looks is trained to its end and judged once. Runs that failed are not judged without: nothing beyond them is
    trained, and the same command tries them again.

    Args:
        driver: of the study, with its store.
        study: with the settings that tuning found.
    """
    store, looks = driver.store, study.looks or (study.seeds,)
    before, failed = 0, len(driver.failed)
    for seeds in looks:
        done = driver.trained + len(driver.taken)
        driver.train_missing((run for run in study.runs(seeds) if run.seed >= before), CONFIRM)
        if len(driver.failed) > failed:
            break
        again = driver.trained + len(driver.taken) > done
        # a look that stands is not taken again: the same command must leave a study that went on past it as it is
        if study.looks and (again or all(look["seeds"] != seeds for look in store.manifest.get("looks", ()))):
            _reach(store, seeds)
        if study.hypotheses:
            try:
                look = look_at(store, seeds, again=again)
            except LabError:
                break  # the report, which is written next, says why these results cannot be judged
            still = open_in(look)
            if study.looks and seeds < looks[-1]:
                driver.watcher.say(_said(still, len(study.hypotheses), seeds, looks))
            if not still:
                break
        before = seeds
    return seeds


def verdicts_in(folder: Path) -> list[dict[str, Any]]:
    """Each hypothesis of a study's folder as it is judged now: name, verdict, and p (None where there is none).

    Declared looks are allowed for by :func:`~zoneout_lab.results.judge`, which finds them in the study's record.
    """
    judged = ((each.name, each.comparison) for each in judge(open_quickly(folder)))
    return [{"name": name, "verdict": c.verdict, "p": c.p if math.isfinite(c.p) else None} for name, c in judged]


def look_at(store: Store, seeds: int, *, again: bool) -> dict[str, Any]:
    """Judge a study at so many seeds, and keep what came of it in the manifest.

    Where it has been judged at as many, that stands, unless ``again``: then it is kept beside the first where anything differs.
    """
    looks: list[dict[str, Any]] = store.manifest.get("looks", [])
    same = [look for look in looks if look["seeds"] == seeds]
    if same and not again:
        return same[-1]
    found = verdicts_in(store.folder)
    if same and same[-1]["hypotheses"] == found:
        return same[-1]
    look = {"seeds": seeds, "date": datetime.now(UTC).isoformat(timespec="seconds"), "hypotheses": found}
    store.manifest["looks"] = [*looks, look]
    store.save()
    return look


def keep_earlier_looks(store: Store, runs: Iterable[AnyRun], siblings: Siblings) -> None:
    """Record, until this study has been judged itself, how the same runs were judged before under its name.

    A look counts where another folder of a study of this name has some of these runs, and judged them at another number of seeds, another
    α, with another correction or other looks, or on other hypotheses. Looks that were declared, and are declared alike here, are no deviation.
    """
    if store.manifest.get("looks"):
        return
    spec, ids = store.manifest["study"], {run.id for run in runs}
    kept: list[dict[str, Any]] = list(store.manifest.get("earlier_looks", ()))
    known = {_key(look) for look in kept}
    for folder, manifest in siblings.manifests.items():
        theirs = manifest["study"]
        if theirs.get("name") != spec["name"] or not ids & manifest["runs"].keys():
            continue
        try:
            made = manifest.get("looks", ()) or _of_older(siblings.out / folder, theirs)
            looks = [_full(folder, theirs, look) for look in made] if _other(theirs, spec) else []
            looks += [look for look in manifest.get("earlier_looks", ()) if look["folder"] != store.folder.name]
            new = [look for look in looks if not _same(look, spec) and _key(look) not in known]
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            siblings.damaged(siblings.out / folder, f"its looks cannot be read ({error!r})")
            continue
        known |= {_key(look) for look in new}
        kept += new
    kept.sort(key=_key)
    if kept != store.manifest.get("earlier_looks", []):
        store.manifest["earlier_looks"] = kept
        store.save()


def _of_older(folder: Path, study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The look that a folder has had whose manifest is older than looks: it was judged when its report was written."""
    if not (study.get("hypotheses") and (folder / "report.html").is_file()):
        return []
    try:
        return [{"seeds": study["seeds"], "date": "", "hypotheses": verdicts_in(folder)}]
    except LabError:  # what cannot be judged was not
        return []


def _reach(store: Store, seeds: int) -> None:
    if store.manifest.get("reached") != seeds:
        store.manifest["reached"] = seeds
        store.save()


def _said(still: Sequence[str], hypotheses: int, seeds: int, looks: Sequence[int]) -> str:
    """
    >>> _said(["b"], 2, 6, (6, 10)), _said([], 2, 6, (6, 10))
    ('1 of 2 hypotheses has no verdict at 6 seeds; going on to 10.', 'Every hypothesis has a verdict at 6 of 10 seeds; the study ends here.')
    """
    if not still:
        return f"Every hypothesis has a verdict at {seeds} of {looks[-1]} seeds; the study ends here."
    nexts = looks[list(looks).index(seeds) + 1]
    return f"{len(still)} of {hypotheses} hypotheses {'has' if len(still) == 1 else 'have'} no verdict at {seeds} seeds; going on to {nexts}."


def _full(folder: str, study: Mapping[str, Any], look: Mapping[str, Any]) -> dict[str, Any]:
    """A look with the hypotheses as they were declared then."""
    declared = {each["name"]: each for each in study["hypotheses"]}
    hypotheses = [{**declared[each["name"]], **each} for each in look["hypotheses"]]
    return {
        "folder": folder,
        "seeds": look["seeds"],
        "date": look["date"],
        "alpha": study["alpha"],
        "family": study.get("family", "holm"),  # what there was before a study could say
        "looks": list(study.get("looks") or ()),
        "hypotheses": hypotheses,
    }


def _key(look: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(look["date"]), int(look["seeds"]), str(look["folder"])


def _same(look: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """True where a look is the one that this study has at its end, so that nothing was looked at twice."""
    alike = asked(look["hypotheses"]) == asked(spec["hypotheses"])
    # looks kept by an older version do not say how they were corrected
    corrected = all(look.get(key, spec[key]) == spec[key] for key in ("alpha", "family"))
    return bool(
        alike
        and corrected
        and look["seeds"] == spec["seeds"]
        and list(look.get("looks", ())) == list(spec.get("looks") or ())
    )


def _other(theirs: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """False where both studies declare the same looks at the same hypotheses: what one saw, the other planned to see."""
    same = all(theirs.get(key) == spec.get(key) for key in ("looks", "alpha", "family"))
    return not (spec.get("looks") and same and asked(theirs["hypotheses"]) == asked(spec["hypotheses"]))
