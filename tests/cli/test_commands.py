"""What each command prints and writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from typer.main import get_command

from zoneout_lab import manifest
from zoneout_lab.cli.app import app
from zoneout_lab.cli.summary import show_verdicts
from zoneout_lab.results import judge, open_results
from zoneout_lab.study import builtin_studies
from zoneout_lab.tasks import TASKS


def folder_of(finished) -> Path:
    return finished[0]


def test_list(command):
    done = command("list")
    assert done.code == 0
    assert not done.errors
    for name in builtin_studies():
        assert name in done.output
    rows = {words[0]: line for line in done.output.splitlines() if (words := line.split())}
    for name, task in TASKS.items():
        assert f"{name} {', '.join(task.settings)} " in " ".join(rows[name].split())
    studies = json.loads(command("list", "--json").output)
    assert [study["name"] for study in studies] == list(builtin_studies())
    # on several tasks there is a setting for each
    assert all(study["setting"]["training"]["epochs"] > 0 for study in studies if "tasks" not in study)


def test_plan(command, small_file, tmp_path):
    done = command("plan", str(small_file), "--out", str(tmp_path), "--workers", "2")
    assert done.code == 0
    assert not list(tmp_path.iterdir())
    for words in ("A small study", "4 (2 arms × 2 seeds)", "1,097 / 350 / 350", "lstm, zoneout", "2 batches of 2"):
        assert words in done.output
    facts = json.loads(command("plan", str(small_file), "--out", str(tmp_path), "--workers", "1", "--json").output)
    assert (facts["runs"], facts["missing"], facts["batches"], facts["problem"]) == (4, 4, [4], None)
    assert facts["seconds"] > 0
    assert facts["bytes"] > 0


def test_plan_counts_tuning(command):
    facts = json.loads(command("plan", "tuned_rates", "--task", "digits", "--json", "--set", "model.hidden=4").output)
    assert facts["tuning_runs"] == 2 * 12 * 2
    assert facts["runs"] == 3 * 8
    assert sum(facts["batches"]) == facts["tuning_runs"] + facts["runs"]


def test_plan_of_a_finished_study(command, small_file, finished):
    folder = folder_of(finished)
    options = ["--seeds", "3", "--set", "training.epochs=1", "--out", str(folder.parent)]
    facts = json.loads(command("plan", str(small_file), *options, "--json").output)
    assert (facts["study"], facts["runs"], facts["missing"], facts["batches"]) == (folder.name, 6, 0, [])
    assert "everything is there" in command("plan", str(small_file), *options).output


def test_plan_counts_what_other_folders_have(command, small_file, finished):
    folder = folder_of(finished)
    options = ["--seeds", "5", "--set", "training.epochs=1", "--out", str(folder.parent)]
    facts = json.loads(command("plan", str(small_file), *options, "--json").output)
    assert (facts["runs"], facts["missing"], facts["taken_over"]) == (10, 4, {folder.name: 6})
    assert sum(facts["batches"]) == 4
    words = " ".join(command("plan", str(small_file), *options).output.split())
    assert f"6 of 10 runs are there already, from {folder.name}" in words
    assert not (folder.parent / facts["study"]).exists()


def test_run(finished):
    folder, done = finished
    assert done.output == f"Report: {folder / 'report.html'}\n"  # progress and verdicts are not data
    assert "6/6 runs done." in done.errors
    assert (folder / "report.html").stat().st_size > 10_000


def test_verdicts_are_shown_with_both_values_and_which_is_higher(capsys):
    published = Path(__file__).parents[2] / "reports" / "quickstart" / "study.nc"
    show_verdicts(published)
    shown = " ".join(capsys.readouterr().err.split())
    for judgement in judge(open_results(published)):
        assert f"{judgement.statement} {judgement.comparison.short}" in shown


def test_run_again(command, small_file, finished):
    folder = folder_of(finished)
    options = ["--seeds", "3", "--set", "training.epochs=1", "--no-tracking", "--out", str(folder.parent)]
    done = command("run", str(small_file), *options)
    assert done.code == 0
    assert "Nothing to do: all 6 runs are done." in done.errors
    assert done.output == f"Report: {folder / 'report.html'}\n"


def test_status(command, finished, tmp_path):
    folder = folder_of(finished)
    expected = {
        "study": folder.name,
        "task": "digits",
        "planned": 6,
        "done": 6,
        "missing": 0,
        "diverged": 0,
        "searched": 0,
        "unlisted": 0,
        "behind": [],
        "report": str(folder / "report.html"),
    }
    assert json.loads(command("status", str(folder), "--json").output) == [expected]
    assert json.loads(command("status", str(folder.parent), "--json").output) == [expected]
    assert folder.name in command("status", str(folder.parent)).output

    shutil.copytree(folder, tmp_path / folder.name)
    next((tmp_path / folder.name / "runs").iterdir()).unlink()
    (row,) = json.loads(command("status", str(tmp_path), "--json").output)
    assert (row["done"], row["missing"]) == (5, 1)


def test_status_counts_the_files_that_a_killed_command_left_without_a_line(command, finished, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(folder_of(finished), folder)
    content = manifest.read(folder)
    for _ in range(4):
        content["runs"].popitem()
    (folder / manifest.FILE).write_bytes(manifest.written(content))
    done = command("status", str(folder))
    assert "killed has 4 more files of runs, written by a command that was interrupted" in done.output
    assert "the next `run` takes up what is whole" in done.output
    (row,) = json.loads(command("status", str(folder), "--json").output)
    assert (row["done"], row["missing"], row["unlisted"]) == (2, 4, 4)


@pytest.mark.parametrize("name", ["run", "judge", "verify", "doctor", "bench", "list"])
def test_flags_are_shown_without_a_value(command, name):
    shown = command(name, "--help").output
    assert "bool" not in shown.lower()
    assert "--help" in shown


def test_verify(command, finished, tmp_path):
    folder = folder_of(finished)
    done = command("verify", str(folder))
    assert done.code == 0
    assert done.output.endswith("6 runs are what was written.\n")
    counts = dict(line.rsplit(maxsplit=2)[:2] for line in done.output.splitlines()[1:-1])
    assert counts == {
        "manifest": "1",
        "spec.json": "1",
        "runs": "6",
        "study.nc": "1",
        "report.html": "1",
        "notes of mirrors": "1",
        "Optuna's database": "1",
    }
    shutil.copytree(folder, tmp_path / "copy")
    path = next((tmp_path / "copy" / "runs").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = command("verify", str(tmp_path / "copy"))
    assert done.code == 4
    assert f"Damaged: {path} is not the file that was written" in done.errors
    assert [line.split()[1:3] for line in done.output.splitlines() if line.startswith("runs")] == [["6", "1"]]
    mended = command("verify", str(tmp_path / "copy"), "--repair")
    assert mended.code == 0
    assert f"Moved {path} to {path.name}.damaged: the next run of the study trains it again." in mended.errors
    assert "5 runs are what was written.\n1 of 6 is missing. To train it: zoneout-lab run " in mended.output


@pytest.mark.parametrize("phase", ["confirm", "tune"])
def test_verify_reads_the_runs_of_tuning_too(command, finished, tmp_path, phase):
    folder = tmp_path / "copy"
    shutil.copytree(folder_of(finished), folder)
    content = manifest.read(folder)
    entry = next(iter(content["runs"].values()))
    entry["phase"] = phase
    (folder / "MANIFEST.json").write_text(json.dumps(content))
    assert command("verify", str(folder)).code == 0
    (folder / entry["file"]).write_bytes(b"")
    assert command("verify", str(folder)).code == 4


def test_export_opens_with_plain_xarray(command, finished, tmp_path):
    target = tmp_path / "deep" / "all.nc"
    done = command("export", str(folder_of(finished)), "--to", str(target))
    assert (done.code, done.output) == (0, f"{target}\n")
    with xr.open_datatree(target, engine="h5netcdf") as tree:
        assert set(tree.children) == {"metrics", "gradients", "dynamics", "provenance"}
        assert tree["metrics"].sizes["arm"] == 2
        assert tree["metrics"].sizes["seed"] == 3
        for group in tree.children.values():
            for name, variable in group.to_dataset().variables.items():
                assert variable.attrs["long_name"], name
                assert ("units" in variable.attrs) == (name not in group.coords and variable.dtype.kind not in "OSU"), (
                    name
                )


def test_report(command, finished, tmp_path):
    folder = folder_of(finished)
    done = command("report", str(folder), "--to", str(tmp_path / "mine.html"))
    assert (done.code, done.output) == (0, f"{tmp_path / 'mine.html'}\n")
    assert "Does it run?" in (tmp_path / "mine.html").read_text()
    command("export", str(folder), "--to", str(tmp_path / "study.nc"))
    assert command("report", str(tmp_path / "study.nc")).code == 0  # beside the file
    assert "Does it run?" in (tmp_path / "report.html").read_text()


def test_report_of_two(command, finished, tmp_path, monkeypatch):
    folder = folder_of(finished)
    monkeypatch.chdir(tmp_path)
    done = command("report", str(folder), str(folder))
    assert done.code == 5
    assert "Both results are those at" in done.errors
    published = Path(__file__).parents[2] / "reports"
    target = tmp_path / "two.html"
    done = command("report", str(published / "quickstart"), str(published / "gradient_flow"), "--to", str(target))
    assert done.code == 5
    assert "only A has" in done.errors
    copy = tmp_path / "copy.nc"
    copy.write_bytes((published / "mask_sharing_pmnist" / "study.nc").read_bytes())
    done = command("report", str(published / "mask_sharing_pmnist"), str(copy))
    assert (done.code, done.output) == (0, "side_by_side.html\n")
    assert "The two share" in (tmp_path / "side_by_side.html").read_text()


def test_index(command, finished, tmp_path):
    folder = folder_of(finished)
    done = command("index", str(folder.parent))
    assert (done.code, done.output) == (0, f"{folder.parent / 'index.html'}\n")
    page = (folder.parent / "index.html").read_text()
    assert f'href="{folder.name}/report.html"' in page
    assert "A small study" in page


def test_index_names_what_it_leaves_out(command, finished, tmp_path):
    folder, target = folder_of(finished), tmp_path / "index.html"
    (tmp_path / "foreign").mkdir()
    done = command("index", str(folder), str(tmp_path / "foreign"), "--to", str(target))
    assert (done.code, done.output) == (5, f"{target}\n")
    assert f"Warning: {tmp_path / 'foreign'} is left out." in done.errors
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.nc").write_text("mine")
    done = command("index", str(folder), str(tmp_path / "foreign"), str(tmp_path / "damaged"), "--to", str(target))
    assert done.code == 4
    target.unlink()
    done = command("index", str(tmp_path / "foreign"), "--to", str(target))
    assert done.code == 5
    assert "holds no results of a study" in done.errors
    assert not target.exists()


def test_doctor(command):
    facts = json.loads(command("doctor", "--json").output)
    assert facts["versions"]["torch"]
    assert set(facts["data"]) == set(TASKS)
    text = command("doctor")
    assert text.code == 0
    assert "memory free" in text.output


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_help(command, name):
    done = command(name, "-h")
    assert done.code == 0
    assert "Usage:" in done.output
    assert command(name, "--help").output == done.output


@pytest.mark.parametrize(("given", "used"), [(None, "true"), pytest.param("false", "false", marks=pytest.mark.slow)])
def test_mlflow_does_not_report_to_its_makers_unless_the_user_says_so(given, used):
    code = (
        "import atexit, os, sys; from zoneout_lab.cli import main; sys.argv = ['zoneout-lab', 'list', '--json']\n"
        "atexit.register(lambda: sys.stderr.write(os.environ['MLFLOW_DISABLE_TELEMETRY'])); main()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_DISABLE_TELEMETRY"}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": given} if given else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == used
