"""Activation checkpointing gives the gradients of a plain pass or is refused; tracing is refused."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from zoneout_lab import GRU, LSTM, RNN, NoRegularizer, NormStabilizer, Recurrent, WeightNoise, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import BatchNormLSTM

T, B, N, H = 6, 3, 4, 5
X = torch.randn(T, B, N, generator=torch.Generator().manual_seed(0))
REENTRANT = pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not reentrant"])
ENGINES = pytest.mark.parametrize("engine", ["cpu", "reference"])


def made(layer: type[Recurrent], *sizes: Any, **options: Any) -> Recurrent:
    torch.manual_seed(1)
    return layer(*sizes, mask_seed=3, **options)


def gradients(rnn: nn.Module, run: Callable[[Tensor], Tensor]) -> list[Tensor]:
    x = X.clone().requires_grad_()
    return list(torch.autograd.grad(run(x).square().sum(), [x, *rnn.parameters()]))


def outputs(rnn: Recurrent, x: Tensor) -> Tensor:
    return rnn(x)[0]


UNMASKED: dict[str, tuple[type, dict[str, Any]]] = {
    "lstm": (LSTM, {}),
    "gru, two layers both ways": (GRU, {"num_layers": 2, "bidirectional": True}),
    "rnn, learned state": (RNN, {"learned_state": True}),
    "static mask": (LSTM, {"regularizer": Zoneout(cell=0.5, resample="never")}),
    "norm stabilizer": (GRU, {"regularizer": NormStabilizer(1.0)}),
}


@REENTRANT
@ENGINES
@pytest.mark.parametrize("case", UNMASKED)
def test_without_masks_that_change_checkpointing_gives_the_same_gradients(case: str, engine: str, reentrant: bool):
    layer, options = UNMASKED[case]
    rnn = made(layer, N, H, engine=engine, **options)
    expected = gradients(rnn, lambda x: outputs(rnn, x))
    found = gradients_checkpointed(rnn, lambda x: outputs(rnn, x), reentrant=reentrant)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def gradients_checkpointed(rnn: nn.Module, run: Callable[[Tensor], Tensor], *, reentrant: bool) -> list[Tensor]:
    """By backward(): torch.autograd.grad refuses reentrant checkpointing."""
    rnn.zero_grad()
    x = X.clone().requires_grad_()
    checkpoint(run, x, use_reentrant=reentrant).square().sum().backward()
    return [x.grad, *(p.grad for p in rnn.parameters())]  # type: ignore[list-item]


MASKED: dict[str, tuple[type, dict[str, Any]]] = {
    "zoneout": (LSTM, {"regularizer": Zoneout(cell=0.5, hidden=0.3)}),
    "dropout between layers": (GRU, {"num_layers": 2, "dropout": 0.5}),
    "weight noise": (RNN, {"regularizer": WeightNoise(0.1)}),
    "a mask that is static at rates that change": (
        LSTM,
        {"regularizer": Zoneout(hidden=0.1, hidden_end=0.9, over=2, resample="never")},
    ),
}


@REENTRANT
@ENGINES
@pytest.mark.parametrize("case", MASKED)
def test_with_masks_checkpointing_is_refused_by_name(case: str, engine: str, reentrant: bool):
    layer, options = MASKED[case]
    rnn = made(layer, N, H, engine=engine, **options)
    said = rf"This {layer.__name__} draws masks, and activation checkpointing runs it again.*Set its update inside"
    with pytest.raises(InputRefusedError, match=said):
        gradients_checkpointed(rnn, lambda x: outputs(rnn, x), reentrant=reentrant)
    rnn.eval()
    gradients_checkpointed(rnn, lambda x: outputs(rnn, x), reentrant=reentrant)  # expectations are not drawn


@REENTRANT
@ENGINES
@pytest.mark.parametrize("case", MASKED)
def test_an_update_set_inside_the_checkpointed_function_makes_it_right(case: str, engine: str, reentrant: bool):
    """Two passes of the layer inside, as a function may make, each after an update that was set for it."""
    layer, options = MASKED[case]
    rnn = made(layer, N, H, engine=engine, **options)

    def run(x: Tensor) -> Tensor:
        rnn.update = 7
        first = outputs(rnn, x)
        rnn.update = 8
        return first + outputs(rnn, x.flip(0))

    expected = gradients(rnn, run)
    rnn.update = 0
    found = gradients_checkpointed(rnn, run, reentrant=reentrant)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_sampled_evaluation_that_is_checkpointed_is_refused_too():
    rnn = made(LSTM, N, H, regularizer=Zoneout(cell=0.5), evaluation="sampled").eval()
    with pytest.raises(InputRefusedError, match="Set its draw inside"):
        gradients_checkpointed(rnn, lambda x: outputs(rnn, x), reentrant=False)


def test_layers_in_a_checkpointed_sequence():
    class First(nn.Module):
        def __init__(self, rnn: Recurrent) -> None:
            super().__init__()
            self.rnn = rnn

        def forward(self, x: Tensor) -> Tensor:
            return outputs(self.rnn, x)

    model = nn.Sequential(First(LSTM(N, H)), First(GRU(H, H)), First(RNN(H, H)))
    expected = gradients(model, model)
    found = gradients(model, lambda x: checkpoint_sequential(model, 3, x, use_reentrant=False))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_packed_sequences_can_be_checkpointed():
    rnn, packed = LSTM(N, H), pack_sequence([X[:, 0], X[:2, 1]])

    def run(data: Tensor) -> Tensor:
        return rnn(PackedSequence(data, packed.batch_sizes))[0].data

    data = packed.data.clone().requires_grad_()
    (expected,) = torch.autograd.grad(run(data).square().sum(), data)
    (found,) = torch.autograd.grad(checkpoint(run, data, use_reentrant=False).square().sum(), data)
    assert torch.equal(found, expected)


@REENTRANT
def test_batch_norm_moves_its_population_once(reentrant: bool):
    plain, twice = (made(Recurrent, BatchNormLSTM(steps=T), N, H) for _ in range(2))
    gradients(plain, lambda x: outputs(plain, x))
    gradients_checkpointed(twice, lambda x: outputs(twice, x), reentrant=reentrant)
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), twice.buffers(), strict=True))


def traced(rnn: nn.Module) -> Any:
    return torch.jit.trace(rnn, (X,), check_trace=False)


def exported(rnn: nn.Module) -> Any:
    return torch.onnx.export(rnn, (X,), io.BytesIO(), dynamo=False)


def proxied(rnn: nn.Module) -> Any:
    return make_fx(lambda x: rnn(x)[0])(X)


def exported_anew(rnn: nn.Module) -> Any:
    return torch.export.export(rnn, (X,), strict=False)


def exported_packed(rnn: nn.Module) -> Any:
    class Packs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = rnn

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(PackedSequence(x[0], torch.tensor([B])))[0].data  # type: ignore[no-any-return]

    return torch.export.export(Packs(), (X,), strict=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@ENGINES
@pytest.mark.parametrize("how", [traced, exported, exported_anew, exported_packed, proxied])
@pytest.mark.parametrize("regularizer", [NoRegularizer(), Zoneout(hidden=0.5)], ids=str)
def test_tracing_is_refused_by_name(how: Callable[[nn.Module], Any], engine: str, regularizer: Any):
    rnn = made(GRU, N, H, engine=engine, regularizer=regularizer).eval()
    with pytest.raises(
        InputRefusedError, match=r"zoneout_lab\.GRU cannot be traced.*load its state_dict into torch\.nn\.GRU"
    ):
        how(rnn)
    rnn(X)  # and afterwards it runs as before


def test_a_strict_export_is_refused_with_the_same_words():
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"zoneout_lab\.GRU cannot be traced"):
        torch.export.export(made(GRU, N, H), (X,), strict=True)


def test_inputs_without_data_are_refused_where_the_reference_does_not_run():
    with FakeTensorMode():
        with pytest.raises(InputRefusedError, match=r"zoneout_lab\.LSTM cannot be traced"):
            LSTM(N, H)(torch.ones(T, B, N))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of our look at an address
            assert LSTM(N, H, engine="reference")(torch.ones(T, B, N))[0].shape == (T, B, H)


def replica(rnn: Recurrent) -> Recurrent:
    """As nn.DataParallel makes it."""
    other = rnn._replicate_for_data_parallel()
    for name, parameter in rnn.named_parameters():
        setattr(other, name, parameter.clone())
    return other  # type: ignore[no-any-return]


def test_replicas_of_data_parallel_refuse_to_draw():
    """They would count for themselves and be thrown away: the same masks at every update."""
    rnn = made(LSTM, N, H, regularizer=Zoneout(cell=0.5))
    with pytest.raises(InputRefusedError, match=r"nn\.DataParallel would draw the same ones"):
        replica(rnn)(X)
    assert torch.equal(replica(rnn.eval())(X)[0], rnn(X)[0])
