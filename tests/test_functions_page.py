"""The examples of docs/functions.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from zoneout_lab.results import judge, open_results
from zoneout_lab.study import load_study
from zoneout_lab.study.run import run_study

STUDY, SEARCH = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[1] / "docs" / "functions.md").read_text(), re.DOTALL
)


def test_the_study_is_trained_and_judged(tmp_path: Path):
    path = tmp_path / "remember.py"
    path.write_text(STUDY)
    summary = run_study(load_study(path), out=tmp_path / "runs", workers=2, tracking=None)
    assert summary.failed == []
    (judged,) = judge(open_results(summary.folder))
    assert len(judged.comparison.seeds) == 6
    assert "could not be made" not in summary.report.read_text()


def test_the_search_is_one():
    names: dict[str, Any] = {}
    exec(compile(SEARCH, "functions.md", "exec"), names)
    assert names["tuned"].search["layers"]["name"] == "IntDistribution"
