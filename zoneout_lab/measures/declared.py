"""Checks that the measures of a study are well declared, and that each name means one thing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.base import Measure, group_of
from zoneout_lab.metrics import METRICS, Metric, Score
from zoneout_lab.profiles import DYNAMICS, GRADIENTS, QUANTITIES, REDUCTIONS, WITHOUT_NOISE

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OF_RUNS = ("arm", "seed", "epoch", "replica")
_GROUPS = {
    "metrics": "the runs' metrics",
    "provenance": "where runs come from",
    GRADIENTS: "gradient norms",
    DYNAMICS: "what is left of a perturbation",
}


def check_together(measures: Sequence[Measure], score: Score | None = None) -> None:
    """Raise InputRefusedError where a measure is not well declared, or one of its names already means something else.

    Args:
        measures: of one study.
        score: of its task.

    >>> from zoneout_lab import GradientFlow
    >>> check_together([GradientFlow(), GradientFlow()])
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: The measure 'gradient_flow' is given twice.
    """
    kinds = [measure.kind for measure in measures]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise InputRefusedError(f"The measure {kind!r} is given twice.")
    groups = dict(_GROUPS)
    taken = METRICS | {name: made.about for name, made in REDUCTIONS.items()} | QUANTITIES
    taken |= score.metrics() if score else {}
    scalars: dict[str, str] = {}
    for measure in measures:
        _check_declared(measure)
        group = group_of(measure)
        if group in groups and not (measure.reduced_when_read and group in (GRADIENTS, DYNAMICS)):
            raise InputRefusedError(
                f"measure {measure.kind!r}: its results would go to the group {group!r}, which holds {groups[group]}; give it another kind."
            )
        groups[group] = f"those of the measure {measure.kind!r}"
        own = () if measure.reduced_when_read else (*measure.quantities, *measure.names())
        for name in own:
            if name in taken:
                raise InputRefusedError(
                    f"measure {measure.kind!r}: {name!r} already means {taken[name].long_name}; give it another name."
                )
        for name in measure.names():
            if name in scalars:
                raise InputRefusedError(
                    f"The measures {scalars[name]!r} and {measure.kind!r} both have a scalar {name!r}; give one another name."
                )
            scalars[name] = measure.kind


def _check_declared(measure: Measure) -> None:
    """Raise InputRefusedError where a measure's class does not declare what a study has to know."""
    kind = getattr(measure, "kind", None)
    if not isinstance(kind, str) or not _NAME.fullmatch(kind):
        raise InputRefusedError(
            f"A measure of class {type(measure).__name__} is called {kind!r}: give it a kind of lower-case letters, digits and _, beginning with "
            "a letter."
        )
    for what in ("dims", "quantities"):
        if not hasattr(measure, what):
            raise InputRefusedError(f"measure {kind!r} does not declare its {what}.")
    if not isinstance(measure.dims, tuple) or not measure.quantities:
        raise InputRefusedError(
            f"measure {kind!r} has to declare its dims as a tuple of names, and at least one quantity."
        )
    names = [*measure.dims, *measure.quantities, *measure.scalars, group_of(measure)]
    for name in names:
        if (
            not isinstance(name, str)
            or not _NAME.fullmatch(name)
            or (name.endswith(WITHOUT_NOISE) and not measure.reduced_when_read)
        ):
            raise InputRefusedError(
                f"measure {kind!r}: {name!r} is not a name for a dimension, quantity or scalar: use lower-case letters, digits and _, beginning "
                f"with a letter and not ending in {WITHOUT_NOISE}."
            )
    for name in names:
        if names[:-1].count(name) > 1 or name in _OF_RUNS:
            raise InputRefusedError(
                f"measure {kind!r}: {name!r} is used twice, or is a dimension of every study ({', '.join(_OF_RUNS)}); give it another name."
            )
    for name, about in {**measure.quantities, **measure.scalars}.items():
        if not isinstance(about, Metric):
            raise InputRefusedError(
                f"measure {kind!r}: {name!r} is described by {about!r}; give a zoneout_lab.Metric, which says what it is and its unit."
            )
