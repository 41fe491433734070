"""Comparisons and verdicts as tables: a data frame, CSV, Markdown, LaTeX for a paper, and HTML in notebooks."""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, TypeVar, overload

from zoneout_lab import whole
from zoneout_lab.results.latex import latex
from zoneout_lab.results.legible import legible
from zoneout_lab.results.numbers import percent
from zoneout_lab.results.rows import LEVEL, MARKS, NUMBERS, OVER_TASKS, Entry, numbers, texts, units_of
from zoneout_lab.results.shown import is_ratio, shown_interval, unit_of
from zoneout_lab.results.targets import check_table_target

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T", bound="Tabular", covariant=True)

#: a table's columns: what each is, its heading, whether its numbers are flush right
_COLUMNS = (
    ("hypothesis", "Hypothesis", False),
    ("task", "Task", False),
    ("metric", "Metric", False),
    ("arm", "Arm", False),
    ("arm_mean", "Mean", True),
    ("against", "Against", False),
    ("against_mean", "Mean", True),
    ("n", "Seeds", True),
    ("difference", "Difference", True),
    ("claim", "Claim", False),
    ("p", "p", True),
    ("p_groups", "p, whole groups", True),
    ("verdict", "Verdict", False),
)
#: what is said once above the table where all rows have it
_SAID_ONCE = ("metric", "against", "n", "claim")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$])")


class Tabular(ABC):
    """What can be shown as a table of comparisons, one row each."""

    @abstractmethod
    def _entries(self) -> list[Entry]:
        """What stands in the rows."""

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a data frame, one row for each comparison.

        ``arm_mean``, ``against_mean`` with their 95% t intervals (``…_low``, ``…_high``) and ``margin`` are in ``units``. So are ``difference``, ``low`` and
        ``high`` where ``scale`` is linear; on the others they are ratios. ``level`` is that of the interval the verdict is read off, ``interval`` its kind.
        ``p`` is for no difference, ``p_adjusted`` for the verdict, among ``family`` hypotheses; ``p_groups`` is ``p`` with whole groups of blocks flipped.
        ``lost`` counts seeds without both values, ``arm_runs`` and ``against_runs`` the values compared. Runs that are not paired have no ``seeds`` and
        lose none: both are NaN.

        Verdicts over several tasks have a row for each ``task``, as it was judged there, and one for all of them with ``standardised``, the difference
        that is tested there.
        """
        import pandas as pd

        entries = self._entries()
        columns = [*NUMBERS, *(OVER_TASKS if any(entry.over for entry in entries) else ())]
        return pd.DataFrame([numbers(entry) for entry in entries], columns=columns)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """What :meth:`to_frame` has as CSV: written to ``path``, or returned where none is given.

        Raises InputRefusedError or TryAgainError where the file cannot be written, or would replace something else than a table of comparisons.
        """
        text: str = self.to_frame().to_csv(index=False)
        if path is None:
            return text
        check_table_target(Path(path))
        whole.write_bytes(Path(path), text.encode())
        return None

    def to_markdown(self) -> str:
        """A Markdown table with what its numbers are said below it."""
        heads, rows, notes = _laid_out(self._entries(), lambda text: _MARKDOWN.sub(r"\\\1", text))
        rule = ["---:" if right else "---" for _, right in heads]
        lines = [[head for head, _ in heads], rule, *rows]
        return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", " ".join(notes)])

    def to_latex(self, caption: str | None = None, label: str | None = None) -> str:
        """A table for a paper, with the rules of the package ``booktabs``; what its numbers are is part of the caption. Where there are several metrics, each
        stands above its rows; over several tasks each hypothesis does.

        Args:
            caption: LaTeX that begins the caption.
            label: what the text refers to the table by, ``tab:verdicts``.
        """
        entries = self._entries()
        heads, rows, notes = _laid_out(entries, latex, without=("hypothesis", "metric"))
        titles = [_title(entry) for entry in entries]
        lines = _latex_rows(rows)
        if len(set(titles)) > 1:  # a line of its own before its rows: a column would be too wide
            for place in reversed([k for k, title in enumerate(titles) if k == 0 or title != titles[k - 1]]):
                air = [r"\addlinespace"] if place else []
                lines[place:place] = [
                    *air,
                    rf"\multicolumn{{{len(heads)}}}{{l}}{{\emph{{{latex(titles[place])}}}}} \\",
                ]
        said = " ".join([*([caption] if caption else []), *notes])
        return "\n".join(
            [
                r"% \usepackage{booktabs}",
                r"\begin{table}[t]",
                r"\centering\small",
                rf"\caption{{{said}}}",
                *([rf"\label{{{label}}}"] if label else []),
                rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for _, right in heads)}}}",
                r"\toprule",
                *_latex_rows([[head for head, _ in heads]]),
                r"\midrule",
                *lines,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        heads, rows, notes = _laid_out(self._entries(), lambda text: html.escape(text))
        sides = ["right" if right else "left" for _, right in heads]

        def row(tag: str, cells: Iterable[str]) -> str:
            inner = "".join(
                f'<{tag} style="text-align:{side}">{cell}</{tag}>' for side, cell in zip(sides, cells, strict=True)
            )
            return f"<tr>{inner}</tr>"

        body = "".join(row("td", cells) for cells in rows)
        return (
            f"<table><thead>{row('th', [head for head, _ in heads])}</thead><tbody>{body}</tbody></table>"
            f"<p><small>{' '.join(notes)}</small></p>"
        )


class Table(Tabular, tuple[T, ...]):
    """A tuple of comparisons or verdicts that can be shown as one table."""

    def _entries(self) -> list[Entry]:
        return [entry for each in self for entry in each._entries()]

    @overload
    def __getitem__(self, key: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> Table[T]: ...
    def __getitem__(self, key: SupportsIndex | slice) -> T | Table[T]:
        found = super().__getitem__(key)
        return Table(found) if isinstance(key, slice) else found  # type: ignore[arg-type,return-value]

    def __str__(self) -> str:
        return self.to_markdown()


def _laid_out(
    entries: Sequence[Entry], escaped: Callable[[str], str], without: Sequence[str] = ()
) -> tuple[list[tuple[str, bool]], list[list[str]], list[str]]:
    """Headings (and whether each column is flush right), the rows' cells and the sentences about them, all escaped."""
    cells = [texts(entry) for entry in entries]
    alike = {key: cells[0][key] for key in _SAID_ONCE if cells and all(row[key] == cells[0][key] for row in cells)}
    empty = [key for key in ("hypothesis", "task", "p_groups") if not any(row[key] for row in cells)]
    # what was not declared is called by its arms' names, which stand beside it as they are called
    unnamed = [] if any(entry.compared.declared for entry in entries) else ["hypothesis"]
    left_out = {*without, *alike, *empty, *unnamed}
    called = {"seed": "Seeds", "block": "Blocks", "run": "Runs", "": "Pairs or runs"}
    own = {"n": called[units_of([entry.compared for entry in entries]).partition(" ")[0]]}
    columns = [(key, own.get(key, head), right) for key, head, right in _COLUMNS if key not in left_out]
    heads = [
        (escaped(alike["against"] if key == "against_mean" and "against" in alike else head), right)
        for key, head, right in columns
    ]
    rows = [[escaped(row[key]) for key, _, _ in columns] for row in cells]
    return (
        heads,
        rows,
        [
            escaped(note)
            for note in _notes(entries, alike, "".join(row["difference"] + row["verdict"] for row in cells))
        ],
    )


def _title(entry: Entry) -> str:
    """What stands above the rows of one kind."""
    row = texts(entry)
    return f"{row['hypothesis']}: {row['metric']}" if entry.over else row["metric"]


def _notes(entries: Sequence[Entry], alike: dict[str, str], shown: str) -> list[str]:
    """What the numbers are: what all rows share, then the intervals, p and the marks."""
    compared = [entry.compared for entry in entries]
    if not compared:
        return ["No comparison: no hypothesis is declared."]
    unit = units_of(compared)
    what = [alike["metric"]] if "metric" in alike else []
    what += [f"against {alike['against']}"] if "against" in alike else []
    if "n" in alike:
        what.append(f"over {_of_units(alike['n'], unit)}")
    if "claim" in alike:
        what.append(f"claimed {alike['claim']}")
    notes = [f"{_capital(', '.join(what))}."] if what else []
    kinds = {is_ratio(c) for c in compared}
    mean = {frozenset({True}): "Geometric means", frozenset({False}): "Means"}.get(
        frozenset(kinds), "Means (of ratios: geometric)"
    )
    kind = f"{unit.split()[0]}s" if unit else "pairs or runs"
    notes.append(f"{mean} over {kind} with {percent(LEVEL)} t intervals.")
    units = {unit_of(c.metric, c.units)[1] == "percentage points" for c in compared if not is_ratio(c)}
    points = (", of percentages" if False in units else "") + " in percentage points" if True in units else ""
    levels = sorted({1 - shown_interval(c)[1] for c in compared if c.measured})
    level = " to ".join(dict.fromkeys(percent(1 - each) for each in levels[:1] + levels[1:][-1:]))
    of = {frozenset({True}): "Ratios", frozenset({False}): "Differences"}.get(
        frozenset(kinds), "Differences, or ratios (×),"
    )
    with_levels = f" with the {level} interval{'s' * (len(levels) > 1)} that the verdict is read off" if levels else ""
    how = {"run": ", of runs that are not paired", "": ""}.get(unit, f", paired by {unit}")
    comma = "," * bool(how and with_levels)
    notes.append(f"{of} between the arms{points}{how}{comma}{with_levels}.")
    families = sorted({c.family for c in compared})
    if families[-1] > 1:
        by = sorted({"Holm's step-down" if c.correction == "holm" else "joint sign flips" for c in compared})
        count = " to ".join(str(each) for each in families[:1] + families[1:][-1:])
        notes.append(
            f"p is for the verdict, adjusted for the {count} comparisons judged together by {' and '.join(by)}."
        )
    else:
        tests = sorted({"sign flips" if c.paired else "permutations" for c in compared})
        notes.append(f"p is for the verdict, by {' or '.join(tests)}, not adjusted for other comparisons.")
    if groups := list(dict.fromkeys(legible(c.by[0]) for c in compared if c.groups)):
        notes.append(
            f"Blocks of one {' or '.join(groups)} may agree: p, whole groups, is for any difference with each of those flipped whole, and not adjusted."
        )
    return [*notes, *(f"{mark} {_capital(said)}." for mark, said in MARKS.items() if mark in shown)]


def _of_units(count: str, unit: str) -> str:
    """So many of what was compared, as it is said in a sentence."""
    kind, _, rest = unit.partition(" ")
    if kind == "run":
        return f"{count} runs that are not paired"
    return f"{count} paired {kind or 'seed'}{'s' * (count != '1')}{f' {rest}' if rest else ''}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _latex_rows(rows: Iterable[Sequence[str]]) -> list[str]:
    # a cell that begins with a bracket would be an argument of the line before it
    return [
        f"{' & '.join(row)} \\\\" if not row[0].startswith(("[", "*")) else f"{{}}{' & '.join(row)} \\\\"
        for row in rows
    ]
