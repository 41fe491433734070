"""Whose records are whose, in a database that results folders of one study may share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import Any

from zoneout_lab.study.databases import sqlite_path


@dataclass(frozen=True)
class Owner:
    """A results folder, as a database knows it.

    Args:
        study: the study's id, after which the folder is called.
        folder: the folder's own id, from its manifest; None in a database beside it, where no other folder is called so. A folder that was
            deleted there, and its study run anew, has the records that it had.
    """

    study: str
    folder: str | None

    @property
    def name(self) -> str:
        """One name for both.

        >>> Owner("small-1f3a9c", None).name, Owner("small-1f3a9c", "0123456789abcdef").name
        ('small-1f3a9c', 'small-1f3a9c-01234567')
        """
        return self.study if self.folder is None else f"{self.study}-{self.folder[:8]}"


def owner(folder: Path, url: str, manifest: Mapping[str, Any]) -> Owner:
    """Whose the records of a results folder are, in the database at ``url``."""
    database = sqlite_path(url)
    # a link may lead to a database that others have, too
    beside = database is not None and Path(realpath(database)).parent == Path(realpath(folder.absolute().parent))
    return Owner(folder.name, None if beside else manifest.get("id"))
