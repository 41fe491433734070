"""Where every run fails in the same way, that is said once, early, and the others are tried all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import listening

from zoneout_lab import load_study
from zoneout_lab.study.run import run_study

STUDY = """
from zoneout_lab import Arm, Metric, Study

def train(run):
    return RETURNS

STUDY = Study(name="alike", train=train, metrics={"value": Metric("value", "")}, arms=[Arm(name="a")], baseline="a", seeds=5)
"""


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        ("{}", 1),
        ('{"value": run.seed} if run.seed == 1 else {}', 0),  # one that ends
        ('{"value": run.seed, f"other_{run.seed}": 1}', 0),  # each in its own way
    ],
)
def test_it_is_said_where_the_first_three_fail_alike(tmp_path: Path, returns: str, said: int):
    (tmp_path / "alike.py").write_text(STUDY.replace("RETURNS", returns))
    watcher, warned = listening()
    run_study(
        load_study(tmp_path / "alike.py"), out=tmp_path / "runs", workers=1, tracking=None, force=True, watcher=watcher
    )
    hints = [text for text in warned if "in the same way" in text]
    assert len(hints) == said
    if said:
        assert hints == [
            "All 3 runs so far failed in the same way, and 2 are left to try. Ctrl-C stops; the same command tries them all again."
        ]
        assert warned.index(hints[0]) == 3
        assert sum(text.startswith("Failed: ") for text in warned) == 5
