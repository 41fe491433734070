"""torch's ``dropout`` argument: on the outputs of all layers but the last, inverted, in training alone."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import binom
from torch_pairs import PAIRS, pair, tensors

from zoneout_lab.layers import RNN


def see_through(dropout: float, **options: object) -> RNN:
    """Two relu layers of 40 units that hand their input on, so that the output is the input times the dropout's factor."""
    rnn = RNN(40, 40, 2, "relu", False, dropout=dropout, **options)
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            parameter.copy_(torch.eye(40) if "weight_ih" in name else torch.zeros(40, 40))
    return rnn


@pytest.mark.parametrize("name", PAIRS)
def test_evaluation_equals_torch(name: str):
    x = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
    ours, theirs = (rnn.eval() for rnn in pair(name, 4, 5, 3, dropout=0.4))
    for got, want in zip(tensors(ours(x)), tensors(theirs(x)), strict=True):
        assert (got - want).abs().max() <= 1e-6


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.85])
def test_outputs_are_dropped_at_the_rate_and_the_rest_scaled_up(rate: float):
    out = see_through(rate, mask_seed=3)(torch.full((50, 20, 40), 2.0))[0]
    dropped = int((out == 0).sum())
    assert torch.equal(out[out != 0].unique(), torch.tensor([2 / (1 - rate)]).to(out.dtype))
    low, high = binom.ppf([5e-7, 1 - 5e-7], out.numel(), rate)
    assert low <= dropped <= high


def test_a_rate_of_one_drops_everything():
    assert (see_through(1.0)(torch.ones(5, 2, 40))[0] == 0).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_factor_varies_over_timestep_example_and_unit(axis: int):
    out = see_through(0.5, mask_seed=3)(torch.ones(30, 20, 40))[0] == 0
    here, there = out.narrow(axis, 0, out.shape[axis] - 1), out.narrow(axis, 1, out.shape[axis] - 1)
    low, high = binom.ppf([5e-7, 1 - 5e-7], here.numel(), 0.5)
    assert low <= int((here == there).sum()) <= high


def test_the_last_layer_is_not_dropped():
    rnn = see_through(1.0)
    with torch.no_grad():
        rnn.weight_ih_l1.zero_()
    recurrent = RNN(40, 40, 2, "tanh", True, dropout=1.0)
    assert (recurrent(torch.ones(3, 2, 40))[0] != 0).all()  # its biases show


def test_every_forward_pass_drops_others_and_a_set_update_repeats():
    rnn, x = see_through(0.5), torch.ones(5, 2, 40)
    first, second = rnn(x)[0], rnn(x)[0]
    assert rnn.update == 2
    assert not torch.equal(first, second)
    rnn.update = 0
    assert torch.equal(rnn(x)[0], first)


def test_each_boundary_between_layers_drops_its_own():
    rnn = RNN(40, 40, 3, "relu", False, dropout=0.5, mask_seed=3)
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            parameter.copy_(torch.eye(40) if "weight_ih" in name else torch.zeros(40, 40))
    out = rnn(torch.ones(50, 20, 40))[0]
    low, high = binom.ppf([5e-7, 1 - 5e-7], out.numel(), 0.25)
    assert low <= int((out == 4).sum()) <= high  # kept at both, were they independent


def test_a_replica_drops_by_its_own_seed():
    x = torch.ones(1, 5, 2, 40)
    both = see_through_replicas((3, 8))(x)[0]
    assert not torch.equal(both[0], both[1])
    for r, seed in enumerate((3, 8)):
        assert torch.equal(see_through(0.5, mask_seed=seed)(x[0])[0], both[r])


def see_through_replicas(seeds: tuple[int, ...]) -> RNN:
    rnn = RNN(40, 40, 2, "relu", False, dropout=0.5, replicas=len(seeds), mask_seed=seeds)
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            parameter.copy_(torch.eye(40) if "weight_ih" in name else torch.zeros(40, 40))
    return rnn
