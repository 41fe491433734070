"""No file is replaced by what is made of it, in Python as on the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError

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
    (results.parent / "MANIFEST.json").write_text("{}")
    with pytest.raises(InputRefusedError, match=HOLDS):
        zl.judge(tree).to_csv(results.parent / "MANIFEST.json")
    assert results.read_bytes() == before


def test_nor_the_table_that_they_were_made_of(tmp_path: Path):
    table = tmp_path / "t.csv"
    rows = [(arm, seed, seed + (arm == "b")) for arm in "ab" for seed in range(6)]
    pd.DataFrame(rows, columns=["arm", "seed", "acc"]).to_csv(table, index=False)
    tree = zl.results_from(table, metrics=["acc"])
    with pytest.raises(InputRefusedError, match="is the table that these results were made of"):
        zl.write_report(tree, table)
    assert zl.write_report(tree, tmp_path / "report.html").is_file()
