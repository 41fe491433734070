# %% [markdown]
# # Do the methods for whole curves err as often as they say?
#
# Paired differences of smooth curves with a known truth: how often max-T names a timestep without an effect, how often the
# cluster test finds something where there is nothing, how often a simultaneous band holds the whole true curve. Beside each, the same without
# its correction. Run it with `python -m analysis.calibration.profiles [SIMULATIONS]`.

# %%
from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special, stats

from zoneout_lab.stats import cluster_test, curves_look_skewed, max_t, simultaneous_band
from zoneout_lab.stats.curve_flips import as_curves, flipped, unit_columns

Array = npt.NDArray[np.float64]

SEEDS = (5, 6, 8, 10, 20)
STEPS = 100
SMOOTHNESS = 5.0  # standard deviation, in timesteps, of the kernel that white noise is smoothed with
ALPHA = 0.05
EFFECT = 3.0  # in the first half of the timesteps, in interquartile ranges / 1.349: the noise's standard deviation where it is normal

#: what takes a standard normal value to one of the distribution; all have centre 0, which is the median of the first three and the mean of the last
DISTRIBUTIONS: dict[str, Callable[[Array], Array]] = {
    "normal": lambda z: z,
    "t3": lambda z: np.asarray(special.stdtrit(3, special.ndtr(z))),
    "Cauchy": lambda z: np.asarray(np.tan(math.pi * (special.ndtr(z) - 0.5))),
    "lognormal": lambda z: np.asarray(np.exp(z) - math.exp(0.5)),
}


# %%
def noise(rng: np.random.Generator, seeds: int, distribution: str) -> Array:
    """Smooth curves [seed, time] about 0 with that distribution at every timestep."""
    wide = ndimage.gaussian_filter1d(rng.normal(size=(seeds, STEPS + 80)), SMOOTHNESS, axis=1)[:, 40:-40]
    size = math.sqrt(1 / (2 * math.sqrt(math.pi) * SMOOTHNESS))  # of white noise after that kernel
    return DISTRIBUTIONS[distribution](wide / size)


def outcomes(d: Array, with_effect: Array, rng: np.random.Generator) -> Iterator[tuple[str, str, float, float]]:
    """Method, what is counted, its nominal rate, and whether it happened, for noise ``d`` [seed, time] and the same with an effect."""
    without = slice(STEPS // 2, None)  # the timesteps that have none
    n = len(d)
    result = max_t(d, rng=rng)
    yield "max-T", "any timestep named, no effect anywhere", ALPHA, bool((result.p <= ALPHA).any())
    named = max_t(with_effect, rng=rng).p <= ALPHA
    yield "max-T", "any timestep named wrongly, effect in the other half", ALPHA, bool(named[without].any())
    yield "max-T", "share of the effect's timesteps named", math.nan, float(named[: STEPS // 2].mean())
    pointwise = 2 * special.stdtr(n - 1, -np.abs(result.t)) <= ALPHA
    yield "t test at each timestep, uncorrected", "any timestep named, no effect anywhere", ALPHA, bool(pointwise.any())
    yield "clusters", "anything found, no effect anywhere", ALPHA, bool(cluster_test(d, rng=rng).p <= ALPHA)
    band = simultaneous_band(d, ALPHA, rng=rng)
    yield "band", "whole curve covered", 1 - ALPHA, bool(((band.low <= 0) & (band.high >= 0)).all())
    largest = np.abs(result.t).max()
    yield (
        "band, flips not studentised again",
        "whole curve covered",
        1 - ALPHA,
        bool(largest <= studentised_once(d, rng)),
    )
    yield "caution", "differences called skewed", math.nan, curves_look_skewed(d)
    t_limit = -special.stdtrit(n - 1, ALPHA / 2)
    yield "t interval at each timestep", "whole curve covered", 1 - ALPHA, bool(largest <= t_limit)


def studentised_once(d: Array, rng: np.random.Generator) -> float:
    """The critical value where every flip is divided by the standard deviation that was observed."""
    n = len(d)
    residuals = unit_columns(as_curves(d).scaled - as_curves(d).scaled.mean(0))
    largest = np.concatenate([np.abs(block).max(0) for block in flipped(residuals, rng)]) * math.sqrt((n - 1) / n)
    return float(np.quantile(largest, 1 - ALPHA, method="inverted_cdf"))


# %%
def profiles_calibration(rng: np.random.Generator, simulations: int) -> list[dict[str, Any]]:
    """A row for each method, distribution and number of seeds: ``rate`` with its 95% Wilson interval ``low`` to ``high``, beside ``nominal``.

    The share of the effect's timesteps that are named has a mean and no interval. Each cell has a generator of its own, spawned from ``rng``.
    """
    rows: list[dict[str, Any]] = []
    cells = [(distribution, seeds) for distribution in DISTRIBUTIONS for seeds in SEEDS]
    for (distribution, seeds), own in zip(cells, rng.spawn(len(cells)), strict=True):
        happened: dict[tuple[str, str, float], list[float]] = {}  # bool where it is a yes or a no
        quartiles = DISTRIBUTIONS[distribution](special.ndtri(np.array([0.25, 0.75])))
        effect = np.where(np.arange(STEPS) < STEPS // 2, EFFECT * float(np.diff(quartiles)[0]) / 1.349, 0.0)
        for _ in range(simulations):
            d = noise(own, seeds, distribution)
            for method, quantity, nominal, yes in outcomes(d, d + effect, own):
                happened.setdefault((method, quantity, nominal), []).append(yes)
        for (method, quantity, nominal), values in happened.items():
            row: dict[str, Any] = {"method": method, "quantity": quantity, "distribution": distribution, "seeds": seeds}
            row |= {"nominal": nominal, "rate": float(np.mean(values)), "simulations": simulations}
            interval = (math.nan, math.nan)
            if all(isinstance(yes, bool) for yes in values):
                found = stats.binomtest(int(sum(values)), simulations).proportion_ci(method="wilson")
                interval = (float(found.low), float(found.high))
            rows.append(row | {"low": interval[0], "high": interval[1]})
    return rows


# %%
def main() -> None:
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for row in profiles_calibration(np.random.default_rng(2017), simulations):
        print(
            f"{row['method']:38} {row['quantity']:54} {row['distribution']:10} n={row['seeds']:<3} "
            f"{row['rate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        )


if __name__ == "__main__":
    main()
