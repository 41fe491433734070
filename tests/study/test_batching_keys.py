"""Runs of one shape train together only where one cell computes them."""

from __future__ import annotations

import pytest

from zoneout_lab import (
    Arm,
    HiddenDropout,
    NonRecurrentDropout,
    NoRegularizer,
    RecurrentDropout,
    Study,
    VariationalDropout,
    WeightNoise,
    Zoneout,
    cells,
)
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.study.batching import batches, bytes_per_replica

GROUPS: list[list[Regularizer]] = [
    [Zoneout(0.5, 0.05), WeightNoise(0.1), NonRecurrentDropout(0.2) + Zoneout(0.1), HiddenDropout(0.5)],
    [VariationalDropout(recurrent=0.2), VariationalDropout(recurrent=0.1) + HiddenDropout(0.5)],
]
CELLS: list[list[tuple[str | cells.Cell | type[cells.Cell], Regularizer]]] = [
    [("shifted_lstm", NoRegularizer())],
    [("layer_norm_lstm", NoRegularizer()), (cells.LayerNormLSTM(), Zoneout(0.1))],
    [(cells.BatchNormLSTM(steps=64), NoRegularizer())],
    [(cells.BatchNormLSTM(steps=64, gamma=0.2), NoRegularizer())],
    [("output_gate_lstm", RecurrentDropout(0.1)), (cells.OutputGateLSTM, RecurrentDropout(0.2))],
    [(cells.OutputGateLSTM("printed"), RecurrentDropout(0.1))],
]
ARMS = [[("lstm", value) for value in group] for group in GROUPS] + CELLS


@pytest.fixture(scope="module")
def study() -> Study:
    arms = [
        Arm(name=f"arm_{g}_{k}", regularizer=value, change={"model.cell": cell})
        for g, group in enumerate(ARMS)
        for k, (cell, value) in enumerate(group)
    ]
    return Study(name="s", title="", question="", arms=arms, baseline="arm_0_0", seeds=3)


def test_every_cell_has_its_batches(study: Study):
    work = batches(study.runs(), 64, memory=2**40)
    assert sorted(sorted({run.arm for run in batch}) for batch in work) == [
        [f"arm_{g}_{k}" for k in range(len(group))] for g, group in enumerate(ARMS)
    ]
    assert sum(map(len, work)) == 3 * sum(map(len, ARMS))


def test_what_the_reference_computes_needs_its_memory(study: Study):
    fast, slow = (study.run(study.arm(name), 0) for name in ("arm_0_0", "arm_1_0"))
    assert bytes_per_replica(slow, 64) > 2 * bytes_per_replica(fast, 64)
