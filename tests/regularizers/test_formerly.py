"""Cells under the names they had as regularizers: still read, with a warning, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import BatchNormLSTM, Cell, LayerNormLSTM, OutputGateLSTM, ShiftedLSTM, to_json
from zoneout_lab.regularizers import NoRegularizer, RecurrentDropout, Regularizer, WeightNoise, Zoneout, from_json

Z = Zoneout(cell=0.3, hidden=0.2)
#: old value → the cell and the regularizer that it stands for, and its JSON
OLD: dict[str, tuple[Callable[[], Any], Cell, Regularizer, dict[str, Any]]] = {
    "layer norm": (lambda: zl.LayerNorm(gamma=0.5), LayerNormLSTM(0.5), NoRegularizer(), {"kind": "layer_norm", "gamma": 0.5}),
    "batch norm": (lambda: zl.RecurrentBatchNorm(steps=4) + Z, BatchNormLSTM(4), Z, {"kind": "combined", "parts": [{"kind": "recurrent_batch_norm", "steps": 4}, {"kind": "zoneout", "cell": 0.3, "hidden": 0.2}]}),
    "shift": (lambda: Z + zl.CellShift(), ShiftedLSTM(), Z, {"kind": "combined", "parts": [{"kind": "zoneout", "cell": 0.3, "hidden": 0.2}, {"kind": "cell_shift"}]}),
    "output gate": (lambda: zl.InputMask(0.3, "printed"), OutputGateLSTM("printed"), RecurrentDropout(0.3), {"kind": "input_mask", "p": 0.3, "reading": "printed"}),
    "with two more": (lambda: zl.InputMask(0.3) + WeightNoise(0.1), OutputGateLSTM(), WeightNoise(0.1) + RecurrentDropout(0.3), {"kind": "combined", "parts": [{"kind": "input_mask", "p": 0.3}, {"kind": "weight_noise", "sigma": 0.1}]}),
}  # fmt: skip
NAMED = pytest.mark.parametrize("case", OLD)


@NAMED
def test_a_layer_computes_the_cell(case: str):
    make, cell, regularizer, _ = OLD[case]
    with pytest.warns(DeprecationWarning, match=r"is a cell now: give it as one, Recurrent\("):
        old = make()
    torch.manual_seed(0)
    was = zl.LSTM(3, 4, 2, regularizer=old, mask_seed=1)
    torch.manual_seed(0)
    now = zl.Recurrent(cell, 3, 4, 2, regularizer=regularizer, mask_seed=1)
    x = torch.randn(4, 2, 3)
    assert was.cell == cell
    assert all(torch.equal(a, b) for a, b in zip(was.parameters(), now.parameters(), strict=True))
    assert torch.equal(was(x)[0], now(x)[0])
    assert torch.equal(was.eval()(x)[0], now.eval()(x)[0])
    for layer in (zl.GRU, zl.RNN):
        with pytest.raises(InputRefusedError, match="takes the place of an LSTM, but the cell is a"):
            layer(3, 4, regularizer=old)


@NAMED
def test_an_arm_has_it_as_a_change_and_old_json_is_read(case: str):
    make, cell, regularizer, written = OLD[case]
    with pytest.warns(DeprecationWarning, match="is a cell now"):
        arms = [zl.Arm(name="a", regularizer=make()), zl.Arm.model_validate({"name": "a", "regularizer": written})]
    for arm in arms:
        assert arm.change == {"model.cell": to_json(cell)}
        assert {repr(part) for part in arm.regularizer.parts} == {repr(part) for part in regularizer.parts}
    with pytest.warns(DeprecationWarning, match="is a cell now"):
        from_json(written)


def test_two_of_them_are_refused():
    with (
        pytest.warns(DeprecationWarning, match="is a cell now"),
        pytest.raises(InputRefusedError, match="do not combine: they are of the same kind"),
    ):
        zl.LayerNorm() + zl.CellShift()
    with (
        pytest.warns(DeprecationWarning, match="is a cell now"),
        pytest.raises(InputRefusedError, match="give each cell a layer of its own"),
    ):
        zl.LSTM(2, 3, replicas=2, regularizer=[zl.LayerNorm(), Zoneout(0.1)])
