"""The hardest place: every hypothesis a hair's breadth from the boundary of its margin, on the one side or the other.

The shift that a claim is tested at is chosen by its data (the nearer margin), and joint flips are made of that choice. That this keeps the chance of any wrong
verdict at α is argued in ``zoneout_lab/stats/README.md`` for one claim; for families it is counted here. Just inside a margin "equivalent" is right and
"supported" wrong; just outside it is the other way round. Effects exactly on a margin are left out: there each of the two may be called wrong, and one or the
other is given with probability up to 1.5 α (2 α for a claim "not lower").
"""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np

from analysis.calibration.draws import ALPHA, Row, family, rate
from zoneout_lab import stats

_CLAIMS: dict[str, tuple[stats.Direction, ...]] = {
    "lower": ("lower",),
    "same": ("same",),
    "not lower": ("not lower",),
    "mixed": ("lower", "same", "not lower", "not higher", "higher"),
}


def wrong_verdicts(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of any wrong verdict among 1 or 5 claims with effects just inside or outside ±margin, by correlation, margin, shape and seeds."""
    rows = []
    for (name, kinds), n, m, correlation in itertools.product(_CLAIMS.items(), (6, 8, 10, 20), (1, 5), (0.0, 0.5, 0.9)):
        if (m == 1 and (correlation or name == "mixed")) or (n == 20 and correlation == 0.9):
            continue
        for shape, margin, inside, mirrored in itertools.product(
            ("normal", "Cauchy"), (0.25, 1.0, 3.0), (True, False), (False, True)
        ):
            if mirrored and m == 1:
                continue
            claims = [stats.Claim(kinds[k % len(kinds)], margin) for k in range(m)]
            sides = [_side(claim, mirrored and k % 2 == 1) for k, claim in enumerate(claims)]
            effects = np.array(sides) * margin * (1 - 1e-9 if inside else 1 + 1e-9)
            right = [stats.VERDICTS.index(_right(claim, effect)) for claim, effect in zip(claims, effects, strict=True)]
            d = family(rng, shape, simulations if n < 20 else simulations // 4, m, n, correlation) + effects[:, None]
            for correction in get_args(stats.Family) if m > 1 else ("joint",):
                reached = stats.decide_many(d, claims, ALPHA, family=correction, rng=rng)
                where = ("inside" if inside else "outside") + (", either margin" if mirrored else "")
                rows.append(
                    {"claims": name, "correction": correction, "m": m, "n": n, "correlation": correlation}
                    | {"differences": shape, "margin": margin, "effects": where}
                    | rate(((reached < 3) & (reached != right)).any(1), nominal=ALPHA)
                )
    return rows


def _side(claim: stats.Claim, mirrored: bool) -> float:
    """The margin that a claim's effect lies at: a one-sided claim has one."""
    one: dict[str, float] = {"not lower": -1.0, "not higher": 1.0}
    return one.get(claim.direction, 1.0 if mirrored else -1.0)


def _right(claim: stats.Claim, effect: float) -> stats.Verdict:
    right = stats.true_verdict(claim, float(effect))
    assert right is not None
    return right
