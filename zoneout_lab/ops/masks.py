"""Bernoulli masks as a pure function of where they stand: one mechanism for every ablation.

A mask at a site is a set of coin flips. **What distinguishes the ablations is only the set of axes a flip varies over**
(:data:`AXES`). The flips come from NumPy's Philox 4×64-10, a counter-based generator (Salmon et al., SC 2011): the key is the
run's mask seed, the counter says which flip it is, and an axis the mask does not vary over counts zero. So nothing has to be
stored to draw the same masks again, in any order of execution, for any tile of the batch, alone or among replicas.

| counter word | holds |
|---|---|
| 0 (low) | ``(example · T + timestep) · ⌈H/16⌉ + unit // 16``; an axis that is not varied over has extent 1 |
| 1 | training update, or draw of a sampled evaluation |
| 2 | ``layer · 16 + site``; the site counts 0 where sites share a mask |
| 3 | stream: 0 training, 1 sampled evaluation; 0 always where the mask does not vary over updates |

One block of 256 bits decides sixteen neighbouring units with 16 bits each, so a rate is resolved to 1/65,536; 0 and 1 are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

AXES = ("site", "update", "timestep", "example", "unit")
SITES = ("shared", "cell", "hidden", "update", "memory", "input")
LANES = 16
TRAINING, EVALUATION = 0, 1

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """A Bernoulli draw: the probability of a 1 and the axes (of :data:`AXES`) it varies over."""

    rate: float
    varies: frozenset[str] = frozenset(AXES)


@dataclass(frozen=True)
class Place:
    """Where in a run a mask is drawn: key (mask seed), layer, site, update and stream."""

    seed: int
    layer: int
    site: str
    update: int
    stream: int = TRAINING


def draw(mask: Mask, place: Place, steps: int, examples: int, units: int, *, first_example: int = 0) -> Bits:
    """The mask's bits at a place, with extent 1 along every axis it does not vary over.

    Args:
        mask: rate and axes.
        place: key and counter.
        steps, examples, units: T, B, H.
        first_example: index of the first example drawn: a batch may be drawn in tiles.

    Returns:
        bool [B or 1, T or 1, H or 1]; True with probability ``mask.rate``.

    >>> zoneout = Mask(0.5)
    >>> draw(zoneout, Place(seed=7, layer=0, site="cell", update=3), steps=2, examples=1, units=4).astype(int)
    array([[[1, 1, 0, 1],
            [0, 1, 0, 1]]])
    >>> per_layer = Mask(0.5, frozenset({"site", "update", "timestep", "example"}))
    >>> draw(per_layer, Place(7, 0, "cell", 3), steps=2, examples=5, units=4).shape
    (5, 2, 1)
    """
    B, T, H = (
        n if axis in mask.varies else 1 for axis, n in (("example", examples), ("timestep", steps), ("unit", units))
    )
    blocks = -(-H // LANES)
    first = first_example * T * blocks if "example" in mask.varies else 0
    update, stream = (place.update, place.stream) if "update" in mask.varies else (0, 0)
    site = SITES.index(place.site) if "site" in mask.varies else 0
    words = philox(place.seed, (first, update, place.layer * 16 + site, stream), B * T * blocks)
    lanes = words.view("<u2").reshape(B, T, blocks * LANES)[:, :, :H]
    threshold = round(mask.rate * 65_536)
    return lanes < np.uint32(threshold) if threshold == 65_536 else lanes < np.uint16(threshold)


def philox(seed: int, counter: tuple[int, int, int, int], blocks: int) -> npt.NDArray[np.uint64]:
    """Philox 4×64-10 at consecutive counters: little-endian uint64 [4 · blocks].

    NumPy steps its counter before the first block; one is taken off here, so that ``counter`` is the first block's own.
    """
    start = sum(word << 64 * place for place, word in enumerate(counter)) - 1
    generator = np.random.Philox(key=seed % 2**64, counter=start % 2**256)
    return np.asarray(generator.random_raw(4 * blocks)).astype("<u8", copy=False)
