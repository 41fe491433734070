"""What happened inside a recurrence, as labelled arrays. :data:`MEASURES` is the list of what studies can measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from inspect import isabstract
from typing import Any

from zoneout_lab.measures.activity import UpdateActivity
from zoneout_lab.measures.base import Batch, Measure, Subject, group_of
from zoneout_lab.measures.carry import EffectiveCarry
from zoneout_lab.measures.declared import check_together
from zoneout_lab.measures.gradient_flow import GradientFlow, gradient_flow
from zoneout_lab.measures.lyapunov import LyapunovExponents
from zoneout_lab.measures.perturbation import PerturbationGrowth, perturbation_growth
from zoneout_lab.measures.probing import probe
from zoneout_lab.measures.take import refuse_other_labels, take
from zoneout_lab.parts import from_json as part_from_json
from zoneout_lab.parts import to_json as part_as_json

#: the measures that come built in, by kind: a new one is a file here and a line below
MEASURES: dict[str, type[Measure]] = {
    measure.kind: measure
    for measure in (
        GradientFlow,
        PerturbationGrowth,
        EffectiveCarry,
        UpdateActivity,
        LyapunovExponents,
    )
}

#: what a study measures unless it says otherwise
USUAL: tuple[Measure, ...] = (GradientFlow(), PerturbationGrowth())


def to_json(measure: Measure) -> dict[str, Any]:
    """A measure as JSON: its kind and its fields, without those that are None.

    >>> to_json(GradientFlow())
    {'kind': 'gradient_flow'}
    """
    return part_as_json(measure, MEASURES)


def from_json(value: Mapping[str, Any]) -> Measure:
    """The measure that :func:`to_json` wrote.

    Raises UsageError for an unknown kind or field, InputRefusedError for an impossible value.

    >>> from_json({"kind": "perturbation_growth"})
    PerturbationGrowth()
    """
    return part_from_json(value, MEASURES, Measure)  # type: ignore[type-abstract]


def as_measure(given: Any) -> Any:
    """A measure from itself, from the name of a built-in one, from its class or from JSON. Anything else is returned unchanged, to be refused.

    >>> as_measure("gradient_flow")
    GradientFlow()
    """
    if given is gradient_flow or given is perturbation_growth:
        return GradientFlow() if given is gradient_flow else PerturbationGrowth()
    if isinstance(given, str):
        return from_json({"kind": given})
    if isinstance(given, Mapping):
        return from_json(given)
    if isinstance(given, type) and issubclass(given, Measure) and not isabstract(given):
        made: Any = given  # a dataclass, which mypy is not told of abstract classes
        wanting = [f.name for f in fields(made) if f.init and f.default is MISSING and f.default_factory is MISSING]
        return given if wanting else given()
    return given


__all__ = [
    "MEASURES",
    "USUAL",
    "Batch",
    "EffectiveCarry",
    "GradientFlow",
    "LyapunovExponents",
    "Measure",
    "PerturbationGrowth",
    "Subject",
    "UpdateActivity",
    "as_measure",
    "check_together",
    "from_json",
    "gradient_flow",
    "group_of",
    "perturbation_growth",
    "probe",
    "refuse_other_labels",
    "take",
    "to_json",
]
