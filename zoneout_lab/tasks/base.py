"""What a task gives to training: examples with targets of their own, a stream of symbols in chunks, or streams side by side.

Shapes: R replicas, N examples or symbols, B batch, T timesteps, I input features, K classes read at the last K timesteps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Over, Score

#: what a task is judged by: the name of a built-in score, or a score of its own
TaskScore = str | Score


@dataclass(frozen=True)
class Examples:
    """Sequences of one length, each with its targets.

    Args:
        inputs: [N, T, I], float32.
        targets: int64 [N], a class read at the last timestep; int64 [N, K], a class read at each of the last K timesteps; or float32 [N], a
            real value read at the last timestep.

    >>> examples = Examples(torch.arange(6.0).view(3, 2, 1), torch.tensor([0, 1, 1]))
    >>> len(examples), examples.steps, examples.reads
    (3, 2, None)
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def steps(self) -> int:
        """T, the timesteps of every sequence."""
        return int(self.inputs.shape[1])

    @property
    def reads(self) -> int | None:
        """K, the last timesteps that are read; None where there is one target for the last alone."""
        return None if self.targets.dim() == 1 else int(self.targets.shape[1])

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """Index batches [B] of one epoch in a new random order; the last one may be smaller."""
        order = rng.permutation(len(self))
        return [order[k : k + batch] for k in range(0, len(order), batch)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples ``index`` [R, B] as inputs [R, T, B, I] and targets [R, B] or [R, K, B]."""
        targets = self.targets[index]
        return self.inputs[index].transpose(1, 2), targets if self.reads is None else targets.transpose(1, 2)

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every example once, as inputs [T, B, I] and targets [B] or [K, B]."""
        for k in range(0, len(self), batch):
            targets = self.targets[k : k + batch]
            yield self.inputs[k : k + batch].transpose(0, 1), targets if self.reads is None else targets.T

    def to(self, device: torch.device | str) -> Examples:
        return Examples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Stream:
    """One long sequence of symbols, to be predicted one symbol ahead in chunks.

    What is given out are symbols, int64; a model encodes them.

    Args:
        symbols: [N] in [0, classes), of any integer type: a long text is one byte for each character, and may be a file mapped into memory, of
            which only what is gathered is read.
        classes: how many different symbols there are.
        length: symbols in a chunk, which holds length − 1 predictions.
        overlapping: whether the chunks of an epoch begin anywhere, or lie end to end.

    >>> stream = Stream(torch.tensor([0, 1, 2, 0, 1, 2, 0]), classes=3, length=3)
    >>> [targets.T.tolist() for _, targets in stream.in_order(batch=1)]
    [[[1, 2]], [[1, 2]]]
    """

    symbols: Tensor
    classes: int
    length: int
    overlapping: bool = False

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def steps(self) -> int:
        """T = length − 1, the predictions of one chunk."""
        return self.length - 1

    @property
    def reads(self) -> int:
        """T: every timestep is read."""
        return self.steps

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """First positions [B] of an epoch's chunks, shuffled.

        Those that do not overlap start from one random offset in [0, length). There are as many as fit from the largest offset,
        whatever the offset: replicas that drew different ones make the same updates. Overlapping chunks are as many, and begin at
        distinct positions drawn from all that leave room for a chunk.
        """
        count = (len(self) - self.length + 1) // self.length
        if self.overlapping:
            starts = rng.choice(len(self) - self.length + 1, size=count, replace=False)
        else:
            starts = rng.permutation(rng.integers(self.length) + self.length * np.arange(count))
        return [starts[k : k + batch] for k in range(0, len(starts), batch)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The chunks that begin at ``index`` [R, B] as symbols [R, T, B] and targets [R, T, B]."""
        return _windows(self.symbols, index, self.length)

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Non-overlapping chunks from the start, as symbols [T, B] and targets [T, B]; a last part-chunk is left out."""
        starts = torch.arange(0, len(self) - self.length + 1, self.length, device=self.symbols.device)
        for k in range(0, len(starts), batch):
            inputs, targets = self.gather(starts[None, k : k + batch])
            yield inputs[0], targets[0]

    def whole(self, window: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every symbol but the first is predicted once: consecutive windows, symbols [T, 1] and targets [T, 1].

        For one pass at batch 1 that carries its state from window to window: N − 1 predictions in all, T = ``window`` but for
        the last, which may be shorter. The window bounds memory; evaluated with
        expectations, it changes no result (sampled masks that are fixed over time begin again with every window).

        >>> stream = Stream(torch.arange(6), classes=6, length=3)
        >>> [targets[:, 0].tolist() for _, targets in stream.whole(window=2)]
        [[1, 2], [3, 4], [5]]
        """
        return _whole(self.symbols, window)

    def to(self, device: torch.device | str) -> Stream:
        return Stream(self.symbols.to(device), self.classes, self.length, self.overlapping)


@dataclass(frozen=True)
class Carried:
    """One long sequence of symbols as parallel streams whose state is carried from window to window (Zaremba et al. 2014).

    The streams are the batch. Symbols are given out as int64.

    Args:
        symbols: [N] in [0, classes), of any integer type.
        classes: how many different symbols there are.
        length: predictions of every stream in a window.
        streams: into how many contiguous parts of ⌊(N − 1) / streams⌋ predictions each the symbols are cut; what is left over, fewer predictions
            than there are streams, goes unread.

    Raises:
        InputRefusedError: there are fewer predictions than streams.

    >>> text = Carried(torch.arange(10), classes=10, length=2, streams=2)
    >>> [inputs.T.tolist() for inputs, _ in text.in_order(batch=2)]
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    """

    symbols: Tensor
    classes: int
    length: int
    streams: int

    def __post_init__(self) -> None:
        if self.each < 1:
            raise InputRefusedError(
                f"A text of {len(self):,} symbols is too short for {self.streams} streams: each has to predict at least one symbol."
            )

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def each(self) -> int:
        """The predictions of one stream."""
        return (len(self) - 1) // self.streams

    @property
    def steps(self) -> int:
        """T = length, the predictions of one window of one stream."""
        return self.length

    @property
    def reads(self) -> int:
        """T: every timestep is read."""
        return self.length

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        """First positions [streams] of every whole window, in the order of the text.

        A carried state leaves nothing to shuffle, so ``rng`` is not drawn from, and ``batch`` has to be the number of streams. A last
        part-window is left out.

        Raises InputRefusedError where ``batch`` is another number, or no whole window fits.
        """
        if batch != self.streams:
            raise InputRefusedError(
                f"The batch is {batch}, and the text is cut into {self.streams} streams: set training.batch={self.streams}."
            )
        if self.each < self.length:
            raise InputRefusedError(
                f"No window fits: {self.streams} streams of a text of {len(self):,} symbols make {self.each} predictions each, and a "
                f"window {self.length}. Use more text, fewer streams or shorter windows."
            )
        first = self.each * np.arange(self.streams)
        return [first + k for k in range(0, self.each - self.length + 1, self.length)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The windows that begin at ``index`` [R, B] as symbols [R, T, B] and targets [R, T, B]."""
        return _windows(self.symbols, index, self.length + 1)

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every prediction of every stream: consecutive windows, symbols [T, streams] and targets [T, streams].

        The state is to be carried from one to the next. The last may be shorter. ``batch`` changes nothing.
        """
        first = self.each * torch.arange(self.streams, device=self.symbols.device)[None]
        for k in range(0, self.each, self.length):
            inputs, targets = _windows(self.symbols, first + k, min(self.length, self.each - k) + 1)
            yield inputs[0], targets[0]

    def whole(self, window: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The text as one stream: as :meth:`Stream.whole`."""
        return _whole(self.symbols, window)

    def to(self, device: torch.device | str) -> Carried:
        return Carried(self.symbols.to(device), self.classes, self.length, self.streams)


def _windows(symbols: Tensor, index: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """``length`` symbols from each of ``index`` [R, B], all but the last and all but the first, [R, length − 1, B] each."""
    steps = torch.arange(length, device=index.device)[None, :, None]
    window = symbols[index[:, None, :] + steps].long()
    return window[:, :-1], window[:, 1:]


def _whole(symbols: Tensor, window: int) -> Iterator[tuple[Tensor, Tensor]]:
    for k in range(0, len(symbols) - 1, window):
        part = symbols[k : k + window + 1].long()
        yield part[:-1, None], part[1:, None]


Split = Examples | Stream | Carried


def kind_of(split: Split) -> Over:
    """What a score is read over on such data."""
    return "examples" if isinstance(split, Examples) else "chunks" if isinstance(split, Stream) else "streams"


@dataclass(frozen=True)
class Data:
    """A loaded task; :meth:`of` makes one.

    Args:
        train, valid, test: the three splits, each ``Examples``, a ``Stream`` or ``Carried``.
        digest: of exactly what was loaded.
        notes: what a report has to repeat about them.

    >>> split = Examples(torch.arange(6.0).view(3, 2, 1), torch.tensor([0, 1, 1]))
    >>> len(Data.of(split, split, split).digest)
    64
    """

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
        if isinstance(split, Examples):
            tensors = {"inputs": split.inputs, "targets": split.targets}
        else:
            how = f"streams {split.streams}" if isinstance(split, Carried) else f"overlapping {split.overlapping}"
            total.update(f"{name} classes {split.classes} length {split.length} {how}\n".encode())
            tensors = {"symbols": split.symbols}
        for field, tensor in tensors.items():
            values = tensor.contiguous().cpu().numpy()
            total.update(f"{name} {field} {values.dtype.name} {values.shape}\n".encode())
            total.update(values.data)
    return total.hexdigest()
