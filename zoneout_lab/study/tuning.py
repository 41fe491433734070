"""Tuning: every arm with a search space at the best setting its budget finds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.frozen import AnyRun
from zoneout_lab.study.spec import Study, derive
from zoneout_lab.study.store import TUNE

if TYPE_CHECKING:
    from zoneout_lab.study.driver import Driver
    from zoneout_lab.study.trials import Params


def tune(driver: Driver) -> Study:
    """The study with every searched arm at the best setting its budget found; other arms as they are.

    Each arm gets the same number of settings, each tried on the same seeds, none of which is used again. What to try
    next is a pure function of the finished runs, so an interrupted search goes on as if it had not been.
    """
    study, store = driver.study, driver.store
    tuning = study.tuning
    arms = [arm for arm in study.arms if arm.search]
    if tuning is None or not arms:
        return study
    from zoneout_lab.study.trials import sampler_name, suggest  # and with it Optuna

    finished: dict[str, list[tuple[Params, float]]] = {arm.name: [] for arm in arms}
    for first in range(0, tuning.trials, tuning.at_once):
        count = min(tuning.at_once, tuning.trials - first)
        asked = {
            arm.name: suggest(
                cast(Any, arm.search),
                finished[arm.name],
                count,
                derive(study.seed, first, f"sampler/{arm.name}"),
                better=study.objective.better,
            )
            for arm in arms
        }
        trials = [
            (
                arm,
                params,
                [study.run(study.with_params(arm, params), seed, phase="tune/") for seed in range(tuning.seeds)],
            )
            for arm in arms
            for params in asked[arm.name]
        ]
        driver.train_missing((run for _, _, runs in trials for run in runs), TUNE)
        for arm, params, runs in trials:
            # without a score, a run counts as the worst possible
            scores = [store.score(run) for run in runs]
            mean = sum(study.objective.worst if score is None else score for score in scores) / len(scores)
            finished[arm.name].append((params, mean))
    first_of = min if study.objective.better == "lower" else max
    best = {name: first_of(trials, key=lambda trial: trial[1]) for name, trials in finished.items()}
    for name, (_, score) in best.items():
        if not math.isfinite(score):
            raise InputRefusedError(
                f"Tuning {name!r} found no setting that trains without diverging; widen its search space."
            )
    tuned = {
        name: {
            "best": best[name][0],
            "sampler": sampler_name(),
            "trials": [
                {"params": params, "value": value if math.isfinite(value) else None} for params, value in finished[name]
            ],
        }
        for name in best
    }
    if store.manifest.get("tuning") != tuned:
        store.manifest["tuning"] = tuned
        store.save()
    return chosen(study, tuned)


def chosen(study: Study, tuned: Mapping[str, Any] | None) -> Study:
    """The study with every searched arm at the setting that a finished search recorded as its best; as it is where there is no record."""
    arms = tuple(
        study.with_params(arm, tuned[arm.name]["best"]) if tuned and arm.name in tuned else arm for arm in study.arms
    )
    return study.model_copy(update={"arms": arms})


def searched(study: Study, tuned: Mapping[str, Any] | None) -> list[AnyRun]:
    """The runs of the study's search: those that a finished one recorded, else as many of each arm as there will be, all at its own setting."""
    if study.tuning is None:
        return []
    none: list[dict[str, Any]] = [{"params": {}}] * study.tuning.trials
    return [
        study.run(study.with_params(arm, trial["params"]), seed, phase="tune/")
        for arm in study.arms
        if arm.search
        for trial in (tuned[arm.name]["trials"] if tuned and arm.name in tuned else none)
        for seed in range(study.tuning.seeds)
    ]
