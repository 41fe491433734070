"""Cells that used to be given as regularizers: their old names and JSON are still read, and become the cell that they stand for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import BatchNormLSTM, Cell, LayerNormLSTM, OutputGateLSTM, ShiftedLSTM
from zoneout_lab.ops.cells.output_gate import Reading
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers.base import Combined, Regularizer
from zoneout_lab.regularizers.dropout import RecurrentDropout
from zoneout_lab.regularizers.none import NoRegularizer

_NOTHING = NoRegularizer()


@dataclass(frozen=True)
class InsteadOfLSTM(Regularizer):
    """A cell that takes the LSTM's place, and the regularizer of it. Layers and studies separate the two (:func:`separated`)."""

    kind: ClassVar[str] = "instead_of_lstm"

    cell: Cell
    rest: Regularizer = _NOTHING

    def sites(self) -> Mapping[str, MaskSpec]:
        return self.rest.sites()


def separated(cell: Cell, regularizer: Regularizer) -> tuple[Cell, Regularizer]:
    """The cell and the regularizer that an old value stands for; any other pair is returned unchanged.

    Raises InputRefusedError where the cell is not an LSTM.
    """
    found = [part for part in regularizer.parts if isinstance(part, InsteadOfLSTM)]
    if not found:
        return cell, regularizer
    if cell.kind != "lstm":
        raise InputRefusedError(f"{found[0].cell} takes the place of an LSTM, but the cell is a {cell.noun}.")
    rest = [part for part in (*regularizer.parts, found[0].rest) if part not in (found[0], _NOTHING)]
    return found[0].cell, rest[0] if len(rest) == 1 else Combined(tuple(rest)) if rest else _NOTHING


def CellShift() -> InsteadOfLSTM:  # noqa: N802
    """Deprecated: the cell :class:`~zoneout_lab.ops.cells.shifted.ShiftedLSTM`."""
    return _formerly("CellShift()", ShiftedLSTM())


def LayerNorm(gamma: float = 1.0, epsilon: float = 1e-5) -> InsteadOfLSTM:  # noqa: N802
    """Deprecated: the cell :class:`~zoneout_lab.ops.cells.layer_norm.LayerNormLSTM`, which takes ``gamma`` and ``epsilon``."""
    return _formerly("LayerNorm()", LayerNormLSTM(gamma, epsilon))


def RecurrentBatchNorm(steps: int = 1, gamma: float = 0.1, epsilon: float = 1e-5) -> InsteadOfLSTM:  # noqa: N802
    """Deprecated: the cell :class:`~zoneout_lab.ops.cells.batch_norm.BatchNormLSTM`, which takes ``steps``, ``gamma`` and ``epsilon``."""
    return _formerly("RecurrentBatchNorm()", BatchNormLSTM(steps, gamma, epsilon))


def InputMask(p: float = 0.0, reading: Reading = "intended") -> InsteadOfLSTM:  # noqa: N802
    """Deprecated: the cell :class:`~zoneout_lab.ops.cells.output_gate.OutputGateLSTM`, which takes the ``reading``, with recurrent dropout of ``p``."""
    return _formerly("InputMask()", OutputGateLSTM(reading), RecurrentDropout(p))


def _formerly(name: str, cell: Cell, rest: Regularizer = _NOTHING) -> InsteadOfLSTM:
    beside = "" if rest == _NOTHING else f", with regularizer={rest!r}"
    warnings.warn(
        f"{name} is a cell now: give it as one, Recurrent({cell!r}, ...) or in a study change={{'model.cell': {cell!r}}}"
        f"{beside}.",
        DeprecationWarning,
        stacklevel=3,
    )
    return InsteadOfLSTM(cell, rest)


#: old kind in JSON → what makes the value
FORMERLY: Mapping[str, Callable[..., InsteadOfLSTM]] = {
    "cell_shift": CellShift,
    "layer_norm": LayerNorm,
    "recurrent_batch_norm": RecurrentBatchNorm,
    "input_mask": InputMask,
}
