"""What was done otherwise than declared, or that nothing was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, plain, words
from zoneout_lab.results.earlier import asked, error_of_looks
from zoneout_lab.results.numbers import ABSENT, p_value


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    overrides = data.recorded("overrides")
    declared = data.recorded("declared")
    # what a change came to stands under the setting
    both = [_without(study, "change") for study in (declared, data.study)] if isinstance(declared, Mapping) else []
    values = {
        "overrides": [_sentence(legible(text)) for text in overrides or []],
        "came_to": [_came_to(*each) for each in changes(*both) if each[0].startswith("setting")] if both else [],
        "changes": changes(*both) if both else [],
        "recorded": overrides is not None or isinstance(declared, Mapping),
    } | _looks(data)
    return Section("deviations", "Deviations from the declaration", "deviations.html", values)


def _looks(data: ReportData) -> dict[str, Any]:
    """Looks at the same runs that nobody declared: each in words, and what they do to the chance of a false verdict."""
    found = data.recorded("earlier_looks")
    looks = [look for look in found if isinstance(look, Mapping)] if isinstance(found, list) else []
    times = [int(look["seeds"]) for look in looks if isinstance(look.get("seeds"), int) and _could_decide(look)]
    alpha = data.study.get("alpha")
    now = len(data.seeds)
    note = error_of_looks([*times, now], float(alpha)) if isinstance(alpha, int | float) else ""
    if looks and not times:
        note = "No verdict could be reached then, so that it adds no chance of a false one, unless what was seen decided how many seeds there are now."
    return {"looks": [_look(look, data.study) for look in looks], "looks_note": note}


def _could_decide(look: Mapping[str, Any]) -> bool:
    hypotheses = [each for each in look.get("hypotheses") or [] if isinstance(each, Mapping)]
    return not hypotheses or any(each.get("verdict") != "underpowered" for each in hypotheses)


def _look(look: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    hypotheses = [each for each in look.get("hypotheses") or [] if isinstance(each, Mapping)]
    now = [each for each in study.get("hypotheses") or [] if isinstance(each, Mapping)]
    notes = [
        *([f"at α = {look.get('alpha')}"] if look.get("alpha") != study.get("alpha") else []),
        *(
            [f"with the {look['family']} correction"]
            if look.get("family", study.get("family")) != study.get("family")
            else []
        ),
        *(
            ["with other declared looks"]
            if list(look.get("looks", study.get("looks") or ())) != list(study.get("looks") or ())
            else []
        ),
        *(["on other hypotheses than now"] if asked(hypotheses) != asked(now) else []),
    ]
    seeds = look.get("seeds")
    head = f"at {count(seeds, 'seed') if isinstance(seeds, int) else 'an unknown number of seeds'}{''.join(f', {note}' for note in notes)}"
    # a folder older than looks does not say when it was judged
    where = ", ".join(part for part in (str(look.get("folder")), str(look.get("date") or "")[:10]) if part)
    return {
        "head": legible(f"{head} ({where})"),
        "hypotheses": [
            (
                legible(str(each.get("statement") or each.get("name")).rstrip(".")),
                legible(str(each.get("verdict"))),
                p_value(p, [0.05]) if isinstance(p := each.get("p"), float) else ABSENT,
            )
            for each in hypotheses
        ],
    }


def _sentence(override: str) -> str:
    """An option that was used, in words.

    >>> _sentence("preset: laptop → paper"), _sentence("--lr 0.002 (declared: 0.1)")
    ('Preset paper, where laptop was declared.', '--lr 0.002 (declared: 0.1)')
    """
    name, colon, values = override.partition(": ")
    declared, arrow, run = values.partition(" → ")
    if not (colon and arrow):
        return override
    return f"{words(name)[:1].upper()}{words(name)[1:]} {run}, where {declared} was declared."


def _came_to(name: str, declared: str, run: str) -> str:
    """A field of the setting that is another for it, in words.

    >>> _came_to("setting · model · hidden", "32", "100"), _came_to("setting · options · text", "absent", "all")
    ('hidden units 100 instead of 32', 'text all, which is not among the options declared')
    """
    last = words(name.rpartition(" · ")[2])
    called = _CALLED.get(last, last)
    if run == "absent":
        return f"{called} {declared} no longer among the options"
    if declared == "absent":
        return f"{called} {run}, which is not among the options declared"
    return f"{called} {run} instead of {declared}"


#: fields whose name alone does not say what they count
_CALLED = {"hidden": "hidden units", "batch": "batch size", "lr": "learning rate", "clip": "largest gradient norm"}


def _without(study: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in study.items() if key != name}


def changes(declared: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Fields that differ, as (field, declared, run).

    >>> changes(
    ...     {"seeds": 10, "setting": {"training": {"lr": 0.1}}}, {"seeds": 10, "setting": {"training": {"lr": 0.2}}}
    ... )
    [('setting · training · lr', '0.1', '0.2')]
    """
    left, right = dict(_leaves(declared)), dict(_leaves(run))
    return [
        (legible(name), _shown(left, name), _shown(right, name))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name) or (name in left) != (name in right)
    ]


def _shown(leaves: Mapping[str, Any], name: str) -> str:
    return legible(plain(leaves[name])) if name in leaves else "absent"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, with its path; items of lists go by their name where they have one."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for place, part in enumerate(value):
            name = part.get("name", place) if isinstance(part, Mapping) else place
            yield from _leaves(part, (*path, str(name)))
    else:
        yield " · ".join(path), value
