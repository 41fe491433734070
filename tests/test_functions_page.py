"""The examples of docs/functions.md run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from zoneout_lab import Tuning
from zoneout_lab.results import judge, open_results

STUDY, SCRIPT, SEARCH = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[1] / "docs" / "functions.md").read_text(), re.DOTALL
)


def test_the_study_is_trained_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """As a script, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("remember.py").write_text(STUDY + SCRIPT)
    summary = runpy.run_path(str(tmp_path / "remember.py"), run_name="__main__")["summary"]
    assert summary.failed == []
    (judged,) = judge(open_results(summary.folder))
    assert len(judged.comparison.seeds) == 6
    assert judged.comparison.sentence in capsys.readouterr().out
    assert "could not be made" not in summary.report.read_text()


def test_the_search_is_one():
    names: dict[str, Any] = {}
    exec(compile(SEARCH, "functions.md", "exec"), names)
    assert names["tuned"].search["layers"]["name"] == "IntDistribution"
    assert isinstance(names["budget"], Tuning)
