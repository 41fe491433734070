"""One claim on several tasks: sign flips within each task, and a verdict for these tasks together.

The differences d_ti of task t, at its seeds i = 1 … n_t, are counted from the margin θ that is tested and divided by their root mean square,

    z_ti = (d_ti − θ) / (n_t rms_t),    rms_t = √(Σ_i (d_ti − θ)² / n_t),    S = Σ_t Σ_i z_ti,

so that S adds up one number between −1 and 1 for each task, whatever its unit, its spread and its number of seeds. No flip of a sign changes a
root mean square. Under the null "in every task the differences are symmetric about θ" each of the 2^Σn_t flips is therefore as likely as any other, and
the test is as exact as that of one task. Every seed of every task is flipped by itself: runs of different tasks are independent of each other even
where they bear the same seed. Hypotheses of a family are flipped jointly, as in :mod:`~zoneout_lab.stats.joint`, a (task, seed) being what a seed is there.

What is said of all tasks differs between the two kinds of claim:

- **a difference** is claimed of the tasks *on average*: S, beyond a margin. In one of them it may be absent, or the other way round;
- **its absence** (within a margin, not below it, not above it) is claimed of *every* task, and tested in each by itself: the largest of their p values is that of
  the claim (the intersection–union test: Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982). An average near
  zero could hide two large differences of opposite sign.

Either way the claim is about these tasks and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import can_decide
from zoneout_lab.stats.families import Family, holm, holm_levels
from zoneout_lab.stats.joint import GREATER, LESS, TWO_SIDED, Sides, Tested, step_down
from zoneout_lab.stats.signflip import (
    ASSUMED_SIZE,
    ROUNDING,
    FloatArray,
    SignFlip,
    as_differences,
    check_alpha,
    sign_flip,
    slack_of,
)
from zoneout_lab.stats.verdict import MEANING, Claim, Finding, Verdict, resamples_for, wrong_sides

_Generator = Callable[[], np.random.Generator | None]


@dataclass(frozen=True)
class OverTasks:
    """The verdict on one claim over several tasks, with what it was read off.

    ``n`` are the paired seeds of each task. ``p`` tests "in every task the differences are symmetric about zero", two-sided; ``p_verdict`` is the smallest level with a
    verdict, ``p_adjusted`` that after the family's correction, to be compared with α; ``level`` is the α that the family left for this claim. ``weakest`` are
    the places of the tasks, with the largest p, on which a claim of absence hangs; none where the verdict is about the average. ``smallest_p`` is what so many seeds can reach, ``p_error`` the
    Monte-Carlo standard error of ``p`` where flips were sampled.
    """

    verdict: Verdict
    n: tuple[int, ...]
    level: float
    p: float
    p_verdict: float
    p_adjusted: float
    smallest_p: float
    method: str
    p_error: float
    weakest: tuple[int, ...] = ()


class _Found(NamedTuple):
    finding: Finding
    p: float
    tested: Tested
    weakest: tuple[int, ...]


class _Task(NamedTuple):
    """One task's differences of a claim, their sizes, and the keys of its seeds."""

    values: FloatArray
    sizes: npt.ArrayLike | None
    keys: tuple[int, ...]


def standardised(
    differences: npt.ArrayLike, shift: float = 0.0, sizes: npt.ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Differences [n] of a task from ``shift``, divided by n times their root mean square, and their sizes on that scale.

    Differences that rounding alone explains count as zero: they would otherwise be made as large as any.

    >>> standardised([3.0, 4.0, 5.0], shift=4.0)[0] * 3
    array([-1.22474487,  0.        ,  1.22474487])
    >>> standardised([0.3 - 0.2 - 0.1, 0.0], sizes=[0.3, 0.3])[0]
    array([0., 0.])
    """
    values = as_differences(differences)
    of = np.abs(values) * ASSUMED_SIZE if sizes is None else np.abs(np.asarray(sizes, dtype=np.float64))
    moved, slack = values - shift, slack_of(values, sizes) + ROUNDING * abs(shift)
    if not len(values) or (np.abs(moved) <= slack).all():
        return np.zeros(len(values)), np.zeros(len(values))
    largest = float(np.abs(moved).max())  # the square of an enormous number would not be finite
    unit = largest * float(np.sqrt(np.mean((moved / largest) ** 2)))
    return moved / unit / len(values), (np.maximum(of, np.abs(values)) + abs(shift)) / unit / len(values)


def decide_over_tasks(
    samples: Sequence[Sequence[npt.ArrayLike]],
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    seeds: Sequence[Sequence[Sequence[int]]] | None = None,
    sizes: Sequence[Sequence[npt.ArrayLike | None]] | None = None,
    family: Family = "joint",
    rng: np.random.Generator | None = None,
) -> tuple[OverTasks, ...]:
    """Verdicts on a family of claims over the same tasks, jointly at ``alpha``.

    Args:
        samples: paired differences [n] of each claim in each task. A margin is in their units, so with a margin they share a unit or are on a common scale.
        claims: one for each.
        seeds: the seed of each difference; without them the position is the seed.
        sizes: the larger of |a| and |b| of the values that were subtracted, as for :func:`~zoneout_lab.stats.signflip.sign_flip`.
        family: ``joint``, by flips of whole seeds, or ``holm``.
        rng: needed beyond 20 pairs over all tasks.

    A task without a pair leaves the claim underpowered: it is a claim about all of them.

    Raises InputRefusedError where samples, seeds, sizes and claims do not match.

    >>> errors, perplexities = [-0.02, -0.01, -0.03, -0.02], [-5.0, -1.0, -9.0]
    >>> over = decide_over_tasks([[errors, perplexities]], [Claim("lower")])[0]
    >>> over.verdict, over.p == 2 / 2**7
    ('supported', True)
    """
    check_alpha(alpha)
    if family not in get_args(Family):
        raise InputRefusedError(f"family is one of {', '.join(get_args(Family))}; got {family!r}.")
    tasks = _checked(samples, claims, seeds, sizes)
    start = None if rng is None else int(rng.integers(2**63))

    def generator() -> np.random.Generator | None:
        # each claim's flips are its own, so that its p does not depend on its place
        return None if start is None else np.random.default_rng(start)

    resamples = resamples_for(alpha / max(1, len(claims)))
    found = [_find(of, claim, generator, resamples) for of, claim in zip(tasks, claims, strict=True)]
    ps = [each.p for each in found]
    if family == "holm":
        adjusted, levels = holm(ps), holm_levels(ps, alpha)
    else:
        adjusted, levels = np.ones(len(claims)), np.full(len(claims), alpha)
        at = [k for k, of in enumerate(tasks) if _possible(of, claims[k], alpha)]
        adjusted[at], levels[at] = step_down([found[k].tested for k in at], alpha, generator())
    out = []
    for of, claim, each, level, p_adjusted in zip(tasks, claims, found, levels, adjusted, strict=True):
        flip = _flip(of, 0.0, generator(), resamples)
        verdict: Verdict = MEANING[claim.direction][each.finding] if each.p <= level else "inconclusive"
        out.append(
            OverTasks(
                verdict=verdict if _possible(of, claim, float(level)) else "underpowered",
                n=tuple(len(task.values) for task in of),
                level=float(level),
                p=flip.p(),
                p_verdict=each.p,
                p_adjusted=float(p_adjusted),
                smallest_p=flip.smallest_p,
                method=f"{flip.method} within tasks",
                p_error=flip.standard_error(flip.p()),
                weakest=each.weakest,
            )
        )
    return tuple(out)


def _checked(
    samples: Sequence[Sequence[npt.ArrayLike]],
    claims: Sequence[Claim],
    seeds: Sequence[Sequence[Sequence[int]]] | None,
    sizes: Sequence[Sequence[npt.ArrayLike | None]] | None,
) -> list[list[_Task]]:
    """Each claim's tasks, with one key for each task and seed."""
    count = {len(of) for of in samples}
    if len(samples) != len(claims) or len(count) > 1 or 0 in count:
        raise InputRefusedError(
            f"Each of {len(claims)} claims needs one vector of differences for each task, at least one."
        )
    vectors = [[as_differences(v) for v in of] for of in samples]
    ids = (
        [[tuple(range(len(v))) for v in of] for of in vectors]
        if seeds is None
        else [[tuple(i) for i in of] for of in seeds]
    )
    given = [[None] * len(of) for of in vectors] if sizes is None else sizes
    for of, its_ids, its_sizes in zip(vectors, ids, given, strict=True):
        if not len(of) == len(its_ids) == len(its_sizes):
            raise InputRefusedError(f"{len(of)} tasks need as many lists of seeds and sizes.")
        for vector, these in zip(of, its_ids, strict=True):
            if not len(set(these)) == len(these) == len(vector):
                raise InputRefusedError(f"{len(vector)} differences need as many seeds, each once; got {list(these)}.")
    pairs = sorted({(t, seed) for of in ids for t, these in enumerate(of) for seed in these})
    key = {pair: k for k, pair in enumerate(pairs)}
    return [
        [
            _Task(v, size, tuple(key[t, seed] for seed in these))
            for t, (v, these, size) in enumerate(zip(of, its_ids, its_sizes, strict=True))
        ]
        for of, its_ids, its_sizes in zip(vectors, ids, given, strict=True)
    ]


def _together(tasks: Sequence[_Task], shift: float) -> tuple[FloatArray, FloatArray]:
    parts = [standardised(task.values, shift, task.sizes) for task in tasks]
    return np.concatenate([z for z, _ in parts]), np.concatenate([sizes for _, sizes in parts])


def _flip(tasks: Sequence[_Task], shift: float, rng: np.random.Generator | None, resamples: int) -> SignFlip:
    z, sizes = _together(tasks, shift)
    return sign_flip(z, sizes=sizes, rng=rng, resamples=resamples)


def _find(tasks: Sequence[_Task], claim: Claim, generator: _Generator, resamples: int) -> _Found:
    """What the tasks say of a claim, and the smallest level at which they say so."""
    margin = claim.margin
    low, high = (
        (side * margin, either) for side, either in zip((-1.0, 1.0), wrong_sides(claim, "one-sided"), strict=True)
    )

    def average(finding: Finding, at: tuple[float, Sides], sides: Sides) -> _Found:
        shift, either = at
        z, sizes = _together(tasks, shift)
        keys = [key for task in tasks for key in task.keys]
        p = 1.0
        if can_decide(len(z), 1.0) and all(len(task.values) for task in tasks):
            flip = sign_flip(z, sizes=sizes, rng=generator(), resamples=resamples)
            p = min(1.0, flip.p(0.0, "less" if finding == "below" else "greater") * max(sides))
        return _Found(finding, p, Tested(z, keys, p, 0.0, sides, either, sizes), ())

    def every(finding: Finding, nulls: Sequence[tuple[tuple[float, Sides], Sides]]) -> _Found:
        """Each null rejected in each task; the p of the one that is hardest to reject."""
        harder, far = [], []
        for place, task in enumerate(tasks):
            flip = sign_flip(task.values, sizes=task.sizes, rng=generator(), resamples=resamples)
            for (shift, either), sides in nulls:
                p = flip.p(shift, "greater" if sides == GREATER else "less") if can_decide(flip.n, 1.0) else 1.0
                tested = Tested(task.values, task.keys, p, shift, sides, either, task.sizes)
                harder.append(_Found(finding, p, tested, (place,)))
                # of nulls that are all rejected with the smallest p there is, the hardest is the one that lies nearest
                far.append(abs(float(standardised(task.values, shift, task.sizes)[0].sum())))
        hardest = max(zip(harder, far, strict=True), key=lambda each: (each[0].p, -each[1]))[0]
        places = {each.weakest[0] for each in harder if each.p == hardest.p}
        return hardest._replace(weakest=tuple(sorted(places)))

    if claim.direction == "not lower":
        findings = [every("above", [(low, GREATER)]), average("below", low, LESS)]
    elif claim.direction == "not higher":
        findings = [every("below", [(high, LESS)]), average("above", high, GREATER)]
    else:
        findings = [average("below", low, TWO_SIDED), average("above", high, TWO_SIDED)]
        if margin > 0:
            findings.append(every("within", [(low, GREATER), (high, LESS)]))
    return min(findings, key=lambda each: each.p)


def _possible(tasks: Sequence[_Task], claim: Claim, level: float) -> bool:
    """True where so many seeds in each task could have led to a verdict at the level."""
    n = [len(task.values) for task in tasks]
    one_sided = claim.direction.startswith("not ")
    difference = min(n) > 0 and can_decide(sum(n), 2 * level if one_sided else level)
    return difference or (claim.margin > 0 and can_decide(min(n), 2 * level))
