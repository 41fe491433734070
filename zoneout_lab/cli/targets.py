"""Where a command writes, held against what it reads: no file is replaced by what is made of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from os.path import realpath
from pathlib import Path

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
