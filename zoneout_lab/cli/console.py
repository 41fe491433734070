"""Where text goes: data to ``output`` (stdout), everything else to ``errors`` (stderr). Both honour NO_COLOR."""

from __future__ import annotations

import codecs
import io
import json
import logging
import math
import os
import sys
import textwrap
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.segment import Segments
from rich.table import Table

from zoneout_lab.results.legible import printable


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """As rich prints, but a text's own escape sequences, in a file's name for example, are shown and not obeyed."""
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)

    def on_broken_pipe(self) -> None:
        """The reader of our output has stopped reading: that is not a failure, and Python must not complain at exit."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        sys.exit(0)


def any_letters() -> None:
    """Let stdout and stderr take every text, whatever their encoding: a letter they lack is written as its number.

    A path stays the path it is: bytes of a name that do not decode are written as they are.
    """
    codecs.register_error("zoneout_lab", _legible)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="zoneout_lab")


def _legible(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    with suppress(UnicodeEncodeError):
        return letter.encode("ascii", "surrogateescape"), error.start + 1
    return letter.encode("ascii", "backslashreplace"), error.start + 1


def libraries_are_legible() -> None:
    """Let warnings and log records, of libraries too, be text and no more: what they quote may come from anywhere."""
    warnings.showwarning = _warned
    logging.setLogRecordFactory(_recorded)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    place = "" if "zoneout_lab" in Path(filename).parts else f" ({category.__name__}, {Path(filename).name}:{lineno})"
    tell("Warning", f"{message}{place}")


def _recorded(*arguments: Any, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord(*arguments, **more)
    try:
        record.msg, record.args = printable(record.getMessage()), ()
    except Exception:  # noqa: BLE001 - a record that does not fit its arguments is logging's to report
        return record
    return record


_WIDEST = 10_000  # columns
output = _Console()
errors = _Console(stderr=True)


def plain(text: str) -> str:
    """Text from elsewhere, safe in our markup and on any terminal: brackets are brackets, and escape sequences are shown and not obeyed.

    >>> plain("[red]"), plain("\\x1b[31m")
    ('\\\\[red]', '�[31m')
    """
    return escape(printable(text))


def tell(kind: str, text: str) -> None:
    """An error, warning or note on stderr, under its name. On a terminal it wraps between words; a path is never broken."""
    colour = {"Error": "bold red", "Internal error": "bold red"}.get(kind, "yellow")
    body = wrapped(text, errors, indent=0, first=len(kind) + 2)
    errors.print(f"[{colour}]{kind}:[/] {plain(body)}", highlight=False, soft_wrap=True)


def redraws(console: Console) -> bool:
    """True where a console is on a terminal on which a line can be drawn again. A notebook's cell shows every one of them, and it sets FORCE_COLOR, which is
    about colours alone."""
    return console.is_terminal and console.file.isatty() and "JPY_PARENT_PID" not in os.environ


def wrapped(text: str, to: Console, *, indent: int, first: int) -> str:
    """Text for a console, broken between words where that is a terminal: lines after the first are indented, the first begins ``first`` columns in.

    In a pipe or a file it stays in one line, so that it can be searched.
    """
    if not to.is_terminal:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        part = textwrap.wrap(
            line, to.width, initial_indent=" " * first, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        ) or [""]  # fmt: skip
        lines += [part[0][first:] if not lines else part[0], *part[1:]]
        first = indent
    return "\n".join(lines)


def print_json(value: Any) -> None:
    """One JSON document on stdout. JSON has neither infinity nor NaN: null."""
    output.print(json.dumps(_finite(value), indent=1, allow_nan=False), markup=False, highlight=False, soft_wrap=True)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_whole(table: Table) -> None:
    """A table on stdout, wider than the terminal where a name in it is: broken, a path can neither be clicked nor copied."""
    options = output.options
    needed = output.measure(table, options=options.update_width(_WIDEST)).minimum
    # what is printed in a width of its own is cut to the terminal's
    segments = output.render(table, options.update_width(max(options.max_width, needed)))
    output.print(Segments(segments), crop=False, no_wrap=True, end="")


def print_facts(facts: Mapping[str, str]) -> None:
    """Names and values in two columns, on stdout."""
    longest = max(map(len, facts), default=0)
    for name, value in facts.items():  # each by itself: one long path makes the others no wider
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True, min_width=longest)
        table.add_column()
        table.add_row(name, plain(value))
        print_whole(table)


def duration(seconds: float) -> str:
    """A time a person can take in.

    >>> duration(8), duration(95), duration(5400)
    ('8 s', '1 min 35 s', '1 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes a person can take in.

    >>> size(1536), size(3 * 2**30)
    ('2 KiB', '3.0 GiB')
    """
    for unit, factor, digits in (("GiB", 2**30, 1), ("MiB", 2**20, 0), ("KiB", 2**10, 0)):
        if count >= factor:
            return f"{count / factor:.{digits}f} {unit}"
    return f"{count:.0f} B"
