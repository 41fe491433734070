"""A file of results that was copied elsewhere by itself never gives other numbers: it has the SHA-256 of its bytes at its end."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from zoneout_lab import hdf5, schema, sealed
from zoneout_lab.errors import IntegrityError
from zoneout_lab.results import open_results
from zoneout_lab.results.readable import readable


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    numbers = {"valid_error": (("arm", "seed", "epoch"), np.random.default_rng(0).random((2, 3, 400)))}
    metrics = xr.Dataset(numbers, coords={"arm": ["a", "b"], "seed": [0, 1, 2], "epoch": np.arange(1, 401)})
    tree = xr.DataTree.from_dict({"/metrics": metrics, "/provenance": xr.Dataset(attrs={"study": "{}"})})
    tree.attrs.update(schema=schema.VERSION, kind="study")
    path = tmp_path_factory.mktemp("sealed") / "study.nc"
    assert schema.write_tree(tree, path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_results(path).identical(readable(tree))
    return path.read_bytes()


def opened(content: bytes, folder: Path) -> xr.DataTree:
    (folder / "copy.nc").write_bytes(content)
    return open_results(folder / "copy.nc")


def test_flipped_bits_anywhere(content, tmp_path):
    """500 at random, and all of the last 200 bytes, where the SHA-256 is."""
    places = [*np.random.default_rng(1).integers(len(content), size=500), *range(len(content) - 200, len(content))]
    for number, place in enumerate(places):
        changed = bytearray(content)
        changed[place] ^= 1 << number % 8
        with pytest.raises(IntegrityError):
            opened(bytes(changed), tmp_path)


def test_cut_or_overwritten_at_the_end(content, tmp_path):
    """Cut anywhere, it does not open, but for one place: all numbers are there, and all of the seal is gone."""
    end = hdf5.end(content)
    for length in [*np.random.default_rng(2).integers(len(content), size=100), *range(end - 10, len(content))]:
        if length != end:
            with pytest.raises(IntegrityError):
                opened(content[:length], tmp_path)
    assert opened(content[:end], tmp_path).identical(opened(content, tmp_path))
    for more in (b"\0", b"\n", content[-107:]):
        with pytest.raises(IntegrityError, match="at its end"):
            opened(content + more, tmp_path)
    with pytest.raises(IntegrityError, match="at its end"):
        opened(content[: end - 2000] + bytes(len(content) - end + 2000), tmp_path)


def test_a_file_from_elsewhere_has_none_and_opens(content, tmp_path):
    """Opened and saved by xarray: as many bytes as HDF5 says, none of ours."""
    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as tree:
        tree.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf")
    assert sealed.is_whole((tmp_path / "theirs.nc").read_bytes()) is None
    assert open_results(tmp_path / "theirs.nc").identical(opened(content, tmp_path))


@pytest.mark.parametrize("published", sorted((Path(__file__).parents[1] / "reports").glob("*/study.nc")), ids=str)
def test_published_files_open_as_before(published):
    found = published.read_bytes()
    assert hdf5.end(found) == len(found) or sealed.is_whole(found)


@pytest.mark.parametrize("libver", ["earliest", "v110"])
def test_where_hdf5_ends(libver):
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as written:
        written["a"] = np.arange(100)
    assert hdf5.end(file.getvalue()) == len(file.getvalue())


def test_of_what_is_no_hdf5_nothing_is_known():
    assert hdf5.end(b"") is None
    assert hdf5.end(b"x" * 100) is None
    assert hdf5.end(b"\x89HDF\r\n\x1a\n\x09" + bytes(100)) is None


def test_pages():
    page = sealed.sealed(b"<html></html>\n", html=True)
    assert page.startswith(b"<html></html>\n<!-- ")
    assert sealed.is_whole(page)
    assert sealed.is_whole(page.replace(b"</", b"<!")) is False
    assert sealed.is_whole(page[:-1]) is None
    assert sealed.is_whole(b"") is None
