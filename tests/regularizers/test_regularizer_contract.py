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
from zoneout_lab.ops.cells import CELLS, FAST
from zoneout_lab.ops.masks import AXES, SITES
from zoneout_lab.regularizers import (
    INVERTED,
    REGULARIZERS,
    CellDropout,
    Combined,
    HiddenDropout,
    NonRecurrentDropout,
    NormStabilizer,
    RecurrentDropout,
    RnnDrop,
    VariationalDropout,
    WeightNoise,
    Zoneout,
    from_json,
    to_json,
)

LAYERS = {"lstm": (LSTM, {}), "gru": (GRU, {}), "rnn_tanh": (RNN, {}), "rnn_relu": (RNN, {"nonlinearity": "relu"})}
STRENGTHS = {"sigma", "beta"}
RATES = {
    kind: [f.name for f in dataclasses.fields(r) if f.type in ("float", "Rate") and f.name not in STRENGTHS]
    for kind, r in REGULARIZERS.items()
}
ONE_STRENGTH = [
    (kind, f.name) for kind, r in REGULARIZERS.items() for f in dataclasses.fields(r) if f.name in STRENGTHS
]
#: what each cell refuses, by member and rate; everything else has to work
REFUSED = {
    ("zoneout", "cell"): {"gru", "rnn_tanh", "rnn_relu"},
    ("recurrent_dropout", "p"): {"rnn_tanh", "rnn_relu"},
    ("cell_dropout", "p"): {"gru", "rnn_tanh", "rnn_relu"},
    ("rnn_drop", "p"): {"gru", "rnn_tanh", "rnn_relu"},
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
    assert {mask.rate for mask in sites.values()} == ({rate} if rate else set())
    assert set(sites) <= set(SITES)
    assert all(mask.varies <= set(AXES) for mask in sites.values())


@pytest.mark.parametrize(("kind", "name"), ONE_RATE)
@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, "half", None, True])
def test_values_that_are_not_probabilities_are_refused(kind: str, name: str, value: object):
    with pytest.raises(InputRefusedError, match=r"must lie in \[0, 1\]"):
        REGULARIZERS[kind](**{name: value})


@pytest.mark.parametrize(("field", "value"), [("per", "replica"), ("resample", "epoch")])
def test_zoneout_refuses_an_unknown_choice(field: str, value: str):
    with pytest.raises(InputRefusedError, match=f"zoneout's {field} is '{value}'"):
        Zoneout(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "schedule",
    [
        {"over": 10},
        {"cell_end": 0.5},
        {"cell_end": 0.5, "over": 0},
        {"cell_end": 0.5, "over": True},
        {"cell_end": 0.5, "over": 0.5},
        {"over_share": 0.5},
        {"cell_end": 0.5, "over_share": 1.5},
        {"cell_end": 0.5, "over_share": 0.0},
        {"cell_end": 0.5, "over": 5, "over_share": 0.5},
    ],
)
def test_a_schedule_has_an_end_and_a_length(schedule: dict[str, float]):
    with pytest.raises(InputRefusedError, match=r"zoneout's (over|over_share|cell_end)"):
        Zoneout(cell=0.1, **schedule)


@pytest.mark.parametrize(
    "value", [Zoneout(cell=(0.0, 0.5)), Zoneout(hidden=0.0, hidden_end=(0.1, 0.2), over=5)], ids=str
)
def test_rates_per_unit_and_schedules_go_through_json(value: Zoneout):
    assert from_json(json.loads(json.dumps(to_json(value)))) == value
    assert sorted(value.sites()) == (["cell"] if value.hidden_end is None else ["hidden"])


def test_rates_for_another_number_of_units_are_refused():
    rnn = LSTM(2, 5, regularizer=Zoneout(cell=(0.1, 0.2, 0.3)))
    for mode in (True, False):
        with pytest.raises(InputRefusedError, match="rates for 3 units, and the layer has 5"):
            rnn.train(mode)(torch.ones(6, 4, 2))


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(("kind", "name"), ONE_RATE)
def test_works_with_a_cell_or_is_refused_by_name(kind: str, name: str, cell: str):
    regularizer, (layer, options) = REGULARIZERS[kind](**{name: 0.5}), LAYERS[cell]
    if cell in REFUSED.get((kind, name), ()):
        with pytest.raises(InputRefusedError, match="does not work with the") as refusal:
            layer(2, 3, regularizer=regularizer, **options)
        assert repr(regularizer) in str(refusal.value)
        assert CELLS[cell].noun in str(refusal.value)
    else:
        x = torch.ones(6, 4, 2)
        torch.manual_seed(0)
        regularized = layer(2, 20, regularizer=regularizer, mask_seed=1, **options)
        torch.manual_seed(0)
        plain = layer(2, 20, **options)
        assert torch.equal(regularized(x)[0], plain(x)[0]) == (name == "embedding")  # the layer embeds nothing
        scaled_up = regularizer.sites().keys() <= set(INVERTED)
        assert torch.equal(regularized.eval()(x)[0], plain(x)[0]) == scaled_up


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


@pytest.mark.parametrize(("kind", "name"), ONE_STRENGTH)
@pytest.mark.parametrize("value", [-0.01, math.nan, math.inf, "half", None, True])
def test_values_that_are_not_strengths_are_refused(kind: str, name: str, value: object):
    with pytest.raises(InputRefusedError, match="finite number of at least 0"):
        REGULARIZERS[kind](**{name: value})


COMBINE = [
    NonRecurrentDropout(0.65) + Zoneout(cell=0.25, hidden=0.025),
    RecurrentDropout(0.2) + WeightNoise(0.01),
    VariationalDropout(recurrent=0.2) + NormStabilizer(1.0) + Zoneout(hidden=0.1),
]


@pytest.mark.parametrize("value", COMBINE, ids=str)
def test_combinations_work_and_go_through_json(value: Combined):
    assert from_json(json.loads(json.dumps(to_json(value)))) == value
    assert hash(value) == hash(from_json(to_json(value)))
    rnn = LSTM(2, 5, 2, regularizer=value, mask_seed=1)
    out = rnn(torch.ones(6, 4, 2))[0]
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in rnn.parameters())
    assert rnn.update == 1


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: CellDropout(0.1) + RnnDrop(0.1), "both act at the site 'memory'"),
        (lambda: NonRecurrentDropout(0.1) + VariationalDropout(input=0.1), "both act at the site 'input'"),
        (lambda: WeightNoise(0.1) + WeightNoise(0.2), "of the same kind"),
    ],
)
def test_what_does_not_combine_is_refused_by_name(make, why: str):
    with pytest.raises(InputRefusedError, match=why):
        make()


def test_a_schedule_over_a_share_of_training_waits_for_its_length():
    share = Zoneout(cell=0.5, cell_end=0.0, over_share=0.5)
    for value in (share, WeightNoise(0.1) + share):
        assert from_json(json.loads(json.dumps(to_json(value)))) == value
        with pytest.raises(InputRefusedError, match="whose length only a study knows"):
            LSTM(2, 3, regularizer=value)
    assert share.for_training(7) == Zoneout(cell=0.5, cell_end=0.0, over=4)
    assert (WeightNoise(0.1) + share).for_training(7) == WeightNoise(0.1) + share.for_training(7)
    assert share.for_training(1).over == 1
    with pytest.raises(InputRefusedError, match="both act at the site 'hidden'"):
        Zoneout(hidden=0.5, hidden_end=0.0, over_share=0.5) + Zoneout(hidden=0.1, share=True)


def test_combinations_are_flat_and_know_their_parts():
    value = (NonRecurrentDropout(0.1) + Zoneout(hidden=0.1)) + WeightNoise(0.5)
    assert len(value.parts) == 3
    assert (value.weight_noise, WeightNoise(0.5).parts) == (0.5, (WeightNoise(0.5),))
    with pytest.raises(InputRefusedError, match="does not work with the GRU"):
        GRU(2, 3, regularizer=NonRecurrentDropout(0.1) + Zoneout(cell=0.1))


REPLICAS = [
    [WeightNoise(0.1), Zoneout(0.3), NormStabilizer(2.0), NonRecurrentDropout(0.4), VariationalDropout(input=0.2)],
    [HiddenDropout(0.3) + Zoneout(hidden=0.3), CellDropout(0.3)],
    [VariationalDropout(recurrent=0.3), VariationalDropout(recurrent=0.1) + HiddenDropout(0.3)],
]


@pytest.mark.parametrize("kinds", REPLICAS, ids=lambda kinds: type(kinds[0]).__name__)
def test_a_replica_is_what_it_is_alone(kinds):
    x = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(0))
    together = LSTM(2, 20, 2, regularizer=kinds, replicas=len(kinds), mask_seed=list(range(len(kinds))))
    out = together(x[None])[0]
    loss = out.square().sum((1, 2, 3)) + (0 if together.penalty is None else together.penalty)
    grads = torch.autograd.grad(loss.sum(), list(together.parameters()))
    for r, kind in enumerate(kinds):
        alone = LSTM(2, 20, 2, regularizer=[kind], replicas=1, mask_seed=[r])
        with torch.no_grad():
            for mine, theirs in zip(alone.parameters(), together.parameters(), strict=True):
                mine.copy_(theirs[r : r + 1])
        single = alone(x[None])[0]
        assert torch.equal(single[0], out[r])
        loss = single.square().sum() + (0 if alone.penalty is None else alone.penalty.sum())
        for mine, theirs in zip(torch.autograd.grad(loss, list(alone.parameters())), grads, strict=True):
            assert torch.equal(mine[0], theirs[r])
        assert all(torch.equal(a[0], b[r]) for a, b in zip(alone.buffers(), together.buffers(), strict=True))


def test_every_site_of_every_cell_has_a_member_that_uses_it():
    members = (Zoneout(0.5, 0.5), RecurrentDropout(0.5), CellDropout(0.5), HiddenDropout(0.5))
    assert {site for member in members for site in member.sites()} == {
        site for cell in FAST.values() for site in cell.fast_sites
    }
