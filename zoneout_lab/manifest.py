"""The manifest of a results folder: what was written, and the SHA-256 of the manifest's own bytes in it.

A manifest whose bytes are not those that its SHA-256 was made of is damaged, whichever bit it is and whether or not it is still JSON.
Manifests that were written before there was one are read, and are known by their entries: a flipped bit in the name of the SHA-256 does
not make a manifest an old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoneout_lab import guarded, sealed
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError
from zoneout_lab.recorded import check_manifest

FILE = "MANIFEST.json"
#: entries of manifests without a SHA-256 of their own; an older version writes one without it, and keeps the id
_OLD = frozenset(
    ("schema", "id", "study", "data", "declared", "overrides", "paper", "command", "runs", "code", "looks", "earlier_looks", "reached", "tuning")
)  # fmt: skip


def written(content: Mapping[str, Any]) -> bytes:
    """A manifest's bytes, with its SHA-256 in them."""
    return sealed.sealed_json(content)


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder, without its SHA-256.

    Raises InputRefusedError where there is none or it cannot be read, IntegrityError where it is damaged, or a name in it leads out of the
    folder.
    """
    path = folder / FILE
    if not path.is_file():
        within = sorted(each.parent for each in folder.glob(f"*/{FILE}"))
        hint = f" It holds {len(within)} of them, each to be named by itself: {within[0]}" if within else ""
        raise InputRefusedError(f"{folder} is not a results folder: it has no {FILE}.{hint}")
    text = guarded.contents(path)
    try:
        content = guarded.as_object(path, text)
        if fault := _fault(text, content):
            raise IntegrityError(fault)
        content.pop("sha256", None)
        check_manifest(content, FILE)
        if fault := guarded.fault_of_name(content["study"].get("name", "study")):
            raise IntegrityError(f"the name of its study {fault}")
        for entry in (*content["runs"].values(), *content.get("code", {}).values()):
            guarded.inside(folder, entry["file"])
    except (LabError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, LabError) else f"it is damaged: {error!r}"
        raise IntegrityError(
            f"{path} cannot be read ({why}). To rebuild what can be rebuilt: zoneout-lab verify --repair {folder}"
        ) from error
    return content


def is_sealed(folder: Path) -> bool:
    """True where the manifest holds its own SHA-256; older ones do not."""
    return sealed.is_whole_json(guarded.contents(folder / FILE)) is not None


def _fault(text: bytes, content: Mapping[str, Any]) -> str:
    """What shows that a manifest is not as it was written; empty where nothing does."""
    whole = sealed.is_whole_json(text)
    if whole is not None:
        return "" if whole else "it is not the file that was written: its SHA-256 differs from the one in it"
    if strange := sorted(content.keys() - _OLD):
        return f"it is damaged: nothing is written that has an entry {strange[0]!r} and no SHA-256 of its own"
    try:
        guarded.loads(text.decode(), once=True)
    except ValueError as error:
        return f"it is damaged: {error}"
    return ""
