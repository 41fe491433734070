"""What a training function logs, records and returns becomes a run's outcome, or a failure that says why."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr

from zoneout_lab import LSTM, Metric, gradient_flow
from zoneout_lab.errors import FunctionFailedError, InputRefusedError
from zoneout_lab.frozen import Seeds
from zoneout_lab.functions import FunctionRun
from zoneout_lab.functions.recorded import MOST_NUMBERS
from zoneout_lab.functions.result import outcome_of
from zoneout_lab.functions.running import Running
from zoneout_lab.functions.saved import packed, unpacked
from zoneout_lab.functions.trainer import _outcome

RUN = FunctionRun(arm="a", seed=0, seeds=Seeds(init=1, data=2, masks=3), train="./m.py:train", params={})
ACCURACY = {"accuracy": Metric("accuracy", unit="%", better="higher")}


class Unspeakable:
    def __repr__(self):
        raise ValueError("no")


def running(**params):
    return Running(arm="a", seed=0, params=params, seeds=RUN.seeds, device="cpu")


def test_curves_are_by_the_epochs_that_the_function_names():
    run = running()
    run.log(2, loss=0.5)
    run.log(0, loss=1, valid=torch.tensor(3.0))
    run.log(2, valid=np.float32(0.25))
    outcome = outcome_of(RUN, run, {"accuracy": np.int64(90)}, ACCURACY)
    assert outcome.epochs == [0, 2]
    assert outcome.by_epoch == {"loss": [1.0, 0.5], "valid": [3.0, 0.25]}
    assert outcome.at_best == {"accuracy": 90.0}
    assert outcome.status == "finished"


def test_a_curve_may_be_called_as_what_is_returned():
    run = running()
    run.log(0, accuracy=10)
    outcome = outcome_of(RUN, run, {"accuracy": 20}, ACCURACY)
    assert outcome.by_epoch == {"accuracy_by_epoch": [10.0]}
    assert outcome.at_best == {"accuracy": 20.0}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), torch.tensor(math.nan)])
def test_a_metric_that_is_not_finite_is_a_run_that_diverged(value):
    assert outcome_of(RUN, running(), {"accuracy": value}, ACCURACY).status == "diverged"


def test_a_curve_that_is_not_finite_is_none():
    run = running()
    run.log(0, loss=math.nan)
    assert outcome_of(RUN, run, {"accuracy": 1}, ACCURACY).status == "finished"


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (None, "the function returned None; return a mapping of metrics, {'accuracy': …}"),
        (0.9, "the function returned 0.9"),
        ({}, "did not return accuracy"),
        ({"accuracy": 1, "speed": 2}, "returned speed, which the study's metrics do not describe"),
        ({"accuracy": [1, 2]}, "the metric accuracy is [1, 2]; give one number"),
        ({"accuracy": "high"}, "the metric accuracy is 'high'"),
        ({"accuracy": None}, "the metric accuracy is None"),
        ({"accuracy": True}, "the metric accuracy is True"),
        ({"accuracy": np.ones(2)}, "the metric accuracy is array"),
        ({"accuracy": 1 + 2j}, "the metric accuracy is (1+2j)"),
        ({"accuracy": np.ma.masked}, "the metric accuracy is masked, which is no number"),
        ({"accuracy": np.ma.array([3, 4], mask=[True, True]).max()}, "the metric accuracy is masked"),
        ({"accuracy": np.timedelta64(90, "ns")}, "the metric accuracy is np.timedelta64(90,'ns')"),
        ({"accuracy": torch.zeros((), device="meta")}, "the metric accuracy is tensor("),
        ({"accuracy": torch.tensor(2.0).to_sparse()}, "the metric accuracy is tensor("),
        ({"accuracy": Unspeakable()}, "the metric accuracy is <Unspeakable object>; give one number"),
        (Unspeakable(), "the function returned <Unspeakable object>"),
    ],
)
def test_what_cannot_be_a_result_fails_the_run_and_says_why(returned, why):
    with pytest.raises(FunctionFailedError) as error:
        outcome_of(RUN, running(), returned, ACCURACY)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("epoch", "values"),
    [
        (-1, {}),
        (1.5, {}),
        ("1", {}),
        (True, {}),
        (0, {"seed": 1}),
        (0, {"loss": "x"}),
        (0, {"loss": [1]}),
        (0, {"status": 1}),
        (0, {"loss": np.ma.masked}),
        (Unspeakable(), {}),
    ],
)
def test_what_cannot_be_a_curve_is_refused(epoch, values):
    with pytest.raises(InputRefusedError):
        running().log(epoch, **values)


def test_gradient_flow_is_recorded_as_that_of_the_built_in_measure():
    rnn = LSTM(2, 3)
    run = running()
    run.log(0, loss=1)
    run.record(gradient_flow(rnn, torch.randn(5, 4, 2), lambda out: out[0].square().sum()))
    outcome = outcome_of(RUN, run, {"accuracy": 1}, ACCURACY)
    assert list(outcome.measured) == ["gradients"]
    assert list(outcome.measured["gradients"]) == [1]


def test_a_number_that_was_recorded_counts_as_a_metric():
    run = running()
    run.record(xr.Dataset({"entropy": 0.5, "weights": ("unit", [1.0, 2.0])}), "attention", epoch=3)
    metrics = ACCURACY | {"entropy": Metric("attention entropy", "nat")}
    outcome = outcome_of(RUN, run, {"accuracy": 1}, metrics)
    assert outcome.at_best == {"accuracy": 1.0, "entropy": 0.5}
    with pytest.raises(FunctionFailedError, match="entropy was returned and recorded"):
        outcome_of(RUN, run, {"accuracy": 1, "entropy": 1}, metrics)


def test_a_number_that_was_recorded_several_times_counts_as_it_was_last():
    run = running()
    for at, value in ((9, 0.9), (2, 0.2), (5, 0.5)):
        run.record(xr.Dataset({"entropy": value}), "attention", epoch=at)
    metrics = {"entropy": Metric("attention entropy", "nat")}
    assert outcome_of(RUN, run, {}, metrics).at_best == {"entropy": 0.9}


def test_labels_along_other_dimensions_than_their_own_are_left_out():
    run = running()
    run.record(xr.Dataset({"x": ("t", [1.0])}, {"t": [0], "clock": ("t", [3.0]), "alone": 1.0}), "a")
    assert list(run.result()[2]["a"][1].coords) == ["t"]


def test_as_many_numbers_as_can_be_recorded_and_one_more():
    whole = xr.Dataset({"x": ("t", np.zeros(MOST_NUMBERS, dtype=np.float32))})
    running().record(whole, "a")
    with pytest.raises(InputRefusedError, match="10,000,001 numbers; a run can record 10,000,000"):
        running().record(whole.assign(y=1.0), "a")


def test_progress_never_goes_beyond_the_epochs_that_were_announced():
    heard: list[tuple[int, int, int, int]] = []
    for params in ({"epochs": 2}, {"epochs": True}, {}):
        run = running(**params)
        run._report = lambda each: heard.append((each.done, each.total, each.epoch, each.epochs))
        for epoch in range(3):
            run.log(epoch, loss=1)
    assert heard == [(1, 2, 1, 2), (2, 2, 2, 2), (2, 2, 3, 2), *[(0, 1, 1, 1), (0, 1, 2, 2), (0, 1, 3, 3)] * 2]


@pytest.mark.parametrize(
    ("dataset", "name", "why"),
    [
        (xr.DataArray([1.0], name="x"), "a", "takes an xarray.Dataset"),
        ({"x": 1}, "a", "takes an xarray.Dataset, not dict"),
        (xr.Dataset({"x": 1.0}), "metrics", "cannot be called 'metrics'"),
        (xr.Dataset({"x": 1.0}), "Über", "cannot be called"),
        (xr.Dataset({"x": ("seed", [1.0])}), "a", "a has seed"),
        (xr.Dataset({"x": ("t", ["text"])}), "a", "x holds <U4"),
        (xr.Dataset({"x": ("t", np.array([None]))}), "a", "x holds object"),
        (xr.Dataset({"x": ("t", np.array(["2020"], "M8[ns]"))}), "a", "x holds datetime64"),
    ],
)
def test_what_cannot_be_stored_is_refused(dataset, name, why):
    with pytest.raises(InputRefusedError) as error:
        running().record(dataset, name)
    assert why in str(error.value)


def test_what_is_recorded_again_has_to_fit_what_was_recorded_before():
    run = running()
    run.record(xr.Dataset({"x": ("t", [1.0])}, {"t": [0]}), "a", epoch=1)
    run.record(xr.Dataset({"x": ("t", [2.0])}, {"t": [0]}), "a", epoch=2)
    with pytest.raises(InputRefusedError, match="other variables, dimensions or labels"):
        run.record(xr.Dataset({"x": ("t", [2.0])}, {"t": [1]}), "a", epoch=3)


def test_nothing_that_was_recorded_is_replaced():
    run = running()
    run.record(xr.Dataset({"x": 1.0}), "a")
    with pytest.raises(InputRefusedError, match="a was recorded at epoch 1 before"):
        run.record(xr.Dataset({"x": 2.0}), "a")
    run.record(xr.Dataset({"y": 2.0}), "b")
    run.log(0, loss=1)
    run.log(1, loss=1)
    run.record(xr.Dataset({"x": 3.0}), "a")
    assert {at: float(found.x) for at, found in run.result()[2]["a"].items()} == {1: 1.0, 2: 3.0}


def test_what_was_recorded_before_an_interruption_may_be_recorded_again():
    before, after = running(), running()
    before.record(xr.Dataset({"x": 1.0}), "a", epoch=4)
    after._go_on(unpacked(packed({"state": None, "said": before._said()})))
    after.record(xr.Dataset({"x": 2.0}), "a", epoch=4)
    assert float(after.result()[2]["a"][4].x) == 2.0


def test_what_was_recorded_is_a_copy():
    values = np.array([1.0])
    run = running()
    run.record(xr.Dataset({"x": ("t", values)}), "a", epoch=1)
    values[0] = 5
    assert run.result()[2]["a"][1]["x"].item() == 1.0


@pytest.mark.parametrize("name", ["val/acc", "", "a b", "ü" * 70, "x\0"])
def test_a_curve_that_no_file_could_hold_is_refused(name):
    with pytest.raises(InputRefusedError, match="a curve cannot be called"):
        running().log(0, **{name: 1.0})


def test_what_results_call_the_curve_of_a_metric_is_no_name_for_another():
    with pytest.raises(InputRefusedError, match="leave _by_epoch off the name"):
        running().log(0, accuracy_by_epoch=2)


def test_numbers_and_epochs_that_are_too_large_are_refused_by_name():
    with pytest.raises(FunctionFailedError, match="the metric accuracy is 1000"):
        outcome_of(RUN, running(), {"accuracy": 10**400}, ACCURACY)
    with pytest.raises(InputRefusedError, match="the epoch given to run"):
        running().log(10**20, loss=1)


def test_numbers_are_kept_as_they_are_and_attributes_that_no_file_holds_are_left_out():
    dataset = xr.Dataset({"x": ("t", [0.123456], {"valid": True, "none": None, "units": "s"})}, attrs={"of": {"a": 1}})
    dataset["x"].encoding = {"dtype": "int16", "scale_factor": 0.1}
    run = running()
    run.record(dataset, "a")
    kept = run.result()[2]["a"][1]
    assert kept["x"].encoding == {}
    assert kept["x"].attrs == {"units": "s"}
    assert kept.attrs == {}


@pytest.mark.parametrize(
    "dataset",
    [xr.Dataset({"a/b": 1.0}), xr.Dataset({"x": ("a/b", [1.0])}), xr.Dataset({"": 1.0}), xr.Dataset({3: 1.0})],
)
def test_names_that_no_file_could_hold_are_refused(dataset):
    with pytest.raises(InputRefusedError, match="cannot be called"):
        running().record(dataset, "a")


@pytest.mark.parametrize("label", ["a\0b", "half \udc80"])
def test_a_label_that_no_file_could_hold_is_refused(label):
    with pytest.raises(InputRefusedError, match=r"the label .* of t has a zero byte or half a character in it"):
        running().record(xr.Dataset({"x": ("t", [1.0, 2.0])}, {"t": ["fine", label]}), "a")


def test_labels_among_which_is_no_number_may_be_recorded_again():
    run = running()
    for epoch in (1, 2):
        run.record(xr.Dataset({"x": ("t", [1.0, 2.0])}, {"t": [0.5, np.nan]}), "a", epoch=epoch)
    with pytest.raises(InputRefusedError, match="other variables, dimensions or labels"):
        run.record(xr.Dataset({"x": ("t", [1.0, 2.0])}, {"t": [np.nan, 0.5]}), "a", epoch=3)


def test_masked_values_of_what_is_recorded_are_missing():
    run = running()
    run.record(xr.Dataset({"x": ("t", np.ma.array([3, 4], mask=[False, True]))}), "a")
    np.testing.assert_array_equal(run.result()[2]["a"][1].x, [3.0, np.nan])


def test_a_mapping_that_raises_when_it_is_read_fails_its_run_with_a_traceback():
    class Lazy(dict):
        def items(self):
            raise KeyError("not computed")

    with pytest.raises(FunctionFailedError, match="what it returned cannot be read: KeyError: 'not computed'") as error:
        _outcome(RUN, running(), Lazy(accuracy=1), ACCURACY)
    assert "in items" in error.value.trace
