"""The command line: ``zoneout-lab list · plan · run · power · status · verify · compare · open · export · report · judge · across · index · new · parts · bench · doctor``.

Exit codes: 0 done · 1 internal · 2 usage · 3 finished with failed runs · 4 integrity failure · 5 refused input ·
6 finished, and Optuna or MLflow is not up to date with it · 75 try again · 129 SIGHUP · 130 SIGINT · 143 SIGTERM. Data go to stdout, everything else to stderr.
"""

from __future__ import annotations

import gc
import os
import sys

from zoneout_lab import interrupts

TYPE_CHECKING = False  # as in typing, which is not imported here: signals are to be heard soon
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Entry point of ``zoneout-lab``: runs a command and turns what went wrong into one message and an exit code."""
    interrupts.listen()  # before the two seconds of imports
    if [word for word in sys.argv[1:3] if word != "--"][:1] == ["run"]:
        interrupts.and_then = f"What was trained is kept. To go on: {_this_command()}"
    code = _run()
    if (number := interrupts.asked()) is not None:
        interrupts.leave(number)  # whatever the command made of it
    if code == 130:
        print(interrupts.farewell(), file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _this_command() -> str:
    """What was typed, without the passwords in it."""
    import shlex

    from zoneout_lab.passwords import scrubbed

    return shlex.join(["zoneout-lab", *map(scrubbed, sys.argv[1:])])


def _run() -> int:
    gc.disable()  # looking for garbage among what is being imported takes a sixth of the time, and finds none
    try:
        from typer import exceptions as usage

        from zoneout_lab.cli.app import app
        from zoneout_lab.cli.console import any_letters, libraries_are_legible, tell
        from zoneout_lab.errors import LabError
        from zoneout_lab.passwords import scrubbed
        from zoneout_lab.results.legible import printable
    finally:
        gc.enable()
    gc.freeze()
    any_letters()
    libraries_are_legible()
    # recording runs must not report to MLflow's makers unless the user says so
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        return app(standalone_mode=False) or 0
    except LabError as error:
        tell("Error", scrubbed(str(error)))
        return error.exit_code
    except usage.Exit as error:
        return error.exit_code
    except usage.TyperException as error:
        error.message = printable(scrubbed(error.message))
        # those about the command line print themselves, with its usage
        getattr(error, "show", error.format_message)()
        return 2
    except (KeyboardInterrupt, usage.Abort):
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: a message instead of a traceback
        if os.environ.get("ZONEOUT_LAB_TRACEBACK"):
            import traceback

            print(scrubbed(traceback.format_exc()), file=sys.stderr)  # noqa: T201
        kept = "; finished runs are kept" if interrupts.and_then else ""
        tell(
            "Internal error",
            f"{type(error).__name__}: {scrubbed(str(error))}\nThis is a fault of zoneout-lab's. ZONEOUT_LAB_TRACEBACK=1 shows where{kept}.",
        )
        return 1
