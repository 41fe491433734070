"""Copies of a study that lie elsewhere are compared where they are named; where they are not, it is said that they were not checked."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import optuna
import pytest
from small_study import run, small

from zoneout_lab.errors import InputRefusedError, TryAgainError, UsageError
from zoneout_lab.study import patience
from zoneout_lab.study.mirror import optuna_mirror
from zoneout_lab.study.mirror_compared import in_optuna
from zoneout_lab.study.repair import repair
from zoneout_lab.study.verify import Checked, verify

STUDY = small(seeds=1)
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose Optuna is in another folder; that folder and the one of results are returned in one."""
    place = tmp_path_factory.mktemp("elsewhere")
    run(STUDY, place / "out", storage=f"sqlite:///{place}/named.db")
    return place


@pytest.fixture
def copy(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    (folder,) = (tmp_path / "copy" / "out").glob("small-*")
    return folder


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder.parent.parent}/named.db"


def row(rows: list[Checked], name: str = "Optuna") -> Checked:
    return next(row for row in rows if row.what == f"{name}'s database")


def repaired(folder: Path, **places: str) -> list[str]:
    said: list[str] = []
    repair(folder, said.append, said.append, **places)
    return said


def test_without_its_url_it_is_said_that_it_was_not_checked(copy, made):
    found = row(verify(copy))
    assert (found.count, found.damages) == (0, ())
    assert found.note == f"not checked where it is, at {url_of(made / 'out' / 'x')}: --storage URL checks it there"
    # a file beside the folder, from before, is checked all the same
    assert run(STUDY, copy.parent).behind == []
    assert row(verify(copy)).note == ""
    run(STUDY, copy.parent, storage=url_of(copy))
    found = row(verify(copy))
    assert (found.count, found.damages, found.note.partition(",")[0]) == (1, (), "not checked where it is")


def test_with_its_url_it_is_compared_and_made_anew(copy):
    url = url_of(copy)
    assert row(verify(copy, url)) == Checked("Optuna's database", 1)
    (name,) = optuna.get_all_study_names(url)
    study = optuna.load_study(study_name=name, storage=url)
    study.add_trial(study.trials[0])
    (damage,) = row(verify(copy, url)).damages
    assert damage.path == Path(url.removeprefix("sqlite:///"))
    assert "1 more than once" in damage.fault
    assert repaired(copy) == []  # nothing beside it is damaged
    assert repaired(copy, storage=url) == [f"Brought {damage.path} up to date with the files."]
    assert in_optuna(copy, url).agrees
    assert row(verify(copy, url)).damages == ()


def test_what_is_not_there_was_not_checked(copy):
    named = Path(url_of(copy).removeprefix("sqlite:///"))
    named.unlink()
    unknown = row(verify(copy, url_of(copy))).unknown
    assert isinstance(unknown, InputRefusedError)
    assert f"there is no file {named}" in str(unknown)
    assert not named.exists()


def test_a_server_that_hangs_is_waited_for_once_and_nothing_is_changed(copy, monkeypatch):
    """Protected by `Mirror.run` in `mirroring.compared`: without it MLflow was waited for for longer than five minutes."""
    monkeypatch.setattr(patience, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://me:s3cret-word@127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        rows = verify(copy, tracking=uri)
        (said,) = repaired(copy, tracking=uri)
        assert time.monotonic() - began < 60  # on a busy machine
    assert not [damage for each in rows for damage in each.damages]
    unknown = row(rows, "MLflow").unknown
    assert isinstance(unknown, TryAgainError)
    assert "no answer in 1 s" in str(unknown)
    assert "was not compared" in said
    assert "s3cret" not in f"{unknown}{said}"


@pytest.mark.parametrize("places", [{"storage": "study.db"}, {"tracking": "http://"}])
def test_what_is_no_url_is_refused_before_anything_is_read(copy, places):
    with pytest.raises(UsageError, match=r"^--(storage|tracking)"):
        verify(copy, **places)
    with pytest.raises(UsageError, match=r"^--(storage|tracking)"):
        repair(copy, print, print, **places)


def test_a_mirror_that_was_behind_is_said_to_be(copy):
    assert run(small(seeds=2), copy.parent).behind == []
    (other,) = set(copy.parent.glob("small-*")) - {copy}
    assert row(verify(other, url_of(copy))).note == "lacks 4 of 4 runs: the next run brings it up to date"
    assert optuna_mirror(copy.parent, url_of(copy)).file == copy.parent.parent / "named.db"
