"""``parts``: every regularizer, cell, task and measure, your own and built in, one line each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from rich.table import Table

from zoneout_lab.cli.console import output, plain, print_json
from zoneout_lab.measures import MEASURES, Measure
from zoneout_lab.ops.cells import CELLS, Cell
from zoneout_lab.parts import Part, reference
from zoneout_lab.regularizers import REGULARIZERS, Regularizer
from zoneout_lab.study import builtin_studies
from zoneout_lab.study.catalogue import load_file
from zoneout_lab.study.of_task import TaskStudy
from zoneout_lab.tasks import TASKS, Task

#: kind of part → its base, and what is built in
KINDS: Mapping[str, tuple[type[Part], Mapping[str, type[Part]]]] = {
    "regularizer": (Regularizer, REGULARIZERS),
    "cell": (Cell, CELLS),
    "task": (Task, TASKS),
    "measure": (Measure, MEASURES),
}


def show_parts(file: str | None, *, as_json: bool) -> None:
    """Print the parts by kind: those of the file, or of a study by name, before those that are built in."""
    module = None if file is None else load_file(builtin_studies().get(file, Path(file)))
    found = [
        {"kind": kind, "name": name, "own": own, "about": about(cls)}
        for kind, (base, builtin) in KINDS.items()
        for own, classes in ((True, _own(module, base, builtin)), (False, builtin))
        for name, cls in classes.items()
    ]
    if as_json:
        print_json(found)
        return
    for kind in KINDS:
        table = Table(box=None, pad_edge=False, title=f"{kind}s", title_justify="left", show_header=False)
        table.add_column(overflow="fold", ratio=1)
        table.add_column(overflow="fold", ratio=2)
        for part in found:
            if part["kind"] == kind:
                name = plain(str(part["name"]))
                table.add_row(f"[bold]{name}[/]" if part["own"] else name, plain(str(part["about"])))
        output.print(table)
        output.print()


def about(cls: type) -> str:
    """The first paragraph of a class's docstring; empty where the class has none of its own.

    >>> about(TASKS["adding"])
    'Numbers from U[0, 1), two of which are marked, one in each half of the sequence: say their sum at the end.'
    """
    text = inspect.cleandoc(cls.__doc__ or "")
    if text.startswith(f"{cls.__name__}("):  # what a dataclass without a docstring is given
        return ""
    first = " ".join(text.split("\n\n")[0].split())
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", first).replace("``", "")


def _own(module: ModuleType | None, base: type[Part], builtin: Mapping[str, type[Part]]) -> dict[str, type[Part]]:
    """Classes of this kind that the file defines or imports from another of the user's files, by where they come from."""
    if module is None:
        return {}
    values = [value for value in vars(module).values() if isinstance(value, type)]
    study = getattr(module, "STUDY", None)
    if isinstance(study, TaskStudy):
        values += [cls for arm in study.arms for cls in study.classes(arm)]
    own = [
        cls
        for cls in dict.fromkeys(values)
        if issubclass(cls, base) and not inspect.isabstract(cls) and cls.__module__.partition(".")[0] != "zoneout_lab"
    ]
    return {reference(cls, builtin): cls for cls in own}
