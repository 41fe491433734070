"""Masks drawn by the GPU's kernel, in Triton's interpreter: the bits that the CPU draws, for replicas of every kind together."""

from __future__ import annotations

import pytest
import torch

from zoneout_lab.layers import GRU, LSTM, shares, shares_on_gpu
from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers import NoRegularizer, RecurrentDropout, Zoneout

pytest.importorskip("triton", reason="triton is installed for Linux only")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU machine tests/test_gpu.py does this")

CPU = torch.device("cpu")
KINDS = [
    Zoneout(0.5, 0.05),
    Zoneout(0.5, 0.2, share=True),
    Zoneout(0.5, 0.2, per="layer"),
    Zoneout(0.5, resample="sequence"),
    Zoneout(0.5, 0.2, resample="never"),
    RecurrentDropout(0.3),
    NoRegularizer(),
]


@pytest.mark.parametrize("kinds", [KINDS, [Zoneout(0.3, 0.3, per="layer")] * 2, [Zoneout(0.3, resample="never")]])
@pytest.mark.parametrize("training", [True, False])
def test_the_bits_of_the_cpu(kinds, training: bool):
    seeds, sizes = [2**64 - 1 - k for k in range(len(kinds))], (3, 4, 21)
    where = shares.places(seeds, 1, 9, 5, training=training)
    expected = shares.sampled(kinds, "lstm", where, sizes, CPU)
    counters = {"update": torch.tensor(9), "draw": torch.tensor(5)}
    got = shares_on_gpu.sampled(kinds, "lstm", seeds, 1, sizes, **counters, training=training, device=CPU, tables={})
    assert set(got) == set(expected)
    for site, mask in expected.items():
        assert got[site].shape == mask.shape
        assert torch.equal(got[site], mask), site


@pytest.mark.parametrize("update", [0, 3, 10, 11])
def test_rates_per_unit_and_schedules(update: int):
    masks = (Mask((0.1, 0.5, 0.9)), Mask(0.2, end=(0.9, 0.4, 0.3), over=10), Mask(0.7), None)
    table = shares_on_gpu.table(masks, (1, 2, 3, 4), 3, CPU)
    expected = torch.tensor(
        [[*m.thresholds(update, 3)] * (3 // len(m.thresholds(update, 3))) if m else [0] * 3 for m in masks]
    )
    assert torch.equal(table.thresholds(torch.tensor(update)), expected.int())
    assert torch.equal(table.thresholds(update), expected.int())


def test_dropout_up_the_stack():
    masks, sizes = [Mask(0.4), None, Mask(1.0)], (3, 2, 20)
    where = shares.places([3, 4, 5], 0, 6, 0, training=True)
    expected = shares.factor(masks, "input", where, sizes, CPU)
    counters = {"update": torch.tensor(6), "draw": 0, "training": True, "device": CPU, "tables": {}}
    assert torch.equal(shares_on_gpu.factor(masks, "input", [3, 4, 5], 0, sizes, **counters), expected)


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_a_layer_counts_updates_on_the_device_and_gives_what_the_cpu_gives(layer):
    options = {
        "regularizer": [Zoneout(hidden=0.5), RecurrentDropout(0.3)],
        "replicas": 2,
        "mask_seed": [5, 6],
        "dropout": 0.3,
    }
    x, counter = torch.randn(1, 4, 3, 2), torch.tensor(7)
    outputs = []
    for engine, update in (("triton", counter), ("auto", 7)):
        torch.manual_seed(0)
        rnn = layer(2, 5, 2, engine=engine, **options)
        rnn.update = update
        first, second = rnn(x)[0], rnn(x)[0]
        assert int(rnn.update) == 9
        outputs.append((first, second))
        out = rnn.eval()(x)[0]
        outputs[-1] += (out,)
    assert counter.item() == 9
    for got, expected in zip(*outputs, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=2e-3)  # operands of 16 bits
        assert got.std() > 0.05
