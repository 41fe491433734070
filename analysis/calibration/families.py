"""Several hypotheses: familywise error and power of joint flips and of Holm, with a shared baseline."""

from __future__ import annotations

from typing import get_args

import numpy as np

from analysis.calibration.draws import ALPHA, SEEDS, SHAPES, SYMMETRIC, Row, family, rate
from zoneout_lab import stats

_FAMILIES: tuple[stats.Family, ...] = get_args(stats.Family)


def errors(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of any verdict among m = 5 hypotheses where none is true; arms share a baseline (correlation .5)."""
    rows = []
    for shape in SHAPES:
        for n in SEEDS:
            d = family(rng, shape, simulations, 5, n, 0.5)
            for correction in _FAMILIES:
                verdicts = stats.decide_many(d, [stats.Claim()] * 5, ALPHA, family=correction, rng=rng)
                rows.append(
                    {"correction": correction, "differences": shape, "n": n, "m": 5}
                    | rate((verdicts < 2).any(1), nominal=ALPHA if shape in SYMMETRIC else None)
                )
    return rows


def power(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Mean power over m hypotheses that all have d_z = 1, with a shared baseline, and the familywise error with none."""
    rows = []
    for n, m in ((6, 5), (8, 5), (8, 7), (9, 7), (10, 9), (20, 9)):
        null = family(rng, "normal", simulations, m, n, 0.5)
        for correction in _FAMILIES:
            claims = [stats.Claim()] * m
            wrong = stats.decide_many(null, claims, ALPHA, family=correction, rng=rng)
            right = stats.decide_many(null - 1, claims, ALPHA, family=correction, rng=rng)
            rows.append(
                {"correction": correction, "n": n, "m": m}
                | {"mean power": round(float((right == 0).mean()), 3)}
                | rate((wrong < 2).any(1), nominal=ALPHA)
            )
    return rows


def promises(rng: np.random.Generator, simulations: int) -> list[Row]:
    """What ``zoneout-lab power`` promises (1,000 simulations of its own) against verdicts on fresh samples."""
    rows = []
    for n, m, effect in ((6, 1, 1.4), (8, 3, 1.2), (10, 5, 1.1), (10, 9, 1.2), (20, 5, 0.8)):
        correlation = np.full((m, m), 0.5) + 0.5 * np.eye(m)
        promised = stats.Design((stats.Claim(),) * m, correlation).powers(n, [-effect] * m).mean()
        d = family(rng, "normal", simulations, m, n, 0.5) - effect
        got = stats.decide_many(d, [stats.Claim()] * m, ALPHA, rng=rng) == 0
        rows.append({"n": n, "m": m, "d_z": effect, "promised": round(float(promised), 3)} | rate(got[:, 0]))
    return rows
