"""The library leaves the process it is called from as it found it: threads, arithmetic, generators, logging, warnings, figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# one fresh interpreter, in which a caller has chosen everything otherwise than a study would have it
CALLER = r'''
import json, locale, logging, os, random, signal, sys, warnings
from pathlib import Path

import matplotlib
import mlflow
import numpy as np
import optuna
import torch
import xarray

# what other libraries do when they are imported is not ours to undo
import h5netcdf, rich.style, sklearn.datasets, torch._inductor.runtime.runtime_utils

import zoneout_lab as zl
from zoneout_lab import bench
from zoneout_lab.results import judge
from zoneout_lab.study.run import run_study


def state():
    """All that a caller may have set in the process, as text."""
    loggers = {name: logging.getLogger(name) for name in ("root", *known)}
    return {
        # MLflow takes a variable of its own away in a thread of its own
        "environment": {name: value for name, value in os.environ.items() if not name.startswith("_MLFLOW_TELEMETRY")},
        "working folder": os.getcwd(),
        "module path": list(sys.path),
        "umask": [os.umask(os.umask(0o022)), os.umask(0o027)][0],
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": {str(number): repr(signal.getsignal(number)) for number in signal.valid_signals()},
        "excepthook": repr(sys.excepthook),
        "streams": [repr(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)] + [sys.stdout.errors, sys.stderr.errors],
        # xarray adds one whenever it opens a file
        "warnings": [repr(each) for each in warnings.filters if "decode_timedelta" not in repr(each)],
        "showwarning": repr(warnings.showwarning),
        "logging": {name: [each.level, each.disabled, each.propagate, repr([h for h in each.handlers if not isinstance(h, logging.NullHandler)]), repr(each.filters)] for name, each in loggers.items()},
        "disabled below": logging.root.manager.disable,
        "optuna's level": optuna.logging.get_verbosity(),
        "mlflow's URI": mlflow.get_tracking_uri(),
        "mlflow's run": repr(mlflow.active_run()),
        "matplotlib": {name: repr(value) for name, value in dict(matplotlib.rcParams).items()},
        "xarray": {name: repr(value) for name, value in xarray.core.options.OPTIONS.items()},
        "random": repr(random.getstate()),
        "numpy": [repr(np.random.get_state()), np.geterr(), repr(np.get_printoptions())],
        "torch's generator": torch.get_rng_state().tolist(),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "subnormal numbers": [(torch.tensor(1e-40) * 1).item(), sys.float_info.min / 2],
        "dtype": str(torch.get_default_dtype()),
        "gradients": [torch.is_grad_enabled(), torch.is_anomaly_enabled()],
        "algorithms": [
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
            torch.get_float32_matmul_precision(),
        ],
    }


def use(out):
    """What the library can do, as a caller would do it."""
    arms = [zl.Arm(name="lstm"), zl.Arm(name="zoneout", regularizer=zl.Zoneout(), search={"cell": (0.1, 0.5)})]
    claim = zl.Hypothesis(name="h", statement="It helps.", arm="zoneout", against="lstm", metric="valid_score")
    study = zl.Study(
        name="one", title="One", question="Does it run?", arms=arms, baseline="lstm", seeds=2, hypotheses=[claim],
        change={"model.hidden": 4, "training.epochs": 1, "training.batch": 512}, gradient_epochs=(-1,),
        tuning=zl.Tuning(trials=2, seeds=1, at_once=2),
    )
    x = torch.linspace(-1, 1, 4 * 5 * 3).reshape(4, 5, 3)
    rnn = zl.LSTM(3, 6, batch_first=True, regularizer=zl.Zoneout(cell=0.5, hidden=0.05), mask_seed=1)
    yield "nothing", None
    yield "load_study", zl.load_study("quickstart")
    summary = run_study(study, out=out, workers=1, tracking="default", force=True)  # in this process
    assert summary.trained and not summary.failed
    yield "run_study", summary
    results = zl.open_results(summary.folder)
    yield "open_results", results
    yield "compare", zl.compare(results, "zoneout", "lstm", metric="valid_error")
    yield "judge", judge(results)
    yield "write_report", zl.write_report(results, out / "report.html")
    yield "gradient_flow", zl.gradient_flow(rnn, x, lambda output: output[0].square().sum())
    yield "perturbation_growth", zl.perturbation_growth(rnn, x, (torch.ones(1, 4, 6), torch.ones(1, 4, 6)))
    case = bench.Case("tiny", "", batch=2, steps=3, hidden=4, input=2, replicas=(1, 2))
    with bench.timing_process(1):
        bench.measure(case, bench.Setup(rounds=2))
    yield "bench", case


if __name__ == "__main__":
    os.umask(0o027)
    torch.set_num_threads(2)
    torch.set_flush_denormal(False)
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(5)
    matplotlib.rcParams["font.size"] = 13
    np.seterr(under="warn")
    xarray.set_options(display_width=77)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.basicConfig(level=logging.CRITICAL)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.simplefilter("once", ResourceWarning)
    known = sorted(name for name, each in logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger))
    changed, before = {}, {}
    for what, _ in use(Path(sys.argv[1])):
        after = state()
        before = before if what != "nothing" else after
        for name in before:
            if before[name] != after[name]:
                changed[f"{what}: {name}"] = [repr(before[name])[:600], repr(after[name])[:600]] if not isinstance(before[name], dict) else {
                    key: [str(before[name].get(key)), str(after[name].get(key))]
                    for key in before[name].keys() | after[name].keys() if before[name].get(key) != after[name].get(key)
                }
        before = after
    print(json.dumps(changed))
'''


@pytest.mark.slow
def test_nothing_in_the_process_has_changed(tmp_path: Path):
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}
