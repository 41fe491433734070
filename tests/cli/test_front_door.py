"""Commands that look at results: compare two arms, open the report, verify for a program, and paths that stay on one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from typed import environment, in_this_process

import zoneout_lab as zl

PUBLISHED = Path(__file__).parents[2] / "reports" / "quickstart"


def test_compare_says_what_python_says(command):
    done = command("compare", str(PUBLISHED), "static", "lstm", "--metric", "valid_score")
    c = zl.compare(zl.open_results(PUBLISHED), "static", "lstm", metric="valid_error")
    assert (done.code, done.output.splitlines()[0], done.errors) == (0, c.sentence, "")
    claim = ("--direction", "same", "--margin", "0.02", "--scale", "linear")
    found = json.loads(
        command(
            "compare", str(PUBLISHED / "study.nc"), "zoneout", "lstm", "--metric", "valid_error", *claim, "--json"
        ).output
    )
    c = zl.compare(
        zl.open_results(PUBLISHED),
        "zoneout",
        "lstm",
        metric="valid_error",
        direction="same",
        margin=0.02,
        scale="linear",
    )
    for name in ("verdict", "p", "margin", "direction", "sentence", "seeds", "interval"):
        expected = getattr(c, name)
        assert found[name] == (list(expected) if isinstance(expected, tuple) else expected)
    assert found["p_worst"] is None  # NaN, which JSON has not


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("zoneot", "lstm", "--metric", "valid_error"), 2, "Did you mean 'zoneout'?"),
        (("zoneout", "lstm", "--metric", "valid_eror"), 2, "Did you mean 'valid_error'?"),
        (("zoneout", "lstm", "--metric", "valid_error", "--direction", "better"), 2, "Known: higher, lower"),
        (("zoneout", "lstm", "--metric", "valid_error", "--scale", "cubic"), 2, "Known: linear, log, logit"),
        (("zoneout", "lstm", "--metric", "valid_error", "--margin", "-1"), 5, "margin"),
        (("zoneout", "zoneout", "--metric", "valid_error"), 5, "compared with itself"),
        (("zoneout", "lstm"), 2, "--metric"),
    ],
)
def test_what_cannot_be_compared_is_said(command, words, code, said):
    done = command("compare", str(PUBLISHED), *words)
    assert (done.code, done.output) == (code, "")
    assert said in " ".join(done.errors.split())


def test_open_shows_the_report(command, finished, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    page, seen, script = folder / "report.html", tmp_path / "seen", tmp_path / "browser"
    page.unlink()
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # it has looked already, or will: at this machine's
    monkeypatch.setattr(webbrowser, "_browsers", {})
    done = command("open", str(folder))  # written first
    assert (done.code, done.output, done.errors) == (0, f"{page}\n", "")
    assert seen.read_text() == page.as_uri()
    assert "<html" in page.read_text()
    page.write_text("mine")
    monkeypatch.setattr(webbrowser, "_tryorder", [])  # a machine without one
    done = command("open", str(folder / "study.nc"))
    assert (done.code, done.output, page.read_text()) == (0, f"{page}\n", "mine")
    assert "There is no browser here." in done.errors


def test_open_of_other_folders(command, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = command("open", str(folder))
        assert (done.code, done.output) == (5, "")
        assert "no study's results folder" in done.errors or "There are no results" in done.errors


def test_verify_for_a_program(command, finished, tmp_path):
    folder, _ = finished
    done = command("verify", str(folder), "--json")
    found = json.loads(done.output)
    assert (done.code, found["planned"], found["missing"]) == (0, 6, 0)
    rows = {row["what"]: row for row in found["checked"]}
    assert (rows["runs"]["count"], rows["runs"]["damaged"]) == (6, [])
    shutil.copytree(folder, tmp_path / "copy")
    path = next((tmp_path / "copy" / "runs").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = command("verify", str(tmp_path / "copy"), "--json")
    assert done.code == 4
    (damage,) = {row["what"]: row for row in json.loads(done.output)["checked"]}["runs"]["damaged"]
    assert damage["path"] == str(path)
    assert "not the file that was written" in damage["fault"]
    (tmp_path / "copy" / "MANIFEST.json").write_text("{")
    assert command("verify", str(tmp_path / "copy"), "--json").code == 4


def test_status_and_plan_break_no_path(finished, small_file, monkeypatch, capfd):
    folder, _ = finished
    done = in_this_process(["status", str(folder.parent)], monkeypatch, capfd, columns=40)
    assert any(line.split()[0] == folder.name for line in done.output.splitlines())
    assert f"Report: {folder / 'report.html'}" in done.output.splitlines()
    options = ["--seeds", "3", "--set", "training.epochs=1", "--out", str(folder.parent)]
    done = in_this_process(["plan", str(small_file), *options], monkeypatch, capfd, columns=40)
    assert any(line.endswith(str(folder)) for line in map(str.rstrip, done.output.splitlines()))


def test_completion_completes():
    outside = environment(_ZONEOUT_LAB_COMPLETE="complete_bash", COMP_WORDS="zoneout-lab comp", COMP_CWORD="1")
    code = "import sys; sys.argv = ['zoneout-lab']; from zoneout_lab.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout
