"""When a layer draws masks, which ones, and what stands in for them at evaluation."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zoneout_lab import CellDropout, RecurrentDropout, Zoneout
from zoneout_lab.layers import GRU, LSTM, RNN
from zoneout_lab.ops.masks import Place, draw

X = torch.randn(7, 3, 4, generator=torch.Generator().manual_seed(0))
#: case → (layer, its options, with every regularizer that draws)
DRAWING: dict[str, tuple[type, dict[str, Any]]] = {
    "lstm zoneout": (LSTM, {"regularizer": Zoneout(cell=0.5, hidden=0.3)}),
    "lstm zoneout, reference": (LSTM, {"regularizer": Zoneout(cell=0.5, hidden=0.3), "engine": "reference"}),
    "lstm per layer": (LSTM, {"regularizer": Zoneout(cell=0.5, hidden=0.3, per="layer")}),
    "lstm per sequence": (LSTM, {"regularizer": Zoneout(cell=0.5, resample="sequence")}),
    "lstm recurrent dropout": (LSTM, {"regularizer": RecurrentDropout(0.4)}),
    "lstm cell dropout": (LSTM, {"regularizer": CellDropout(0.4)}),
    "gru zoneout": (GRU, {"regularizer": Zoneout(hidden=0.4)}),
    "gru recurrent dropout": (GRU, {"regularizer": RecurrentDropout(0.4)}),
    "rnn zoneout, two layers both ways": (
        RNN,
        {"regularizer": Zoneout(hidden=0.4), "num_layers": 2, "bidirectional": True},
    ),
}


def made(case: str, **more: Any):
    layer, options = DRAWING[case]
    torch.manual_seed(1)
    return layer(4, 20, **options, **more)


@pytest.mark.parametrize("case", DRAWING)
def test_training_draws_anew_each_time_and_a_set_update_repeats(case: str):
    rnn = made(case, mask_seed=2)
    first, second = rnn(X)[0], rnn(X)[0]
    assert rnn.update == 2
    assert not torch.equal(first, second)
    rnn.update = 0
    assert torch.equal(rnn(X)[0], first)
    assert torch.equal(made(case, mask_seed=2)(X)[0], first)
    assert not torch.equal(made(case, mask_seed=3)(X)[0], first)


@pytest.mark.parametrize("case", DRAWING)
def test_evaluation_uses_means_is_deterministic_and_counts_nothing(case: str):
    rnn = made(case).eval()
    random = torch.get_rng_state()
    first = rnn(X)[0]
    rnn.update = 9
    assert torch.equal(rnn(X)[0], first)
    assert rnn.update == 9
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("case", DRAWING)
def test_sampled_evaluation_draws_masks_of_its_own(case: str):
    rnn = made(case, mask_seed=2, evaluation="sampled")
    trained = rnn(X)[0]
    rnn.eval()
    first, second = rnn(X)[0], rnn(X)[0]
    assert (rnn.update, rnn.draw) == (1, 2)
    assert not torch.equal(first, second)
    assert not torch.equal(first, trained)
    rnn.draw, rnn.update = 0, 40
    assert torch.equal(rnn(X)[0], first)


@pytest.mark.parametrize("layer", [LSTM, GRU, RNN])
def test_static_masks_never_change(layer: type):
    torch.manual_seed(1)
    rnn = layer(4, 20, regularizer=Zoneout(hidden=0.5, resample="never"), mask_seed=2, evaluation="sampled")
    first = rnn(X)[0]
    assert torch.equal(rnn(X)[0], first)
    assert torch.equal(rnn.eval()(X)[0], first)
    # and they are shared by all examples: each alone gets the masks it had in the batch
    assert torch.allclose(rnn(X[:, 1:2])[0], first[:, 1:2], atol=1e-6)


@pytest.mark.parametrize("case", DRAWING)
def test_torchs_seed_governs_masks_that_were_given_none(case: str):
    outs = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        layer, options = DRAWING[case]
        rnn = layer(4, 20, **options)
        outs.append((rnn.mask_seeds, rnn(X)[0]))
    assert outs[0][0] == outs[1][0] != outs[2][0]
    assert torch.equal(outs[0][1], outs[1][1])


def test_a_forward_pass_takes_no_random_numbers_from_torch():
    for case in DRAWING:
        rnn, before = made(case), torch.get_rng_state()
        rnn(X)
        assert torch.equal(torch.get_rng_state(), before), case


def test_replicas_without_a_seed_get_different_ones():
    rnn = LSTM(4, 20, replicas=4, regularizer=Zoneout(0.5))
    assert len(set(rnn.mask_seeds)) == 4


FROZEN: dict[str, tuple[type, dict[str, Any], float]] = {
    "lstm": (LSTM, {"regularizer": Zoneout(1.0, 1.0)}, 0.5),
    "lstm, reference": (LSTM, {"regularizer": Zoneout(1.0, 1.0), "engine": "reference"}, 0.5),
    "lstm per layer": (LSTM, {"regularizer": Zoneout(1.0, 1.0, per="layer", share=True)}, 0.5),
    "gru": (GRU, {"regularizer": Zoneout(hidden=1.0)}, 0.5),
    "rnn": (RNN, {"regularizer": Zoneout(hidden=1.0, resample="never")}, 0.5),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", FROZEN)
def test_a_rate_of_one_freezes_the_state(case: str, training: bool):
    layer, options, value = FROZEN[case]
    rnn = layer(4, 20, **options).train(training)
    h = torch.full((1, 3, 20), value)
    out, last = rnn(X, (h, h * 2) if layer is LSTM else h)
    assert (out == value).all()
    finals = last if isinstance(last, tuple) else (last,)
    assert all((s == v).all() for s, v in zip(finals, (value, value * 2), strict=False))


def test_a_cell_preserved_where_its_mask_says_and_nowhere_else():
    """The masks that act are the documented draw: with T = 1 a preserved cell is its initial value to the bit."""
    rnn = LSTM(4, 50, regularizer=Zoneout(cell=0.4), mask_seed=12)
    rnn.update = 6
    c = torch.linspace(-3, 3, 150).view(1, 3, 50)
    _, (_, last) = rnn(X[:1], (torch.zeros(1, 3, 50), c))
    mask = Zoneout(cell=0.4).sites()["cell"]
    kept = torch.from_numpy(draw(mask, Place(12, 0, "cell", 6), 1, 3, 50))[:, 0]
    assert torch.equal(last[0] == c[0], kept)


MEANS: dict[str, tuple[Any, type]] = {
    "zoneout": (Zoneout(hidden=0.4), RNN),
    "zoneout per layer": (Zoneout(hidden=0.4, per="layer"), RNN),
    "gru update": (RecurrentDropout(0.4), GRU),
}


@pytest.mark.parametrize("case", MEANS)
def test_the_mean_over_many_draws_is_the_expectation_where_all_is_linear(case: str):
    """A relu layer of positive numbers, and one timestep of a GRU: there the mean-field evaluation is exact."""
    regularizer, layer = MEANS[case]
    torch.manual_seed(0)
    more = {"nonlinearity": "relu"} if layer is RNN else {}
    rnn = layer(4, 8, regularizer=regularizer, evaluation="sampled", mask_seed=1, **more).double().eval()
    steps = 3 if layer is RNN else 1
    with torch.no_grad():
        for name, parameter in rnn.named_parameters() if layer is RNN else ():
            parameter.abs_()
            # no unit reads another: the masks of a unit's own past are independent of its present one
            if "weight_hh" in name:
                parameter.copy_(torch.diag(parameter.diagonal()))
        x = torch.rand(steps, 2, 4, dtype=torch.float64)
        draws = torch.stack([rnn(x)[0] for _ in range(3000)])
        rnn.evaluation = "expectation"
        expected = rnn(x)[0]
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - expected).abs() <= 5 * error + 1e-12).all()
    assert error.max() > 1e-4
