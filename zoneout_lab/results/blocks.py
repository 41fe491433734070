"""What the runs of a study are paired by: their seeds or, where results came from elsewhere, blocks of several columns, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from zoneout_lab import schema


@dataclass(frozen=True)
class Blocks:
    """How runs are ``paired``: by blocks of ``columns``, or by seed where there are none.

    ``labels`` names each pair by its number along ``seed`` and ``groups`` what it shares with others, where they do: the dataset of a fold.
    """

    columns: tuple[str, ...] = ()
    labels: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    paired: bool = True

    def named(self, seeds: Iterable[int]) -> tuple[str, ...]:
        """What these pairs are called; nothing where they are seeds."""
        return tuple(self.labels[seed] for seed in seeds) if self.labels else ()

    @property
    def group(self) -> str:
        """The column that pairs have in common."""
        return self.columns[0] if self.groups and self.columns else ""


def blocks_of(tree: xr.DataTree) -> Blocks:
    """What the runs of a study's results are paired by.

    >>> tree = xr.DataTree.from_dict({"/metrics": xr.Dataset(coords={"seed": [0, 1]})})
    >>> blocks_of(tree).columns, blocks_of(tree).paired
    ((), True)
    """
    study = schema.study_of(tree) or {}
    metrics = tree["metrics"]
    seeds = [int(seed) for seed in np.atleast_1d(metrics.coords["seed"].values)]
    texts = {
        name: dict(zip(seeds, map(str, np.atleast_1d(metrics.coords[name].values)), strict=True))
        for name in ("block", "group")
        if name in metrics.coords
    }
    return Blocks(
        tuple(map(str, study.get("blocks") or ())) if "block" in texts else (),
        texts.get("block", {}),
        texts.get("group", {}),
        study.get("paired") is not False,
    )
