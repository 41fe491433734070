"""A counter that is set vouches for the next pass that uses it, and for no other; copies of parametrized layers are copies as of others."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from zoneout_lab import GRU, LSTM, Zoneout
from zoneout_lab.errors import InputRefusedError


def layer() -> LSTM:
    torch.manual_seed(0)
    return LSTM(4, 5, regularizer=Zoneout(cell=0.3, hidden=0.2), mask_seed=1)


def sequence() -> Tensor:
    return torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_other_counter_does_not_vouch_for_a_checkpointed_pass(reentrant: bool) -> None:
    rnn, x = layer(), sequence()

    def segment(z: Tensor) -> Tensor:
        rnn.draw = 0
        return rnn(z)[0]

    with pytest.raises(InputRefusedError, match="activation checkpointing"):
        checkpoint(segment, x, use_reentrant=reentrant).sum().backward()


@pytest.mark.parametrize("reentrant", [True, False])
def test_one_segment_does_not_vouch_for_another(reentrant: bool) -> None:
    rnn, x = layer(), sequence()

    def named(z: Tensor) -> Tensor:
        rnn.update = 5
        return rnn(z)[0]

    both = [checkpoint(part, x, use_reentrant=reentrant).sum() for part in (lambda z: rnn(z)[0], named)]
    with pytest.raises(InputRefusedError, match="activation checkpointing"):
        torch.stack(both).sum().backward()
    (expected,) = torch.autograd.grad(named(x).sum(), x)
    checkpoint(named, x, use_reentrant=reentrant).sum().backward()
    assert torch.equal(x.grad, expected)


MADE: list[Callable[[nn.Module, str], nn.Module]] = [
    parametrizations.weight_norm,
    parametrizations.spectral_norm,
    parametrizations.orthogonal,
]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_layer_whose_weights_are_made_of_others_can_be_copied(
    kind: type[LSTM | GRU], made: Callable[[nn.Module, str], nn.Module]
) -> None:
    rnn = kind(4, 5, regularizer=Zoneout(hidden=0.2))
    made(rnn, "weight_hh_l0")
    x = sequence()
    assert torch.equal(copy.deepcopy(rnn).eval()(x)[0], rnn.eval()(x)[0])
    torch.optim.swa_utils.AveragedModel(nn.Sequential(rnn))


def test_a_best_state_kept_by_hand_warns_of_the_schedule_that_went_on() -> None:
    rnn = LSTM(4, 5, regularizer=Zoneout(cell=0.1, cell_end=0.5, over=10))
    for _ in range(2):
        rnn(sequence())
    best = {name: value.clone() for name, value in rnn.state_dict().items()}
    for _ in range(8):
        rnn(sequence())
    with pytest.warns(UserWarning, match="its schedule's position"):
        rnn.load_state_dict(best)
    rnn.update = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rnn.load_state_dict(best)
