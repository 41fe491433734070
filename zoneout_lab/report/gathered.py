"""Studies found in folders and read one after another: of each what an index needs, and of what cannot be read, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os.path import realpath
from pathlib import Path

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.text import legible
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.open import EXPORT, MANIFEST, holds_results, open_quickly

#: the folder of artifacts that recording runs in MLflow leaves beside theirs
_MLFLOWS = "mlartifacts"


@dataclass(frozen=True)
class Finding:
    """A hypothesis of a study and what came of it; ``place`` is its number in the study's report, ``pairs`` how many seeds it rests on."""

    place: int
    statement: str
    claims: tuple[int, ...]
    verdict: str
    short: str
    edge: str
    pairs: int


@dataclass(frozen=True)
class Entry:
    """A study's results: where they lie, what they are of, and its findings. ``runs`` are the SHA-256 of its runs' files, where they are recorded."""

    source: Path
    title: str
    name: str
    task: str
    preset: str
    arms: int
    seeds: int
    date: str
    findings: tuple[Finding, ...] = field(repr=False)
    runs: frozenset[str] = field(repr=False)

    @property
    def folder(self) -> Path:
        return self.source if self.source.is_dir() else self.source.parent

    @property
    def report(self) -> Path:
        """Where ``zoneout-lab report`` writes its report; of a file with a name of its own, beside it under that name."""
        own = self.source.is_file() and self.source.name != EXPORT
        return self.source.with_suffix(".html") if own else self.folder / "report.html"


@dataclass(frozen=True)
class Skipped:
    """Something that was named, or lies in a folder that was, and cannot be read as a study's results."""

    path: Path
    error: LabError


@dataclass(frozen=True)
class Gathered:
    """What was found: ``entries`` read, ``skipped`` with the reason, and subfolders ``passed_over`` since they hold no results at all."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    passed_over: tuple[Path, ...]


def gather(paths: Iterable[str | Path]) -> Gathered:
    """Read the studies at ``paths``: folders of results, netCDF files of whole studies, or folders that hold such folders.

    Each is read once, however often it is named. What cannot be read is skipped and said, and stops nothing.
    """
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    passed_over: list[Path] = []
    seen: set[str] = set()
    for given in map(Path, paths):
        try:
            places, without = _places(given)
        except LabError as error:
            skipped.append(Skipped(given, error))
            continue
        passed_over += without
        for place in places:
            known = realpath(place.parent if place.name == EXPORT else place)
            if known in seen:
                continue
            seen.add(known)
            try:
                entries.append(_read(place))
            except LabError as error:
                skipped.append(Skipped(place, error))
    return Gathered(tuple(entries), tuple(skipped), tuple(passed_over))


def _places(given: Path) -> tuple[list[Path], list[Path]]:
    """The studies at a path, and the subfolders that hold none."""
    if not given.is_dir() or holds_results(given):
        return [given], []
    try:
        below = sorted(each for each in given.iterdir() if each.is_dir() and not each.name.startswith((".", _MLFLOWS)))
        places = [each for each in below if holds_results(each)]
    except OSError as error:
        raise InputRefusedError(f"{given} cannot be read: {error.strerror}.") from error
    if not places:
        raise InputRefusedError(
            f"{given} holds no results of a study: neither it nor a folder in it has {MANIFEST} or {EXPORT}."
        )
    return places, [each for each in below if each not in places]


def _read(place: Path) -> Entry:
    data = ReportData.read(open_quickly(place))
    study = data.study
    return Entry(
        source=place,
        title=legible(study.get("title") or study.get("name") or "Untitled study"),
        name=legible(study.get("name") or place.stem),
        task=legible(study.get("task") or "") if data.trained_here else "",
        preset=legible(study.get("preset") or "") if data.trained_here else "",
        arms=len(data.arms),
        seeds=len(data.seeds),
        date=data.date,
        findings=tuple(_findings(data)),
        runs=runs_of(data),
    )


def _findings(data: ReportData) -> Iterator[Finding]:
    for place, judgement in enumerate(data.judgements, start=1):
        c = judgement.comparison
        claims = tuple(dict.fromkeys(judgement.claims))
        standing = " (exploratory)" if data.exploratory else " (declared when it was judged)" if c.at_judging else ""
        pairs = len(c.seeds) if c.paired else min(len(c.arm_values), len(c.against_values))
        statement = f"{legible(judgement.statement)}{standing}"
        yield Finding(place, statement, claims, c.verdict, c.short, near_edge(c), pairs)


def runs_of(data: ReportData) -> frozenset[str]:
    """The SHA-256 of the runs' files; none where they are not recorded."""
    record = data.tree["provenance"].to_dataset() if "provenance" in data.tree.children else {}
    if "sha256" not in record:
        return frozenset()
    return frozenset(str(digest) for digest in record["sha256"].values.flat if digest)
