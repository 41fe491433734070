"""Looking more than once: error of testing at α every time, and of spending α over declared looks."""

from __future__ import annotations

import itertools

import numpy as np

from analysis.calibration.draws import ALPHA, Row, Values, family, rate
from zoneout_lab import stats
from zoneout_lab.stats.joint import part_of_step
from zoneout_lab.stats.many import signs_for


def errors(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Chance of a false verdict at any look, by the looks planned, the spending function and the number of hypotheses.

    "every look at α" is what naive looking does, "none, the last only" a single test. The looks of many samples are counted at once with the same random subgroup
    of 1,024 flips; ``tests/stats/test_spending.py`` compares that shortcut with ``decide_at_looks`` itself on the same samples.
    """
    rows = []
    for looks, m in itertools.product(((10, 20), (6, 10, 20)), (1, 5)):
        d = family(rng, "normal", simulations, m, looks[-1], 0.5)
        under = p_under(d, looks, rng)
        naive = np.stack([each[:, 0] <= ALPHA for each in under])
        rows += [
            {"looks": looks, "m": m, "spending": "none, the last only"} | rate(_crossed(under[-1:], [ALPHA])),
            {"looks": looks, "m": m, "spending": "every look at α"}
            | rate(naive.any(0) if m == 1 else _crossed_separately(under)),
        ]
        for spending in ("obrien-fleming", "pocock"):
            alphas = [stats.spent(ALPHA, n / looks[-1], spending) for n in looks]
            rows.append({"looks": looks, "m": m, "spending": spending} | rate(_crossed(under, alphas), nominal=ALPHA))
    return rows


def real(rng: np.random.Generator, simulations: int) -> list[Row]:
    """The same by ``decide_at_looks`` itself, at 6, 8 and 10 seeds: error with none, and with two of five hypotheses true."""
    rows = []
    for m, true in ((1, 0), (5, 0), (5, 2)):
        wrong = []
        for d in family(rng, "normal", simulations, m, 10, 0.5):
            d[:true] -= 1.5
            decisions = stats.decide_at_looks(list(d), [stats.Claim()] * m, ALPHA, looks=(6, 8, 10), spending="pocock")
            wrong.append(any(x.verdict in ("supported", "contradicted") for x in decisions[true:]))
        rows.append({"looks": (6, 8, 10), "m": m, "true": true, "spending": "pocock"} | rate(wrong, nominal=ALPHA))
    return rows


def p_under(d: Values, looks: tuple[int, ...], rng: np.random.Generator) -> list[Values]:
    """The smallest two-sided p [simulations, flips] over the hypotheses of ``d`` [simulations, m, n] at each look, under flips of all n seeds."""
    signs = signs_for(d.shape[2], rng)
    out = []
    for seen in looks:
        least = np.ones((len(d), len(signs)))
        for j in range(d.shape[1]):
            # by symmetry the two-sided p is the part of the flips whose sum is as far from zero; flips that agree on the seeds seen are tied
            size = np.abs(np.round(d[:, j, :seen] @ signs[:, :seen].T, 9))
            ordered = np.sort(size, 1)
            finer = part_of_step(size, (d[:, j, :seen] ** 2).sum(1), seen)
            for row, (values, sums) in enumerate(zip(size, ordered, strict=True)):
                reached = len(signs) - np.searchsorted(sums, values)
                least[row] = np.minimum(least[row], reached / len(signs) - finer[row])
        out.append(least)
    return out


def _crossed(under: list[Values], alphas: list[float]) -> list[bool]:
    """Whether the data, the first flip, cross a boundary at some look."""
    found = []
    for row in range(len(under[0])):
        crossed = np.zeros(under[0].shape[1], bool)
        for least, alpha in zip(under, alphas, strict=True):
            p = least[row]
            allowed = int(alpha * p.size + 1e-9) - int(crossed.sum())
            rest = np.sort(p[~crossed])
            level = np.nextafter(rest[allowed], 0) if allowed < rest.size else alpha
            crossed |= p <= min(level, alpha)
        found.append(bool(crossed[0]))
    return found


def _crossed_separately(under: list[Values]) -> list[bool]:
    """Whether some look crosses, each tested at the whole α."""
    each = [_crossed([least], [ALPHA]) for least in under]
    return [any(looks) for looks in zip(*each, strict=True)]
