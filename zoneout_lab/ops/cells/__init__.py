"""Recurrent cells. This list is the registry: a new one is a file here and a line below. A cell of your own need not be on it."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isabstract
from typing import Any

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells.base import Cell, Masks, Parameter, States, Step, Weights
from zoneout_lab.ops.cells.batch_norm import BatchNormLSTM
from zoneout_lab.ops.cells.gru import GRU
from zoneout_lab.ops.cells.layer_norm import LayerNormLSTM
from zoneout_lab.ops.cells.lstm import LSTM
from zoneout_lab.ops.cells.min_gru import MinGRU
from zoneout_lab.ops.cells.output_gate import OutputGateLSTM
from zoneout_lab.ops.cells.peephole import PeepholeLSTM
from zoneout_lab.ops.cells.rnn import ReluRNN, TanhRNN
from zoneout_lab.ops.cells.shifted import ShiftedLSTM
from zoneout_lab.ops.cells.slstm import SLSTM
from zoneout_lab.parts import from_json as part_from_json
from zoneout_lab.parts import to_json as part_as_json

CELLS: dict[str, type[Cell]] = {
    cell.kind: cell
    for cell in (
        LSTM,
        GRU,
        TanhRNN,
        ReluRNN,
        LayerNormLSTM,
        BatchNormLSTM,
        ShiftedLSTM,
        OutputGateLSTM,
        PeepholeLSTM,
        MinGRU,
        SLSTM,
    )
}

#: those that a path faster than the reference supports
FAST: dict[str, type[Cell]] = {kind: cell for kind, cell in CELLS.items() if cell.fast_sites}


def to_json(cell: Cell) -> str | dict[str, Any]:
    """A cell as JSON: its name, with its fields where it has any.

    >>> to_json(LSTM()), to_json(ShiftedLSTM())
    ('lstm', 'shifted_lstm')
    >>> to_json(LayerNormLSTM())
    {'kind': 'layer_norm_lstm', 'gamma': 1.0, 'epsilon': 1e-05}
    """
    written = part_as_json(cell, CELLS)
    return written if len(written) > 1 else str(written["kind"])


def from_json(value: str | Mapping[str, Any]) -> Cell:
    """The cell that :func:`to_json` wrote; a name alone is the cell with its defaults.

    Raises UsageError for an unknown name or field, InputRefusedError for an impossible value.

    >>> from_json("gru"), from_json({"kind": "output_gate_lstm", "reading": "printed"})
    (GRU(), OutputGateLSTM(reading='printed'))
    """
    return part_from_json(value, CELLS, Cell)  # type: ignore[type-abstract]


def as_cell(value: object) -> Cell:
    """A cell from its name, its class, its JSON or itself.

    >>> as_cell("lstm") == as_cell(LSTM) == as_cell(LSTM())
    True
    """
    if isinstance(value, Cell):
        return value
    if isinstance(value, str | Mapping):
        return from_json(value)
    if isinstance(value, type) and issubclass(value, Cell) and not isabstract(value):
        return value()
    raise InputRefusedError(f"The cell is {value!r}; give a name such as 'lstm', or a cell such as LayerNormLSTM().")


__all__ = [
    "CELLS",
    "FAST",
    "GRU",
    "LSTM",
    "SLSTM",
    "BatchNormLSTM",
    "Cell",
    "LayerNormLSTM",
    "Masks",
    "MinGRU",
    "OutputGateLSTM",
    "Parameter",
    "PeepholeLSTM",
    "ReluRNN",
    "ShiftedLSTM",
    "States",
    "Step",
    "TanhRNN",
    "Weights",
    "as_cell",
    "from_json",
    "to_json",
]
