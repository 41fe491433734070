"""Where is written, held against what it reads: no file is replaced by what is made of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from os.path import realpath
from pathlib import Path

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
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


def check_target(target: Path, sources: Iterable[xr.DataTree | str | Path] = ()) -> None:
    """Raise InputRefusedError where what is written to ``target`` would replace results, of whatever study, or what ``sources`` were read from: trees remember
    the digest of the table that they were made of."""
    given = list(sources)
    refuse_to_replace([each for each in given if not isinstance(each, xr.DataTree)], [target])
    with suppress(OSError):
        if not target.is_file():
            return
        with target.open("rb") as file:
            results = file.read(len(_HDF5)) == _HDF5
        if results or target.name in (MANIFEST, SPEC):
            raise InputRefusedError(f"{target} holds results, which would be lost. Name another file to write to.")
        tables = [_table_of(each) for each in given if isinstance(each, xr.DataTree)]
        if any(tables) and schema.digest(target) in tables:
            raise InputRefusedError(
                f"{target} is the table that these results were made of, and what is written would replace it. Name another file to write to."
            )


def _table_of(tree: xr.DataTree) -> str:
    """The SHA-256 of the table that results from elsewhere were made of; nothing where there is none."""
    source = schema.provenance(tree, "source") if "provenance" in tree.children else None
    return str(source.get("sha256", "")) if isinstance(source, dict) else ""


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
