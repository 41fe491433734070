"""No file is replaced by what is made of it, in Python as on the command line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import zoneout_lab as zl
from zoneout_lab.cli.app import app
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results.targets import check_export_target

QUICKSTART = Path(__file__).parents[2] / "reports" / "quickstart" / "study.nc"
HOLDS = "holds results, which would be lost. Name another file to write to."
READ = "is read here, and what is written would replace it"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "quickstart"
    folder.mkdir()
    return Path(shutil.copy(QUICKSTART, folder / "study.nc"))


def test_a_page_does_not_replace_what_it_is_made_of(results: Path):
    before = results.read_bytes()
    link = results.with_name("link.html")
    link.symlink_to(results)
    for write in (
        lambda at: zl.write_report(results, at),
        lambda at: zl.write_report(results.parent, at),
        lambda at: zl.write_across([results, results.parent], at),
        lambda at: zl.write_index(iter([results.parent]), at),
        lambda at: zl.write_side_by_side(results, results.parent, at),
    ):
        for target in (results, link):
            with pytest.raises(InputRefusedError, match=READ):
                write(target)
    assert results.read_bytes() == before


def test_nor_does_what_is_made_of_results_in_memory(results: Path):
    tree, before = zl.open_results(results), results.read_bytes()
    for write in (lambda: zl.write_report(tree, results), lambda: zl.judge(tree).to_csv(results)):
        with pytest.raises(InputRefusedError, match=HOLDS):
            write()
    for name in ("MANIFEST.json", "spec.json"):
        (results.parent / name).write_text("<hypothesis,verdict")  # whatever is in it
        for replace in (zl.judge(tree).to_csv, lambda at: zl.write_report(tree, at)):
            with pytest.raises(InputRefusedError, match=HOLDS):
                replace(results.parent / name)
        with pytest.raises(InputRefusedError, match=READ):
            zl.write_report(results.parent, results.parent / name)
        shutil.copy(results, results.parent / name)
        with pytest.raises(InputRefusedError, match=HOLDS):
            check_export_target(results.parent / name, tree)
    assert results.read_bytes() == before


def made(folder: Path) -> Path:
    """A table of results from elsewhere."""
    rows = [(arm, seed, seed + (arm == "b")) for arm in "ab" for seed in range(6)]
    pd.DataFrame(rows, columns=["arm", "seed", "acc"]).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def test_nor_the_table_that_they_were_made_of(tmp_path: Path):
    table = made(tmp_path)
    before = table.read_bytes()
    tree = zl.results_from(table, metrics={"acc": zl.Metric("accuracy", "", better="higher")}, baseline="a")
    with pytest.raises(InputRefusedError, match=r"t\.csv is no page, and would be lost"):
        zl.write_report(tree, table)
    with pytest.raises(InputRefusedError, match=r"t\.csv is no table of comparisons, and would be lost"):
        zl.judge(tree).to_csv(table)
    assert table.read_bytes() == before
    assert zl.write_report(tree, tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0", b"arm,seed\n", b"\xff\xfe", b"  x", b"{}"], ids=lambda each: repr(each)[:9]
)
def test_a_page_replaces_pages_alone(results: Path, tmp_path: Path, content: bytes):
    for name in ("mlflow.db", "notes", "t.csv"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputRefusedError, match="is no page"):
            zl.write_report(results, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    (tmp_path / "damaged.html").write_bytes(content)
    for name, before in {"damaged.html": content, "page": b"\n<html>", "empty": b""}.items():
        (tmp_path / name).write_bytes(before)
        zl.write_report(results, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"<!doctype html>")


def test_a_table_replaces_its_like(results: Path, tmp_path: Path):
    table, judged = tmp_path / "verdicts.csv", zl.judge(zl.open_results(results))
    judged.to_csv(table)
    first = table.read_bytes()
    judged[:1].to_csv(table)
    assert len(table.read_bytes()) < len(first)
    table.write_bytes(b"")
    judged.to_csv(table)
    assert table.read_bytes() == first


def test_an_export_replaces_results_of_its_study_alone(tmp_path: Path):
    table, out = made(tmp_path), tmp_path / "out.nc"
    (tmp_path / "claims.toml").write_text('baseline = "a"\n[metrics.acc]\nbetter = "higher"\n')

    def judged(at: Path) -> Any:
        asked = ("judge", str(table), "--hypotheses", str(tmp_path / "claims.toml"), "--out", str(at))
        return CliRunner().invoke(app, asked)

    assert [judged(out).exit_code, judged(out).exit_code] == [0, 0]
    before = out.read_bytes()
    (tmp_path / "results.csv").write_text("something else")
    assert "holds no results" in str(judged(tmp_path / "results.csv").exception)
    assert (tmp_path / "results.csv").read_text() == "something else"
    published = Path(shutil.copy(QUICKSTART, tmp_path / "published.nc"))
    assert HOLDS in str(judged(published).exception)
    assert published.read_bytes() == QUICKSTART.read_bytes()
    assert out.read_bytes() == before


def test_what_is_no_file_is_not_replaced(results: Path, tmp_path: Path):
    pipe, folder = tmp_path / "pipe.html", tmp_path / "folder.html"
    os.mkfifo(pipe)
    folder.mkdir()
    judged = zl.judge(zl.open_results(results))
    for at in (pipe, folder):
        for write in (lambda at=at: zl.write_report(results, at), lambda at=at: judged.to_csv(at)):
            with pytest.raises(InputRefusedError, match="is no file that can be replaced"):
                write()
    assert pipe.is_fifo()
    assert folder.is_dir()


@pytest.mark.parametrize("content", ["text", "CDF\x01"])
def test_an_export_does_not_replace_what_is_only_called_like_one(tmp_path: Path, content: str):
    tree = zl.results_from(made(tmp_path), metrics=["acc"])
    (tmp_path / "other.nc").write_text(content)
    with pytest.raises(InputRefusedError, match="holds no results"):
        check_export_target(tmp_path / "other.nc", tree)
    (tmp_path / "other.nc").write_text("")
    check_export_target(tmp_path / "other.nc", tree)
