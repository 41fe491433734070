"""One run does not change the next of its process, and what a training function starts behaves as if a script had started it."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from small_study import listening

from zoneout_lab import load_study, open_results
from zoneout_lab.functions.surroundings import put_back
from zoneout_lab.study.means import means_of
from zoneout_lab.study.of_function import FunctionStudy
from zoneout_lab.study.run import run_study


def now() -> dict[str, object]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": Path.cwd(),
        # torch adds this one where it imports more of itself, and such a variable stays
        "variables": {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"},
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
        "threads": torch.get_num_threads(),
        "signal": signal.getsignal(signal.SIGUSR1),
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
            torch.set_num_threads(torch.get_num_threads() + 1)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
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


#: each arm imports something inside its function; a value says what its process was like before and after
IMPORTS = """
import importlib, os, random
from zoneout_lab import Arm, Metric, Study

def plain(run):
    return "MODE" in os.environ

def sets(run):
    import sets_mode
    return os.environ["MODE"] == "set"

def torch(run):
    import sets_torch, torch
    torch.set_num_interop_threads(7)  # a second time in a process it raises
    return torch.zeros(1).dtype == torch.float64

def draws(run):
    import draws_numbers
    return random.random()

def train(run):
    return {"value": float(globals()[run.arm](run)), "process": os.getpid()}

STUDY = Study(name="imports", train=train, metrics={"value": Metric("value", ""), "process": Metric("process", "")},
              arms=[Arm(name=name) for name in ARMS], baseline=ARMS[0], seeds=2)
"""


def imported(folder: Path, *arms: str) -> tuple[FunctionStudy, xr.Dataset, list[str]]:
    """Such a study of these arms run in one process at a time: it, its results, and what was said of imports."""
    source = IMPORTS.replace("ARMS[0]", repr(arms[0])).replace("ARMS", repr(arms))
    (folder / "imports.py").write_text(source)
    (folder / "sets_mode.py").write_text('import os; os.environ["MODE"] = "set"\n')
    (folder / "sets_torch.py").write_text("import torch; torch.set_default_dtype(torch.float64)\n")
    (folder / "draws_numbers.py").write_text("import random; random.seed(3); random.random()\n")
    watcher, warned = listening()
    study = load_study(folder / "imports.py")
    summary = run_study(study, out=folder / "runs", workers=1, tracking=None, force=True, watcher=watcher)
    assert not summary.failed
    assert isinstance(study, FunctionStudy)
    return (
        study,
        open_results(summary.folder)["metrics"].to_dataset(),
        [text for text in warned if "new process" in text],
    )


def test_what_an_import_sets_lasts_for_the_runs_that_make_it_and_for_no_others(tmp_path: Path):
    study, metrics, said = imported(tmp_path, "plain", "sets", "draws")
    assert [metrics["value"].sel(arm=arm).values.tolist() for arm in ("plain", "sets")] == [[0.0] * 2, [1.0] * 2]
    # what an import draws makes no difference to the first run of a process that makes it
    drawn = [random.Random(run.seeds.init).random() for run in study.runs() if run.arm == "draws"]
    assert metrics["value"].sel(arm="draws").values.tolist() == drawn
    # plain and sets, a new one for draws, plain and sets, a new one for draws
    assert len(set(metrics["process"].values.ravel())) == 3
    assert said == [
        "sets_mode is imported inside the training function, and sets os.environ MODE for its whole process: each run that imports it needs a new "
        "process, which takes seconds. Import it at the top of the study's file."
    ]


@pytest.mark.slow
def test_so_does_what_is_set_of_torch(tmp_path: Path):
    _, metrics, said = imported(tmp_path, "torch", "draws")
    assert metrics["value"].sel(arm="torch").values.tolist() == [1.0] * 2
    assert len(set(metrics["process"].values.ravel())) == 3
    assert [text.partition(":")[0] for text in said] == [
        "sets_torch is imported inside the training function, and sets torch.set_default_dtype for its whole process",
        "The training function calls torch.set_num_interop_threads, which a process takes only once",
    ]


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
