"""Symbols as inputs: one-hot or embedded, what is refused, and two anchors known beforehand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab import NoRegularizer, VariationalDropout, WeightNoise
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.frozen import Seeds
from zoneout_lab.ops import noise
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model
from zoneout_lab.tasks.base import Stream
from zoneout_lab.training.evaluate import evaluate
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import EMBEDDING, SequenceModel

V, T, B = 7, 5, 4


def made(
    *regularizers: Regularizer, symbols: int = V, evaluation: Any = "expectation", **options: Any
) -> SequenceModel:
    arms = regularizers or (NoRegularizer(), NoRegularizer())
    return SequenceModel(
        Model(**({"hidden": 6} | options)), symbols, symbols, regularizers=arms,
        seeds=[Seeds(init=r, data=0, masks=10 + r) for r in range(len(arms))], evaluation=evaluation,
    )  # fmt: skip


def ids(*shape: int) -> Tensor:
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("lead", [1, 2])
def test_symbols_are_one_hot(lead: int):
    model, x = made(), ids(lead, T, B)
    assert torch.equal(model(x, reads=T), model(F.one_hot(x, V).float(), reads=T))


@pytest.mark.parametrize("lead", [1, 2])
def test_embedded_symbols_are_rows_of_a_table(lead: int):
    model, x = made(embedding=3), ids(lead, T, B)
    assert model.embedding is not None
    rows = torch.stack(
        [torch.stack([model.embedding[r, s] for s in x[r % lead].flatten()]).view(T, B, 3) for r in range(2)]
    )
    out, _ = model.rnn(rows)
    assert torch.equal(model(x, reads=T), model.read(out))
    loss = loss_by_replica(model(x, reads=T), ids(lead, T, B))
    (gradient,) = torch.autograd.grad(loss.sum(), [model.embedding])
    expected = torch.zeros_like(gradient)
    (of_rows,) = torch.autograd.grad(loss_by_replica(model.read(model.rnn(rows)[0]), ids(lead, T, B)).sum(), [rows])
    for r in range(2):
        for symbol, row in zip(x[r % lead].flatten(), of_rows[r].reshape(-1, 3), strict=True):
            expected[r, symbol] += row
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("reads", [1, 3, T])
def test_the_last_timesteps_are_read(reads: int):
    model, x = made(), torch.randn(2, T, B, V)
    out, _ = model.rnn(x)
    assert torch.equal(model(x, reads=reads), model.read(out[:, T - reads :]))
    assert torch.equal(model(x), model(x, reads=1)[:, 0])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_a_sequence_in_two_parts_is_the_sequence(cell: str):
    model, x = made(cell=cell), ids(2, T, B)
    whole, final = model.forward_with_states(x, None, T)
    first, middle = model.forward_with_states(x[:, :2], None, 2)
    second, last = model.forward_with_states(x[:, 2:], middle, 3)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    for a, b in zip(final, last, strict=True):
        torch.testing.assert_close(a, b)


def test_too_many_symbols_need_an_embedding():
    with pytest.raises(InputRefusedError, match=r"1,001 symbols.*model\.embedding"):
        made(symbols=1001)(ids(1, T, B))
    assert made(symbols=1001, embedding=2)(ids(1, T, B)).shape == (2, B, 1001)
    assert made(symbols=1000)(ids(1, T, B)).shape == (2, B, 1000)


def test_real_inputs_have_no_embedding():
    for model in (made(embedding=3), made(VariationalDropout(embedding=0.5))):
        with pytest.raises(InputRefusedError, match=r"model\.embedding=0"):
            model(torch.randn(1, T, B, V))


@pytest.mark.parametrize("embedding", [0, 3])
def test_a_dropped_symbol_is_dropped_wherever_it_stands(embedding: int):
    """Read off what the layers are given: a symbol's factor is 0 or 1/(1 − p), the same at each of its places in an example."""
    model = made(VariationalDropout(embedding=0.5), NoRegularizer(), embedding=embedding)
    x = ids(1, 40, B)
    seen: list[Tensor] = []
    model.rnn.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    factors = []
    for update in (0, 0, 1):
        model.rnn.update = update
        model(x)
    model.eval()
    model(x)
    plain = seen.pop()
    for encoded in seen:
        factors.append((encoded / plain).nanmean(-1).round(decimals=5))
        assert (factors[-1][1] == 1).all()
        for b in range(B):
            for symbol in set(x[0, :, b].tolist()):
                assert len(factors[-1][0, x[0, :, b] == symbol, b].unique()) == 1
    assert torch.equal(factors[0], factors[1])
    assert not torch.equal(factors[0], factors[2])
    assert set(factors[0][0].unique().tolist()) == {0.0, 2.0}
    assert len({tuple(factors[0][0, x[0, :, b] == 2, b][:1].tolist()) for b in range(B)} | {(1.0,)}) >= 2


def test_sampled_passes_differ_where_symbols_alone_are_dropped():
    model = made(VariationalDropout(embedding=0.5), evaluation="sampled").eval()
    x = ids(1, T, B)
    first, second = model(x), model(x)
    assert not torch.equal(first, second)
    model.rnn.draw = 0
    assert torch.equal(model(x), first)


def test_weight_noise_is_on_the_embedding_too():
    model = made(WeightNoise(0.3), embedding=3)
    assert model.embedding is not None
    seen: list[Tensor] = []
    model.rnn.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    model.rnn.update = 5
    x = ids(1, T, B)
    model(x)
    drawn = noise.normal((V, 3), seed=10, update=5, matrix=EMBEDDING)
    torch.testing.assert_close(seen[0][0], (model.embedding[0] + 0.3 * drawn)[x[0]].detach())


def test_an_untrained_model_of_fifty_characters_needs_log2_of_fifty_bits():
    """50 equally likely characters: 5.644 bits each."""
    symbols = torch.randint(50, (5000,), generator=torch.Generator().manual_seed(0))
    model = made(symbols=50, hidden=100)
    bits = evaluate(model, Stream(symbols, 50, 100), "bpc")["bpc"]
    np.testing.assert_allclose(bits, math.log2(50), atol=0.03)


def test_parameters_of_zarembas_large_model():
    """Zaremba et al. 2014 say 66 million: 2 × 1500 units, embedding 1500, 10,000 words. Like torch's, each gate has two biases."""
    model = made(
        NoRegularizer(), symbols=10_000, hidden=1500, layers=2, embedding=1500, init="uniform", forget_bias=0.0
    )
    embedding, readout = 10_000 * 1500, (1500 + 1) * 10_000
    layer = 4 * 1500 * (1500 + 1500) + 2 * 4 * 1500
    assert sum(p.numel() for p in model.parameters()) == embedding + 2 * layer + readout == 66_034_000
