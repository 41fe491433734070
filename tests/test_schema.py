"""Result files: what is written is what is read, whole or not at all, and any netCDF reader can open it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zoneout_lab import profiles, schema, whole
from zoneout_lab.descriptions import describe
from zoneout_lab.errors import InputRefusedError, IntegrityError, TryAgainError

PROVENANCE = {"versions": {"torch": "2.11"}, "seeds": [1, 2], "git": None, "note": "ζ = ½"}


def gradients(scale: float = 1.0) -> xr.Dataset:
    values = scale * np.arange(1.0, 13.0).reshape(1, 2, 2, 3)
    return profiles.gradient_dataset(values, layers=["l0"], states=["cell", "hidden"])


def make_run(**change: Any) -> xr.DataTree:
    fields: dict[str, Any] = {
        "run_id": "abc",
        "arm": "zoneout",
        "seed": 3,
        "status": "finished",
        "by_epoch": {"train_loss": [2.0, 1.0], "valid_error": [0.5, 0.25]},
        "at_best": {"test_error": 0.3},
        "best_epoch": 2,
        "measured": {"gradients": {2: gradients(2), 0: gradients()}},
        "seconds": 1.5,
        "provenance": PROVENANCE,
    }
    return schema.run_tree(**(fields | change))


TREES: dict[str, Callable[[], xr.DataTree]] = {
    "run": make_run,
    "run that diverged at once": lambda: make_run(
        status="diverged", best_epoch=None, by_epoch={"valid_error": [np.nan]}, at_best={"test_error": np.nan}, measured={}
    ),
    "study": lambda: schema.study_tree(
        [(make_run(), "sha"), (make_run(arm="lstm", seed=4, measured={}), "sha")],
        arms=["lstm", "zoneout"], seeds=[3, 4], provenance=PROVENANCE,
    ),
    "study without a run": lambda: schema.study_tree([], arms=["lstm"], seeds=[0, 1], provenance={}),
}  # fmt: skip


@pytest.mark.parametrize("case", TREES)
def test_round_trip(case: str, tmp_path: Path):
    tree, path = TREES[case](), tmp_path / "deep" / "file.nc"
    sha = schema.write_tree(tree, path)
    assert sha == schema.digest(path)
    again = schema.read_tree(path, sha)
    assert again.identical(tree)
    assert again.attrs["schema"] == schema.VERSION
    assert schema.provenance(again, "nothing") is None
    if again["provenance"].attrs:
        assert {key: schema.provenance(again, key) for key in PROVENANCE} == PROVENANCE
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("case", TREES)
def test_every_variable_says_what_it_is_in_which_unit(case: str, tmp_path: Path):
    schema.write_tree(TREES[case](), tmp_path / "file.nc")
    tree = xr.open_datatree(tmp_path / "file.nc", engine="h5netcdf")
    for group in tree.subtree:
        for name, variable in group.to_dataset(inherit=False).variables.items():
            assert variable.attrs["long_name"], (group.path, name)
            assert "units" in variable.attrs, (group.path, name)
    tree.close()


def test_a_quantity_of_one_s_own_is_known_by_its_name_and_gets_no_unit():
    loss = make_run(by_epoch={"loss_of_face": [1.0]})["metrics/loss_of_face"]
    assert loss.attrs == {"long_name": "loss of face", "units": ""}
    described = describe(xr.Dataset({"acc": ((), 1.0, {"units": "dB", "long_name": "accuracy"})}))
    assert described["acc"].attrs == {"units": "dB", "long_name": "accuracy"}


def test_a_status_on_no_list_is_a_fault():
    with pytest.raises(ValueError, match="status 'lost'"):
        make_run(status="lost")


def test_plain_xarray_opens_a_group(tmp_path: Path):
    schema.write_tree(make_run(), tmp_path / "file.nc")
    with xr.open_dataset(tmp_path / "file.nc", group="metrics", engine="h5netcdf") as metrics:
        assert metrics.valid_error.sel(epoch=2).item() == 0.25
        assert metrics.status.item() == "finished"
        assert metrics.best_epoch.item() == 2
    with xr.open_dataset(tmp_path / "file.nc", group="gradients", engine="h5netcdf") as measured:
        assert list(measured.epoch.values) == [0, 2]
        assert measured.norm.dims == ("epoch", "layer", "state", "point", "time")
        np.testing.assert_allclose(measured.normalised.sum("time"), 1)


def test_a_study_has_a_place_for_every_run_and_says_which_are_missing():
    runs = [
        (make_run(), "one"),
        (make_run(arm="lstm", seed=4, status="diverged", by_epoch={"train_loss": [1.0, 2.0, 3.0]}), "two"),
        (make_run(arm="lstm", seed=3, measured={}), "three"),
    ]
    tree = schema.study_tree(runs, arms=["lstm", "zoneout"], seeds=[3, 4, 5], provenance=PROVENANCE)
    metrics, record = tree["metrics"].to_dataset(), tree["provenance"].to_dataset()
    assert metrics.status.values.tolist() == [["finished", "diverged", "missing"], ["finished", "missing", "missing"]]
    assert metrics.train_loss.sel(arm="lstm", seed=4).values.tolist() == [1, 2, 3]
    assert metrics.train_loss.sel(arm="zoneout", seed=3).values.tolist()[:2] == [2, 1]
    assert metrics.train_loss.sel(arm="zoneout", seed=3).isnull().values.tolist() == [False, False, True]
    assert bool(metrics.train_loss.sel(seed=5).isnull().all())
    assert record.sha256.values.tolist() == [["three", "two", ""], ["one", "", ""]]
    measured = tree["gradients"].norm
    assert bool(measured.sel(arm="lstm", seed=3).isnull().all())
    xr.testing.assert_allclose(measured.sel(arm="zoneout", seed=3, epoch=0, drop=True), gradients().norm)


def test_reading_needs_no_lock(tmp_path: Path):
    """Some file systems have none, and HDF5 gives up there; a file that another process has locked stands in for one."""
    sha = schema.write_tree(make_run(), tmp_path / "run.nc")
    with (tmp_path / "run.nc").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            xr.open_datatree(tmp_path / "run.nc", engine="h5netcdf")
        assert schema.read_tree(tmp_path / "run.nc", sha).identical(make_run())


def test_a_file_that_was_changed_is_an_integrity_error(tmp_path: Path):
    path = tmp_path / "file.nc"
    sha = schema.write_tree(make_run(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        schema.read_tree(path, sha)


@pytest.mark.parametrize("left", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_an_integrity_error_without_its_digest_too(left: float, tmp_path: Path):
    path = tmp_path / "file.nc"
    sha = schema.write_tree(make_run(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(left if left >= 1 else left * len(content))])
    for digest in (sha, None):
        with pytest.raises(IntegrityError):
            schema.read_tree(path, digest)


def test_other_files_and_versions_are_integrity_errors(tmp_path: Path):
    (tmp_path / "text.nc").write_text("no netCDF")
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    tree = make_run()
    tree.attrs["schema"] = schema.VERSION + 1
    schema.write_tree(tree, tmp_path / "later.nc")
    for name in ("text.nc", "other.nc", "later.nc"):
        with pytest.raises(IntegrityError):
            schema.read_tree(tmp_path / name)
    with pytest.raises(InputRefusedError, match="There is no result file"):
        schema.read_tree(tmp_path / "absent.nc")


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow past a kilobyte: the kernel's own refusal, in the middle of a write."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def refuse(code: int) -> Callable[..., None]:
    def call(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.usefixtures("small_files")
def test_a_write_cut_short_leaves_nothing_behind_and_the_old_file_whole(tmp_path: Path):
    path = tmp_path / "file.nc"
    path.write_bytes(b"old")
    with pytest.raises((TryAgainError, InputRefusedError), match=r"file\.nc"):
        whole.write_bytes(path, bytes(4096))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("where", "code", "error"),
    [
        ("os.fsync", errno.ENOSPC, TryAgainError),
        ("os.fsync", errno.EDQUOT, TryAgainError),
        ("os.fsync", errno.EIO, TryAgainError),
        ("os.fsync", errno.EROFS, InputRefusedError),
        ("tempfile.mkstemp", errno.ENOSPC, TryAgainError),
        ("tempfile.mkstemp", errno.EACCES, InputRefusedError),
        ("pathlib.Path.replace", errno.ENOSPC, TryAgainError),
    ],
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_can_be_tried_again(
    where: str, code: int, error: type[Exception], old: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "file.nc"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as broken:
        broken.setattr(where, refuse(code))
        with pytest.raises(error, match=r"file\.nc"):
            schema.write_tree(make_run(), path)
    assert [p.name for p in tmp_path.iterdir()] == ([] if old is None else ["file.nc"])
    assert old is None or path.read_bytes() == old
    schema.write_tree(make_run(), path)  # and the same call succeeds later
    assert schema.read_tree(path).identical(make_run())


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path):
    """Permissions mean nothing to root; a file where a folder should be stops anybody."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputRefusedError, match="Choose another place to write to"):
        schema.write_tree(make_run(), tmp_path / "taken" / "file.nc")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputRefusedError, match="Cannot write"):
            schema.write_tree(make_run(), tmp_path / "file.nc")
    finally:
        tmp_path.chmod(0o700)


def test_everything_is_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Content synced, then renamed, then the folder synced: a power cut leaves the old file or the new one."""
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor: int) -> None:
        order.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync content")
        fsync(descriptor)

    def noting_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        assert self.parent == target.parent
        assert self.read_bytes() == b"new"
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    whole.write_bytes(tmp_path / "file", b"new")
    assert order == ["sync content", "rename", "sync folder"]


def test_normalised_gradients_of_nothing_are_not_a_number():
    dataset = profiles.gradient_dataset([[[[0.0, 0.0], [1.0, 3.0]]]], layers=["l0"], states=["hidden"])
    assert bool(dataset.normalised.sel(point="candidate").isnull().all())
    assert dataset.normalised.sel(point="state").values.tolist() == [[[0.25, 0.75]]]


def test_provenance_is_json_in_attributes():
    attributes = make_run()["provenance"].attrs
    assert {key: json.loads(text) for key, text in attributes.items()} == PROVENANCE


@pytest.mark.parametrize(
    "odd",
    [
        {"by_epoch": {"train_loss": [1.0, 0.5], "valid_error": [0.25]}},
        {"by_epoch": {"train_loss": [1.0], "epoch": [0.25]}},
        {"at_best": {"status": 0.5}},
        {"at_best": {"best_epoch": 0.5}},
    ],
    ids=str,
)
def test_metrics_that_do_not_fit_together_are_refused(odd):
    with pytest.raises(ValueError, match=r"fewer values than the 2 epochs|no names for metrics"):
        make_run(**odd)
