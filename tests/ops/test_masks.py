"""Masks: constant along exactly the axes they do not vary over, independent along the others, of the stated rate, in any order."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from zoneout_lab import CellDropout, RecurrentDropout, Zoneout
from zoneout_lab.ops.masks import AXES, MaskSpec, Place, draw

ALPHA = 1e-6  # two-sided; every seed is fixed, so a test either always passes or never
UPDATES, EXAMPLES, STEPS, UNITS = 6, 24, 30, 50
ALL = set(AXES)

#: regularizer → the axes its masks vary over, as the tables of the design say
VARIANTS = {
    "separate": (Zoneout(0.3, 0.3), ALL),
    "shared": (Zoneout(0.3, 0.3, share=True), ALL - {"site"}),
    "per layer": (Zoneout(0.3, 0.3, per="layer"), ALL - {"unit"}),
    "per sequence": (Zoneout(0.3, 0.3, resample="sequence"), ALL - {"timestep"}),
    "static": (Zoneout(0.3, 0.3, resample="never"), {"site", "timestep", "unit"}),
    "shared per layer": (Zoneout(0.3, 0.3, share=True, per="layer"), {"update", "timestep", "example"}),
    "shared per sequence": (Zoneout(0.3, 0.3, share=True, resample="sequence"), {"update", "example", "unit"}),
    "shared static": (Zoneout(0.3, 0.3, share=True, resample="never"), {"timestep", "unit"}),
    "static per layer": (Zoneout(0.3, 0.3, per="layer", resample="never"), {"site", "timestep"}),
    "per layer per sequence": (Zoneout(0.3, 0.3, per="layer", resample="sequence"), {"site", "update", "example"}),
    "recurrent dropout": (RecurrentDropout(0.3), ALL),
    "cell dropout": (CellDropout(0.3), ALL),
}


def all_bits(variant: str) -> np.ndarray:
    """Every flip of a variant, [site, update, timestep, example, unit]; a dropout has one site."""
    regularizer, _ = VARIANTS[variant]
    shape = (EXAMPLES, STEPS, UNITS)
    drawn = [
        [
            np.broadcast_to(draw(mask, Place(5, 0, site, update), STEPS, EXAMPLES, UNITS), shape).transpose(1, 0, 2)
            for update in range(UPDATES)
        ]
        for site, mask in regularizer.sites().items()
    ]
    return np.array(drawn)


def within_binomial(count: int, n: int, rate: float) -> bool:
    low, high = binom.ppf([ALPHA / 2, 1 - ALPHA / 2], n, rate)
    return bool(low <= count <= high)


@pytest.mark.parametrize("variant", VARIANTS)
def test_masks_vary_over_exactly_their_axes(variant: str):
    bits, varies = all_bits(variant), VARIANTS[variant][1]
    for number, axis in enumerate(AXES):
        if bits.shape[number] == 1:
            continue
        first, second = (bits.take([n], number) for n in (0, 1))
        constant = bool((bits == first).all())
        assert constant == (axis not in varies), axis
        if axis in varies:
            # neighbours along a varying axis agree as often as independent flips do; counted once over the other axes
            for fixed, other in enumerate(AXES):
                if other not in varies:
                    first, second = first.take([0], fixed), second.take([0], fixed)
            agree = int((first == second).sum())
            assert within_binomial(agree, first.size, 0.3**2 + 0.7**2), axis


@pytest.mark.parametrize("variant", VARIANTS)
def test_flips_are_uncorrelated_in_every_direction(variant: str):
    """Agreement of all pairs one apart, along every axis and every diagonal of two: covers the reuse of a counter elsewhere."""
    bits, varies = all_bits(variant), VARIANTS[variant][1]
    for number, axis in enumerate(AXES):
        if axis not in varies:
            bits = bits.take([0], number)
    axes = [number for number in range(bits.ndim) if bits.shape[number] > 1]
    for shifted in [*combinations(axes, 1), *combinations(axes, 2)]:
        here, there = bits, bits
        for number in shifted:
            n = bits.shape[number]
            here, there = here.take(range(n - 1), number), there.take(range(1, n), number)
        centred = (here - 0.3) * (there - 0.3)
        assert abs(centred.sum()) <= 5 * 0.3 * 0.7 * np.sqrt(centred.size), [AXES[n] for n in shifted]


RATES = [0.0, 1 / 65_536, 0.05, 0.15, 0.5, 0.85, 1 - 1 / 65_536, 1.0]


@pytest.mark.parametrize("rate", RATES)
def test_ten_million_flips_have_the_rate(rate: float):
    bits = draw(MaskSpec(rate), Place(2, 0, "cell", 0), steps=100, examples=100, units=1008)
    resolved = round(rate * 65_536) / 65_536
    assert bits.size >= 10**7
    assert abs(resolved - rate) <= 0.5 / 65_536
    assert within_binomial(int(bits.sum()), bits.size, resolved)
    assert bits.all() == (rate == 1)
    assert bits.any() == (rate > 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tiles_of_a_batch_are_the_whole_cut_up(variant: str):
    for site, mask in VARIANTS[variant][0].sites().items():
        place = Place(3, 1, site, 4)
        whole = np.broadcast_to(draw(mask, place, 5, 9, 33), (9, 5, 33))
        for first, count in ((7, 2), (0, 4), (4, 3)):  # in no order
            tile = np.broadcast_to(draw(mask, place, 5, count, 33, first_example=first), (count, 5, 33))
            assert np.array_equal(tile, whole[first : first + count])


def test_drawing_other_masks_in_between_changes_nothing():
    mask, places = MaskSpec(0.5), [Place(seed, 0, "cell", update) for seed in range(3) for update in range(3)]
    forwards = [draw(mask, place, 3, 2, 20) for place in places]
    backwards = [draw(mask, place, 3, 2, 20) for place in reversed(places)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))


PLACE = Place(seed=4, layer=1, site="cell", update=2, stream=0)
ELSEWHERE = {
    "seed": replace(PLACE, seed=5),
    "high half of the seed": replace(PLACE, seed=4 + 2**40),
    "layer": replace(PLACE, layer=2),
    "site": replace(PLACE, site="hidden"),
    "update": replace(PLACE, update=3),
    "stream": replace(PLACE, stream=1),
    "layer and update exchanged": replace(PLACE, layer=2, update=1),
    "layer and site exchanged": replace(PLACE, layer=0, site="hidden"),
}


@pytest.mark.parametrize("change", ELSEWHERE)
def test_another_place_has_other_flips(change: str):
    here, there = (draw(MaskSpec(0.5), place, 20, 20, 40) for place in (PLACE, ELSEWHERE[change]))
    assert within_binomial(int((here == there).sum()), here.size, 0.5)


def test_a_shared_mask_with_unequal_rates_is_nested():
    small, large = Zoneout(cell=0.2, hidden=0.6, share=True).sites().values()
    inner, outer = (draw(mask, Place(1, 0, site, 0), 50, 20, 40) for site, mask in (("cell", small), ("hidden", large)))
    assert not (inner & ~outer).any()
    assert (outer & ~inner).any()


def test_a_static_mask_is_the_same_in_every_stream_and_update():
    mask = Zoneout(cell=0.5, resample="never").sites()["cell"]
    first = draw(mask, Place(1, 0, "cell", 0, stream=0), 5, 2, 40)
    again = draw(mask, Place(1, 0, "cell", 9, stream=1), 5, 7, 40)
    assert first.shape == (1, 5, 40)
    assert np.array_equal(first, again)
