"""A study's folder by itself, without training: what it is opened for, what it keeps, who may hold it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from small_study import listening, manifest, small

from zoneout_lab import Study, schema
from zoneout_lab import manifest as manifests
from zoneout_lab.engines import Outcome
from zoneout_lab.errors import InputRefusedError, IntegrityError, TryAgainError
from zoneout_lab.parts import Code
from zoneout_lab.parts.code import File
from zoneout_lab.settings import Run
from zoneout_lab.study import store as stores
from zoneout_lab.study.store import (
    CONFIRM,
    TUNE,
    Store,
    check_code,
    groups_of,
    holding,
    only_driver,
    sweep,
    taking_turns,
)

STUDY = small().resolved()
RUNS = STUDY.runs()


def opened(out: Path, study: Study = STUDY, data: str = "d" * 64, **options: Any) -> Store:
    given = {"declared": study, "overrides": ["seeds: 8 → 2"], "command": "zoneout-lab run small"} | options
    return Store.open(out, study, data=data, **given)


def outcome(run: Run, errors: list[float], best: int | None, status: str = "finished", **more: Any) -> Outcome:
    by_epoch = {"train_loss": [1.0] * len(errors), "valid_loss": [1.0] * len(errors), "valid_error": errors}
    at_best = {} if best is None else {"test_error": 0.5}
    return Outcome(run, status=status, best_epoch=best, by_epoch=by_epoch, at_best=at_best, seconds=2.0, **more)


def code(source: bytes = b"x = 1\n", name: str = "half.py") -> Code:
    return Code((File(f"./{name}", Path("/nowhere"), name, source, name.removesuffix(".py")),))


# ---- opening


def test_a_fresh_folder_says_what_it_is_of(tmp_path):
    store = opened(tmp_path)
    assert store.folder == tmp_path / STUDY.id
    assert sorted(path.name for path in store.folder.iterdir()) == ["MANIFEST.json", "spec.json"]
    content = manifests.read(store.folder)
    assert content == store.manifest
    assert content == {
        "schema": schema.VERSION, "id": content["id"], "study": STUDY.to_json(), "declared": STUDY.to_json(), "data": "d" * 64, "overrides": ["seeds: 8 → 2"],
        "paper": None, "command": "zoneout-lab run small", "runs": {},
    }  # fmt: skip
    assert (store.folder / "spec.json").read_text() == json.dumps(STUDY.to_json(), indent=1, sort_keys=True) + "\n"


def test_the_papers_setting_is_kept_where_another_is_run(tmp_path):
    laptop = small(task="pmnist", name="laptop").resolved()
    kept = opened(tmp_path, laptop).manifest["paper"]
    assert kept == laptop.model_copy(update={"preset": "paper"}).setting().model_dump(mode="json")
    assert kept != laptop.setting().model_dump(mode="json")
    assert opened(tmp_path, small(task="pmnist", name="paper", preset="paper").resolved()).manifest["paper"] is None


def test_opened_again_nothing_is_written(tmp_path):
    first = opened(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = opened(tmp_path, overrides=[], command="another")
    assert again.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


def test_a_missing_spec_is_written_again_and_one_that_is_there_is_left(tmp_path):
    spec = opened(tmp_path).folder / "spec.json"
    content = spec.read_bytes()
    spec.unlink()
    opened(tmp_path)
    assert spec.read_bytes() == content
    spec.write_text("mine")
    opened(tmp_path)
    assert spec.read_text() == "mine"


def changed(folder: Path, **entries: Any) -> None:
    (folder / manifests.FILE).write_bytes(manifests.written(manifest(folder) | entries))


def test_another_study_is_refused(tmp_path):
    folder = opened(tmp_path).folder
    changed(folder, study=STUDY.to_json() | {"name": "theirs"})
    with pytest.raises(
        InputRefusedError,
        match=r"another study \(theirs\)\. Choose another folder with --out, or move that one away\.$",
    ):
        opened(tmp_path)


def test_other_data_are_refused(tmp_path):
    opened(tmp_path)
    with pytest.raises(InputRefusedError, match=r"other data \(digest dddddddddddd…, now eeeeeeeeeeee…\)"):
        opened(tmp_path, data="e" * 64)


@pytest.mark.parametrize(
    ("names", "taken"),
    [([".lock"], False), ([".lock", ".x.part"], False), (["notes.txt"], True), ([".lock", "a"], True)],
)
def test_a_folder_with_other_files_is_left_alone(tmp_path, names, taken):
    folder = tmp_path / STUDY.id
    folder.mkdir()
    for name in names:
        (folder / name).write_text("")
    if taken:
        with pytest.raises(InputRefusedError, match="holds no study"):
            opened(tmp_path)
        assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    else:
        assert opened(tmp_path).manifest["runs"] == {}


# ---- copies of code


def test_code_is_copied_once_and_what_is_gone_again(tmp_path):
    store = opened(tmp_path)
    assert "code" not in store.manifest
    store.keep(code())
    copy = store.folder / "code" / "half.py"
    assert copy.read_bytes() == b"x = 1\n"
    assert manifest(store.folder)["code"] == {"./half.py": {"file": "code/half.py", "sha256": schema.digest(copy)}}
    before = (store.folder / manifests.FILE).stat().st_mtime_ns
    store.keep(code(b"x = 1  # a comment\n"))
    assert copy.read_bytes() == b"x = 1\n"
    assert (store.folder / manifests.FILE).stat().st_mtime_ns == before
    store.keep(code(name="other.py"))
    assert sorted(manifest(store.folder)["code"]) == ["./half.py", "./other.py"]
    copy.unlink()
    check_code(store.folder, store.manifest)
    store.keep(code(b"x = 1  # a comment\n"))
    assert copy.read_bytes() == b"x = 1  # a comment\n"
    assert manifest(store.folder)["code"]["./half.py"]["sha256"] == schema.digest(copy)


def test_a_damaged_copy_is_refused(tmp_path):
    store = opened(tmp_path)
    store.keep(code())
    (store.folder / "code" / "half.py").write_bytes(b"x = 3\n")
    with pytest.raises(
        IntegrityError, match=r"half\.py is not the file that was written.*verify --repair` moves it aside"
    ):
        opened(tmp_path)


# ---- runs


def test_a_run_is_written_and_found(tmp_path):
    store, (one, other) = opened(tmp_path), RUNS[:2]
    assert not store.has(one)
    assert store.score(one) is None
    with store.settled():
        store.add(outcome(one, [0.5, 0.25, 0.375], best=2), STUDY.objective, {"git": "abc"})
    assert store.has(one)
    assert not store.has(other)
    entry = store.entry(one)
    file = f"runs/{one.arm}-s{one.seed:03d}-{one.id[:8]}.nc"
    assert entry.pop("written").endswith("+00:00")
    assert entry == {
        "file": file, "sha256": schema.digest(store.folder / file), "arm": one.arm, "seed": one.seed, "phase": CONFIRM,
        "status": "finished", "score": 0.25,
    }  # fmt: skip
    assert store.score(one) == 0.25
    assert opened(tmp_path).entry(one) == store.entry(one)
    tree = schema.read_tree(store.folder / file)
    assert schema.provenance(tree, "git") == "abc"
    assert schema.provenance(tree, "spec") == one.model_dump(mode="json")
    assert schema.provenance(tree, "unmeasured") is None


def test_a_run_of_tuning_has_a_name_of_its_own(tmp_path):
    store = opened(tmp_path)
    store.add(outcome(RUNS[0], [0.5], best=1), STUDY.objective, {}, phase=TUNE)
    assert store.entry(RUNS[0])["phase"] == TUNE
    assert store.entry(RUNS[0])["file"].startswith("runs/tune-")
    assert store.file_of(RUNS[0], CONFIRM).startswith(f"runs/{RUNS[0].arm}-s000-")


def test_a_diverged_run_has_no_score(tmp_path):
    store = opened(tmp_path)
    store.add(outcome(RUNS[0], [float("nan")], best=None, status="diverged"), STUDY.objective, {})
    assert store.has(RUNS[0])
    assert (store.entry(RUNS[0])["score"], store.score(RUNS[0])) == (None, None)
    store.add(outcome(RUNS[1], [0.5, float("nan")], best=1, status="diverged"), STUDY.objective, {})
    assert (store.entry(RUNS[1])["score"], store.score(RUNS[1])) == (0.5, None)


def test_a_run_that_is_gone_or_damaged(tmp_path):
    store = opened(tmp_path)
    store.add(outcome(RUNS[0], [0.5], best=1), STUDY.objective, {})
    path = store.folder / store.entry(RUNS[0])["file"]
    content = path.read_bytes()
    path.unlink()
    assert not store.has(RUNS[0])
    path.write_bytes(content[:-1])
    with pytest.raises(
        IntegrityError,
        match=r"SHA-256 differs from the manifest\. `verify --repair` moves it aside, and the next run trains it again\.$",
    ):
        store.has(RUNS[0])


def test_what_could_not_be_measured_is_in_the_file():
    groups = groups_of(outcome(RUNS[0], [0.5], best=1, unmeasured={"g": {0: "why", 1: "again"}}), {})
    assert schema.decoded(groups["/provenance"].attrs, "unmeasured") == [
        {"group": "g", "epoch": 0, "error": "why"},
        {"group": "g", "epoch": 1, "error": "again"},
    ]


def test_the_manifest_is_written_where_it_lacks_lines_and_not_otherwise(tmp_path, monkeypatch):
    store = opened(tmp_path)
    path = store.folder / manifests.FILE
    path.write_text("left alone")
    with store.settled():
        store.save_if_due()
    assert path.read_text() == "left alone"
    monkeypatch.setattr(stores, "_RARER", 0)
    store.add(outcome(RUNS[0], [0.5], best=1), STUDY.objective, {})
    assert len(manifests.read(store.folder)["runs"]) == 1
    path.write_text("left alone")
    monkeypatch.setattr(stores, "_RARER", 1e9)
    with store.settled():
        store.save_if_due()
    with store.settled():
        store.add(outcome(RUNS[1], [0.5], best=1), STUDY.objective, {})
        assert path.read_text() == "left alone"
    assert len(manifests.read(store.folder)["runs"]) == 2


# ---- leftovers


def test_leftovers(tmp_path):
    (tmp_path / "checkpoints" / "0").mkdir(parents=True)
    old, new = time.time() - 3700, time.time() - 3500
    cases = {
        ".MANIFEST.json.a.part": (new, True), "checkpoints/0/.3-77.part": (new, True), "mine.part": (old, False), ".lock": (old, False),
        ".report.html.a.part": (new, False), ".study.nc.a.part": (new, False), ".report.html.b.part": (old, True), ".study.nc.b.part": (old, True),
    }  # fmt: skip
    for name, (when, _) in cases.items():
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (when, when))
    (tmp_path / ".folder.part").mkdir()
    gone = {name for name, (_, left) in cases.items() if left}
    assert {path.relative_to(tmp_path).as_posix() for path in sweep(tmp_path)} == gone
    assert {name for name in cases if not (tmp_path / name).exists()} == gone


# ---- locks


def test_a_folder_that_another_process_holds(tmp_path):
    holder = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); time.sleep(60)"
    (tmp_path / ".lock").touch()
    with subprocess.Popen([sys.executable, "-c", holder, str(tmp_path / ".lock")], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            began = time.monotonic()
            with (
                pytest.raises(TryAgainError, match=f"Another process is running this study in {tmp_path}"),
                holding(tmp_path),
            ):
                pass
            assert time.monotonic() - began < 5
        finally:
            other.kill()
    with holding(tmp_path):
        pass


def test_the_lock_is_held_while_the_block_runs_and_given_back(tmp_path):
    warned: list[str] = []
    with only_driver(tmp_path, STUDY, warned.append):
        with (tmp_path / STUDY.id / ".lock").open("a") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(TryAgainError), only_driver(tmp_path, STUDY, warned.append):
            pass
    with only_driver(tmp_path, STUDY, warned.append):
        pass
    with only_driver(tmp_path / "not" / "there", STUDY, warned.append):
        assert (tmp_path / "not" / "there" / STUDY.id).is_dir()
    assert warned == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputRefusedError, match=r"Cannot write to .*Not a directory.*--out"),
        holding(tmp_path / "file" / "a"),
    ):
        pass


def test_databases_are_waited_for(tmp_path):
    watcher, warned = listening()
    with (tmp_path / ".databases.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        release = threading.Timer(0.5, lambda: fcntl.flock(held, fcntl.LOCK_UN))
        release.start()
        began = time.monotonic()
        with taking_turns(tmp_path, watcher.warn):
            assert time.monotonic() - began > 0.3
        release.join()
    assert warned == []


@pytest.mark.parametrize(
    ("number", "none"),
    [(errno.ENOLCK, True), (errno.ENOSYS, True), (errno.EOPNOTSUPP, True), (errno.EACCES, False), (errno.EIO, False)],
)
def test_without_locks_a_warning_says_so_and_the_block_runs(tmp_path, monkeypatch, number, none):
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    warned: list[str] = []
    with holding(tmp_path / "a", warned.append):
        pass
    (text,) = warned
    assert text.startswith(f"{tmp_path / 'a' / '.lock'} cannot be locked ({os.strerror(number)})")
    assert ("the file system has no locks" in text) is none
    assert f"writes to {tmp_path / 'a'}." in text
