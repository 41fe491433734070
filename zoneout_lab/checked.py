"""Values that a person gives, made Python's own where they come from NumPy or torch, and numbers among them checked.

Without torch: a tensor is known by what it can do, so that results can be read where torch is not loaded.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoneout_lab.errors import InputRefusedError, shown


def plain(value: Any) -> Any:
    """A value as Python's own: a scalar or an array without dimensions as a number, truth value or text, other arrays as lists.

    Mappings, lists and tuples are gone through. Anything else is returned as it is. Raises InputRefusedError for an array with masked values, which
    Python has no number for.

    >>> plain({"lr": np.float64(0.5), "permute": np.bool_(True), "epochs": np.arange(2)})
    {'lr': 0.5, 'permute': True, 'epochs': [0, 1]}
    """
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    array = _array(value)
    return value if array is None else array.tolist()


def rate(value: Any, what: str) -> float:
    """A probability, checked.

    >>> rate(1.5, "zoneout's cell rate")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: zoneout's cell rate is 1.5; it is a probability and must lie in [0, 1].
    """
    number = _number(value)
    if not 0 <= number <= 1:
        raise InputRefusedError(f"{what} is {value}; it is a probability and must lie in [0, 1].")
    return number


def rates(value: Any, what: str) -> float | tuple[float, ...]:
    """A probability, or a sequence of them as a tuple: one for each unit, or the first and the last unit's.

    >>> rates([0, 0.5], "z"), rates(np.linspace(0, 1, 3), "z")
    ((0.0, 0.5), (0.0, 0.5, 1.0))
    """
    array = _array(value)
    if array is not None and array.ndim > 1:
        raise InputRefusedError(
            f"{what} has shape {list(array.shape)}; give one number, or a sequence with one for each unit."
        )
    if array is not None and array.ndim == 1:
        value = list(array)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if len(value) < 2:
            raise InputRefusedError(
                f"{what} is {value}; give one number, or at least two: the first and the last unit's."
            )
        return tuple(rate(each, what) for each in value)
    return rate(value, what)


def strength(value: Any, what: str) -> float:
    """A finite number of at least 0, checked.

    >>> strength(-1, "the norm stabilizer's beta")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: the norm stabilizer's beta is -1; it must be a finite number of at least 0.
    """
    number = _number(value)
    if not 0 <= number < math.inf:
        raise InputRefusedError(f"{what} is {value}; it must be a finite number of at least 0.")
    return number


def above_zero(value: Any, what: str) -> float:
    """A finite number above 0, checked.

    >>> above_zero(0, "the size")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: the size is 0; it must be a finite number above 0.
    """
    number = math.nan if isinstance(value, str | bytes) else _number(value)
    if not 0 < number < math.inf:
        raise InputRefusedError(f"{what} is {value}; it must be a finite number above 0.")
    return number


def whole(value: Any, what: str, least: int | None = None) -> int:
    """A whole number, checked: Python's, NumPy's, or a tensor's without dimensions.

    >>> whole(np.int64(3), "steps", 1)
    3
    >>> whole(2.0, "steps", 1)
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: steps is 2.0; it must be a whole number of at least 1.
    """
    try:
        number = None if _is_truth(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise InputRefusedError(f"{what} is {shown(value)}; it must be a whole number{bound}.")
    return number


def _number(value: Any) -> float:
    """A value as a float, NaN if it is not a number: a truth value, an array, a word, a complex number."""
    array = _array(value)
    if _is_truth(value) or (array is not None and (array.ndim > 0 or array.dtype.kind not in "iufO")):
        return math.nan
    try:
        # what is trained would warn as a tensor
        return float(value if array is None else array)
    except (TypeError, ValueError):
        return math.nan


def _is_truth(value: Any) -> bool:
    array = _array(value)
    return isinstance(value, bool) or (array is not None and array.dtype == bool)


def _array(value: Any) -> np.ndarray | None:
    """A value of NumPy's or torch's as an array; None for any other, and for what Python has no number for: times, a tensor without any in memory."""
    if not hasattr(value, "__array__"):
        return None
    if np.ma.is_masked(value):
        raise InputRefusedError(
            f"{shown(value)} is masked: it stands for no number. Give the number, or NaN where there is none."
        )
    try:
        if hasattr(
            value, "detach"
        ):  # a tensor: NumPy has no bfloat16, and reads only what lies in main memory without a gradient
            value = value.detach().cpu()
            value = value.double() if value.is_floating_point() else value
        array = np.asarray(value)
    except (TypeError, RuntimeError, ValueError, NotImplementedError):  # on the device meta, or sparse
        return None
    if array.dtype.kind in "mM":  # of which NumPy makes integers, if they are in nanoseconds
        return None
    return array.astype(np.float64) if array.dtype == np.longdouble else array
