"""What a layer refuses: wrong shapes and types where torch refuses them, and options that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence
from torch_pairs import PAIRS, initial, pair

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers import LSTM, RNN
from zoneout_lab.regularizers import RecurrentDropout, Zoneout

#: name → (input, shape of the given states or None); the layer has I = 4, H = 5, one layer
WRONG: dict[str, tuple[Any, Any]] = {
    "one dimension": (torch.zeros(4), None),
    "four dimensions": (torch.zeros(1, 6, 3, 4), None),
    "features": (torch.zeros(6, 3, 2), None),
    "no timesteps": (torch.zeros(0, 3, 4), None),
    "float64 input": (torch.zeros(6, 3, 4, dtype=torch.float64), None),
    "integer input": (torch.zeros(6, 3, 4, dtype=torch.int64), None),
    "batch of the states": (torch.zeros(6, 3, 4), (1, 2, 5)),
    "layers of the states": (torch.zeros(6, 3, 4), (2, 3, 5)),
    "units of the states": (torch.zeros(6, 3, 4), (1, 3, 6)),
    "batched states, unbatched input": (torch.zeros(6, 4), (1, 1, 5)),
    "unbatched states, batched input": (torch.zeros(6, 3, 4), (1, 5)),
    "packed, features": (pack_padded_sequence(torch.zeros(6, 3, 2), torch.tensor([6, 4, 1])), None),
    "packed, batch of the states": (pack_padded_sequence(torch.zeros(6, 3, 4), torch.tensor([6, 4, 1])), (1, 2, 5)),
    "packed, float64": (pack_padded_sequence(torch.zeros(6, 3, 4).double(), torch.tensor([6, 4, 1])), None),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("name", PAIRS)
def test_input_that_torch_refuses_is_refused(name: str, case: str):
    x, shape = WRONG[case]
    given = None if shape is None else initial(name, shape)
    for rnn in pair(name, 4, 5):
        with pytest.raises((RuntimeError, ValueError)):
            rnn(x, given)


@pytest.mark.parametrize("name", PAIRS)
def test_states_of_another_type_are_refused(name: str):
    for rnn in pair(name, 4, 5):
        with pytest.raises((RuntimeError, ValueError)):
            rnn(torch.zeros(1, 3, 4), initial(name, (1, 3, 5), torch.float64))


@pytest.mark.parametrize("name", [name for name in PAIRS if name.startswith("lstm")])
@pytest.mark.parametrize("which", [0, 1])
def test_one_state_of_another_type_is_refused(name: str, which: int):
    states = [torch.zeros(1, 3, 5), torch.zeros(1, 3, 5)]
    states[which] = states[which].double()
    for rnn in pair(name, 4, 5):
        with pytest.raises((RuntimeError, ValueError)):
            rnn(torch.zeros(1, 3, 4), tuple(states))


def test_proj_size_is_refused():
    with pytest.raises(InputRefusedError, match="proj_size is not supported"):
        LSTM(4, 5, proj_size=2)
    assert LSTM(4, 5, proj_size=0).proj_size == 0


REFUSED: dict[str, tuple[type, dict[str, Any], str]] = {
    "nonlinearity": (RNN, {"nonlinearity": "sigmoid"}, "choose tanh or relu"),
    "dropout above 1": (LSTM, {"num_layers": 2, "dropout": 1.5}, r"dropout is 1.5; .* \[0, 1\]"),
    "dropout below 0": (LSTM, {"num_layers": 2, "dropout": -0.1}, r"dropout is -0.1; .* \[0, 1\]"),
    "no layers": (LSTM, {"num_layers": 0}, "num_layers is 0"),
    "no replicas": (LSTM, {"replicas": 0}, "replicas is 0"),
    "evaluation": (LSTM, {"evaluation": "mean"}, "choose one of expectation, sampled"),
    "too few regularizers": (LSTM, {"replicas": 3, "regularizer": [None, None]}, "2 regularizers for 3 replicas"),
    "too many seeds": (LSTM, {"mask_seed": [1, 2]}, "2 mask seeds for 1 replicas"),
    "a list without replicas": (LSTM, {"regularizer": [Zoneout(0.5), Zoneout(0.5)]}, "2 regularizers for 1 replicas"),
    "one of several does not fit": (RNN, {"replicas": 2, "regularizer": [None, RecurrentDropout(0.1)]}, "tanh-RNN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_options_that_cannot_be_are_refused(case: str):
    layer, options, message = REFUSED[case]
    with pytest.raises(InputRefusedError, match=message):
        layer(4, 5, **options)


def test_no_units_are_refused():
    with pytest.raises(InputRefusedError, match="hidden_size is 0"):
        LSTM(4, 0)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 6, 3, 4), "Expected 3 replicas"), ((6, 4), "replica axis first"), ((3, 6, 3, 5), "input.size")],
)
def test_input_of_replicas_needs_their_axis(shape: tuple[int, ...], message: str):
    with pytest.raises((RuntimeError, ValueError), match=message):
        LSTM(4, 5, replicas=3)(torch.zeros(shape))


def test_packed_sequences_do_not_work_with_replicas():
    packed = pack_padded_sequence(torch.zeros(6, 3, 4), torch.tensor([6, 4, 1]))
    with pytest.raises(InputRefusedError, match="pad them to one length"):
        LSTM(4, 5, replicas=2)(packed)


def test_dropout_with_one_layer_warns_as_torch_does():
    for rnn in PAIRS["lstm"][:2]:
        with pytest.warns(UserWarning, match="num_layers"):
            rnn(4, 5, dropout=0.5)


def test_what_is_printed_names_the_regularizer_and_the_replicas():
    assert repr(LSTM(4, 5, regularizer=RecurrentDropout(0.5))) == "LSTM(4, 5, regularizer=RecurrentDropout(p=0.5))"
    two = LSTM(4, 5, replicas=2, regularizer=[None, RecurrentDropout(0.5)])
    assert repr(two) == "LSTM(4, 5, replicas=2, regularizer=[NoRegularizer(), RecurrentDropout(p=0.5)])"


def test_a_word_is_refused_as_a_whole():
    with pytest.raises(InputRefusedError, match="regularizer is 'zoneout'"):
        LSTM(3, 4, regularizer="zoneout")  # type: ignore[arg-type]
