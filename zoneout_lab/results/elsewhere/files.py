"""Tables in files: CSV with any usual separator, JSON lines, Parquet. Bounded before they are read, and read as text where they are text.

Nothing in a file is run. What a cell of a CSV file means is decided in :mod:`~zoneout_lab.results.elsewhere.columns`, not by the reader: an arm may
be called ``None``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoneout_lab import guarded
from zoneout_lab.errors import InputRefusedError, told, unknown
from zoneout_lab.results.legible import legible

if TYPE_CHECKING:
    import pandas as pd

#: bytes of a file, and what Parquet may unpack to
LARGEST = 1 << 30
MOST_ROWS = 20_000_000
_LONGEST_HEADER = 1 << 20
_SEPARATORS = ",;\t|"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class Table:
    """The columns asked for of a file: ``frame``, whose row ``k`` is the file's ``k + 1``-th after its header, ``name`` and ``sha256``, and ``names`` of all columns."""

    frame: pd.DataFrame
    name: str
    sha256: str
    names: tuple[str, ...]


def read_table(path: Path, wanted: Callable[[tuple[str, ...]], Collection[str]]) -> Table:
    """The columns of a table in a file; ``wanted`` says which, when it is told the names of all.

    Raises InputRefusedError where the file cannot be read, is too large, or is no table; UsageError for a column that it does not have.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise InputRefusedError(
            f"{path} is none of the tables that can be read: {', '.join(sorted(_READERS))}.{_ADVICE.get(kind, '')}"
        )
    try:
        if not path.is_file():
            raise InputRefusedError(f"There is no file {path}.")
        size = path.stat().st_size
        if size > LARGEST:
            raise InputRefusedError(
                f"{path} has {guarded.gigabytes(size)}, and tables of up to {guarded.gigabytes(LARGEST)} are read. Leave out what is not compared."
            )
        guarded.refuse_too_large(path, 6 * size)
        if not size:
            raise InputRefusedError(f"{path} is empty.")
        content = path.read_bytes()
    except OSError as error:
        raise InputRefusedError(f"Cannot read {path}: {error.strerror or error}.") from error
    frame, names = _READERS[kind](path, content, wanted)
    if not len(frame):
        raise InputRefusedError(f"{path} has a header and no rows.")
    if len(frame) > MOST_ROWS:
        raise InputRefusedError(f"{path} has {len(frame):,} rows; tables of up to {MOST_ROWS:,} are read.")
    return Table(frame, path.name, hashlib.sha256(content).hexdigest(), names)


Wanted = Callable[[tuple[str, ...]], Collection[str]]


def chosen(names: Iterable[str], wanted: Collection[str]) -> list[str]:
    """The columns that are wanted, in the order of the table. Raises UsageError for one that it does not have."""
    known = list(names)
    for name in wanted:
        if name not in known:
            raise unknown("column", name, [legible(each) for each in known])
    return [name for name in known if name in wanted]


def _refuse_twice(path: Path, names: Sequence[str], use: Collection[str]) -> None:
    for name in use:
        if (count := names.count(name)) > 1:
            raise InputRefusedError(f"{path} has {count} columns called {legible(name)!r}: which one is meant?")


def _comma_separated(path: Path, content: bytes, wanted: Wanted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    import pandas as pd

    if content.startswith(_UTF16):
        raise InputRefusedError(f"{path} is written in UTF-16. Save it as UTF-8.")
    if (at := content.find(b"\0")) >= 0:
        raise InputRefusedError(f"{path} is not text: byte {at + 1:,} is zero.")
    content = content.removeprefix(b"\xef\xbb\xbf")
    separator, names = _header(path, content)
    use = chosen(names, wanted(tuple(names)))
    _refuse_twice(path, names, use)
    try:
        with warnings.catch_warnings():
            # with one cell too many in every row, pandas drops the last one and says so
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
                index_col=False,  # with fewer columns to read, a row that has too many cells would pass unnoticed
                header=0,
                encoding="utf-8",
            )
    except UnicodeDecodeError as error:
        raise InputRefusedError(f"{path} is not UTF-8 ({error.reason} at byte {error.start + 1:,}).") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise InputRefusedError(f"{path} is no table: {_in_short(error)}.") from error
    frame = frame.iloc[:, [names.index(name) for name in use]]
    frame.columns = pd.Index(use)
    return frame, tuple(names)


def _header(path: Path, content: bytes) -> tuple[str, list[str]]:
    """The separator of a CSV file and the names of its columns: of the usual separators, the one that makes most columns of the first row."""
    head = content[:_LONGEST_HEADER]
    try:
        text = head.decode("utf-8", errors="strict" if len(content) <= len(head) else "ignore")
    except UnicodeDecodeError as error:
        raise InputRefusedError(f"{path} is not UTF-8 ({error.reason} at byte {error.start + 1:,}).") from error
    separators = "\t" if path.suffix.lower() == ".tsv" else _SEPARATORS
    rows = {}
    for separator in separators:
        try:
            rows[separator] = next(csv.reader(io.StringIO(text), delimiter=separator), [])
        except csv.Error as error:
            raise InputRefusedError(f"{path} is no table: its first row cannot be read ({error}).") from error
    separator = max(rows, key=lambda each: len(rows[each]))
    names = [name.strip() for name in rows[separator]]
    if not any(names):
        raise InputRefusedError(f"{path} has no header: its first row is to name the columns.")
    if sum(map(len, names)) > _LONGEST_HEADER // 2:
        raise InputRefusedError(f"{path} is no table: its first row has more than {_LONGEST_HEADER // 2:,} letters.")
    return separator, names


def _json_lines(path: Path, content: bytes, wanted: Wanted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    import pandas as pd

    columns: dict[str, list[object]] = {}
    count = 0
    for count, row in enumerate(_objects(path, content), start=1):
        if row.keys() != columns.keys():
            for name in row.keys() - columns.keys():
                if not name.isprintable():
                    raise InputRefusedError(
                        f"Row {count} of {path} has a column whose name cannot be shown: {legible(name)!r}."
                    )
                columns[name] = [None] * (count - 1)
            row = dict.fromkeys(columns) | row
        for name, values in columns.items():
            values.append(row[name])
    use = chosen(columns, wanted(tuple(columns)))
    return pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in use}, index=range(count)), tuple(
        columns
    )


def _objects(path: Path, content: bytes) -> Iterator[dict[str, object]]:
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputRefusedError(f"{path} is not UTF-8 ({error.reason} at byte {error.start + 1:,}).") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = guarded.loads(line, once=True)
        except (ValueError, RecursionError) as error:
            raise InputRefusedError(f"Line {number} of {path} is not a row in JSON: {_in_short(error)}.") from error
        if not isinstance(row, dict):
            raise InputRefusedError(
                f'Line {number} of {path} is not an object: each line is one row, {{"arm": …, "seed": …}}.'
            )
        yield row


def _parquet(path: Path, content: bytes, wanted: Wanted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise InputRefusedError(
            f'To read {path.name}, install pyarrow (pip install "zoneout-lab[parquet]"), or save the table as CSV.'
        ) from None
    try:
        with pq.ParquetFile(io.BytesIO(content)) as file:
            names = tuple(map(str, file.schema_arrow.names))
            use = chosen(names, wanted(names))
            _refuse_twice(path, names, use)
            about = file.metadata
            if about.num_rows > MOST_ROWS:
                raise InputRefusedError(f"{path} has {about.num_rows:,} rows; tables of up to {MOST_ROWS:,} are read.")
            unpacked = sum(
                group.column(k).total_uncompressed_size
                for group in map(about.row_group, range(about.num_row_groups))
                for k in range(group.num_columns)
                if group.column(k).path_in_schema.partition(".")[0] in use
            )
            if unpacked > LARGEST:
                raise InputRefusedError(
                    f"The columns of {path} unpack to {guarded.gigabytes(unpacked)}; up to {guarded.gigabytes(LARGEST)} are read."
                )
            text = [
                column.name
                for column in map(file.schema.column, range(len(file.schema)))
                if column.path in use and column.physical_type == "BYTE_ARRAY"
            ]
        # as the dictionaries that they are: one long text may stand in every row of a small file
        with pq.ParquetFile(io.BytesIO(content), read_dictionary=text) as file:
            return file.read(columns=use).to_pandas(ignore_metadata=True), names
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, InputRefusedError):
            raise
        raise InputRefusedError(f"{path} cannot be read as Parquet: {_in_short(error)}.") from error


def _in_short(error: BaseException) -> str:
    """What a parser says, in a line, without where in its own code."""
    text = re.sub(r"^\w+: |Error tokenizing data\. |C error: ", "", told(error))
    return legible(text[:1].lower() + text[1:]).rstrip(".")[:200]


_READERS = {
    ".csv": _comma_separated,
    ".tsv": _comma_separated,
    ".txt": _comma_separated,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
_ADVICE = {
    ".json": " Write one object on each line and call the file .jsonl.",
    ".xlsx": " Save the sheet as CSV.",
    ".xls": " Save the sheet as CSV.",
    ".pkl": " A pickle may run code when it is read, so none is; save the table as CSV.",
    ".pickle": " A pickle may run code when it is read, so none is; save the table as CSV.",
    ".gz": " Unpack it first.",
    ".zip": " Unpack it first.",
}
