"""Runs stacked: the same as xarray's own concatenation, which takes far longer, whatever the runs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zoneout_lab import profiles, schema
from zoneout_lab.errors import IntegrityError

Runs = list[tuple[xr.DataTree, str]]
ARMS = ["lstm", "zoneout", "a_longer_name"]


def concatenated(runs: Runs, arms: Sequence[str], seeds: Sequence[int]) -> dict[str, xr.Dataset]:
    """The slow, obvious twin, before anything is described or said to be missing."""
    cells = {(tree.attrs["arm"], tree.attrs["seed"]): (tree, digest) for tree, digest in runs}
    groups = {}
    for group in dict.fromkeys(group for tree, _ in cells.values() for group in tree.children):
        rows = []
        for arm in arms:
            row = []
            for seed in seeds:
                if (arm, seed) in cells and group in cells[arm, seed][0].children:
                    tree, digest = cells[arm, seed]
                    dataset = tree[group].to_dataset()
                    if group == "provenance":
                        dataset = dataset.assign(sha256=digest)
                    row.append(dataset.expand_dims(arm=[arm], seed=[seed]))
            if row:
                rows.append(xr.concat(row, "seed", join="outer", data_vars="all", combine_attrs="override"))
        whole = xr.concat(rows, "arm", join="outer", data_vars="all", combine_attrs="override")
        groups[group] = whole.reindex(arm=list(arms), seed=list(seeds))
    return groups


def gradients(time: int, layers: Sequence[str] = ("l0",)) -> xr.Dataset:
    values = np.random.default_rng(time).random((len(layers), 2, 2, time))
    return profiles.gradient_dataset(values, layers=list(layers), states=["cell", "hidden"])


def own(labels: Sequence[Any]) -> xr.Dataset:
    counts = np.arange(len(labels))
    return xr.Dataset(
        {"count": ("bin", counts), "share": ("bin", counts / 7, {"units": "1"}), "half": ("bin", counts.astype("f4"))},
        {"bin": list(labels)},
        {"measure": '{"kind": "own"}'},
    )


def run(arm: str, seed: int, epochs: int = 3, **more: Any) -> tuple[xr.DataTree, str]:
    rng = np.random.default_rng([seed, epochs])
    fields: dict[str, Any] = {
        "by_epoch": {"train_loss": rng.random(epochs), "valid_error": rng.random(epochs)},
        "at_best": {"test_error": 0.5},
        "best_epoch": epochs or None,
        "status": "finished",
        "seconds": 1.5,
        "provenance": {"engine": "cpu"},
    }
    tree = schema.run_tree(run_id=f"{arm}-{seed}", arm=arm, seed=seed, **(fields | more))
    return tree, f"{seed:064x}"


CASES: dict[str, Runs] = {
    "all there": [run(arm, seed) for arm in ARMS for seed in range(3)],
    "in another order": [run(arm, seed) for seed in (2, 0, 1) for arm in reversed(ARMS)],
    "one": [run("zoneout", 1)],
    "some missing": [run("lstm", 0), run("zoneout", 2)],
    "of unequal length": [run("lstm", 0, 2), run("lstm", 1, 5), run("zoneout", 0, 3), run("zoneout", 1, 2)],
    "diverged at once": [run("lstm", 0, 0, status="diverged"), run("lstm", 1, 2), run("zoneout", 2, 0)],
    "more metrics in one": [run("lstm", 0), run("lstm", 1, by_epoch={"train_loss": [1.0], "new": [2.0]}), run("zoneout", 0)],
    "measured": [
        run(arm, seed, measured={"gradients": {0: gradients(4), 2: gradients(4)}}) for arm in ARMS for seed in range(3)
    ],
    "measured at other epochs, over other times, in other layers": [
        run("lstm", 0, measured={"gradients": {0: gradients(4), 2: gradients(4)}}),
        run("lstm", 1, measured={"gradients": {2: gradients(6), 9: gradients(6)}}),
        run("lstm", 2),
        run("zoneout", 1, measured={"gradients": {1: gradients(3, ["l0", "l1_reverse"])}}),
    ],
    "measures of one's own": [
        run(arm, seed, measured={"own": {1: own(["b", "a"])}}) for arm in ARMS for seed in range(3)
    ],
    "measures of one's own with other labels": [
        run("lstm", 0, measured={"own": {1: own(["zz", "a"])}, "gradients": {1: gradients(2)}}),
        run("zoneout", 0, measured={"own": {1: own(["a", "longer", "zz"])}}),
        run("zoneout", 1, measured={"own": {1: own(["zz", "a"])}}),
    ],
    "labels that are numbers": [
        run("lstm", 0, measured={"own": {1: own([0.5, 0.25])}}),
        run("zoneout", 0, measured={"own": {1: own([2, 1])}}),
    ],
    "labels that are true or false": [run("lstm", seed, measured={"own": {1: own([True, False])}}) for seed in (0, 1)],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_stacked_is_concatenated(case: str) -> None:
    twin = concatenated(CASES[case], ARMS, range(3))
    whole = schema.study_tree(CASES[case], arms=ARMS, seeds=range(3), provenance={})
    assert set(whole.children) == set(twin)
    for name, expected in twin.items():
        found = whole[name].to_dataset()
        assert list(found.data_vars) == list(expected.data_vars)
        assert dict(found.sizes) == dict(expected.sizes)
        for each, values in expected.variables.items():
            there = found[each]
            assert there.dims == values.dims, each
            np.testing.assert_array_equal(there.isnull() | there.isin(["", "missing"]), values.isnull())
            present = ~values.isnull().values
            np.testing.assert_array_equal(there.values[present], values.values[present])
            if each not in ("arm", "status", "run_id", "sha256"):  # which are texts always, as in a file
                assert there.dtype == values.dtype, each
            assert values.attrs.items() <= there.attrs.items() | {("units", "")}, each


def test_the_runs_given_are_left_as_they_are() -> None:
    runs = CASES["measured"]
    before = [tree.copy(deep=True) for tree, _ in runs]
    schema.study_tree(runs, arms=ARMS, seeds=range(3), provenance={})
    assert all(tree.identical(old) for (tree, _), old in zip(runs, before, strict=True))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (xr.Dataset({"count": ("tub", [1, 2])}, {"tub": [0, 1]}), "has dimensions (epoch, bin) in lstm seed 0, and (epoch, tub) in zoneout seed 1"),
        (xr.Dataset({"count": ("bin", [1, 2])}), "is along 'bin', which has no labels in zoneout seed 1, and some in lstm seed 0"),
        (xr.Dataset({"count": (("bin", "tub"), [[1, 2]])}, {"bin": ["a"], "tub": [0, 1]}), "(epoch, bin, tub) in zoneout seed 1"),
        (xr.Dataset({"count": 1, "bin": 2.0}), "is along 'bin', which is no dimension in zoneout seed 1"),
        (own([3, 4]), "is along 'bin', whose labels are texts in one of lstm seed 0 and zoneout seed 1, and numbers in the other"),
    ],
    ids=["another dimension", "no labels", "one more", "a number called like a dimension", "labels of another kind"],
)  # fmt: skip
def test_what_was_measured_otherwise_is_left_out_and_everything_else_is_kept(other: xr.Dataset, why: str) -> None:
    """Seen to fail where the whole study could not be opened for it."""
    first = own(["a", "b"]).assign(kept=("tap", [1.0, 2.0]), age=3.0)
    later = other.assign(kept=("tap", [5.0, 6.0, 7.0]), age=4.0)
    runs = [run("lstm", 0, measured={"own": {1: first}}), run("zoneout", 1, measured={"own": {1: later}})]
    tree = schema.study_tree(runs, arms=ARMS, seeds=range(3), provenance={"engine": ["cpu"]})
    assert set(tree["own"].data_vars).isdisjoint({"count"})
    np.testing.assert_array_equal(tree["own/kept"].sel(arm="lstm", seed=0), [[1.0, 2.0, np.nan]])
    np.testing.assert_array_equal(tree["own/kept"].sel(arm="zoneout", seed=1), [[5.0, 6.0, 7.0]])
    assert tree["own/age"].sel(arm="zoneout", seed=1).item() == 4.0
    assert tree["metrics/train_loss"].sel(arm="lstm", seed=0).notnull().all()
    told = schema.provenance(tree, "left_out")
    assert any(text.startswith("The results are without 'count' of own, which ") for text in told)
    assert any(why in text for text in told)
    assert schema.provenance(tree, "engine") == ["cpu"]


def test_a_group_of_which_nothing_fits_is_not_there() -> None:
    runs = [run("lstm", k, measured={"own": {1: xr.Dataset({"x": (dim, [1.0])})}}) for k, dim in enumerate("ab")]
    tree = schema.study_tree(runs, arms=ARMS, seeds=range(3), provenance={})
    assert set(tree.children) == {"metrics", "provenance"}


def test_metrics_that_do_not_fit_together_are_refused() -> None:
    runs = [run("lstm", 0), run("lstm", 1)]
    runs[1][0]["metrics"] = runs[1][0]["metrics"].to_dataset().drop_vars("train_loss").assign(train_loss=0.5)
    with pytest.raises(
        IntegrityError, match=r"'train_loss' has dimensions \(epoch\) in lstm seed 0, and \(\) in lstm seed 1"
    ):
        schema.study_tree(runs, arms=ARMS, seeds=range(3), provenance={})


def test_labels_that_are_there_twice_are_left_out_where_runs_have_others() -> None:
    twice = {"measured": {"own": {1: own(["a", "a"])}}}
    same = schema.study_tree(
        [run("lstm", seed, **twice) for seed in range(2)], arms=ARMS, seeds=range(2), provenance={}
    )
    assert same["own/count"].sel(arm="lstm").values.tolist() == [[[0.0, 1.0]], [[0.0, 1.0]]]
    other = schema.study_tree(
        [run("lstm", 0, **twice), run("lstm", 1, measured={"own": {1: own(["a", "b"])}})],
        arms=ARMS,
        seeds=range(2),
        provenance={},
    )
    assert "own" not in other.children
    first, *_ = schema.provenance(other, "left_out")
    assert "'bin', which has one label twice in lstm seed 0, and other labels in lstm seed 1" in first
