"""Numbers of NumPy's and torch's where a layer or a regularizer takes Python's, and values that are not numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from zoneout_lab import GRU, LSTM, RecurrentDropout, VariationalDropout, WeightNoise, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops import cells
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import Combined, Regularizer, from_json, to_json

X = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
SEEDS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "an integer of NumPy's": (np.int64(3), (3, 3)),
    "an unsigned one": (np.uint64(2**63 + 1), (2**63 + 1,) * 2),
    "an array without dimensions": (np.array(3), (3, 3)),
    "a tensor": (torch.tensor(3), (3, 3)),
    "an array": (np.array([3, 4]), (3, 4)),
    "a tensor of both": (torch.tensor([3, 4]), (3, 4)),
    "a list of NumPy's": ([np.int32(3), np.int64(4)], (3, 4)),
    "a range": (range(3, 5), (3, 4)),
    "negative": (-3, (-3, -3)),
}


@pytest.mark.parametrize("case", SEEDS)
def test_a_mask_seed_is_any_whole_number(case: str):
    given, seeds = SEEDS[case]
    made = GRU(4, 5, replicas=2, regularizer=Zoneout(hidden=0.5), mask_seed=given)
    assert made.mask_seeds == seeds
    assert all(type(seed) is int for seed in made.mask_seeds)
    made.mask_seeds = given
    assert made.mask_seeds == seeds
    alone = GRU(4, 5, replicas=2, regularizer=Zoneout(hidden=0.5), mask_seed=list(seeds))
    alone.load_state_dict(made.state_dict())
    assert torch.equal(alone(X[None])[0], made(X[None])[0])


@pytest.mark.parametrize(
    "seed", [0.5, 3.0, True, np.True_, "3", {3: 4}, {3}, [1.5], [None], torch.tensor(0.5), np.array([True])], ids=repr
)
def test_a_mask_seed_that_is_not_a_whole_number_is_refused(seed: Any):
    with pytest.raises(InputRefusedError, match=r"mask_seed is .*; it must be a whole number"):
        LSTM(4, 5, mask_seed=seed)


def test_numpy_sizes_become_python_ints():
    options = {"num_layers": np.int64(2), "replicas": np.int32(2), "dropout": np.float32(0.5)}
    rnn = LSTM(np.int64(4), np.int16(5), mask_seed=1, regularizer=Zoneout(0.5), **options)
    plain = LSTM(4, 5, num_layers=2, replicas=2, dropout=0.5, mask_seed=1, regularizer=Zoneout(0.5))
    plain.load_state_dict(rnn.state_dict())
    assert repr(rnn) == repr(plain)
    assert type(rnn.hidden_size) is int
    assert torch.equal(rnn(X[None])[0], plain(X[None])[0])


SIZES = {
    "a float": ({"hidden_size": 5.0}, "hidden_size is 5.0; it must be a whole number of at least 1"),
    "a word": ({"num_layers": "2"}, "num_layers is '2'; it must be a whole number"),
    "a truth value": ({"replicas": True}, "replicas is True; it must be a whole number"),
    "less than nothing": ({"input_size": -1}, "input_size is -1; it must be a whole number of at least 0"),
    "none": ({"hidden_size": None}, "hidden_size is None; it must be a whole number"),
    "a dropout in words": ({"num_layers": 2, "dropout": "half"}, r"dropout is half; .* \[0, 1\]"),
    "no dropout": ({"num_layers": 2, "dropout": None}, r"dropout is None; .* \[0, 1\]"),
}


@pytest.mark.parametrize("case", SIZES)
def test_wrong_sizes_are_refused(case: str):
    options, message = SIZES[case]
    with pytest.raises(InputRefusedError, match=message):
        LSTM(**({"input_size": 4, "hidden_size": 5} | options))


@pytest.mark.parametrize("name", ["update", "draw"])
@pytest.mark.parametrize("value", [-1, 1.5, None, True, "3", torch.tensor(1.5), torch.tensor([1, 2])], ids=repr)
def test_a_counter_is_a_whole_number(name: str, value: Any):
    rnn = LSTM(4, 5, regularizer=Zoneout(0.5))
    with pytest.raises(InputRefusedError, match=f"{name} is "):
        setattr(rnn, name, value)
    setattr(rnn, name, np.int64(4))
    assert type(getattr(rnn, name)) is int


RATES = {
    "an array": np.array([0.0, 0.5, 0.25]),
    "single precision": np.array([0.0, 0.5, 0.25], np.float32),
    "a tensor": torch.tensor([0.0, 0.5, 0.25]),
    "a trained tensor": torch.tensor([0.0, 0.5, 0.25], requires_grad=True),
    "half precision": torch.tensor([0.0, 0.5, 0.25], dtype=torch.bfloat16),
    "a tuple of NumPy's": (np.float64(0.0), np.float32(0.5), np.float16(0.25)),
}


@pytest.mark.parametrize("case", RATES)
def test_rates_for_each_unit_come_from_arrays_too(case: str):
    plain = Zoneout(hidden=(0.0, 0.5, 0.25), hidden_end=(0.0, 0.5, 0.25), over=4)
    given = Zoneout(hidden=RATES[case], hidden_end=RATES[case], over=np.int64(4))
    assert given == plain
    assert hash(given) == hash(plain)
    assert repr(given) == repr(plain)
    assert json.dumps(to_json(given)) == json.dumps(to_json(plain))
    assert from_json(to_json(given)) == plain


@pytest.mark.parametrize(
    "value",
    [np.float32(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True)],
    ids=repr,
)
def test_a_single_numpy_rate_becomes_a_python_float(value: Any):
    for made in (Zoneout(cell=value), RecurrentDropout(value), VariationalDropout(recurrent=value), WeightNoise(value)):
        assert from_json(json.loads(json.dumps(to_json(made)))) == made
        assert "float" not in repr(made)
    assert Zoneout(cell=0, cell_end=0.5, over_share=value) == Zoneout(cell=0, cell_end=0.5, over_share=0.5)


NO_RATES: dict[str, tuple[Any, str]] = {
    "a table": (np.zeros((2, 3)), r"has shape \[2, 3\]; give one number, or a sequence with one for each unit"),
    "one in an array": (np.array([0.5]), "give one number, or at least two"),
    "none in an array": (np.array([]), "give one number, or at least two"),
    "above one": (np.array([0.5, 1.5]), r"must lie in \[0, 1\]"),
    "not a number": (torch.tensor([0.5, torch.nan]), r"must lie in \[0, 1\]"),
    "truth values": (np.array([True, False]), r"must lie in \[0, 1\]"),
    "one truth value": (np.True_, r"must lie in \[0, 1\]"),
    "complex": (torch.tensor(0.5 + 0j), r"must lie in \[0, 1\]"),
    "bytes": (b"\x00\x01", r"must lie in \[0, 1\]"),
}


@pytest.mark.parametrize("case", NO_RATES)
def test_wrong_rates_for_each_unit_are_refused(case: str):
    value, message = NO_RATES[case]
    with pytest.raises(InputRefusedError, match=message):
        Zoneout(hidden=value)


def test_whole_numbers_of_regularizers():
    assert BatchNormLSTM(steps=np.int64(7)) == BatchNormLSTM(steps=7)
    written = [json.dumps(cells.to_json(BatchNormLSTM(steps=steps))) for steps in (np.int64(7), 7)]
    assert written[0] == written[1]
    for steps in (0, 2.5, True, None):
        with pytest.raises(
            InputRefusedError, match=r"steps .the length of the sequences. is .*whole number of at least 1"
        ):
            BatchNormLSTM(steps=steps)
    with pytest.raises(InputRefusedError, match=r"over_share .* is True"):
        Zoneout(cell=0, cell_end=0.5, over_share=True)
    assert to_json(Zoneout(cell=0, cell_end=0.5, over_share=1))["over_share"] == 1


def test_only_regularizers_combine():
    for made in (
        lambda: Zoneout(0.5) + 0.5,
        lambda: Zoneout(0.5) + None,
        lambda: Combined((Zoneout, RecurrentDropout)),
    ):
        with pytest.raises(InputRefusedError, match="cannot be combined with a regularizer; give values such as"):
            made()


@dataclass(frozen=True)
class Forget(Regularizer):
    """Of someone's own, at a site of their own."""

    kind: ClassVar[str] = "forget"

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"forget": MaskSpec(0.5)}


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_a_site_that_no_cell_has_is_refused_by_name(layer: Any):
    with pytest.raises(
        InputRefusedError, match=f"the {layer.__name__}, which has no site 'forget'. .* can be regularized at: "
    ):
        layer(4, 5, regularizer=Forget())
