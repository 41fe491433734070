"""Copies of a layer: one that would draw its original's masks says so, and so do weights that travel without what goes with them."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from zoneout_lab import GRU, LSTM, WeightNoise, Zoneout
from zoneout_lab.errors import InputRefusedError

X = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
ZONEOUT, STATIC = Zoneout(hidden=0.5), Zoneout(hidden=0.5, resample="never")
SCHEDULE = Zoneout(hidden=0.0, hidden_end=0.5, over=100)
DRAWING: dict[str, dict[str, Any]] = {
    "zoneout": {"regularizer": ZONEOUT},
    "a seed of one's own": {"regularizer": ZONEOUT, "mask_seed": 1},
    "dropout": {"num_layers": 2, "dropout": 0.5},
    "weight noise": {"regularizer": WeightNoise(0.1)},
}


@pytest.mark.parametrize("case", DRAWING)
def test_a_deep_copy_refuses_to_draw_its_originals_masks(case: str):
    rnn = LSTM(4, 5, **DRAWING[case])
    twin = copy.deepcopy(rnn)
    rnn(X)
    with pytest.raises(InputRefusedError, match=r"This LSTM is a deep copy.*rnn\.mask_seeds = 7"):
        twin(X)
    assert torch.equal(twin.eval()(X)[0], rnn.eval()(X)[0])  # no masks, no quarrel
    twin.mask_seeds = 7
    assert not torch.equal(twin.train()(X)[0], rnn.train()(X)[0])


def test_the_same_masks_can_be_asked_for():
    rnn = LSTM(4, 5, regularizer=ZONEOUT)
    twin = copy.deepcopy(rnn)
    twin.mask_seeds = rnn.mask_seeds
    assert torch.equal(twin(X)[0], rnn(X)[0])


def test_copies_whose_original_is_gone_still_have_each_other():
    rnn = GRU(4, 5, regularizer=ZONEOUT)
    both = [copy.deepcopy(rnn), copy.deepcopy(copy.deepcopy(rnn))]
    del rnn
    gc.collect()
    for one in both:
        with pytest.raises(InputRefusedError, match="deep copy"):
            one(X)


def test_a_copy_that_stays_alone_goes_on_as_its_original():
    rnn = LSTM(4, 5, regularizer=ZONEOUT)
    rnn(X)
    kept = copy.deepcopy(rnn)
    expected = rnn(X)[0].detach()
    del rnn
    gc.collect()
    assert torch.equal(kept(X)[0], expected)


@pytest.mark.parametrize("regularizer", [None, STATIC], ids=str)
def test_a_copy_that_draws_nothing_or_a_mask_of_the_models_own_is_no_trouble(regularizer: Any):
    rnn = LSTM(4, 5, regularizer=regularizer)
    assert torch.equal(copy.deepcopy(rnn)(X)[0], rnn(X)[0])


def test_what_is_pickled_goes_on_where_it_stood(tmp_path: Path):
    rnn = LSTM(4, 5, regularizer=ZONEOUT)
    rnn(X)
    torch.save(rnn, tmp_path / "rnn.pt")
    for other in (pickle.loads(pickle.dumps(rnn)), torch.load(tmp_path / "rnn.pt", weights_only=False)):
        assert (other.update, other.mask_seeds) == (1, rnn.mask_seeds)
        other(X)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(rnn)))  # in another process there is no original
    assert torch.equal(copied(X)[0], rnn(X)[0])


def test_a_layer_pickled_before_seeds_were_checked_still_opens():
    rnn = LSTM(4, 5, regularizer=ZONEOUT, mask_seed=3)
    state = rnn.__getstate__()
    old = {
        name.removeprefix("_") if name in ("_update", "_draw", "_mask_seeds") else name: state[name] for name in state
    }
    del old["_set_in"], old["_seeds_given"]
    other = LSTM.__new__(LSTM)
    other.__setstate__(old | {"update": 6})
    assert (other.update, other.mask_seeds) == (6, (3,))
    rnn.update = 6
    assert torch.equal(other(X)[0], rnn(X)[0])


def test_a_copy_warns_of_a_schedule_that_will_stand_still():
    rnn = LSTM(4, 5, regularizer=SCHEDULE)
    for made in (AveragedModel, copy.deepcopy):
        with pytest.warns(
            UserWarning, match=r"copy of this LSTM stands where its schedule.*AveragedModel.*set its update"
        ):
            made(rnn)
    AveragedModel(LSTM(4, 5, regularizer=ZONEOUT))
    AveragedModel(LSTM(4, 5, regularizer=STATIC))


WEIGHTS = {
    "as it is": lambda rnn: rnn.state_dict(),
    "weights alone": lambda rnn: dict(rnn.state_dict()),
    "through a file": lambda rnn: pickle.loads(pickle.dumps(rnn.state_dict())),
}


@pytest.mark.parametrize("how", WEIGHTS)
@pytest.mark.parametrize("inside", [False, True])
def test_a_state_dict_warns_of_what_it_does_not_hold(how: str, inside: bool):
    def load(source: nn.Module, target: nn.Module) -> None:
        if inside:
            source, target = nn.Sequential(source), nn.Sequential(target)
        target.load_state_dict(WEIGHTS[how](source))

    def layer(regularizer: Any, **more: Any) -> LSTM:
        return LSTM(4, 5, regularizer=regularizer, **more)

    trained = layer(SCHEDULE)
    trained.update = 40
    with pytest.warns(UserWarning, match=r"Give this LSTM.* its schedule's position \(set update\) as well"):
        load(trained, layer(SCHEDULE))
    with pytest.warns(UserWarning, match=r"its static mask's seed \(set mask_seeds\) as well"):
        load(layer(STATIC), layer(STATIC))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = layer(SCHEDULE)
        resumed.update = 40
        load(trained, resumed)
        load(layer(STATIC, mask_seed=1), layer(STATIC, mask_seed=1))
        load(layer(ZONEOUT), layer(ZONEOUT))


def test_a_seed_that_is_known_to_differ_is_warned_of():
    one, other = (LSTM(4, 5, regularizer=STATIC, mask_seed=seed) for seed in (1, 2))
    with pytest.warns(UserWarning, match="static mask's seed"):
        other.load_state_dict(one.state_dict())


def test_a_file_of_weights_alone_still_loads(tmp_path: Path):
    rnn = LSTM(4, 5, regularizer=STATIC, mask_seed=1)
    torch.save(rnn.state_dict(), tmp_path / "rnn.pt")
    weights = torch.load(tmp_path / "rnn.pt", weights_only=True)
    nn.LSTM(4, 5).load_state_dict(weights)
    LSTM(4, 5, regularizer=STATIC, mask_seed=1).load_state_dict(weights)
    with pytest.warns(UserWarning, match="static mask's seed"):
        LSTM(4, 5, regularizer=STATIC, mask_seed=2).load_state_dict(weights)


def test_a_sampled_evaluation_of_a_copy_is_paired_with_its_originals():
    """The best model that was kept and the last one are compared under the same noise; members of an ensemble have seeds."""
    rnn = LSTM(4, 5, regularizer=ZONEOUT, mask_seed=1, evaluation="sampled").eval()
    rnn(X)
    best, member = copy.deepcopy(rnn), copy.deepcopy(rnn)
    member.mask_seeds = 7
    drawn = [[one(X)[0] for one in (rnn, best, member)] for _ in range(2)]
    for original, kept, other in drawn:
        assert torch.equal(original, kept)
        assert not torch.equal(original, other)
    assert not torch.equal(drawn[0][0], drawn[1][0])


def test_the_best_model_is_kept_evaluated_and_loaded_back_without_a_word():
    model = nn.ModuleDict({"rnn": LSTM(4, 5, 2, dropout=0.2, regularizer=ZONEOUT), "out": nn.Linear(5, 1)})
    average, best = AveragedModel(model), None
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        model["out"](model["rnn"](X)[0]).square().sum().backward()
        optimizer.step()
        average.update_parameters(model)
        best = copy.deepcopy(model)
        best.eval()["rnn"](X)
        average.eval().module["rnn"](X)
    expected = best["rnn"](X)[0]
    model.load_state_dict(best.state_dict())
    model["rnn"](X)
    assert torch.equal(model.eval()["rnn"](X)[0], expected)
