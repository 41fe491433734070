"""Fields of studies that hold parts: regularizers, cells, tasks, measures. Whoever declares none needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from zoneout_lab.frozen import Value, check_value

Scalar = Value | None
_PLAIN = (int, float, str, list, tuple, Mapping, type(None))


def _no_instance(value: Any, of: str) -> ValueError:
    return ValueError(f"it should be an instance of {of}, got {value!r:.100}.")


def _regularizer(value: Any) -> Any:
    if value is None:
        return None
    from zoneout_lab.regularizers import Regularizer, from_json

    made = from_json(value) if isinstance(value, Mapping) else value
    if not isinstance(made, Regularizer):
        raise _no_instance(value, "Regularizer")
    return made


def _regularizer_as_json(value: Any) -> dict[str, Any]:
    if value is None:
        return {"kind": "none"}  # as a regularizer that does nothing is written
    from zoneout_lab.regularizers import to_json

    return to_json(value)


def _measure(value: Any) -> Any:
    from zoneout_lab.measures import Measure, as_measure

    made = as_measure(value)
    if not isinstance(made, Measure):
        raise _no_instance(value, "Measure")
    return made


def _measure_as_json(value: Any) -> dict[str, Any]:
    from zoneout_lab.measures import to_json

    return to_json(value)


def _task(value: Any) -> Any:
    """A user's own task is kept as its class, which says where it comes from; a built-in one by its name."""
    if isinstance(value, str) and ":" not in value:
        return value
    from zoneout_lab.tasks import TASKS, task_class, task_name

    if isinstance(value, str):
        return task_class(value)
    return task_name(task_class(value)) if value in TASKS.values() else task_class(value)


def _task_as_json(value: Any) -> str:
    if isinstance(value, str):
        return value
    from zoneout_lab.tasks import task_name

    return task_name(value)


def _cell(value: Any) -> Any:
    cells = sys.modules.get("zoneout_lab.ops.cells")  # without which there is no cell
    if cells is None or not isinstance(value, cells.Cell):
        raise _no_instance(value, "Cell")
    return value


def _written(path: str, value: Any) -> Any:
    """A built-in cell is kept as JSON, a user's own as itself, which says where it comes from."""
    named = value.get("kind") if isinstance(value, Mapping) else value
    own = path == "model.cell" and isinstance(named, str) and ":" in named
    if own or not isinstance(value, _PLAIN):
        from zoneout_lab.ops.cells import CELLS, Cell, as_cell, to_json
        from zoneout_lab.parts import check_class

        cls = value if isinstance(value, type) else type(value)
        if own or issubclass(cls, Cell):
            if not own:
                check_class(cls, CELLS, Cell)  # type: ignore[type-abstract]
            cell = as_cell(value)
            return to_json(cell) if type(cell) in CELLS.values() else cell
    if path.startswith("options.") and value is not None:
        check_value(path, value)
    return value


def _changes(change: Any) -> Any:
    """Every value as it is kept; what is no mapping is left for pydantic to refuse."""
    return (
        {path: _written(str(path), value) for path, value in change.items()} if isinstance(change, Mapping) else change
    )


def _changes_as_json(change: Mapping[str, Any]) -> dict[str, Any]:
    def as_json(value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return value
        from zoneout_lab.ops.cells import to_json

        return to_json(value)

    return {path: as_json(value) for path, value in change.items()}


if TYPE_CHECKING:
    from zoneout_lab.measures import Measure as MeasureField
    from zoneout_lab.ops.cells import Cell
    from zoneout_lab.regularizers import Regularizer as RegularizerField
    from zoneout_lab.tasks import Task

    TaskField = str | type[Task]
    Change = dict[str, Scalar | dict[str, Scalar] | Cell]
else:
    RegularizerField = Annotated[Any, PlainValidator(_regularizer), PlainSerializer(_regularizer_as_json)]
    MeasureField = Annotated[Any, PlainValidator(_measure), PlainSerializer(_measure_as_json)]
    TaskField = Annotated[Any, PlainValidator(_task), PlainSerializer(_task_as_json, return_type=str)]
    #: dotted field of the setting → value. A cell is given by name, as its class or as a value
    Change = Annotated[
        dict[str, Scalar | dict[str, Scalar] | Annotated[Any, PlainValidator(_cell)]],
        BeforeValidator(_changes),
        PlainSerializer(_changes_as_json),
    ]

__all__ = ["Change", "MeasureField", "RegularizerField", "Scalar", "TaskField"]
