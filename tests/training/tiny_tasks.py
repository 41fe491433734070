"""Tasks of a second or less: made-up examples, a made-up stream and made-up carried streams, with the runs that train on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from zoneout_lab.frozen import Seeds
from zoneout_lab.regularizers import NoRegularizer, Regularizer, to_json
from zoneout_lab.settings import Model, Run, Setting, Training
from zoneout_lab.tasks.base import Carried, Data, Examples, Stream, TaskScore

TEST_IS_VALID = "the test split is the validation split, so that what was selected shows"


@dataclass(frozen=True)
class TinyExamples:
    """Is the sum of a noisy sequence positive? Validation and test are the same examples."""

    name: ClassVar[str] = "tiny_examples"
    title: ClassVar[str] = "Sums"
    score: ClassVar[TaskScore] = "error"
    sources: ClassVar[str] = "made when it is loaded"
    settings: ClassVar[dict[str, Setting]] = {}

    features: int = 2
    noise: float = 1.5

    @property
    def input_size(self) -> int:
        return self.features

    @property
    def output_size(self) -> int:
        return 2

    def load(self, folder: Path | None = None) -> Data:
        generator = torch.Generator().manual_seed(0)
        splits = []
        for count in (33, 20):
            inputs = torch.randn(count, 6, self.features, generator=generator)
            total = inputs.sum((1, 2)) + self.noise * torch.randn(count, generator=generator)
            splits.append(Examples(inputs, (total > 0).long()))
        train, valid = splits
        return Data.of(train, valid, valid, (TEST_IS_VALID,))


@dataclass(frozen=True)
class TinyStream:
    """A noisy cycle of five symbols."""

    name: ClassVar[str] = "tiny_stream"
    title: ClassVar[str] = "Cycle"
    score: ClassVar[TaskScore] = "bpc"
    sources: ClassVar[str] = "made when it is loaded"
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
        train, valid, test = (
            Stream(torch.from_numpy((np.arange(n) + rng.integers(0, 2, n)) % self.classes), self.classes, 9)
            for n in (200, 95, 83)
        )
        return Data.of(train, valid, test)


@dataclass(frozen=True)
class TinyCarried:
    """A cycle of five symbols with long rests, so that a window's first symbols say little without what came before."""

    name: ClassVar[str] = "tiny_carried"
    title: ClassVar[str] = "Cycle"
    score: ClassVar[TaskScore] = "ppl"
    sources: ClassVar[str] = "made when it is loaded"
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
            Carried(torch.from_numpy((np.arange(n) // 3 + rng.integers(0, 2, n)) % self.classes), self.classes, 6, 4)
            for n in (180, 90, 83)
        ]
        return Data.of(*splits)


def make_run(seed: int = 0, regularizer: Regularizer | None = None, **options: Any) -> Run:
    """A run with its own three seeds. ``options`` are fields of the model, of the training or of the run."""
    regularizer = regularizer or NoRegularizer()
    of_model = {k: options.pop(k) for k in list(options) if k in Model.model_fields}
    of_training = {k: options.pop(k) for k in list(options) if k in Training.model_fields}
    setting = Setting(
        model=Model(**({"hidden": 8} | of_model)), training=Training(**({"epochs": 2, "batch": 8} | of_training))
    )
    return Run(
        arm=repr(regularizer),
        seed=seed,
        task="tiny",
        setting=setting,
        regularizer=to_json(regularizer),
        seeds=options.pop("seeds", Seeds(init=seed, data=50 + seed, masks=100 + seed)),
        **options,
    )
