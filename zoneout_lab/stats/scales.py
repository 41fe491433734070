"""The scale on which two arms are compared: differences as they are, of logs (ratios), or of log odds.

A ratio means the same for a norm of 1e-3 and one of 1e-12; a difference does not. What is said of it is said as a factor: the margin
1.05 on either of these scales is the difference log 1.05.

Zeros have no log. The rule, fixed before any data: a zero (and what underflows single precision, below 2⁻¹²⁶) counts as half the smallest
other value of the two arms, and on log odds a one likewise as much below one. It reads the two arms as one heap, so exchanging them within
a pair changes no value, and the sign-flip test stays exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Scale
from zoneout_lab.stats.signflip import FloatArray

#: single precision holds no smaller number in full
UNDERFLOW = 2.0**-126
#: the difference of two smaller numbers is finite, in percent too
LARGEST = 2.0**1000
#: below, quarters could be told from whole numbers: values that are all whole are counts, and exact
_COUNTED = 2.0**50


@dataclass(frozen=True, eq=False)
class Scaled:
    """Paired values of two arms on a scale, [n] each; ``replaced`` of them were zero (or one) and count as the rule says.

    ``sizes`` [n] are what rounding errors go by, as for :func:`~zoneout_lab.stats.signflip.sign_flip`.
    """

    arm: FloatArray
    against: FloatArray
    replaced: int
    sizes: FloatArray

    @property
    def differences(self) -> FloatArray:
        """arm − against [n]."""
        out: FloatArray = self.arm - self.against
        return out


def are_whole(values: FloatArray) -> bool:
    """True where all values are counts, whatever their unit: whole numbers small enough to be exact, and so are their differences.

    >>> are_whole(np.array([1e15, 3.0])), are_whole(np.array([1e15, 0.5])), are_whole(np.array([1e16]))
    (True, False, False)
    """
    return bool((np.abs(values) < _COUNTED).all() and (values == np.rint(values)).all())


def check_size(values: FloatArray, largest: float) -> None:
    """Raise InputRefusedError for finite values of ``largest`` and more, whose sums or squares are not."""
    most = float(np.abs(values).max(initial=0.0))
    if most >= largest:
        raise InputRefusedError(
            f"Values as large as {most:.3g} cannot be subtracted. Compare on the log scale, or divide them."
        )


def scaled(arm: npt.ArrayLike, against: npt.ArrayLike, scale: Scale = "linear") -> Scaled:
    """The paired values [n] of two arms, finite, on ``scale``.

    Raises InputRefusedError for values that the scale cannot hold: negative ones on ``log``, ones outside [0, 1] on ``logit``.

    >>> scaled([0.5, 0.0], [1.0, 0.25], "log").differences / np.log(2)  # the zero counts as 0.125
    array([-1., -1.])
    >>> round(float(scaled([0.2], [0.5], "logit").differences[0]), 4), round(math.log(0.25), 4)
    (-1.3863, -1.3863)
    """
    a, b = np.asarray(arm, np.float64), np.asarray(against, np.float64)
    if scale == "linear":
        sizes = np.maximum(np.abs(a), np.abs(b))
        check_size(sizes, LARGEST)
        return Scaled(a, b, 0, np.abs(a - b) if are_whole(a) and are_whole(b) else sizes)
    both = np.stack([a, b])
    if (both < 0).any():
        raise InputRefusedError(
            f"Values below zero have no {_NAME[scale]}: {both.min():g} is one. Compare on the linear scale."
        )
    if scale == "logit" and (both > 1).any():
        raise InputRefusedError(
            f"Only fractions have log odds, and {both.max():g} is above 1. Compare on the log scale, or the linear one."
        )
    if scale == "log":
        both, replaced = _replaced(both)
        values = np.log(both)
    else:
        # a one is to one as a zero is to zero
        rest, high = _replaced(1 - both, but=both < UNDERFLOW)
        both, low = _replaced(both, but=high)
        values, replaced = np.log(np.where(high, 1 - rest, both)) - np.log(np.where(low, 1 - both, rest)), low | high
    # the log of a value that is off by one unit in its last place is off by that unit, whatever its size
    return Scaled(values[0], values[1], int(replaced.sum()), np.maximum(1.0, np.abs(values).max(0)))


_NAME: dict[Scale, str] = {"linear": "difference", "log": "log", "logit": "log odds"}


def _replaced(values: FloatArray, but: npt.NDArray[np.bool_] | None = None) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Values with half the smallest that is not zero (nor among those left out) in the place of zeros, and where they were."""
    zero = values < UNDERFLOW
    others = values[~zero if but is None else ~zero & ~but]
    return np.where(zero, (others.min() if others.size else 0.5) / 2, values), zero


def margin_on(scale: Scale, margin: float) -> float:
    """A margin as declared, on ``scale``: itself, or the log of the factor it is; 0 and 1 both stand for no margin there.

    Raises InputRefusedError for what is not a margin.

    >>> margin_on("linear", 0.02), margin_on("log", 0.0), round(margin_on("log", 1.05), 4)
    (0.02, 0.0, 0.0488)
    >>> margin_on("log", 0.02)
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: On the log scale a margin is a factor of at least 1 (1.05 for five percent); got 0.02.
    """
    if scale == "linear":
        if not (math.isfinite(margin) and margin >= 0):
            raise InputRefusedError(f"A margin is a finite number of at least 0, in the metric's units; got {margin}.")
        return margin
    if margin == 0:
        return 0.0
    if not (math.isfinite(margin) and margin >= 1):
        raise InputRefusedError(
            f"On the {scale} scale a margin is a factor of at least 1 (1.05 for five percent); got {margin:g}."
        )
    return math.log(margin)


def named_or_own(scale: Scale | None, own: Scale, margin: float, metric: str) -> Scale:
    """The scale named, or the metric's ``own``; a margin has to say what it is on, where that is not the metric's units.

    Raises InputRefusedError where it does not.

    >>> named_or_own(None, "log", 0.0, "valid_ppl"), named_or_own("linear", "log", 0.5, "valid_ppl")
    ('log', 'linear')
    >>> named_or_own(None, "log", 1.5, "valid_ppl")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: valid_ppl is compared as a ratio unless another scale is named, and a margin of 1.5 could be either: scale="log" makes it a factor, scale="linear" a difference in the metric's units.
    """
    if scale is None and own != "linear" and margin:
        raise InputRefusedError(
            f"{metric} is compared as a ratio unless another scale is named, and a margin of {margin:g} could be either: "
            f'scale="{own}" makes it a factor, scale="linear" a difference in the metric\'s units.'
        )
    return scale or own


def back(scale: Scale, values: npt.ArrayLike) -> FloatArray:
    """Values on ``scale`` as they were measured: the inverse of the scale.

    >>> back("log", np.log([0.5, 2.0])), back("logit", [0.0])
    (array([0.5, 2. ]), array([0.5]))
    """
    values = np.asarray(values, np.float64)
    if scale == "linear":
        return values
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(values) if scale == "log" else 1 / (1 + np.exp(-values)))
