"""Options that several commands share, and the study they come to."""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin, get_type_hints

import typer

from zoneout_lab.cli.console import errors, tell
from zoneout_lab.cli.own_params import as_value, with_params
from zoneout_lab.errors import UsageError, told
from zoneout_lab.parts import private
from zoneout_lab.study import Study, builtin_studies, load_study
from zoneout_lab.study.catalogue import load_file
from zoneout_lab.study.on_task import label_of
from zoneout_lab.study.several import Part
from zoneout_lab.study.spec import overridden

if TYPE_CHECKING:
    from zoneout_lab.tasks import Task

StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="A built-in study's name, or a Python file with STUDY = Study(...).")
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A study's results folder.")]
Results = Annotated[Path, typer.Argument(metavar="FOLDER", help="A study's results folder, or its study.nc.")]
TaskName = Annotated[str | None, typer.Option("--task", help="Run the study on this task instead.")]
Preset = Annotated[str | None, typer.Option(help="The task's setting: laptop or paper.")]
SeedCount = Annotated[int | None, typer.Option("--seeds", help="Seeds for every arm.")]
SeedValue = Annotated[int | None, typer.Option("--seed", help="The number all randomness derives from.")]
Change = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change the setting, e.g. training.epochs=3, or a parameter. Repeatable."
    ),
]
Data = Annotated[Path | None, typer.Option("--data", help="Folder with the task's data; or set ZONEOUT_LAB_DATA.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of results folders.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that train at once. Default: one for each core.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Train on a Dask cluster: tcp://HOST:8786, or a scheduler file. --workers: at most so many.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Go on with a design that cannot reach a verdict.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


class Kind(StrEnum):
    """The kinds of file that ``new`` writes."""

    study = "study"
    function = "function"
    regularizer = "regularizer"
    cell = "cell"
    task = "task"
    measure = "measure"


def chosen_study(
    name: str, task: str | None, preset: str | None, seeds: int | None, seed: int | None, change: list[str] | None
) -> tuple[Study, Study, list[str], list[str]]:
    """The study to run, the study as declared, what differs in words, and the options that make the difference."""
    declared = _loaded(name)
    if declared.train is not None:
        if task is not None or preset is not None:
            raise UsageError(
                f"{declared.name} trains with a function of its own and has no task or preset; --set changes its params."
            )
        return with_params(declared, seeds, seed, change)
    if (alone := [on.label for on in declared.tasks].count(str(task))) == 1:
        return _alone(declared, str(task), preset, seeds, seed, change)
    if alone > 1:
        raise UsageError(
            f"{declared.name} asks on {task} in {alone} settings, which --task cannot tell apart. Leave it out to run all."
        )
    return _changed(declared, task, preset, seeds, seed, change)


def _loaded(name: str) -> Study:
    """A study by name, and on stderr which files of the user's own it is made of, beside the one that was named."""
    before = len(private.spaces())
    study = load_study(name)
    if name not in builtin_studies():
        files = {f"./{file}" for space in private.spaces()[before:] for file in space.sources} - {
            f"./{Path(name).name}"
        }
        names = sorted(files | set(study.code.digests()))
        if names:
            own = ", ".join(key.removeprefix("./") for key in names)
            errors.print(f"Imports your code: {own}", markup=False, highlight=False, soft_wrap=True)
    return study


def _alone(
    declared: Study, task: str, preset: str | None, seeds: int | None, seed: int | None, change: list[str] | None
) -> tuple[Study, Study, list[str], list[str]]:
    """One of the study's own tasks, which is not another than it declares."""
    one = next(each for each, on in zip(declared.each(), declared.tasks, strict=True) if on.label == task)
    study, one, words, options = _changed(one, None, preset, seeds, seed, change)
    return study, one, words, ["--task", task, *options]


def _changed(
    declared: Study,
    task: str | None,
    preset: str | None,
    seeds: int | None,
    seed: int | None,
    change: list[str] | None,
) -> tuple[Study, Study, list[str], list[str]]:
    changes: dict[str, Any] = {}
    labels = [on.label for on in declared.tasks] or [label_of(declared.task)]
    now = {"task": ", ".join(labels), "preset": declared.preset, "seeds": declared.seeds, "seed": declared.seed}
    words, options = [], []
    for field, value, flag in (
        ("task", task, "--task"),
        ("preset", preset, "--preset"),
        ("seeds", seeds, "--seeds"),
        ("seed", seed, "--seed"),
    ):
        if value is not None and value != now[field]:
            changes[field] = value
            words.append(f"{field}: {now[field]} → {value}")
            options += [flag, str(value)]
    if "task" in changes:
        changes["task"] = _task(changes["task"])
        # an option belongs to its task
        changes["change"] = {path: value for path, value in declared.change.items() if not path.startswith("options.")}
        changes["tasks"] = ()
    several = declared.tasks if "tasks" not in changes else ()
    if several and preset is not None:
        several = tuple(on.model_copy(update={"preset": None}) for on in several)
        changes["tasks"] = several
    if change:
        settings = dict(changes.get("change", declared.change))
        for item in change:
            path, equals, text = item.partition("=")
            if not equals:
                raise UsageError(f"--set takes FIELD=VALUE, for example --set training.epochs=3; got {item!r}.")
            if several and path.startswith("options."):
                raise UsageError(
                    f"--set {path}: an option belongs to one task, and {declared.name} has {len(several)}. Name one with --task too."
                )
            if path == "model.cell":
                _import_named(text)
            settings[path] = _typed(path, text, changes.get("task", declared.task))
            words.append(f"{path} set to {text}")
            options += ["--set", item]
        changes["change"] = settings
        if several:
            # what is set on the command line holds on every task
            kept = [
                {p: v for p, v in on.change.items() if p not in settings or settings[p] == declared.change.get(p)}
                for on in several
            ]
            changes["tasks"] = tuple(on.model_copy(update={"change": c}) for on, c in zip(several, kept, strict=True))
    changed = overridden(declared, **changes)
    if changed.looks != declared.looks:
        words.append(f"looks: {', '.join(map(str, declared.looks))} → {', '.join(map(str, changed.looks))}")
    study = changed.resolved()
    if not changed.tasks:
        study, moved = _shortened(changed, declared)
        words += moved
    for each in study.each():
        list(each.identified())  # a setting that is impossible is refused here
    return study, declared, words, options


def _shortened(study: Study, declared: Study) -> tuple[Study, list[str]]:
    """The study measured no later than it trains, resolved, and what was changed for that, which is said."""
    if study.train is not None:
        return study.resolved(), []
    from zoneout_lab.study.design_metrics import shortened
    from zoneout_lab.study.of_task import TaskStudy

    # what is declared on several tasks is compared on the first, whose epochs are as good as any
    first = declared.each()[0]
    assert isinstance(study, TaskStudy)
    assert isinstance(first, TaskStudy)
    study, moved = shortened(study, first)
    if moved:
        tell("Note", f"{moved}.")
    return study.resolved(), [moved] if moved else []


def parts_of(study: Study, declared: Study, words: list[str], command: str | None = None) -> tuple[Part, ...]:
    """What is to be run for each task of a chosen study; a study on one task is its only part."""
    if not study.tasks:
        return (Part(study, declared, tuple(words), command),)
    parts = []
    for each, as_declared in zip(study.each(), declared.each(), strict=True):
        ready, moved = _shortened(each, as_declared)
        parts.append(Part(ready, as_declared, (*words, *moved), command))
    return tuple(parts)


def _task(name: str) -> str | type[Task]:
    """A task by name, or a user's own: ``./mine.py:MyTask``, ``mypkg.tasks:MyTask``."""
    file, colon, member = name.partition(":")
    if not colon or not file.endswith(".py"):
        _import_named(name)
        return name
    found = getattr(load_file(Path(file)), member, None)
    if not isinstance(found, type):
        raise UsageError(f"{file} defines no task {member}.")
    return found


def _import_named(name: str) -> None:
    """Import the module of a part that was typed as ``mypkg.tasks:MyTask``; a name that was read from a file imports nothing.

    Raises UsageError where it cannot be imported.
    """
    module, colon, _ = name.partition(":")
    if colon and all(part.isidentifier() for part in module.split(".")):
        try:
            importlib.import_module(module)
        except Exception as error:
            raise UsageError(f"{name}: {module} cannot be imported: {told(error)}.") from error


def again(data: Path | None, out: Path, usual: Path, device: str, *, force: bool) -> list[str]:
    """What a command that reruns a study needs besides its changes: data, device and folder as they were given."""
    given = (("--data", data, None), ("--out", out, usual), ("--device", device, "cpu"))
    words = [word for flag, value, default in given if value != default for word in (flag, str(value))]
    return [*words, "--force"] if force else words


def _typed(path: str, text: str, task: str | type[Task]) -> int | float | str | bool | None:
    """A value as a person writes it, of the field's type: a file may be called 1984.

    >>> [_typed(f"options.{name}", "1984", "char_text") for name in ("path", "length")]
    ['1984', 1984]
    >>> _typed("options.length", "1e3", "char_text"), _typed("training.optimizer", "none", "digits")
    (1000, 'none')
    """
    from zoneout_lab.settings import Model, Training
    from zoneout_lab.tasks import task_class

    group, _, name = path.partition(".")
    owner = {"model": Model, "training": Training, "options": task_class(task)}.get(group)
    kind = get_type_hints(owner).get(name) if owner is not None else None
    if kind is str or get_origin(kind) is Literal:
        return text
    value = as_value(text)
    return int(value) if kind is int and isinstance(value, float) and value.is_integer() else value
