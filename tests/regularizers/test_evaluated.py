"""What a regularizer does in evaluation: nothing where training scales up, one draw, or the mean over draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_out import WIDTH, B, H, T, bits, factors, inputs, layer, lstm_twin

from zoneout_lab import LSTM, Cell
from zoneout_lab.ops.cells import OutputGateLSTM
from zoneout_lab.ops.cells.output_gate import Reading
from zoneout_lab.ops.masks import EVALUATION
from zoneout_lab.regularizers import (
    REGULARIZERS,
    CellDropout,
    HiddenDropout,
    NonRecurrentDropout,
    RecurrentDropout,
    Regularizer,
    RnnDrop,
    VariationalDropout,
    WeightNoise,
    Zoneout,
)

INVERTED = [NonRecurrentDropout(0.4), VariationalDropout(input=0.3, recurrent=0.4, output=0.2)]


@pytest.mark.parametrize("regularizer", INVERTED, ids=str)
def test_evaluation_is_left_alone_where_training_is_scaled_up(regularizer: Regularizer):
    x = inputs()
    assert torch.equal(layer("lstm", regularizer).eval()(x)[0], plain_lstm().eval()(x)[0])
    sampled = layer("lstm", regularizer, evaluation="sampled").eval()
    assert not torch.equal(sampled(x)[0], plain_lstm()(x)[0])
    assert sampled.draw == 1


def plain_lstm() -> LSTM:
    torch.manual_seed(1)
    return LSTM(WIDTH, H, dtype=torch.float64)


def test_sampled_evaluation_of_a_mask_of_a_sequence():
    regularizer = RnnDrop(0.4)
    rnn, x = layer("lstm", regularizer, evaluation="sampled").eval(), inputs()
    rnn.draw = 3
    kept = 1 - bits(regularizer.sites()["memory"], "memory", stream=EVALUATION, update=3)
    assert (rnn(x)[0] - lstm_twin(rnn, x, **factors(memory=kept))).abs().max() < 1e-13


MEANS = [
    HiddenDropout(0.3),
    RecurrentDropout(0.3),
    Zoneout(cell=(0.0, 0.6), hidden=0.2),
    NonRecurrentDropout(0.3),
    VariationalDropout(input=0.3, recurrent=0.3, output=0.2),
    CellDropout(0.3),
    Zoneout(cell=0.5, hidden=0.2, share=True),
    Zoneout(cell=0.5, hidden=0.2, per="layer"),
    NonRecurrentDropout(0.3) + Zoneout(cell=0.5, hidden=0.2),
    RecurrentDropout(0.3) + Zoneout(hidden=0.2),
]
#: no noise, or noise that this file or the twins treat by themselves
OTHERS = {
    "none", "norm_stabilizer", "rnn_drop", "weight_noise"
}  # fmt: skip


def test_every_kind_is_compared_with_its_mean():
    assert {regularizer.kind for regularizer in MEANS} | OTHERS == set(REGULARIZERS)


def quiet(rnn: LSTM) -> LSTM:
    """With outputs of about a thousandth: tanh and σ are then linear to a millionth.

    What comes back through the gates is made small too, being a product of masks.
    """
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(1e-3 if parameter.dim() == 1 else 0.2)
        rnn.weight_hh_l0.mul_(1e-2)
        rnn.weight_ih_l0[: 2 * H].zero_()
        rnn.weight_ih_l0[3 * H :].zero_()
    return rnn


def distance_from_mean(regularizer: Regularizer, cell: str | Cell = "lstm") -> Tensor:
    """How far the evaluated outputs [T, B, H] lie from the mean over masks, in standard errors of that mean."""
    draws, rnn = 4000, quiet(layer(cell, regularizer))
    with torch.no_grad():
        x = 1e-2 * inputs()
        sampled = rnn(x.repeat(1, draws, 1))[0].view(T, draws, B, H)
        return (sampled.mean(1) - rnn.eval()(x)[0]).abs() / (sampled.std(1) / draws**0.5 + 1e-9)


@pytest.mark.parametrize("regularizer", MEANS, ids=str)
def test_the_expectation_is_the_monte_carlo_mean_where_the_network_is_linear(regularizer: Regularizer):
    assert distance_from_mean(regularizer).max() < 5


@pytest.mark.parametrize("reading", ["intended", "printed"])
def test_so_it_is_where_output_gates_are_mixed(reading: Reading):
    assert distance_from_mean(RecurrentDropout(0.3), OutputGateLSTM(reading)).max() < 5


def test_evaluation_without_weight_noise_is_the_mean_over_it():
    rnn, x = quiet(layer("lstm", WeightNoise(0.01))), 1e-2 * inputs()
    with torch.no_grad():
        draws = torch.stack([rnn(x)[0] for _ in range(2000)])  # every call in training counts an update and draws anew
        off = (draws.mean(0) - rnn.eval()(x)[0]).abs() / (draws.std(0) / len(draws) ** 0.5)
    assert draws.std(0).min() > 0
    assert off.max() < 5


def test_rnn_drops_evaluation_forgets_what_its_masks_do_not():
    """A mask of a sequence is the same at every timestep: its powers have the mean 1 − p, and evaluation uses (1 − p)ᵗ."""
    off = distance_from_mean(RnnDrop(0.3))
    assert off[0].max() < 5
    assert (off[2:].amax((1, 2)) > 20).all()
