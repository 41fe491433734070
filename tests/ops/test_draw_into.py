"""Masks in bytes, by compiled code or without: the bits of the specification, for every kind, rate and schedule."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops import masks
from zoneout_lab.ops.compiled import library
from zoneout_lab.ops.masks import AXES, EVALUATION, MaskSpec, Place, draw, draw_into

SIZES = [(1, 1, 1), (5, 3, 20), (7, 2, 129), (2, 4, 16), (60, 9, 100)]
KINDS = [frozenset(kind) for n in range(len(AXES) + 1) for kind in combinations(AXES, n)]
PLACE = Place(seed=2**63 + 5, layer=2, site="hidden", update=11)


@pytest.fixture(params=[True, False], ids=["compiled", "without a compiler"])
def body(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(masks, "library", lambda *_: None)
    elif library("philox") is None:
        pytest.skip("needs a C compiler, and none was found")


def filled(
    mask: MaskSpec,
    place: Place,
    sizes: tuple[int, int, int],
    shape: tuple[int, int, int] | None = None,
    threads: int = 1,
):
    out = np.full(shape or sizes, 7, np.uint8)
    draw_into(out, mask, place, sizes, threads)
    return out


@pytest.mark.usefixtures("body")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_bits_of_the_specification(rate: float, sizes: tuple[int, int, int]):
    for kind in KINDS:
        mask = MaskSpec(rate, kind)
        expected = draw(mask, PLACE, *sizes).transpose(1, 0, 2)
        np.testing.assert_array_equal(filled(mask, PLACE, sizes, expected.shape), expected)
        np.testing.assert_array_equal(filled(mask, PLACE, sizes), np.broadcast_to(expected, sizes))


@pytest.mark.usefixtures("body")
def test_threads_and_streams_change_nothing_and_all():
    sizes = (60, 9, 100)
    first = filled(MaskSpec(0.5), PLACE, sizes)
    np.testing.assert_array_equal(filled(MaskSpec(0.5), PLACE, sizes, threads=4), first)
    other = Place(PLACE.seed, PLACE.layer, PLACE.site, PLACE.update, EVALUATION)
    assert 0.45 < (filled(MaskSpec(0.5), other, sizes) != first).mean() < 0.55


@pytest.mark.usefixtures("body")
@pytest.mark.parametrize("varies", [frozenset(AXES), frozenset(AXES) - {"unit"}])
def test_every_unit_has_its_own_rate(varies: frozenset[str]):
    rates = tuple(np.linspace(0, 1, 20))
    drawn = filled(MaskSpec(rates, varies), PLACE, (400, 30, 20))
    np.testing.assert_array_equal(drawn, draw(MaskSpec(rates, varies), PLACE, 400, 30, 20).transpose(1, 0, 2))
    np.testing.assert_allclose(drawn.mean((0, 1)), rates, atol=0.03)
    assert not drawn[..., 0].any()
    assert drawn[..., -1].all()
    # one flip for all units: whoever has the larger rate is preserved with whoever has the smaller
    assert (np.diff(drawn.astype(int), axis=-1) >= 0).all() == ("unit" not in varies)


def test_a_schedule_is_a_straight_line_and_then_stays():
    mask = MaskSpec(0.2, end=(0.6, 0.0), over=100)
    np.testing.assert_allclose(mask.at(0), [0.2, 0.2])
    np.testing.assert_allclose(mask.at(25), [0.3, 0.15])
    for late in (100, 10**6):
        np.testing.assert_array_equal(mask.at(late), [0.6, 0.0])


@pytest.mark.usefixtures("body")
def test_a_schedule_follows_training_and_not_the_draws_of_an_evaluation():
    mask = MaskSpec(0.0, end=1.0, over=10)
    for update, mean in ((0, 0.0), (5, 0.5), (10, 1.0)):
        assert abs(filled(mask, Place(1, 0, "cell", update), (50, 10, 40)).mean() - mean) < 0.02
    sampled = Place(1, 0, "cell", 9, EVALUATION, trained=5)
    assert abs(filled(mask, sampled, (50, 10, 40)).mean() - 0.5) < 0.02


def test_rates_for_another_number_of_units_are_refused():
    with pytest.raises(InputRefusedError, match="rates for 3 units, and the layer has 4"):
        draw(MaskSpec((0.1, 0.2, 0.3)), PLACE, 2, 2, 4)
