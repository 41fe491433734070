"""One comparison: how often the tests find a difference where there is none, and how often intervals hold the centre."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats as scipy_stats

from analysis.calibration.draws import ALPHA, SEEDS, SHAPES, SYMMETRIC, Row, rate
from zoneout_lab import stats

_ABSENT: tuple[stats.Direction, ...] = ("same", "not lower")


def errors(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Type-I error of the sign-flip test, the t test and the sign test, by shape and seeds.

    Lognormal differences have mean zero and are not symmetric: they are outside what the sign-flip test promises. For the sign test they are
    centred on their median, which is what it is about.
    """
    rows = []
    for shape, draw in SHAPES.items():
        for n in SEEDS:
            d = draw(rng, (simulations, n))
            verdicts = stats.decide_many(d[:, None], [stats.Claim()], ALPHA, rng=rng)[:, 0]
            t = scipy_stats.ttest_1samp(d, 0, axis=1).pvalue <= ALPHA
            centred = d if shape in SYMMETRIC else d + (np.exp(0.5) - 1) / np.sqrt(math.e * (math.e - 1))
            above = (centred > 0).sum(1)
            by_count = np.array([stats.sign_test([1.0] * k + [-1.0] * (n - k)) for k in range(n + 1)])
            promised = ALPHA if shape in SYMMETRIC else None
            rows += [
                {"test": "sign-flip", "differences": shape, "n": n} | rate(verdicts < 2, nominal=promised),
                {"test": "t", "differences": shape, "n": n} | rate(t),
                {"test": "sign, of the median", "differences": shape, "n": n}
                | rate(by_count[above] <= ALPHA, nominal=ALPHA),
            ]
    return rows


def coverage(rng: np.random.Generator, simulations: int) -> list[Row]:
    """How often 95% intervals hold the centre: sign-flip, t, and that of the median (by the sign test)."""
    rows = []
    for shape, draw in SHAPES.items():
        for n in SEEDS:
            d = draw(rng, (simulations, n))
            median = 0.0 if shape in SYMMETRIC else float(-(np.exp(0.5) - 1) / np.sqrt(math.e * (math.e - 1)))
            made = {
                "sign-flip": (lambda v: stats.sign_flip(v).interval(ALPHA), 0.0),
                "t": (lambda v: stats.t_interval(v, ALPHA), 0.0),
                "median": (lambda v: stats.median_interval(v, ALPHA), median),
            }
            for name, (interval, centre) in made.items():
                some = d[: simulations // 10] if name == "sign-flip" and n > 10 else d  # a million flips each
                held = np.array([low <= centre <= high for low, high in map(interval, some)])
                row = rate(held)
                promised = name == "median" or (shape in SYMMETRIC and name == "sign-flip")
                rows.append(
                    {"interval": name, "differences": shape, "n": n}
                    | row
                    | ({"nominal": 1 - ALPHA, "below": row["high"] < 1 - ALPHA} if promised else {})
                )
    return rows


def equivalence(rng: np.random.Generator, simulations: int) -> list[Row]:
    """A claim of absence with a margin of one sd: its power where there is no difference, its error where the difference equals the margin."""
    rows = []
    for n in SEEDS[1:]:
        for direction in _ABSENT:
            claim = stats.Claim(direction, 1.0)
            for effect, what in ((0.0, "power"), (-1.0, "error")):
                d = rng.normal(effect, 1, (simulations, 1, n))
                found = stats.decide_many(d, [claim], ALPHA, rng=rng)[:, 0] == 0
                rows.append(
                    {"claim": direction, "n": n, "effect": effect, "what": what}
                    | rate(found, nominal=ALPHA if what == "error" else None)
                )
    return rows
