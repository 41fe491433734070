"""What stands beside a verdict: diverged runs as worst, and the cautions about symmetry."""

from __future__ import annotations

import numpy as np

from analysis.calibration.draws import ALPHA, SHAPES, Row, Values, rate
from zoneout_lab import stats


def divergence(rng: np.random.Generator, simulations: int) -> list[Row]:
    """Two arms alike, of which the baseline loses its worst runs with a probability: the complete pairs alone, and with diverged runs as worst.

    A run is worse the higher its value; the baseline's largest values diverge, and those of the arm never do. Those losses are real, so it is
    no error to call the baseline worse by ranks. The error is to call the arm worse, which it is not.
    """
    rows = []
    for lost in (0.0, 0.1, 0.2, 0.3):
        for n in (8, 10, 12):
            pairs_wrong, worst_wrong = [], []
            arm, base = rng.standard_normal((2, simulations, n))
            cut = np.quantile(rng.standard_normal(200_000), 1 - lost)
            for a, b in zip(arm, base, strict=True):
                fell = b > cut
                complete = stats.sign_flip((a - b)[~fell])
                pairs_wrong.append(complete.n >= 6 and complete.p(alternative="greater") <= ALPHA / 2)
                ranks = stats.worst_ranks((a - b)[~fell], 0, int(fell.sum()))
                flip = stats.sign_flip(ranks)
                worst_wrong.append(flip.n >= 6 and flip.p(alternative="greater") <= ALPHA / 2)
            rows += [
                {"lost": lost, "n": n, "judged by": "complete pairs"} | rate(pairs_wrong),
                {"lost": lost, "n": n, "judged by": "diverged as worst"} | rate(worst_wrong, nominal=ALPHA / 2),
            ]
    return rows


def flags(rng: np.random.Generator, simulations: int) -> list[Row]:
    """How often the cautions are given: for normal arms of equal spread (false alarms), and for the false verdicts that skewed arms give."""
    rows = []
    for n in (8, 10, 20):
        normal = rng.standard_normal((2, simulations // 4, n))
        rows.append({"arms": "normal, alike", "n": n, "of": "all samples"} | _flagged(normal))
        skewed = np.stack(
            [SHAPES["lognormal"](rng, (6 * simulations, n)), 0.1 * rng.standard_normal((6 * simulations, n))]
        )
        d = skewed[0] - skewed[1]
        wrong = stats.decide_many(d[:, None], [stats.Claim()], ALPHA, rng=rng)[:, 0] < 2
        rows.append(
            {"arms": "lognormal against a tame one", "n": n, "of": "false verdicts"} | _flagged(skewed[:, wrong])
        )
    return rows


def _flagged(values: Values) -> Row:
    given = [stats.cautions(a, b) for a, b in zip(*values, strict=True)]
    kinds = {kind: round(float(np.mean([kind in each for each in given])), 3) for kind in ("skew", "outlier", "spread")}
    return kinds | rate([bool(each) for each in given])
