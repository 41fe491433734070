"""Masks drawn by the GPU's kernel, in Triton's interpreter: the bits that the CPU draws, for replicas of every kind together."""

from __future__ import annotations

import pytest
import torch

from zoneout_lab.layers import GRU, LSTM
from zoneout_lab.layers.mask_source import MaskSource, Where, table
from zoneout_lab.layers.noise import Noise
from zoneout_lab.ops.cells import LSTM as LSTM_CELL
from zoneout_lab.ops.masks import MaskSpec
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
    counters = {False: (9, 5), True: (torch.tensor(9), torch.tensor(5))}
    expected, got = (
        Noise(tuple(kinds), Where(tuple(seeds), *counters[there], training), 2, MaskSource(interpreted=there)).within(
            LSTM_CELL(), 1, sizes, CPU
        )
        for there in (False, True)
    )
    assert set(got) == set(expected)
    for site, mask in expected.items():
        assert got[site].shape == mask.shape
        assert torch.equal(got[site], mask), site


@pytest.mark.parametrize("update", [0, 3, 10, 11])
def test_rates_per_unit_and_schedules(update: int):
    masks = (MaskSpec((0.1, 0.5, 0.9)), MaskSpec(0.2, end=(0.9, 0.4, 0.3), over=10), MaskSpec(0.7), None)
    found = table(masks, (1, 2, 3, 4), 3, CPU)
    expected = torch.tensor(
        [[*m.thresholds(update, 3)] * (3 // len(m.thresholds(update, 3))) if m else [0] * 3 for m in masks]
    )
    assert torch.equal(found.thresholds(torch.tensor(update)), expected.int())
    assert torch.equal(found.thresholds(update), expected.int())


def test_dropout_up_the_stack():
    masks, sizes = [MaskSpec(0.4), None, MaskSpec(1.0)], (3, 2, 20)
    where = Where((3, 4, 5), 6, 0, True)
    on_gpu = Where((3, 4, 5), torch.tensor(6), 0, True)
    expected, got = MaskSource(), MaskSource(interpreted=True)
    assert torch.equal(
        got.drawn(masks, on_gpu, 0, "input", sizes, CPU), expected.drawn(masks, where, 0, "input", sizes, CPU)
    )
    assert torch.equal(got.rates(masks, on_gpu, 20, CPU), expected.rates(masks, where, 20, CPU))


@pytest.mark.parametrize("site", ["normaliser", "slow probe", "cell"])
def test_a_site_of_a_cells_own_has_bits_of_its_own(site: str):
    masks, sizes, where = [MaskSpec(0.5)] * 2, (3, 2, 20), Where((3, 4), 6, 0, True)
    expected = MaskSource().drawn(masks, where, 1, site, sizes, CPU)
    assert torch.equal(MaskSource(interpreted=True).drawn(masks, where, 1, site, sizes, CPU), expected)
    for other in ("hidden", "normalisers"):
        assert not torch.equal(MaskSource().drawn(masks, where, 1, other, sizes, CPU), expected)


@pytest.mark.parametrize("layer", [LSTM, pytest.param(GRU, marks=pytest.mark.slow)])
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
