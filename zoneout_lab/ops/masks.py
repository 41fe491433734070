"""Bernoulli masks as a pure function of where they stand: one mechanism for every ablation.

A mask at a site is a set of coin flips. **What distinguishes the ablations is only the set of axes a flip varies over**
(:data:`AXES`). The flips come from NumPy's Philox 4×64-10, a counter-based generator (Salmon et al., SC 2011): the key is the
run's mask seed, the counter says which flip it is, and an axis the mask does not vary over counts zero. So nothing has to be
stored to draw the same masks again, in any order of execution, for any tile of the batch, alone or among replicas.

| counter word | holds |
|---|---|
| 0 (low) | ``(example · T + timestep) · ⌈H/16⌉ + unit // 16``; an axis that is not varied over has extent 1 |
| 1 | training update, or draw of a sampled evaluation |
| 2 | ``layer · 16 + site`` (:func:`site_number`); the site counts 0 where sites share a mask |
| 3 | stream: 0 training, 1 sampled evaluation; 0 always where the mask does not vary over updates |

One block of 256 bits decides sixteen neighbouring units with 16 bits each, so a rate is resolved to 1/65,536; 0 and 1 are exact.

:func:`draw` is the specification, in NumPy. :func:`draw_into` gives the same bits in less time where there is a C compiler, and
:mod:`zoneout_lab.ops.triton` gives them on a GPU.
"""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab.checked import rates
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.compiled import library

AXES = ("site", "update", "timestep", "example", "unit")
SITES = (
    "shared", "cell", "hidden", "update", "memory", "input",
    "recurrent", "output", "top", "embedding",
)  # fmt: skip
LANES = 16
TRAINING, EVALUATION = 0, 1

Bits = npt.NDArray[np.bool_]


Rate = float | tuple[float, ...]


@dataclass(frozen=True)
class MaskSpec:
    """A Bernoulli draw: the probability of a 1 and the axes (of :data:`AXES`) it varies over.

    Args:
        rate: a probability, or one for each unit. Two of them for more units than two are the first and the last unit's, and the
            units between lie on a straight line.
        varies: axes along which the flips are independent; along the others there is one flip.
        end: the rate from update ``over`` on, approached in a straight line from ``rate`` at update 0.
        over: how many updates that takes.

    Raises:
        InputRefusedError: a rate outside [0, 1], or an axis that does not exist.

    >>> MaskSpec(0.0, end=0.5, over=100).at(25)
    array([0.125])
    >>> MaskSpec((0.0, 0.5)).at(0, units=3)
    array([0.  , 0.25, 0.5 ])
    """

    rate: Rate
    varies: frozenset[str] = frozenset(AXES)
    end: Rate | None = None
    over: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rates(self.rate, "a mask's rate"))
        if self.end is not None:
            object.__setattr__(self, "end", rates(self.end, "a mask's last rate"))
        object.__setattr__(self, "varies", frozenset(self.varies))
        if strange := sorted(self.varies - set(AXES)):
            raise InputRefusedError(f"A mask cannot vary over {strange[0]!r}; choose among {', '.join(AXES)}.")

    def at(self, update: int, units: int | None = None) -> npt.NDArray[np.float64]:
        """Rates at a training update: [1], or one for each of ``units``.

        Raises InputRefusedError where there are rates for another number of units.
        """
        start = spread(self.rate, units)
        if self.end is None:
            return start
        done = min(update / max(self.over, 1), 1.0)
        return start + (spread(self.end, units) - start) * done

    def thresholds(self, update: int, units: int) -> npt.NDArray[np.int32]:
        """What a unit's 16 bits must lie below, [1] or [units]; 65,536 is always."""
        return np.rint(self.at(update, units) * 65_536).astype(np.int32)

    def extents(self, steps: int, examples: int, units: int) -> tuple[int, int, int]:
        """How many flips there are along time, examples and units."""
        sizes = (("timestep", steps), ("example", examples), ("unit", units))
        T, B, H = (n if axis in self.varies else 1 for axis, n in sizes)
        return T, B, H


def spread(rate: Rate, units: int | None) -> npt.NDArray[np.float64]:
    """A rate as [1], or rates as one for each unit."""
    rates = np.atleast_1d(np.asarray(rate, dtype=np.float64))
    if units is None or len(rates) in (1, units):
        return rates
    if len(rates) == 2:
        return np.linspace(rates[0], rates[1], units)
    raise InputRefusedError(
        f"A mask has rates for {len(rates)} units, and the layer has {units}; give as many, one, or the first and the last unit's."
    )


@dataclass(frozen=True)
class Place:
    """Where in a run a mask is drawn: key (mask seed), layer, site, update and stream.

    ``update`` counts training updates, or draws of a sampled evaluation; then ``trained`` says how far a schedule of rates is.
    """

    seed: int
    layer: int
    site: str
    update: int
    stream: int = TRAINING
    trained: int | None = None


def draw(mask: MaskSpec, place: Place, steps: int, examples: int, units: int, *, first_example: int = 0) -> Bits:
    """The mask's bits at a place, with extent 1 along every axis it does not vary over.

    Args:
        mask: rate and axes.
        place: key and counter.
        steps, examples, units: T, B, H.
        first_example: index of the first example drawn: a batch may be drawn in tiles.

    Returns:
        bool [B or 1, T or 1, H or 1]; True with probability ``mask.rate``. One flip compared with a rate for each unit gives H.

    >>> zoneout = MaskSpec(0.5)
    >>> draw(zoneout, Place(seed=7, layer=0, site="cell", update=3), steps=2, examples=1, units=4).astype(int)
    array([[[1, 1, 0, 1],
            [0, 1, 0, 1]]])
    >>> per_layer = MaskSpec(0.5, frozenset({"site", "update", "timestep", "example"}))
    >>> draw(per_layer, Place(7, 0, "cell", 3), steps=2, examples=5, units=4).shape
    (5, 2, 1)
    """
    T, B, H = mask.extents(steps, examples, units)
    blocks = -(-H // LANES)
    first = first_example * T * blocks if "example" in mask.varies else 0
    words = philox(place.seed, _counter(mask, place, first), B * T * blocks)
    lanes = words.view("<u2").reshape(B, T, blocks * LANES)[:, :, :H]
    return lanes < _thresholds(mask, place, units)


def draw_into(
    out: npt.NDArray[np.uint8], mask: MaskSpec, place: Place, sizes: tuple[int, int, int], threads: int = 1
) -> None:
    """:func:`draw` of a whole batch into bytes.

    Args:
        out: uint8 [T or 1, B or 1, H or 1]; axes the mask does not vary over are filled with copies.
        mask, place: as for :func:`draw`.
        sizes: T, B, H.
        threads: how many may be used.

    >>> out = np.empty((2, 1, 4), np.uint8)
    >>> draw_into(out, MaskSpec(0.5), Place(seed=7, layer=0, site="cell", update=3), (2, 1, 4))
    >>> out
    array([[[1, 1, 0, 1]],
    <BLANKLINE>
           [[0, 1, 0, 1]]], dtype=uint8)
    """
    T, B, H = mask.extents(*sizes)
    body = library("philox")
    thresholds = _thresholds(mask, place, sizes[2])
    if body is None or (H == 1 and len(thresholds) > 1) or out.strides[2] != 1:
        out[...] = draw(mask, place, *sizes).transpose(1, 0, 2)
        return
    part = out[:T, :B, :H]
    body.draw(
        ctypes.c_uint64(place.seed % 2**64),
        (ctypes.c_uint64 * 4)(*_counter(mask, place, 0)),
        *map(ctypes.c_int64, (B, T, H)),
        thresholds.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(thresholds) > 1),
        part.ctypes.data_as(ctypes.c_void_p),
        *map(ctypes.c_int64, (part.strides[1], part.strides[0], threads)),
    )
    if part.shape != out.shape:
        out[...] = part.copy()


def _counter(mask: MaskSpec, place: Place, first: int) -> tuple[int, int, int, int]:
    update, stream = (place.update, place.stream) if "update" in mask.varies else (0, 0)
    site = site_number(place.site) if "site" in mask.varies else 0
    return first, update, place.layer * 16 + site, stream


def site_number(site: str) -> int:
    """A site's number in the counter: its place in :data:`SITES`, or for any other site a number above 2³² derived from its name.

    >>> site_number("cell"), site_number("normaliser") > 2**32
    (1, True)
    """
    if site in SITES:
        return SITES.index(site)
    digest = hashlib.blake2b(site.encode(), digest_size=4).digest()
    return (
        int.from_bytes(digest) >> 1 | 1
    ) << 32  # below 2⁶³, and different from every built-in site's number in any layer


def _thresholds(mask: MaskSpec, place: Place, units: int) -> npt.NDArray[np.int32]:
    return mask.thresholds(place.update if place.trained is None else place.trained, units)


def philox(seed: int, counter: tuple[int, int, int, int], blocks: int) -> npt.NDArray[np.uint64]:
    """Philox 4×64-10 at consecutive counters: little-endian uint64 [4 · blocks].

    NumPy steps its counter before the first block; one is taken off here, so that ``counter`` is the first block's own.
    """
    start = sum(word << 64 * place for place, word in enumerate(counter)) - 1
    generator = np.random.Philox(key=seed % 2**64, counter=start % 2**256)
    return np.asarray(generator.random_raw(4 * blocks)).astype("<u8", copy=False)
