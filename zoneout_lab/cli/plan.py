"""``plan``: what a study would do, shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoneout_lab.cli.console import duration, output, print_facts, print_json, size, tell
from zoneout_lab.cli.power import in_one_line
from zoneout_lab.engines import default_workers
from zoneout_lab.frozen import AnyRun
from zoneout_lab.report.text import count, listing
from zoneout_lab.study import Study
from zoneout_lab.study.design import refuse_unless_forced, seeds_needed
from zoneout_lab.study.device import device_memory, why_missing
from zoneout_lab.study.estimate import Cost
from zoneout_lab.study.means import means_of
from zoneout_lab.study.several import Part, page_of
from zoneout_lab.study.stopped import stopped_at
from zoneout_lab.study.store import TUNE, read_manifest
from zoneout_lab.study.takeover import Siblings, found, from_where
from zoneout_lab.study.tuning import chosen, searched

_MOST_CLAIMS = 8
_UNKNOWN = 2**62  # bytes of a GPU that is elsewhere: batches are as large as they could be


def show_plan(
    study: Study, *, data: Path | None, out: Path, device: str, workers: int | None, force: bool, as_json: bool
) -> None:
    """Print runs, batches, time and memory; raises what ``run`` would raise, except where the GPU is on another machine.

    The study's code has to be in use.
    """
    facts = _plan(study, data=data, out=out, device=device, workers=workers, force=force, as_json=as_json)
    if as_json:
        print_json(facts)


def show_plans(
    whole: Study,
    parts: Sequence[Part],
    *,
    data: Path | None,
    out: Path,
    device: str,
    workers: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print what a study would do on each of its tasks, and what all of them together can show."""
    problem = refuse_unless_forced(whole, force=force)
    facts = []
    for part in parts:
        with part.study.code.in_use():
            facts.append(
                _plan(
                    part.study,
                    data=data,
                    out=out,
                    device=device,
                    workers=workers,
                    force=True,
                    as_json=as_json,
                    whole=whole,
                )
            )
        if not as_json:
            output.print()
    page = page_of(out, [part.study for part in parts])
    seconds = [each["seconds"] for each in facts]
    together = {
        "runs": sum(each["runs"] for each in facts),
        "missing": sum(each["missing"] for each in facts),
        "seconds": None if None in seconds else round(sum(seconds), 1),
        "page": str(page),
        "problem": problem,
    }
    if as_json:
        print_json({"study": page.stem, "tasks": facts} | together)
        return
    print_facts({
        "all tasks": listing([on.label for on in whole.tasks]),
        "runs": f"{together['runs']}, of which {together['missing']} are missing",
        "hypotheses": over_tasks(whole),
        "time": "not known here" if together["seconds"] is None else f"about {duration(together['seconds'])} on {device}",
        "page": str(page),
    })  # fmt: skip
    if problem:
        tell("Warning", problem)


def over_tasks(study: Study) -> str:
    """What the hypotheses need over all tasks, and have.

    >>> from zoneout_lab import load_study
    >>> one = load_study("pmnist_table2")
    >>> over_tasks(one.model_copy(update={"task": "digits", "tasks": ("digits", "adding"), "seeds": 5}))
    '3 at α = 0.05 over 2 tasks, flipped jointly: 3 seeds on each can decide, 5 are run'
    """
    m = len(study.hypotheses)
    if m == 0:
        return "none"
    corrected = (", Holm" if study.family == "holm" else ", flipped jointly") if m > 1 else ""
    return f"{m} at α = {study.alpha} over {len(study.tasks)} tasks{corrected}: {seeds_needed(study)} seeds on each can decide, {study.seeds} are run"


def _plan(
    study: Study,
    *,
    data: Path | None,
    out: Path,
    device: str,
    workers: int | None,
    force: bool,
    as_json: bool,
    whole: Study | None = None,
) -> dict[str, Any]:
    missing_device = why_missing(device)
    workers = workers or default_workers(device)
    folder = out / study.id
    manifest = read_manifest(folder) if (folder / "MANIFEST.json").exists() else None
    # once an arm is tuned, its runs are those at the setting that was chosen
    tuned = manifest.get("tuning") if manifest else None
    runs = chosen(study, tuned).runs(stopped_at(manifest) if manifest else None)
    # with several tasks it is all of them that have to be able to answer
    problem = None if whole else refuse_unless_forced(study, force=force)
    means = means_of(study, data)
    warnings = means.check()
    there = manifest["runs"] if manifest else {}
    tuning_runs = searched(study, tuned)
    left = _not_there(runs, there, folder)
    # before it has come to its end, nobody knows which settings a search will try, but how many it has tried
    to_tune = _not_there(tuning_runs, there, folder) if tuned else dict(enumerate(_beyond(tuning_runs, there)))
    siblings = Siblings(out, study.id, means.digest, warnings.append)
    taken = found(left, siblings)
    missing = [run for run_id, run in left.items() if run_id not in taken]
    work = means.batches(
        [*to_tune.values(), *missing],
        workers=workers,
        memory=_UNKNOWN if missing_device else device_memory(device),
        device=device,
    )
    expected: Cost | str = "not known here"
    if work and not missing_device:
        expected = means.cost(work, device=device, workers=workers)
    known = expected if isinstance(expected, Cost) else None
    facts = {
        "study": study.id,
        "folder": str(folder),
        **means.named(),
        "runs": len(runs),
        "tuning_runs": len(tuning_runs),
        "missing": len(missing),
        "tuning_missing": len(to_tune),
        "taken_over": dict(Counter(taken.values())),
        "batches": [len(batch) for batch in work],
        "seconds": round(known.seconds, 1) if known else None if work else 0.0,
        "bytes": known.memory if known else None if work else 0,
        "device": device,
        "workers": workers,
        "problem": problem,
        "warnings": warnings,
    }
    if missing_device:
        tell("Note", f"{missing_device} Time and memory are left out: a plan measures them on the device itself.")
    if as_json:
        return facts
    print_facts({
        "study": f"{study.title} ({study.id})" if study.title else study.id,
        **means.described(),
        "arms": ", ".join(arm.name for arm in study.arms),
        "runs": f"{len(runs)} ({count(len(study.arms), 'arm')} × {count(len(runs) // len(study.arms), 'seed')})" + (f", {len(tuning_runs)} more to tune" if tuning_runs else ""),
        "missing": f"{len(missing)}{f' and {len(to_tune)} to tune' if to_tune else ''}, {in_words([len(b) for b in work])}{', or more and smaller ones' if missing_device else ''}" if work else "none",
        **({"found": from_where(taken, len(runs))} if taken else {}),
        "hypotheses": hypotheses(study),
        **({"claims": claims(study)} if study.hypotheses else {}),
        **({"power": f"{line}; more: zoneout-lab power"} if (line := in_one_line(study)) else {}),
        **({"looks": f"at {listing([str(look) for look in study.looks])} seeds; it ends at the first at which every hypothesis has a verdict"} if study.looks else {}),
        "time": "none: everything is there" if not work else f"about {duration(known.seconds)} on {device}, {min(workers, len(work))} at once" if known else str(expected),
        "memory": "none" if not work else f"about {size(known.memory)}" if known and known.memory else "not known" if known else "not known here",
        "folder": str(folder),
    })  # fmt: skip
    for note in means.notes:
        tell("Note", note)
    for warning in filter(None, (*warnings, problem)):
        tell("Warning", warning)
    return facts


def _not_there(runs: Iterable[AnyRun], there: Mapping[str, Any], folder: Path) -> dict[str, AnyRun]:
    """Runs by id that the manifest does not list, or whose file is gone."""
    return {
        run_id: run
        for run_id, run in ((run.id, run) for run in runs)
        if run_id not in there or not (folder / there[run_id]["file"]).exists()
    }


def _beyond(runs: Iterable[AnyRun], there: Mapping[str, Any]) -> Iterator[AnyRun]:
    """Runs of a search without the first of each arm, as many as there are already."""
    done = Counter(entry["arm"] for entry in there.values() if entry["phase"] == TUNE)
    for run in runs:
        done[run.arm] -= 1
        if done[run.arm] < 0:
            yield run


def hypotheses(study: Study) -> str:
    """How many there are, and how many seeds they need and have.

    >>> from zoneout_lab import load_study
    >>> hypotheses(load_study("pmnist_table2"))
    '3 at α = 0.05, flipped jointly: 6 seeds can decide, 8 are run'
    >>> one = load_study("pmnist_table2").model_copy(update={"hypotheses": load_study("pmnist_table2").hypotheses[:1]})
    >>> hypotheses(one), hypotheses(one.model_copy(update={"hypotheses": ()}))
    ('1 at α = 0.05: 6 seeds can decide, 8 are run', 'none')
    """
    m = len(study.hypotheses)
    if m == 0:
        return "none"
    corrected = (", Holm" if study.family == "holm" else ", flipped jointly") if m > 1 else ""
    return f"{m} at α = {study.alpha}{corrected}: {seeds_needed(study)} seeds can decide, {study.seeds} are run"


def claims(study: Study) -> str:
    """What each hypothesis claims, in the words of its fields; of many the first ones.

    >>> from zoneout_lab import load_study
    >>> claims(load_study("quickstart").resolved())[:50]
    'zoneout lower valid_error than lstm; zoneout lower'
    """
    said = [f"{h.arm} {h.direction} {h.metric} than {h.against}" for h in study.hypotheses]
    more = [f"{len(said) - _MOST_CLAIMS} more"] if len(said) > _MOST_CLAIMS + 1 else []
    return "; ".join([*(said[:_MOST_CLAIMS] if more else said), *more])


def in_words(sizes: Sequence[int]) -> str:
    """How many batches there are of each size.

    >>> in_words([6, 6, 5]), in_words([16] * 625), in_words([3])
    ('trained in 2 batches of 6, 1 of 5', 'trained in 625 batches of 16', 'trained in 1 batch of 3')
    >>> in_words([1, 1])
    'each trained by itself'
    """
    if set(sizes) == {1}:
        return "each trained by itself"
    (first, many), *others = Counter(sizes).items()
    return "trained in " + ", ".join(
        [f"{count(many, 'batch', 'batches')} of {first}", *(f"{many} of {size}" for size, many in others)]
    )
