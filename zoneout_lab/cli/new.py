"""``new``: a working, commented file to start from."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

from zoneout_lab.cli.console import errors, output
from zoneout_lab.cli.options import Kind
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.measures import MEASURES
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.parts import Part
from zoneout_lab.regularizers import REGULARIZERS
from zoneout_lab.study import builtin_studies
from zoneout_lab.tasks import TASKS

_TEMPLATES = Path(__file__).parent / "templates"


def write_new(kind: Kind, name: str, folder: Path) -> None:
    """Write ``NAME.py`` into the folder and print its path, and what to do next.

    Raises UsageError for an impossible name, InputRefusedError where the file already exists or cannot be written.
    """
    check_name(kind, name)
    template = _TEMPLATES / f"{kind}.py"
    path = folder / f"{name}.py"
    text = filled(template.read_text(encoding="utf-8"), name)
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        if not folder.is_dir():
            raise InputRefusedError(
                f"Cannot write to {folder}: it is a file. Choose another folder with --out."
            ) from error
        raise InputRefusedError(f"{path} already exists and is not overwritten. Choose another name.") from error
    except OSError as error:
        raise InputRefusedError(
            f"Cannot write to {folder}: {error.strerror}. Choose another folder with --out."
        ) from error
    output.print(str(path), highlight=False, soft_wrap=True, markup=False)
    shown = path if path.is_absolute() else f"./{path}"
    errors.print(
        f"It runs as it is. Change it, then:\n  zoneout-lab plan {shown}\n  zoneout-lab run {shown}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def filled(template: str, name: str) -> str:
    """A template under a name of its own: its file, its study, its class, its title.

    >>> filled("class StartHere: 'Start here, in start_here.py'", "half_zoneout")
    "class HalfZoneout: 'Half zoneout, in half_zoneout.py'"
    """
    words = name.split("_")
    forms = {
        "start_here": name,
        "StartHere": "".join(word.capitalize() for word in words),
        "Start here": " ".join(words).strip().capitalize(),
        "start here": " ".join(words).strip(),
    }
    return re.sub("|".join(forms), lambda found: forms[found[0]], template)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot name a file, a study and a class. Raises UsageError.

    >>> check_name("cell", "MinGRU")
    Traceback (most recent call last):
    zoneout_lab.errors.UsageError: The name 'MinGRU' cannot be used: write it in lower-case letters, digits and underscores, a letter first, for example min_gru.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > 64:
        simple = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", Path(name).stem).strip("_").lower()
        simple = simple[:64] if simple[:1].isalpha() and simple.isascii() else "half_zoneout"
        raise UsageError(
            f"The name {name!r} cannot be used: write it in lower-case letters, digits and underscores, a letter first, for example "
            f"{simple}."
        )
    taken: dict[str, type[Part]] = {**REGULARIZERS, **CELLS, **TASKS, **MEASURES}
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("zoneout_lab", "numpy", "torch"):
        raise UsageError(f"The name {name!r} cannot be used: it means something else in Python. Choose another.")
    if name in taken or name in builtin_studies() or filled("StartHere", name) in {c.__name__ for c in taken.values()}:
        raise UsageError(f"The name {name!r} cannot be used: zoneout-lab comes with one. Choose another.")
