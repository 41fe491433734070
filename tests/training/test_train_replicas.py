"""Whole runs, trained alone and beside others: every number the same, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
import xarray as xr
from tiny_tasks import TinyExamples, TinyStream, make_run

from zoneout_lab import (
    CellDropout,
    HiddenDropout,
    NonRecurrentDropout,
    NoRegularizer,
    NormStabilizer,
    RecurrentDropout,
    VariationalDropout,
    WeightNoise,
    Zoneout,
)
from zoneout_lab.engines import Outcome
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.settings import Run
from zoneout_lab.training import train

ARMS = {
    "lstm": [
        NoRegularizer(),
        Zoneout(cell=0.5, hidden=0.1),
        CellDropout(0.3),
        Zoneout(0.2, 0.4, share=True, per="layer"),
    ],
    "gru": [NoRegularizer(), Zoneout(hidden=0.3), RecurrentDropout(0.3)],
    "rnn_tanh": [NoRegularizer(), Zoneout(hidden=0.3), Zoneout(hidden=0.3, resample="never")],
    "rnn_relu": [Zoneout(hidden=0.3, resample="sequence"), NoRegularizer()],
}
#: task, and what all the runs have in common: sizes at which products and vectorised loops take other turns
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "lstm adam": (TinyExamples(), {"hidden": 33, "clip": 0.05}),
    "lstm rmsprop, one example a batch": (
        TinyExamples(features=1),
        {"optimizer": "rmsprop", "batch": 1, "hidden": 9, "epochs": 1},
    ),
    "lstm sgd, two layers, learned states": (
        TinyExamples(),
        {"optimizer": "sgd", "lr": 0.1, "layers": 2, "learned_state": True, "clip": None},
    ),
    "lstm large": (TinyExamples(), {"hidden": 129, "batch": 33}),
    "lstm sampled evaluation": (TinyExamples(), {"hidden": 20, "evaluation": "sampled"}),
    "lstm stream": (TinyStream(), {"hidden": 17}),
    "gru adam": (TinyExamples(), {"cell": "gru", "hidden": 33}),
    "gru stream rmsprop": (TinyStream(), {"cell": "gru", "hidden": 17, "optimizer": "rmsprop", "clip": 0.1}),
    "lstm floored, clipped step, falling rate": (
        TinyExamples(),
        {
            "optimizer": "rmsprop_floored",
            "hidden": 33,
            "clip": 0.05,
            "clip_what": "step",
            "decay": 2.0,
            "decay_after": 1,
        },
    ),
    "lstm stream monte carlo, uniform": (
        TinyStream(),
        {"hidden": 17, "evaluation": "monte_carlo", "samples": 3, "init": "uniform", "select": "last"},
    ),
    "lstm monte carlo, orthogonal, summed": (
        TinyExamples(),
        {"hidden": 33, "evaluation": "monte_carlo", "samples": 2, "init": "block_orthogonal", "loss": "sum_over_time"},
    ),
    "gru semi-orthogonal": (TinyExamples(), {"cell": "gru", "hidden": 33, "init": "semi_orthogonal"}),
    "rnn_tanh adam": (TinyExamples(), {"cell": "rnn_tanh", "hidden": 129, "batch": 5}),
    "rnn_relu sgd": (TinyStream(), {"cell": "rnn_relu", "hidden": 1, "optimizer": "sgd", "lr": 0.1}),
    "another": (
        TinyExamples(),
        {
            "hidden": 20,
            "layers": 2,
            "arms": [
                WeightNoise(0.1),
                NormStabilizer(5.0) + Zoneout(hidden=0.2),
                NonRecurrentDropout(0.3),
                NoRegularizer(),
                VariationalDropout(input=0.3, output=0.2) + WeightNoise(0.05),
                Zoneout(cell=(0.0, 0.9), hidden=0.1, hidden_end=0.5, over=6),
            ],
        },
    ),
    "batch norm": (
        TinyExamples(),
        {
            "cell": BatchNormLSTM(steps=6),
            "hidden": 20,
            "arms": [NoRegularizer(), Zoneout(0.3, 0.3, share=True)],
        },
    ),
    "layer norm": (
        TinyStream(),
        {"cell": "layer_norm_lstm", "hidden": 17, "arms": [NoRegularizer(), RecurrentDropout(0.2)]},
    ),
    "by the reference": (
        TinyExamples(),
        {
            "hidden": 33,
            "arms": [
                VariationalDropout(recurrent=0.3) + HiddenDropout(0.3),
                VariationalDropout(recurrent=0.3) + Zoneout(0.2),
            ],
        },
    ),
    "output gate": (
        TinyStream(),
        {"cell": "output_gate_lstm", "hidden": 17, "arms": [RecurrentDropout(0.3), RecurrentDropout(0.1)]},
    ),
}


#: those where a product is large enough to be split
ON_TWO_THREADS = ("lstm adam", "lstm large", "gru adam", "rnn_tanh adam")


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def runs_of(case: str) -> list[Run]:
    options: dict[str, Any] = {"epochs": 2, "gradient_epochs": (0, 1), "gradient_examples": 7} | CASES[case][1]
    arms = options.pop("arms", None) or ARMS[options.get("cell", "lstm")]
    return [
        *(make_run(0, arm, **options) for arm in arms),
        make_run(1, arms[0], **options),
        make_run(1, arms[1], **options),
    ]


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.run == other.run
    assert (one.status, one.best_epoch) == (other.status, other.best_epoch)
    assert one.at_best == other.at_best
    assert one.by_epoch == other.by_epoch
    assert one.measured.keys() == other.measured.keys()
    for group, mine in one.measured.items():
        assert mine.keys() == other.measured[group].keys()
        for epoch, found in mine.items():
            xr.testing.assert_identical(found, other.measured[group][epoch])


def trained(runs: Sequence[Run], case: str) -> dict[str, Outcome]:
    task = CASES[case][0]
    return {outcome.run.id: outcome for outcome in train(runs, task, task.load())}


@pytest.mark.parametrize(("case", "threads"), [*((case, 1) for case in CASES), *((case, 2) for case in ON_TWO_THREADS)])
def test_alone_in_other_company_and_in_another_place(case: str, threads: int, torch_threads: Callable[[int], None]):
    torch_threads(threads)
    runs = runs_of(case)
    together = trained(runs, case)
    assert len({tuple(outcome.by_epoch["train_loss"]) for outcome in together.values()}) == len(runs)
    backwards = trained(runs[::-1], case)
    for run in runs:
        assert_same(together[run.id], backwards[run.id])
    assert_same(together[runs[-2].id], trained([runs[-2]], case)[runs[-2].id])
    assert_same(together[runs[1].id], trained(runs[1:3], case)[runs[1].id])


def test_training_again_gives_the_same_whatever_torchs_seed_is():
    runs = runs_of("lstm adam")
    torch.manual_seed(1)
    first = trained(runs, "lstm adam")
    torch.manual_seed(2)
    again = trained(runs, "lstm adam")
    for run in runs:
        assert_same(first[run.id], again[run.id])


@pytest.mark.parametrize("seed", ["init", "data", "masks"])
def test_each_of_the_three_seeds_matters(seed: str):
    run = make_run(0, Zoneout(cell=0.5))
    other = run.model_copy(update={"seeds": run.seeds.model_copy(update={seed: 999})})
    task = TinyExamples()
    one, two = train([run, other], task, task.load())
    assert one.by_epoch["train_loss"] != two.by_epoch["train_loss"]


def test_the_mask_seed_means_nothing_without_masks():
    run = make_run(0)
    other = run.model_copy(update={"seeds": run.seeds.model_copy(update={"masks": 999})})
    task = TinyExamples()
    one, two = train([run, other], task, task.load())
    assert one.by_epoch == two.by_epoch


def test_runs_of_different_shapes_do_not_train_together():
    task = TinyExamples()
    with pytest.raises(ValueError, match="one shape"):
        train([make_run(0), make_run(1, hidden=9)], task, task.load())
