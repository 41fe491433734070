"""A study of a built-in task, or of one's own task, on the recurrent network that this package trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from pydantic import model_validator

from zoneout_lab.errors import InputRefusedError, LabError, UsageError, told
from zoneout_lab.frozen import content_hash
from zoneout_lab.measures import USUAL, check_together
from zoneout_lab.measures import to_json as measure_to_json
from zoneout_lab.metrics import METRICS, SPLITS, Metric, Score, as_score
from zoneout_lab.ops.cells import Cell, as_cell
from zoneout_lab.parts import Code, Part, check_kinds, parts_of
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.regularizers import NoRegularizer, Regularizer, to_json, trained_for
from zoneout_lab.settings import Run, Setting
from zoneout_lab.study.changed import changed
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.fits_tasks import regularizers_fit, searches_fit, shared_by_tasks, tasks_fit
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.on_task import with_first, with_options
from zoneout_lab.study.part_fields import MeasureField
from zoneout_lab.study.spec import Study, together
from zoneout_lab.tasks import make_task, options_of, task_class, task_name

_OF_FUNCTIONS = {"params": "params", "metrics": "metrics"}


class TaskStudy(Study):
    """What :class:`~zoneout_lab.study.spec.Study` makes without a training function."""

    measures: tuple[MeasureField, ...] = USUAL

    @model_validator(mode="before")
    @classmethod
    def _options_of_task(cls, values: Any) -> Any:
        """A task that is a value is its class, and its fields are changes of the setting's options."""
        return with_options(with_first(values))

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for field in ("params", "metrics"):
            if getattr(self, field):
                raise InputRefusedError(
                    f"{field} is for a training function, and this study has none: give it train=..., or leave {field} out."
                )
        full = (arm.model_copy(update={"regularizer": regularizer_of(arm)}) for arm in self.arms)
        object.__setattr__(self, "arms", tuple(full))
        check_kinds(type(measure) for measure in self.measures)
        check_together(self.measures)
        regularizers_fit(self.arms)
        searches_fit(self.arms, self.tuning)
        tasks_fit(self.tasks, self.task, self.change, self.looks)
        return self

    def each(self) -> tuple[TaskStudy, ...]:
        """The study on each of its tasks, an ordinary study each; itself where there is only one."""
        if not self.tasks:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "task": on.task,
                    "preset": on.preset or self.preset,
                    "change": self.change | on.change,
                    "tasks": (),
                }
            )
            for on in self.tasks
        )

    def resolved(self) -> TaskStudy:
        """As :meth:`Study.resolved` says."""
        if self.tasks:
            self._check_shared()
            return self
        resolved = super().resolved()
        assert isinstance(resolved, TaskStudy)
        return resolved

    def full_name(self, metric: str) -> str:
        """``valid_score`` by the name that it has for the task."""
        return {f"{split}_score": f"{split}_{self.score.name}" for split in SPLITS}.get(metric, metric)

    def about(self, metric: str) -> Metric | None:
        """What is known of a metric of the study."""
        about = dict(METRICS) | {name: each.about for name, each in REDUCTIONS.items()} | self.score.metrics()
        for measure in self.measures:
            about |= dict(measure.scalars)
        return about.get(metric)

    def _check_shared(self) -> None:
        """Refuse a hypothesis that does not mean the same on every task."""
        studies = []
        for on, study in zip(self.tasks, self.each(), strict=True):
            try:
                studies.append(study.resolved())
            except InputRefusedError as error:
                raise InputRefusedError(f"on {on.label}: {error}") from error
        for place, hypothesis in enumerate(self.hypotheses):
            of_tasks = [study.hypotheses[place] for study in studies]
            abouts = [study.about(h.metric) for study, h in zip(studies, of_tasks, strict=True)]
            shared_by_tasks(
                hypothesis,
                [(on.label, h.scale, about) for on, h, about in zip(self.tasks, of_tasks, abouts, strict=True)],
            )

    @property
    def score(self) -> Score:
        """What the study's task is judged by beside its loss."""
        return as_score(task_class(self.task).score)

    @property
    def objective(self) -> Objective:
        """The validation score of the selected checkpoint."""
        return Objective(f"valid_{self.score.name}", self.score.better, by_epoch=True)

    @property
    def id(self) -> str:
        """Name and hash of the study with its settings resolved: the name of its results folder. On several tasks it has none, and the id names their page."""
        return together(self.each()) if self.tasks else super().id

    def identified(self) -> Iterable[str]:
        """The settings of its arms, with what their task and preset make of them."""
        return (content_hash(self.setting(arm)) for arm in self.arms)

    @property
    def paper_setting(self) -> dict[str, Any] | None:
        """The paper's setting of the task, with the study's own changes; None where there is none or it is this one."""
        if self.preset == "paper" or "paper" not in task_class(self.task).settings:
            return None
        return self.model_copy(update={"preset": "paper"}).setting().model_dump(mode="json")

    def setting(self, arm: Arm | None = None) -> Setting:
        """The task's preset with the study's changes, and an arm's."""
        if self.tasks:
            raise UsageError(f"{self.name} asks on {len(self.tasks)} tasks: its each() is a study on each of them.")
        presets = task_class(self.task).settings
        if self.preset not in presets:
            usual = "" if "preset" in self.model_fields_set else ", the one that a study has unless it names another"
            raise UsageError(
                f"{task_name(self.task)} has no preset {self.preset!r}{usual}. Known: {', '.join(sorted(presets))}. Name one in the study, "
                "preset=..., or with --preset."
            )
        # every option is written out, so that a run's identity does not depend on what a task takes for granted
        setting = self._with_options(presets[self.preset])
        return self._with_options(changed(changed(setting, self.change), arm.change if arm else {}))

    def _with_options(self, setting: Setting) -> Setting:
        return setting.model_copy(update={"options": options_of(make_task(self.task, setting.options))})

    def of_arm(self, arm: Arm, phase: str = "") -> Callable[[int], Run]:
        """What makes an arm's runs of their seeds. What they share is checked and worked out once."""
        setting, seeds = self.setting(arm), self.seeds_of(arm, phase)
        try:
            trained_for(regularizer_of(arm), 1).masks(self.cell(arm))
        except LabError:
            raise
        except Exception as error:
            kind = to_json(regularizer_of(arm))["kind"]
            raise InputRefusedError(
                f"arm {arm.name!r}: {kind} failed when asked for its masks: {told(error)}."
            ) from error

        shared = Run(
            arm=arm.name,
            seed=0,
            task=task_name(self.task),
            setting=setting,
            regularizer=to_json(regularizer_of(arm)),
            seeds=seeds(0),
            gradient_epochs=() if phase else self.gradient_epochs,
            gradient_examples=self.gradient_examples,
            measures=tuple(measure_to_json(measure) for measure in self.measures),
            code=Code.of(self.classes(arm)).digests(),
        )
        return lambda seed: shared.model_copy(update={"seed": seed, "seeds": seeds(seed)})

    def with_params(self, arm: Arm, found: Mapping[str, Any]) -> Arm:
        """An arm with the rates that tuning found."""
        return arm.model_copy(update={"regularizer": replace(regularizer_of(arm), **found)})  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """The study as JSON, with the setting that results from its task, preset and changes (``settings``, one for each, where it has several tasks), and the digests of its own code, if any."""
        written = self.model_dump(mode="json")
        settings = [each.setting().model_dump(mode="json") for each in self.each()]
        written |= {"settings": settings} if self.tasks else {"setting": settings[0]}
        return written | ({"code": self.code.digests()} if self.code.files else {})

    @property
    def code(self) -> Code:
        """The user's own files that the study's parts come from."""
        return Code.of(cls for study in self.each() for arm in study.arms for cls in study.classes(arm))

    def cell(self, arm: Arm) -> Cell:
        """The cell of an arm's model."""
        return as_cell((self.change | arm.change).get("model.cell") or self.setting(arm).model.cell)

    def classes(self, arm: Arm) -> list[type[Part]]:
        """The classes of the parts that a run of this arm is made of."""
        whole: tuple[Part, ...] = (regularizer_of(arm), self.cell(arm), *self.measures)
        held = [part for each in whole for part in parts_of(each)]
        return [task_class(self.task), *map(type, held)]


def regularizer_of(arm: Arm) -> Regularizer:
    """An arm's regularizer; one that is in no study yet may have none, which is one that does nothing."""
    given: Any = arm.regularizer
    return NoRegularizer() if given is None else given
