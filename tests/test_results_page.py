"""The page about results in Python: its examples run, in order, on the published quickstart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "results.md").read_text(), re.DOTALL)


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with mpl.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        for number, block in enumerate(BLOCKS):
            code = block.replace('"runs/quickstart-1aeae2"', repr(str(ROOT / "reports" / "quickstart")))
            exec(compile(code, f"docs/results.md, example {number + 1}", "exec"), names)
        plt.close("all")
    shown = capsys.readouterr().out
    assert r"\caption{What was declared." in shown
    assert "exploratory" in shown
    assert len(BLOCKS) == 6
    assert (tmp_path / "verdicts.csv").read_text().startswith("hypothesis,statement,arm,against")
    assert (tmp_path / "results.pdf").stat().st_size > 10_000
