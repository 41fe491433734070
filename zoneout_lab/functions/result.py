"""What a training function returned, made a run's outcome: every metric of the study once, and each a number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from zoneout_lab.engines import Outcome
from zoneout_lab.errors import FunctionFailedError, InputRefusedError, shown
from zoneout_lab.functions.running import Running, number
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.metrics import BY_EPOCH, Metric


def outcome_of(run: FunctionRun, running: Running, returned: Any, metrics: Mapping[str, Metric]) -> Outcome:
    """A run's outcome. One with a metric that is not finite has diverged.

    Raises FunctionFailedError where a metric is missing, is none of the study's, or is no number.
    """
    curves, epochs, recorded = running.result()
    measured = _numbers(recorded.values())
    values = _values(returned, metrics, measured) | {name: measured[name] for name in metrics if name in measured}
    diverged = not all(map(math.isfinite, values.values()))
    return Outcome(
        run,
        status="diverged" if diverged else "finished",
        # a curve of the same name as a number of the whole run
        by_epoch={f"{name}{BY_EPOCH}" if name in metrics else name: values for name, values in curves.items()},
        epochs=epochs,
        at_best=values,
        measured=recorded,
    )


def _values(returned: Any, metrics: Mapping[str, Metric], measured: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(returned, Mapping):
        raise FunctionFailedError(
            f"the function returned {shown(returned)}; return a mapping of metrics, {{{', '.join(f'{name!r}: …' for name in metrics)}}}"
        )
    names = {str(name) for name in returned}
    if surplus := sorted(names - set(metrics)):
        raise FunctionFailedError(
            f"the function returned {', '.join(surplus)}, which the study's metrics do not describe: add it there, or leave it out"
        )
    if missing := [name for name in metrics if name not in names and name not in measured]:
        raise FunctionFailedError(
            f"the function did not return {', '.join(missing)}, and recorded no such number; the study's metrics describe it"
        )
    if twice := sorted(names & set(measured)):
        raise FunctionFailedError(f"{', '.join(twice)} was returned and recorded; do one of the two")
    try:
        return {str(name): number(value, f"the metric {name}") for name, value in returned.items()}
    except InputRefusedError as error:
        raise FunctionFailedError(str(error)) from None


def _numbers(recorded: Iterable[Mapping[int, xr.Dataset]]) -> dict[str, float]:
    """The numbers without dimensions that were recorded, as they were last."""
    return {
        str(name): float(value)
        for found in recorded
        for at in sorted(found)
        for name, value in found[at].data_vars.items()
        if not value.dims
    }
