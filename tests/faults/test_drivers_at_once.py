"""Many drivers at once: on one study's folder one of them works, and studies that share a folder share its databases."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_study import arrays, assert_same_bits, manifest
from typed import SMALL, environment

from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
# imports take seconds, and not always as many: all are to begin at the same moment
TOGETHER = """
import importlib, sys
import sklearn.datasets
from zoneout_lab.cli import app, main
from zoneout_lab.study import mirroring, run, trials
importlib.import_module(sys.argv.pop(1))
print("ready", flush=True)
sys.stdin.readline()
main()
"""


def together(commands: Sequence[Sequence[str]], module: str = "sys") -> list[tuple[int, str]]:
    """``zoneout-lab WORDS`` for each, at the same moment, once a module is there; their exit codes and what they say on stderr."""
    drivers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", TOGETHER, module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for words in commands
    ]
    try:
        for driver in drivers:
            assert driver.stdout.readline() == "ready\n"
        for driver in drivers:
            driver.stdin.write("\n")
            driver.stdin.flush()
        said = [driver.communicate(timeout=900)[1] for driver in drivers]
    finally:
        for driver in drivers:
            driver.kill()
    return [(driver.returncode, text) for driver, text in zip(drivers, said, strict=True)]


def words(file: Path, out: Path) -> list[str]:
    return ["run", str(file), "--out", str(out), "--workers", "1"]


def assert_once(folder: Path, runs: int) -> None:
    """The study's folder has so many runs, and both mirrors have each once."""
    listed = manifest(folder)["runs"]
    assert len(listed) == runs
    assert {path.name for path in (folder / "runs").iterdir()} == {
        Path(entry["file"]).name for entry in listed.values()
    }
    assert not list(folder.parent.rglob("*.part"))
    assert in_optuna(folder, f"sqlite:///{folder.parent}/optuna.db").agrees
    assert in_mlflow(folder, f"sqlite:///{folder.parent}/mlflow.db").agrees
    assert behind(folder) == []


def test_sixteen_drivers_start_on_one_empty_folder(tmp_path):
    """Seen to fail where `store.holding` takes no lock."""
    file = tmp_path / "small.py"
    # long enough that the last to come finds the first at work
    file.write_text(SMALL.replace('"training.epochs": 2', '"training.epochs": 100'))
    ended = together([words(file, tmp_path / "out")] * 16)
    codes = [code for code, _ in ended]
    assert sorted(codes) == [0] + [75] * 15, ended
    for code, said in ended:
        assert "Traceback" not in said
        if code == 75:
            assert "Another process is running this study in " in said
            assert "Training" not in said
    ((code, said),) = together([words(file, tmp_path / "alone")])
    assert code == 0, said
    (folder,), (whole,) = (tmp_path / "out").glob("small-*"), (tmp_path / "alone").glob("small-*")
    assert_same_bits(arrays(folder), arrays(whole))
    assert_once(folder, 4)


def test_eight_studies_start_in_one_empty_folder(tmp_path):
    """Protected by `store.taking_turns`: seen to fail without it."""
    files = []
    for k in range(8):
        files.append(tmp_path / f"study{k}.py")
        files[k].write_text(
            SMALL.replace('name="small"', f'name="study{k}"').replace("seeds=2", f"seeds=2, seed={100 + k}")
        )
    ended = together([words(file, tmp_path / "out") for file in files], "zoneout_lab.study.tracking")
    assert [code for code, _ in ended] == [0] * 8, ended
    assert not [said for _, said in ended if "Traceback" in said or "Warning" in said]
    folders = sorted(path for path in (tmp_path / "out").glob("study*"))
    assert [folder.name.partition("-")[0] for folder in folders] == [f"study{k}" for k in range(8)]
    for folder in folders:
        assert_once(folder, 4)
    assert not list((tmp_path / "out").glob("*.unusable*"))
    shutil.rmtree(tmp_path / "out")
