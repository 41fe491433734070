"""One training update of all replicas, without a word from the host to the device or back: from indices to new weights.

On CUDA the updates of one shape are captured in a graph after a few have run one operation at a time, and replayed from then on.
What changes between replays lies on the device: which examples, and which update's masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoneout_lab.ops import triton
from zoneout_lab.tasks.base import Split
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.optimiser import clip_per_replica
from zoneout_lab.training.sums import loss_by_replica

_EAGER = 3  # updates of a shape before it is captured: libraries choose their kernels and memory in the first ones


@dataclass
class Step:
    """Updates of a model, and sums over those since :meth:`begin`.

    Args:
        model: R replicas.
        optimiser: of the model's parameters; on CUDA one whose state lies there.
        clip: largest gradient norm of a replica, or None.
        split: training data on the model's device.

    Attributes:
        losses, norms: sums of the replicas' losses and of their gradient norms before clipping, [R] each.
    """

    model: SequenceModel
    optimiser: torch.optim.Optimizer
    clip: float | None
    split: Split
    losses: Tensor = field(init=False)
    norms: Tensor = field(init=False)
    _captures: bool = field(init=False)
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    _graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        like = self.model.readout_bias
        self.losses, self.norms = like.new_zeros(like.shape[0]), like.new_zeros(like.shape[0])
        self._captures = like.is_cuda and triton.is_installed()  # without it masks come from the host
        if self._captures:
            self.model.rnn.update = torch.zeros((), dtype=torch.int64, device=like.device)

    def begin(self) -> None:
        """Sums start at zero."""
        self.losses.zero_()
        self.norms.zero_()

    def __call__(self, index: npt.NDArray[np.int64], update: int) -> None:
        """Train on the examples (or chunks) ``index`` [R, B] with the masks of training update ``update``."""
        rnn, device = self.model.rnn, self.losses.device
        if isinstance(rnn.update, Tensor):
            rnn.update.fill_(update)
        else:
            rnn.update = update
        where = torch.as_tensor(index)
        if device.type == "cuda":
            self._on_cuda(where.pin_memory().to(device, non_blocking=True))
        else:
            self.compute(where)

    def compute(self, index: Tensor) -> None:
        """The update itself, every tensor of it on one device."""
        inputs, targets = self.split.gather(index)
        loss = loss_by_replica(self.model(inputs), targets)
        penalty = self.model.rnn.penalty
        self.optimiser.zero_grad()
        # a replica's parameters see its own loss only
        torch.autograd.backward((loss if penalty is None else loss + penalty).sum())
        norm = clip_per_replica(self.model.parameters(), self.clip)
        self.optimiser.step()
        self.losses += loss.detach()
        self.norms += norm

    def _on_cuda(self, index: Tensor) -> None:
        shape = tuple(index.shape)
        if shape in self._graphs:
            graph, static = self._graphs[shape]
            static.copy_(index)
            graph.replay()
            return
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if not self._captures or self._seen[shape] <= _EAGER:
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self.compute(index)
            torch.cuda.current_stream().wait_stream(side)
            return
        static = index.clone()
        graph = torch.cuda.CUDAGraph()
        # graphs run one after another and leave nothing in their memory that another needs
        pool = next((captured.pool() for captured, _ in self._graphs.values()), None)
        with torch.cuda.graph(graph, pool=pool):
            self.compute(static)
        self._graphs[shape] = (graph, static)
        graph.replay()  # capturing computed nothing


def on_device(device: torch.device | str) -> AbstractContextManager[object]:
    """A block in which a GPU is torch's current one: streams, events, graphs and kernels go there without being told."""
    return torch.cuda.device(device) if torch.device(device).type == "cuda" else nullcontext()


def in_batches(split: Split, orders: Iterable[np.random.Generator], batch: int) -> list[npt.NDArray[np.int64]]:
    """Indices [R, B] of one epoch's updates, each replica in its own random order."""
    return [np.stack(parts) for parts in zip(*(split.epoch(order, batch) for order in orders), strict=True)]
