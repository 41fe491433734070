"""What every regularizer on the list does; a new member is tested by being on it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math

import pytest
import torch

from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.layers import GRU, LSTM, RNN
from zoneout_lab.ops.masks import AXES, SITES
from zoneout_lab.ops.reference import CELLS
from zoneout_lab.regularizers import REGULARIZERS, CellDropout, RecurrentDropout, Zoneout, from_json, to_json
from zoneout_lab.regularizers.base import CELL_NAMES

LAYERS = {"lstm": (LSTM, {}), "gru": (GRU, {}), "rnn_tanh": (RNN, {}), "rnn_relu": (RNN, {"nonlinearity": "relu"})}
RATES = {kind: [f.name for f in dataclasses.fields(r) if f.type == "float"] for kind, r in REGULARIZERS.items()}
#: what each cell refuses, by member and rate; everything else has to work
REFUSED = {
    ("zoneout", "cell"): {"gru", "rnn_tanh", "rnn_relu"},
    ("recurrent_dropout", "p"): {"rnn_tanh", "rnn_relu"},
    ("cell_dropout", "p"): {"gru", "rnn_tanh", "rnn_relu"},
}
ONE_RATE = [(kind, name) for kind, names in RATES.items() for name in names]


@pytest.mark.parametrize("kind", REGULARIZERS)
def test_is_a_documented_frozen_value(kind: str):
    member = REGULARIZERS[kind]
    assert member.kind == kind
    assert inspect.getdoc(member)
    value = member()
    assert value == member()
    assert hash(value) == hash(member())
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.kind = "another"  # type: ignore[misc]


@pytest.mark.parametrize("kind", REGULARIZERS)
def test_goes_through_json_and_back(kind: str):
    value = REGULARIZERS[kind](**dict.fromkeys(RATES[kind], 0.25))
    written = to_json(value)
    assert written["kind"] == kind
    assert from_json(json.loads(json.dumps(written))) == value
    with pytest.raises(UsageError, match="no option 'strength'"):
        from_json({"kind": kind, "strength": 1})


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'zoneout'"):
        from_json({"kind": "zonout"})


@pytest.mark.parametrize(("kind", "name"), ONE_RATE)
@pytest.mark.parametrize("rate", [0.0, 1.0, 0.3])
def test_a_rate_becomes_a_mask_with_that_rate(kind: str, name: str, rate: float):
    sites = REGULARIZERS[kind](**{name: rate}).sites()
    assert [mask.rate for mask in sites.values()] == ([rate] if rate else [])
    assert set(sites) <= set(SITES)
    assert all(mask.varies <= set(AXES) for mask in sites.values())


@pytest.mark.parametrize(("kind", "name"), ONE_RATE)
@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, "half", None, True])
def test_what_is_no_probability_is_refused(kind: str, name: str, value: object):
    with pytest.raises(InputRefusedError, match=r"must lie in \[0, 1\]"):
        REGULARIZERS[kind](**{name: value})


@pytest.mark.parametrize(("field", "value"), [("per", "replica"), ("resample", "epoch")])
def test_zoneout_refuses_an_unknown_choice(field: str, value: str):
    with pytest.raises(InputRefusedError, match=f"zoneout's {field} is '{value}'"):
        Zoneout(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(("kind", "name"), ONE_RATE)
def test_works_with_a_cell_or_is_refused_by_name(kind: str, name: str, cell: str):
    regularizer, (layer, options) = REGULARIZERS[kind](**{name: 0.5}), LAYERS[cell]
    if cell in REFUSED.get((kind, name), ()):
        with pytest.raises(InputRefusedError, match="does not work with a") as refusal:
            layer(2, 3, regularizer=regularizer, **options)
        assert repr(regularizer) in str(refusal.value)
        assert CELL_NAMES[cell] in str(refusal.value)
    else:
        x = torch.ones(6, 4, 2)
        torch.manual_seed(0)
        regularized = layer(2, 20, regularizer=regularizer, mask_seed=1, **options)
        torch.manual_seed(0)
        plain = layer(2, 20, **options)
        assert not torch.equal(regularized(x)[0], plain(x)[0])
        assert not torch.equal(regularized.eval()(x)[0], plain(x)[0])


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("kind", REGULARIZERS)
@pytest.mark.parametrize("training", [True, False])
def test_zero_rates_change_nothing_at_all(kind: str, cell: str, training: bool):
    layer, options = LAYERS[cell]
    results = []
    for regularizer in (None, REGULARIZERS[kind]()):
        torch.manual_seed(0)
        rnn = layer(2, 5, 2, regularizer=regularizer, **options).train(training)
        out, states = rnn(torch.linspace(-1, 1, 40).view(5, 4, 2))
        out.square().sum().backward()
        results.append([out, *(states if isinstance(states, tuple) else [states]), *(p.grad for p in rnn.parameters())])
        assert rnn.update == 0
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_every_site_of_every_cell_has_a_member_that_uses_it():
    members = (Zoneout(0.5, 0.5), RecurrentDropout(0.5), CellDropout(0.5))
    assert {site for member in members for site in member.sites()} == {
        s for _, _, sites in CELLS.values() for s in sites
    }
