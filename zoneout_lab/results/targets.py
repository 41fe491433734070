"""Files that are written: none replaces what it is made of, or a file of another kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from os.path import realpath
from pathlib import Path

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.results.open import EXPORT, MANIFEST, SPEC


def refuse_to_replace(
    inputs: Iterable[str | Path], targets: Iterable[Path | None], *, made_again: Collection[str] = ()
) -> None:
    """Raise InputRefusedError where a target is one of the inputs, lies among the files that a folder's results are read from, or is another target,
    through links too. Files of results with the names in ``made_again`` may be replaced: they are made of others.

    >>> refuse_to_replace(["table.csv"], [Path("report.html"), Path("./report.html")])
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: Two outputs would be written to report.html. Name a file for each.
    """
    given, those = list(map(Path, inputs)), [target for target in targets if target is not None]
    for k, target in enumerate(those):
        if any(_same(target, other) for other in those[:k]):
            raise InputRefusedError(f"Two outputs would be written to {target}. Name a file for each.")
        for source in given:
            if _same(target, source) or _is_part(target, source, made_again):
                raise InputRefusedError(
                    f"{target} is read here, and what is written would replace it. Name another file to write to."
                )


_HDF5 = b"\x89HDF\r\n\x1a\n"
_AT_FIRST = 1 << 16  # bytes


def check_target(target: Path, sources: Iterable[xr.DataTree | str | Path] = ()) -> None:
    """Raise InputRefusedError where a page that is written would replace something else than a page, results above all.

    Args:
        target: where it is to lie.
        sources: paths that it is made of, among others.
    """
    refuse_to_replace([each for each in sources if not isinstance(each, xr.DataTree)], [target])
    there = _there(target)
    # one that was damaged is still a page by its name
    if there.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"", b"<") and target.suffix.lower() not in (".html", ".htm"):
        raise InputRefusedError(f"{target} is no page, and would be lost. Name another file to write to.")


def check_table_target(target: Path) -> None:
    """Raise InputRefusedError where a table of comparisons would replace something else than one."""
    columns = _there(target).partition(b"\n")[0].decode(errors="replace").strip().split(",")
    if columns != [""] and not {"hypothesis", "verdict"} <= set(columns):
        raise InputRefusedError(
            f"{target} is no table of comparisons, and would be lost. Name another file to write to."
        )


def check_export_target(target: Path, tree: xr.DataTree) -> None:
    """Raise InputRefusedError where results that are written as one file would replace those of another study, or something else."""
    try:
        there = _there(target)
    except InputRefusedError:
        with suppress(LabError):  # what cannot be read is not to be lost
            if target.name not in (MANIFEST, SPEC) and _name_of(schema.open_tree(target)) == _name_of(tree):
                return
        raise
    if there:
        raise InputRefusedError(f"{target} holds no results, and would be lost. Name another file to write to.")


def _there(target: Path) -> bytes:
    """How a file begins; nothing where there is none. Raises InputRefusedError where it holds results, or is a device, a pipe or a folder."""
    if target.exists() and not target.is_file():
        raise InputRefusedError(f"{target} is no file that can be replaced. Name another file to write to.")
    if not target.is_file():
        return b""
    with suppress(OSError), target.open("rb") as file:
        content = file.read(_AT_FIRST)
        if content.startswith(_HDF5) or target.name in (MANIFEST, SPEC):
            raise InputRefusedError(f"{target} holds results, which would be lost. Name another file to write to.")
        return content
    return b""


def _name_of(tree: xr.DataTree) -> str:
    return str((schema.study_of(tree) or {}).get("name", ""))


def _same(one: Path, other: Path) -> bool:
    try:
        return realpath(one) == realpath(other) or one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False


def _is_part(target: Path, folder: Path, made_again: Collection[str]) -> bool:
    """True where a file is one of those that results in a folder, or in folders in it, are read from."""
    if not target.exists() or not folder.is_dir():
        return False
    own = {MANIFEST, SPEC, EXPORT}.difference(made_again)
    if any(_same(target, folder / name) for name in own):
        return True
    place = Path(realpath(target))
    of_run = place.parent.name == "runs" and place.suffix == ".nc"
    return place.is_relative_to(realpath(folder)) and (of_run or place.name in own)
