"""The verdicts of a study on the terminal: the claim, what came out, and how sure."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from zoneout_lab.cli.console import plain, wrapped
from zoneout_lab.results import Judgement, OverAll
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.legible import legible

_COLOURS = {"supported": "green", "contradicted": "red", "equivalent": "cyan"}
_INDENT = 2 + max(map(len, ("supported", "contradicted", "equivalent", "inconclusive", "underpowered")))


def show_judgements(judgements: Iterable[Judgement], to: Console) -> None:
    """Three parts for each hypothesis: verdict and statement, the outcome in a sentence, and a warning where it is a close call.

    Between words they wrap at the width of a terminal; in a pipe each stays in one line.
    """
    for judgement in judgements:
        edge = near_edge(judgement.comparison)
        _show(judgement.comparison.verdict, judgement.statement, judgement.comparison.short, to, edge or "")


def show_over_all(judgements: Iterable[OverAll], to: Console) -> None:
    """The same of the verdicts over several tasks, of which there are no close calls: their intervals are each task's own."""
    for judgement in judgements:
        _show(judgement.verdict, judgement.statement, judgement.short, to)


def _show(verdict: str, statement: str, short: str, to: Console, edge: str = "") -> None:
    parts = [(legible(statement), ""), (short, "dim"), *([(edge, "yellow")] if edge else [])]
    for place, (text, style) in enumerate(parts):
        shown = plain(wrapped(text, to, indent=_INDENT, first=_INDENT))
        before = f"[{_COLOURS.get(verdict, 'yellow')}]{verdict:<{_INDENT}}[/]" if place == 0 else " " * _INDENT
        to.print(before + (f"[{style}]{shown}[/]" if style else shown), highlight=False, soft_wrap=True)
