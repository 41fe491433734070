"""Which trials Optuna is to have of a study: one for each run that is compared, and for each searched arm, in a study of its own, one for each
setting that was tried.

A seed is no parameter. The runs that are compared have none to be chosen, and a setting has those that its arm is searched for and no
others: its value is the mean over the tuning's seeds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from zoneout_lab import schema
from zoneout_lab.frozen import AnyRun
from zoneout_lab.metrics import Better
from zoneout_lab.study.search_space import Params, Space, distributions
from zoneout_lab.study.store import TUNE

FACTS = ("phase", "file", "sha256", "status")
#: runs by id, each with the SHA-256 of its file
Pairs = frozenset[tuple[str, Any]]


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its id, arm and seed, its values of what its arm is searched for, its score (None: it has none), and the facts
    that the manifest has of its file."""

    run: str
    arm: str
    seed: int
    params: Params
    score: float | None
    facts: Mapping[str, Any]

    @property
    def searched(self) -> bool:
        """True where it was run to find a setting."""
        return str(self.facts["phase"]) == TUNE


@dataclass(frozen=True)
class Wanted:
    """A trial that Optuna is to have, in the study of an ``arm`` that is searched, or in that of the runs that are compared (empty)."""

    arm: str
    trial: FrozenTrial


class Settings:
    """Makes trials of runs as they end: of one that is compared at once, of a setting when all of its seeds have ended.

    Args:
        spaces: each arm's search space, empty where it has none.
        seeds: how many each setting is tried on.
    """

    def __init__(self, spaces: Mapping[str, Space], seeds: int) -> None:
        self._spaces = {arm: distributions(space) for arm, space in spaces.items()}
        self._seeds = seeds
        self._waiting: dict[tuple[str, str], dict[int, Ended]] = {}

    def add(self, ended: Ended) -> Wanted | None:
        """The trial that a run is, or completes; None where other runs of its setting have not ended."""
        if not ended.searched:
            return Wanted("", _of_run(ended))
        setting = ended.arm, json.dumps(ended.params, sort_keys=True)
        runs = self._waiting.setdefault(setting, {})
        runs[ended.seed] = ended
        if len(runs) < self._seeds:
            return None
        del self._waiting[setting]
        space = self._spaces[ended.arm]
        return Wanted(ended.arm, _of_setting([runs[seed] for seed in sorted(runs)], space))


def settings_of(study: Mapping[str, Any]) -> Settings:
    """Of a study as its manifest has it."""
    return Settings(searches_of(study), int((study.get("tuning") or {}).get("seeds", 1)))


def searches_of(study: Mapping[str, Any]) -> dict[str, Space]:
    """The search space of each of a study's arms, empty where it has none."""
    return {str(arm["name"]): arm.get("search") or {} for arm in study["arms"]}


def ended_run(run: AnyRun, space: Space, score: float | None, facts: Mapping[str, Any]) -> Ended:
    """A run that has just ended."""
    spec = {name: getattr(run, name, None) for name in ("regularizer", "params")}
    return Ended(run.id, run.arm, run.seed, _chosen(spec, space if facts["phase"] == TUNE else {}), score, facts)


def ended_before(folder: Path, study: Mapping[str, Any], run_id: str, entry: Mapping[str, Any]) -> Ended:
    """A run by its line in the manifest; of one that was run to find a setting the file is read. Raises IntegrityError where that is damaged."""
    params: Params = {}
    if entry["phase"] == TUNE:
        groups = schema.read_groups(folder / entry["file"], entry["sha256"], only=schema.ORIGIN)
        spec = schema.decoded(groups["/provenance"].attrs, "spec")
        params = _chosen(spec, searches_of(study)[entry["arm"]])
    facts = {name: entry[name] for name in FACTS}
    return Ended(run_id, entry["arm"], entry["seed"], params, entry["score"], facts)


def wanted(
    folder: Path,
    manifest: Mapping[str, Any],
    known: Pairs = frozenset(),
    *,
    searched: bool = False,
    settings: Settings | None = None,
) -> Iterator[Wanted]:
    """All trials that a study's folder makes, in the order in which its runs were written.

    A setting of which runs are missing makes none.

    Args:
        folder: the study's.
        manifest: its manifest.
        known: runs to leave out.
        searched: True for those of searched arms alone.
        settings: what makes them, where more runs are to come.

    Raises IntegrityError where a file is damaged.
    """
    study = manifest["study"]
    settings = settings or settings_of(study)
    entries = sorted(manifest["runs"].items(), key=lambda item: (item[1].get("written", ""), item[0]))
    for run_id, entry in entries:
        if (run_id, entry["sha256"]) in known or (searched and entry["phase"] != TUNE):
            continue
        if (found := settings.add(ended_before(folder, study, run_id, entry))) is not None:
            yield found


def objective(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, Better] | None:
    """The metric that is a trial's value, and which of its values are better; None where nothing has run."""
    files = (entry for entry in manifest["runs"].values() if (folder / entry["file"]).exists())
    if (first := next(files, None)) is None:
        return None
    groups = schema.read_groups(folder / first["file"], first["sha256"], only=schema.ORIGIN)
    score = schema.decoded(groups["/provenance"].attrs, "score")
    if score is None:  # of a training function
        return _described(manifest["study"])
    return f"valid_{score['name']}", "higher" if score["better"] == "higher" else "lower"


def _described(study: Mapping[str, Any]) -> tuple[str, Better]:
    """Which of the metrics that a study describes is its runs' score, and which way is better."""
    described = schema.metrics_of(study)
    name = (study.get("tuning") or {}).get("metric") or next(iter(described), "")
    return name, (described[name].better if name in described else None) or "lower"


def pairs(trial: FrozenTrial) -> Pairs:
    """The runs that a trial is of, with their files' SHA-256."""
    about = trial.user_attrs
    if is_setting(trial):
        return frozenset(zip(about["runs"], about["sha256"], strict=True))
    return frozenset([(str(about.get("run")), about.get("sha256"))])


def is_setting(trial: FrozenTrial) -> bool:
    """True of one of a searched arm's."""
    return "runs" in trial.user_attrs


def has_files(trial: FrozenTrial) -> bool:
    """True where a trial is finished, and of runs that have files."""
    return trial.state.is_finished() and all(sha256 is not None for _, sha256 in pairs(trial))


def says(trial: FrozenTrial) -> tuple[Any, ...]:
    """All that a trial says, to be compared."""
    return trial.state, trial.value, trial.params, trial.user_attrs


def _chosen(spec: Mapping[str, Any], space: Space) -> Params:
    """A run's values of what is searched: options of its regularizer, or parameters of its training function."""
    values = {**(spec.get("regularizer") or {}), **(spec.get("params") or {})}
    return {name: values[name] for name in space}


def _of_run(ended: Ended) -> FrozenTrial:
    about = {"run": ended.run, "arm": ended.arm, "seed": ended.seed, **ended.facts}
    return _trial(ended.score, {}, {}, about)


def _of_setting(runs: list[Ended], space: Mapping[str, Any]) -> FrozenTrial:
    scores = [each.score for each in runs]
    known = [score for score in scores if score is not None]
    about: dict[str, Any] = {"runs": [each.run for each in runs]}
    about |= {name: [each.facts.get(name) for each in runs] for name in FACTS if name != "phase"}
    # numbers by themselves, which the dashboard puts into columns and charts
    about |= {f"tuning seed {each.seed}": each.score for each in runs if each.score is not None}
    # a setting with which a run diverges is no setting to choose
    mean = sum(known) / len(known) if len(known) == len(scores) else None
    return _trial(mean, runs[0].params, dict(space), about)


def _trial(value: float | None, params: Params, space: Mapping[str, Any], about: Mapping[str, Any]) -> FrozenTrial:
    failed = value is None or math.isnan(value)
    return create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        value=None if failed else value,
        params=params,
        distributions=dict(space),
        user_attrs=dict(about),
    )
