"""Analytic gradients of every layer with every regularizer against finite differences, in float64."""

from __future__ import annotations

import pytest
import torch
from every_layer import LAYERS
from pairwise import pairwise
from torch import Tensor
from torch.autograd import gradcheck

from zoneout_lab import CellDropout, NoRegularizer, RecurrentDropout, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers import GRU, LSTM, RNN, Recurrent
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.regularizers import (
    REGULARIZERS,
    STACK_SITES,
    HiddenDropout,
    NonRecurrentDropout,
    NormStabilizer,
    Regularizer,
    RnnDrop,
    VariationalDropout,
    WeightNoise,
)

VALUES: dict[str, list[Regularizer]] = {
    "none": [NoRegularizer()],
    "zoneout": [
        Zoneout(cell=0.5, hidden=0.3),
        Zoneout(hidden=0.4),
        Zoneout(cell=0.4),
        Zoneout(cell=0.5, hidden=0.3, share=True),
        Zoneout(hidden=0.5, per="layer"),
        Zoneout(hidden=0.5, resample="sequence"),
        Zoneout(cell=0.5, hidden=0.5, resample="never"),
        Zoneout(hidden=1.0),
    ],
    "recurrent_dropout": [RecurrentDropout(0.4), RecurrentDropout(1.0)],
    "cell_dropout": [CellDropout(0.4)],
    "hidden_dropout": [HiddenDropout(0.4)],
    "rnn_drop": [RnnDrop(0.4)],
    "variational_dropout": [VariationalDropout(input=0.3, recurrent=0.4, output=0.2)],
    "non_recurrent_dropout": [NonRecurrentDropout(0.4)],
    "weight_noise": [WeightNoise(0.1)],
    "norm_stabilizer": [NormStabilizer(3.0)],
    "combined": [NonRecurrentDropout(0.3) + Zoneout(hidden=0.3)],
}
#: each layer with each value, every other one as in evaluation
CASES = pairwise(list(LAYERS), [value for values in VALUES.values() for value in values], [True, False])


def test_every_member_of_the_list_is_checked():
    assert set(VALUES) == set(REGULARIZERS)
    assert all({type(value) for value in values} == {REGULARIZERS[kind]} for kind, values in VALUES.items())


def check(rnn: Recurrent, x: Tensor, states: tuple[Tensor, ...], *, fast: bool = False) -> None:
    """Over input, initial states and every parameter; of the output and the final states."""
    names, parameters = zip(*rnn.named_parameters(), strict=True)
    leaves = [t.detach().clone().requires_grad_() for t in (x, *states, *parameters)]

    def results(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        rnn.update = 3  # the same masks every time
        h, values = rest[: len(states)], rest[len(states) :]
        out, last = torch.func.functional_call(
            rnn, dict(zip(names, values, strict=True)), (x, h if len(h) > 1 else h[0])
        )
        penalty = () if rnn.penalty is None else (rnn.penalty,)
        return (out, *last, *penalty) if isinstance(last, tuple) else (out, last, *penalty)

    assert gradcheck(results, leaves, fast_mode=fast)


def made(
    name: str, value: Regularizer | list[Regularizer], **more: object
) -> tuple[Recurrent, Tensor, tuple[Tensor, ...]]:
    layer, options = LAYERS[name]
    torch.manual_seed(0)
    replicas = len(value) if isinstance(value, list) else None
    lead = () if replicas is None else (replicas,)
    rnn = layer(2, 3, dtype=torch.float64, regularizer=value, replicas=replicas,
                mask_seed=4 if replicas is None else list(range(replicas)), **options, **more)  # fmt: skip
    rows = rnn.num_layers * rnn.directions
    x, *states = (torch.randn(*lead, n, 2, k, dtype=torch.float64) for n, k in ((4, 2), (rows, 3), (rows, 3)))
    return rnn, x, tuple(states[: len(rnn.cell.states)])


def refused(name: str, value: Regularizer) -> bool:
    cell = name.split(",")[0]
    known = (*CELLS[cell].sites, *STACK_SITES)
    return any(site not in known for site in value.sites())


@pytest.mark.parametrize(("name", "value", "training"), CASES, ids=str)
def test_gradients(name: str, value: Regularizer, training: bool):
    if refused(name, value):
        with pytest.raises(InputRefusedError, match="does not work with the"):
            made(name, value)
        return
    rnn, x, states = made(name, value)
    check(rnn.train(training), x, states)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_stacked_directions_and_layers(name: str):
    rnn, x, states = made(name, Zoneout(hidden=0.4), num_layers=2, bidirectional=True, dropout=0.3)
    check(rnn, x, states, fast=True)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False], ids=["masks", "expectation"])
def test_gradients_of_replicas_with_different_regularizers(name: str, training: bool):
    pool = [NoRegularizer(), Zoneout(hidden=0.4, per="layer"), Zoneout(cell=0.5, share=True), CellDropout(0.4)]
    rnn, x, states = made(name, [value for value in pool if not refused(name, value)])
    check(rnn.train(training), x, states)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_a_shared_input_and_learned_states(name: str):
    """One input for two replicas: its gradient is the sum of theirs."""
    rnn, x, _ = made(name, [Zoneout(hidden=0.4), NoRegularizer()], learned_state=True)
    names, parameters = zip(*rnn.named_parameters(), strict=True)
    leaves = [t.detach().clone().requires_grad_() for t in (x[:1], *parameters)]

    def results(x: Tensor, *values: Tensor) -> Tensor:
        rnn.update = 3
        return torch.func.functional_call(rnn, dict(zip(names, values, strict=True)), (x,))[0]

    assert gradcheck(results, leaves)


@pytest.mark.parametrize("layer", [LSTM, GRU, RNN])
def test_gradients_of_packed_sequences(layer: type[Recurrent]):
    torch.manual_seed(0)
    rnn = layer(2, 3, dtype=torch.float64, bidirectional=True, regularizer=Zoneout(hidden=0.4), mask_seed=4)  # type: ignore[call-arg]
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)

    def results(x: Tensor) -> tuple[Tensor, ...]:
        rnn.update = 3
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([2, 4, 1]), enforce_sorted=False)
        out, last = rnn(packed)
        return (out.data, *(last if isinstance(last, tuple) else [last]))

    assert gradcheck(results, [x])
