"""The exact sign-flip test of paired differences, and the interval that is its inverse.

If arm and baseline were exchangeable but for a shift θ, each difference d_i − θ would be as likely with the other sign.
Flipping the signs of a set J lowers their sum by twice Σ_J (d_i − θ), so a flip reaches the observed sum or more exactly
where mean_J(d) ≤ θ. One sorted list of the 2ⁿ − 1 subset means therefore answers every question asked here, at every θ:

    p_greater(θ) = (1 + #{J ≠ ∅ : mean_J(d) ≤ θ}) / 2ⁿ        p_less(θ) = (1 + #{J ≠ ∅ : mean_J(d) ≥ θ}) / 2ⁿ

and the θ that are not rejected lie between two of those means: the interval is exact, found without a search (Hartigan,
"Using subsample values as typical values", JASA 64, 1969).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError

Alternative = Literal["two-sided", "less", "greater"]
FloatArray = npt.NDArray[np.float64]

#: above this many differences the flips are sampled: 2²⁰ subset means are 8 MiB
EXACT_UP_TO = 20

#: means nearer than this, relative to the largest number involved, count as tied: differences of rounded scores tie often,
#: and the subtraction that made them leaves errors in their last digits
_TIE = 1e-9


def as_differences(differences: npt.ArrayLike) -> FloatArray:
    """Paired differences [n] as float64; InputRefusedError where they are not one finite vector.

    >>> as_differences([1, 2])
    array([1., 2.])
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise InputRefusedError(f"Paired differences are one number per seed; these have shape {values.shape}.")
    if not np.isfinite(values).all():
        raise InputRefusedError("Paired differences must be finite: leave out the seeds that were not measured.")
    return values


def check_alpha(alpha: float) -> None:
    """Refuse a level outside (0, 1)."""
    if not 0 < alpha < 1:
        raise InputRefusedError(f"A level α lies between 0 and 1; {alpha} does not.")


@dataclass(frozen=True, eq=False)
class SignFlip:
    """The sign-flip distribution of ``n`` paired differences, ready for p-values and intervals at any shift and level.

    ``means`` [up to 2ⁿ − 1] are the sorted means of non-empty subsets; ``always`` flips reach every threshold (the
    identity) out of ``total``. Made by :func:`sign_flip`.
    """

    n: int
    means: FloatArray
    always: int
    total: int
    scale: float

    @property
    def exact(self) -> bool:
        """Whether every flip was enumerated, rather than sampled."""
        return self.n <= EXACT_UP_TO

    @property
    def smallest_p(self) -> float:
        """The smallest two-sided p any data could have reached with these flips: 2/2ⁿ where they are enumerated."""
        return min(1.0, 2 / self.total)

    def p(self, shift: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """p-value of the null "the differences are symmetric about ``shift``" (in the differences' units).

        ``greater`` is small where the differences lie above the shift, ``less`` where they lie below it; two-sided is
        twice the smaller, at most 1.

        >>> sign_flip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).p()
        0.03125
        >>> sign_flip([1.0, 2.0, 3.0]).p(shift=1.5, alternative="greater")
        0.375
        """
        tie = _TIE * (self.scale + abs(shift))
        greater = self.always + int(np.searchsorted(self.means, shift + tie, side="right"))
        less = self.always + len(self.means) - int(np.searchsorted(self.means, shift - tie, side="left"))
        if alternative == "greater":
            return greater / self.total
        if alternative == "less":
            return less / self.total
        return min(1.0, 2 * min(greater, less) / self.total)

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Every shift that the two-sided test does not reject at ``alpha``: an exact 1 − α interval, or (−∞, ∞).

        Covers the centre of symmetry with probability at least 1 − α whatever the distribution, provided it is
        symmetric.

        >>> sign_flip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).interval(0.05)
        (1.0, 6.0)
        >>> sign_flip([1.0, 2.0, 3.0]).interval(0.05)
        (-inf, inf)
        """
        check_alpha(alpha)
        allowed = math.floor(alpha / 2 * self.total) - self.always  # subset means a rejected shift may leave behind
        if allowed < 0 or not len(self.means):
            return (-math.inf, math.inf)
        return (float(self.means[allowed]), float(self.means[-1 - allowed]))


def sign_flip(
    differences: npt.ArrayLike, *, rng: np.random.Generator | None = None, resamples: int = 99_999
) -> SignFlip:
    """The sign-flip distribution of paired differences [n], in any units.

    Every flip is enumerated for n ≤ 20. Beyond, ``resamples`` flips are drawn from ``rng`` and the identity is added, which
    keeps the test valid at any number of resamples (Hemerik & Goeman, "Exact testing with random permutations", 2018).
    Raises InputRefusedError where the differences are not finite, or n > 20 and there is no ``rng``.

    >>> sign_flip([0.2, -0.1, 0.4]).p()
    0.5
    """
    values = as_differences(differences)
    n = len(values)
    scale = float(np.abs(values).max(initial=0.0))
    if n <= EXACT_UP_TO:
        sums, sizes = np.zeros(1), np.zeros(1)
        for value in values:
            sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
        return SignFlip(n, np.sort(sums[1:] / sizes[1:]), 1, 2**n, scale)
    if rng is None:
        raise InputRefusedError(f"{n} differences have too many sign flips to list: pass rng, a numpy Generator.")
    subsets = (rng.random((resamples, n)) < 0.5).astype(np.float64)
    sizes = subsets.sum(1)
    some = sizes > 0
    means = np.sort((subsets @ values)[some] / sizes[some])
    return SignFlip(n, means, 1 + int((~some).sum()), resamples + 1, scale)
