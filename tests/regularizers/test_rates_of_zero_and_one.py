"""Rates of 0 and 1: what a regularizer comes to when nothing, or everything, is dropped or preserved."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_out import B, H, inputs, layer

from zoneout_lab.regularizers import (
    INVERTED,
    CellDropout,
    HiddenDropout,
    NonRecurrentDropout,
    NoRegularizer,
    RecurrentDropout,
    Regularizer,
    RnnDrop,
    VariationalDropout,
    Zoneout,
)

#: regularizer → the cells that take it; with everything dropped nothing is left of the output
ALL_DROPPED: dict[Regularizer, tuple[str, ...]] = {
    HiddenDropout(1.0): ("lstm", "gru", "rnn_tanh"),
    CellDropout(1.0): ("lstm",),
    RnnDrop(1.0): ("lstm",),
    RecurrentDropout(1.0): ("lstm", "gru"),
    RecurrentDropout.keeping(0.0): ("lstm", "gru"),
    NonRecurrentDropout(1.0): ("lstm", "gru", "rnn_tanh"),
    VariationalDropout(output=1.0): ("lstm", "gru", "rnn_tanh"),
}
DROPPED = [pytest.param(regularizer, cell, id=f"{regularizer}-{cell}") for regularizer, cells in ALL_DROPPED.items() for cell in cells]  # fmt: skip


@pytest.mark.parametrize(("regularizer", "cell"), DROPPED)
def test_with_everything_dropped_nothing_comes_out(regularizer: Regularizer, cell: str):
    rnn, x = layer(cell, regularizer), inputs()
    assert rnn(x)[0].abs().max() == 0
    evaluated = rnn.eval()(x)[0]
    if regularizer.sites().keys() <= set(INVERTED):
        # what training would have scaled up is left alone, at any rate
        assert torch.equal(evaluated, layer(cell, NoRegularizer()).eval()(x)[0])
    else:
        assert evaluated.abs().max() == 0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_with_everything_preserved_the_first_state_stays(cell: str, training: bool):
    regularizer = Zoneout(cell=1.0, hidden=1.0) if cell == "lstm" else Zoneout(hidden=1.0)
    start = [torch.full((1, B, H), value, dtype=torch.float64) for value in (0.25, -0.5)]
    states = tuple(start) if cell == "lstm" else start[0]
    out, last = layer(cell, regularizer).train(training)(inputs(), states)
    assert torch.equal(out, start[0].expand_as(out))
    assert all(torch.equal(a, b) for a, b in zip(last if isinstance(last, tuple) else (last,), start, strict=False))


def test_a_recurrent_mask_that_drops_all_leaves_every_timestep_by_itself():
    rnn, x = layer("gru", VariationalDropout(recurrent=1.0)), inputs()
    apart: list[Tensor] = []
    h = torch.zeros(1, B, H, dtype=torch.float64)
    for x_t in x:
        gates = x_t @ rnn.weight_ih_l0.T + rnn.bias_ih_l0
        r, k = (torch.sigmoid(gates[:, j * H : (j + 1) * H] + rnn.bias_hh_l0[j * H : (j + 1) * H]) for j in (0, 1))
        n = torch.tanh(gates[:, 2 * H :] + r * rnn.bias_hh_l0[2 * H :])
        h = k * h + (1 - k) * n  # the memory itself is no product and is kept
        apart.append(h[0])
    assert (rnn(x)[0] - torch.stack(apart)).abs().max() < 1e-13
