"""``plan``: what a study would do, shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoneout_lab.cli.console import duration, output, print_facts, print_json, size, tell
from zoneout_lab.cli.power import in_one_line
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.report.text import count, listing
from zoneout_lab.settings import Run
from zoneout_lab.study import Study
from zoneout_lab.study.batching import batches
from zoneout_lab.study.cost import cost
from zoneout_lab.study.design import check_metrics, refuse_unless_forced, seeds_needed
from zoneout_lab.study.device import device_memory, why_missing
from zoneout_lab.study.parts import check_parts
from zoneout_lab.study.several import Part, page_of
from zoneout_lab.study.stopped import stopped_at
from zoneout_lab.study.store import TUNE, read_manifest
from zoneout_lab.study.takeover import Siblings, found, from_where
from zoneout_lab.study.tuning import chosen, searched
from zoneout_lab.tasks import load_task, make_task, task_name
from zoneout_lab.training import default_workers

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
    check_metrics(study)
    # with several tasks it is all of them that have to be able to answer
    problem = None if whole else refuse_unless_forced(study, force=force)
    task = make_task(study.task, study.setting().options)
    loaded = load_task(task, data)
    warnings = check_parts(study, task, loaded)
    there = manifest["runs"] if manifest else {}
    tuning_runs = searched(study, tuned)
    left = _not_there(runs, there, folder)
    # before it has come to its end, nobody knows which settings a search will try, but how many it has tried
    to_tune = _not_there(tuning_runs, there, folder) if tuned else dict(enumerate(_beyond(tuning_runs, there)))
    siblings = Siblings(out, study.id, loaded.digest, warnings.append)
    taken = found(left, siblings)
    missing = [run for run_id, run in left.items() if run_id not in taken]
    work = batches(
        [*to_tune.values(), *missing],
        loaded.train.steps,
        reads=loaded.train.reads or 1,
        workers=workers,
        memory=_UNKNOWN if missing_device else device_memory(device),
        device=device,
    )
    expected = None if missing_device else cost(work, task, loaded, device=device, workers=workers)
    facts = {
        "study": study.id,
        "folder": str(folder),
        "task": task_name(study.task),
        "preset": study.preset,
        "runs": len(runs),
        "tuning_runs": len(tuning_runs),
        "missing": len(missing),
        "tuning_missing": len(to_tune),
        "taken_over": dict(Counter(taken.values())),
        "batches": [len(batch) for batch in work],
        "seconds": None if expected is None else round(expected.seconds, 1),
        "bytes": None if expected is None else expected.memory,
        "device": device,
        "workers": workers,
        "problem": problem,
        "warnings": warnings,
    }
    if missing_device:
        tell("Note", f"{missing_device} Time and memory are left out: a plan measures them on the device itself.")
    if as_json:
        return facts
    setting = study.setting()
    updates = len(loaded.train.epoch(np.random.default_rng(0), setting.training.batch))
    print_facts({
        "study": f"{study.title} ({study.id})",
        "task": f"{task.title}, preset {study.preset}",
        "data": f"{len(loaded.train):,} / {len(loaded.valid):,} / {len(loaded.test):,} train / validation / test, {loaded.train.steps} timesteps",
        "model": f"{_cells(study)}, {setting.model.layers} × {setting.model.hidden} units",
        "training": f"{setting.training.optimizer}, lr {setting.training.lr:g}, batch {setting.training.batch}, {count(setting.training.epochs, 'epoch')} of {count(updates, 'update')}",
        "arms": ", ".join(arm.name for arm in study.arms),
        "runs": f"{len(runs)} ({len(study.arms)} arms × {len(runs) // len(study.arms)} seeds)" + (f", {len(tuning_runs)} more to tune" if tuning_runs else ""),
        "missing": f"{len(missing)}{f' and {len(to_tune)} to tune' if to_tune else ''}, trained in {in_words([len(b) for b in work])}{', or more and smaller ones' if expected is None else ''}" if work else "none",
        **({"found": from_where(taken, len(runs))} if taken else {}),
        "hypotheses": hypotheses(study),
        **({"power": f"{line}; more: zoneout-lab power"} if (line := in_one_line(study)) else {}),
        **({"looks": f"at {listing([str(look) for look in study.looks])} seeds; it ends at the first at which every hypothesis has a verdict"} if study.looks else {}),
        "time": "none: everything is there" if not work else "not known here" if expected is None
                else f"about {duration(expected.seconds)} on {device}, {min(workers, len(work))} at once",
        "memory": "none" if not work else "not known here" if expected is None else f"about {size(expected.memory)}",
        "folder": str(folder),
    })  # fmt: skip
    for note in loaded.notes:
        tell("Note", note)
    for warning in filter(None, (*warnings, problem)):
        tell("Warning", warning)
    return facts


def _not_there(runs: Iterable[Run], there: Mapping[str, Any], folder: Path) -> dict[str, Run]:
    """Runs by id that the manifest does not list, or whose file is gone."""
    return {
        run_id: run
        for run_id, run in ((run.id, run) for run in runs)
        if run_id not in there or not (folder / there[run_id]["file"]).exists()
    }


def _beyond(runs: Iterable[Run], there: Mapping[str, Any]) -> Iterator[Run]:
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


def in_words(sizes: Sequence[int]) -> str:
    """How many batches there are of each size.

    >>> in_words([6, 6, 5]), in_words([16] * 625), in_words([3])
    ('2 batches of 6, 1 of 5', '625 batches of 16', '1 batch of 3')
    """
    (first, many), *others = Counter(sizes).items()
    return ", ".join([f"{count(many, 'batch', 'batches')} of {first}", *(f"{many} of {size}" for size, many in others)])


def _cells(study: Study) -> str:
    """The names of the cells that the arms have."""
    cells = (as_cell(study.setting(arm).model.cell) for arm in study.arms)
    return ", ".join(dict.fromkeys(cell.kind for cell in cells))
