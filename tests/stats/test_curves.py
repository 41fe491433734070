"""Max-T, clusters and bands of paired curves against enumeration written out, and against MNE."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import cluster_test, common_grid, curves_look_skewed, max_t, simultaneous_band
from zoneout_lab.stats import curve_flips as module

# mne 1.13.2, on the differences of seeded() with the same arguments:
#   t, spans, p, flips = mne.stats.permutation_cluster_1samp_test(d, n_permutations=2**n, tail=0, seed=0, out_type="mask")
#   permutation_t_test(d, n_permutations=2**n, tail=0, seed=0)[1]
MNE_CLUSTERS = {
    (8, 40, 0, 0.3): [(1, 4, 8.543101447090212, 0.1484375), (5, 7, 5.023647728419455, 0.1875),
                      (29, 30, 2.4463355049434425, 0.2578125), (32, 34, 4.819497380180732, 0.1875)],
    (6, 25, 1, 0.3): [(5, 8, 9.015083444941077, 0.1875), (9, 10, 2.6335072410052804, 0.40625)],
    (10, 60, 2, 0.6): [(0, 13, 53.82034498409685, 0.01953125), (28, 36, 25.349663132304073, 0.078125),
                       (53, 60, 22.466415887986624, 0.091796875)],
}  # fmt: skip
MNE_MAX_T = {  # every third of the first forty timesteps; MNE's maximum runs over all timesteps at each (single step)
    (8, 40, 0, 0.3): [0.34375, 0.1953125, 0.2578125, 0.375, 0.6953125, 0.9375, 1.0, 1.0, 0.828125, 0.421875, 0.2734375, 0.2734375,
                      0.671875, 1.0],
    (6, 25, 1, 0.3): [1.0, 0.75, 0.25, 0.40625, 1.0, 1.0, 0.5625, 0.5625, 1.0],
    (10, 60, 2, 0.6): [0.0546875, 0.033203125, 0.041015625, 0.16796875, 0.16796875, 0.99609375, 1.0, 1.0, 0.998046875, 0.34375,
                       0.1484375, 0.068359375, 0.353515625, 0.994140625],
}  # fmt: skip


def seeded(n: int, steps: int, seed: int, shift: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, steps)).cumsum(1) / np.sqrt(np.arange(1, steps + 1)) / 1.5
    return 0.35 * np.sin(np.arange(steps) / 4) + noise + shift


def t_of(d: np.ndarray) -> np.ndarray:
    return d.mean(0) / (d.std(0, ddof=1) / math.sqrt(len(d)))


def all_flips(d: np.ndarray) -> list[np.ndarray]:
    return [np.array(signs)[:, None] * d for signs in itertools.product((1, -1), repeat=len(d))]


@pytest.mark.parametrize(("case", "expected"), MNE_CLUSTERS.items())
def test_clusters_are_those_of_mne(case: tuple, expected: list) -> None:
    found = cluster_test(seeded(*case)).clusters
    assert [(c.start, c.stop, c.p) for c in found] == [(a, b, p) for a, b, _, p in expected]
    np.testing.assert_allclose([c.mass for c in found], [mass for _, _, mass, _ in expected], rtol=1e-12)


@pytest.mark.parametrize(("case", "expected"), MNE_MAX_T.items())
def test_the_largest_t_has_the_p_of_mne_and_no_other_a_larger_one(case: tuple, expected: list) -> None:
    d = seeded(*case)
    result = max_t(d)
    np.testing.assert_allclose(result.t, t_of(d), rtol=1e-10)
    ours = result.p[:40:3]
    assert (ours <= np.array(expected)).all()
    assert (ours < np.array(expected)).any()
    largest = np.array([np.abs(t_of(flip)).max() for flip in all_flips(d)])
    single = [(largest >= abs(t) * (1 - 1e-9)).mean() for t in t_of(d)[:40:3]]
    np.testing.assert_array_equal(single, expected)
    assert result.p.min() == (largest >= np.abs(t_of(d)).max() * (1 - 1e-9)).mean()


def step_down(d: np.ndarray) -> np.ndarray:
    """Westfall and Young's definition, timestep by timestep."""
    observed, flips = np.abs(t_of(d)), [np.abs(t_of(flip)) for flip in all_flips(d)]
    order, p, least = np.argsort(-observed, kind="stable"), np.ones(d.shape[1]), 0.0
    for k, at in enumerate(order):
        least = max(least, float(np.mean([flip[order[k:]].max() >= observed[at] * (1 - 1e-9) for flip in flips])))
        p[at] = least
    return p


@given(st.integers(0, 10**6), st.integers(3, 6), st.integers(1, 9), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_step_down_is_its_definition(seed: int, n: int, steps: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(n, steps)) + shift * rng.integers(0, 2, steps)
    np.testing.assert_array_equal(max_t(d).p, step_down(d))


def band_written_out(d: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    largest = sorted(float(np.abs(t_of(flip)).max()) for flip in all_flips(d - d.mean(0)))
    critical = next(c for k, c in enumerate(largest, 1) if k >= (1 - alpha) * len(largest))
    half = critical * d.std(0, ddof=1) / math.sqrt(len(d))
    return d.mean(0) - half, d.mean(0) + half


@given(st.integers(0, 10**6), st.integers(5, 7), st.integers(1, 9), st.sampled_from([0.05, 0.1, 0.3]))
@settings(max_examples=25, deadline=None)
def test_the_band_is_its_definition(seed: int, n: int, steps: int, alpha: float) -> None:
    d = np.random.default_rng(seed).normal(size=(n, steps)) * 3 + 1
    band = simultaneous_band(d, alpha)
    low, high = band_written_out(d, alpha)
    np.testing.assert_allclose(band.low, low, rtol=1e-8)
    np.testing.assert_allclose(band.high, high, rtol=1e-8)


@pytest.mark.parametrize("steps", [1, 3, 700])
def test_blocks_of_flips_change_nothing(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    d = np.random.default_rng(3).normal(size=(9, steps)) + 0.5
    whole = max_t(d).p, cluster_test(d), simultaneous_band(d).low
    monkeypatch.setattr(module, "_BLOCK", 1000)
    np.testing.assert_array_equal(max_t(d).p, whole[0])
    assert cluster_test(d) == whole[1]
    np.testing.assert_allclose(simultaneous_band(d).low, whole[2], rtol=1e-12)


def test_no_unit_and_no_sign_matters() -> None:
    d = seeded(7, 30, 5, 0.5)
    for factor in (-1.0, 1e-300, 1e300):
        np.testing.assert_array_equal(max_t(factor * d).p, max_t(d).p)
        assert [c.p for c in cluster_test(factor * d).clusters] == [c.p for c in cluster_test(d).clusters]
        ends = np.sort([getattr(simultaneous_band(factor * d), end) / factor for end in ("low", "high")], 0)
        np.testing.assert_allclose(ends, [simultaneous_band(d).low, simultaneous_band(d).high], rtol=1e-9)


def test_more_than_twelve_seeds_are_sampled_from_the_generator() -> None:
    d = seeded(14, 20, 0, 0.2)
    for method in (max_t, cluster_test, simultaneous_band):
        with pytest.raises(InputRefusedError, match="pass rng"):
            method(d)
    first, again = (max_t(d, rng=np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.p, again.p)
    assert (first.p != max_t(d, rng=np.random.default_rng(2)).p).any()
    assert (first.flips, first.exact) == (10_000, False)
    assert max_t(np.ones((14, 1)) + d * 1e-3, rng=np.random.default_rng(1)).p.min() >= 1 / 10_000


@pytest.mark.parametrize("steps", [1, 40])  # one block of flips, and several
def test_as_many_flips_are_drawn_as_are_said_and_only_the_first_is_the_identity(steps: int) -> None:
    unit = np.eye(14)[:, :1].repeat(steps, 1)
    blocks = list(module.flipped(unit + 0.01, np.random.default_rng(0)))
    assert sum(block.shape[1] for block in blocks) == 10_000
    sums = np.concatenate(blocks, 1)[0]
    assert sums[0] == pytest.approx(1.14)
    assert (np.isclose(sums, 1.14)).sum() < 6  # of 10,000 draws from 2¹⁴


def test_twelve_seeds_are_enumerated_and_two_are_enough() -> None:
    d = seeded(13, 5, 0, 0.5)
    assert (max_t(d[:12]).exact, max_t(d[:12]).flips) == (True, 4096)
    with pytest.raises(InputRefusedError, match="13 seeds have too many sign flips"):
        max_t(d)
    assert max_t([[1.0, 2.0], [1.5, 2.5]]).p.tolist() == [0.5, 0.5]


def test_a_timestep_is_named_where_p_reaches_the_level() -> None:
    result = max_t(np.ones((6, 3)) + 0.1 * np.random.default_rng(0).normal(size=(6, 3)))
    assert result.p[0] == 2 / 2**6
    assert result.differing(2 / 2**6) == [(0, 3, 1)]
    assert result.differing(1.99 / 2**6) == []


def test_sampled_flips_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    d = seeded(10, 60, 2, 0.6)
    exact = max_t(d).p, cluster_test(d), simultaneous_band(d)
    monkeypatch.setattr(module, "EXACT_CURVES_UP_TO", 9)
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(max_t(d, rng=rng).p, exact[0], atol=0.02)  # four standard errors at p = .5
    sampled = cluster_test(d, rng=rng)
    np.testing.assert_allclose([c.p for c in sampled.clusters], [c.p for c in exact[1].clusters], atol=0.012)
    assert simultaneous_band(d, rng=rng).critical == pytest.approx(exact[2].critical, rel=0.1)


def test_timesteps_that_were_not_measured_are_left_out_and_part_clusters() -> None:
    d = 1 + 0.3 * np.random.default_rng(0).normal(size=(7, 9))
    holed = d.copy()
    holed[2, 4] = np.nan
    result, band, found = max_t(holed), simultaneous_band(holed), cluster_test(holed)
    assert result.left_out == 1
    assert np.flatnonzero(np.isnan(result.p)).tolist() == np.flatnonzero(np.isnan(band.low)).tolist() == [4]
    rest = np.delete(d, 4, 1)
    np.testing.assert_array_equal(np.delete(result.p, 4), max_t(rest).p)
    np.testing.assert_allclose(np.delete(band.high, 4), simultaneous_band(rest).high)
    assert [(c.start, c.stop) for c in cluster_test(d).clusters] == [(0, 9)]
    assert [(c.start, c.stop) for c in found.clusters] == [(0, 4), (5, 9)]


def test_timesteps_without_spread() -> None:
    d = np.random.default_rng(0).normal(size=(8, 4))
    d[:, 0], d[:, 1] = 0.0, 0.1 + 0.2
    d[3, 1] = 0.3  # equal but for rounding
    result, band = max_t(d), simultaneous_band(d)
    assert (result.t[0], result.p[0]) == (0.0, 1.0)
    assert (result.t[1], result.p[1]) == (np.inf, 2 / 2**8)
    assert band.low[0] == band.high[0] == 0
    np.testing.assert_allclose([band.low[1], band.high[1]], 0.3)
    np.testing.assert_allclose(band.high[2:], simultaneous_band(d[:, 2:]).high)
    assert cluster_test(d).clusters[0].p == 2 / 2**8
    assert cluster_test(np.zeros((6, 3))).p == 1
    assert simultaneous_band(np.ones((6, 3))).critical == 0


def test_residuals_without_spread_make_the_band_infinite_where_they_are_too_many() -> None:
    # eight of the thirty-two pairs of flips leave one of these timesteps without spread
    patterns = [s for s in itertools.product((1, -1), repeat=6) if sum(s) == 0 and s[0] == 1][:8]
    d = np.array(patterns, float).T
    assert simultaneous_band(d).critical == math.inf
    assert (simultaneous_band(d).low == -math.inf).all()
    assert simultaneous_band(d, alpha=0.3).critical < math.inf


@pytest.mark.parametrize("method", [max_t, cluster_test, simultaneous_band])
def test_what_cannot_be_compared_is_refused(method) -> None:
    with pytest.raises(InputRefusedError, match=r"\[seed, time\]"):
        method([1.0, 2.0])
    with pytest.raises(InputRefusedError, match="two seeds"):
        method([[1.0, 2.0]])
    with pytest.raises(InputRefusedError, match="1 of 6 seeds have no finite difference"):
        method([[1.0]] * 5 + [[np.nan]])


def test_a_band_of_four_seeds_is_refused_and_of_five_given() -> None:
    d = np.random.default_rng(0).normal(size=(5, 10))
    assert np.isfinite(simultaneous_band(d).low).all()
    with pytest.raises(InputRefusedError, match="at least 5 seeds, got 4"):
        simultaneous_band(d[:4])


def test_one_grid_for_all() -> None:
    curves = np.ones((2, 3, 5))
    curves[1, 2, 0] = 2.0**-126
    curves[0, 0, 3] = np.inf
    curves[0, 1] = np.nan  # a run that was not measured
    assert common_grid(curves, positive=True).tolist() == [False, True, True, False, True]
    assert common_grid(curves).tolist() == [True, True, True, False, True]
    curves[1, 2, 0] = np.nextafter(2.0**-126, 1)
    assert common_grid(curves, positive=True)[0]
    assert not common_grid(np.full((2, 3), np.nan)).any()


@pytest.mark.parametrize("n", [4, 5, 8, 12])
def test_curves_look_skewed_where_the_mean_skewness_exceeds_three_quarters_of_its_error(n: int) -> None:
    rng, said = np.random.default_rng(n), []
    error = math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    for shape in np.linspace(0.05, 0.8, 40):
        d = rng.lognormal(sigma=shape, size=(n, 12)) * rng.choice([-1, 1])
        d[:, 3], d[1, 5] = 2.0, np.nan  # one timestep without spread, and one that was not measured
        whole = np.delete(d, [3, 5], 1)
        said.append(curves_look_skewed(d))
        assert said[-1] == (abs(scipy_stats.skew(whole, bias=False).mean()) > 0.75 * error)
    assert 0 < sum(said) < 40
