"""The peers: the same training step by ours, by torch's layer, and as people write zoneout themselves.

Each makes a callable without arguments that goes forward and backward once and gives the outputs [T, B, H] and the gradients of all
parameters (weight_ih, weight_hh, bias_ih, bias_hh). All start from the same weights, see the same input and the same gradient of
the output. The list :data:`PEERS` is the registry.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from zoneout_lab.bench.cases import RATES, Case
from zoneout_lab.bench.rounds import Step
from zoneout_lab.layers import GRU, LSTM, RNN
from zoneout_lab.layers.recurrent import Recurrent
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.ops.engine import Engine
from zoneout_lab.regularizers import Zoneout

#: cell → our layer, torch's, torch's of one timestep
LAYERS: dict[str, tuple[Callable[..., Recurrent], Callable[..., nn.RNNBase], Callable[..., nn.RNNCellBase]]] = {
    "lstm": (LSTM, nn.LSTM, nn.LSTMCell),
    "gru": (GRU, nn.GRU, nn.GRUCell),
    "rnn_tanh": (RNN, nn.RNN, nn.RNNCell),
}
LAYER_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN"}
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True)
class Problem:
    """What all peers compute: a layer's weights, its input and the gradient of its output, for R models.

    Shapes: ``weights`` by name, [R, G, I], [R, G, H], [R, G], [R, G]; ``x`` [R, T, B, I]; ``d_out`` [R, T, B, H].
    """

    cell: str
    weights: dict[str, Tensor]
    x: Tensor
    d_out: Tensor
    rates: dict[str, float]

    @property
    def replicas(self) -> int:
        return self.x.shape[0]

    @property
    def hidden(self) -> int:
        return self.d_out.shape[3]

    @property
    def input(self) -> int:
        return self.x.shape[3]


def problem(
    case: Case,
    cell: str,
    device: torch.device | str = "cpu",
    *,
    replicas: int = 1,
    dtype: torch.dtype = torch.float32,
    rates: dict[str, float] | None = None,
    seed: int = 0,
) -> Problem:
    """The problem of a case: weights as torch draws them, inputs and gradients from a normal distribution.

    >>> problem(Case("tiny", "", batch=2, steps=3, hidden=4, input=5), "gru").weights["weight_ih"].shape
    torch.Size([1, 12, 5])
    """
    generator = torch.Generator().manual_seed(seed)
    R, G, T, B, H, I = replicas, CELLS[cell].gates * case.hidden, case.steps, case.batch, case.hidden, case.input  # noqa: E741
    weights = {
        name: (torch.rand(R, *shape, generator=generator, dtype=dtype) * 2 - 1).div(H**0.5).to(device)
        for name, shape in zip(_NAMES, ((G, I), (G, H), (G,), (G,)), strict=True)
    }
    x = torch.randn(R, T, B, I, generator=generator, dtype=dtype).to(device)
    d_out = torch.randn(R, T, B, H, generator=generator, dtype=dtype).to(device)
    wanted = RATES if rates is None else rates
    states = CELLS[cell].states
    return Problem(cell, weights, x, d_out, {state: wanted[state] for state in states})


def torch_layer(p: Problem) -> Step:
    """torch.nn.LSTM and its kin, model after model: no zoneout, hence the ceiling."""
    layers = []
    for r in range(p.replicas):
        layer = LAYERS[p.cell][1](p.input, p.hidden).to(p.x.device, p.x.dtype)
        _load(layer, p, [r], "_l0")
        layers.append(layer)

    def step() -> Sequence[Tensor]:
        results = [_step(layer, p.x[r], p.d_out[r]) for r, layer in enumerate(layers)]
        return results[0] if len(results) == 1 else [tensor for result in results for tensor in result]

    return step


def ours(p: Problem, engine: Engine = "auto") -> Step:
    """Our layer in training mode: masks are drawn anew in every step, which is timed with the rest."""
    layer = our_layer(p, engine)
    if p.x.device.type == "cuda":
        # counted up on the GPU: a captured step draws new masks at every replay
        layer.update = torch.zeros((), dtype=torch.int64, device=p.x.device)
    one = p.replicas == 1
    x, d_out = (p.x[0], p.d_out[0]) if one else (p.x, p.d_out)
    return lambda: _step(layer, x, d_out)


def reference(p: Problem) -> Step:
    """Our layer by its specification, the explicit loop that the fast paths are tested against."""
    return ours(p, "reference")


def masks(p: Problem) -> Step:
    """The masks of one of our steps and nothing else, as the layer draws them."""
    layer = our_layer(p)
    T, B = p.x.shape[1:3]
    if p.x.is_cuda:
        layer.update = torch.zeros((), dtype=torch.int64, device=p.x.device)

    def step() -> Sequence[Tensor]:
        drawn = layer.sampled_masks(0, (T, B, p.hidden), p.x.device)
        layer.update += 1
        return list(drawn.values())

    return step


def our_layer(p: Problem, engine: Engine = "auto") -> Recurrent:
    """zl.LSTM and its kin with zoneout at the problem's rates and its weights."""
    replicas = None if p.replicas == 1 else p.replicas
    layer = LAYERS[p.cell][0](
        p.input,
        p.hidden,
        device=p.x.device,
        dtype=p.x.dtype,
        regularizer=Zoneout(cell=p.rates.get("cell", 0.0), hidden=p.rates["hidden"]),
        mask_seed=list(range(p.replicas)),
        replicas=replicas,
        engine=engine,
    )
    _load(layer, p, None if replicas else [0], "_l0")
    return layer


def zone_out(old: Tensor, new: Tensor, rate: float) -> Tensor:
    """Zoneout as it is usually written: a mask of floats, drawn where it is needed."""
    keep = torch.bernoulli(torch.full_like(old, rate))
    return keep * old + (1 - keep) * new


class ZoneoutCell(nn.Module):
    """torch's cell of one timestep, and zoneout of its states."""

    def __init__(self, p: Problem) -> None:
        super().__init__()
        self.cell = _cell(p)
        self.rates = [p.rates[state] for state in CELLS[p.cell].states]

    def forward(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        new = self.cell(x, states if len(states) == 2 else states[0])
        new = new if len(states) == 2 else (new,)
        return tuple(zone_out(s, n, rate) for s, n, rate in zip(states, new, self.rates, strict=True))


def naive(p: Problem) -> Step:
    """The loop over time that people write around torch's cell."""
    cell = ZoneoutCell(p)
    return _loop(p, cell, cell)


def compiled(p: Problem) -> Step:
    """The same loop with its step compiled by torch.compile. (A compiled loop would be unrolled: minutes for 784 timesteps.)"""
    cell = ZoneoutCell(p)
    return _loop(p, cell, torch.compile(cell, fullgraph=True, dynamic=False))


def haste(p: Problem) -> Step:
    """The layer of haste_pytorch, CUDA kernels with zoneout of the hidden state; its own initial weights."""
    module: Any = importlib.import_module("haste_pytorch")
    made: nn.Module = getattr(module, LAYER_NAMES[p.cell])(p.input, p.hidden, zoneout=p.rates["hidden"]).to(p.x.device)
    made.train()
    return lambda: _step(made, p.x[0], p.d_out[0])


def captured(make: Callable[[Problem], Step]) -> Callable[[Problem], Step]:
    """A peer whose whole step is captured in a CUDA graph once and replayed."""

    def make_captured(p: Problem) -> Step:
        step = make(p)
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = step()

        def replay() -> Sequence[Tensor]:
            graph.replay()
            return result

        return replay

    return make_captured


@dataclass(frozen=True)
class Peer:
    """A row of the table.

    Args:
        key: its name in JSON.
        label: its display name; ``{layer}`` stands for LSTM, GRU or RNN.
        note: what it leaves out, or what it is.
        make: from a problem to a step.
        held: float32 numbers for each unit, timestep and example that a step needs at its peak.
        devices, cells: where it exists.
        needs: a package that it needs.
        may_fail: whether it stands on what a machine may lack; its row is then left out, with the reason.
    """

    key: str
    label: str
    note: str
    make: Callable[[Problem], Step]
    held: int
    devices: tuple[str, ...] = ("cpu", "cuda")
    cells: tuple[str, ...] = tuple(LAYERS)
    needs: str | None = None
    may_fail: bool = False

    def name(self, cell: str) -> str:
        """The label for a cell.

        >>> PEERS[0].name("gru")
        'nn.GRU'
        """
        return self.label.format(layer=LAYER_NAMES[cell])

    def why_not(self, cell: str, device: str) -> str | None:
        """Why it cannot be a peer here; None where it can. An empty reason is none that anyone would ask for."""
        if device.partition(":")[0] not in self.devices or cell not in self.cells:
            return ""
        if self.needs is not None and find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return None


TORCH, OURS, MASKS = "torch", "ours", "masks"
_CEILING = "no zoneout: ceiling"
_GPU = ("cuda",)

PEERS = (
    Peer(TORCH, "nn.{layer}", _CEILING, torch_layer, held=20),
    Peer(OURS, "zl.{layer}", "zoneout, masks drawn", ours, held=20),
    Peer(MASKS, "zl.{layer}, masks alone", "part of the row above", masks, held=1),
    Peer("naive", "nn.{layer}Cell loop", "zoneout written by hand", naive, held=25),
    Peer("compiled", "nn.{layer}Cell loop, compiled", "step by torch.compile", compiled, held=25, may_fail=True),
    Peer("reference", "zl.{layer}, reference", "the specification", reference, held=45),
    Peer("torch_graph", "nn.{layer}, CUDA graph", _CEILING, captured(torch_layer), held=40, devices=_GPU, may_fail=True),
    Peer("ours_graph", "zl.{layer}, CUDA graph", "zoneout, masks drawn", captured(ours), held=40, devices=_GPU, may_fail=True),
    Peer("naive_graph", "nn.{layer}Cell loop, CUDA graph", "zoneout written by hand", captured(naive), held=50,
         devices=_GPU, may_fail=True),
    Peer("compiled_graph", "nn.{layer}Cell loop, compiled, CUDA graph", "step by torch.compile", captured(compiled),
         held=50, devices=_GPU, may_fail=True),
    Peer("haste", "haste_pytorch {layer}", "no zoneout of the cell", haste, held=20, devices=_GPU, cells=("lstm", "gru"),
         needs="haste_pytorch", may_fail=True),
)  # fmt: skip


def _cell(p: Problem) -> nn.RNNCellBase:
    cell = LAYERS[p.cell][2](p.input, p.hidden, device=p.x.device, dtype=p.x.dtype)
    _load(cell, p, [0], "")
    return cell


def _loop(p: Problem, module: nn.Module, cell: Callable[..., tuple[Tensor, ...]]) -> Step:
    x, d_out, parameters = p.x[0], p.d_out[0], list(module.parameters())

    def step() -> Sequence[Tensor]:
        states = tuple(x.new_zeros(x.shape[1], p.hidden) for _ in CELLS[p.cell].states)
        outputs = []
        for x_t in x:
            states = cell(x_t, states)
            outputs.append(states[0])
        out = torch.stack(outputs)
        return [out, *torch.autograd.grad(out, parameters, d_out)]

    return step


def _step(layer: nn.Module, x: Tensor, d_out: Tensor) -> Sequence[Tensor]:
    out = layer(x)[0]
    return [out, *torch.autograd.grad(out, list(layer.parameters()), d_out)]


def _load(module: nn.Module, p: Problem, rows: list[int] | None, suffix: str) -> None:
    """Give a module the problem's weights: of one model, or of all."""
    weights = {f"{name}{suffix}": weight if rows is None else weight[rows[0]] for name, weight in p.weights.items()}
    module.load_state_dict(weights)
