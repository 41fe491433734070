"""Where files are kept between calls: the user's cache folder, or one private folder for a user who has none."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from zoneout_lab.cache import cache_folder, cached


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user id without a name and without a HOME, as in a container; returns the folder of its temporary files."""

    def unknown(uid: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_user_without_a_home_has_a_private_folder(nobody: Path) -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    folder = cache_folder()
    assert folder.parent == nobody
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cached("a", "b") == [folder / "a" / "b"]


@pytest.mark.parametrize("fault", ["others can write", "a link", "a file", "another owner"])
def test_a_folder_that_is_not_private_is_not_used(nobody: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    folder = nobody / f"zoneout_lab-{os.getuid()}"
    if fault == "a link":
        (nobody / "elsewhere").mkdir()
        folder.symlink_to(nobody / "elsewhere")
    elif fault == "a file":
        folder.write_text("mine")
    else:
        folder.mkdir(mode=0o700)
    if fault == "others can write":
        folder.chmod(0o777)
    if fault == "another owner":
        other = os.getuid() + 1
        folder.rename(folder.with_name(f"zoneout_lab-{other}"))
        monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(OSError, match=r"belongs to another user|not a folder|File exists"):
        cache_folder()
    assert cached("a") == []


def test_a_cache_that_cannot_be_made_is_replaced(tmp_path: Path, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder().parent == nobody
    assert cached("a")[0] == tmp_path / "file" / "zoneout_lab" / "a"  # what lies there may still be read


def test_looking_makes_nothing(tmp_path: Path, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    cached("a")
    assert not (tmp_path / "new").exists()
    assert not list(nobody.iterdir())


def test_texts_are_coded_and_every_task_says_where_its_data_are(
    nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoneout_lab.cli.doctor import show_doctor
    from zoneout_lab.tasks import make_task

    book = tmp_path / "book.txt"
    book.write_text("it was the best of times, it was the worst of times. " * 40, encoding="utf-8")
    data = make_task("char_text", {"path": str(book), "valid": 0.2, "test": 0.2, "length": 10}).load(None)
    assert len(data.train)
    assert (cache_folder() / "codes").is_dir()
    show_doctor(None, as_json=True)
    monkeypatch.setenv("ZONEOUT_LAB_DATA", "~nobody_of_this_name/data")
    show_doctor(None, as_json=True)
