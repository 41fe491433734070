"""The command line: ``zoneout-lab list · plan · run · power · status · verify · export · report · across · index · new · parts · bench · doctor``.

Exit codes: 0 done · 1 internal · 2 usage · 3 finished with failed runs · 4 integrity failure · 5 refused input · 75 try again ·
130 SIGINT · 143 SIGTERM. Data go to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

STOPPED, KEPT = "Stopped.", "What was finished is kept; the same command goes on from there."


def main() -> NoReturn:
    """Entry point of ``zoneout-lab``: runs a command and turns what went wrong into one message and an exit code."""
    from typer import exceptions as usage

    from zoneout_lab import interrupts
    from zoneout_lab.cli.app import app
    from zoneout_lab.cli.console import any_letters, errors, libraries_are_legible, tell
    from zoneout_lab.errors import LabError
    from zoneout_lab.results.legible import printable

    any_letters()
    libraries_are_legible()
    # recording runs must not report to MLflow's makers unless the user says so
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    interrupts.results_kept = False
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, interrupts.handle)
    code = 1
    try:
        code = app(standalone_mode=False) or 0
    except LabError as error:
        tell("Error", str(error))
        code = error.exit_code
    except usage.Exit as error:
        code = error.exit_code
    except usage.TyperException as error:
        error.message = printable(error.message)
        # those about the command line print themselves, with its usage
        getattr(error, "show", error.format_message)()
        code = 2
    except (KeyboardInterrupt, usage.Abort):
        code = 130
    except Exception as error:  # noqa: BLE001 - the last resort: a message instead of a traceback
        if os.environ.get("ZONEOUT_LAB_TRACEBACK"):
            traceback.print_exc()
        kept = "; finished runs are kept" if interrupts.results_kept else ""
        tell(
            "Internal error",
            f"{type(error).__name__}: {error}\nThis is a fault of zoneout-lab's. ZONEOUT_LAB_TRACEBACK=1 shows where{kept}.",
        )
    if code == 130:
        errors.print(_stopped())
    sys.exit(code)


def _stopped() -> str:
    from zoneout_lab import interrupts

    return f"{STOPPED} {KEPT}" if interrupts.results_kept else STOPPED


def _terminated(_number: int, _frame: FrameType | None) -> None:
    from zoneout_lab.cli.console import errors

    errors.print(_stopped())
    sys.exit(143)
