"""netCDF files from elsewhere: what they declare is looked at before it is read, and they are refused in a sentence."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from zoneout_lab import hdf5, schema
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.memory import memory_available

HUGE = 1 << 47


def plain(file: h5py.File) -> None:
    """A file in order."""
    file.attrs.update(schema=1, kind="study")
    file.create_dataset("metrics/valid_error", data=np.zeros((2, 3)))


def linked(file: h5py.File) -> None:
    file["secret"] = h5py.ExternalLink("elsewhere.h5", "/")


def in_another_file(file: h5py.File) -> None:
    file.create_dataset("secret", (4,), "u1", external=[("elsewhere.bin", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (4,))
    file.create_virtual_dataset("secret", layout)


def soft(file: h5py.File) -> None:
    file["secret"] = h5py.SoftLink("/metrics")


def circle(file: h5py.File) -> None:
    file["metrics/again"] = file["metrics"]


def deep(file: h5py.File) -> None:
    file.create_group("/".join("g" * 18))


def branching(file: h5py.File) -> None:
    """Fourteen groups, each under ten names in the one before: too many ways to go them all."""
    for k in range(1, 14):
        group = file["/" + "/".join(["0"] * (k - 1))].create_group("0")
        for name in range(1, 10):
            group.parent[str(name)] = group


def many(file: h5py.File) -> None:
    for k in range(31):
        file.create_group(str(k))


def petabyte(file: h5py.File) -> None:
    file.create_dataset("metrics/huge", (HUGE,), "f8", chunks=(1024,))


def coordinate(file: h5py.File) -> None:
    """Which xarray reads as it opens a file."""
    time = file.create_dataset("metrics/time", (1 << 33,), "i8", chunks=(1024,))
    time.make_scale("time")


HOSTILE: dict[Callable[[h5py.File], None], str] = {
    linked: "'secret' is a link to something else",
    soft: "is a link to something else",
    in_another_file: "lie in another file",
    virtual: "lie in another file",
    circle: "'again' is there twice, or inside itself",
    branching: "is there twice, or inside itself",
    deep: "nested deeper than 16",
    many: "more than 30 groups",
    petabyte: "declares 1 PiB of numbers, which .* bytes cannot hold",
    coordinate: "declares 64.0 GiB of numbers",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[h5py.File], None]
) -> None:
    path = tmp_path / "study.nc"
    with h5py.File(path, "w") as file:
        plain(file)
        make(file)
    monkeypatch.setattr(hdf5, "_MOST_OBJECTS", 30)
    tracemalloc.start()
    with pytest.raises(IntegrityError, match=f"study.nc cannot be read as netCDF: ValueError: .*{HOSTILE[make]}"):
        schema.read_tree(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50_000_000


def test_a_file_in_order_is_taken_whatever_it_packs(tmp_path: Path) -> None:
    """Zeros are packed a thousandfold: not more than deflate can."""
    tree = xr.DataTree.from_dict({"/metrics": xr.Dataset({"x": ("t", np.zeros(9_000_000))})})
    tree.attrs.update(schema=schema.VERSION, kind="study")
    schema.write_tree(tree, tmp_path / "study.nc")
    assert (tmp_path / "study.nc").stat().st_size < 400_000
    assert schema.read_tree(tmp_path / "study.nc")["metrics/x"].size == 9_000_000


def test_what_does_not_fit_the_memory_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened.create_dataset("x", (9_000_000,), "f8", compression="gzip")[:] = np.arange(9_000_000) % 7
    size = len(file.getvalue())
    hdf5.check_contents(file, size)
    monkeypatch.setattr(hdf5, "memory_available", lambda: 1 << 26)
    with pytest.raises(ValueError, match=r"holds 0\.1 GiB of numbers, and 0\.1 GiB of memory are free"):
        hdf5.check_contents(file, size)
    with (tmp_path / "large.nc").open("wb") as sparse:
        sparse.truncate(1 << 43)
    with pytest.raises(InputRefusedError, match=r"large\.nc .* takes 8 TiB of memory"):
        schema.read_tree(tmp_path / "large.nc")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ud800"], ids=["deep", "cut", "half"])
def test_what_is_recorded_as_json_is_bounded_too(text: str) -> None:
    tree = xr.DataTree.from_dict(
        {"/provenance": xr.Dataset(attrs={"study": text}), "/length": xr.Dataset(attrs={"measure": text})}
    )
    with pytest.raises(IntegrityError, match="record of 'study' cannot be read"):
        schema.study_of(tree)
    with pytest.raises(IntegrityError, match="of the measure 'length' cannot be read"):
        schema.measure_of(tree, "length")


def test_free_memory_is_a_number_of_bytes() -> None:
    assert 1 << 20 < memory_available() < 1 << 50
