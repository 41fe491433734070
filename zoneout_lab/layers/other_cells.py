"""Cells that a regularizer puts in the LSTM's place: their parameters, their statistics, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers.misuse import backward_pass
from zoneout_lab.ops import normalised, output_gate
from zoneout_lab.ops.normalised import POINTS, Gains, shifted_only, unchanged
from zoneout_lab.ops.reference import States, Weights
from zoneout_lab.ops.trace import in_graph, is_recording
from zoneout_lab.regularizers import (
    CellShift,
    InputMask,
    LayerNorm,
    OtherCell,
    RecurrentBatchNorm,
    Regularizer,
    cell_of,
    structure,
)


def other_cell(regularizers: Sequence[Regularizer], cell: str) -> OtherCell | None:
    """The cell that all replicas have in the LSTM's place, or None.

    Raises InputRefusedError where replicas differ in it: one model computes one cell.
    """
    kinds = {structure(regularizer, cell) for regularizer in regularizers} - {"fast", "reference"}
    plain = [regularizer for regularizer in regularizers if cell_of(regularizer) is None]
    if len(kinds) > 1 or (kinds and plain):
        raise InputRefusedError(
            f"The replicas' regularizers put different cells in the LSTM's place ({', '.join(map(str, regularizers))}); "
            "give each cell a layer of its own."
        )
    return cell_of(regularizers[0])


def add_parameters(
    module: nn.Module, other: OtherCell | None, suffix: str, lead: tuple[int, ...], like: Tensor, H: int
) -> None:
    """Register what another cell has beyond torch's parameters: a shift, gains, and for batch norm the population's statistics.

    Args:
        module: the layer.
        other: its cell.
        suffix: torch's, of one recurrence: ``l0``.
        lead: (R,) or ().
        like: a weight, for device and dtype.
        H: units.
    """
    if isinstance(other, CellShift):
        module.register_parameter(f"shift_cell_{suffix}", nn.Parameter(like.new_zeros(*lead, H)))
    if not isinstance(other, LayerNorm | RecurrentBatchNorm):
        return
    for point, columns in POINTS.items():
        module.register_parameter(
            f"gain_{point}_{suffix}", nn.Parameter(like.new_full((*lead, columns * H), other.gamma))
        )
    module.register_parameter(f"shift_cell_{suffix}", nn.Parameter(like.new_zeros(*lead, H)))
    if isinstance(other, RecurrentBatchNorm):
        for point, columns in POINTS.items():
            shape = (*lead, other.steps, columns * H)
            module.register_buffer(f"population_{point}_mean_{suffix}", like.new_zeros(shape))
            module.register_buffer(f"population_{point}_variance_{suffix}", like.new_ones(shape))


def run(
    other: OtherCell,
    stacked: Callable[[str], Tensor],
    x: Tensor,
    states: States,
    weights: Weights,
    shares: Mapping[str, Tensor],
    suffix: str,
    *,
    training: bool,
) -> tuple[Tensor, States]:
    """One recurrence; arguments as for :func:`zoneout_lab.ops.engine.run`.

    Args:
        other: the cell.
        stacked: name of a parameter or buffer → its value with a leading replica axis.
        x, states, weights, shares: of the recurrence.
        suffix: torch's.
        training: whether batch norm uses the batch.
    """
    states = in_graph(states)
    if isinstance(other, InputMask):
        return output_gate.run(x, states, weights, shares, printed=other.reading == "printed", layer=suffix)
    shift = stacked(f"shift_cell_{suffix}")
    if isinstance(other, CellShift):
        return normalised.run(x, states, weights, shifted_only(shift), shares, unchanged, layer=suffix)
    by_input, by_hidden, by_cell = (stacked(f"gain_{point}_{suffix}") for point in POINTS)
    gains = Gains(by_input, by_hidden, by_cell, shift)
    if isinstance(other, LayerNorm):
        normalise = normalised.over_units(other.epsilon)
    else:
        population = {
            point: (stacked(f"population_{point}_mean_{suffix}"), stacked(f"population_{point}_variance_{suffix}"))
            for point in POINTS
        }
        normalise = (
            # a measurement must not move what it measures, nor a checkpointed pass that runs again move it twice
            normalised.over_examples(other.epsilon, population, update=not (is_recording() or backward_pass() != -1))
            if training
            else normalised.by_population(other.epsilon, population)
        )
    return normalised.run(x, states, weights, gains, shares, normalise, layer=suffix)
