"""The sign-flip test of paired differences, and the interval that is its inverse.

If arm and baseline were exchangeable but for a shift θ, each difference d_i − θ would be as likely with the other sign.
Flipping the signs of a set J lowers their sum by twice Σ_J (d_i − θ), so a flip reaches the observed sum or more exactly
where mean_J(d) ≤ θ. The list of the 2ⁿ − 1 subset means therefore answers every question asked here, at every θ:

    p_greater(θ) = (1 + #{J ≠ ∅ : mean_J(d) ≤ θ}) / 2ⁿ        p_less(θ) = (1 + #{J ≠ ∅ : mean_J(d) ≥ θ}) / 2ⁿ

and the θ that are not rejected lie between two of those means: the interval is exact, found without a search (Hartigan,
"Using subsample values as typical values", JASA 64, 1969).

Rounded scores tie often, but for errors in their last digits that subtraction, and before it single precision, have left. Each subset mean
therefore has a slack of its own, as large as the rounding errors of the values it was made from and no larger: where θ lies within it,
mean and θ are tied. One slack for all would let a single enormous difference hide all others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy  # its packages are loaded when they are used

from zoneout_lab.errors import InputRefusedError

Alternative = Literal["two-sided", "less", "greater"]
FloatArray = npt.NDArray[np.float64]

#: above this many differences the flips are sampled: 2²⁰ subset means are 8 MiB
EXACT_UP_TO = 20

#: flips that are sampled, unless a strict level asks for more, and the most that it can ask for: 16 MiB
RESAMPLES, MOST_RESAMPLES = 99_999, 2**20 - 1

#: what rounding may have changed of a value, as a share of it: sixteen units in the last place
ROUNDING = 2.0**-48

#: the same of a value that was computed in single precision, as most scores are; but no more than such a share of the largest difference, so that
#: differences that are all that small are still told apart
_SINGLE, _OF_LARGEST = 2.0**-22, 2.0**-10

#: the values that were subtracted, where they are not known, are taken for so many times as large as their difference
ASSUMED_SIZE = 16.0

#: beyond so many differences they are flipped in random batches: each flip of batches is a flip, and these are a group, so the test stays
#: valid (Hemerik & Goeman 2018), and a million differences take seconds
MOST_FLIPPED, BATCHES = 2000, 500

BLOCK = 2**20  # numbers of a block of sampled flips: 8 MiB, whatever the number of differences


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
    try:
        inside = bool(0 < alpha < 1)
    except (TypeError, ValueError):  # a text, an array
        raise InputRefusedError(f"A level α is a number between 0 and 1, got {alpha!r}.") from None
    if not inside:
        raise InputRefusedError(f"A level α must lie between 0 and 1, got {alpha}.")


def slack_of(differences: FloatArray, sizes: npt.ArrayLike | None = None) -> FloatArray:
    """How far rounding in double precision may have moved each difference [n], in its units.

    ``sizes`` [n] are the larger of |a| and |b| of the values that were subtracted. Raises InputRefusedError where they do not fit.

    >>> slack_of(np.array([0.5, 1e9]), sizes=[1.0, 1e9])
    array([3.55271368e-15, 3.55271368e-06])
    """
    if sizes is None:
        return ROUNDING * ASSUMED_SIZE * np.abs(differences)
    given = np.asarray(sizes, dtype=np.float64)
    if given.shape != differences.shape or not np.isfinite(given).all():
        raise InputRefusedError(
            f"Sizes are one finite number for each of the {len(differences)} differences; got shape {given.shape}."
        )
    return ROUNDING * np.maximum(np.abs(given), np.abs(differences))


def single_slack_of(
    differences: FloatArray, sizes: npt.ArrayLike | None = None, largest: float | None = None
) -> FloatArray:
    """How far rounding in single precision may have moved each difference [n], where the sizes of its values are known.

    For means that are held against one mark. Where many are ordered, it would tie each with the next and so all of them.

    Args:
        differences: [n].
        sizes: as for :func:`slack_of`.
        largest: the largest of the differences, where others are tested together with these.

    Raises InputRefusedError where sizes do not fit.

    >>> single_slack_of(np.array([0.5, 2.0]), sizes=[1.0, 1e9])  # the second: 2⁻¹⁰ of the largest
    array([2.38418579e-07, 1.95312500e-03])
    """
    slack = slack_of(differences, sizes)
    if sizes is None:
        return slack
    most = float(np.abs(differences).max(initial=0.0)) if largest is None else largest
    return np.maximum(slack, np.minimum(slack / ROUNDING * _SINGLE, _OF_LARGEST * most))


def ranks_of(values: FloatArray, slack: FloatArray) -> FloatArray:
    """Midranks of values [n]; those that differ from the lowest of a tie by no more than rounding explains are tied.

    >>> ranks_of(np.array([0.3, 0.1 + 0.2, 0.1]), np.full(3, 1e-15))
    array([2.5, 2.5, 1. ])
    """
    order = np.argsort(values, kind="stable")
    group, lowest, number = np.zeros(len(values)), -1, 0
    for place in order.tolist():
        # from the lowest, or a chain of near ones would tie all
        if lowest < 0 or values[place] - values[lowest] > slack[place] + slack[lowest]:
            lowest, number = place, number + 1
        group[place] = number
    ranks: FloatArray = scipy.stats.rankdata(group)
    return ranks


def tied(value: float, mark: float, slack: float) -> bool:
    """True where rounding, which may have moved ``value`` by ``slack``, explains that it is not ``mark``.

    >>> tied(0.3 - 0.2, 0.1, 1e-15), tied(0.1001, 0.1, 1e-15)
    (True, False)
    """
    return abs(value - mark) <= slack + ROUNDING * abs(mark)


@dataclass(frozen=True, eq=False)
class SignFlip:
    """The sign-flip distribution of ``n`` paired differences, ready for p-values and intervals at any shift and level.

    ``means`` [up to 2ⁿ − 1] are those of non-empty subsets and ``slack`` what rounding may have changed of each; ``always`` flips reach
    every threshold (the identity) out of ``total``. Made by :func:`sign_flip`, and of two independent samples by
    :func:`zoneout_lab.stats.two_samples.exchange`, which calls its ``test`` another name and says whether all were ``listed``.
    """

    n: int
    means: FloatArray
    slack: FloatArray
    always: int
    total: int
    test: str = "sign-flip"
    listed: bool | None = None

    @property
    def exact(self) -> bool:
        """True where every flip was enumerated, False where flips were sampled."""
        return self.n <= EXACT_UP_TO if self.listed is None else self.listed

    @property
    def method(self) -> str:
        """What to call the test.

        >>> sign_flip([1.0, 2.0]).method
        'exact sign-flip'
        >>> sign_flip([1.0] * 30, rng=np.random.default_rng(0)).method
        'sign-flip, 99,999 random flips'
        """
        if self.exact:
            return f"exact {self.test}"
        drawn = "flips" if self.listed is None else "permutations"
        batches = f" of {BATCHES} random batches" if self.listed is None and self.n > MOST_FLIPPED else ""
        return f"{self.test}, {self.total - 1:,} random {drawn}{batches}"

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
        tie = self.slack + ROUNDING * abs(shift)
        greater = self.always + int(np.count_nonzero(self.means - tie <= shift))
        less = self.always + int(np.count_nonzero(self.means + tie >= shift))
        if alternative == "greater":
            return greater / self.total
        if alternative == "less":
            return less / self.total
        return min(1.0, 2 * min(greater, less) / self.total)

    def standard_error(self, p: float) -> float:
        """Monte-Carlo standard error of a two-sided p of these flips: 2 √(q (1 − q) / flips) with q = p/2; 0 where all were enumerated.

        >>> sign_flip([1.0, 2.0]).standard_error(0.5)
        0.0
        """
        return 0.0 if self.exact else 2 * math.sqrt(p / 2 * (1 - p / 2) / (self.total - 1))

    def interval(self, alpha: float = 0.05, marks: Iterable[float] = (0.0,)) -> tuple[float, float]:
        """Every shift that the two-sided test does not reject at ``alpha``: an exact 1 − α interval, or (−∞, ∞).

        Covers the centre of symmetry with probability at least 1 − α whatever the distribution, provided it is
        symmetric. An end that is tied with one of ``marks`` is given as that mark, so that the interval leaves a mark out exactly where
        the test rejects it.

        >>> sign_flip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).interval(0.05)
        (1.0, 6.0)
        >>> sign_flip([1.0, 2.0, 3.0]).interval(0.05)
        (-inf, inf)
        """
        check_alpha(alpha)
        allowed = self._reaching(alpha) - self.always  # subset means a rejected shift may leave behind
        if allowed < 0 or not len(self.means):
            return (-math.inf, math.inf)
        low, high = self._end(allowed, marks, 1.0), -self._end(allowed, [-mark for mark in marks], -1.0)
        return (min(low, high), max(low, high))

    def _reaching(self, alpha: float) -> int:
        """The most flips on one side with 2 · flips / total ≤ α, by the division that :meth:`p` makes."""
        flips = math.floor(alpha / 2 * self.total)
        while 2 * (flips + 1) / self.total <= alpha:
            flips += 1
        while 2 * flips / self.total > alpha:
            flips -= 1
        return flips

    def _end(self, allowed: int, marks: Iterable[float], sign: float) -> float:
        """The lower end of ``sign`` times the differences."""
        least = sign * self.means - self.slack
        at = int(np.argpartition(least, allowed)[allowed])
        end = sign * float(self.means[at])
        # of several, the one that the test is least sure of
        return min((mark for mark in marks if tied(end, mark, float(self.slack[at]))), default=end)


def sign_flip(
    differences: npt.ArrayLike,
    *,
    sizes: npt.ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> SignFlip:
    """The sign-flip distribution of paired differences [n], in any units.

    Every flip is enumerated for n ≤ 20. Beyond, ``resamples`` flips are drawn from ``rng`` and the identity is added, which
    keeps the test valid at any number of resamples (Hemerik & Goeman, "Exact testing with random permutations", 2018).

    Args:
        differences: [n].
        sizes: the larger of |a| and |b| of the values that were subtracted, [n]. Their rounding errors decide what is tied; without them they are taken
            for sixteen times the differences.
        rng: needed for n > 20.
        resamples: flips to sample there.

    Raises InputRefusedError where the differences are not finite, or n > 20 and there is no ``rng``.

    >>> sign_flip([0.2, -0.1, 0.4]).p()
    0.5
    """
    values = as_differences(differences)
    n = len(values)
    # a power of two, so that the sum of enormous numbers stays finite and no digit changes
    unit = 2.0 ** max(0, math.frexp(float(np.abs(values).max(initial=0.0)))[1] - 900)
    columns = np.stack([values / unit, single_slack_of(values, sizes) / unit, np.ones(n)])
    if n <= EXACT_UP_TO:
        sums = np.zeros((3, 1))
        for column in columns.T:
            sums = np.concatenate([sums, sums + column[:, None]], 1)
        total = 2**n
    elif rng is None:
        raise InputRefusedError(f"{n} differences have too many sign flips to list: pass rng, a numpy Generator.")
    else:
        sums, total = _sampled(_in_batches(columns, rng), rng, resamples), resamples + 1
    some = sums[2] > 0
    means, slack = (unit * (sums[k, some] / sums[2, some]) for k in (0, 1))
    return SignFlip(n, means, slack, total - len(means), total)


def _in_batches(columns: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Columns [·, n] summed over random batches, where there are more of them than are flipped one by one."""
    n = columns.shape[1]
    if n <= MOST_FLIPPED:
        return columns
    out: FloatArray = np.add.reduceat(columns[:, rng.permutation(n)], np.arange(BATCHES) * n // BATCHES, axis=1)
    return out


def _sampled(columns: FloatArray, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Sums [·, resamples] of columns [·, n] over random subsets, with a block of the subsets in memory at a time."""
    n = columns.shape[1]
    width, rows = -(-n // 8), max(1, BLOCK // n)
    parts = []
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = np.frombuffer(rng.bytes(count * width), np.uint8).reshape(count, width)
        parts.append(columns @ np.unpackbits(drawn, axis=1, count=n).astype(np.float64).T)
    return np.concatenate(parts, 1)
