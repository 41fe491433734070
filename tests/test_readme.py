"""The README's Python runs, and says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from zoneout_lab.results import judge, open_results
from zoneout_lab.study import load_study
from zoneout_lab.study.design import check_design
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.study.run import run_study

ROOT = Path(__file__).parents[1]
LAYER, FLOW, STUDY, FUNCTION, RESULTS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "README", "exec"), names)
    return names


def test_the_layer_has_the_shapes_of_torchs():
    names = run(LAYER)
    assert [tuple(names[name].shape) for name in ("out", "h", "c")] == [(8, 20, 100), (1, 8, 100), (1, 8, 100)]


def test_the_gradient_flow_is_a_share_for_each_timestep(capsys: pytest.CaptureFixture[str]):
    run(FLOW)
    shares = [float(word) for word in re.findall(r"[\d.]+(?:e-?\d+)?", capsys.readouterr().out)]
    assert len(shares) == 20
    assert sum(shares) == pytest.approx(1, abs=1e-6)


def test_the_study_fits_together_and_can_answer(tmp_path: Path):
    path = tmp_path / "hidden_rates.py"
    path.write_text(STUDY)
    study = load_study(path)
    check_metrics(study.resolved())
    assert check_design(study) is None
    assert {run.setting.model.cell for run in study.runs()} == {"gru"}


def test_the_function_is_trained_and_judged(tmp_path: Path):
    path = tmp_path / "my_ablation.py"
    path.write_text(FUNCTION)
    summary = run_study(load_study(path), out=tmp_path / "runs", workers=2, tracking=None)
    assert (summary.trained, summary.failed) == (20, [])
    (judged,) = judge(open_results(summary.folder))
    assert judged.comparison.verdict == "supported"


def test_the_results_are_compared_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    published = str(ROOT / "reports" / "quickstart" / "study.nc")
    code, replaced = re.subn(r'"runs/quickstart-\w+"', repr(published), RESULTS)
    assert replaced == 1
    run(code)
    assert "zoneout" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 10_000
