"""SQLite files are made whole or not at all, and one that nothing can use is told from one that is busy."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from zoneout_lab.study.databases import sqlite_path, sqlite_url
from zoneout_lab.study.sqlite_files import BEING_MADE, fault, make_whole, move_aside, tables


def filled(path: Path, rows: int = 2000) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE numbers (number)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(f"number {k}",) for k in range(rows)])


def make(url: str) -> None:
    path = sqlite_path(url)
    assert path is not None
    filled(path)


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])


@pytest.mark.parametrize("name", ["a.db", "a?b%20c #ü[x]*.db"])
def test_made_once(tmp_path, name):
    path = tmp_path / "folder" / name
    assert make_whole(path, make)
    assert (count(path), fault(path)) == (2000, None)
    before = path.read_bytes()
    assert not make_whole(path, make)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_making_it_waits_for_the_disk_once_and_nothing_after_it_is_written_like_that(tmp_path):
    seen: list[int] = []

    def asking(url):
        engine = create_engine(url)
        with engine.connect() as connection:
            seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
            connection.exec_driver_sql("CREATE TABLE numbers (number)")
        engine.dispose()

    assert make_whole(tmp_path / "a.db", asking)
    asking(sqlite_url(tmp_path / "b.db"))
    assert seen == [0, 2]  # OFF, and SQLite's own FULL


def test_what_fails_leaves_nothing(tmp_path):
    def half(url):
        make(url)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make_whole(tmp_path / "a.db", half)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_process_are_swept(tmp_path):
    left = tmp_path / ".a.db.x1.making"
    left.mkdir()
    (left / "new.db").write_bytes(b"half")
    (tmp_path / ".b.db.x1.making").mkdir()
    make_whole(tmp_path / "a.db", make)
    assert {path.name for path in tmp_path.iterdir()} == {"a.db", ".b.db.x1.making"}


def test_another_program_that_was_quicker_keeps_its_file(tmp_path):
    path = tmp_path / "a.db"

    def slow(url):
        make(url)
        filled(path, 3)

    assert not make_whole(path, slow)
    assert count(path) == 3


def test_an_empty_file_is_filled_unless_another_process_is_about_to(tmp_path):
    path = tmp_path / "a.db"
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            make_whole(path, make)
    assert make_whole(path, make)
    assert count(path) == 2000


def test_a_journal_of_a_lost_database_is_not_applied_to_the_new_one(tmp_path):
    """SQLite would roll the journal of whichever database had that name before back into this one."""
    old = tmp_path / "old.db"
    filled(old)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE numbers SET number = 'x'")
        journal = (tmp_path / "old.db-journal").read_bytes()
        connection.execute("ROLLBACK")
    (tmp_path / "a.db-journal").write_bytes(journal)
    assert make_whole(tmp_path / "a.db", lambda url: filled(sqlite_path(url), 5))
    assert (count(tmp_path / "a.db"), fault(tmp_path / "a.db")) == (5, None)
    assert (tmp_path / "a.db.unusable-1-journal").read_bytes() == journal


DAMAGES = {
    "text": (lambda content: b"not a database, however far one reads. " * 30, "not a database"),
    "truncated": (lambda content: content[: len(content) // 2], "malformed"),
    "cut in a page": (lambda content: content[:-100], "malformed"),
    "a page of zeros": (lambda content: content[:8192] + bytes(4096) + content[12288:], "malformed|tree|page"),
    "tables": (lambda content: content.replace(b"CREATE TABLE", b"CREATE TIBLE"), "malformed"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen(tmp_path, name):
    damage, wrong = DAMAGES[name]
    path = tmp_path / "a.db"
    filled(path)
    assert fault(path) is None
    path.write_bytes(damage(path.read_bytes()))
    found = fault(path)
    assert found is not None
    assert any(word in found for word in wrong.split("|")), found


def test_what_is_no_fault(tmp_path):
    path = tmp_path / "a.db"
    assert fault(path) is None
    path.touch()
    assert fault(path) is None
    path.unlink()
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert fault(path) is None  # locked: whoever uses it says so


def test_half_made_unless_somebody_is_making_it(tmp_path):
    path = tmp_path / "a.db"
    filled(path)
    with pytest.raises(TimeoutError, match="another process"):
        fault(path, lambda connection: "numbers" in tables(connection))
    long_ago = time.time() - BEING_MADE - 1
    os.utime(path, (long_ago, long_ago))
    assert fault(path, lambda connection: "numbers" in tables(connection)) == "its tables were left half-made"
    assert fault(path, lambda connection: "letters" in tables(connection)) is None


def test_moved_aside_with_what_is_beside_it(tmp_path):
    path = tmp_path / "a.db"
    for k in (1, 2):
        path.write_text(str(k))
        (tmp_path / "a.db-wal").write_text(f"wal {k}")
        assert move_aside(path) == tmp_path / f"a.db.unusable-{k}"
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "a.db.unusable-1": "1",
        "a.db.unusable-1-wal": "wal 1",
        "a.db.unusable-2": "2",
        "a.db.unusable-2-wal": "wal 2",
    }


def test_readers_never_see_a_part(tmp_path):
    """Protected by making it in a folder of its own: seen to fail with ``make`` given the path itself."""
    path, seen, over = tmp_path / "a.db", set(), threading.Event()

    def look():
        while not over.is_set():
            if path.exists():
                seen.add(count(path))

    def slow(url):
        with closing(sqlite3.connect(sqlite_path(url))) as connection:
            connection.execute("CREATE TABLE numbers (number)")
            for k in range(20):
                with connection:
                    connection.execute("INSERT INTO numbers VALUES (?)", (k,))

    thread = threading.Thread(target=look)
    thread.start()
    make_whole(path, slow)
    time.sleep(0.05)
    over.set()
    thread.join()
    assert seen == {20}
