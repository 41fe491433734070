"""What a driver refuses to touch, and that it loses nothing by refusing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest
from small_study import HELPS, file_of, listening, manifest, run, small, snapshot

from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, TryAgainError, UsageError
from zoneout_lab.study.store import only_driver, read_manifest

STUDY = small(gradient_epochs=(1,))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(folder: Path, change) -> None:
    content = manifest(folder)
    change(content)
    (folder / "MANIFEST.json").write_text(json.dumps(content))


DAMAGE = {
    "a flipped bit": (lambda f: flip(file_of(f, "lstm", 1)), IntegrityError, ["lstm-s001", "SHA-256", "verify --repair"]),
    "a cut file": (lambda f: file_of(f, "lstm", 1).write_bytes(b""), IntegrityError, ["lstm-s001"]),
    "no JSON": (lambda f: (f / "MANIFEST.json").write_text("{"), IntegrityError, ["MANIFEST.json", "cannot be read"]),
    "no runs": (lambda f: (f / "MANIFEST.json").write_text("{}"), IntegrityError, ["MANIFEST.json"]),
    "no study": (lambda f: (f / "MANIFEST.json").write_text('{"runs": {}}'), IntegrityError, ["MANIFEST.json"]),
    "a list": (lambda f: (f / "MANIFEST.json").write_text("[]"), IntegrityError, ["MANIFEST.json"]),
    "another study": (lambda f: edit(f, lambda m: m["study"].update(name="theirs")), InputRefusedError, ["theirs", "--out"]),
    "other data": (lambda f: edit(f, lambda m: m.update(data="0" * 64)), InputRefusedError, ["other data", "--out"]),
    "no manifest": (lambda f: (f / "MANIFEST.json").unlink(), InputRefusedError, ["holds no study", "--out"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_folder_that_is_not_what_was_written(ran, copy_of, case):
    damage, kind, words = DAMAGE[case]
    folder = copy_of(ran)
    damage(folder)
    before = snapshot(folder)
    with pytest.raises(LabError) as error:
        run(STUDY, folder.parent)
    assert type(error.value) is kind
    assert all(word in str(error.value) for word in words), str(error.value)
    assert snapshot(folder) == before


def test_after_deleting_the_damaged_file_as_told(ran, copy_of):
    folder = copy_of(ran)
    flip(file_of(folder, "lstm", 1))
    file_of(folder, "lstm", 1).unlink()
    assert run(STUDY, folder.parent).trained == 1


@pytest.mark.parametrize("out", ["a file", "below a file", "/proc/nothing"])
def test_a_folder_that_cannot_be_made(tmp_path, out):
    (tmp_path / "file").write_text("mine")
    path = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs"}.get(out, Path(out))
    with pytest.raises(InputRefusedError) as error:
        run(STUDY, path)
    assert f"Cannot write to {path}" in str(error.value)
    assert "--out" in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_in_the_folder_is_taken(ran, copy_of):
    """The folder of run files is a file: nothing can be written into it."""
    folder = copy_of(ran)
    for path in (folder / "runs").iterdir():
        path.unlink()
    (folder / "runs").rmdir()
    (folder / "runs").write_text("mine")
    with pytest.raises(InputRefusedError, match="Cannot write"):
        run(STUDY, folder.parent)
    assert (folder / "runs").read_text() == "mine"


def test_two_drivers_at_once(ran):
    before = snapshot(ran.folder)
    with only_driver(ran.folder.parent, STUDY), pytest.raises(TryAgainError, match="Another process"):
        run(STUDY, ran.folder.parent)
    assert snapshot(ran.folder) == before
    assert run(STUDY, ran.folder.parent).trained == 0  # the lock is given back


NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


@pytest.mark.parametrize("number", sorted({*NO_LOCKS, errno.EIO, errno.EINVAL, errno.EACCES}), ids=errno.errorcode.get)
def test_a_lock_that_fails_costs_a_warning(tmp_path, monkeypatch, number):
    """Only EWOULDBLOCK means that another process holds the lock. What a killed driver leaves behind is no obstacle."""

    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    study = small(arms=STUDY.arms[:1], seeds=1, baseline="lstm")
    for trained in (1, 0):
        watcher, heard = listening()
        assert run(study, tmp_path, watcher=watcher).trained == trained
        assert [text for text in heard if str(tmp_path / study.id / ".lock") in text]
        assert all(f"cannot be locked ({os.strerror(number)})" in text for text in heard)
        assert {"the file system has no locks" in text for text in heard} == {number in NO_LOCKS}
    assert (tmp_path / study.id / ".lock").read_bytes() == b""


def test_a_place_for_databases_that_cannot_be_written_costs_a_warning(ran, copy_of):
    folder = copy_of(ran)
    (folder.parent / ".databases.lock").unlink()
    (folder.parent / ".databases.lock").mkdir()
    (folder / "mirrors.json").unlink()  # or nobody would have to write to them
    watcher, heard = listening()
    assert run(STUDY, folder.parent, watcher=watcher).trained == 0
    assert [text for text in heard if ".databases.lock cannot be locked" in text]


def test_drivers_of_two_studies_take_turns_with_the_databases(tmp_path):
    """While another one holds the databases, this one waits: seen by the lock it cannot have."""
    run(small(seeds=1), tmp_path)
    with (tmp_path / ".databases.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back by the one that ran
        assert sorted(path.name for path in tmp_path.iterdir()) == [".databases.lock", "optuna.db", small(seeds=1).id]


def test_no_results_folder(tmp_path):
    with pytest.raises(InputRefusedError, match="no MANIFEST"):
        read_manifest(tmp_path)


def test_a_metric_on_no_list_is_refused_before_anything_is_written(tmp_path):
    study = small(hypotheses=(HELPS.model_copy(update={"metric": "accuracy"}),), seeds=6)
    with pytest.raises(UsageError, match="accuracy"):
        run(study, tmp_path)
    assert not list(tmp_path.iterdir())


def test_forcing_is_on_record(tmp_path):
    study = small(hypotheses=(HELPS,))
    watcher, warnings = listening()
    summary = run(study, tmp_path, force=True, watcher=watcher)
    (deviation,) = manifest(summary.folder)["overrides"]
    assert deviation.startswith("forced: This design cannot reach a verdict")
    assert "cannot reach a verdict" in summary.report.read_text()
    assert not warnings
