"""What a report is made from: a study tree read once into arms, seeds and judgements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.quantity import Quantity, quantity
from zoneout_lab.report.text import legible, part
from zoneout_lab.results import Judgement, judge, labels_of, open_results
from zoneout_lab.results.blocks import Blocks, blocks_of
from zoneout_lab.results.scalars import described

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class ReportData:
    """A study tree and what every section needs to know about it. ``beside`` are the files that lie beside the page and are linked to."""

    tree: xr.DataTree
    beside: tuple[str, ...] = ()

    @classmethod
    def read(cls, tree_or_path: xr.DataTree | str | Path, beside: tuple[str, ...] = ()) -> ReportData:
        """The data of a report on a study, given as a tree or as the path of a study's results.

        Raises InputRefusedError where it is the result of a single run.
        """
        tree = tree_or_path if isinstance(tree_or_path, xr.DataTree) else open_results(tree_or_path)
        if tree.attrs.get("kind") != "study" or "metrics" not in tree.children:
            raise InputRefusedError(
                "A report is made from a study's results; these are not. Give the study's folder or study.nc."
            )
        return cls(schema.by_arm_and_seed(tree), beside)

    def recorded(self, key: str) -> Any:
        """One provenance attribute, or None: nothing in a report fails because a detail was not recorded."""
        return schema.provenance(self.tree, key) if "provenance" in self.tree.children else None

    @cached_property
    def study(self) -> Mapping[str, Any]:
        return schema.study_of(self.tree) or {}

    @cached_property
    def trained_here(self) -> bool:
        """True where the runs recorded what they were trained on; only then are a study's task, model and training known."""
        return bool(self.recorded("data"))

    @cached_property
    def source(self) -> Mapping[str, Any]:
        """Where results that were made elsewhere come from; empty for those of a study that was run here."""
        recorded = self.recorded("source")
        return recorded if isinstance(recorded, Mapping) else {}

    @property
    def exploratory(self) -> bool:
        """True where nothing was declared, and every arm is compared with the baseline."""
        return self.study.get("standing") == "exploratory"

    @cached_property
    def blocks(self) -> Blocks:
        """What runs are paired by."""
        return blocks_of(self.tree)

    @property
    def pair(self) -> str:
        """What a pair is called."""
        return "run" if not self.blocks.paired else "block" if self.blocks.labels else "seed"

    def pair_name(self, seed: int) -> str:
        """A pair as a reader is told of it: a seed's number, or a block's label."""
        return legible(self.blocks.labels.get(seed, seed))

    @cached_property
    def trained_on(self) -> str:
        """Task and preset, as far as they are known: ``char_ptb, laptop preset``."""
        task, preset = (legible(self.study.get(key) or "") for key in ("task", "preset"))
        if not self.trained_here or not task:
            return ""
        return f"{part(task) if ':' in task else task}{f', {preset} preset' if preset else ''}"

    @property
    def authors(self) -> tuple[str, ...]:
        """Who the study says it is by."""
        authors = self.study.get("authors")
        return tuple(map(str, authors)) if isinstance(authors, list | tuple) else ()

    @cached_property
    def date(self) -> str:
        """The day on which the last run was written, as 2026-01-31, from what is recorded; empty where nothing is."""
        written = self.recorded("written")
        days = [str(each)[:10] for each in (written if isinstance(written, list) else [written]) if each]
        return max((day for day in days if _DAY.fullmatch(day)), default="")

    @cached_property
    def metrics(self) -> xr.Dataset:
        return self.tree["metrics"].to_dataset().load()

    def quantity(self, name: str) -> Quantity:
        """How a metric of the study is shown."""
        about = described(self.tree, name)
        return quantity(name, about.unit, about.noun, about.better or "", about.long_name)

    @cached_property
    def score(self) -> str | None:
        """The metric that runs are judged by: the first that the study describes, or the task's score in validation, or the loss."""
        described = (name for name in schema.metrics_of(self.study) if name in self.metrics)
        return next(described, None) or score_name(self.metrics)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        return tuple(int(seed) for seed in self.metrics.seed.values)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in the order of the tree, the baseline in the palette's first place."""
        names = [str(name) for name in self.metrics.arm.values]
        recorded_arms = self.study.get("arms") or []
        declared = {str(arm.get("name")): arm for arm in recorded_arms if isinstance(arm, Mapping)}
        labels = labels_of(self.study)
        recorded = str(self.study.get("baseline"))
        baseline = recorded if recorded in names else names[0]
        places = {name: place for place, name in enumerate(sorted(names, key=lambda name: name != baseline))}
        return tuple(
            Arm(
                name,
                legible(labels.get(name, name)),
                Style(places[name]),
                declared.get(name, {}).get("regularizer"),
                declared.get(name, {}).get("change") or declared.get(name, {}).get("params") or {},
                name == recorded,
            )
            for name in names
        )

    def arm(self, name: str) -> Arm:
        """The arm of that name; one that a hypothesis names and no run has gets the next free look."""
        return next((arm for arm in self.arms if arm.name == name), Arm(name, legible(name), Style(len(self.arms))))

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """The verdicts on the declared hypotheses."""
        return judge(self.tree) if self.study.get("hypotheses") else ()

    @cached_property
    def status(self) -> dict[tuple[str, int], str]:
        """Arm and seed → finished, diverged or missing."""
        values = self.metrics["status"].transpose("arm", "seed").values
        return {
            (arm.name, seed): str(values[row, column])
            for row, arm in enumerate(self.arms)
            for column, seed in enumerate(self.seeds)
        }


def score_name(metrics: xr.Dataset) -> str | None:
    """The validation metric that runs are judged by: the score, which has the shortest name beside the loss, or the loss alone.

    >>> score_name(xr.Dataset({"valid_loss": ("epoch", [1.0]), "valid_error": ("epoch", [0.5])}))
    'valid_error'
    """
    names = [
        str(name) for name in metrics.data_vars if str(name).startswith("valid_") and "epoch" in metrics[name].dims
    ]
    measured = [name for name in names if bool(np.isfinite(metrics[name]).any())] or names
    return min(measured, key=lambda name: (name == "valid_loss", len(name), name), default=None)
