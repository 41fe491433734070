"""The default task: its split, its order of pixels, and that both are always the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from zoneout_lab.tasks import Data, Digits, Examples
from zoneout_lab.tasks.digits import stratified

# The task as studies have seen it. Another value means that scikit-learn's data or NumPy's generator changed, and that results
# of before and after are not of the same task.
DIGEST = "ae49384f1edee6d0a21bd6f77202b779552e9aa03ad234dc5598d56632be2271"


def examples(data: Data) -> list[Examples]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Examples) for part in parts)
    return [part for part in parts if isinstance(part, Examples)]


def test_the_task_is_the_one_that_was_studied(loaded: Callable[..., Data]) -> None:
    assert loaded("digits").digest == DIGEST


def test_the_splits_are_disjoint_and_complete(loaded: Callable[..., Data]) -> None:
    parts = examples(loaded("digits", permute=False))
    assert [len(part) for part in parts] == [1097, 350, 350]
    rows = torch.cat([part.inputs[:, :, 0] for part in parts]).numpy()
    pixels = (load_digits().data / 16).astype(np.float32)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, pixels))


def test_every_image_keeps_its_class(loaded: Callable[..., Data]) -> None:
    digits = load_digits()
    classes = {bytes(p): t for p, t in zip((digits.data / 16).astype(np.float32), digits.target, strict=True)}
    for part in examples(loaded("digits", permute=False)):
        assert [classes[bytes(p)] for p in part.inputs[:, :, 0].numpy()] == part.targets.tolist()


def test_every_class_keeps_its_proportion(loaded: Callable[..., Data]) -> None:
    share = np.bincount(load_digits().target) / 1797
    for part in examples(loaded("digits")):
        counts = np.bincount(part.targets.numpy())
        assert np.abs(counts - share * len(part)).max() < 2


@pytest.mark.parametrize("seed", range(20))
def test_stratifying_takes_each_example_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.choice(4, size=200, p=[0.1, 0.2, 0.3, 0.4])
    parts = stratified(classes, (120, 50, 30), rng)
    assert [len(part) for part in parts] == [120, 50, 30]
    assert sorted(np.concatenate(parts).tolist()) == list(range(200))
    for part in parts:
        assert np.abs(np.bincount(classes[part], minlength=4) - np.bincount(classes) * len(part) / 200).max() <= 2


def test_the_order_is_a_permutation_by_its_seed() -> None:
    order = Digits().order()
    assert sorted(order.tolist()) == list(range(64))
    assert order.tolist() != list(range(64))
    assert np.array_equal(order, Digits().order())
    assert not np.array_equal(order, Digits(permutation_seed=2).order())


def test_each_step_reads_the_pixel_of_the_order(loaded: Callable[..., Data]) -> None:
    plain, permuted = loaded("digits", permute=False), loaded("digits")
    for a, b in zip(examples(plain), examples(permuted), strict=True):
        assert torch.equal(a.inputs[:, torch.from_numpy(Digits().order())], b.inputs)
        assert torch.equal(a.targets, b.targets)
    assert plain.digest != permuted.digest
