"""One study run by several builds or machines: nested replicates of its seeds, averaged within a seed and never pooled.

Rounding differs between builds, and training amplifies it. What it adds is noise within a seed: two builds at ten seeds are ten
values and not twenty.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.scalars import scalar

#: fields of a study that decide what its runs are. Two results may differ in the others and yet be replicates: in how many seeds they have, or what they ask
_TRAINED = ("task", "setting", "arms", "seed", "vary", "tuning", "code")


@dataclass(frozen=True)
class VarianceSplit:
    """An arm's variance, in the metric's unit squared: ``between_seeds``, and ``between_builds`` within a seed.

    Estimated from the ``seeds`` that all ``builds`` have. ``between_seeds`` is not below zero. ``fraction_of_builds`` is the part of one run's variance
    that is between builds; NaN where there is none at all, or too little to tell.
    """

    arm: str
    seeds: int
    builds: int
    between_seeds: float
    between_builds: float

    @property
    def fraction_of_builds(self) -> float:
        total = self.between_seeds + self.between_builds
        return self.between_builds / total if total > 0 else float("nan")


def averaged(trees: Sequence[xr.DataTree], metric: str) -> xr.DataArray:
    """The metric as [arm, seed], averaged over builds within each seed, described as :func:`~zoneout_lab.results.scalar` does.

    A run that diverged in one build is NaN, since what is left of it would be the better half; one that a build lacks is averaged over the
    others.

    Args:
        trees: results of one study, one tree for each build.
        metric: by name.

    Raises:
        InputRefusedError: fewer than two trees, trees of different studies or on different data, or the same run's file in two of them.
    """
    stacked = _stacked(trees, metric)
    lost = xr.concat([_status(tree) == "diverged" for tree in trees], "build", join="outer", fill_value=False).any(
        "build"
    )
    return stacked.mean("build").where(~lost).assign_attrs(stacked.attrs)


def split_variance(trees: Sequence[xr.DataTree], metric: str) -> tuple[VarianceSplit, ...]:
    """The variance of the metric in every arm, split into that between seeds and that between builds within a seed.

    One-way analysis of variance with random effects, over the seeds whose run finished in every one of k builds: σ²_builds = MS_within,
    σ²_seeds = (MS_between − MS_within) / k, or zero where that is negative. NaN for fewer than two such seeds. Raises what
    :func:`averaged` raises.

    Args:
        trees: results of one study, one tree for each build.
        metric: by name.
    """
    stacked = _stacked(trees, metric).transpose("arm", "seed", "build")
    return tuple(_split(str(arm), values) for arm, values in zip(stacked["arm"].values, stacked.values, strict=True))


def noise_of_builds(one: Comparison, other: Comparison) -> float:
    """By how much the build that it is run on moves a comparison's mean difference: one standard deviation, on the comparison's scale.

    Two builds' paired differences d and d' of a seed differ by rounding alone, so half the mean of (d − d')² over their seeds is the variance that a
    build adds to the difference of one seed, and an n-th of it what it adds to their mean. NaN for fewer than two common seeds, or different scales.

    Args:
        one: a comparison in one build's results.
        other: the same in another's.
    """
    theirs = dict(zip(other.seeds, other.differences, strict=True))
    apart = [d - theirs[seed] for seed, d in zip(one.seeds, one.differences, strict=True) if seed in theirs]
    if len(apart) < 2 or one.scale != other.scale:
        return float("nan")
    return float(np.sqrt(np.mean(np.square(apart)) / 2 / len(apart)))


def _split(arm: str, values: np.ndarray) -> VarianceSplit:
    whole = values[np.isfinite(values).all(axis=1)]  # [seeds, builds]
    seeds, builds = whole.shape
    if seeds < 2:
        return VarianceSplit(arm, seeds, builds, float("nan"), float("nan"))
    within = float(whole.var(axis=1, ddof=1).mean())
    between = float(builds * whole.mean(axis=1).var(ddof=1))
    return VarianceSplit(arm, seeds, builds, max(0.0, (between - within) / builds), within)


def _stacked(trees: Sequence[xr.DataTree], metric: str) -> xr.DataArray:
    """The metric as [build, arm, seed]."""
    _refuse_unlike(trees)
    values = [scalar(tree, metric) for tree in trees]
    return xr.concat(values, "build", join="outer", combine_attrs="override")


def replicates(trees: Sequence[xr.DataTree]) -> bool:
    """True where the results are of runs that were trained alike, from the same number on the same data: those of one seed differ by rounding alone."""
    return (
        bool(_trained(trees[0]))
        and len({_trained(tree) for tree in trees}) == len({_data(tree) for tree in trees}) == 1
    )


def _refuse_unlike(trees: Sequence[xr.DataTree]) -> None:
    if len(trees) < 2:
        raise InputRefusedError(
            "Builds are compared over two or more results of one study; give a tree for each build."
        )
    for what, written in (("study", [_trained(tree) for tree in trees]), ("data", [_data(tree) for tree in trees])):
        if len(set(written)) > 1:
            raise InputRefusedError(
                f"These results are not of the same {what}, so that they are no replicates of each other: give those of one study, on the same data."
            )
    if not _trained(trees[0]):
        raise InputRefusedError(
            "These results do not record their study, so that nothing says that they are of the same one."
        )
    seen: dict[str, int] = {}
    for place, tree in enumerate(trees):
        record = tree["provenance"].to_dataset()
        digests = sorted(
            {str(digest) for digest in record["sha256"].values.flat if digest} if "sha256" in record else ()
        )
        if twice := [digest for digest in digests if digest in seen]:
            raise InputRefusedError(
                f"Results {seen[twice[0]] + 1} and {place + 1} share files of runs (SHA-256 {twice[0][:12]}…): a run counts once. Give results that "
                "were trained apart."
            )
        seen |= dict.fromkeys(digests, place)


def _trained(tree: xr.DataTree) -> str:
    """What of a study decides what its runs are, as one text; nothing where the results record no study."""
    study = schema.study_of(tree)
    if not study:
        return ""
    kept = {key: study.get(key) for key in _TRAINED}
    arms = kept["arms"] if isinstance(kept["arms"], list) else []
    kept["arms"] = [{k: v for k, v in arm.items() if k != "label"} if isinstance(arm, dict) else arm for arm in arms]
    return json.dumps(kept, sort_keys=True)


def _data(tree: xr.DataTree) -> str:
    """The digests of the data, as one text; notes may differ in wording."""
    found = schema.provenance(tree, "data") if "provenance" in tree.children else None
    if isinstance(found, list):
        found = sorted(str(each.get("digest")) if isinstance(each, dict) else str(each) for each in found)
    return json.dumps(found, sort_keys=True)


def _status(tree: xr.DataTree) -> xr.DataArray:
    return schema.by_arm_and_seed(tree)["metrics"].to_dataset()["status"]
