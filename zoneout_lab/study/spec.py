"""A study as a value: a question, its arms, its seeds, and hypotheses declared before any data exist."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, ValidationError, model_validator

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.measures import USUAL, Measure, as_measure, check_together
from zoneout_lab.measures import to_json as measure_to_json
from zoneout_lab.metrics import SPLITS, as_score
from zoneout_lab.regularizers import NoRegularizer, Regularizer, from_json, to_json
from zoneout_lab.report.claims import CLAIMS
from zoneout_lab.settings import Frozen, Option, Run, Seeds, Setting, content_hash
from zoneout_lab.tasks import make_task, task_class

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
RegularizerField = Annotated[
    InstanceOf[Regularizer],
    BeforeValidator(lambda value: from_json(value) if isinstance(value, Mapping) else value),
    PlainSerializer(to_json),
]
MeasureField = Annotated[InstanceOf[Measure], BeforeValidator(as_measure), PlainSerializer(measure_to_json)]
Scalar = Option | None


class Arm(Frozen):
    """One setting under comparison, written as a difference from the study's own.

    >>> from zoneout_lab import Zoneout
    >>> Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)).search
    {}
    """

    name: Name
    label: str = Field("", description="how it is called in the report; by default its name")
    regularizer: RegularizerField = NoRegularizer()
    change: dict[str, Scalar] = Field(default_factory=dict, description="dotted field of the setting → value")
    search: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="field of the regularizer → range in which tuning looks for it"
    )


class Hypothesis(Frozen):
    """A claim that data can decide: ``arm`` has a lower (higher, the same) ``metric`` than ``against``, by more than ``margin``.

    ``margin`` is in the metric's units, the smallest difference that matters in practice, with its ``reason``; for ``same`` it is
    the largest difference that does not. ``valid_score`` (``test_score``, ``train_eval_score``) is the score of whatever task the
    study runs on.
    """

    name: Name
    statement: str
    claims: tuple[int, ...] = Field((), description="numbers of the paper's claims it tests")
    arm: Name
    against: Name
    metric: str
    direction: Literal["lower", "higher", "same"] = "lower"
    margin: float = Field(0.0, ge=0)
    reason: str = ""


class Tuning(Frozen):
    """Every arm with a search space gets the same budget, on seeds that no comparison uses afterwards."""

    trials: int = Field(16, ge=1, description="settings tried for each arm")
    seeds: int = Field(2, ge=1, description="runs for each setting; the mean of their scores is what is to be best")
    at_once: int = Field(8, ge=1, description="settings asked for before the next are chosen")


class Study(Frozen):
    """A question and everything needed to answer it.

    Args:
        name: file-name-like identifier.
        title, question, background: for people.
        task, preset: a task and one of its settings.
        change: dotted field of the setting → value, for all arms.
        arms, baseline: what is compared, and the arm the others are written against.
        seeds: how many seeds every arm is run with; seed: from which all randomness derives.
        hypotheses, alpha: the family of claims, corrected together at α.
        gradient_epochs, gradient_examples: when the measures are taken, and on how many validation examples; 0 is before training, −1
            after each run's last epoch.
        measures: what is measured then; by default gradient flow and the growth of a perturbation.
        tuning: budget for arms with a search space.
    """

    name: Name
    title: str
    question: str
    background: str = ""
    task: str = "digits"
    preset: str = "laptop"
    change: dict[str, Scalar] = Field(default_factory=dict)
    arms: tuple[Arm, ...] = Field(min_length=1)
    baseline: Name
    seeds: int = Field(8, ge=1, le=1000)
    seed: int = Field(0, ge=0)
    hypotheses: tuple[Hypothesis, ...] = ()
    alpha: float = Field(0.05, gt=0, lt=1)
    gradient_epochs: tuple[Annotated[int, Field(ge=-1)], ...] = ()
    gradient_examples: int = Field(64, ge=1)
    measures: tuple[MeasureField, ...] = USUAL
    tuning: Tuning | None = None

    later: ClassVar[tuple[str, ...]] = ("measures",)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        check_together(self.measures)
        names = [arm.name for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputRefusedError(f"The arm {twice[0]!r} is there twice; give every arm its own name.")
        labels = [" ".join((arm.label or arm.name).split()) for arm in self.arms]
        same = sorted({label for label in labels if [other.casefold() for other in labels].count(label.casefold()) > 1})
        if same:
            raise InputRefusedError(
                f"Several arms are called {same[0]!r}, and no sentence could tell them apart; give every arm a label of its own."
            )
        if self.baseline not in names:
            raise InputRefusedError(f"baseline: {unknown('arm', self.baseline, names)}")
        seen = set()
        for hypothesis in self.hypotheses:
            if hypothesis.name in seen:
                raise InputRefusedError(f"The hypothesis {hypothesis.name!r} is there twice.")
            seen.add(hypothesis.name)
            if strange := sorted(set(hypothesis.claims) - set(CLAIMS)):
                raise InputRefusedError(
                    f"hypothesis {hypothesis.name!r} is about claim {strange[0]}, and the paper's are 1 to {max(CLAIMS)} (zoneout-lab "
                    "list shows them). A question of your own needs no claim."
                )
            for role in (hypothesis.arm, hypothesis.against):
                if role not in names:
                    raise InputRefusedError(f"hypothesis {hypothesis.name!r}: {unknown('arm', role, names)}")
            if hypothesis.arm == hypothesis.against:
                raise InputRefusedError(f"hypothesis {hypothesis.name!r} compares {hypothesis.arm!r} with itself.")
            if hypothesis.direction == "same" and hypothesis.margin == 0:
                raise InputRefusedError(
                    f"hypothesis {hypothesis.name!r} claims sameness and needs a margin: the largest difference that does not matter."
                )
        for arm in self.arms:
            fields = set(to_json(arm.regularizer)) - {"kind"}
            if set(arm.search) - fields:
                raise InputRefusedError(
                    f"arm {arm.name!r}: {unknown('option to search', min(set(arm.search) - fields), fields)}"
                )
            for option, (low, high) in arm.search.items():
                if type(getattr(arm.regularizer, option)) is not float or not low < high:
                    raise InputRefusedError(
                        f"arm {arm.name!r}: {option} cannot be searched from {low} to {high}; it takes a rate and a range that rises."
                    )
                for end in (low, high):
                    from_json(to_json(arm.regularizer) | {option: end})
            if arm.search and self.tuning is None:
                raise InputRefusedError(
                    f"arm {arm.name!r} has a search space but the study has no tuning budget: add tuning=Tuning(...)."
                )
        return self

    def settled(self) -> Study:
        """The study with ``…_score`` metrics named for its task: ``valid_score`` is ``valid_error`` or ``valid_bpc``."""
        score = as_score(task_class(self.task).score)
        names = {f"{split}_score": f"{split}_{score.name}" for split in SPLITS}
        hypotheses = tuple(h.model_copy(update={"metric": names.get(h.metric, h.metric)}) for h in self.hypotheses)
        return self.model_copy(update={"hypotheses": hypotheses})

    @property
    def id(self) -> str:
        """Name and hash of the study with its settings resolved: the name of its results folder."""
        text = content_hash(self.settled()) + "".join(content_hash(self.setting(arm)) for arm in self.arms)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    def arm(self, name: str) -> Arm:
        """The arm of that name; UsageError where there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise unknown("arm", name, [arm.name for arm in self.arms])

    def setting(self, arm: Arm | None = None) -> Setting:
        """The task's preset with the study's changes, and an arm's."""
        presets = task_class(self.task).settings
        if self.preset not in presets:
            raise unknown(f"preset of {self.task}", self.preset, presets)
        # every option is written out, so that a run's identity does not depend on what a task takes for granted
        setting = self._with_options(presets[self.preset])
        return self._with_options(changed(changed(setting, self.change), arm.change if arm else {}))

    def _with_options(self, setting: Setting) -> Setting:
        options = asdict(make_task(self.task, setting.options))  # type: ignore[call-overload]
        return setting.model_copy(update={"options": options})

    def runs(self) -> list[Run]:
        """Every arm × seed, seed by seed."""
        return [self.run(arm, seed) for seed in range(self.seeds) for arm in self.arms]

    def run(self, arm: Arm, seed: int, *, phase: str = "") -> Run:
        """One arm at one seed. Arms of one seed share their initial weights and data order; ``phase`` gives other seeds."""
        setting = self.setting(arm)
        arm.regularizer.for_training(1).masks(setting.model.cell)
        return Run(
            arm=arm.name,
            seed=seed,
            task=self.task,
            setting=setting,
            regularizer=to_json(arm.regularizer),
            seeds=Seeds(**{purpose: derive(self.seed, seed, phase + purpose) for purpose in ("init", "data", "masks")}),
            gradient_epochs=() if phase else self.gradient_epochs,
            gradient_examples=self.gradient_examples,
            measures=tuple(measure_to_json(measure) for measure in self.measures),
        )

    def to_json(self) -> dict[str, Any]:
        """The study as JSON, with the setting that its task, preset and changes come to."""
        return self.model_dump(mode="json") | {"setting": self.setting().model_dump(mode="json")}


def derive(study_seed: int, seed: int, purpose: str) -> int:
    """A seed of 63 bits for one purpose, from the study's seed and the run's; never from worker or position.

    >>> derive(0, 1, "init") == derive(0, 1, "data")
    False
    """
    return int.from_bytes(hashlib.sha256(f"{study_seed}/{seed}/{purpose}".encode()).digest()[:8]) >> 1


def changed(setting: Setting, changes: Mapping[str, Scalar]) -> Setting:
    """A setting with dotted fields replaced: ``training.epochs``, ``model.hidden``, ``options.permute``.

    A text such as ``"*0.5"`` multiplies the number that stands there: half the preset's learning rate, whichever preset it is.

    Raises UsageError for a field that does not exist, InputRefusedError for an impossible value.

    >>> changed(Setting(), {"training.epochs": 3}).training.epochs
    3
    >>> changed(Setting(), {"training.lr": "*0.5"}).training.lr
    0.001
    """
    value = setting.model_dump()
    for path, new in plain(changes).items():
        group, _, name = path.partition(".")
        if group not in value or not name or (group != "options" and name not in value[group]):
            known = [f"{g}.{n}" for g in ("model", "training") for n in value[g]] + ["options.NAME"]
            raise unknown("setting", path, known)
        old = value[group].get(name)
        if isinstance(new, bool) and isinstance(old, int | float) and not isinstance(old, bool):
            raise InputRefusedError(f"{path} is {old!r} and takes a number, got {str(new).lower()}.")
        value[group][name] = _multiple(path, old, new)
    try:
        return Setting.model_validate(value)
    except ValidationError as error:
        raise InputRefusedError(explain(error)) from error


def _multiple(path: str, old: Any, new: Scalar) -> Scalar:
    if not isinstance(new, str) or not new.startswith("*") or isinstance(old, str):
        return new
    try:
        factor = float(new[1:])
    except ValueError:
        factor = math.nan
    if isinstance(old, bool) or not isinstance(old, int | float) or not math.isfinite(old * factor):
        raise InputRefusedError(f"{path} is {old!r} and cannot be multiplied by {new[1:]!r}; give its value.")
    return round(old * factor) if isinstance(old, int) else old * factor


def explain(error: ValidationError) -> str:
    """A validation error in a sentence for each field.

    >>> try:
    ...     Tuning(trials=0)
    ... except ValidationError as error:
    ...     print(explain(error))
    trials: input should be greater than or equal to 1, got 0.
    """
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"] if part != "function-before[from_json()]")
        if item["type"] == "value_error":
            lines.append(f"{where}: {item['ctx']['error']}".removeprefix(": "))
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{where}: {message}, got {item['input']!r}.")
    return "\n".join(lines)


def overridden(study: Study, **changes: Any) -> Study:
    """The study with fields replaced, validated again.

    Raises InputRefusedError (or UsageError for a name on no list) where it no longer fits.
    """
    try:
        return Study.model_validate(dict(study) | changes)
    except ValidationError as error:
        causes = [item["ctx"]["error"] for item in error.errors() if item["type"] == "value_error"]
        if len(causes) == 1 and isinstance(causes[0], UsageError):
            raise causes[0] from error
        raise InputRefusedError(f"The study {study.name!r} does not fit together.\n{explain(error)}") from error
