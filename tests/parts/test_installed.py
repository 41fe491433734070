"""From an installed wheel, in another folder: parts of one's own from the first plan to results read without them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from own_files import CELL, HALF, MEASURE, edit, written

ROOT = Path(__file__).parents[2]
READ = """
import sys
import zoneout_lab as zl
assert "site" in zl.__file__, zl.__file__
(folder,) = __import__("pathlib").Path("runs").glob("half-*")
tree = zl.open_results(folder)
found = zl.compare(tree, "lstm", "half", metric="test_error")
print(found.verdict, tree["metrics"].arm.values.tolist(), int(tree["metrics/test_error"].notnull().sum()))
zl.write_report(tree, "again.html")
print(int(tree["length/last_length"].notnull().sum()), tree["length"].sizes["time"])
print("torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the wheel in, command and all; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("zoneout_lab", "studies"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    if subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True).returncode:
        words.remove("--no-build-isolation")  # pip fetches the build backend
    words += ["--wheel-dir", str(folder), str(source)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"the build backend cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder / "site"),
        str(wheel),
    ]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    shutil.rmtree(source)
    return folder / "site"


def typed(site: Path, folder: Path, *words: str) -> str:
    """What a command printed, in a folder of its own that is not on the path."""
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-P", *words], capture_output=True, text=True, cwd=folder, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_from_a_plan_to_results_without_the_code(site, tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    path = written(tmp_path / "mine", half=HALF, leaky=CELL, length=MEASURE)
    edit(path, "from majority", "from leaky import Leaky\nfrom length import Length\nfrom majority")
    edit(
        path,
        '        Arm(name="lstm"),\n',
        '        Arm(name="lstm"),\n        Arm(name="leaky", change={"model.cell": Leaky(0.2)}),\n',
    )
    edit(path, "    seeds=2", "    seeds=2,\n    gradient_epochs=(-1,),\n    measures=(Length(),)")
    assert "missing     8" in typed(site, place, str(site / "bin" / "zoneout-lab"), "plan", "../mine/half.py")
    ran = typed(site, place, "-m", "zoneout_lab", "run", "../mine/half.py", "--no-tracking", "--workers", "2")
    assert "Report: runs/half-" in ran
    shutil.rmtree(tmp_path / "mine")
    assert typed(site, place, "-c", READ).splitlines() == [
        "underpowered ['lstm', 'leaky', 'half', 'noisy'] 8",
        "8 7",
        "False",
    ]
    assert "HalfZoneout (./half.py)" in (place / "again.html").read_text(encoding="utf-8")
    (folder,) = (place / "runs").glob("half-*")
    assert "8 runs are what was written" in typed(site, place, "-m", "zoneout_lab", "verify", str(folder))
    kept = ["half.py", "helpers.py", "leaky.py", "length.py", "majority.py"]
    assert sorted(file.name for file in folder.glob("code/*")) == kept


FUNCTION = """
import random, time
from zoneout_lab import Arm, Metric, Study

def train(run):
    rng, first, total = random.Random(run.seeds.init), 0, 0.0
    if run.restored:
        first, total = run.restored["epoch"] + 1, run.restored["total"]
        rng.setstate(run.restored["rng"])
    for epoch in range(first, 40):
        total += rng.random() * run.params["scale"]
        run.log(epoch, total=total)
        run.save({"epoch": epoch, "total": total, "rng": rng.getstate()})
        time.sleep(run.params["pause"])
    return {"sum": total}

STUDY = Study(name="killed", train=train, params={"scale": 1.0, "pause": 0.05}, metrics={"sum": Metric("sum", "", better="higher")},
              arms=[Arm(name="one"), Arm(name="two", params={"scale": 2.0})], baseline="one", seeds=2)
"""
SUMS = """
import zoneout_lab as zl
(folder,) = __import__("pathlib").Path("runs").glob("killed-*")
tree = zl.open_results(folder)
print(tree["metrics/sum"].values.tolist(), int(tree["metrics/total"].notnull().sum()))
"""


@pytest.mark.slow
def test_a_training_function_is_killed_and_goes_on(site, tmp_path):
    """With two workers: the driver killed, then the same command; the numbers are those of runs that nothing happened to."""
    sums = []
    for name in ("whole", "killed"):
        place = tmp_path / name
        place.mkdir()
        (place / "mine.py").write_text(FUNCTION)
        words = [
            sys.executable,
            "-P",
            "-m",
            "zoneout_lab",
            "run",
            "mine.py",
            "--no-tracking",
            "--workers",
            "2",
            "--checkpoint-every",
            "0",
        ]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        if name == "killed":
            driver = subprocess.Popen(words, cwd=place, env=environment, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 100
            while len(list(place.glob("runs/*/checkpoints/*/*.npz"))) < 4 and time.monotonic() < until:
                time.sleep(0.05)
            driver.kill()
            driver.wait()
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert ("on from a checkpoint" in done.stderr) == (name == "killed")
        sums.append(typed(site, place, "-c", SUMS))
    assert sums[0] == sums[1]
    assert sums[0].endswith(" 160\n")


@pytest.mark.slow
def test_files_to_start_from_are_installed(site, tmp_path):
    assert typed(site, tmp_path, "-m", "zoneout_lab", "new", "cell", "my_own").startswith("my_own.py\n")
    assert "./my_own.py:MyOwn" in typed(site, tmp_path, "-m", "zoneout_lab", "parts", "my_own.py")
