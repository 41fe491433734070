"""One question on several tasks: what is run for each of them, and where the page about all of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoneout_lab.study.spec import Study, together


@dataclass(frozen=True)
class Part:
    """One task of a study: the study on it, the same as its file declares it, what differs, and how to run it again."""

    study: Study
    declared: Study
    overrides: tuple[str, ...] = ()
    command: str | None = None


def parts_of_study(study: Study) -> tuple[Part, ...]:
    """A study's tasks, as declared.

    >>> from zoneout_lab import load_study
    >>> [part.study.task for part in parts_of_study(load_study("quickstart"))]
    ['digits']
    """
    return tuple(Part(each, each) for each in study.each())


def page_of(out: Path, studies: Sequence[Study]) -> Path:
    """Where the page over all tasks lies: beside their folders, with the name that the study has on all of them."""
    return out / f"{together([study.resolved() for study in studies])}.html"
