"""How much of a study's time its driver, Optuna and MLflow take, where a run trains for a second or two.

    python -m analysis.scale.share /tmp/share            # 100 runs: some three minutes

What they do once (imports, making two databases) is told apart from what they do for each run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - so that its import is not counted

from zoneout_lab import load_study
from zoneout_lab.study import mirroring
from zoneout_lab.study.driver import Driver
from zoneout_lab.study.mirroring import Mirrors
from zoneout_lab.study.run import run_study
from zoneout_lab.study.spec import overridden
from zoneout_lab.study.store import Store

STUDY = Path(__file__).with_name("ten_thousand.py")
_TIMED: tuple[tuple[Any, str], ...] = (
    (Driver, "train_missing"),
    (Driver, "_keep"),
    (Store, "save_if_due"),
    (Mirrors, "begin"),
    (Mirrors, "finish"),
    (mirroring, "make_whole"),
)


def _timed(owner: Any, name: str, took: dict[str, float]) -> None:
    """Add up the seconds that a function takes by itself, without those of other such functions that it calls."""
    done: Callable[..., Any] = getattr(owner, name)

    def timing(*arguments: Any, **options: Any) -> Any:
        began, others = time.monotonic(), sum(took.values())
        try:
            return done(*arguments, **options)
        finally:
            took[name] = took.get(name, 0.0) + time.monotonic() - began - (sum(took.values()) - others)

    setattr(owner, name, timing)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder to work in")
    parser.add_argument("--seeds", type=int, default=10, help="ten runs for each")
    given = parser.parse_args()
    took: dict[str, float] = {}
    for owner, name in _TIMED:
        _timed(owner, name, took)
    change = {"model.hidden": 16, "training.epochs": 12}
    study = overridden(load_study(str(STUDY)), seeds=given.seeds, change=change)
    done = run_study(study, out=given.out, workers=1, tracking="default", force=True)
    if not (runs := done.trained):
        sys.exit(f"All runs are in {done.folder} already: name an empty folder.")
    trained = took["train_missing"]
    print(f"| {runs} runs | seconds each | of their training |\n|---|---|---|")
    print(f"| training | {trained / runs:.3f} | |")
    rows = {"files, manifest, Optuna": ("_keep", "save_if_due"), "MLflow, and a check of both databases": ("finish",)}
    for what, names in rows.items():
        spent = sum(took.get(name, 0.0) for name in names)
        print(f"| {what} | {spent / runs:.4f} | {spent / trained:.2%} |")
    print(f"| once: two databases | {took['begin'] + took['make_whole']:.1f} in all | |")


if __name__ == "__main__":
    main()
