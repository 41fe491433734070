"""What a person types, and what comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from zoneout_lab import cli, interrupts
from zoneout_lab.cli import console

SMALL = """
from zoneout_lab import Arm, Study, Zoneout

STUDY = Study(
    name="small",
    title="A small study",
    question="Does it run?",
    change={"model.hidden": 4, "training.epochs": 2, "training.batch": 256},
    arms=(Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5))),
    baseline="lstm",
    seeds=2,
    gradient_epochs=(1,),
)
"""


@dataclass(frozen=True)
class Done:
    """Exit code, stdout, stderr."""

    code: int
    output: str
    errors: str


def environment(**more: str) -> dict[str, str]:
    """This one, without what would change what is printed or where it goes."""
    outside = ("MLFLOW_TRACKING_URI", "ZONEOUT_LAB_DATA", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    return {key: value for key, value in os.environ.items() if key not in outside} | more


def start(*words: str, **more: str) -> subprocess.Popen[str]:
    """``python -m zoneout_lab WORDS`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoneout_lab", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        start_new_session=True,
    )


def process(*words: str, **more: str) -> Done:
    """The same, waited for."""
    started = start(*words, **more)
    output, errors = started.communicate(timeout=180)
    return Done(started.returncode, output, errors)


def in_this_process(
    words: Sequence[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, columns: int = 200
) -> Done:
    """``zoneout-lab WORDS`` through its entry point, without the two seconds that a new process takes."""
    handlers = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    monkeypatch.setattr(sys, "argv", ["zoneout-lab", *words])
    monkeypatch.setenv("COLUMNS", str(columns))
    for each in (console.output, console.errors):
        monkeypatch.setattr(each, "_width", columns)  # they have read COLUMNS when they were made
    monkeypatch.delenv("ZONEOUT_LAB_DATA", raising=False)
    capfd.readouterr()
    try:
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    output, errors = capfd.readouterr()
    return Done(int(stopped.value.code or 0), output, errors)
