"""Finding studies: those that come with the package by name, others by path."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import ModuleType

from zoneout_lab.errors import InputRefusedError, LabError, UsageError, told, unknown
from zoneout_lab.parts import private
from zoneout_lab.parts.code import where
from zoneout_lab.study.spec import Study

# a wheel carries studies inside the package; a checkout keeps them at its top
_PLACES = (Path(__file__).parents[1] / "_studies", Path(__file__).parents[2] / "studies")


def builtin_studies() -> dict[str, Path]:
    """Name → file of every study that comes with the package.

    >>> "quickstart" in builtin_studies()
    True
    """
    for place in _PLACES:
        if place.is_dir():
            return {path.stem: path for path in sorted(place.glob("*.py")) if not path.stem.startswith("_")}
    return {}


def load_file(path: Path) -> ModuleType:
    """A Python file as a module, run anew. What lies beside it can be imported from it; this process's own modules stay as they are.

    Raises InputRefusedError (UsageError for an unknown name) where the file cannot be run, with its line.
    """
    if not path.is_file():
        raise InputRefusedError(f"There is no study file at {path}.")
    file = where(path)
    try:
        return private.space(file.parent).load(file.name)
    except LabError as error:
        raise type(error)(f"{path}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputRefusedError(f"{path} could not be run: {_line(error, file.parent)}{told(error)}") from error


def _line(error: BaseException, folder: Path) -> str:
    """Where in the files of a folder an error was raised, innermost first."""
    if isinstance(error, SyntaxError):
        return ""  # says so itself
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder):
            return f"line {frame.lineno} of {Path(frame.filename).relative_to(folder)}: "
    return ""


def load_study(name: str | Path) -> Study:
    """A built-in study by name, or the ``STUDY`` of a Python file by path.

    Args:
        name: a name that ``zoneout-lab list`` shows, or a path.

    Raises:
        UsageError: an unknown name.
        InputRefusedError: a file that defines no valid study.

    >>> load_study("quickstart").task
    'digits'
    """
    builtin = builtin_studies()
    path = builtin.get(str(name), Path(name))
    if str(name) not in builtin and path.suffix != ".py":
        if Path(f"{name}.py").is_file():
            raise UsageError(f"There is no built-in study {str(name)!r}. To run a file, write ./{name}.py.")
        raise unknown("study", str(name), builtin)
    module = load_file(path)
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise InputRefusedError(f"{path} defines no study: it needs a line STUDY = Study(...).")
    return study
