"""What a task gives to training: real data in two shapes, examples with one target or a stream of symbols.

Shapes: R replicas, N examples or symbols, B batch, T timesteps, I input features, C classes or symbols.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.settings import Setting
from zoneout_lab.tasks.files import Sources


@dataclass(frozen=True)
class Examples:
    """Sequences of one length, each with one class.

    ``inputs`` [N, T, I] float32, ``targets`` [N] int64.

    >>> examples = Examples(torch.arange(6.0).view(3, 2, 1), torch.tensor([0, 1, 1]))
    >>> len(examples), examples.steps
    (3, 2)
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def steps(self) -> int:
        """T, the timesteps of every sequence."""
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

    >>> stream = Stream(torch.tensor([0, 1, 2, 0, 1, 2, 0]), classes=3, length=3)
    >>> [targets.T.tolist() for _, targets in stream.in_order(batch=1)]
    [[[1, 2]], [[1, 2]]]
    """

    symbols: Tensor
    classes: int
    length: int

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def steps(self) -> int:
        """T = length − 1, the predictions of one chunk."""
        return self.length - 1

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """First positions [B] of non-overlapping chunks from one random offset in [0, length), shuffled.

        There are as many chunks as fit from the largest offset, whatever the offset: replicas that drew different ones make
        the same updates.
        """
        count = (len(self) - self.length + 1) // self.length
        starts = rng.permutation(rng.integers(self.length) + self.length * np.arange(count))
        return [starts[k : k + batch] for k in range(0, len(starts), batch)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The chunks that begin at ``index`` [R, B] as inputs [R, T, B, C] and targets [R, T, B]."""
        chunk = self.symbols[index[:, None, :] + torch.arange(self.length, device=index.device)[None, :, None]]
        # torch's one_hot would look at the data first, and wait for the device to do so
        one_hot = chunk[:, :-1, :, None] == torch.arange(self.classes, device=chunk.device)
        return one_hot.float(), chunk[:, 1:]

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Non-overlapping chunks from the start, as inputs [T, B, C] and targets [T, B]; a last part-chunk is left out."""
        starts = torch.arange(0, len(self) - self.length + 1, self.length, device=self.symbols.device)
        for k in range(0, len(starts), batch):
            inputs, targets = self.gather(starts[None, k : k + batch])
            yield inputs[0], targets[0]

    def whole(self, window: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every symbol but the first is predicted once: consecutive windows, inputs [T, 1, C] and targets [T, 1].

        For one pass at batch 1 that carries its state from window to window: N − 1 predictions in all, T = ``window`` but for
        the last, which may be shorter. The window bounds memory; evaluated with
        expectations, it changes no result (sampled masks that are fixed over time begin again with every window).

        >>> stream = Stream(torch.arange(6), classes=6, length=3)
        >>> [targets[:, 0].tolist() for _, targets in stream.whole(window=2)]
        [[1, 2], [3, 4], [5]]
        """
        for k in range(0, len(self) - 1, window):
            targets = self.symbols[k + 1 : k + 1 + window]
            inputs = self.symbols[k : k + len(targets)]
            yield F.one_hot(inputs, self.classes).float()[:, None], targets[:, None]

    def to(self, device: torch.device | str) -> Stream:
        return Stream(self.symbols.to(device), self.classes, self.length)


Split = Examples | Stream


@dataclass(frozen=True)
class Data:
    """A loaded task: three splits, a digest of exactly what was loaded, and notes a report has to repeat."""

    train: Split
    valid: Split
    test: Split
    digest: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, train: Split, valid: Split, test: Split, notes: tuple[str, ...] = ()) -> Data:
        """The three splits with their digest."""
        return cls(train, valid, test, digest({"train": train, "valid": valid, "test": test}), notes)

    def to(self, device: torch.device | str) -> Data:
        return Data(self.train.to(device), self.valid.to(device), self.test.to(device), self.digest, self.notes)


def digest(splits: Mapping[str, Split]) -> str:
    """SHA-256 (64 hexadecimal digits) over every split's name, field names, shapes, types and values.

    It stands for what was learned from, however it was read: the same data from a download or from a folder agree, and one
    pixel or another permutation makes a difference.

    >>> a = Stream(torch.arange(4), classes=4, length=2)
    >>> digest({"train": a}) == digest({"train": a}), digest({"train": a}) == digest({"valid": a})
    (True, False)
    """
    total = hashlib.sha256()
    for name, split in splits.items():
        if isinstance(split, Stream):
            total.update(f"{name} classes {split.classes} length {split.length}\n".encode())
            tensors = {"symbols": split.symbols}
        else:
            tensors = {"inputs": split.inputs, "targets": split.targets}
        for field, tensor in tensors.items():
            values = tensor.contiguous().cpu().numpy()
            total.update(f"{name} {field} {values.dtype.name} {values.shape}\n".encode())
            total.update(values.data)
    return total.hexdigest()


class Task(Protocol):
    """A task is a frozen dataclass whose fields are its options; ``load`` reads real data and nothing else does.

    ``score`` names what the task is judged by beside its loss: ``error`` is the fraction of examples classified wrongly,
    ``bpc`` the cross-entropy in bits per character. Lower is better for both. ``sources`` are the files it reads, None where its data
    come inside a package.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    score: ClassVar[Literal["error", "bpc"]]
    sources: ClassVar[Sources | None]
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
