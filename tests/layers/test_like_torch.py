"""Over a grid of constructor arguments: torch's outputs, states, gradients and ``state_dict``."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch_pairs import PAIRS, initial, leaves, pair, tensors

T, B, N, H = 6, 3, 4, 5
FORMS = ("unbatched", "batched", "packed sorted", "packed unsorted")
GRID = [
    {"num_layers": layers, "bias": bias, "batch_first": batch_first, "bidirectional": both}
    for layers, bias, batch_first, both in product((1, 2), (True, False), (False, True), (False, True))
]
OUTPUT = {torch.float32: 1e-6, torch.float64: 1e-13}
GRADIENT = {torch.float32: 1e-5, torch.float64: 1e-12}


def data(form: str, batch_first: bool, dtype: torch.dtype) -> torch.Tensor:
    x = torch.randn(T, B, N, generator=torch.Generator().manual_seed(1), dtype=dtype)
    if form == "unbatched":
        x = x[:, 0]
    elif batch_first:
        x = x.transpose(0, 1).contiguous()
    return x.requires_grad_()


def as_input(x: torch.Tensor, form: str, batch_first: bool) -> torch.Tensor | PackedSequence:
    lengths = {"packed sorted": [6, 4, 1], "packed unsorted": [2, 6, 3]}.get(form)
    if lengths is None:
        return x
    return pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=form == "packed sorted")


def computed(rnn: torch.nn.Module, form: str, options: dict[str, Any], given: Any, dtype: torch.dtype):
    """Outputs and states; gradients of a weighted sum of all of them."""
    x = data(form, options["batch_first"], dtype)
    states = [state.clone().requires_grad_() for state in leaves(given)]
    hx = None if given is None else tuple(states) if len(states) > 1 else states[0]
    result = rnn(as_input(x, form, options["batch_first"]), hx)
    results = tensors(result)
    generator = torch.Generator().manual_seed(2)
    loss = sum((t * torch.randn(t.shape, generator=generator, dtype=dtype)).sum() for t in results)
    return result[0], results, torch.autograd.grad(loss, [x, *states, *rnn.parameters()])


@pytest.mark.parametrize("dtype", OUTPUT, ids=str)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PAIRS)
def test_outputs_states_and_gradients(name: str, form: str, dtype: torch.dtype):
    for options, with_states in product(GRID, (False, True)):
        ours, theirs = pair(name, N, H, dtype=dtype, **options)
        rows = options["num_layers"] * (2 if options["bidirectional"] else 1)
        shape = (rows, H) if form == "unbatched" else (rows, B, H)
        given = initial(name, shape, dtype) if with_states else None
        (out, mine, my_gradients), (expected, yours, your_gradients) = (
            computed(rnn, form, options, given, dtype) for rnn in (ours, theirs)
        )
        for got, want, largest in (
            *((g, w, OUTPUT[dtype]) for g, w in zip(mine, yours, strict=True)),
            *((g, w, GRADIENT[dtype]) for g, w in zip(my_gradients, your_gradients, strict=True)),
        ):
            assert got.shape == want.shape, options
            assert got.dtype == dtype
            assert (got - want).abs().max() <= largest, options
        assert type(out) is type(expected)
        if isinstance(out, PackedSequence) and isinstance(expected, PackedSequence):
            for got, want in zip(out[1:], expected[1:], strict=True):
                assert (got is None and want is None) or torch.equal(got, want)


@pytest.mark.parametrize("options", GRID, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_same_parameters_in_the_same_order_and_the_same_initial_values(name: str, options: dict[str, Any]):
    ours, theirs = pair(name, N, H, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for got, want in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(got, want)
    assert [[w.shape for w in row] for row in ours.all_weights] == [
        [w.shape for w in row] for row in theirs.all_weights
    ]
    assert all(a is ours.get_parameter(n) for row, names in zip(ours.all_weights, theirs._all_weights, strict=True)
               for a, n in zip(row, names, strict=True))  # fmt: skip


@pytest.mark.parametrize("options", GRID, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_weights_go_both_ways(name: str, options: dict[str, Any]):
    ours, theirs = pair(name, N, H, **options)
    x = data("batched", options["batch_first"], torch.float32)
    for source, target in ((ours, theirs), (theirs, ours)):
        source.reset_parameters()
        assert (source(x)[0] - target(x)[0]).abs().max() > 1e-3
        target.load_state_dict(source.state_dict(), strict=True)
        assert (source(x)[0] - target(x)[0]).abs().max() <= 1e-6


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_made_next_has_the_same_weights_too(name: str):
    """Without a regularizer no more random numbers are taken than torch takes, at construction or in a forward pass."""
    after = []
    for rnn in PAIRS[name][:2]:
        torch.manual_seed(3)
        rnn(N, H, 2)(torch.zeros(T, B, N))
        after.append(torch.rand(3))
    assert torch.equal(*after)


@pytest.mark.parametrize("name", PAIRS)
def test_flatten_parameters_and_reset_are_there(name: str):
    ours, theirs = pair(name, N, H, 2)
    before = [p.clone() for p in ours.parameters()]
    ours.flatten_parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, ours.parameters(), strict=True))
    for rnn in (ours, theirs):
        torch.manual_seed(5)
        rnn.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


REPRS = [
    ((4, 5), {}),
    ((4, 5, 2), {"batch_first": True}),
    ((4, 5, 2), {"bias": False, "dropout": 0.5, "bidirectional": True}),
]


@pytest.mark.parametrize(("sizes", "options"), REPRS, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_prints_as_torch_does(name: str, sizes: tuple[int, ...], options: dict[str, Any]):
    ours, theirs = pair(name, *sizes, **options)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", PAIRS)
def test_positional_arguments_have_torchs_places(name: str):
    """The nonlinearity of an RNN sits before the bias."""
    ours, theirs = PAIRS[name][:2]
    nonlinearity = ["tanh"] if name.startswith("rnn") else []
    arguments = [N, H, 2, *nonlinearity, False, True, 0.25, True]
    mine, yours = ours(*arguments), theirs(*arguments)
    for attribute in ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(mine, attribute) == getattr(yours, attribute), attribute
