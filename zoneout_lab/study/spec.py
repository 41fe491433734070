"""A study as a value: a question, its arms, its seeds, and hypotheses declared before any data exist."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.explained import explain
from zoneout_lab.frozen import AnyRun, Growing, Params, Seeds, content_hash
from zoneout_lab.metrics import Metric
from zoneout_lab.parts import Code
from zoneout_lab.stats import Family, margin_on, named_or_own
from zoneout_lab.study.declared import KINDS, Arm, Hypothesis, Kind, Name, Tuning, Vary
from zoneout_lab.study.fits import arms_fit, hypotheses_fit, looks_fit, vary_fits
from zoneout_lab.study.function_fields import MetricsField, TrainField
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.on_task import OnTaskField
from zoneout_lab.study.part_fields import Change, MeasureField, TaskField

if TYPE_CHECKING:
    from zoneout_lab.settings import Setting


class Study(Growing):
    """A question and everything needed to answer it: of a built-in task, or of a training function of one's own.

    Args:
        name: file-name-like identifier.
        title, question, background: texts of the report. Without a title it is called by its name.
        authors: who it is by, for the report and its citation.
        arms: what is compared, an :class:`~zoneout_lab.Arm` each.
        baseline: the name of the arm that the others are written against.
        seeds: how many seeds every arm is run with.
        seed: the number from which all randomness derives.
        hypotheses: what is claimed, a :class:`~zoneout_lab.Hypothesis` each: one family, corrected together.
        alpha: α, the chance of any wrong verdict among them.
        family: how: ``joint``, by flipping whole seeds, which takes no more seeds for many hypotheses than for one; or ``holm``.
        tuning: budget for arms with a search space.
        vary: what differs between the seeds of an arm: initial weights, order of the data, masks. What is not named is held at the
            draw of seed 0. An arm may vary something else.
        looks: numbers of seeds, ascending, the last of them ``seeds``. The study is judged at each, and trains no further once every
            hypothesis has a verdict. Without them it is judged once, at its end.

    A study with a training function of one's own (:class:`~zoneout_lab.functions.Running` says what it is given):

    Args:
        train: the function, of a file that other processes can import.
        params: name → value of everything that an arm or the command line may change, or tuning search. JSON has to hold it.
        metrics: name → :class:`~zoneout_lab.metrics.Metric` of every number that the function returns, or records as a scalar.

    A study of a built-in task:

    Args:
        task, preset: a task, by name, as a class or as a value (whose fields are then its options), and one of its settings.
        tasks: several tasks to ask the question on, each given like ``task`` or as an ``OnTask`` with a preset and changes of its own;
            :meth:`each` makes a study of each. Hypotheses are about metrics that all of them have.
        change: dotted field of the setting → value, for all arms.
        gradient_epochs, gradient_examples: when the measures are taken, and on how many validation examples; 0 is before training, −1
            after each run's last epoch.
        measures: what is measured then; by default gradient flow and the growth of a perturbation.

    >>> type(Study(name="s", arms=[Arm(name="a")], baseline="a")).__name__
    'TaskStudy'
    """

    name: Name
    title: str = ""
    question: str = ""
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
    measures: tuple[MeasureField, ...] = ()
    tuning: Tuning | None = None
    vary: Vary = KINDS
    looks: tuple[Annotated[int, Field(ge=1)], ...] = ()
    authors: tuple[str, ...] = ()
    tasks: tuple[OnTaskField, ...] = ()
    train: TrainField = None
    params: Params = Field({})
    metrics: MetricsField = Field({})

    later: ClassVar[tuple[str, ...]] = (
        *("measures", "vary", "looks", "authors", "tasks"),
        *("train", "params", "metrics"),
    )

    def __new__(cls, *_: Any, **fields: Any) -> Self:
        """A study of the kind that its fields ask for."""
        return cast(Self, super().__new__(_kind_of(fields) if cls is Study else cls))

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls is Study and isinstance(values, Mapping):
            return cast(Self, _kind_of(values).model_validate(values))
        return handler(values)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        arms_fit(self.arms, self.baseline)
        hypotheses_fit(self.hypotheses, [arm.name for arm in self.arms])
        vary_fits(self.hypotheses, {arm.name: self.varied(arm) for arm in self.arms})
        looks_fit(self.looks, self.seeds, self.hypotheses)
        return self

    def each(self) -> tuple[Study, ...]:
        """The study on each of its tasks, an ordinary study each; itself where there is only one.

        >>> study = Study(name="s", tasks=("digits", "adding"), arms=[{"name": "a"}], baseline="a")
        >>> [each.task for each in study.each()]
        ['digits', 'adding']
        """
        return (self,)

    def resolved(self) -> Study:
        """The study with each hypothesis's direction and scale written out, and ``…_score`` metrics named for its task, ``valid_error`` or ``valid_bpc``.

        On several tasks it stays as it is: each of them names them for itself. Raises InputRefusedError where a hypothesis's margin is none on its
        scale, does not say which it is on, or does not mean the same on every task.
        """
        hypotheses = []
        for h in self.hypotheses:
            metric = self.full_name(h.metric)
            try:
                about = self.about(metric)
                scale = named_or_own(h.scale, about.scale if about else "linear", h.margin, metric)
                margin_on(scale, h.margin)
            except InputRefusedError as error:
                raise InputRefusedError(f"hypothesis {h.name!r}: {error}") from error
            direction = h.direction or (about.better if about else None) or "lower"
            hypotheses.append(h.model_copy(update={"metric": metric, "scale": scale, "direction": direction}))
        return self.model_copy(update={"hypotheses": tuple(hypotheses)})

    def full_name(self, metric: str) -> str:
        """A metric by the name that runs have it under."""
        return metric

    def about(self, metric: str) -> Metric | None:
        """What is known of a metric of the study."""
        raise NotImplementedError

    @property
    def objective(self) -> Objective:
        """The number of a run that tuning is to make best, and that Optuna is told."""
        raise NotImplementedError

    def of_arm(self, arm: Arm, phase: str = "") -> Callable[[int], AnyRun]:
        """What makes an arm's runs of their seeds. What they share is checked and worked out once."""
        raise NotImplementedError

    def with_params(self, arm: Arm, found: Mapping[str, Any]) -> Arm:
        """An arm with what tuning found."""
        raise NotImplementedError

    @property
    def code(self) -> Code:
        """The user's own files that the study's parts come from."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The study as results record it."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """Name and hash of the study with its settings resolved: the name of its results folder."""
        text = content_hash(self.resolved()) + "".join(self.identified())
        text += "".join(f"{key} {digest}" for key, digest in self.code.digests().items())
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    def setting(self, arm: Arm | None = None) -> Setting:
        """Of a built-in task: its preset with the study's changes, and an arm's."""
        raise UsageError(f"{self.name} trains with a function of its own: it has parameters and no setting.")

    def identified(self) -> Iterable[str]:
        """What else the study is known by."""
        return ()

    @property
    def paper_setting(self) -> dict[str, Any] | None:
        """The paper's setting of the task, with the study's own changes; None where there is none or it is this one."""
        return None

    def arm(self, name: str) -> Arm:
        """The arm of that name; UsageError where there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise unknown("arm", name, [arm.name for arm in self.arms])

    def varied(self, arm: Arm) -> tuple[Kind, ...]:
        """What differs between the seeds of an arm."""
        return arm.vary or self.vary

    def runs(self, seeds: int | None = None) -> list[Any]:
        """Every arm × seed, seed by seed; of the first ``seeds`` alone where a number is given."""
        of_arms = [self.of_arm(arm) for arm in self.arms]
        return [of(seed) for seed in range(self.seeds if seeds is None else seeds) for of in of_arms]

    def run(self, arm: Arm, seed: int, *, phase: str = "") -> Any:
        """One arm at one seed. Arms of one seed share their initial weights and data order; ``phase`` gives other seeds.

        What the arm does not vary is drawn as at seed 0.
        """
        return self.of_arm(arm, phase)(seed)

    def seeds_of(self, arm: Arm, phase: str = "") -> Callable[[int], Seeds]:
        """What makes the three seeds of an arm's runs."""
        varied = self.varied(arm)

        def seeds(seed: int) -> Seeds:
            of = {kind: derive(self.seed, seed if kind in varied else 0, phase + kind) for kind in KINDS}
            # integers, as they have to be: to check them takes longer than to make them
            return Seeds.model_construct(init=of["init"], data=of["data"], masks=of["masks"])

        return seeds


def _kind_of(fields: Mapping[Any, Any]) -> type[Study]:
    """The class of a study with such fields, imported here: that of built-in tasks needs torch."""
    module, name = ("of_task", "TaskStudy") if fields.get("train") is None else ("of_function", "FunctionStudy")
    found: type[Study] = getattr(import_module(f"zoneout_lab.study.{module}"), name)
    return found


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
        return type(study).model_validate(dict(study) | changes)
    except ValidationError as error:
        causes = [item["ctx"]["error"] for item in error.errors() if item["type"] == "value_error"]
        if len(causes) == 1 and isinstance(causes[0], UsageError):
            raise causes[0] from error
        raise InputRefusedError(f"The study {study.name!r} does not fit together.\n{explain(error)}") from error
