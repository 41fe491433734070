"""Where tuning looks for the settings of an arm, and which it tries next: Optuna's distributions and its sampler."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, json_to_distribution
from optuna.trial import create_trial

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Better
from zoneout_lab.study.databases import quiet

#: name → a range (low, high), a distribution of Optuna's, or that as JSON
Space = Mapping[str, Any]
Params = dict[str, Any]
DIRECTIONS: dict[Better, Literal["minimize", "maximize"]] = {"lower": "minimize", "higher": "maximize"}


def distributions(search: Space) -> dict[str, BaseDistribution]:
    """An arm's search space as Optuna's distributions.

    Args:
        search: name of a parameter → ``(low, high)``, a range of floats; or one of Optuna's distributions, as itself or as the JSON that
            ``optuna.distributions.distribution_to_json`` makes of it.

    Raises InputRefusedError where that is none of these.

    >>> distributions({"dropout": (0.0, 0.5)})
    {'dropout': FloatDistribution(high=0.5, log=False, low=0.0, step=None)}
    >>> units = {"name": "IntDistribution", "attributes": {"low": 8, "high": 64, "log": True, "step": 1}}
    >>> distributions({"units": units, "cell": optuna.distributions.CategoricalDistribution(["lstm", "gru"])})
    {'units': IntDistribution(high=64, log=True, low=8, step=1), 'cell': CategoricalDistribution(choices=('lstm', 'gru'))}
    >>> distributions({"dropout": (0.0,)})
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: The search space of 'dropout' is (0.0,); give a range (low, high) that rises, or a distribution of Optuna's.
    """
    found = {}
    for name, space in search.items():
        try:
            found[name] = _distribution(space)
        except (ValueError, TypeError, KeyError) as error:
            raise InputRefusedError(
                f"The search space of {name!r} is {space!r}; give a range (low, high) that rises, or a distribution of Optuna's."
            ) from error
    return found


def _distribution(space: Any) -> BaseDistribution:
    if isinstance(space, BaseDistribution):
        return space
    if isinstance(space, Mapping):
        return json_to_distribution(json.dumps(dict(space)))
    low, high = space
    return FloatDistribution(float(low), float(high))


def sampler_name() -> str:
    """The sampler that :func:`suggest` uses, with its version.

    >>> sampler_name().startswith("TPESampler of Optuna 5")
    True
    """
    return f"TPESampler of Optuna {optuna.__version__}"


def suggest(
    space: Space, finished: Sequence[tuple[Params, float]], count: int, seed: int, *, better: Better = "lower"
) -> list[Params]:
    """The next ``count`` settings to try, from the tree-structured Parzen estimator and what is known so far.

    A pure function of its arguments: the sampler is made anew from ``seed`` and the number of finished trials.

    >>> [sorted(params) for params in suggest({"p": (0.0, 0.5)}, [({"p": 0.1}, 0.3)], 2, seed=0)]
    [['p'], ['p']]
    """
    searched = distributions(space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=(seed + len(finished)) % 2**32, n_startup_trials=8)
    with quiet("optuna"):
        study = optuna.create_study(sampler=sampler, direction=DIRECTIONS[better])
        for params, score in finished:
            study.add_trial(create_trial(params=params, distributions=searched, value=score))
        return [dict(study.ask(searched).params) for _ in range(count)]
