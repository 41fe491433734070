"""The contract of a measure: every member of the list keeps it, and one of one's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr
from own_measure import StateLength, model_and_batch

from zoneout_lab import Measure
from zoneout_lab.errors import UsageError
from zoneout_lab.measures import MEASURES, check_together, from_json, take, to_json


def members() -> list[Measure]:
    return [*(kind() for kind in MEASURES.values()), StateLength(), StateLength(2.0)]


@pytest.fixture(params=members(), ids=repr)
def measure(request: pytest.FixtureRequest) -> Measure:
    return request.param


def test_a_measure_is_a_frozen_value_that_json_holds(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    assert from_json(json.loads(json.dumps(to_json(measure)))) == measure
    assert hash(measure) == hash(from_json(to_json(measure)))
    with pytest.raises(UsageError, match="no option 'strange'"):
        from_json(to_json(measure) | {"strange": 1})
    check_together([measure])


@pytest.mark.parametrize("layers", [1, 2])
def test_a_measure_gives_what_it_declares_for_each_replica_alone(measure: Measure, layers: int) -> None:
    model, batch = model_and_batch(layers=layers)
    together = take(measure, model, batch, 2)
    assert len(together) == 2
    for found in together:
        for name in measure.quantities:
            assert set(found[name].dims) <= set(measure.dims)
            assert found[f"{name}_without_noise"].dims == found[name].dims
            assert found[name].notnull().any()
        assert set(found.data_vars) >= set(measure.names()) or measure.reduced_when_read
        assert json.loads(found.attrs["measure"])["kind"] == measure.kind
    # the first replica of another model with other company
    alone, _ = model_and_batch(1, layers)
    (found,) = take(measure, alone, batch, 1)
    xr.testing.assert_allclose(found, together[0], rtol=1e-6)
    assert not together[0].equals(together[1])


def test_noise_makes_a_difference_and_is_the_same_each_time(measure: Measure) -> None:
    model, batch = model_and_batch()
    first, second = take(measure, model, batch, 2), take(measure, model, batch, 2)
    for one, other in zip(first, second, strict=True):
        xr.testing.assert_identical(one, other)
        name = next(iter(measure.quantities))
        assert not np.array_equal(one[name], one[f"{name}_without_noise"])


@pytest.mark.parametrize("training", [True, False])
def test_a_measure_moves_nothing(measure: Measure, training: bool) -> None:
    model, batch = model_and_batch()
    model.train(training)
    model.rnn.update, model.rnn.evaluation = 5, "sampled"
    before = [torch.get_rng_state(), *(tensor.clone() for tensor in (*model.parameters(), *model.buffers()))]
    take(measure, model, batch, 2)
    assert (model.rnn.update, model.rnn.draw, model.rnn.evaluation, model.training) == (5, 0, "sampled", training)
    after = [torch.get_rng_state(), *model.parameters(), *model.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
