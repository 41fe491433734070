"""One training update of all replicas, without a word from the host to the device or back: from indices to new weights.

On CUDA the updates of one shape are captured in a graph after a few have run one operation at a time, and replayed from then on. Where
that fails they go on one operation at a time.
What changes between replays lies on the device: which examples, and which update's masks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.errors import InputRefusedError, told
from zoneout_lab.ops import triton
from zoneout_lab.settings import Training
from zoneout_lab.tasks.base import Carried, Split
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel, States
from zoneout_lab.training.optimizer import clip_per_replica, clipped_step, make_optimizer, take_step

_TRIES = 2  # captures that fail before none is tried any more
_EAGER = 3  # updates of a shape before it is captured: libraries choose their kernels and memory in the first ones


@dataclass
class Step:
    """Updates of a model, and sums over those since :meth:`begin`.

    Args:
        model: R replicas.
        training: optimizer, loss and clipping.
        split: training data on the model's device. With carried streams each update starts from the states that the one before
            ended in; no gradient flows between updates.

    Attributes:
        optimizer: of the model's parameters; on CUDA its state lies there.
        losses, norms: sums of the replicas' mean losses and of the gradient's norms before clipping, [R] each.

    Raises:
        InputRefusedError: carried streams for a model with learned initial states, which it would never start from.
    """

    model: SequenceModel
    training: Training
    split: Split
    optimizer: torch.optim.Optimizer = field(init=False)
    losses: Tensor = field(init=False)
    norms: Tensor = field(init=False)
    _captures: bool = field(init=False)
    carried: States | None = field(default=None, init=False)
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict, init=False)
    _graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor]] = field(default_factory=dict, init=False)
    _refused: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.optimizer = make_optimizer(self.model.parameters(), self.training)
        like = self.model.readout_bias
        self.losses, self.norms = like.new_zeros(like.shape[0]), like.new_zeros(like.shape[0])
        self._captures = like.is_cuda and triton.is_installed()  # without it masks come from the host
        if self._captures:
            self.model.rnn.update = torch.zeros((), dtype=torch.int64, device=like.device)
        if isinstance(self.split, Carried) and self.model.rnn.learned_state:
            raise InputRefusedError(
                "This task carries its states from update to update, from zero at each epoch's start, so a learned initial state "
                "would not be used: set model.learned_state=false."
            )

    def begin(self, lr: float | None = None) -> None:
        """An epoch starts: sums and carried states at zero, and from here on the learning rate ``lr`` where one is given."""
        self.losses.zero_()
        self.norms.zero_()
        for state in self.carried or ():
            state.zero_()
        for group in self.optimizer.param_groups:
            if lr is not None and group["lr"] != lr:
                group["lr"] = lr
                self._graphs.clear()  # the old rate is part of what was captured

    def __call__(self, index: npt.NDArray[np.int64], update: int) -> None:
        """Train on the examples (or chunks) ``index`` [R, B] with the masks of training update ``update``."""
        rnn, device = self.model.rnn, self.losses.device
        if isinstance(rnn.update, Tensor):
            rnn.update.fill_(update)
        else:
            rnn.update = update
        if isinstance(self.split, Carried) and self.carried is None:
            shape = (len(index), rnn.num_layers, index.shape[1], rnn.hidden_size)
            self.carried = tuple(self.model.readout_bias.new_zeros(shape) for _ in rnn.cell.states)
        where = torch.as_tensor(index)
        if device.type == "cuda":
            self._on_cuda(where.pin_memory().to(device, non_blocking=True))
        else:
            self.compute(where)

    def compute(self, index: Tensor) -> None:
        """The update itself, every tensor of it on one device."""
        inputs, targets = self.split.gather(index)
        logits, states = self.model.forward_with_states(inputs, self.carried, reads(targets))
        loss = loss_by_replica(logits, targets)
        penalty = self.model.rnn.penalty
        whole = loss * (reads(targets) or 1) if self.training.loss == "sum_over_time" else loss
        self.optimizer.zero_grad()
        # a replica's parameters see its own loss only
        torch.autograd.backward((whole if penalty is None else whole + penalty).sum())
        if self.training.clip is not None and self.training.clip_what == "step":
            norm = clip_per_replica(self.model.parameters(), None)
            clipped_step(self.optimizer, self.training.clip)
        else:
            norm = clip_per_replica(self.model.parameters(), self.training.clip)
            take_step(self.optimizer)
        self.losses += loss.detach()
        self.norms += norm
        for kept, state in zip(self.carried or (), states if self.carried else (), strict=True):
            kept.copy_(state.detach())

    def _on_cuda(self, index: Tensor) -> None:
        shape = tuple(index.shape)
        if shape in self._graphs:
            graph, static = self._graphs[shape]
            static.copy_(index)
            graph.replay()
            return
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if self._captures and self._seen[shape] > _EAGER:
            try:
                self._graphs[shape] = self._captured(index)
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                # updates one operation at a time are the same, and slower
                warnings.warn(f"An update could not be captured in a CUDA graph: {told(error)}", stacklevel=1)
                self._refused += 1
                self._captures = self._refused < _TRIES
            else:
                self._graphs[shape][0].replay()  # capturing computed nothing
                return
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.compute(index)
        torch.cuda.current_stream().wait_stream(side)

    def _captured(self, index: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """The update as a graph, and the tensor that it takes its examples from."""
        static, graph = index.clone(), torch.cuda.CUDAGraph()
        # graphs run one after another and leave nothing in their memory that another needs
        pool = next((captured.pool() for captured, _ in self._graphs.values()), None)
        why: Exception | None = None
        try:
            # whose stream it is again where a capture ends badly, which then leaves its own
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, pool=pool):
                try:
                    self.compute(static)
                except Exception as error:
                    why = error
                    raise
        except RuntimeError:
            if why is None:
                raise
            raise why from None  # that a capture ended badly does not say why
        return graph, static


def reads(targets: Tensor) -> int | None:
    """How many of the last timesteps are read for targets [R or 1, K, B]: K; None, the last alone, for targets [R or 1, B].

    >>> reads(torch.zeros(1, 3, 8)), reads(torch.zeros(1, 8))
    (3, None)
    """
    return targets.shape[1] if targets.dim() == 3 else None


def on_device(device: torch.device | str) -> AbstractContextManager[object]:
    """A block in which a GPU is torch's current one: streams, events, graphs and kernels go there without being told."""
    return torch.cuda.device(device) if torch.device(device).type == "cuda" else nullcontext()


def in_batches(split: Split, orders: Iterable[np.random.Generator], batch: int) -> list[npt.NDArray[np.int64]]:
    """Indices [R, B] of one epoch's updates, each replica in its own random order."""
    return [np.stack(parts) for parts in zip(*(split.epoch(order, batch) for order in orders), strict=True)]
