"""What runs of different arms are paired by: a seed, or a block of several columns, numbered along ``seed`` with its label kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoneout_lab.results.elsewhere.columns import Codes, labels
from zoneout_lab.results.legible import legible

Ints = npt.NDArray[np.int64]

_LARGEST_SEED = 2**63


@dataclass(frozen=True, eq=False)
class Paired:
    """The ``place`` of each row's pair among ``seeds``, and what the pairs are called: ``texts`` where a seed's number alone would not say it,
    and the ``group`` of each, of several columns the first, where some pairs share it.
    """

    place: Codes
    seeds: Ints
    texts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def paired_by(frame: pd.DataFrame, columns: Sequence[str]) -> Paired:
    """The pairs of a table. Seeds that are whole numbers stay what they are; anything else is numbered from 0.

    Raises InputRefusedError where a row does not say which pair it is of.

    >>> one = paired_by(pd.DataFrame({"seed": ["7", "3", "7"]}), ["seed"])
    >>> one.seeds.tolist(), one.place.tolist(), one.texts
    ([3, 7], [1, 0, 1], ())
    >>> two = paired_by(pd.DataFrame({"data": ["iris", "wine", "iris"], "fold": [0, 0, 1]}), ["data", "fold"])
    >>> two.texts, two.groups
    (('iris, fold 0', 'iris, fold 1', 'wine, fold 0'), ('iris', 'iris', 'wine'))
    """
    each = [labels(frame[column], legible(column), paired_by=True) for column in columns]
    if len(columns) == 1 and (numbers := _whole(each[0][1])) is not None:
        seeds, back = np.unique(numbers, return_inverse=True)
        return Paired(back[each[0][0]].astype(np.intp), seeds)
    ordered = [_in_order(codes, texts) for codes, texts in each]
    rows = np.stack([codes for codes, _ in ordered])
    distinct, place = np.unique(rows, axis=1, return_inverse=True)
    words = [
        [f"{legible(column)} {text}" if _whole([text]) is not None else text for text in texts]
        for column, (_, texts) in zip(columns, ordered, strict=True)
    ]
    texts = tuple(", ".join(words[k][code] for k, code in enumerate(pair)) for pair in distinct.T.tolist())
    groups: tuple[str, ...] = ()
    if len(columns) > 1 and len(np.unique(distinct[0])) < distinct.shape[1]:
        groups = tuple(words[0][code] for code in distinct[0].tolist())
    return Paired(place.reshape(-1).astype(np.intp), np.arange(distinct.shape[1], dtype=np.int64), texts, groups)


def _whole(texts: Sequence[str]) -> Ints | None:
    """Labels as whole numbers that a seed can be; None where one is none."""
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in texts):
        return None
    numbers = [int(text) for text in texts]
    return np.array(numbers, dtype=np.int64) if max(numbers, default=0) < _LARGEST_SEED else None


def _in_order(codes: Codes, texts: list[str]) -> tuple[Codes, list[str]]:
    """Labels that are all whole numbers in their order; others as they appear."""
    numbers = _whole(texts)
    if numbers is None:
        return codes, texts
    order = np.argsort(numbers, kind="stable")
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[codes], [texts[k] for k in order]
