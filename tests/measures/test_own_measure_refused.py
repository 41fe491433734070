"""Everything that can be wrong with a measure of one's own, refused by name."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from own_measure import Mixed, StateLength, length, model_and_batch, own, raises, small

from zoneout_lab import GradientFlow, Measure, Metric, Score, UpdateActivity
from zoneout_lab import measures as module
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import as_measure, check_together, refuse_other_labels, take
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import make_task

M = Metric("something")
DECLARATIONS: dict[str, tuple[Callable[[], Sequence[Measure]], str]] = {
    "twice": (lambda: [StateLength(), StateLength(2.0)], "'state_length' is given twice"),
    "bad name": (lambda: [own(kind="State length")], "called 'State length'"),
    "metrics' group": (lambda: [own(group="metrics")], "the group 'metrics', which holds the runs' metrics"),
    "gradients' group": (lambda: [own(group="gradients")], "the group 'gradients', which holds gradient norms"),
    "one group": (lambda: [StateLength(), own(kind="b", group="state_length")], "which holds those of the measure"),
    "a metric's name": (
        lambda: [own(scalars={"valid_error": M})],
        "'valid_error' already means validation examples classified",
    ),
    "a reduction's name": (
        lambda: [own(scalars={"perturbation_cell": M})],
        "'perturbation_cell' already means what is left",
    ),
    "another quantity": (lambda: [own(quantities={"norm": M})], "'norm' already means mean over examples"),
    "another scalar": (lambda: [StateLength(), own(kind="b")], "both have a scalar 'last_length'"),
    "one name twice": (lambda: [own(scalars={"length": M})], "'length' is used twice"),
    "a study's dimension": (lambda: [own(dims=("epoch",))], "'epoch' is used twice, or is a dimension of every study"),
    "reserved ending": (lambda: [own(scalars={"a_without_noise": M})], "not ending in _without_noise"),
    "no tuple": (lambda: [own(dims="time")], "its dims as a tuple"),
    "no quantity": (lambda: [own(quantities={})], "at least one quantity"),
    "not described": (lambda: [own(quantities={"length": ("x", "1")})], "give a zoneout_lab.Metric"),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_declarations_that_cannot_be_are_refused(case: str) -> None:
    measures, message = DECLARATIONS[case]
    with pytest.raises(InputRefusedError, match=message):
        check_together(measures())
    with pytest.raises((InputRefusedError, ValueError), match=message):
        small(measures=tuple(measures()))


def test_a_scalar_may_not_be_called_as_the_task_s_score_is() -> None:
    score = Score("accuracy", "accuracy", "1", lambda loss, _: loss)
    check_together([own(scalars={"valid_accuracy": M})])
    with pytest.raises(InputRefusedError, match="'valid_accuracy' already means validation accuracy"):
        check_together([own(scalars={"valid_accuracy": M})], score)


def test_what_is_not_a_measure_is_refused() -> None:
    assert (
        as_measure("gradient_flow")
        == as_measure(GradientFlow)
        == as_measure({"kind": "gradient_flow"})
        == as_measure(module.gradient_flow)
        == GradientFlow()
    )
    with pytest.raises(ValueError, match=r"no measure 'gradient_flux'\. Did you mean 'gradient_flow'"):
        small(measures=("gradient_flux",))
    for strange in (module.probe, 3, Measure):
        with pytest.raises(ValueError, match="measures"):
            small(measures=(strange,))


def test_a_measure_that_mixes_replicas_is_refused() -> None:
    """Its numbers would depend on what else trains in the batch."""
    task = make_task("digits")
    with pytest.raises(
        InputRefusedError, match=r"'mixed_length' finds other values of 'length' in a run beside another"
    ):
        check_parts(small(measures=(Mixed(),)), task, task.load())


def test_a_class_stands_for_its_defaults() -> None:
    assert small(measures=(StateLength, UpdateActivity)).measures == (StateLength(), UpdateActivity())


def returns(make: Callable[[int], Any]) -> Measure:
    return own(measure=lambda self, model, batch: [make(r) for r in range(2)])


def spoils(self: Any, model: Any, batch: Any) -> Any:
    with torch.no_grad():
        model.readout_bias.add_(1)
    return [length([[1.0]]), length([[1.0]])]


RESULTS: dict[str, tuple[Callable[[], Measure], str]] = {
    "nothing": (lambda: own(measure=lambda *_: None), "returned a NoneType; it has to return a list"),
    "arrays": (lambda: returns(lambda r: np.zeros(3)), "returned a list of ndarray"),
    "too few": (lambda: own(measure=lambda *_: [length([[1.0]])]), "1 datasets for 2 replicas"),
    "undeclared": (
        lambda: returns(lambda r: length([[1.0]]).assign(more=1.0)),
        "'more', which is not among its quantities",
    ),
    "missing": (lambda: returns(lambda r: xr.Dataset()), "did not return 'length'"),
    "wrong dims": (
        lambda: returns(lambda r: length([[1.0]], ("layer", "lag"))),
        r"\(layer, lag\), but the measure declares \(layer, time\)",
    ),
    "no dims": (lambda: returns(lambda r: length(1.0, ())), "'length' has no dimension"),
    "texts": (lambda: returns(lambda r: length([["a"]])), "is of type <U1"),
    "complex": (lambda: returns(lambda r: length([[1j]])), "is of type complex128"),
    "empty": (lambda: returns(lambda r: length(np.zeros((1, 0)))), r"is empty, of shape \[1, 0\]"),
    "labels twice": (lambda: returns(lambda r: length([[1.0, 2.0]], time=[3, 3])), "two labels of 'time' are equal"),
    "labels of nothing": (
        lambda: returns(lambda r: length([[1.0, 2.0]], time=[1j, 2j])),
        "labels of 'time' are of type",
    ),
    "no scalars": (
        lambda: own(reduce=lambda *_: {}),
        r"reduce\(\) returned nothing, but the declared scalars are last_length",
    ),
    "other scalars": (lambda: own(reduce=lambda *_: {"a": 1.0}), r"reduce\(\) returned a, but"),
    "a scalar of several": (lambda: own(reduce=lambda *_: {"last_length": np.zeros(2)}), "has to be one number"),
    "a masked scalar": (
        lambda: own(reduce=lambda *_: {"last_length": np.ma.masked}),
        "masked; it has to be one number",
    ),
    "a scalar of text": (lambda: own(reduce=lambda *_: {"last_length": "long"}), "'long'; it has to be one number"),
    "its own error": (lambda: own(measure=raises(KeyError("l0"))), "failed: KeyError: 'l0'"),
    "ours": (lambda: own(measure=raises(InputRefusedError("Nothing here."))), "Nothing here"),
    "weights": (lambda: own(measure=spoils), "changed the model's weights"),
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_cannot_be_are_refused_by_name(case: str) -> None:
    measure, message = RESULTS[case]
    model, batch = model_and_batch()
    with pytest.raises(InputRefusedError, match=f"measure 'state_length'.*{message}"):
        take(measure(), model, batch, 2)


def test_memory_that_is_full_is_told_as_such() -> None:
    model, batch = model_and_batch()
    with pytest.raises(MemoryError):
        take(own(measure=raises(MemoryError())), model, batch, 2)


def test_noise_may_not_change_what_there_is() -> None:
    model, batch = model_and_batch()
    some = own(measure=lambda self, model, batch: [length(np.ones((1, 2 + model.training)))] * 2)
    with pytest.raises(
        InputRefusedError, match=r"different labels of 'time' with noise and without \(3 and 2 of them\)"
    ):
        take(some, model, batch, 2)
    none = own(measure=lambda self, model, batch: [length([[1.0]])] * 2 if model.training else [])
    with pytest.raises(InputRefusedError, match="only with noise, or only without it"):
        take(none, model, batch, 2)
    assert take(own(measure=lambda *_: []), model, batch, 2) == []
    alone = take(own(without_noise=False), model, batch, 2)
    assert set(alone[0].data_vars) == {"length", "last_length"}


def test_labels_stay_the_same_from_epoch_to_epoch() -> None:
    one, other = length([[1.0, 2.0]], time=[0, 1]), length([[1.0, 2.0]], time=[0, 2])
    refuse_other_labels(StateLength(), one, one, "a", "b")
    with pytest.raises(InputRefusedError, match=r"'time' after epoch 1 and after epoch 2 \(2 and 2 of them\)"):
        refuse_other_labels(StateLength(), one, other, "after epoch 1", "after epoch 2")


def test_a_measure_that_calls_what_draws_moves_no_generator() -> None:
    def draws(self: Any, model: Any, batch: Any) -> Any:
        model(batch.inputs)  # counts an update up
        value = random.random() + np.random.default_rng().random() + np.random.random() + float(torch.rand(()))
        return [length([[value]])] * 2

    model, batch = model_and_batch()
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), model.rnn.update)
    take(own(measure=draws), model, batch, 2)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), model.rnn.update)
    assert before == after
