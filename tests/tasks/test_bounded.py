"""Archives and arrays that announce more than there is, or unpack to more than there should be, are refused before memory or disk is taken.

Each of these was seen to fail, most of them by taking gigabytes, without the check that it names in its message.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from image_sets import LABELS, PIXELS, npz

from zoneout_lab import guarded
from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.tasks import Images, corpus, files, idx
from zoneout_lab.tasks.corpus import characters, words


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """No test here takes more than some megabytes."""
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 60_000_000


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """The start of an .npy file."""
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": dtype, "fortran_order": False, "shape": shape})
    return made.getvalue()


def bomb(size: int) -> bytes:
    """So many zeros, as gzip has them: a thousandth."""
    packed = io.BytesIO()
    with gzip.open(packed, "wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return packed.getvalue()


def test_an_npy_of_784_tebibytes(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    path.write_bytes(header((784 << 37,)) + bytes(100))
    np.save(tmp_path / "labels.npy", LABELS)
    with pytest.raises(InputRefusedError, match=r"huge.npy .* header announces 784 TiB, and 100 bytes follow"):
        Images(str(path), labels_path=str(tmp_path / "labels.npy")).load()


def test_an_npz_of_784_tebibytes(tmp_path: Path) -> None:
    path = Path(npz(tmp_path / "a.npz", x=PIXELS))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", header((784 << 37,)))
    with pytest.raises(InputRefusedError, match=r"a.npz .* header announces 784 TiB, and 0 bytes follow"):
        Images(str(path)).load()


def test_an_npz_whose_directory_says_it_unpacks_to_more_than_it_can(tmp_path: Path) -> None:
    path = Path(npz(tmp_path / "a.npz", x=PIXELS, y=LABELS))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("x.npy").file_size
    place = content.rindex(struct.pack("<I", size))  # in the directory at the end
    content[place : place + 4] = struct.pack("<I", 0xFFFF_0000)
    path.write_bytes(content)
    with pytest.raises(InputRefusedError, match=r"bytes unpack to 4,294,901,760, which cannot be"):
        Images(str(path)).load()


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_arrays_that_do_not_fit_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "a.npy", PIXELS)
    npz(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    monkeypatch.setattr(guarded, "_SURELY_FREE", 1000)
    monkeypatch.setattr(guarded, "memory_available", lambda: 2000)
    with pytest.raises(InputRefusedError, match=r"of memory, and .* are free. Use a smaller file"):
        Images(str(tmp_path / name), labels_path="" if name == "a.npz" else str(tmp_path / "labels.npy")).load()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("shape", "words"),
    [((2**32 - 1,) * 3, "truncated"), ((100_000, 100_000), "truncated"), ((0, 2**32 - 1), "Error"), ((1,) * 64, "64 axes"), ((2**32 - 1,) * 255, "255 axes")],
)  # fmt: skip
def test_idx_headers_that_announce_more_than_the_file_has(
    tmp_path: Path, packed: bool, shape: tuple[int, ...], words: str
) -> None:
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(1000)
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputRefusedError) as refused:
        idx.read_any_idx(path)
    assert words in str(refused.value) or words == "Error"
    assert len(str(refused.value)) < 300


def test_an_idx_that_does_not_fit_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bomb(200 << 20)
    (tmp_path / "images.gz").write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 190 << 20)) + content)
    monkeypatch.setattr(guarded, "memory_available", lambda: 1 << 20)
    with pytest.raises(InputRefusedError, match=r"takes 0.2 GiB of memory, and 0.0 GiB are free"):
        idx.read_any_idx(tmp_path / "images.gz")


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    (tmp_path / "labels.gz").write_bytes(bomb(200 << 20))
    with pytest.raises(InputRefusedError, match="not the IDX file it should be"):
        idx.read_idx(tmp_path / "labels.gz", (60_000,))


@pytest.mark.parametrize("packed", [False, True])
def test_a_published_text_that_is_far_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(files, "LARGEST", 1 << 20)
    path = tmp_path / ("ptb.train.txt" + ".gz" * packed)
    path.write_bytes(bomb(90 << 20) if packed else bytes((1 << 20) + 1))
    with pytest.raises(InputRefusedError, match="has more than 1 MiB, and no published text is as long"):
        files.read(path)


@pytest.mark.parametrize("name", ["a.gz", "a.zip"])
@pytest.mark.parametrize(
    "read", [characters, lambda path, cache: words(path, 10, cache=cache)], ids=["characters", "words"]
)
def test_a_text_that_unpacks_to_more_than_any_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[..., object]
) -> None:
    monkeypatch.setattr(corpus, "_SMALL", 1 << 20)
    text = b"a " * (4 << 20)
    if name == "a.gz":
        (tmp_path / name).write_bytes(gzip.compress(text))
    else:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", text)
    with pytest.raises(InputRefusedError, match="unpacks to more than 200 times its size"):
        read([tmp_path / name], cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_text_that_is_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_LONGEST_WORD", 1000)
    monkeypatch.setattr(corpus, "PIECE", 512)
    (tmp_path / "a.txt").write_text("a" * 5000, encoding="utf-8")
    with pytest.raises(InputRefusedError, match=r"a word of more than 1,000 characters.*use char_text"):
        words([tmp_path / "a.txt"], 10, cache=tmp_path / "cache")
    (tmp_path / "b.txt").write_text(
        "\u3000".join(["ab"] * 2000), encoding="utf-8"
    )  # no space that is cut at, and words all the same
    assert len(words([tmp_path / "b.txt"], 10, cache=tmp_path / "cache").symbols) == 2000


def test_a_zip_whose_member_leads_elsewhere_writes_nothing_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../../evil.txt", "zone out " * 50)
    assert len(characters([tmp_path / "a.zip"], cache=tmp_path / "cache").symbols) == 450
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path.parents[2] / "evil.txt").exists()


@pytest.mark.parametrize("seed", range(4))
def test_damaged_arrays_end_in_a_sentence(tmp_path: Path, seed: int) -> None:
    """Forty changes of each: every one is read or refused as documented."""
    random = np.random.default_rng(seed)
    np.save(tmp_path / "labels.npy", LABELS[:30])
    np.save(tmp_path / "a.npy", PIXELS[:30])
    npz(tmp_path / "a.npz", x=PIXELS[:30], y=LABELS[:30])
    whole = {name: (tmp_path / name).read_bytes() for name in ("a.npy", "a.npz")}
    for name, content in whole.items():
        for k in range(40):
            changed = bytearray(content)
            for place in random.integers(0, 128 if name == "a.npy" else len(content), 3):
                changed[place] = random.integers(256)
            path = tmp_path / f"{k}-{name}"
            path.write_bytes(changed[: random.integers(len(changed))] if k % 4 == 0 else changed)
            labels = str(tmp_path / "labels.npy") if name == "a.npy" else ""
            with contextlib.suppress(LabError):
                Images(str(path), labels_path=labels).load()
