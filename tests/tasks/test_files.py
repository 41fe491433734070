"""Where files are looked for, in which order, and that a named folder never leads to a download."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zoneout_lab.cache import cache_folder
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import files, make_task
from zoneout_lab.tasks.char_ptb import PTB
from zoneout_lab.tasks.files import Source, Sources, find
from zoneout_lab.tasks.pmnist import MNIST

CONTENT = {"a.txt": b"zone\n", "b.txt": b"out\n"}
SHA = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
SOURCES = Sources("small", "http://127.0.0.1:9/", tuple(Source(n, n, SHA[n], SHA[n]) for n in CONTENT))


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(CONTENT[name])
    return folder


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, path: Path, sha256: str) -> None:
        pytest.fail(f"downloads {url}")

    monkeypatch.setattr(files, "fetch", fetch)


def test_a_folder_holds_the_files_or_a_subfolder_does(tmp_path: Path) -> None:
    fill(tmp_path / "mine", "a.txt")
    fill(tmp_path / "mine" / "small", "a.txt", "b.txt")
    found = find(SOURCES, tmp_path / "mine")
    assert found == {"a.txt": tmp_path / "mine" / "a.txt", "b.txt": tmp_path / "mine" / "small" / "b.txt"}


def test_the_argument_comes_before_the_variable_and_that_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, named = (fill(tmp_path / folder, "a.txt", "b.txt") for folder in ("mine", "named"))
    cached = fill(cache_folder() / "small", "a.txt", "b.txt")
    assert {p.parent for p in find(SOURCES).values()} == {cached}
    monkeypatch.setenv("ZONEOUT_LAB_DATA", str(named))
    assert {p.parent for p in find(SOURCES).values()} == {named}
    assert {p.parent for p in find(SOURCES, mine).values()} == {mine}


@pytest.mark.parametrize("origin", ["--data", "ZONEOUT_LAB_DATA"])
def test_a_named_folder_without_the_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    fill(cache_folder() / "small", "a.txt", "b.txt")
    mine = fill(tmp_path / "mine", "a.txt")
    if origin == "ZONEOUT_LAB_DATA":
        monkeypatch.setenv(origin, str(mine))
    with pytest.raises(InputRefusedError, match=r"lacks b\.txt") as refused:
        find(SOURCES, mine if origin == "--data" else None)
    assert "a.txt" not in str(refused.value)
    for said in (str(mine), origin, SOURCES.base_url, "small/"):
        assert said in str(refused.value)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="not a folder"):
        find(SOURCES, tmp_path / "nowhere")


def test_what_a_folder_that_is_read_only_has_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = fill(cache_folder() / "small", "a.txt", "b.txt")
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert {p.parent for p in find(SOURCES).values()} == {there}


def test_the_home_of_an_unknown_user_is_a_folder_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEOUT_LAB_DATA", "~nobody_of_this_name/data")
    with pytest.raises(InputRefusedError, match="~nobody_of_this_name/data, which is not a folder"):
        find(SOURCES)
    with pytest.raises(InputRefusedError, match="no such file"):
        make_task("char_text", {"path": "~nobody_of_this_name/book.txt"})


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache" / "zoneout_lab"
    for unusable in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_folder() == Path.home() / ".cache" / "zoneout_lab"


@pytest.mark.parametrize("sources", [PTB, MNIST], ids=["ptb", "mnist"])
def test_the_published_digests_are_those_of_the_real_files(sources: Sources, shared_data: Path) -> None:
    for source in sources.files:
        path = shared_data / sources.subfolder / source.name
        content = files.read(path)
        if hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256:
            assert hashlib.sha256(content).hexdigest() == source.content
        else:
            # Compressed anew; the training images are, in addition, a copy that lost one gray level.
            assert source.what in ("test images", "training images")
    canonical = [
        s.what
        for s in sources.files
        if files.difference(s, files.read(shared_data / sources.subfolder / s.name)) is None
    ]
    assert set(canonical) >= {s.what for s in sources.files} - {"training images"}


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    for name in ("gone.txt", "gone.gz"):
        with pytest.raises(InputRefusedError, match=f"{name} in .* cannot be read"):
            files.read(tmp_path / name)
