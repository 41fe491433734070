"""A study as a value: a question, its arms, its seeds, and hypotheses declared before any data exist."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from zoneout_lab.errors import InputRefusedError, LabError, UsageError, told, unknown
from zoneout_lab.frozen import Growing, Seeds, content_hash
from zoneout_lab.measures import USUAL, check_together
from zoneout_lab.measures import to_json as measure_to_json
from zoneout_lab.metrics import METRICS, SPLITS, Metric, Score, as_score
from zoneout_lab.ops.cells import Cell, as_cell
from zoneout_lab.parts import Code, Part, check_kinds, parts_of
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.regularizers import to_json, trained_for
from zoneout_lab.settings import Run, Setting
from zoneout_lab.stats import Family, margin_on, named_or_own
from zoneout_lab.study.changes import changed, explain
from zoneout_lab.study.declared import KINDS, Arm, Change, Hypothesis, Kind, MeasureField, Name, Tuning, Vary
from zoneout_lab.study.fits import (
    arms_fit,
    hypotheses_fit,
    looks_fit,
    searches_fit,
    shared_by_tasks,
    tasks_fit,
    vary_fits,
)
from zoneout_lab.study.on_task import OnTaskField, TaskField, with_first, with_options
from zoneout_lab.tasks import make_task, options_of, task_class, task_name


class Study(Growing):
    """A question and everything needed to answer it.

    Args:
        name: file-name-like identifier.
        title, question, background: texts of the report.
        authors: who it is by, for the report and its citation.
        task, preset: a task, by name, as a class or as a value (whose fields are then its options), and one of its settings.
        tasks: several tasks to ask the question on, each given like ``task`` or as an ``OnTask`` with a preset and changes of its own;
            :meth:`each` makes a study of each. Hypotheses are about metrics that all of them have.
        change: dotted field of the setting → value, for all arms.
        arms, baseline: what is compared, and the arm the others are written against.
        seeds: how many seeds every arm is run with; seed: the number from which all randomness derives.
        hypotheses, alpha: the family of claims, corrected together at α.
        family: how: ``joint``, by flipping whole seeds, which takes no more seeds for many hypotheses than for one; or ``holm``.
        gradient_epochs, gradient_examples: when the measures are taken, and on how many validation examples; 0 is before training, −1
            after each run's last epoch.
        measures: what is measured then; by default gradient flow and the growth of a perturbation.
        tuning: budget for arms with a search space.
        vary: what differs between the seeds of an arm: initial weights, order of the data, masks. What is not named is held at the
            draw of seed 0. An arm may vary something else.
        looks: numbers of seeds, ascending, the last of them ``seeds``. The study is judged at each, and trains no further once every
            hypothesis has a verdict. Without them it is judged once, at its end.
    """

    name: Name
    title: str
    question: str
    background: str = ""
    task: TaskField = "digits"
    preset: str = "laptop"
    change: Change = Field(default_factory=dict)
    arms: tuple[Arm, ...] = Field(min_length=1)
    baseline: Name
    seeds: int = Field(8, ge=1, le=1000)
    seed: int = Field(0, ge=0)
    hypotheses: tuple[Hypothesis, ...] = ()
    alpha: float = Field(0.05, gt=0, lt=1)
    family: Family = "joint"
    gradient_epochs: tuple[Annotated[int, Field(ge=-1)], ...] = ()
    gradient_examples: int = Field(64, ge=1)
    measures: tuple[MeasureField, ...] = USUAL
    tuning: Tuning | None = None
    vary: Vary = KINDS
    looks: tuple[Annotated[int, Field(ge=1)], ...] = ()
    authors: tuple[str, ...] = ()
    tasks: tuple[OnTaskField, ...] = ()

    later: ClassVar[tuple[str, ...]] = ("measures", "vary", "looks", "authors", "tasks")

    @model_validator(mode="before")
    @classmethod
    def _options_of_task(cls, values: Any) -> Any:
        """A task that is a value is its class, and its fields are changes of the setting's options."""
        return with_options(with_first(values))

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        check_kinds(type(measure) for measure in self.measures)
        check_together(self.measures)
        arms_fit(self.arms, self.baseline)
        hypotheses_fit(self.hypotheses, [arm.name for arm in self.arms])
        vary_fits(self.hypotheses, {arm.name: self.varied(arm) for arm in self.arms})
        searches_fit(self.arms, self.tuning)
        looks_fit(self.looks, self.seeds, self.hypotheses)
        tasks_fit(self.tasks, self.task, self.change, self.looks)
        return self

    def each(self) -> tuple[Study, ...]:
        """The study on each of its tasks, an ordinary study each; itself where there is only one.

        >>> study = Study(
        ...     name="s", title="", question="", tasks=("digits", "adding"), arms=[{"name": "a"}], baseline="a"
        ... )
        >>> [each.task for each in study.each()]
        ['digits', 'adding']
        """
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

    def resolved(self) -> Study:
        """The study with ``…_score`` metrics named for its task, ``valid_error`` or ``valid_bpc``, and each hypothesis's scale written out.

        On several tasks it stays as it is: each of them names them for itself. Raises InputRefusedError where a hypothesis's margin is none on its
        scale, does not say which it is on, or does not mean the same on every task.
        """
        if self.tasks:
            self._check_shared()
            return self
        names = {f"{split}_score": f"{split}_{self.score.name}" for split in SPLITS}
        hypotheses = []
        for h in self.hypotheses:
            metric = names.get(h.metric, h.metric)
            try:
                about = self._about(metric)
                scale = named_or_own(h.scale, about.scale if about else "linear", h.margin, metric)
                margin_on(scale, h.margin)
            except InputRefusedError as error:
                raise InputRefusedError(f"hypothesis {h.name!r}: {error}") from error
            hypotheses.append(h.model_copy(update={"metric": metric, "scale": scale}))
        return self.model_copy(update={"hypotheses": tuple(hypotheses)})

    def _about(self, metric: str) -> Metric | None:
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
            abouts = [study._about(h.metric) for study, h in zip(studies, of_tasks, strict=True)]
            shared_by_tasks(
                hypothesis,
                [(on.label, h.scale, about) for on, h, about in zip(self.tasks, of_tasks, abouts, strict=True)],
            )

    @property
    def score(self) -> Score:
        """What the study's task is judged by beside its loss."""
        return as_score(task_class(self.task).score)

    @property
    def id(self) -> str:
        """Name and hash of the study with its settings resolved: the name of its results folder. On several tasks it has none, and the id names their page."""
        if self.tasks:
            return together(self.each())
        text = content_hash(self.resolved()) + "".join(content_hash(self.setting(arm)) for arm in self.arms)
        text += "".join(f"{key} {digest}" for key, digest in self.code.digests().items())
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    def arm(self, name: str) -> Arm:
        """The arm of that name; UsageError where there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise unknown("arm", name, [arm.name for arm in self.arms])

    def varied(self, arm: Arm) -> tuple[Kind, ...]:
        """What differs between the seeds of an arm."""
        return arm.vary or self.vary

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

    def runs(self, seeds: int | None = None) -> list[Run]:
        """Every arm × seed, seed by seed; of the first ``seeds`` alone where a number is given."""
        of_arms = [self._of_arm(arm) for arm in self.arms]
        return [of(seed) for seed in range(self.seeds if seeds is None else seeds) for of in of_arms]

    def run(self, arm: Arm, seed: int, *, phase: str = "") -> Run:
        """One arm at one seed. Arms of one seed share their initial weights and data order; ``phase`` gives other seeds.

        What the arm does not vary is drawn as at seed 0.
        """
        return self._of_arm(arm, phase)(seed)

    def _of_arm(self, arm: Arm, phase: str = "") -> Callable[[int], Run]:
        """What makes an arm's runs of their seeds. What they share is checked and worked out once."""
        setting, varied = self.setting(arm), self.varied(arm)
        try:
            trained_for(arm.regularizer, 1).masks(self.cell(arm))
        except LabError:
            raise
        except Exception as error:
            kind = to_json(arm.regularizer)["kind"]
            raise InputRefusedError(
                f"arm {arm.name!r}: {kind} failed when asked for its masks: {told(error)}."
            ) from error

        def seeds(seed: int) -> Seeds:
            of = {kind: derive(self.seed, seed if kind in varied else 0, phase + kind) for kind in KINDS}
            # integers, as they have to be: to check them takes longer than to make them
            return Seeds.model_construct(init=of["init"], data=of["data"], masks=of["masks"])

        shared = Run(
            arm=arm.name,
            seed=0,
            task=task_name(self.task),
            setting=setting,
            regularizer=to_json(arm.regularizer),
            seeds=seeds(0),
            gradient_epochs=() if phase else self.gradient_epochs,
            gradient_examples=self.gradient_examples,
            measures=tuple(measure_to_json(measure) for measure in self.measures),
            code=Code.of(self.classes(arm)).digests(),
        )
        return lambda seed: shared.model_copy(update={"seed": seed, "seeds": seeds(seed)})

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
        whole: tuple[Part, ...] = (arm.regularizer, self.cell(arm), *self.measures)
        held = [part for each in whole for part in parts_of(each)]
        return [task_class(self.task), *map(type, held)]


def together(studies: Sequence[Study]) -> str:
    """Name and hash of one question asked in several studies."""
    ids = " ".join(study.id for study in studies)
    return f"{studies[0].name}-{hashlib.sha256(ids.encode()).hexdigest()[:6]}"


def derive(study_seed: int, seed: int, purpose: str) -> int:
    """A seed of 63 bits for one purpose, from the study's seed and the run's; never from worker or position.

    >>> derive(0, 1, "init") == derive(0, 1, "data")
    False
    """
    return int.from_bytes(hashlib.sha256(f"{study_seed}/{seed}/{purpose}".encode()).digest()[:8]) >> 1


def overridden(study: Study, **changes: Any) -> Study:
    """The study with fields replaced, validated again.

    Another number of ``seeds`` keeps the declared looks below it, and is the last one itself.

    >>> study = Study(
    ...     name="s",
    ...     title="",
    ...     question="",
    ...     arms=[{"name": "a"}, {"name": "b"}],
    ...     baseline="a",
    ...     seeds=20,
    ...     looks=(6, 10, 20),
    ...     hypotheses=[{"name": "h", "statement": "", "arm": "b", "against": "a", "metric": "valid_score"}],
    ... )
    >>> overridden(study, seeds=12).looks, overridden(study, seeds=10).looks
    ((6, 10, 12), (6, 10))

    Raises InputRefusedError (or UsageError for an unknown name) where it no longer fits together.
    """
    seeds = changes.get("seeds", study.seeds)
    if study.looks and seeds != study.seeds:
        changes = {"looks": (*(look for look in study.looks if look < seeds), seeds)} | changes
    try:
        return Study.model_validate(dict(study) | changes)
    except ValidationError as error:
        causes = [item["ctx"]["error"] for item in error.errors() if item["type"] == "value_error"]
        if len(causes) == 1 and isinstance(causes[0], UsageError):
            raise causes[0] from error
        raise InputRefusedError(f"The study {study.name!r} does not fit together.\n{explain(error)}") from error
