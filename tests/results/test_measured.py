"""At which epoch a measurement is taken: the same for all runs or each one's last, and never an earlier one in the place of one that failed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tiny_studies import hypothesis, make_run, make_spec

from zoneout_lab import profiles, schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results import judge, scalar

NAN = math.nan
METRIC = "perturbation_hidden"


def growth(value: float) -> xr.Dataset:
    return profiles.perturbation_dataset([[[value, value]]], layers=["l0"], states=["hidden"])


def run(arm: str, seed: int, epochs: int, measured: dict[int, float], status: str = "finished") -> xr.DataTree:
    return make_run(
        arm, seed, [0.5] * epochs, status=status, dynamics={epoch: growth(value) for epoch, value in measured.items()}
    )


def values_of(runs: list[xr.DataTree], at: list[int] | None, **record: Any) -> np.ndarray:
    """The metric as [arm, seed] for two seeds of the LSTM and of zoneout, of a study that measures ``at`` these epochs."""
    study = {} if at is None else {"study": make_spec() | {"gradient_epochs": at}}
    tree = schema.study_tree(
        [(each, "") for each in runs], arms=["lstm", "zoneout"], seeds=[0, 1], provenance=study | record
    )
    return scalar(tree, METRIC).values


#: four epochs each, measured before training, after one epoch and after three
THREE = [
    run("lstm", 0, 4, {0: 9.0, 1: 0.5, 3: 0.25}),
    run("lstm", 1, 4, {0: 9.0, 1: 0.75, 3: 0.125}),
    run("zoneout", 0, 4, {0: 9.0, 1: 0.625, 3: 0.375}),
]


def unmeasured(arm: str = "zoneout", group: str = "dynamics") -> list[dict[str, Any]]:
    return [{"arm": arm, "seed": 1, "group": group, "epoch": 3, "error": "out of memory"}]


@pytest.mark.parametrize(
    ("last", "record", "expected"),
    [
        # measured at the same epochs: the last of them
        (run("zoneout", 1, 4, {1: 0.875, 3: 0.0625}), {}, [[0.25, 0.125], [0.375, 0.0625]]),
        # stopped before the third epoch, so that only the first is everybody's
        (run("zoneout", 1, 2, {1: 0.875}), {}, [[0.5, 0.75], [0.625, 0.875]]),
        # was to be measured after three and was not: the first does not stand in
        (run("zoneout", 1, 3, {1: 0.875}), {}, [[0.25, 0.125], [0.375, NAN]]),
        (run("zoneout", 1, 4, {1: 0.875, 3: NAN}), {}, [[0.25, 0.125], [0.375, NAN]]),
        # never measured, and on record that it failed
        (run("zoneout", 1, 4, {}), {"unmeasured": unmeasured()}, [[0.25, 0.125], [0.375, NAN]]),
        # never measured, for all that is known: no epoch is everybody's
        (run("zoneout", 1, 4, {}), {}, [[NAN, NAN], [NAN, NAN]]),
        (run("zoneout", 1, 4, {}), {"unmeasured": unmeasured(group="gradients")}, [[NAN, NAN], [NAN, NAN]]),
        (run("zoneout", 1, 4, {}), {"unmeasured": unmeasured(arm="lstm")}, [[NAN, NAN], [NAN, NAN]]),
        # diverged runs decide nothing
        (run("zoneout", 1, 1, {1: 0.875}, "diverged"), {}, [[0.25, 0.125], [0.375, NAN]]),
    ],
    ids=["whole", "stopped", "lacking", "not a number", "failed", "never", "other group", "other run", "diverged"],
)
def test_one_epoch_for_all_runs(last, record, expected):
    np.testing.assert_array_equal(values_of([*THREE, last], [0, 1, 3], **record), expected)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (run("zoneout", 1, 6, {1: 0.875, 6: 0.0625}), 0.0625),
        (run("zoneout", 1, 6, {1: 0.875}), NAN),  # its end was not measured, and an earlier epoch is not its end
        (run("zoneout", 1, 1, {1: 0.875}), 0.875),
        (run("zoneout", 1, 3, {1: 0.875, 3: 0.25}, "diverged"), NAN),
        (run("zoneout", 1, 3, {}), NAN),
    ],
    ids=["longer", "lacking", "short", "diverged", "never"],
)
def test_each_run_at_its_end(last, expected):
    runs = [
        run("lstm", 0, 4, {0: 9.0, 4: 0.25}),
        run("lstm", 1, 2, {0: 9.0, 2: 0.125}),
        run("zoneout", 0, 3, {0: 9.0, 3: 0.375}),
    ]
    np.testing.assert_array_equal(values_of([*runs, last], [0, -1]), [[0.25, 0.125], [0.375, expected]])


def test_an_end_is_due_only_where_the_study_measures_there():
    """These runs trained for four epochs, after which nothing was to be measured."""
    np.testing.assert_array_equal(values_of(THREE[:2], [0, 1, 3]), [[0.25, 0.125], [NAN, NAN]])
    np.testing.assert_array_equal(values_of(THREE[:2], None), [[0.25, 0.125], [NAN, NAN]])
    np.testing.assert_array_equal(values_of(THREE[:2], [0, 1, 3, 9]), [[0.25, 0.125], [NAN, NAN]])
    # at the end nothing was measured although it was to be
    np.testing.assert_array_equal(values_of(THREE[:2], [0, 1, 3, -1]), [[NAN, NAN], [NAN, NAN]])


def test_before_training_is_no_measurement_of_it():
    runs = [run(arm, seed, 2, {0: 0.5}) for arm in ("lstm", "zoneout") for seed in (0, 1)]
    for at in ([0], [0, -1], [0, 2], None):
        assert np.isnan(values_of(runs, at)).all()


def test_what_failed_everywhere_is_said_to_have_failed():
    runs = [run(arm, 0, 2, {}) for arm in ("lstm", "zoneout")]
    record = {"unmeasured": [{"arm": "lstm", "seed": 0, "group": "dynamics", "epoch": 1, "error": "out of memory"}]}
    with pytest.raises(InputRefusedError, match=f"{METRIC} needs .*, and measuring them failed: out of memory"):
        values_of(runs, [0, 1], **record)
    other = {"unmeasured": unmeasured(group="gradients")}
    with pytest.raises(InputRefusedError, match="and this study measured none"):
        values_of(runs, [0, 1], **other)


def test_a_declared_metric_that_no_run_has_costs_no_other_its_verdict():
    runs = [make_run(arm, seed, [0.5 - (arm == "zoneout") * (seed + 1) / 100]) for arm in ("lstm", "zoneout") for seed in range(6)]  # fmt: skip
    spec = make_spec([hypothesis(metric=METRIC), hypothesis() | {"name": "error"}], seeds=6) | {"family": "joint"}
    tree = schema.study_tree(
        [(each, "") for each in runs], arms=["lstm", "zoneout"], seeds=range(6), provenance={"study": spec}
    )
    lacking, error = (j.comparison for j in judge(tree))
    assert (lacking.verdict, lacking.seeds, lacking.lost) == ("underpowered", (), tuple(range(6)))
    assert error.verdict == "supported"


@pytest.mark.parametrize("value", [True, 1, np.float32(1.0)], ids=str)
def test_a_number_of_any_type_may_be_missing_in_some_runs(value):
    runs = [make_run(arm, 0, [0.5], dynamics={1: xr.Dataset({"many": value})}) for arm in ("lstm", "zoneout")]
    tree = schema.study_tree([(each, "") for each in runs], arms=["lstm", "zoneout"], seeds=[0, 1], provenance={})
    np.testing.assert_array_equal(scalar(tree, "many"), [[1.0, NAN], [1.0, NAN]])
