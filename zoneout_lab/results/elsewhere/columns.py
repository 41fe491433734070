"""Columns of a table as labels and numbers: what cannot be one is refused, with the row it is in.

A column's index says which row of the table each value is from, counted from 0: where some rows were left out, a message still names the row of the file.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoneout_lab.errors import InputRefusedError, shown
from zoneout_lab.results.legible import legible

Codes = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

LONGEST_LABEL = 200
#: what people write where there is no number
_A_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NO_NUMBER = frozenset({"", "nan", "na", "n/a", "<na>", "null", "none", "-", "–"})


def labels(column: pd.Series, what: str, *, paired_by: bool = False) -> tuple[Codes, list[str]]:
    """Which label each row has, and the labels, in the order in which they first appear.

    Numbers become their text, 3.0 that of 3; ``True`` is not 1. Raises InputRefusedError, with the row, where there is none, or where it is infinite, longer
    than 200 letters, or has control characters; and in a column that runs are ``paired_by`` where two texts are one number, ``1`` and ``1.0``: they would be no
    pair. ``what`` it is: ``arm`` or ``seed``.

    >>> codes, texts = labels(pd.Series(["full", " full", "none"]), "arm")
    >>> codes.tolist(), texts
    ([0, 0, 1], ['full', 'none'])
    >>> labels(pd.Series([1.0, float("nan")]), "seed")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: Row 2 has no seed. Each row is one run, with its arm and what it is paired by.
    """
    if column.dtype == object:  # in Python True is 1, and they would be one label
        values = [str(value) if isinstance(value, bool | np.bool_) else value for value in column]
        column = pd.Series(values, index=column.index, dtype=object)
    try:
        found = pd.factorize(column)
        codes, uniques = np.asarray(found[0]), list(found[1])
    except TypeError:  # lists, mappings
        at = next(k for k, value in enumerate(column) if not isinstance(value, str | int | float | bool | None))
        raise _no_label(row_of(column, at), what, column.iloc[at], "is no text and no number") from None
    if (codes < 0).any():
        raise _nothing(row_of(column, int(np.argmax(codes < 0))), what)
    texts: dict[str, int] = {}
    place = np.empty(len(uniques), dtype=np.intp)
    for k, value in enumerate(uniques):
        text, why = _label(value)
        if why:
            row = row_of(column, int(np.argmax(codes == k)))
            raise _no_label(row, what, value, why) if text else _nothing(row, what)
        place[k] = texts.setdefault(text, len(texts))
    if paired_by and (twice := _one_number(texts)):
        raise InputRefusedError(
            f"Two labels of {what} are one number written in two ways: {twice[0]} and {twice[1]}. Write it in one of them, or rename one."
        )
    return place[codes], list(texts)


def _one_number(texts: Iterable[str]) -> tuple[str, str] | None:
    """Two different texts that are the same number, where there are two.

    >>> _one_number(["1", "2", "+1"]), _one_number(["0.5", "5e-1"]), _one_number(["1", "1a", "-1"])
    (('1', '+1'), ('0.5', '5e-1'), None)
    """
    numbers = [text for text in texts if _A_NUMBER.fullmatch(text)]
    # whole numbers without zeros before them are as many as their texts
    if all(text.isdigit() and (text[0] != "0" or text == "0") for text in numbers):
        return None
    seen: dict[Decimal, str] = {}
    for text in numbers:
        try:
            other = seen.setdefault(Decimal(text), text)
        except InvalidOperation:  # an exponent beyond all bounds
            continue
        if other != text:
            return other, text
    return None


def row_of(rows: pd.Series | pd.DataFrame, place: int) -> int:
    """Which row of the table, from 1, stands at a ``place`` of what is left of it.

    >>> row_of(pd.Series([0.5, 0.25], index=[3, 7]), 1)
    8
    """
    return int(rows.index[place]) + 1


def _label(value: Any) -> tuple[str, str]:
    """A value as a label, and why it is none: with an empty label, since there is nothing."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)), ""
    if isinstance(value, int | np.integer):
        if int(value).bit_length() > 3 * LONGEST_LABEL:  # more than a text may have, and maybe more than Python writes
            return "?", f"has more than {int(3 * LONGEST_LABEL * math.log10(2))} digits"
        return str(int(value)), ""
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < LONGEST_LABEL:
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text, ""
    if isinstance(value, float | np.floating | Decimal):
        number = float(value)
        whole = number.is_integer() and abs(number) < 2**53
        return str(int(number)) if whole else f"{number:.15g}", "" if math.isfinite(number) else "is not finite"
    if isinstance(value, pd.Timestamp | np.datetime64):
        return str(value), ""
    if not isinstance(value, str):
        return "?", "is no text and no number"
    text = value.strip()
    if len(text) > LONGEST_LABEL:
        return text, f"has {len(text):,} letters, and may have {LONGEST_LABEL}"
    return text, "is empty" if not text else "" if text.isprintable() else "has control characters in it"


def _nothing(row: int, what: str) -> InputRefusedError:
    return InputRefusedError(f"Row {row} has no {what}. Each row is one run, with its arm and what it is paired by.")


def _no_label(row: int, what: str, value: Any, why: str) -> InputRefusedError:
    return InputRefusedError(f"The {what} of row {row}, {_shown(value)}, {why}.")


def numbers(column: pd.Series, name: str) -> tuple[Floats, int]:
    """The numbers of a metric, NaN where there is none, and how many of them were infinite, which are NaN too.

    Raises InputRefusedError, with the row, for what is no number.

    >>> numbers(pd.Series(["0.5", "", "inf"]), "loss")
    (array([0.5, nan, nan]), 1)
    >>> numbers(pd.Series(["0.5", "0,25"]), "loss")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: loss in row 2 is '0,25', which is no number. Write it with a point: 0.25.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        values = np.array(column.astype("Float64").to_numpy("float64", na_value=float("nan")), dtype=np.float64)
    else:
        values = _parsed(column, name)
    infinite = np.isinf(values)
    values[infinite] = np.nan
    return values, int(infinite.sum())


def _parsed(column: pd.Series, name: str) -> Floats:
    objects = np.asarray(column.astype(object).where(column.notna(), None), dtype=object)
    # the common cases at once: Python's own conversion is exact to the last bit
    kind = pd.api.types.infer_dtype(objects, skipna=False)
    with contextlib.suppress(ValueError, OverflowError):  # OverflowError: an integer of hundreds of digits
        if kind in ("floating", "integer", "boolean") or (
            kind == "string" and not any("_" in each for each in objects)
        ):
            return np.asarray(objects.astype(np.float64))
    values = np.empty(len(objects))
    for at, each in enumerate(objects):
        values[at] = _number(each, row_of(column, at), name)
    return values


def _number(value: Any, row: int, name: str) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in _NO_NUMBER):
        return math.nan
    try:
        if isinstance(value, bool | int | float | Decimal | np.number | np.bool_) or (
            isinstance(value, str) and "_" not in value
        ):
            return float(value)
    except (ValueError, TypeError, OverflowError):
        pass
    raise InputRefusedError(f"{legible(name)} in row {row} is {_shown(value)}, which is no number.{_advice(value)}")


def _advice(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    for fixed, advice in (
        (text.replace(",", "."), "Write it with a point: {}."),
        (text.removesuffix("%").strip(), "Write it without the sign, {}, and give the metric the unit %."),
    ):
        if fixed != text and text:
            try:
                float(fixed)
            except ValueError:
                continue
            return f" {advice.format(fixed)}"
    return ""


def _shown(value: Any) -> str:
    text = legible(value if isinstance(value, str) else shown(value))
    text = f"{text[:60]}…" if len(text) > 60 else text
    return repr(text) if isinstance(value, str) else text
