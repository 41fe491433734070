"""How much of a study's time its driver, Optuna and MLflow take, where a run trains for about a second.

    python -m analysis.scale.share /tmp/share            # 100 runs: some two minutes

What they do once (imports, making two databases) is told apart from what they do for each run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - whose import is no part of what a run costs

from zoneout_lab import load_study
from zoneout_lab.study.driver import Driver
from zoneout_lab.study.mirroring import Mirrors
from zoneout_lab.study.run import run_study
from zoneout_lab.study.spec import overridden
from zoneout_lab.study.store import Store

STUDY = Path(__file__).with_name("ten_thousand.py")
_TIMED: tuple[tuple[type, str], ...] = (
    (Driver, "train_missing"),
    (Driver, "_keep"),
    (Store, "save_if_due"),
    (Mirrors, "begin"),
    (Mirrors, "finish"),
)


def _timed(owner: type, name: str, took: dict[str, float]) -> None:
    done: Callable[..., Any] = getattr(owner, name)

    def timing(*arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return done(*arguments, **options)
        finally:
            took[name] = took.get(name, 0.0) + time.monotonic() - began

    setattr(owner, name, timing)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder to work in")
    parser.add_argument("--seeds", type=int, default=10, help="ten runs for each")
    given = parser.parse_args()
    took: dict[str, float] = {}
    for owner, name in _TIMED:
        _timed(owner, name, took)
    change = {"model.hidden": 48, "training.epochs": 80}
    study = overridden(load_study(str(STUDY)), seeds=given.seeds, change=change)
    done = run_study(study, out=given.out, workers=1, tracking="default", force=True)
    runs = done.trained
    trained = took["train_missing"] - took["_keep"] - took.get("save_if_due", 0.0)
    print(f"| {runs} runs | seconds each | of their training |\n|---|---|---|")
    print(f"| training | {trained / runs:.3f} | |")
    rows = {"files, manifest, Optuna": ("_keep", "save_if_due"), "MLflow, and both databases at the end": ("finish",)}
    for what, names in rows.items():
        spent = sum(took.get(name, 0.0) for name in names)
        print(f"| {what} | {spent / runs:.4f} | {spent / trained:.2%} |")
    print(f"| once: Optuna's database | {took['begin']:.1f} in all | |")


if __name__ == "__main__":
    main()
