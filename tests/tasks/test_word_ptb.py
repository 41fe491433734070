"""Word-level Penn Treebank: the published counts, the streams of Zaremba's protocol, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Carried, Data, WordPTB, make_task


def streams(data: Data) -> list[Carried]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Carried) for part in parts)
    return [part for part in parts if isinstance(part, Carried)]


def test_the_counts_are_those_published(loaded: Callable[..., Data]) -> None:
    data = loaded("word_ptb")
    assert [len(s) for s in streams(data)] == [929_589, 73_760, 82_430]
    assert [s.streams for s in streams(data)] == [20, 20, 1]
    assert len(streams(data)[0].symbols.unique()) == 10_000
    assert all((s.classes, s.steps) == (10_000, 35) for s in streams(data))
    assert data.notes == ()


def test_an_epoch_has_zarembas_number_of_updates(loaded: Callable[..., Data]) -> None:
    epoch = loaded("word_ptb").train.epoch(np.random.default_rng(0), 20)
    assert len(epoch) == 1327
    assert {len(index) for index in epoch} == {20}


def test_the_test_is_one_stream_and_every_word_but_the_first_is_predicted(loaded: Callable[..., Data]) -> None:
    test = streams(loaded("word_ptb"))[2]
    targets = torch.cat([targets for _, targets in test.in_order(1)])
    assert targets.shape == (82_429, 1)
    assert torch.equal(targets[:, 0], test.symbols[1:].long())


def test_symbols_are_words_with_an_end_for_each_line(shared_data: Path, loaded: Callable[..., Data]) -> None:
    texts = [(shared_data / "ptb" / f"ptb.{split}.txt").read_text() for split in ("train", "valid", "test")]
    names = sorted({word for line in texts[0].splitlines() for word in [*line.split(), "<eos>"]})
    for text, split in zip(texts, streams(loaded("word_ptb")), strict=True):
        wanted = [word for line in text.splitlines()[:50] for word in [*line.split(), "<eos>"]]
        assert [names[s] for s in split.symbols[: len(wanted)].tolist()] == wanted
        ends = int((split.symbols == names.index("<eos>")).sum())
        assert ends == text.count("\n")


def test_the_most_frequent_words_are_the_known_ones(loaded: Callable[..., Data]) -> None:
    """Counts of "the", "<unk>" and "<eos>" in the training text, as any listing of this vocabulary has them."""
    counts = [count for _, count in Counter(streams(loaded("word_ptb"))[0].symbols.tolist()).most_common(3)]
    assert counts == [50_770, 45_020, 42_068]


def test_limits_keep_the_beginning_and_the_words(loaded: Callable[..., Data]) -> None:
    small = loaded("word_ptb", train_tokens=900, valid_tokens=50, test_tokens=7)
    for part, everything in zip(streams(small), streams(loaded("word_ptb")), strict=True):
        assert torch.equal(part.symbols, everything.symbols[: len(part)])
        assert part.classes == 10_000
    assert [len(s) for s in streams(small)] == [900, 50, 7]
    assert small.digest != loaded("word_ptb").digest


def test_the_paper_setting_is_zarembas() -> None:
    setting = WordPTB.settings["paper"]
    training = setting.training
    assert make_task("word_ptb", setting.options).streams == training.batch == 20  # type: ignore[attr-defined]
    # the rate of the last of 55 epochs
    assert training.lr / training.decay ** (training.epochs - training.decay_after) == pytest.approx(1.15**-41)


def test_another_text_is_refused(ptb_folder: Path) -> None:
    with pytest.raises(InputRefusedError, match=r"ptb\.train\.txt .*has 2 words, not 10,000"):
        WordPTB().load(ptb_folder)


def test_a_word_that_training_lacks_and_a_text_too_short_are_refused(shared_data: Path, tmp_path: Path) -> None:
    texts = {split: (shared_data / "ptb" / f"ptb.{split}.txt").read_text() for split in ("train", "valid", "test")}
    for split, text in texts.items():
        (tmp_path / f"ptb.{split}.txt").write_text(text)
    (tmp_path / "ptb.test.txt").write_text(" no it was zoneout \n" * 9)
    with pytest.raises(InputRefusedError, match=r"ptb\.test\.txt .*the word 'zoneout'"):
        WordPTB().load(tmp_path)
    (tmp_path / "ptb.valid.txt").write_text(" no it was n't \n")
    with pytest.raises(InputRefusedError, match=r"ptb\.valid\.txt .*has 5 words, and 21 are asked for"):
        WordPTB().load(tmp_path)


def test_limits_too_small_for_the_streams_are_refused() -> None:
    with pytest.raises(InputRefusedError, match=r"train_tokens is 700.*at least 701"):
        WordPTB(train_tokens=700)
    assert WordPTB(train_tokens=36, streams=1).streams == 1
