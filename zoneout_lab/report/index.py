"""One page over several studies: each of the paper's claims with the studies that test it, and every study with what came of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.paper import CLAIMS, PAPER
from zoneout_lab.report.gathered import Entry, Finding, Gathered, gather
from zoneout_lab.report.layout import laid_out, write_page
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results.open import EXPORT
from zoneout_lab.results.targets import check_target


def write_index(paths: Iterable[str | Path], path: str | Path) -> Gathered:
    """Write the index of several studies as one self-contained HTML file, and return what it was made of.

    It shows each claim of the paper with the verdicts on it, and links to the reports that lie in the studies' folders, relative to ``path``. What cannot
    be read is skipped, and named on the page and in what is returned. The same results give the same bytes.

    Args:
        paths: folders of results, ``study.nc`` files, or folders that hold such folders.
        path: where the page is to lie.

    Raises:
        InputRefusedError: nothing was given that can be read, or the page cannot be written, or would replace something else than a page.
        IntegrityError: nothing could be read, and something of it is damaged.
        TryAgainError: the disk is full.
    """
    target, paths = Path(path), list(paths)
    check_target(target, paths)
    found = gather(paths)
    if not found.entries:
        raise _nothing(found)
    write_page(target, render(found, target))
    return found


def _nothing(found: Gathered) -> InputRefusedError | IntegrityError:
    if not found.skipped:
        return InputRefusedError("An index is made of results: name a study's folder, or a folder of them.")
    text = " ".join(str(skipped.error) for skipped in found.skipped)
    damaged = any(isinstance(skipped.error, IntegrityError) for skipped in found.skipped)
    return IntegrityError(text) if damaged else InputRefusedError(text)


def render(found: Gathered, target: Path) -> str:
    """The page as text; its links are relative to where ``target`` lies."""
    links = _Links(found.entries, target)
    about = any(claim in CLAIMS for entry in found.entries for finding in entry.findings for claim in finding.claims)
    sections = [
        _claims(found.entries, links) if about else None,
        _others(found.entries, links, about=about),
        _studies(found, links),
        _reading(found, about=about),
    ]
    return laid_out(
        "index.html",
        title="The paper’s claims, and what studies say of them" if about else "Studies, and what came of them",
        kicker=f"Index · {count(len(found.entries), 'study', 'studies')}",
        paper=PAPER if about else "",
        sections=[section for section in sections if section is not None],
    )


class _Links:
    """Where the studies' files lie as seen from the page, and what each study is called on it."""

    def __init__(self, entries: Sequence[Entry], target: Path) -> None:
        self._start = target.parent
        names = Counter(entry.name for entry in entries)
        self._called = {
            entry.source: entry.name if names[entry.name] == 1 else f"{entry.name} ({self.shown(entry.source)})"
            for entry in entries
        }

    def called(self, entry: Entry) -> str:
        return self._called[entry.source]

    def shown(self, path: Path) -> str:
        return legible(os.path.relpath(path, self._start))

    def to(self, path: Path, anchor: str = "") -> str:
        """A link to a file, with its anchor; empty where it is not there."""
        if not path.is_file():
            return ""
        return quote(os.fsencode(os.path.relpath(path, self._start))) + (f"#{anchor}" if anchor else "")

    def row(self, entry: Entry, finding: Finding) -> dict[str, Any]:
        """A finding of a study as the page shows it."""
        about = [
            *([f"on {entry.task}"] if entry.task else []),
            *([f"{entry.preset} preset"] if entry.preset else []),
            count(finding.pairs, "paired seed"),
            *([entry.date] if entry.date else []),
        ]
        return {
            "verdict": finding.verdict,
            "statement": finding.statement,
            "short": finding.short,
            "edge": finding.edge,
            "study": self.called(entry),
            "about": " · ".join(about),
            "link": self.to(entry.report, f"hypothesis-{finding.place}"),
            "command": self.command(entry),
            "at_scale": entry.preset == "paper",
        }

    def command(self, entry: Entry) -> str:
        own = entry.source.is_file() and entry.source.name != EXPORT
        source, report = (shlex.quote(self.shown(path)) for path in (entry.source, entry.report))
        return f"zoneout-lab report {source}" + (f" --to {report}" * own)


def _claims(entries: Sequence[Entry], links: _Links) -> Section:
    tested: dict[int, list[dict[str, Any]]] = {claim: [] for claim in CLAIMS}
    for entry in entries:
        for finding in entry.findings:
            for claim in finding.claims:
                if claim in tested:
                    tested[claim].append(links.row(entry, finding))
    judged = [
        {
            "anchor": f"claim-{claim}",
            "number": claim,
            "words": CLAIMS[claim],
            "rows": rows,
            "verdicts": [
                (verdict, any(row["at_scale"] for row in those))
                for verdict in VERDICTS
                if (those := [row for row in rows if row["verdict"] == verdict])
            ],
        }
        for claim, rows in tested.items()
        if rows
    ]
    values = {
        "lead": _lead(len(judged), [row for rows in tested.values() for row in rows]),
        "judged": judged,
        "unjudged": [(claim, CLAIMS[claim]) for claim, rows in tested.items() if not rows],
    }
    return Section("claims", "Claims of the paper", "index_claims.html", values)


def _lead(judged: int, rows: Sequence[dict[str, Any]]) -> str:
    found = Counter(row["verdict"] for row in rows)
    parts = [f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict]]
    return (
        f"Of {len(CLAIMS)} claims, {judged} {'is' if judged == 1 else 'are'} tested by these studies, "
        f"with {count(len(rows), 'verdict')}: {listing(parts)}. {_at_scale(rows)}"
    )


def _at_scale(rows: Sequence[dict[str, Any]]) -> str:
    """How many of the verdicts are of the paper's own setting; the others do not contradict the paper, nor support it, by themselves."""
    at = sum(row["at_scale"] for row in rows)
    if at == len(rows):
        return "All are at the paper’s preset."
    some = f"{at} {'is' if at == 1 else 'are'} at the paper’s preset" if at else "None is at the paper’s preset"
    return f"{some}: {'the others hold' if at else 'they hold'} for the task and size named under each, and their marks are hollow."


def _others(entries: Sequence[Entry], links: _Links, *, about: bool) -> Section | None:
    """Hypotheses that are about no claim of the paper: those of a study of one's own. ``about``: others are about one."""
    rows = [
        links.row(entry, finding)
        for entry in entries
        for finding in entry.findings
        if not any(claim in CLAIMS for claim in finding.claims)
    ]
    title = "Hypotheses about none of them" if about else "Hypotheses"
    return Section("others", title, "index_others.html", {"rows": rows}) if rows else None


def _studies(found: Gathered, links: _Links) -> Section:
    rows = []
    for entry in found.entries:
        verdicts = Counter(finding.verdict for finding in entry.findings)
        rows.append(
            {
                "title": entry.title,
                "name": links.called(entry),
                "report": links.to(entry.report),
                "command": links.command(entry),
                "task": entry.task or "–",
                "preset": entry.preset or "–",
                "arms": entry.arms,
                "seeds": entry.seeds,
                "date": entry.date or "–",
                "verdicts": [(verdict, verdicts[verdict]) for verdict in VERDICTS if verdicts[verdict]],
                "files": _files(entry, links),
            }
        )
    skipped = [(links.shown(each.path), legible(str(each.error))) for each in found.skipped]
    return Section("studies", "Studies", "index_studies.html", {"rows": rows, "skipped": skipped})


def _files(entry: Entry, links: _Links) -> list[tuple[str, str]]:
    results = entry.source if entry.source.is_file() else entry.folder / EXPORT
    about = (("results", results), ("spec", entry.folder / "spec.json"), ("readme", entry.folder / "README.md"))
    return [(name, link) for name, path in about if (link := links.to(path))]


def _called(one: Entry, other: Entry) -> str:
    """A study's name, or its folder's where the other has the same name."""
    return legible(one.folder.name) if one.name == other.name else one.name


def _reading(found: Gathered, *, about: bool) -> Section:
    notes = []
    pairs = [
        (one, other, len(one.runs & other.runs))
        for place, one in enumerate(found.entries)
        for other in found.entries[place + 1 :]
    ]
    notes += [
        f"{_called(one, other)} and {_called(other, one)} share {count(shared, 'run')}, so that their verdicts are not independent of each other."
        for one, other, shared in pairs
        if shared
    ]
    return Section(
        "verdicts",
        "How to read this page",
        "index_reading.html",
        {"notes": notes, "verdicts": VERDICTS, "about": about},
    )
