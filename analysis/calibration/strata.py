"""Several tasks: how often the flips within tasks find a difference where there is none, and what few seeds on each find together."""

from __future__ import annotations

import numpy as np

from analysis.calibration.draws import ALPHA, SHAPES, SYMMETRIC, Row, Values, rate
from zoneout_lab import stats

SEEDS, TASKS, HYPOTHESES = (3, 5, 8), (2, 3, 4), (1, 3)

#: one task's differences are a thousand times another's: without standardising, it alone would decide
SCALES = (1.0, 1000.0, 0.01, 30.0)
SUPPORTED, CONTRADICTED = stats.VERDICTS.index("supported"), stats.VERDICTS.index("contradicted")


def _tasks(rng: np.random.Generator, shape: str, simulations: int, m: int, n: int, tasks: int) -> list[Values]:
    """Differences [simulations, m, n] in each task, of m arms that share half of their variance with their baseline's."""
    return [
        scale * np.sqrt(0.5) * (SHAPES[shape](rng, (simulations, m, n)) - SHAPES[shape](rng, (simulations, 1, n)))
        for scale in SCALES[:tasks]
    ]


def errors(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of any verdict where no arm differs on any task, by shape, tasks, seeds on each and hypotheses.

    Lognormal differences, which are not symmetric, are only those of one arm: the difference of two alike would be.
    """
    rows = []
    for shape in SHAPES:
        for tasks in TASKS:
            for n in SEEDS:
                for m in HYPOTHESES if shape in SYMMETRIC else (1,):
                    if shape in SYMMETRIC:
                        drawn = _tasks(rng, shape, simulations, m, n, tasks)
                    else:
                        drawn = [scale * SHAPES[shape](rng, (simulations, m, n)) for scale in SCALES[:tasks]]
                    claims = [stats.Claim("lower")] * m
                    found = stats.decide_many_over_tasks(drawn, claims, ALPHA, rng=rng)
                    promised = ALPHA if shape in SYMMETRIC else None
                    rows.append(
                        {"differences": shape, "tasks": tasks, "n": n, "m": m}
                        | rate((found <= CONTRADICTED).any(1), nominal=promised)
                    )
    return rows


def opposed(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of a verdict where one task has a difference of so many sd and the other the same the other way round, so that there is none on average."""
    rows = []
    for effect in (0.5, 1.0, 2.0):
        for n in SEEDS:
            drawn = [rng.normal(sign * effect, 1, (simulations, 1, n)) for sign in (1, -1)]
            found = stats.decide_many_over_tasks(drawn, [stats.Claim("lower")], ALPHA, rng=rng)
            rows.append({"effect": effect, "n": n} | rate(found <= CONTRADICTED, nominal=ALPHA))
    return rows


def power(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of finding a difference of 1 sd on each task, over all of them and on one of them; and of pooling the raw differences."""
    rows = []
    for tasks in TASKS:
        for n in SEEDS:
            drawn = [scale * rng.normal(-1, 1, (simulations, 1, n)) for scale in SCALES[:tasks]]
            claim = [stats.Claim("lower")]
            tests = {
                "within tasks": stats.decide_many_over_tasks(drawn, claim, ALPHA, rng=rng),
                "one task": stats.decide_many(drawn[0], claim, ALPHA, rng=rng),
                "raw differences pooled": stats.decide_many(np.concatenate(drawn, -1), claim, ALPHA, rng=rng),
            }
            rows += [{"test": name, "tasks": tasks, "n": n} | rate(found == SUPPORTED) for name, found in tests.items()]
    return rows
