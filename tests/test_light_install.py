"""Without the extras the package runs studies all the same, and says what it leaves out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# what only the extras bring: every import of these fails, as where they are not installed
WITHOUT = """
import sys
for name in ("mlflow", "optuna_dashboard", "distributed", "dask", "triton", "seaborn", "statsmodels", "hypothesis", "pytest"):
    sys.modules[name] = None
sys.argv = ["zoneout-lab", *sys.argv[1:]]
from zoneout_lab.cli import main
main()
"""
TINY = ("--set", "training.epochs=1", "--set", "model.hidden=4", "--seeds", "1", "--force", "--workers", "1")
NOTE = 'Runs are not recorded in MLflow, which is not installed. To install it: pip install "zoneout-lab[tracking]".'


@pytest.fixture
def without_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", WITHOUT, *arguments], cwd=tmp_path, capture_output=True, text=True)

    return command


@pytest.mark.slow
def test_the_quickstart_runs_and_says_once_that_mlflow_is_left_out(without_extras, tmp_path: Path):
    done = without_extras("run", "quickstart", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines().count(NOTE) == 1
    (folder,) = tmp_path.glob("runs/quickstart-*")
    assert (folder / "report.html").exists()
    assert not (folder.parent / "mlflow.db").exists()


def test_a_tracking_server_named_on_the_command_line_is_refused_before_training(without_extras, tmp_path: Path):
    done = without_extras("run", "quickstart", *TINY, "--tracking", "http://me:secret@localhost:5000")
    assert done.returncode == 2
    assert "--tracking 'http://me:***@localhost:5000' needs MLflow, which is not installed." in done.stderr
    assert 'pip install "zoneout-lab[tracking]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_is_refused_before_training(without_extras, tmp_path: Path):
    done = without_extras("run", "quickstart", *TINY, "--scheduler", "tcp://localhost:8786")
    assert done.returncode == 2
    assert "--scheduler needs Dask, which is not installed here; workers need it too." in done.stderr
    assert 'pip install "zoneout-lab[cluster]"' in done.stderr
    assert list(tmp_path.iterdir()) == []
