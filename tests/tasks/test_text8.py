"""Text8: its three parts, its memory, what is noted or refused. The text here has its format and size, not its content."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Data, Stream, Text8


def streams(data: Data) -> list[Stream]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Stream) for part in parts)
    return [part for part in parts if isinstance(part, Stream)]


def test_the_parts_are_those_of_the_text(text8_folder: Path, loaded: Callable[..., Data]) -> None:
    data = loaded("text8")
    assert [len(s) for s in streams(data)] == [90_000_000, 5_000_000, 5_000_000]
    assert all((s.classes, s.length, s.overlapping) == (27, 180, False) for s in streams(data))
    content = np.memmap(text8_folder / "text8", np.uint8, "r")
    for split, start in zip(streams(data), (0, 90_000_000, 95_000_000), strict=True):
        assert split.symbols.dtype == torch.uint8
        for part, at in ((split.symbols[:3000], start), (split.symbols[-3000:], start + len(split) - 3000)):
            letters = bytes(content[at : at + 3000])
            assert bytes(part.numpy()) == bytes(0 if c == 32 else c - 96 for c in letters)


def test_another_text_is_noted(loaded: Callable[..., Data]) -> None:
    (note,) = loaded("text8").notes
    assert note.startswith("text (text8.zip) differs from the canonical file: SHA-256")


def test_an_epoch_of_the_papers_chunks_does_not_overlap(loaded: Callable[..., Data]) -> None:
    batches = loaded("text8").train.epoch(np.random.default_rng(0), 128)
    starts = np.sort(np.concatenate(batches))
    assert (np.diff(starts) == 180).all()
    assert len(batches) == -(-((90_000_000 - 179) // 180) // 128)


def test_limits_keep_the_beginning_of_each_part(loaded: Callable[..., Data]) -> None:
    small = loaded("text8", length=20, train_chars=100, valid_chars=60, test_chars=40)
    for part, everything in zip(streams(small), streams(loaded("text8")), strict=True):
        assert torch.equal(part.symbols, everything.symbols[: len(part)])
    assert [len(s) for s in streams(small)] == [100, 60, 40]


# In a process of its own, because a peak is never forgotten. VmHWM counts mapped pages of files too: the 100 MB of codes are in it.
LOAD = """
import sys
import torch
from pathlib import Path
from zoneout_lab.tasks import make_task
def memory(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1]) / 1024
before = memory("VmHWM"), memory("RssAnon")
task = make_task("text8")
data = task.load(Path(sys.argv[1]))
for inputs, targets in (data.train.gather(torch.arange(0, 10**7, 10**5)[None]), next(data.test.in_order(128))):
    assert inputs.dtype == torch.int64
print(memory("VmHWM") - before[0], memory("RssAnon") - before[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.slow
def test_loading_stays_far_below_the_text_as_numbers(text8_folder: Path) -> None:
    """800 MB as int64. The first load codes the text, the second finds the codes."""
    for _ in range(2):
        shown = subprocess.run(
            [sys.executable, "-c", LOAD, str(text8_folder)], capture_output=True, text=True, check=True
        )
        peak, anonymous = map(float, shown.stdout.split())
        assert 90 < peak < 300
        assert anonymous < 60


def test_the_codes_are_made_once(text8_folder: Path, tmp_path: Path) -> None:
    small = Text8(length=20, train_chars=40, valid_chars=40, test_chars=40)
    first = small.load(text8_folder)
    (codes,) = (tmp_path / "cache").rglob("codes/*/codes")
    made = codes.stat()
    again = small.load(text8_folder)
    assert again.digest == first.digest
    assert codes.stat() == made


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text8", b"zone out " * 5, "its symbols are ' enotuz', not the space and a–z"),
        ("text8", b" the quick brown fox jumps over a lazy dog" * 5, "it has 210 characters, not 100,000,000"),
        ("text8", b"caf\xe9", "is not UTF-8"),
        ("text8", b"", "is empty"),
        ("text8.zip", b"<html>not found</html>", "is truncated or damaged"),
    ],
    ids=["alphabet", "short", "bytes", "empty", "html"],
)
def test_a_text_that_cannot_be_right_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputRefusedError, match=name) as refused:
        Text8().load(tmp_path)
    assert said in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.slow
def test_the_archive_is_read_like_its_content(text8_folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text8.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(text8_folder / "text8", "text8")
    small = Text8(length=20, train_chars=4000, valid_chars=400, test_chars=400)
    packed = small.load(tmp_path)
    assert packed.digest == small.load(text8_folder).digest
    assert len(packed.notes) == 1
    cut = (tmp_path / "text8.zip").read_bytes()[:-2000]
    (tmp_path / "text8.zip").write_bytes(cut)
    with pytest.raises(InputRefusedError, match=r"text8\.zip .* is truncated or damaged"):
        small.load(tmp_path)
