"""A made-up task of Zaremba's protocol: streams side by side, states carried from window to window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.settings import Setting
from zoneout_lab.tasks.base import Data


@dataclass(frozen=True)
class Streams:
    """``symbols`` [N] cut into so many streams of equal length, read in windows of ``length`` predictions."""

    symbols: Tensor
    classes: int
    length: int
    streams: int

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def steps(self) -> int:
        return self.length

    def epoch(self, rng: np.random.Generator, batch: int) -> list[np.ndarray]:
        each = len(self) // self.streams
        return [np.arange(self.streams) * each + k * self.length for k in range((each - 1) // self.length)]

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        window = self.symbols[index[:, None, :] + torch.arange(self.length + 1, device=index.device)[None, :, None]]
        return window[:, :-1], window[:, 1:]

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index in self.epoch(np.random.default_rng(0), batch):
            inputs, targets = self.gather(torch.as_tensor(index)[None])
            yield inputs[0], targets[0]

    def whole(self, window: int) -> Iterator[tuple[Tensor, Tensor]]:
        for k in range(0, len(self) - 1, window):
            targets = self.symbols[k + 1 : k + 1 + window]
            yield self.symbols[k : k + len(targets), None], targets[:, None]

    def to(self, device: torch.device | str) -> Streams:
        return Streams(self.symbols.to(device), self.classes, self.length, self.streams)


@dataclass(frozen=True)
class TinyCarried:
    """A cycle of five symbols with long rests, so that a window's first symbols say little without what came before."""

    name: ClassVar[str] = "tiny_carried"
    title: ClassVar[str] = "Cycle"
    score: ClassVar[str] = "ppl"
    sources: ClassVar[None] = None
    settings: ClassVar[dict[str, Setting]] = {}

    classes: int = 5

    @property
    def input_size(self) -> int:
        return self.classes

    @property
    def output_size(self) -> int:
        return self.classes

    def load(self, folder: Path | None = None) -> Data:
        rng = np.random.default_rng(0)
        splits = [
            Streams(torch.from_numpy((np.arange(n) // 3 + rng.integers(0, 2, n)) % self.classes), self.classes, 6, 4)
            for n in (180, 90, 83)
        ]
        return Data(*splits, digest="")  # type: ignore[arg-type]
