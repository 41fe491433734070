"""``new``: a working, commented file to start from."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import shlex
import sys
import unicodedata
from importlib.machinery import PathFinder
from pathlib import Path

from zoneout_lab.cli.console import errors, output
from zoneout_lab.cli.options import Kind
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.measures import MEASURES
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.parts import Part, private
from zoneout_lab.regularizers import REGULARIZERS
from zoneout_lab.study import builtin_studies
from zoneout_lab.tasks import TASKS

_SHADOWED = ("zoneout_lab", "mlflow", "triton")  # where they are not installed, they may be later
_TEMPLATES = Path(__file__).parent / "templates"


def write_new(kind: Kind, name: str, folder: Path) -> None:
    """Write ``NAME.py`` into the folder and print its path, and what to do next.

    Raises UsageError for an impossible name, InputRefusedError where the file already exists or cannot be written.
    """
    check_name(kind, name)
    path = folder / f"{name}.py"
    text = filled(_template(kind), name)
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
    shown = shlex.quote(str(path) if path.is_absolute() else f"./{path}")
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
    """Refuse a name that cannot name a file, a study and a class, or whose file would not work. Raises UsageError.

    >>> check_name("cell", "MinGRU")
    Traceback (most recent call last):
    zoneout_lab.errors.UsageError: The name 'MinGRU' cannot be used: write it in lower-case letters, digits and underscores, a letter first and at most 64 in all, for example min_gru.
    """
    longest = 64 - len("_step" if kind == "measure" else "")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > longest:
        plain = unicodedata.normalize("NFKD", Path(name).stem).encode("ascii", "ignore").decode()
        simple = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", plain)[:longest].strip("_").lower()
        raise UsageError(
            f"The name {name!r} cannot be used: write it in lower-case letters, digits and underscores, a letter first and at most {longest} "
            f"in all, for example {simple if simple[:1].isalpha() else 'half_zoneout'}."
        )
    taken: dict[str, type[Part]] = {**REGULARIZERS, **CELLS, **TASKS, **MEASURES}
    cls = filled("StartHere", name)
    if keyword.iskeyword(name) or keyword.iskeyword(cls) or hasattr(builtins, cls):
        raise UsageError(f"The name {name!r} cannot be used: it means something else in Python. Choose another.")
    if _is_module(name):
        raise UsageError(
            f"The name {name!r} cannot be used: Python has a module {name}, and a file {name}.py could be imported in its place. Choose another."
        )
    if name in taken or name in builtin_studies() or cls in {c.__name__ for c in taken.values()}:
        raise UsageError(f"The name {name!r} cannot be used: zoneout-lab comes with one. Choose another.")
    template = _template(kind)
    if "StartHere" in template and cls in _names(template) - {"StartHere"}:
        raise UsageError(f"The name {name!r} cannot be used: a {kind} needs {cls} for something else. Choose another.")
    try:
        private.space(_TEMPLATES, {f"{name}.py": filled(template, name).encode()}).load(f"{name}.py")
    except InputRefusedError as error:
        raise UsageError(f"The name {name!r} cannot be used: {error}") from error


def _template(kind: str) -> str:
    return (_TEMPLATES / f"{kind}.py").read_text(encoding="utf-8")


def _names(source: str) -> set[str]:
    """The names that a file uses or imports."""
    nodes = list(ast.walk(ast.parse(source)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}


def _is_module(name: str) -> bool:
    """True for a module of Python's, or one that is installed: one that lies in the current folder is the user's own."""
    if name in sys.stdlib_module_names or name in _SHADOWED:
        return True
    spec = PathFinder.find_spec(name, [place for place in sys.path if Path(place).absolute() != Path.cwd()])
    return spec is not None and spec.origin is not None
