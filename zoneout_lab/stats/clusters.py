"""Whether paired curves differ anywhere: the cluster permutation test in one dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from zoneout_lab.stats.common_grid import stretches
from zoneout_lab.stats.curve_flips import as_curves, flipped, flips_of, t_of
from zoneout_lab.stats.signflip import FloatArray

#: a timestep can be in a cluster where its own two-sided t test has p < .05: the threshold decides what is found easily, not the error rate
ENTRY = 0.05

_TIE = 1e-9  # masses that differ by less, relatively, are tied


@dataclass(frozen=True)
class Cluster:
    """Neighbouring timesteps ``start`` to ``stop`` − 1 whose |t| exceeds the threshold, all with one sign; ``mass`` is the sum of t, and
    ``p`` that of the largest mass anywhere."""

    start: int
    stop: int
    mass: float
    p: float


@dataclass(frozen=True)
class CurveClusters:
    """The clusters of ``n`` paired curves in the order of time; ``flips`` of them were looked at, all 2ⁿ where ``exact``."""

    n: int
    clusters: tuple[Cluster, ...]
    threshold: float
    flips: int
    exact: bool

    @property
    def p(self) -> float:
        """Two-sided p of the null "the differences are symmetric about zero at every timestep"; 1 where nothing passed the threshold."""
        return min((cluster.p for cluster in self.clusters), default=1.0)


def cluster_test(differences: npt.ArrayLike, *, rng: np.random.Generator | None = None) -> CurveClusters:
    """Whether paired differences [seed, time] differ from zero *somewhere*: cluster mass under joint sign flips, two-sided.

    Timesteps with |t| > t_{.975, n−1} and one sign that are neighbours make a cluster, of mass Σ t. Its p is the share of flips whose
    heaviest cluster, of either sign, is at least as heavy (Maris & Oostenveld, J. Neurosci. Methods 164, 2007; sign flips as in
    Nichols & Holmes, 2002). Only the null "no effect at any timestep" is tested: **a cluster with p ≤ α does not say where the
    effect is, nor where it begins** (Sassenhagen & Draschkow, Psychophysiology 56, 2019). :func:`~zoneout_lab.stats.curves.max_t` does.

    Args:
        differences: [seed, time]. A timestep at which a seed is not finite is left out, and no cluster reaches across it. Where all differences of a
            timestep are the same and not zero, its t is taken for about 10⁶ √(n − 1), a number and not infinity.
        rng: needed for more than 12 seeds, where 9,999 flips are drawn and the identity is added.

    Raises InputRefusedError for fewer than two seeds, for a seed without any finite difference, or where ``rng`` is needed.

    >>> steps = np.arange(30)
    >>> rng = np.random.default_rng(0)
    >>> found = cluster_test(np.where((steps > 9) & (steps < 20), 1.0, 0.0) + 0.5 * rng.normal(size=(8, 30)))
    >>> found.p, found.clusters[0].start, found.clusters[0].stop
    (0.0078125, 10, 20)
    """
    curves = as_curves(differences)
    total = flips_of(curves, rng)
    threshold = -float(special.stdtrit(curves.n - 1, ENTRY / 2))
    least = threshold / math.sqrt(curves.n - 1 + threshold**2) * math.sqrt(curves.n)  # the √n r of that t
    observed = curves.unit.sum(0)
    t = t_of(observed / math.sqrt(curves.n), curves.n)
    found = [(a, b, float(t[a:b].sum())) for sign in (1, -1) for a, b in stretches(sign * observed > least)]
    masses = np.array([abs(mass) for _, _, mass in found]) * (1 - _TIE)
    counts = np.zeros(len(found), dtype=np.int64)
    looked_at = 0
    for block in flipped(curves.unit, rng) if found else ():
        counts += (_heaviest(block, least, curves.n)[:, None] >= masses).sum(0)
        looked_at += block.shape[1]
    clusters = sorted(
        (Cluster(a, b, mass, float(count / looked_at)) for (a, b, mass), count in zip(found, counts, strict=True)),
        key=lambda cluster: cluster.start,
    )
    return CurveClusters(curves.n, tuple(clusters), threshold, total, curves.exact)


def _heaviest(block: FloatArray, least: float, n: int) -> FloatArray:
    """The largest mass [flip], of either sign, of the clusters in √n r [time, flip] beyond ±``least``."""
    flip, time = np.nonzero((np.abs(block) > least).T)  # a few in a hundred: everything that follows is short
    heaviest = np.zeros(block.shape[1])
    if len(flip):
        values = block[time, flip]
        begins = (np.diff(flip) != 0) | (np.diff(time) != 1) | (np.diff(np.sign(values)) != 0)
        first = np.concatenate([[0], np.flatnonzero(begins) + 1])
        masses = np.abs(np.add.reduceat(t_of(values / math.sqrt(n), n), first))
        np.maximum.at(heaviest, flip[first], masses)
    return heaviest
