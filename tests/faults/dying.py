"""A study run again and again in forks of this process, each killed just before one of its steps on the disk, and then gone on with.

``python dying.py FOLDER ROUNDS SEED`` runs it whole in FOLDER/whole, then in FOLDER/0, FOLDER/1, …, and prints as JSON at which step each was
killed, and what the one that went on warned of.
"""

from __future__ import annotations

import _io
import json
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

import mlflow  # noqa: F401 - all is imported before the forks, which need a second each then
import sklearn.datasets  # noqa: F401
from small_study import listening, run, small

from zoneout_lab.report import write_report  # noqa: F401
from zoneout_lab.study import tracking, trials  # noqa: F401

STUDY = small(gradient_epochs=(1,))
CHANGES = {"fsync", "replace", "rename", "unlink", "remove", "link", "mkdir", "rmdir", "truncate", "open"}


def is_step(function) -> bool:
    """Something that changes what is on the disk, or may."""
    if getattr(function, "__module__", None) == "posix":
        return function.__name__ in CHANGES
    owner = getattr(function, "__self__", None)
    if isinstance(owner, (_io.BufferedWriter, _io.BufferedRandom, _io.FileIO)):
        return function.__name__ in ("write", "flush", "close")
    return isinstance(owner, (sqlite3.Connection, sqlite3.Cursor)) and function.__name__ in (
        "execute",
        "commit",
        "close",
    )


def forked(out: Path, last: int | None) -> tuple[int, str]:
    """Run the study in a fork that is killed before a step; how that ended, and what it says: its steps, or at which it was killed."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        step = 0

        def before(_frame, event, function) -> None:
            nonlocal step
            if event == "c_call" and is_step(function):
                step += 1
                if step == last:
                    os.write(writer, f"{step} {function.__name__}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            watcher, warnings = listening()
            if last is None or last:
                sys.setprofile(before)
            summary = run(STUDY, out, tracking="default", watcher=watcher, checkpoint_every=0)
            sys.setprofile(None)
            os.write(writer, "\n".join([*warnings, *summary.behind]).encode() or str(step).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    return os.waitpid(child, 0)[1], text


def main(folder: Path, rounds: int, seed: int) -> None:
    ended, steps = forked(folder / "whole", None)
    assert ended == 0, steps
    draw = random.Random(seed)
    told = []
    for k in range(rounds):
        first = forked(folder / str(k), draw.randint(1, int(steps)))
        told.append([first, forked(folder / str(k), 0)])
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
