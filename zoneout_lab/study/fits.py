"""Checks that what a study declares fits together. Each function raises InputRefusedError, by name, where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.metrics import Metric, Scale
from zoneout_lab.paper import CLAIMS
from zoneout_lab.parts import check_class, parts_of
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, to_json
from zoneout_lab.study.declared import Arm, Hypothesis, Tuning
from zoneout_lab.study.on_task import OnTask
from zoneout_lab.tasks import Task, task_name

#: claims of absence, in a word
_ABSENT = {"same": "sameness", "not lower": "no loss", "not higher": "no gain"}


def arms_fit(arms: Sequence[Arm], baseline: str) -> None:
    """Each arm has its own name and label; the baseline is one of them; a user's regularizer is well formed."""
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputRefusedError(f"The arm {twice[0]!r} is given twice; give every arm its own name.")
    labels = [" ".join((arm.label or arm.name).split()) for arm in arms]
    same = sorted({label for label in labels if [other.casefold() for other in labels].count(label.casefold()) > 1})
    if same:
        raise InputRefusedError(
            f"Several arms are called {same[0]!r}, so no sentence could tell them apart; give every arm its own label."
        )
    if baseline not in names:
        raise InputRefusedError(f"baseline: {unknown('arm', baseline, names)}")
    for arm in arms:
        try:
            for part in parts_of(arm.regularizer):
                check_class(type(part), REGULARIZERS, Regularizer)
        except InputRefusedError as error:
            raise InputRefusedError(f"arm {arm.name!r}: {error}") from error


def hypotheses_fit(hypotheses: Sequence[Hypothesis], names: Sequence[str]) -> None:
    """Every hypothesis compares two arms of the study, by these names, and has the margin that its claim needs."""
    seen = set()
    for hypothesis in hypotheses:
        if hypothesis.name in seen:
            raise InputRefusedError(f"The hypothesis {hypothesis.name!r} is given twice; give one another name.")
        seen.add(hypothesis.name)
        if strange := sorted(set(hypothesis.claims) - set(CLAIMS)):
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} is about claim {strange[0]}, but the paper's claims are 1 to {max(CLAIMS)} (zoneout-lab "
                "list shows them). A question of your own needs no claim."
            )
        for role in (hypothesis.arm, hypothesis.against):
            if role not in names:
                raise InputRefusedError(f"hypothesis {hypothesis.name!r}: {unknown('arm', role, names)}")
        if hypothesis.arm == hypothesis.against:
            raise InputRefusedError(f"hypothesis {hypothesis.name!r} compares {hypothesis.arm!r} with itself.")
        if stats.needs_margin(hypothesis.direction) and hypothesis.margin in (0, 1):
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} claims {_ABSENT[hypothesis.direction]} and needs a margin: the largest difference that does not matter."
            )


def vary_fits(hypotheses: Sequence[Hypothesis], varied: Mapping[str, Sequence[str]]) -> None:
    """A hypothesis compares arms whose seeds differ in the same kinds of randomness.

    Where one arm holds a kind that the other varies, the one draw that is held would be taken for a difference between the arms: it
    moves every pair alike, and no spread of the differences shows it.

    Args:
        hypotheses: of the study.
        varied: name of an arm → what differs between its seeds.

    >>> vary_fits(
    ...     [Hypothesis(name="h", statement="", arm="b", against="a", metric="valid_score")],
    ...     {"a": ["init"], "b": ["data"]},
    ... )
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: hypothesis 'h' compares 'b', whose seeds vary data, with 'a', whose seeds vary init. What one of them holds at a single draw would look like a difference between the two: give both arms the same vary=(...).
    """
    for hypothesis in hypotheses:
        ours, theirs = varied[hypothesis.arm], varied[hypothesis.against]
        if ours != theirs:
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} compares {hypothesis.arm!r}, whose seeds vary {', '.join(ours)}, with "
                f"{hypothesis.against!r}, whose seeds vary {', '.join(theirs)}. What one of them holds at a single draw would look like a "
                "difference between the two: give both arms the same vary=(...)."
            )


def looks_fit(looks: Sequence[int], seeds: int, hypotheses: Sequence[Hypothesis]) -> None:
    """Looks rise to the study's number of seeds, and there is something to judge at them."""
    if not looks:
        return
    if list(looks) != sorted(set(looks)) or looks[-1] != seeds:
        raise InputRefusedError(
            f"looks are {', '.join(map(str, looks))}; they have to rise, and the last has to be the study's number of seeds, {seeds}."
        )
    if not hypotheses:
        raise InputRefusedError("looks are when hypotheses are judged, and this study has none: leave looks out.")


def tasks_fit(tasks: Sequence[OnTask], task: str | type[Task], change: Mapping[str, Any], looks: Sequence[int]) -> None:
    """Several tasks are different ones, the only ones, each with its own options, and judged once."""
    if not tasks:
        return
    if task_name(task) != tasks[0].label:
        raise InputRefusedError(f"Give task={task_name(task)!r} or tasks=..., not both.")
    if len(tasks) == 1:
        raise InputRefusedError(f"tasks has one task; give task={tasks[0].label!r} instead.")
    if len({on.model_dump_json() for on in tasks}) < len(tasks):
        raise InputRefusedError("tasks has the same task twice; what is run again is the same, and no second task.")
    if option := next((path for path in change if path.startswith("options.")), None):
        raise InputRefusedError(
            f"{option} is an option of one task, and this study has {len(tasks)}: give it in tasks, OnTask(task=..., change={{{option!r}: ...}})."
        )
    if looks:
        raise InputRefusedError(
            "looks end each task's runs for itself, and a verdict over several tasks is reached once: leave out looks, or tasks."
        )


def shared_by_tasks(hypothesis: Hypothesis, tasks: Sequence[tuple[str, Scale | None, Metric | None]]) -> None:
    """A hypothesis means the same on every task, of which these are the label, the scale that it is tested on, and what is known of its metric."""
    name, metric = hypothesis.name, hypothesis.metric
    known = [(label, scale, about) for label, scale, about in tasks if about is not None]
    sides = {about.better: label for label, _, about in known if about.better}
    if len(sides) > 1:
        raise InputRefusedError(
            f"hypothesis {name!r}: a lower {metric} is better on {sides['lower']} and worse on {sides['higher']}, so one direction cannot be claimed of both. "
            "Name a metric that means the same on every task, such as valid_loss."
        )
    if not hypothesis.margin:
        return
    scales = {scale: label for label, scale, _ in known}
    if len(scales) > 1:
        (one, first), (other, second), *_ = scales.items()
        raise InputRefusedError(
            f"hypothesis {name!r}: its margin is on the {one} scale on {first} and on the {other} scale on {second}. Name one scale for all tasks: "
            'scale="log" makes the margin a factor.'
        )
    units = {about.unit: label for label, _, about in known}
    if "linear" in scales and len(units) > 1:
        (_, first), (_, second), *_ = units.items()
        raise InputRefusedError(
            f"hypothesis {name!r}: its margin of {hypothesis.margin:g} is in the units of {metric}, which are not the same on {first} and {second}. "
            'scale="log" makes the margin a factor; without a margin none is needed.'
        )


def searches_fit(arms: Sequence[Arm], tuning: Tuning | None) -> None:
    """What is searched is a rate of the arm's regularizer, its range holds possible values, and there is a budget."""
    for arm in arms:
        fields = set(to_json(arm.regularizer)) - {"kind"}
        if set(arm.search) - fields:
            raise InputRefusedError(
                f"arm {arm.name!r}: {unknown('option to search', min(set(arm.search) - fields), fields)}"
            )
        for option, (low, high) in arm.search.items():
            if type(getattr(arm.regularizer, option)) is not float or not low < high:
                raise InputRefusedError(
                    f"arm {arm.name!r}: {option} cannot be searched from {low} to {high}; it takes a rate and a range that rises."
                )
            for end in (low, high):
                replace(arm.regularizer, **{option: end})  # type: ignore[type-var]
        if arm.search and tuning is None:
            raise InputRefusedError(
                f"arm {arm.name!r} has a search space but the study has no tuning budget: add tuning=Tuning(...)."
            )
