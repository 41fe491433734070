"""A replica alone and the same replica among others: the same bits, forward and backward, on one thread and on two."""

from __future__ import annotations

import pytest
import torch
from every_layer import LAYERS
from pairwise import pairwise
from torch import Tensor

from zoneout_lab import CellDropout, NoRegularizer, RecurrentDropout, Zoneout
from zoneout_lab.layers import LSTM, Recurrent
from zoneout_lab.ops.cells import FAST
from zoneout_lab.regularizers import Regularizer

POOL: list[Regularizer] = [
    NoRegularizer(),
    Zoneout(cell=0.5, hidden=0.1, share=True),
    Zoneout(hidden=0.3, per="layer"),
    RecurrentDropout(0.25),
    Zoneout(hidden=0.4, resample="never"),
    CellDropout(0.2),
    Zoneout(hidden=0.3, resample="sequence"),
]
#: I, H, T, B, R and the number of layers: sizes at which a threaded or vectorised product is known to take other turns
SIZES = [
    (1, 33, 5, 1, 3, 1),
    (1, 1, 5, 5, 3, 1),
    (2, 129, 5, 2, 4, 2),
    (50, 129, 30, 5, 2, 1),
    (28, 200, 2, 100, 2, 1),
    (1, 200, 2, 33, 7, 1),
    (3, 20, 1, 257, 3, 2),
]


def regularizers(name: str, R: int) -> list[Regularizer]:
    sites = FAST[name.split(",")[0]].fast_sites
    able = [value for value in POOL if set(value.sites()) <= set(sites)]
    return [able[r % len(able)] for r in range(R)]


def results(rnn: Recurrent, x: Tensor, weights: Tensor) -> list[Tensor]:
    out, last = rnn(x)
    (out * weights).sum().backward()
    finals = last if isinstance(last, tuple) else (last,)
    return [out, *finals, *(p.grad for p in rnn.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    ("name", "sizes", "dtype", "own_input", "threads"),
    pairwise(list(LAYERS), SIZES, [torch.float32, torch.float64], [True, False], [1, 2]),
    indirect=["threads"],
    ids=str,
)
def test_alone_and_among_others(name: str, sizes: tuple[int, ...], dtype: torch.dtype, own_input: bool, threads: int):
    (layer, options), (width, H, T, B, R, layers) = LAYERS[name], sizes
    values, seeds = regularizers(name, R), [100 + r for r in range(R)]
    torch.manual_seed(0)
    options = options | {"dropout": 0.2} if layers > 1 else options
    together = layer(width, H, layers, dtype=dtype, replicas=R, regularizer=values, mask_seed=seeds, **options)
    x = torch.randn(R if own_input else 1, T, B, width, dtype=dtype)
    weights = torch.randn(R, T, B, H, dtype=dtype)
    expected = results(together, x, weights)
    for r in (0, R - 1):
        alone = layer(width, H, layers, dtype=dtype, replicas=1, regularizer=values[r], mask_seed=seeds[r], **options)
        alone.load_state_dict({key: value[r : r + 1] for key, value in together.state_dict().items()})
        got = results(alone, x[r : r + 1] if own_input else x, weights[r : r + 1])
        for number, (one, all_of_them) in enumerate(zip(got, expected, strict=True)):
            assert torch.equal(one[0], all_of_them[r]), number


@pytest.mark.parametrize("name", LAYERS)
def test_a_replica_equals_the_layer_without_a_replica_axis(name: str):
    layer, options = LAYERS[name]
    values = regularizers(name, 3)
    torch.manual_seed(0)
    together = layer(4, 20, 2, replicas=3, regularizer=values, mask_seed=[1, 2, 3], bidirectional=True,
                     learned_state=True, batch_first=True, **options)  # fmt: skip
    with torch.no_grad():
        for parameter in together.parameters():
            parameter.uniform_(-0.3, 0.3)
    x = torch.randn(3, 2, 6, 4)
    out, last = together(x)
    for r in range(3):
        alone = layer(4, 20, 2, regularizer=values[r], mask_seed=r + 1, bidirectional=True,
                      learned_state=True, batch_first=True, **options)  # fmt: skip
        alone.load_state_dict({key: value[r] for key, value in together.state_dict().items()})
        own, own_last = alone(x[r])
        assert own.shape == (2, 6, 40)
        assert torch.equal(own, out[r])
        pairs = zip(own_last, last, strict=True) if isinstance(last, tuple) else [(own_last, last)]
        assert all(torch.equal(a, b[r]) for a, b in pairs)


@pytest.mark.parametrize("name", LAYERS)
def test_a_given_state_has_the_replica_axis_first(name: str):
    layer, options = LAYERS[name]
    together = layer(4, 5, replicas=2, **options)
    h = torch.randn(2, 1, 3, 5)
    x = torch.randn(1, 6, 3, 4)
    out = together(x, (h, h) if layer is LSTM else h)[0]
    for r in range(2):
        alone = layer(4, 5, **options)
        alone.load_state_dict({key: value[r] for key, value in together.state_dict().items()})
        assert torch.equal(alone(x[0], (h[r], h[r]) if layer is LSTM else h[r])[0], out[r])
    unbatched = together(x[:, :, 0], (h[:, :, 0], h[:, :, 0]) if layer is LSTM else h[:, :, 0])[0]
    assert unbatched.shape == (2, 6, 5)
    assert torch.allclose(unbatched, out[:, :, 0], atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_learned_states_start_at_zero_and_learn(name: str):
    layer, options = LAYERS[name]
    torch.manual_seed(0)
    learned = layer(4, 5, learned_state=True, **options)
    torch.manual_seed(0)
    plain = layer(4, 5, **options)
    x = torch.randn(6, 3, 4)
    assert torch.equal(learned(x)[0], plain(x)[0])
    learned(x)[0].sum().backward()
    states = {key: p for key, p in learned.named_parameters() if key.startswith("initial_")}
    assert set(states) == {f"initial_{kind}" for kind in FAST[name.split(",")[0]].states}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in states.values())
    with torch.no_grad():
        for parameter in states.values():
            parameter.fill_(0.5)
    h = torch.full((1, 3, 5), 0.5)
    assert torch.equal(learned(x)[0], plain(x, (h, h) if layer is LSTM else h)[0])
    assert torch.equal(learned(x, (h * 0, h * 0) if layer is LSTM else h * 0)[0], plain(x)[0])  # a given one wins
