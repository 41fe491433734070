"""One study from several builds: averaged within a seed, split into what is between seeds and what is between builds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tiny_studies import make_run, make_spec, make_study

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results import compare
from zoneout_lab.results.builds import averaged, noise_of_builds, replicates, split_variance
from zoneout_lab.results.scalars import scalar

ARMS = ("lstm", "zoneout", "dropout")


def build(name: str, errors: dict[str, dict[int, float]], *, diverged=(), spec=None, data="d", sha=None) -> xr.DataTree:
    runs = [
        (
            make_run(arm, seed, [value], status="diverged" if (arm, seed) in diverged else "finished"),
            sha or f"{name}-{arm}-{seed}",
        )
        for arm, by_seed in errors.items()
        for seed, value in by_seed.items()
    ]
    spec = make_spec(seeds=6) if spec is None else spec
    provenance = {"study": spec, "data": [{"digest": data, "notes": [name]}]}
    return schema.study_tree(runs, arms=list(ARMS), seeds=range(6), provenance=provenance)


def drawn(rng, seeds=6, builds=3, between=0.05, within=0.02):
    values = (
        0.5 + between * rng.normal(size=(len(ARMS), seeds, 1)) + within * rng.normal(size=(len(ARMS), seeds, builds))
    )
    trees = [
        build(f"b{b}", {arm: {s: values[a, s, b] for s in range(seeds)} for a, arm in enumerate(ARMS)})
        for b in range(builds)
    ]
    return values, trees


def test_builds_are_averaged_within_a_seed():
    values, trees = drawn(np.random.default_rng(0))
    found = averaged(trees, "valid_error")
    assert found.dims == ("arm", "seed")
    assert found.values == pytest.approx(values.mean(2))
    assert found.attrs == scalar(trees[0], "valid_error").attrs


def test_one_that_diverged_anywhere_is_lost_and_one_that_is_missing_is_not():
    errors = {arm: {s: 0.1 * (s + 1) for s in range(6)} for arm in ARMS}
    other = {arm: dict.fromkeys(range(1, 6), 0.3) for arm in ARMS}
    found = averaged([build("a", errors), build("b", other, diverged=(("zoneout", 2),))], "valid_error")
    assert found.sel(seed=0).values == pytest.approx(0.1)  # the other build has no seed 0
    assert np.isnan(found.sel(arm="zoneout", seed=2))
    assert found.sel(arm="lstm", seed=2).item() == pytest.approx(0.3)


def test_what_does_not_bear_on_training_may_differ():
    study = make_spec(seeds=6) | {"arms": [{"name": arm, "label": arm} for arm in ARMS]}
    other = study | {"seeds": 7, "hypotheses": [], "title": "Again", "arms": [{"name": a, "label": "x"} for a in ARMS]}
    trees = [build("a", ERRORS, spec=study), build("b", ERRORS, spec=other)]
    assert replicates(trees)
    assert averaged(trees, "valid_error").values == pytest.approx(0.1)
    changes: list[dict[str, Any]] = [{"seed": 1}, {"vary": ["masks"]}, {"setting": {}}, {"arms": study["arms"][:1]}]
    for change in changes:
        assert not replicates([trees[0], build("b", ERRORS, spec=other | change)])
    assert not replicates([trees[0], build("b", ERRORS, spec=other, data="e")])


def test_variance_is_split_as_a_mixed_model_has_it():
    """Restricted maximum likelihood has the same answer for balanced data, where it is not at zero."""
    smf = pytest.importorskip("statsmodels.formula.api")
    pandas = pytest.importorskip("pandas")
    values, trees = drawn(np.random.default_rng(1))
    for a, split in enumerate(split_variance(trees, "valid_error")):
        rows = [{"y": 100 * values[a, s, b], "seed": s} for s in range(6) for b in range(3)]
        fit = smf.mixedlm("y ~ 1", pandas.DataFrame(rows), groups="seed").fit(reml=True)
        assert (split.arm, split.seeds, split.builds) == (ARMS[a], 6, 3)
        assert split.between_seeds == pytest.approx(float(fit.cov_re.iloc[0, 0]) / 1e4, rel=1e-3)
        assert split.between_builds == pytest.approx(fit.scale / 1e4, rel=1e-3)
        assert split.fraction_of_builds == pytest.approx(
            split.between_builds / (split.between_builds + split.between_seeds)
        )


def test_builds_that_differ_by_nothing_and_seeds_that_do():
    errors = {arm: {s: 0.1 * s for s in range(6)} for arm in ARMS}
    for split in split_variance([build("a", errors), build("b", errors)], "valid_error"):
        assert (split.between_builds, split.fraction_of_builds) == (0, 0)
        assert split.between_seeds == pytest.approx(np.var([0.1 * s for s in range(6)], ddof=1))


@pytest.mark.parametrize("seeds", [[0, 1, 2, 3, 4, 5], [2, 5], [4]])
def test_noise_of_builds_is_the_spread_of_mean_differences_over_builds(seeds):
    """Against many builds simulated: the standard deviation of their mean differences."""
    rng = np.random.default_rng(3)
    between = dict(enumerate(rng.normal(0, 0.05, 6)))

    plain = compare(make_study({"a": {0: 0.5}, "b": {0: 0.4}}), "a", "b", metric="valid_error")

    def once():
        d = [between[s] + rng.normal(0, 0.004) - rng.normal(0, 0.004) for s in seeds]
        return altered(plain, seeds=tuple(seeds), differences=tuple(d), mean_difference=float(np.mean(d)))

    found = [noise_of_builds(once(), once()) for _ in range(400)]
    if len(seeds) == 1:
        assert np.isnan(found).all()
        return
    # squares are averaged: they are what is unbiased
    expected = 0.004 * np.sqrt(2 / len(seeds))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(expected, rel=0.1)
    assert np.std([once().mean_difference for _ in range(400)]) == pytest.approx(expected, rel=0.1)


def test_only_seeds_that_every_build_finished_are_split():
    errors = {arm: {s: 0.1 * s for s in range(6)} for arm in ARMS}
    few = {arm: {s: 0.1 * s for s in range(2)} for arm in ARMS}
    lstm, zoneout, _ = split_variance([build("a", errors), build("b", few, diverged=(("zoneout", 1),))], "valid_error")
    assert lstm.seeds == 2
    assert (zoneout.seeds, np.isnan(zoneout.between_seeds), np.isnan(zoneout.fraction_of_builds)) == (1, True, True)


def test_variance_between_seeds_is_not_below_zero():
    one = {arm: {s: 0.1 * (s % 2) for s in range(6)} for arm in ARMS}
    other = {arm: {s: 0.1 * (1 - s % 2) for s in range(6)} for arm in ARMS}
    assert {s.between_seeds for s in split_variance([build("a", one), build("b", other)], "valid_error")} == {0.0}


ERRORS = {arm: dict.fromkeys(range(6), 0.1) for arm in ARMS}


@pytest.mark.parametrize(
    ("trees", "says"),
    [
        ([build("a", ERRORS)], "two or more results"),
        ([build("a", ERRORS), build("b", ERRORS, spec=make_spec(seeds=6) | {"seed": 1})], "not of the same study"),
        ([build("a", ERRORS), build("b", ERRORS, data="e")], "not of the same data"),
        ([build("a", ERRORS, spec={}), build("b", ERRORS, spec={})], "."),
        ([build("a", ERRORS), build("a", ERRORS)], r"Results 1 and 2 share files of runs \(SHA-256 a-dropout-0…\)"),
    ],
    ids=["one", "studies", "data", "none", "twice"],
)
@pytest.mark.parametrize("of", [averaged, split_variance])
def test_what_is_no_replicate_is_refused(trees, says, of):
    if says == ".":
        for tree in trees:
            tree["provenance"].attrs.pop("study", None)
        says = "do not record their study"
    with pytest.raises(InputRefusedError, match=says):
        of(trees, "valid_error")


def altered(comparison, **changes):
    return dataclasses.replace(comparison, **changes)


def test_noise_of_builds_by_hand():
    """Seeds 1 and 2 are in both; their differences lie 0.02 apart, one up and one down: √(0.0004 / 2 / 2)."""
    plain = compare(make_study({"a": {0: 0.5}, "b": {0: 0.4}}), "a", "b", metric="valid_error")
    one = altered(plain, seeds=(0, 1, 2), differences=(0.1, 0.2, 0.3))
    other = altered(plain, seeds=(1, 2, 5), differences=(0.22, 0.28, 0.9))
    assert noise_of_builds(one, other) == pytest.approx(0.01)
    assert noise_of_builds(other, one) == pytest.approx(0.01)
    assert np.isnan(noise_of_builds(one, altered(other, scale="log")))
    assert np.isnan(noise_of_builds(one, altered(other, seeds=(2, 5, 6))))


def test_results_of_no_known_study_are_no_replicates():
    trees = [build("a", ERRORS), build("b", ERRORS)]
    for tree in trees:
        tree["provenance"].attrs.pop("study")
    assert not replicates(trees)


def test_data_are_the_same_whatever_is_noted_of_them_and_in_any_order():
    def noted(name, *digests):
        tree = build(name, ERRORS)
        tree["provenance"].attrs["data"] = json.dumps([{"digest": digest, "notes": [name]} for digest in digests])
        return tree

    assert replicates([noted("a", "d", "e"), noted("b", "e", "d")])
    assert not replicates([noted("a", "d", "e"), noted("b", "d", "d")])
    old = [build("a", ERRORS), build("b", ERRORS)]
    for tree in old:
        tree["provenance"].attrs["data"] = json.dumps(["d"])  # digests alone
    assert replicates(old)


def test_files_shared_by_later_results_are_named_by_their_places():
    trees = [build("a", ERRORS), build("b", ERRORS), build("b", ERRORS)]
    with pytest.raises(InputRefusedError, match=r"Results 2 and 3 share files of runs \(SHA-256 b-dropout-0…\)"):
        averaged(trees, "valid_error")
    long = [build(name, ERRORS, sha="0123456789abcdef") for name in "ab"]
    with pytest.raises(InputRefusedError, match=r"\(SHA-256 0123456789ab…\)"):
        averaged(long, "valid_error")


def test_two_seeds_are_enough_to_split():
    """Values 0 and 2 in one build, 1 and 3 in the other: ½ within, and between (2·2 − ½) / 2."""
    values = ([0.0, 2.0], [1.0, 3.0])
    trees = [build(f"b{k}", {arm: dict(enumerate(v)) for arm in ARMS}) for k, v in enumerate(values)]
    for split in split_variance(trees, "valid_error"):
        assert (split.seeds, split.builds, split.between_builds, split.between_seeds) == (2, 2, 0.5, 1.75)
        assert split.fraction_of_builds == pytest.approx(0.5 / 2.25)
    same = [build(f"c{k}", {arm: dict.fromkeys(range(6), 0.5) for arm in ARMS}) for k in range(2)]
    assert all(np.isnan(split.fraction_of_builds) for split in split_variance(same, "valid_error"))
