"""``power``: a row for each hypothesis, in sd or in the metric's units, and one line of it in ``plan``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoneout_lab import load_study
from zoneout_lab.cli.power import in_one_line, unlike
from zoneout_lab.study.spec import overridden

PILOT = Path(__file__).parents[2] / "reports" / "quickstart" / "study.nc"


def test_rows_in_sd_and_as_json(command):
    done = command("power", "pmnist_table2", "--seeds", "9")
    assert done.code == 0
    for h in load_study("pmnist_table2").hypotheses:
        assert h.name in done.output
    assert "sd" in done.output
    assert "9 seeds" in done.errors
    rows = json.loads(command("power", "pmnist_table2", "--seeds", "9", "--json").output)
    assert {(row["seeds"], row["spare"], row["pilot"]) for row in rows} == {(9, 3, 0)}
    more = json.loads(command("power", "pmnist_table2", "--seeds", "14", "--json").output)
    assert all(
        b["power"] > a["power"] and abs(b["smallest"]) < abs(a["smallest"]) for a, b in zip(rows, more, strict=True)
    )


@pytest.mark.slow
def test_a_pilot_gives_the_metrics_units(command):
    done = command("power", "quickstart", "--pilot", str(PILOT))
    assert done.code == 0
    for word in ("pp", "×", *(h.name[:18] for h in load_study("quickstart").hypotheses)):
        assert word in done.output
    assert "10 pairs" in done.errors


def test_a_pilot_of_another_study_is_named_and_refused(command):
    done = command("power", "char_ptb_table1", "--pilot", str(PILOT))
    assert done.code == 2
    assert "is of quickstart and lacks what char_ptb_table1 asks about. There is no metric 'valid_bpc'" in done.errors


def test_what_a_pilot_was_trained_on_otherwise_is_said():
    study = load_study("quickstart").resolved()
    assert unlike(study, PILOT) == ""
    assert unlike(load_study("char_ptb_table1").resolved(), PILOT) == "on digits and not on char_ptb"
    other = overridden(study, change=study.change | {"model.hidden": 77})
    assert unlike(other, PILOT) == f"with model.hidden {study.setting().model.hidden} and not 77"


def test_too_few_seeds_for_any_verdict(command):
    done = command("power", "pmnist_table2", "--seeds", "5")
    assert "too few" in done.output
    assert "none" in done.output
    rows = json.loads(command("power", "pmnist_table2", "--seeds", "5", "--json").output)
    assert {(row["power"], row["smallest"], row["spare"]) for row in rows} == {(0.0, None, -1)}


def test_a_study_without_hypotheses_is_refused(command, small_file):
    done = command("power", str(small_file))
    assert done.code == 5
    assert "no hypotheses" in done.errors


def test_a_pilot_that_is_not_there_is_refused(command, tmp_path):
    assert command("power", "quickstart", "--pilot", str(tmp_path / "none")).code in (2, 5)


@pytest.mark.parametrize(
    ("seeds", "said"), [(5, "no difference, however large, is found"), (10, "probability .8 of finding")]
)
def test_one_line_for_plan(seeds, said):
    assert said in in_one_line(load_study("pmnist_table2").model_copy(update={"seeds": seeds}))
    assert in_one_line(load_study("pmnist_table2").model_copy(update={"hypotheses": ()})) == ""
