"""A study with a training function of one's own: parameters in place of a setting, and metrics that it describes itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, cast

from pydantic import SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.frozen import without_later
from zoneout_lab.functions import FunctionRun
from zoneout_lab.metrics import RESERVED, Metric
from zoneout_lab.parts import Code, function_name
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.spec import Study

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: fields of a study, and of its arms, that are a built-in task's
_OF_TASKS = ("task", "preset", "change", "tasks", "gradient_epochs", "gradient_examples", "measures")
_OF_TASKS_ARMS = ("regularizer", "change")


class FunctionStudy(Study):
    """What :class:`~zoneout_lab.study.spec.Study` makes of one with ``train=``."""

    @model_validator(mode="before")
    @classmethod
    def _none_of_a_task(cls, values: Any) -> Any:
        for field in _OF_TASKS if isinstance(values, Mapping) else ():
            if field in values and values[field] != cls.model_fields[field].get_default(call_default_factory=True):
                raise InputRefusedError(
                    f"{field} is a built-in task's, and this study has a training function: make it one of its params, or leave out train."
                )
        return values

    @model_validator(mode="after")
    def _function_fits(self) -> FunctionStudy:
        if not self.metrics:
            raise InputRefusedError(
                'metrics is empty; say what the function returns, for example metrics={"test_accuracy": Metric("test accuracy", unit="%", '
                'better="higher")}.'
            )
        for name in self.metrics:
            _check_name(name)
        _check_params("params", self.params)
        for arm in self.arms:
            self._check_arm(arm)
        self._check_search()
        for hypothesis in self.hypotheses:
            if hypothesis.metric not in self.metrics and hypothesis.metric not in REDUCTIONS:
                raise InputRefusedError(
                    f"hypothesis {hypothesis.name!r}: {unknown('metric', hypothesis.metric, self.metrics)}"
                )
        return self

    def _check_arm(self, arm: Arm) -> None:
        given: Any = arm.regularizer
        if given is not None or arm.change:
            raise InputRefusedError(
                f"arm {arm.name!r} has a {'change' if given is None else 'regularizer'}, which is a built-in task's; a training function is "
                "given params={...}."
            )
        _check_params(f"arm {arm.name!r}: params", arm.params or {})
        for name in arm.params or {}:
            if name not in self.params:
                raise InputRefusedError(
                    f"arm {arm.name!r}: {unknown('parameter', name, self.params)} Give the study a value for it too."
                )

    def _check_search(self) -> None:
        searched = [arm for arm in self.arms if arm.search]
        for arm in searched:
            for name in arm.search:
                if name not in self.params:
                    raise InputRefusedError(f"arm {arm.name!r}: {unknown('parameter to search', name, self.params)}")
                space = arm.search[name]
                if isinstance(space, tuple) and not space[0] < space[1]:
                    raise InputRefusedError(
                        f"arm {arm.name!r}: {name} cannot be searched from {space[0]} to {space[1]}; give a range that rises."
                    )
            if self.tuning is None:
                raise InputRefusedError(
                    f"arm {arm.name!r} has a search space but the study has no tuning budget: add tuning=Tuning(...)."
                )
        metric = self.tuning.metric if self.tuning is not None else ""
        if metric and metric not in self.metrics:
            raise InputRefusedError(f"tuning: {unknown('metric', metric, self.metrics)}")
        if searched and not metric and len(self.metrics) > 1:
            raise InputRefusedError(
                f"tuning does not say which metric is to be best: Tuning(metric=...), one of {', '.join(self.metrics)}; one of a validation "
                "split, or the test split would be tuned on."
            )
        if searched and self.metrics[self.objective.metric].better is None:
            raise InputRefusedError(
                f"tuning: {self.objective.metric} does not say which way is better: Metric(..., better='lower' or 'higher')."
            )

    @model_serializer(mode="wrap")
    def _as_json(self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        out = without_later(self, serialize(self), info)
        for field in _OF_TASKS:
            out.pop(field, None)
        if info.mode == "json":
            out["arms"] = [
                {key: value for key, value in arm.items() if key not in _OF_TASKS_ARMS} for arm in out["arms"]
            ]
        return out

    def about(self, metric: str) -> Metric | None:
        return self.metrics.get(metric) or (REDUCTIONS[metric].about if metric in REDUCTIONS else None)

    @property
    def objective(self) -> Objective:
        """The metric that tuning is to make best, or the first one of the study."""
        name = (self.tuning.metric if self.tuning is not None else "") or next(iter(self.metrics))
        return Objective(name, self.metrics[name].better or "lower")

    def params_of(self, arm: Arm) -> dict[str, Any]:
        """What the function is given for an arm."""
        return {**self.params, **(arm.params or {})}

    def of_arm(self, arm: Arm, phase: str = "") -> Callable[[int], FunctionRun]:
        seeds = self.seeds_of(arm, phase)
        shared = FunctionRun(
            arm=arm.name,
            seed=0,
            seeds=seeds(0),
            train=function_name(self.train),
            params=self.params_of(arm),
            code=self.code.digests(),
        )
        return lambda seed: shared.model_copy(update={"seed": seed, "seeds": seeds(seed)})

    def with_params(self, arm: Arm, found: Mapping[str, Any]) -> Arm:
        return arm.model_copy(update={"params": {**(arm.params or {}), **found}})

    @property
    def code(self) -> Code:
        return Code.of([cast(FunctionType, self.train)])

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json") | ({"code": self.code.digests()} if self.code.files else {})


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in RESERVED:
        taken = ", and not one that results use for something else" if name in RESERVED else ""
        raise InputRefusedError(
            f"A metric cannot be called {name!r}: use lower-case letters, digits and _, beginning with a letter{taken}."
        )


def _check_params(where: str, params: Mapping[str, Any]) -> None:
    """A number that JSON cannot hold would be another one when it is read again."""
    for name, value in params.items():
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise InputRefusedError(f"{where}: {name} is {value!r:.100}; give finite numbers.") from None
