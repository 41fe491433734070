"""Where files are kept between calls: the user's cache folder, or one private folder for a user who has none."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest

from zoneout_lab.cache import cache_folder, cached, code_folder
from zoneout_lab.errors import TryAgainError
from zoneout_lab.ops.compiled import library
from zoneout_lab.tasks.corpus import characters
from zoneout_lab.tasks.download import fetch


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
    with pytest.raises(OSError, match=r"belongs to another user|not a folder|others can write"):
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
    monkeypatch.setenv("ZONEOUT_LAB_COMPILED", "0")  # which it would be without a private folder, and say so
    show_doctor(None, as_json=True)
    monkeypatch.setenv("ZONEOUT_LAB_DATA", "~nobody_of_this_name/data")
    show_doctor(None, as_json=True)


OTHER = 54_321  # no user's number, and not this one's
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


@pytest.fixture
def home(tmp_path: Path, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that XDG_CACHE_HOME names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def refused(folder: Path) -> bool:
    """True where neither data are read from it or written to it, nor code."""
    with pytest.raises(OSError, match=r"belongs to another user|others can write|not a folder"):
        code_folder()
    return cache_folder().parent != folder and all(not path.is_relative_to(folder) for path in cached("a"))


def test_the_folder_is_this_users_alone_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        assert code_folder() == cache_folder() == home / "zoneout_lab"
    finally:
        os.umask(before)
    assert (home / "zoneout_lab").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_could_read_is_closed_to_them(home: Path) -> None:
    (home / "zoneout_lab").mkdir(mode=0o755)
    assert cache_folder() == home / "zoneout_lab"
    assert (home / "zoneout_lab").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_folder_that_others_can_rename_in_is_not_used(home: Path, mode: int) -> None:
    (home / "zoneout_lab").mkdir(mode=0o700)
    home.chmod(mode)
    assert refused(home)
    home.chmod(0o1777)  # as /tmp: what is this user's there stays there
    assert code_folder() == cache_folder() == home / "zoneout_lab"


def test_a_folder_that_others_can_write_to_is_not_used(home: Path) -> None:
    (home / "zoneout_lab").mkdir()
    (home / "zoneout_lab").chmod(0o777)
    assert refused(home)
    assert (home / "zoneout_lab").stat().st_mode & 0o777 == 0o777  # it is left as it was


def test_a_link_to_a_folder_of_ones_own_is_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (home / "zoneout_lab").symlink_to(tmp_path / "disk")
    assert cache_folder() == home / "zoneout_lab"
    assert code_folder() == tmp_path / "disk"  # the link may be another by then


@as_root
@pytest.mark.parametrize("what", ["the folder", "the one above", "a link"])
def test_what_is_another_users_is_not_used(home: Path, tmp_path: Path, what: str) -> None:
    if what == "a link":
        home.chmod(0o1777)
        (tmp_path / "mine").mkdir(mode=0o755)
        (home / "zoneout_lab").symlink_to(tmp_path / "mine")
        os.lchown(home / "zoneout_lab", OTHER, OTHER)
    else:
        (home / "zoneout_lab").mkdir(mode=0o700)
        os.chown(home / "zoneout_lab" if what == "the folder" else home, OTHER, OTHER)
    assert refused(home)
    if what == "a link":
        assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o755


def test_code_is_never_kept_among_the_temporary_files(nobody: Path) -> None:
    assert cache_folder().parent == nobody
    with pytest.raises(OSError, match="no home"):
        code_folder()


@pytest.mark.parametrize("what", ["codes", "download", "compiled"])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path, monkeypatch, what) -> None:
    """Left an hour ago, it goes; what is younger, or has something in it that is, may be in the making."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = cache_folder()
    place = here / "codes" if what == "codes" else here
    place.mkdir(exist_ok=True)
    end = "compiling-{}" if what == "compiled" else "{}.part"
    names = ("file", "folder", "young", "at_work", "link")
    file, folder, young, at_work, link = (place / end.format(name) for name in names)
    file.write_text("half")
    young.write_text("half")
    link.symlink_to(tmp_path)
    for each in (folder, at_work):
        each.mkdir()
        (each / "codes").write_text("half")
    long_ago = time.time() - 3700
    for each in (file, folder / "codes", folder, at_work, link):
        os.utime(each, (long_ago, long_ago), follow_symlinks=False)
    if what == "codes":
        text = tmp_path / "text.txt"
        text.write_text("zone")
        characters([text])
    elif what == "download":
        with pytest.raises(TryAgainError):
            fetch("http://127.0.0.1:9/x", place / "x", "")
    else:
        library.__wrapped__("philox")
    assert [each.is_symlink() or each.exists() for each in (file, folder, young, at_work, link)] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert tmp_path.is_dir()
