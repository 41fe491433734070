"""Digits, colours and helpers for tests of sets of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from zoneout_lab.tasks import Data, Examples

DIGITS = load_digits()
PIXELS, LABELS = DIGITS.images.astype(np.uint8), DIGITS.target


def examples(data: Data) -> list[Examples]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Examples) for part in parts)
    return [part for part in parts if isinstance(part, Examples)]


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def every(data: Data) -> dict[bytes, int]:
    """The class of each image of all parts, by its pixels as they are read."""
    return {
        bytes(image): target
        for part in examples(data)
        for image, target in zip(part.inputs.numpy(), part.targets.tolist(), strict=True)
    }


COLOURS = np.random.default_rng(3).integers(0, 256, (60, 5, 4, 3), np.uint8)
KINDS = np.arange(60) % 3
