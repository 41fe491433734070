"""Looking at the data more than once: a group-sequential sign-flip test, exact by its flips.

Testing at α after 10 seeds and again after 20 finds something where nothing is with probability .084. Instead, looks are declared, and a spending function
says how much of α may be spent by each (Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983).
With α₁ < α₂ < … = α so given, and p_j the p values of the family at a look, the level of the first look is the largest c₁ with

    #{g : min over j of p_j(g) ≤ c₁} ≤ α₁ 2ⁿ¹

over all flips g of its n₁ seeds. A flip of the n₂ seeds of the second look is also one of the first n₁, so the two looks' p values have a joint distribution,
and c₂ is the largest level with #{g : a p at the first look ≤ c₁, or min_j p_j(g) ≤ c₂} ≤ α₂ 2ⁿ²; and so on. No normal approximation is made.

At each look the family is stepped down as without looks: what is decided stays decided, and the levels of all looks are found again for those that
remain. That the chance of any false verdict is at most α is exact where all hypotheses are null, and otherwise shown by simulation
(``reports/calibration``), since levels of later looks need not grow strictly as hypotheses leave.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.families import Family, holm
from zoneout_lab.stats.joint import SeedFlips, Tested, Under, least_of_others, level_of, p_under, sign_flips
from zoneout_lab.stats.signflip import FloatArray, SignFlip, check_alpha, sign_flip
from zoneout_lab.stats.verdict import (
    Absence,
    Claim,
    Decision,
    Found,
    can_reach,
    checked_samples,
    decide,
    decision_of,
    finding_of,
    resamples_for,
)

#: how α is spent: late, as O'Brien and Fleming's boundaries do, or evenly, as Pocock's do
Spending = Literal["obrien-fleming", "pocock"]
Flags = npt.NDArray[np.bool_]

#: differences and sizes of each claim, in the order of its seeds, made of so many seeds alone
Anew = Callable[[Sequence[int]], tuple[Sequence[FloatArray], Sequence[FloatArray]]]


def spent(alpha: float, fraction: float, spending: Spending = "obrien-fleming") -> float:
    """The α that may be spent when so large a ``fraction`` of the planned seeds has been seen.

    2 (1 − Φ(z_{1−α/2} / √t)) for O'Brien and Fleming's type, α log(1 + (e − 1) t) for Pocock's. Raises InputRefusedError for what is no fraction.

    >>> [round(spent(0.05, t), 4) for t in (0.5, 1.0)], round(spent(0.05, 0.5, "pocock"), 4)
    ([0.0056, 0.05], 0.031)
    """
    check_alpha(alpha)
    if not 0 < fraction <= 1:
        raise InputRefusedError(f"A look has seen a fraction of the seeds above 0 and at most 1, got {fraction}.")
    if spending not in get_args(Spending):
        raise InputRefusedError(f"spending is one of {', '.join(get_args(Spending))}; got {spending!r}.")
    if fraction == 1:
        return alpha
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * fraction)
    return float(2 * special.ndtr(special.ndtri(alpha / 2) / math.sqrt(fraction)))


def decide_at_looks(
    samples: Sequence[npt.ArrayLike],
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    looks: Sequence[int],
    seeds: Sequence[Sequence[int]] | None = None,
    planned: Sequence[int] | None = None,
    sizes: Sequence[npt.ArrayLike | None] | None = None,
    anew: Anew | None = None,
    family: Family = "joint",
    absence: Absence = "one-sided",
    spending: Spending = "obrien-fleming",
    rng: np.random.Generator | None = None,
) -> tuple[Decision, ...]:
    """Verdicts on a family that is looked at after each of ``looks`` seeds, jointly at ``alpha`` over all looks.

    Each decision is that of the look at which it was made, or of the last look that was reached; it is read off the seeds of that look, and what
    came later is left out of it. Before the first look nothing is decided.

    Args:
        samples, claims, sizes, family, absence, rng: as for :func:`~zoneout_lab.stats.decide`.
        looks: numbers of seeds, rising; the last is the number planned.
        seeds: the seed of each difference, [n_i] for each claim.
        planned: the seeds in the order in which they were run, lost ones among them; by default those that occur, ascending.
        anew: makes the samples and sizes of a look of its seeds alone, where a difference depends on other seeds' values, as that of a zero on the log
            scale does: what a look found must not change when seeds are added. Without it they are the look's part of the whole.
        spending: how much of α the earlier looks may spend.

    Raises InputRefusedError for looks that do not rise, and as ``decide`` does.

    >>> better = [-0.5, -0.4, -0.6, -0.3, -0.7, -0.5, -0.2, -0.4, -0.3, -0.6]
    >>> decision = decide_at_looks([better], [Claim("lower")], looks=(10, 20))[0]
    >>> decision.verdict, decision.look, round(decision.spent, 4)  # p = .002
    ('supported', 1, 0.0056)
    """
    check_alpha(alpha)
    looks = tuple(looks)
    if not looks or any(a >= b for a, b in zip((0, *looks), looks, strict=False)):
        raise InputRefusedError(f"Looks are rising numbers of seeds, such as 10 and 20; got {list(looks)}.")
    vectors, ids, sizes = checked_samples(samples, claims, seeds, sizes)
    order = sorted({seed for each in ids for seed in each}) if planned is None else list(planned)
    if missing := {seed for each in ids for seed in each} - set(order):
        raise InputRefusedError(f"Seeds {sorted(missing)} are not among those planned.")
    reached = [n for n in looks if n <= len(order)]
    levels = [spent(alpha, n / looks[-1], spending) for n in looks]
    if not reached:
        early = decide(vectors, claims, levels[0], seeds=ids, sizes=sizes, family=family, absence=absence, rng=rng)
        return tuple(
            dataclasses.replace(d, verdict="inconclusive" if d.verdict != "underpowered" else d.verdict, spent=0.0)
            for d in early
        )
    start = None if rng is None else int(rng.integers(2**63))
    course = _Course(family, start)
    decisions: list[Decision | None] = [None] * len(claims)
    open_ = list(range(len(claims)))
    for look, (n, level) in enumerate(zip(reached, levels, strict=False), 1):
        values, parts = (vectors, sizes) if anew is None else _whole(anew(order[:n]), order[:n], ids)
        course.see(order[:n], level, values, ids, parts, claims, absence, resamples_for(alpha / max(1, len(claims))))
        for j, decision in course.test(open_, claims, absence).items():
            decisions[j] = dataclasses.replace(decision, look=look, spent=level)
        open_ = [j for j in open_ if not _closed(decisions[j])]
    return tuple(decision for decision in decisions if decision is not None)


def _whole(
    made: tuple[Sequence[FloatArray], Sequence[FloatArray]], some: Sequence[int], seeds: Sequence[Sequence[int]]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """What was made of ``some`` seeds in its places among all, which are NaN elsewhere."""
    out: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for found, into in zip(made, out, strict=True):
        for values, of in zip(found, seeds, strict=True):
            whole = np.full(len(of), np.nan)
            whole[np.isin(of, some)] = values
            into.append(whole)
    return out


def _closed(decision: Decision | None) -> bool:
    return decision is not None and decision.verdict not in ("inconclusive", "underpowered")


@dataclass(frozen=True, eq=False)
class _Look:
    """One look: its α, every flip of its seeds, and of each claim the sign flips, the finding and the p under every flip on its own sides and on either."""

    alpha: float
    flips: SeedFlips
    tests: list[SignFlip]
    found: list[Found]
    under: list[Under]


@dataclass(eq=False)
class _Course:
    """The looks so far."""

    family: Family
    start: int | None
    looks: list[_Look] = field(default_factory=list)

    def see(
        self,
        order: Sequence[int],
        alpha: float,
        vectors: Sequence[FloatArray],
        seeds: Sequence[Sequence[int]],
        sizes: Sequence[npt.ArrayLike | None],
        claims: Sequence[Claim],
        absence: Absence,
        resamples: int,
    ) -> None:
        """Add a look at the first seeds planned."""
        place = {seed: k for k, seed in enumerate(order)}
        at = [np.array([k for k, seed in enumerate(each) if seed in place], int) for each in seeds]
        ids = [[each[k] for k in some] for each, some in zip(seeds, at, strict=True)]
        values = [vector[some] for vector, some in zip(vectors, at, strict=True)]
        parts = [None if size is None else np.asarray(size)[some] for size, some in zip(sizes, at, strict=True)]
        rng = None if self.start is None else np.random.default_rng(self.start)
        tests = []
        for value, part in zip(values, parts, strict=True):
            own = None if self.start is None else np.random.default_rng(self.start)
            tests.append(sign_flip(value, sizes=part, rng=own, resamples=resamples))
        found = [finding_of(test, claim, absence) for test, claim in zip(tests, claims, strict=True)]
        flips = self._flips(sorted({seed for each in ids for seed in each}, key=place.__getitem__), rng)
        under = [
            p_under(Tested(value, of, each.p, each.shift, each.sides, each.either, part), flips)
            for value, of, each, part in zip(values, ids, found, parts, strict=True)
        ]
        self.looks.append(_Look(alpha, flips, tests, found, under))

    def _flips(self, seeds: list[int], rng: np.random.Generator | None) -> SeedFlips:
        """Every flip of the seeds, or sampled ones that go on where those of the look before ended."""
        before = self.looks[-1].flips if self.looks else None
        if before is None or before.drawn is None or rng is None:
            return sign_flips(seeds, rng)
        known, new = len(before.seeds), len(seeds) - len(before.seeds)
        # draws of their own: those of the first look are made from the same start
        fresh = np.frombuffer(rng.spawn(len(seeds))[-1].bytes(before.count * -(-new // 8)), np.uint8)
        parts = ((before.drawn, known), (fresh.reshape(before.count, -1), new))
        bits = np.concatenate([np.unpackbits(part, axis=1, count=n) for part, n in parts if n], 1)
        bits[0] = 0
        return SeedFlips(tuple(seeds), np.packbits(bits, axis=1))

    def test(self, claims_open: Sequence[int], claims: Sequence[Claim], absence: Absence) -> dict[int, Decision]:
        """Decisions on what is still open, at the last look."""
        now = self.looks[-1]
        own = list(claims_open)
        by_holm = holm([found.p for found in now.found])
        step = self._holm if self.family == "holm" else self._joint
        out: dict[int, Decision] = {}
        for j, (adjusted, level) in step(own).items():
            may = can_reach(now.tests[j].n, now.alpha if self.family == "joint" else level, claims[j], absence)
            out[j] = decision_of(
                now.tests[j], claims[j], now.found[j], may, level, adjusted, float(by_holm[j]), absence
            )
        return out

    def _joint(self, left: list[int]) -> dict[int, tuple[float, float]]:
        """Adjusted p and level of each by flips of whole seeds, as :func:`~zoneout_lab.stats.joint.step_down` goes, but without Bonferroni's floor: its
        boundaries and these could not be mixed from look to look."""
        return self._stepped(left, lambda some: self._boundary(some, 1.0))

    def _holm(self, left: list[int]) -> dict[int, tuple[float, float]]:
        """Adjusted p and level of each by itself, at what Holm's step-down leaves of the α of every look."""
        return self._stepped(left, lambda some: [self._boundary([j], len(some))[0] for j in some])

    def _stepped(
        self, left: list[int], boundaries: Callable[[list[int]], list[_Boundary]]
    ) -> dict[int, tuple[float, float]]:
        now, before, going = self.looks[-1], 0.0, True
        out: dict[int, tuple[float, float]] = {}
        while left:
            found = dict(zip(left, boundaries(left), strict=True))
            tried = {j: min(1.0, each.adjusted(now.found[j].p, now.under[j])) for j, each in found.items()}
            before = max(before, min(tried.values()))
            if going:
                going = before <= now.alpha
                # what is retained keeps the level at which the step-down stopped
                out |= {
                    j: (before, max(found[j].level, now.found[j].p if tried[j] <= now.alpha else 0.0))
                    for j in left
                    if tried[j] <= before or not going
                }
            out |= {j: (before, out[j][1]) for j in left if tried[j] <= before}
            left = [j for j in left if tried[j] > before]
        return out

    def _boundary(self, claims: list[int], parts: float) -> list[_Boundary]:
        """For an intersection of hypotheses at the last look, one for each of them."""
        out: list[_Boundary] = []
        least = [least_of_others([look.under[j] for j in claims]) for look in self.looks]
        for k in range(len(claims)):
            if k and all(each[k] is each[0] for each in least):
                out.append(out[0])
                continue
            crossed: Flags = np.zeros(least[0][k].size, bool)
            level = 0.0
            for at, look in enumerate(self.looks):
                if at:
                    before = self.looks[at - 1]
                    crossed = _carried(crossed | (least[at - 1][k] <= level), before.flips, look.flips)
                remaining, size = least[at][k][~crossed], crossed.size
                allowed = look.alpha / parts * size - np.count_nonzero(crossed)
                level = level_of(remaining, allowed, look.alpha)
            shown = level_of(np.ceil(remaining * size - 1e-6) / size, allowed, look.alpha)
            out.append(_Boundary(crossed, least[-1][k], shown, parts))
        return out


@dataclass(frozen=True, eq=False)
class _Boundary:
    """Which flips had crossed before the last look, their smallest p there, and the level there, at one of so many ``parts`` of α."""

    crossed: Flags
    least: FloatArray
    level: float
    parts: float

    def adjusted(self, p: float, under: Under) -> float:
        """The α that it would take to cross with ``p``, told apart from equal ones as under the flips."""
        counted = float(np.count_nonzero(self.crossed | (self.least <= under.own[0]))) / self.least.size
        return self.parts * max(counted, p)


def _carried(flags: Flags, past: SeedFlips, now: SeedFlips) -> Flags:
    """Flags of an earlier look's flips at the flips of a later one, whose first seeds are the earlier ones."""
    if past.drawn is not None:
        return flags  # the same draws, with more seeds
    if now.drawn is None:
        return np.tile(flags, now.count // past.count)  # the first seeds count fastest
    bits = np.unpackbits(now.drawn, axis=1, count=len(past.seeds))
    return np.asarray(flags[bits @ (1 << np.arange(len(past.seeds)))])
