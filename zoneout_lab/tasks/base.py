"""What a task gives to training: real data in two shapes, examples with one target or a stream of symbols.

Shapes: R replicas, N examples or chunks, B batch, T timesteps, I input features, C classes or symbols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.settings import Setting


@dataclass(frozen=True)
class Examples:
    """Sequences of one length, each with one class.

    ``inputs`` [N, T, I] float32, ``targets`` [N] int64.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def steps(self) -> int:
        return int(self.inputs.shape[1])

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """Index batches [B] of one epoch in a new random order; the last one may be smaller."""
        order = rng.permutation(len(self))
        return [order[k : k + batch] for k in range(0, len(order), batch)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples ``index`` [R, B] as inputs [R, T, B, I] and targets [R, B]."""
        return self.inputs[index].transpose(1, 2), self.targets[index]

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every example once, as inputs [T, B, I] and targets [B]."""
        for k in range(0, len(self), batch):
            yield self.inputs[k : k + batch].transpose(0, 1), self.targets[k : k + batch]

    def to(self, device: torch.device | str) -> Examples:
        return Examples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Stream:
    """One long sequence of symbols, to be predicted one symbol ahead in chunks.

    ``symbols`` [N] int64 in [0, classes). A chunk of ``length`` symbols holds length − 1 predictions. Inputs are one-hot
    float32, so that a linear layer on them is the paper's "one-hot → linear".
    """

    symbols: Tensor
    classes: int
    length: int

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def steps(self) -> int:
        return self.length - 1

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """First positions [B] of non-overlapping chunks from one random offset in [0, length), shuffled."""
        starts = np.arange(rng.integers(self.length), len(self) - self.length + 1, self.length)
        starts = rng.permutation(starts)
        return [starts[k : k + batch] for k in range(0, len(starts), batch)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The chunks that begin at ``index`` [R, B] as inputs [R, T, B, C] and targets [R, T, B]."""
        chunk = self.symbols[index[:, None, :] + torch.arange(self.length, device=index.device)[None, :, None]]
        return F.one_hot(chunk[:, :-1], self.classes).float(), chunk[:, 1:]

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Non-overlapping chunks from the start, as inputs [T, B, C] and targets [T, B]; a last part-chunk is left out."""
        starts = torch.arange(0, len(self) - self.length + 1, self.length, device=self.symbols.device)
        for k in range(0, len(starts), batch):
            inputs, targets = self.gather(starts[None, k : k + batch])
            yield inputs[0], targets[0]

    def to(self, device: torch.device | str) -> Stream:
        return Stream(self.symbols.to(device), self.classes, self.length)


Split = Examples | Stream


@dataclass(frozen=True)
class Data:
    """A loaded task: three splits, what they are called and a digest of exactly what was loaded."""

    train: Split
    valid: Split
    test: Split
    digest: str
    notes: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Data:
        return Data(self.train.to(device), self.valid.to(device), self.test.to(device), self.digest, self.notes)


class Task(Protocol):
    """A task is a frozen dataclass whose fields are its options; ``load`` reads real data and nothing else does.

    ``score`` names what the task is judged by beside its loss: ``error`` is the fraction of examples classified wrongly,
    ``bpc`` the cross-entropy in bits per character. Lower is better for both.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    score: ClassVar[Literal["error", "bpc"]]
    settings: ClassVar[Mapping[str, Setting]]

    @property
    def input_size(self) -> int: ...

    @property
    def output_size(self) -> int: ...

    def load(self, folder: Path | None = None) -> Data:
        """Read the data from ``folder``, or from where an earlier download left them, or download them.

        Raises InputRefusedError where a file is missing, truncated or not what it should be.
        """
        ...
