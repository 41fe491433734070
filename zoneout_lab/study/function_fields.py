"""Fields of studies with a training function: the function, and what its metrics are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.metrics import Metric, as_described, described
from zoneout_lab.parts import check_function, function_name, function_named


def _train(value: Any) -> Any:
    if value is None:
        return None
    return check_function(function_named(value) if isinstance(value, str) else value)


def _train_as_json(value: Any) -> str | None:
    return None if value is None else function_name(value)


def _metrics(value: Any) -> Any:
    """A list, as results record metrics, becomes a mapping; metrics keep the order in which they were given."""
    return as_described(value) if isinstance(value, list | tuple) else value


def _metric(value: Any) -> Metric:
    if isinstance(value, Metric):
        return value
    if isinstance(value, str):
        return Metric(value, "")
    if isinstance(value, Mapping):
        try:
            return Metric.from_json(value)
        except IntegrityError as error:
            raise InputRefusedError(str(error)) from error
    raise InputRefusedError(
        f"it is {value!r}; give a zoneout_lab.Metric, for example Metric('test accuracy', unit='%', better='higher')."
    )


if TYPE_CHECKING:
    TrainField = Callable[[Any], Mapping[str, Any]] | None
    MetricsField = dict[str, Metric]
else:
    TrainField = Annotated[Any, PlainValidator(_train), PlainSerializer(_train_as_json)]
    MetricsField = Annotated[
        dict[str, Annotated[Any, PlainValidator(_metric)]], BeforeValidator(_metrics), PlainSerializer(described)
    ]

__all__ = ["MetricsField", "TrainField"]
