"""A large file of results: checked as it is opened, read as its numbers are used, and never other numbers."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

from zoneout_lab import schema, steady
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.results import open_results, scalar
from zoneout_lab.results.readable import readable
from zoneout_lab.steady import SteadyFile


def numbers(seed: int) -> xr.DataTree:
    rng = np.random.default_rng(seed)
    coords = {"arm": ["a", "b"], "seed": [0, 1, 2]}
    metrics = xr.Dataset(
        {
            "status": (("arm", "seed"), np.full((2, 3), "finished")),
            "valid_error": (("arm", "seed", "epoch"), rng.random((2, 3, 50))),
            "best_epoch": (("arm", "seed"), np.full((2, 3), 7.0)),
        },
        coords | {"epoch": np.arange(1, 51)},
    )
    # the variable that is called like its group is one that DataTree.load() leaves out
    own = xr.Dataset({"own": (("arm", "seed", "time"), rng.random((2, 3, 4000)))}, coords | {"time": np.arange(4000)})
    tree = xr.DataTree.from_dict({"/metrics": metrics, "/own": own, "/provenance": xr.Dataset(coords=coords)})
    tree.attrs.update(schema=schema.VERSION, kind="study")
    return tree


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large."""
    schema.write_tree(numbers(0), tmp_path / "study.nc")
    monkeypatch.setattr(schema, "_SMALL", 1000)
    return tmp_path / "study.nc"


def descriptors() -> int:
    gc.collect()
    return int(psutil.Process().num_fds())


def assert_same(tree: xr.DataTree) -> None:
    for node in readable(numbers(0)).subtree:
        xr.testing.assert_identical(tree[node.path].to_dataset(), node.to_dataset())


def test_numbers_are_read_when_they_are_used(path: Path) -> None:
    before = descriptors()
    tree = open_results(path)
    assert descriptors() == before + 1
    assert not tree["own/own"].variable._in_memory
    assert scalar(tree, "valid_error").shape == (2, 3)
    assert not tree["own/own"].variable._in_memory
    assert_same(tree)
    assert tree["own/own"].encoding == {}
    del tree
    assert descriptors() == before


def test_a_small_file_is_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_SMALL", path.stat().st_size)
    before = descriptors()
    tree = open_results(path)
    assert descriptors() == before
    assert_same(tree)


def test_another_file_under_its_name_is_not_noticed(path: Path) -> None:
    tree = open_results(path)
    schema.write_tree(numbers(1), path)
    assert_same(tree)


def test_a_file_that_is_written_to_gives_no_numbers(path: Path) -> None:
    tree = open_results(path)
    content = bytearray(path.read_bytes())
    with path.open("r+b") as file:
        file.write(content)  # the same: not even that is looked at
    with pytest.raises(IntegrityError, match=r"study\.nc was written to while it was being read\. Open it again"):
        tree["own/own"].load()


def test_a_file_that_is_cut_gives_no_numbers(path: Path) -> None:
    tree = open_results(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(IntegrityError, match="was written to"):
        tree["own/own"].load()


def test_what_a_disk_gives_back_otherwise_gives_no_numbers(path: Path) -> None:
    """After the file's SHA-256 was found to be right. What has no checksum of its own was read then."""
    content, was = path.read_bytes(), path.stat()
    tree = open_results(path)
    with path.open("r+b") as file:
        file.seek(len(content) // 4)
        file.write(bytes(byte ^ 1 for byte in content[len(content) // 4 :]))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(OSError, match="read"):
        tree["own/own"].load()
    for name in ("metrics/best_epoch", "metrics/status"):
        xr.testing.assert_identical(tree[name], readable(numbers(0))[name])


@pytest.mark.parametrize(
    "copied", [lambda tree: pickle.loads(pickle.dumps(tree)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_copies_have_the_numbers_with_them(path: Path, copied) -> None:
    there = copied(open_results(path))
    path.unlink()
    assert_same(there)


def test_a_forked_process_reads_beside_this_one(tmp_path: Path) -> None:
    """In a file that is read in the usual way they would share the position."""
    (tmp_path / "file").write_bytes(bytes(range(200)))
    file = SteadyFile(tmp_path / "file")

    def wrong(step: int) -> int:
        return sum(file.seek(k) != k or file.read(1) != bytes([k]) for k in (k * step % 200 for k in range(20_000)))

    child = os.fork()
    if child == 0:
        os._exit(wrong(7) > 0)
    mine = wrong(3)
    assert (mine, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) == (0, 0)


def test_damage_is_found_as_it_is_opened(path: Path) -> None:
    content, before = path.read_bytes(), descriptors()
    for place in np.random.default_rng(1).integers(len(content), size=100):
        changed = bytearray(content)
        changed[place] ^= 1 << int(place) % 8
        path.write_bytes(changed)
        with pytest.raises(IntegrityError):
            open_results(path)
        path.write_bytes(content[:place])
        with pytest.raises(IntegrityError):
            open_results(path)
    assert descriptors() == before


def test_written_over_itself(path: Path) -> None:
    schema.write_tree(open_results(path), path)
    assert_same(open_results(path))


def test_one_arm_is_read_without_the_others(path: Path) -> None:
    """Pieces of the file hold seeds of one arm."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        assert file["own/own"].chunks == (1, 3, 4000)


@pytest.mark.parametrize("shape", [(60, 5000), (3, 2, 100_000), (2, 300_000), (200_000,)])
@pytest.mark.parametrize("dims", [("x", "y", "z"), ("arm", "seed", "x")])
def test_no_piece_is_large_whatever_the_dimensions(
    tmp_path: Path, shape: tuple[int, ...], dims: tuple[str, ...]
) -> None:
    """Little is read of a large variable, and HDF5 has a limit."""
    h5py = pytest.importorskip("h5py")
    own = xr.DataArray(np.arange(np.prod(shape), dtype=float).reshape(shape), dims=dims[: len(shape)])
    tree = xr.DataTree.from_dict({"/own": own.to_dataset(name="own")})
    tree.attrs.update(kind="study", schema=schema.VERSION)
    schema.write_tree(tree, tmp_path / "study.nc")
    with h5py.File(tmp_path / "study.nc") as file:
        chunks = file["own/own"].chunks
        assert 2**18 * (dims[0] == "x") < 8 * np.prod(chunks) <= 2**20
        assert all(piece in (1, whole) for piece, whole in zip(chunks[1:-1], shape[1:-1], strict=True))
    assert schema.read_tree(tmp_path / "study.nc").identical(tree)


def test_whole_numbers_have_checksums_too(tmp_path: Path) -> None:
    """However many there are, they need not be read as the file is opened."""
    h5py = pytest.importorskip("h5py")
    tree = numbers(0)
    tree["own/count"] = tree["own/own"].round().astype(int)
    schema.write_tree(tree, tmp_path / "study.nc")
    with h5py.File(tmp_path / "study.nc") as file:
        assert file["own/count"].compression == "gzip"
    assert schema.read_tree(tmp_path / "study.nc").identical(tree)


def test_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with SteadyFile(tmp_path / "file") as file:
        assert file.size == 100
        assert file.read(3) == bytes(range(3))
        assert file.seek(-2, io.SEEK_END) == 98
        assert file.seek(1, io.SEEK_CUR) == file.tell() == 99
        assert file.read(5) == bytes([99])
        assert file.read(5) == b""
        assert file.at(50, 2) == bytes([50, 51])
    with pytest.raises(InputRefusedError, match="There is no result file"):
        schema.open_tree(tmp_path / "nothing")


def test_more_than_a_system_reads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux gives 2 GiB and no more, macOS refuses."""
    monkeypatch.setattr(steady, "_PIECE", 7)
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with SteadyFile(tmp_path / "file") as file:
        assert file.at(0, 100) == bytes(range(100))
        assert file.at(90, 100) == bytes(range(90, 100))
        assert file.read(50) == bytes(range(50))


def test_what_cannot_be_opened_leaves_nothing_to_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.13 on, an error in closing an object that nobody holds is printed."""
    gc.collect()  # those of other tests
    closed: list[SteadyFile] = []
    close = SteadyFile.close
    monkeypatch.setattr(SteadyFile, "close", lambda file: (close(file), closed.append(file)))
    with pytest.raises(FileNotFoundError):
        SteadyFile(tmp_path / "nothing")
    gc.collect()
    assert len(closed) == 1
