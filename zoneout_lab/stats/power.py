"""How likely a design is to reach the verdict that is true, by simulating the test that will be used on normal paired differences.

Everything is in units of the standard deviation of a claim's paired differences. The whole family is simulated, since its correction leaves a hypothesis
more where others are decided too. The t test's formulas are not used: below ten seeds they promise .80 where the sign-flip test has .55 to .77.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import MINIMUM_SEEDS, seeds_needed
from zoneout_lab.stats.families import Family
from zoneout_lab.stats.many import decided, signs_for
from zoneout_lab.stats.signflip import FloatArray, check_alpha
from zoneout_lab.stats.verdict import VERDICTS, Absence, Claim, Direction, Verdict

#: more seeds than this nobody is told to run
MOST_SEEDS = 100
#: the power that "detectable" and "seeds for" mean
TARGET = 0.8


def true_verdict(claim: Claim, effect: float) -> Verdict | None:
    """The verdict that is right where the differences are centred on ``effect``; None at a boundary, where verdicts border on each other and none counts as right.

    >>> (
    ...     true_verdict(Claim("lower", 1.0), -2.0),
    ...     true_verdict(Claim("lower", 1.0), 0.5),
    ...     true_verdict(Claim("lower"), 0.0),
    ... )
    ('supported', 'equivalent', None)
    """
    low, high = effect < -claim.margin, effect > claim.margin
    if claim.direction == "not lower":
        return "contradicted" if low else "supported" if effect > -claim.margin else None
    if claim.direction == "not higher":
        return "contradicted" if high else "supported" if effect < claim.margin else None
    if abs(effect) == claim.margin:
        return None
    if claim.direction == "same":
        return "contradicted" if low or high else "supported"
    if not (low or high):
        return "equivalent"
    return "supported" if low == (claim.direction == "lower") else "contradicted"


@dataclass(frozen=True, eq=False)
class Design:
    """A family as it will be tested: claims with margins in sd of their differences, and the ``correlation`` [m, m] between their differences.

    ``samples`` of each number of seeds are simulated from ``seed``, so one design always has the same power; its Monte-Carlo error is at most
    .5/√samples. Raises InputRefusedError for a correlation that does not fit.

    >>> design = Design((Claim("lower"), Claim("lower")), np.array([[1.0, 0.5], [0.5, 1.0]]))
    >>> bool(design.powers(8, [-1.5, -1.5])[0] > 0.8)
    True
    """

    claims: tuple[Claim, ...]
    correlation: FloatArray
    alpha: float = 0.05
    family: Family = "joint"
    absence: Absence = "one-sided"
    samples: int = 1000
    seed: int = 0
    _drawn: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        m = len(self.claims)
        if self.correlation.shape != (m, m) or not np.allclose(np.diag(self.correlation), 1):
            raise InputRefusedError(
                f"{m} claims need a correlation matrix of {m} × {m} with ones on its diagonal; got {self.correlation.shape}."
            )

    def powers(self, n: int, effects: Sequence[float], claims: Sequence[Claim] | None = None) -> FloatArray:
        """Chance [m] that ``n`` seeds give each claim the verdict that is true at its effect [m]; 0 at a boundary.

        ``claims`` stand in for the design's, with other margins.
        """
        claims = self.claims if claims is None else claims
        right = [true_verdict(claim, effect) for claim, effect in zip(claims, effects, strict=True)]
        if n < MINIMUM_SEEDS:
            return np.zeros(len(claims))
        errors, drift = self._sums(n)
        sums = [each + effect * drift for each, effect in zip(errors, effects, strict=True)]
        verdicts = decided(sums, drift, n, claims, self.alpha, self.family, self.absence)
        return np.array(
            [0.0 if r is None else float((verdicts[:, j] == VERDICTS.index(r)).mean()) for j, r in enumerate(right)]
        )

    def detectable(self, n: int, j: int | None = None) -> FloatArray:
        """The smallest effects [m] in sd, beyond the margin, with which claims are supported with probability .8; ∞ for more than 10 sd.

        All claims have effects of one size, or only claim ``j`` has one, which gives less power. A claim of absence has no effect but a margin of
        that size. Other claims' margins are left out: what lies beyond a margin is found as what lies beyond zero is.
        """
        m = len(self.claims)

        def at(size: float) -> FloatArray:
            sizes = [size if j in (None, k) else 0.0 for k in range(m)]
            claims = [
                Claim(c.direction, max(s, 1e-9) if c.of_absence else 0.0)
                for c, s in zip(self.claims, sizes, strict=True)
            ]
            effects = [_SIDE[c.direction] * s for c, s in zip(self.claims, sizes, strict=True)]
            return self.powers(n, effects, claims)

        return _least(at, range(m) if j is None else [j], m)

    def seeds_for(self, effects: Sequence[float]) -> tuple[int | None, ...]:
        """Fewest seeds with which each claim gets the verdict that is true at its effect with probability .8; None for more than 100."""
        known: dict[int, FloatArray] = {}

        def at(n: int, j: int) -> float:
            if n not in known:
                known[n] = self.powers(n, effects)
            return float(known[n][j])

        return tuple(
            None if true_verdict(claim, effect) is None else _fewest(functools.partial(at, j=j), MINIMUM_SEEDS)
            for j, (claim, effect) in enumerate(zip(self.claims, effects, strict=True))
        )

    def spare(self, n: int) -> int:
        """How many of ``n`` seeds may be lost before no verdict is possible; negative where it is not possible with all of them.

        >>> Design((Claim("lower"),), np.eye(1)).spare(10)
        4
        """
        return n - seeds_needed(self.alpha, len(self.claims) if self.family == "holm" else 1)

    def _sums(self, n: int) -> tuple[FloatArray, FloatArray]:
        """Flips' sums [m, samples, flips] of ``n`` differences without an effect, and of their signs [flips]."""
        if n not in self._drawn:
            rng = np.random.default_rng([self.seed, n])
            values, vectors = np.linalg.eigh(self.correlation)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            errors = np.einsum("ij,jsn->isn", root, rng.standard_normal((len(self.claims), self.samples, n)))
            signs = signs_for(n, rng)
            self._drawn.clear()  # one is large
            self._drawn[n] = errors @ signs.T, signs.sum(1)
        return self._drawn[n]


_SIDE: dict[Direction, float] = {"lower": -1.0, "higher": 1.0, "same": 0.0, "not lower": 0.0, "not higher": 0.0}


def _least(powers: Callable[[float], FloatArray], wanted: Iterable[int], m: int, target: float = TARGET) -> FloatArray:
    """Where each of the rising powers [m] that are ``wanted`` reaches the target, between 0 and 10, to four percent; NaN for the others."""
    known: dict[float, FloatArray] = {}

    def at(size: float, k: int) -> float:
        if size not in known:
            known[size] = powers(size)
        return float(known[size][k])

    found = np.full(m, np.nan)
    for k in wanted:
        low, high = 0.0, 1.25
        while high < 10 and at(high, k) < target:
            low, high = high, 2 * high
        if at(high, k) < target:
            found[k] = math.inf
            continue
        while high - low > 0.04 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if at(middle, k) >= target else (middle, high)
        found[k] = high
    return found


def _fewest(power: Callable[[int], float], low: int, target: float = TARGET) -> int | None:
    """The smallest number of seeds, at least ``low``, at which a power that rises with it reaches the target."""
    high = low
    while power(high) < target:
        if high == MOST_SEEDS:
            return None
        low, high = high + 1, min(MOST_SEEDS, math.ceil(1.5 * high))
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= target else (middle + 1, high)
    return low


def chance(n: int, effect: float, claim: Claim, level: float) -> float:
    """Chance that ``n`` seeds give a single claim, tested at ``level``, the verdict that is true at ``effect``.

    Effect and margin are in sd of the paired differences, which are taken to be normal.

    >>> chance(10, -1.0, Claim("lower"), 0.05)  # the t test's formula says .80
    0.784
    """
    check_alpha(level)
    if n < MINIMUM_SEEDS or not math.isfinite(effect):
        return 0.0
    design = replace(_alone(n), claims=(claim,), alpha=level)
    design._drawn.update(_alone(n)._drawn)
    return float(design.powers(n, [effect])[0])


@functools.lru_cache(maxsize=64)
def _alone(n: int) -> Design:
    design = Design((Claim("lower"),), np.eye(1), samples=500)
    design._sums(n)
    return design


def seeds_to_decide(n: int, effect: float, claim: Claim, level: float) -> int | None:
    """About how many seeds, more than ``n``, would decide a claim that ``n`` left open, with probability .8, were the effect seen the true one.

    Effect and margin are in sd of the paired differences; ``level`` is the one used. None where 100 seeds are not enough. The effect seen
    is itself uncertain, and so is this number.

    >>> seeds_to_decide(8, -0.7, Claim("lower"), 0.05), seeds_to_decide(8, 0.01, Claim("lower"), 0.05)
    (19, None)
    """
    if true_verdict(claim, effect) is None or not math.isfinite(effect):
        return None
    return _fewest(lambda count: chance(count, effect, claim, level), max(n + 1, MINIMUM_SEEDS))


def upper_sd(sd: float, n: int, confidence: float = 0.8) -> float:
    """The upper confidence limit of a standard deviation seen on ``n`` normal values: sd √((n − 1) / χ²₁₋c,ₙ₋₁).

    A pilot's own sd is too small more often than not, and power computed from it is promised too often (Browne, Statistics in Medicine 14, 1995).

    >>> round(upper_sd(1.0, 10), 3)
    1.293
    """
    if n < 2:
        raise InputRefusedError(f"A standard deviation needs at least two values, got {n}.")
    return sd * math.sqrt((n - 1) / (2 * special.gammaincinv((n - 1) / 2, 1 - confidence)))


def shared_baseline(pairs: Sequence[tuple[str, str]], metrics: Sequence[str]) -> FloatArray:
    """Correlation [m, m] of the differences of pairs of arms where nothing is known: arms vary alike and independently over seeds.

    Two arms against one baseline then correlate at .5. Differences in two metrics have half the correlation that they would have in one.

    >>> shared_baseline([("a", "base"), ("b", "base"), ("base", "a")], ["error"] * 3)
    array([[ 1. ,  0.5, -1. ],
           [ 0.5,  1. , -0.5],
           [-1. , -0.5,  1. ]])
    """
    arms = sorted({arm for pair in pairs for arm in pair})
    loads = np.zeros((len(pairs), len(arms)))
    for row, (arm, against) in zip(loads, pairs, strict=True):
        row[arms.index(arm)], row[arms.index(against)] = 1, -1
    same: npt.NDArray[np.bool_] = np.array(metrics)[:, None] == np.array(metrics)[None, :]
    return np.asarray(loads @ loads.T / 2 * np.where(same, 1.0, 0.5))
