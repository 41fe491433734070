"""What a study's hypotheses can be expected to come to, before it is run: power by simulating the test that will be used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Values
from zoneout_lab.results.comparison import Question, with_directions
from zoneout_lab.results.numbers import number
from zoneout_lab.results.pairing import Pairs, pairs
from zoneout_lab.results.scalars import scalar
from zoneout_lab.results.shown import unit_of

#: correlations of fewer pairs say less than that the arms share a baseline
_PAIRS_FOR_CORRELATION = 6


@dataclass(frozen=True)
class Prospect:
    """What ``seeds`` seeds can be expected to show of one hypothesis, as part of its family.

    Without a pilot all sizes are in standard deviations of the paired differences, ``sd`` is 1, and ``effect`` is assumed: a difference of one sd beyond the
    margin, or for a claim of absence none, with a margin of one sd. With one (``pilot`` is its number of pairs), they are on ``scale`` in ``units``
    (logs, on ``log`` and ``logit``), ``sd`` is the upper limit of 80% confidence of the pilot's, and ``effect`` the difference that it saw, or none for a claim of absence.

    ``power`` is the chance of the verdict that is true at that effect, and ``enough`` how many seeds would make it .8 (None: more than 100). ``smallest``
    is the difference (for a claim of absence the margin) with which the claim is supported with probability .8 where all hypotheses have one as large in sd,
    ``smallest_alone`` where no other has any; ∞ where no difference would do. ``spare`` seeds may be lost before no verdict is possible.
    """

    question: Question
    pilot: int
    units: str
    scale: str
    seeds: int
    sd: float
    margin: float
    effect: float
    power: float
    enough: int | None
    smallest: float
    smallest_alone: float
    spare: int

    def in_words(self, value: float) -> str:
        """A difference of this hypothesis as a reader is given it.

        >>> prospect = Prospect(Question("a", "b", "valid_error"), 0, "", "linear", 8, 1, 0, -1, 0.5, 12, 1.4, 1.6, 2)
        >>> prospect.in_words(-1.5), prospect.in_words(math.inf)
        ('−1.50 sd', 'none')
        """
        if math.isinf(value):
            return "none"
        if not self.pilot:
            return f"{number(value)} sd"
        if self.scale != "linear":
            return f"× {number(math.exp(value) if value < 700 else math.inf)}"
        factor, unit = unit_of(self.question.metric, self.units)
        return f"{number(factor * value)} {unit}".rstrip()


def prospects(
    questions: Sequence[Question],
    seeds: int,
    alpha: float = 0.05,
    *,
    correction: stats.Family = "joint",
    absence: stats.Absence = "one-sided",
    pilot: xr.DataTree | None = None,
    samples: int = 500,
) -> tuple[Prospect, ...]:
    """What ``seeds`` seeds can be expected to show of each of a family's questions; ``pilot`` holds results of the same arms.

    The paired differences are taken to be normal. Their correlations are the pilot's where it has six pairs of everything, and otherwise those of arms that
    vary alike and independently: two against one baseline correlate at .5. Raises InputRefusedError where the pilot has too few pairs to know a spread,
    and as :func:`~zoneout_lab.results.compare` does.

    >>> one, other = prospects([Question("a", "base", "valid_error"), Question("b", "base", "valid_error")], 8)
    >>> one.spare, one.enough > 8, abs(one.smallest) <= abs(one.smallest_alone)
    (2, True, True)
    """
    if pilot is not None:
        questions = with_directions(questions, {q.metric: scalar(pilot, q.metric) for q in questions})
    paired = None if pilot is None else [pairs(pilot, q.arm, q.against, q.metric, q.scale) for q in questions]
    if paired is None:
        spreads, bounds = [1.0] * len(questions), [0.0] * len(questions)
        design = usual_design(questions, alpha, correction=correction, absence=absence, samples=samples)
        claims = design.claims
        effects = [0.0 if c.of_absence else -1.0 if c.direction == "lower" else 1.0 for c in claims]
    else:
        spreads = [_spread(pair) for pair in paired]
        bounds = [stats.margin_on(pair.scale, q.margin) for pair, q in zip(paired, questions, strict=True)]
        claims = tuple(
            stats.Claim(q.direction or "lower", b / sd) for q, b, sd in zip(questions, bounds, spreads, strict=True)
        )
        effects = [
            0.0 if claim.of_absence else float(pair.differences.mean()) / sd
            for claim, pair, sd in zip(claims, paired, spreads, strict=True)
        ]
        design = stats.Design(claims, _correlation(questions, paired), alpha, correction, absence, samples)
    powers, enough, together = design.powers(seeds, effects), design.seeds_for(effects), design.detectable(seeds)
    alone = _alone(design, seeds, together)
    out = []
    for j, (question, claim) in enumerate(zip(questions, claims, strict=True)):
        side = -1.0 if claim.direction == "lower" else 1.0
        beyond = 0.0 if claim.of_absence else bounds[j]
        out.append(
            Prospect(
                question=question,
                pilot=len(paired[j].seeds) if paired else 0,
                units=paired[j].units if paired else "",
                scale=paired[j].scale if paired else question.scale or "linear",
                seeds=seeds,
                sd=spreads[j],
                margin=bounds[j],
                effect=effects[j] * spreads[j],
                power=float(powers[j]),
                enough=enough[j],
                smallest=side * (beyond + float(together[j]) * spreads[j]),
                smallest_alone=side * (beyond + float(alone[j]) * spreads[j]),
                spare=design.spare(seeds),
            )
        )
    return tuple(out)


def usual_design(
    questions: Sequence[Question],
    alpha: float = 0.05,
    *,
    correction: stats.Family = "joint",
    absence: stats.Absence = "one-sided",
    samples: int = 500,
) -> stats.Design:
    """The family as it will be tested where nothing is known but its arms: margins of one sd where absence is claimed, otherwise none."""
    claims = tuple(
        stats.Claim(q.direction or "lower", 1.0 if stats.needs_margin(q.direction) else 0.0) for q in questions
    )
    return stats.Design(claims, _correlation(questions), alpha, correction, absence, samples)


def _alone(design: stats.Design, seeds: int, together: Values) -> list[float]:
    """The smallest effects where no other hypothesis has one; claims that are correlated alike have the same."""
    if len(design.claims) == 1:
        return [float(together[0])]
    known: dict[tuple[str, bytes], float] = {}
    out = []
    for j, claim in enumerate(design.claims):
        kind = claim.direction if claim.of_absence else "direction"
        key = kind, np.sort(np.abs(design.correlation[j].round(6))).tobytes()
        if key not in known:
            known[key] = float(design.detectable(seeds, j)[j])
        out.append(known[key])
    return out


def _spread(pair: Pairs) -> float:
    n = len(pair.seeds)
    sd = float(pair.differences.std(ddof=1)) if n > 1 else math.nan
    if not sd > 0:
        raise InputRefusedError(
            f"The pilot cannot say how much {pair.metric} of {pair.arm} − {pair.against} varies: it has {n} pair{'s' * (n != 1)}"
            + (", all with the same difference." if n > 1 else ". It takes at least two seeds of both arms.")
        )
    return stats.upper_sd(sd, n)


def _correlation(questions: Sequence[Question], paired: Sequence[Pairs] | None = None) -> Values:
    assumed = stats.shared_baseline([(q.arm, q.against) for q in questions], [q.metric for q in questions])
    if paired is None or len(paired) < 2:
        return assumed
    common = sorted(set.intersection(*(set(pair.seeds) for pair in paired)))
    if len(common) < _PAIRS_FOR_CORRELATION:
        return assumed
    table = [pair.differences[np.isin(pair.seeds, common)] for pair in paired]
    if min(row.std() for row in table) == 0:
        return assumed
    return np.asarray(np.corrcoef(table))
