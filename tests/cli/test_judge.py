"""``judge``: verdicts on a table, on the screen, as JSON and as a report, or a sentence and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoneout_lab as zl


@pytest.fixture
def results(tmp_path: Path) -> Path:
    luck = np.random.default_rng(0).normal(size=7)
    rows = [
        (method, seed, 80 + luck[seed] + k * (1 + 0.1 * luck[-seed - 1]), 0.5)
        for k, method in enumerate(("full", "bare"))
        for seed in range(7)
    ]
    path = tmp_path / "results.csv"
    pd.DataFrame(rows, columns=["method", "seed", "acc", "loss"]).to_csv(path, index=False)
    return path


ASKED = ("--arm", "method", "--baseline", "full", "--metric", "acc", "--better", "higher")


def test_verdicts_a_report_and_results(command, results: Path, tmp_path: Path):
    report, out = tmp_path / "out" / "report.html", tmp_path / "out" / "study.nc"
    done = command("judge", str(results), *ASKED, "--unit", "%", "--report", str(report), "--out", str(out))
    assert done.code == 0, done.errors
    verdict, numbers, *paths = done.output.splitlines()  # `judge … > file` keeps what it is called for
    assert paths == [str(report), str(out)]
    assert verdict.startswith("supported ")
    assert "percentage points higher" in numbers
    assert done.errors.startswith("Exploratory: nothing was declared")
    assert "supported" not in done.errors
    assert zl.judge(zl.open_results(out))[0].comparison.verdict == "supported"
    again = command("judge", str(out))
    assert (again.output.splitlines(), again.errors) == ([verdict, numbers], done.errors)
    assert command("export", str(out), "--to", str(tmp_path / "again.nc")).code == 0


def test_json_is_one_document(command, results: Path):
    done = command("judge", str(results), *ASKED, "--unpaired", "--json")
    read = json.loads(done.output)
    assert (read["standing"], read["family"], read["source"]["rows"]) == ("exploratory", "holm", 14)
    (judgement,) = read["judgements"]
    assert judgement["comparison"]["d_z"] is None
    assert judgement["comparison"]["paired"] is False


def test_claims_in_a_file(command, results: Path, tmp_path: Path):
    claims = tmp_path / "claims.toml"
    claims.write_text('[[hypotheses]]\narm = "bare"\nagainst = "full"\nmetric = "acc"\ndirection = "lower"\n')
    done = command("judge", str(results), "--arm", "method", "--hypotheses", str(claims))
    assert done.output.startswith("contradicted ")
    assert "declared for this judgement; nothing shows that it was before the runs" in done.errors


def test_what_is_typed_of_a_metric_replaces_no_more_than_it_says(command, results: Path, tmp_path: Path):
    claims, out = tmp_path / "claims.toml", tmp_path / "study.nc"
    claims.write_text('[metrics.acc]\nscale = "log"\nunit = "%"\nnoun = "accuracy on both"\nbetter = "higher"\n')
    asked = ("judge", str(results), "--arm", "method", "--baseline", "full", "--hypotheses", str(claims))
    for more, better, unit in (
        ((), "higher", "%"),
        (("--better", "lower"), "lower", "%"),
        (("--unit", "points"), "higher", "points"),
        (("--unit", ""), "higher", ""),
    ):
        done = command(*asked, "--metric", "acc", *more, "--out", str(out))
        assert done.code == 0, done.errors
        c = zl.judge(zl.open_results(out))[0].comparison
        assert (c.scale, c.units, c.better, c.noun) == ("log", unit, better, "accuracy on both")


def test_each_metric_has_the_unit_that_stands_in_its_place(command, results: Path, tmp_path: Path):
    both = (*ASKED, "--metric", "loss", "--better", "lower", "--unit", "%", "--unit", "nats")
    done = command("judge", str(results), *both, "--json")
    assert [each["comparison"]["units"] for each in json.loads(done.output)["judgements"]] == ["%", "nats"]
    assert "between 0 and 1" not in done.errors
    other = command("judge", str(results), *both[:-3], "nats", "--unit", "%")
    assert (
        "Note: loss is said to be in %, and all its values lie between 0 and 1: 0.5 is shown as 0.5%." in other.errors
    )


def test_arms_are_called_as_the_claims_file_says(command, results: Path, tmp_path: Path):
    claims = tmp_path / "claims.toml"
    claims.write_text('[labels]\nbare = "without the gate"\n')
    done = command("judge", str(results), *ASKED, "--hypotheses", str(claims))
    assert "for without the gate and" in done.output


def test_no_output_replaces_an_input_or_another_output(command, results: Path, tmp_path: Path):
    claims, link, nc = tmp_path / "claims.toml", tmp_path / "link.csv", tmp_path / "out" / "study.nc"
    claims.write_text('[[hypotheses]]\narm = "bare"\nagainst = "full"\nmetric = "acc"\n')
    link.symlink_to(results)
    hard = tmp_path / "hard.csv"
    hard.hardlink_to(results)
    crooked = tmp_path / "out" / ".." / "results.csv"
    assert command("judge", str(results), *ASKED, "--out", str(nc)).code == 0
    before = {path: path.read_bytes() for path in (results, claims, nc)}
    table, folder = ("judge", str(results), *ASKED, "--hypotheses", str(claims)), str(nc.parent)
    for words, named in (
        ((*table, "--report", str(results)), results),
        ((*table, "--out", str(crooked)), crooked),
        ((*table, "--out", str(hard)), hard),
        (("judge", str(link), *ASKED, "--out", str(results)), results),
        ((*table, "--report", str(link)), link),
        ((*table, "--report", str(claims)), claims),
        (("judge", f"sqlite:///{results}", "--experiment", "x", *ASKED, "--out", str(results)), results),
        (("judge", str(nc), "--report", str(nc)), nc),
        (("judge", folder, "--out", str(nc)), nc),
        (("report", folder, "--to", str(nc)), nc),
        (("report", str(nc), folder, "--to", str(nc)), nc),
        (("export", folder), nc),
        (("index", str(tmp_path), "--to", str(nc)), nc),
        (("across", folder, folder, "--to", str(nc)), nc),
    ):
        done = command(*words)
        assert (done.code, done.output) == (5, ""), words
        assert f"{named} is read here, and what is written would replace it" in done.errors
    new = tmp_path / "new.html"
    done = command(*table, "--report", str(new), "--out", str(tmp_path / "out" / ".." / "new.html"))
    assert (done.code, new.exists()) == (5, False)
    assert "Two outputs would be written to" in done.errors
    assert {path: path.read_bytes() for path in before} == before
    assert link.is_symlink()
    assert command("report", folder, "--to", str(nc.parent / "report.html")).code == 0


def test_a_folder_without_results_is_no_table(command, results: Path, tmp_path: Path):
    for words in (ASKED, ()):
        done = command("judge", str(tmp_path), *words)
        assert done.code == 5
        assert "is a folder without results of a study. To judge a table, name its file" in done.errors
    assert "There are no results at" in command("judge", str(tmp_path / "absent.nc"), *ASKED).errors


def test_an_option_that_changes_nothing_is_refused(command, results: Path, tmp_path: Path):
    out = tmp_path / "study.nc"
    assert command("judge", str(results), *ASKED, "--out", str(out)).code == 0
    for words, names in (
        (("--hypotheses", "new.toml", "--baseline", "bare"), "--baseline, --hypotheses"),
        (("--names-in", "x", "--values-in", "y", "--alpha", "0.1"), "--names-in, --alpha"),
        (("--metric", "acc", "--unpaired", "--title", "t"), "--metric, --unpaired, --title"),
    ):
        done = command("judge", str(out), *words)
        assert done.code == 2
        assert f"leave out {names}, or judge the table" in done.errors
        assert done.output == ""
    assert json.loads(command("judge", str(out), "--json").output)["standing"] == "exploratory"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--metric", "acc", "--better", "higher"), 2, "Say what the arms are compared with"),
        (("--baseline", "full"), 2, "Say which column is judged"),
        (("--baseline", "full", "--metric", "acc"), 2, "say which way is better"),
        (("--baseline", "full", "--better", "higher"), 2, "name it with --metric"),
        (("--baseline", "full", "--metric", "acc", "--better", "up"), 2, "higher or lower; got 'up'"),
        (
            (
                "--baseline",
                "full",
                "--metric",
                "acc",
                "--metric",
                "loss",
                "--metric",
                "seed",
                "--better",
                "lower",
                "--better",
                "lower",
            ),
            2,
            "--better is given 2 times for 3 metrics: give it once for each",
        ),
        (
            ("--baseline", "full", "--metric", "acc", "--metric", "loss", "--better", "lower"),
            2,
            "--better is given once for 2 metrics",
        ),
        (
            (*ASKED[2:], "--metric", "loss", "--better", "lower", "--unit", "%"),
            2,
            "--unit is given once for 2 metrics",
        ),
        ((*ASKED[2:], "--unit", "%", "--unit", "%"), 2, "--unit is given 2 times for 1 metric:"),
        (("--baseline", "none", "--metric", "acc", "--better", "higher"), 2, "no arm 'none'"),
        (("--baseline", "full", "--metric", "method", "--better", "higher"), 2, "named for two things"),
        (("--baseline", "full", "--metric", "acc", "--better", "higher", "--names-in", "x"), 2, "go together"),
        (("--baseline", "full", "--metric", "acc", "--better", "higher", "--alpha", "2"), 5, "between 0 and 1"),
        (
            ("--baseline", "full", "--metric", "acc", "--better", "higher", "--hypotheses", "/nowhere.toml"),
            5,
            "Cannot read",
        ),
    ],
)
def test_what_cannot_be_judged_writes_nothing(command, results: Path, tmp_path: Path, words, code, said):
    done = command("judge", str(results), "--arm", "method", *words, "--report", str(tmp_path / "r.html"))
    assert (done.code, said in done.errors) == (code, True), done.errors
    assert sorted(each.name for each in tmp_path.iterdir()) == ["results.csv"]
