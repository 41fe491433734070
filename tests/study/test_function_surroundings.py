"""One run does not change the next of its process, and what a training function starts behaves as if a script had started it."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import listening

from zoneout_lab import load_study, open_results
from zoneout_lab.functions.surroundings import put_back
from zoneout_lab.study.means import means_of
from zoneout_lab.study.run import run_study


def now() -> dict[str, object]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": Path.cwd(),
        "variables": dict(os.environ),
        "paths": list(sys.path),
        "umask": mask,
        "numpy": np.geterr(),
        "warnings": list(warnings.filters),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul": torch.get_float32_matmul_precision(),
        "anomaly": torch.is_anomaly_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    }


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool):
    monkeypatch.setenv("KEPT", "as it was")
    monkeypatch.setenv("CHANGED", "as it was")
    before = now()
    try:
        with put_back():
            os.chdir(tmp_path)
            os.environ["CHANGED"] = os.environ["NEW"] = "other"
            del os.environ["KEPT"]
            sys.path.insert(0, str(tmp_path))
            os.umask(0o177)
            np.seterr(all="ignore")
            warnings.simplefilter("ignore")
            torch.set_default_dtype(torch.float64)
            torch.set_default_device("meta")
            torch.set_grad_enabled(False)
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.set_float32_matmul_precision("medium")
            torch.autograd.set_detect_anomaly(True)
            torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
            changed = now()
            assert not [name for name, value in changed.items() if value == before[name]]
            if fails:
                raise ValueError("melon")
    except ValueError:
        assert fails
    assert now() == before


STUDY = """
import importlib, multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
import torch
from zoneout_lab import Arm, Metric, Study

class Lines(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, k): return float(k)

def square(x): return x * x

def loads(run):
    return sum(float(batch.sum()) for batch in torch.utils.data.DataLoader(Lines(), num_workers=1))

def pools(run):
    with ProcessPoolExecutor(1) as pool:
        return sum(pool.map(square, range(3)))

def terminates(run):
    sleeper = multiprocessing.Process(target=time.sleep, args=(60,))
    sleeper.start()
    sleeper.terminate()
    sleeper.join()
    return float(sleeper.exitcode)

def forks(run):
    child = os.fork()
    if child == 0:
        return 99.0
    return float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

def interrupts(run):
    raise KeyboardInterrupt

def imports(run):
    return importlib.import_module("be" + "side").VALUE

def train(run):
    return {"value": globals()[run.arm](run)}

STUDY = Study(name="starts", train=train, metrics={"value": Metric("value", "")},
              arms=[Arm(name=name) for name in ("loads", "pools", "terminates", "forks", "interrupts", "imports")], baseline="loads", seeds=1)
"""


def test_processes_of_a_functions_own_and_what_it_does_to_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "starts.py").write_text(STUDY)
    (tmp_path / "beside.py").write_text("VALUE = 7.0\n")
    monkeypatch.chdir(tmp_path)
    watcher, warned = listening()
    summary = run_study(load_study("starts.py"), out="runs", workers=2, tracking=None, force=True, watcher=watcher)
    assert summary.failed == ["interrupts seed 0"]
    assert "Failed: interrupts seed 0: KeyboardInterrupt" in "\n".join(warned)
    (trace,) = summary.folder.glob("failures/*.txt")
    assert "raise KeyboardInterrupt" in trace.read_text()
    values = open_results(summary.folder)["metrics/value"].sel(seed=0)
    assert [float(values.sel(arm=arm)) for arm in ("loads", "pools", "terminates", "forks", "imports")] == [
        6,
        5,
        -15,
        1,
        7,
    ]
    assert sum("beside.py is imported by a name that" in text for text in warned) == 1


READS = """
from zoneout_lab import Arm, Metric, Study

def train(run):
    def arms():
        return len(STUDY.arms)
    return {"value": NUMBER + arms()}

NUMBER = 3
STUDY = Study(name="reads", train=train, metrics={"value": Metric("value", "")}, arms=[Arm(name="a")], baseline="a", seeds=1)
"""


def test_a_function_that_reads_its_study_is_told_of(tmp_path: Path):
    for source, told in ((READS, ["The training function reads STUDY. "]), (READS.replace("len(STUDY.arms)", "1"), [])):
        (tmp_path / "reads.py").write_text(source)
        study = load_study(tmp_path / "reads.py")
        with study.code.in_use():
            assert [
                text[: len("The training function reads STUDY. ")] for text in means_of(study, None).check()
            ] == told
