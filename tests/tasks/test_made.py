"""Copying and adding: what is asked for, when, and what knowing nothing scores."""

from __future__ import annotations

import math

import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Adding, Copying, Data, Examples, make_task


def examples(data: Data) -> list[Examples]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Examples) for part in parts)
    return [part for part in parts if isinstance(part, Examples)]


@pytest.mark.parametrize(("blanks", "items", "symbols"), [(100, 10, 8), (1, 1, 2), (7, 3, 4)])
def test_symbols_come_back_after_exactly_the_horizon(blanks: int, items: int, symbols: int) -> None:
    task = Copying(blanks, items, symbols, train_examples=40, valid_examples=30, test_examples=20)
    assert task.horizon == blanks + items
    for split, count in zip(examples(task.load()), (40, 30, 20), strict=True):
        read = split.inputs.argmax(-1)
        assert torch.equal(split.inputs.sum(-1), torch.ones(count, blanks + 2 * items))
        assert split.reads == items
        for k in range(items):
            # the target of step T − items + k is what was read `horizon` steps before it
            assert torch.equal(read[:, split.steps - items + k - task.horizon], split.targets[:, k])
        after = read[:, items:]
        delimiter = torch.full_like(after, symbols)
        delimiter[:, blanks - 1] = symbols + 1
        assert torch.equal(after, delimiter)


def test_arjovskys_sequences_have_twenty_steps_more_than_blanks() -> None:
    assert Copying(train_examples=2).load().train.steps == 120


def test_all_symbols_are_as_likely() -> None:
    targets = examples(Copying(blanks=1, train_examples=8000).load())[0].targets
    counts = torch.bincount(targets.flatten(), minlength=8)
    expected = targets.numel() / 8
    assert float(((counts - expected) ** 2 / expected).sum()) < 24.3  # χ² of 7 degrees, 0.1 %


@pytest.mark.parametrize("length", [2, 3, 10, 1001])
def test_the_sum_is_of_one_number_from_each_half(length: int) -> None:
    data = Adding(length, train_examples=300, valid_examples=40, test_examples=20).load()
    for split in examples(data):
        values, marks = split.inputs.unbind(-1)
        assert split.steps == length
        assert set(marks.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(marks[:, : length // 2].sum(1), torch.ones(len(split)))
        assert torch.equal(marks.sum(1), torch.full((len(split),), 2.0))
        wanted = [float(v[m == 1].double().sum()) for v, m in zip(values, marks, strict=True)]
        assert split.targets.tolist() == pytest.approx(wanted, abs=1e-6)
    assert values.min() >= 0
    assert values.max() < 1


def test_marks_and_numbers_are_everywhere() -> None:
    values, marks = examples(Adding(10, train_examples=5000).load())[0].inputs.unbind(-1)
    assert torch.equal(marks.sum(0) > 800, torch.ones(10, dtype=torch.bool))
    assert values.mean().item() == pytest.approx(0.5, abs=0.01)


def test_answering_one_scores_a_sixth() -> None:
    targets = examples(Adding(20, train_examples=20_000).load())[0].targets
    error = float((targets - 1).square().mean())
    assert error == pytest.approx(1 / 6, abs=4 * math.sqrt(7 / 180) / math.sqrt(20_000))


@pytest.mark.parametrize("name", ["copying", "adding"])
def test_the_seed_decides_and_no_part_depends_on_anothers_size(name: str) -> None:
    one, again, other, larger = (
        make_task(name, {"seed": seed, "train_examples": count, "test_examples": 50}).load()
        for seed, count in ((3, 60), (3, 60), (4, 60), (3, 90))
    )
    assert one.digest == again.digest != other.digest
    for a, b in list(zip(examples(one), examples(larger), strict=True))[1:]:
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.targets, b.targets)
    parts = [part.targets[:50].tolist() for part in examples(one)]
    assert parts[0] != parts[1] != parts[2] != parts[0]


def test_lengths_that_cannot_be_are_refused() -> None:
    for name, option in (("adding", "length"), ("copying", "blanks"), ("copying", "items"), ("copying", "symbols")):
        with pytest.raises(InputRefusedError, match=f"{option} is 0"):
            make_task(name, {option: 0})
