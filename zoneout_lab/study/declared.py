"""What a study is declared with: arms, hypotheses, a budget for tuning."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from zoneout_lab.checked import plain
from zoneout_lab.explained import NAME
from zoneout_lab.frozen import Frozen, Growing, Params
from zoneout_lab.metrics import Scale
from zoneout_lab.stats import Direction
from zoneout_lab.study.part_fields import Change, RegularizerField

Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Kind = Literal["init", "data", "masks"]
#: what randomness comes from, in the order in which it is written
KINDS: tuple[Kind, ...] = get_args(Kind)


def _kinds(value: Any) -> Any:
    """Masks by the name that other noise has, too."""
    return tuple("masks" if each == "noise" else each for each in value) if isinstance(value, list | tuple) else value


#: the kinds of randomness that differ between seeds, each once and in the order of KINDS: one choice has one hash
Vary = Annotated[
    tuple[Kind, ...],
    BeforeValidator(_kinds),
    Field(min_length=1),
    AfterValidator(lambda kinds: tuple(kind for kind in KINDS if kind in kinds)),
]


def _space(value: Any) -> Any:
    """An Optuna distribution as the JSON that Optuna makes of it, a range as it is."""
    if isinstance(value, Mapping | list | tuple):
        return value
    optuna = sys.modules.get("optuna.distributions")  # without which there is no distribution
    if optuna is None or not isinstance(value, optuna.BaseDistribution):
        raise ValueError(
            f"it is {value!r}; give a range of floats, (low, high), or one of optuna.distributions, for example IntDistribution(1, 4)"
        )
    if isinstance(value, optuna.CategoricalDistribution):
        choices = plain(value.choices)
        for each in choices:
            # of others Optuna warns, in every process, and its database may not give them back
            if not isinstance(each, bool | int | float | str | None) or each != each or each in (math.inf, -math.inf):
                raise ValueError(
                    f"it has the choice {each!r:.100}; choices are finite numbers, texts, True, False and None. Name others by a text"
                )
        if len(set(choices)) < len(choices):
            raise ValueError(
                f"its choices {', '.join(map(repr, choices))} are not all different: True equals 1, and False 0"
            )
        value = optuna.CategoricalDistribution(choices)
    return json.loads(optuna.distribution_to_json(value))


#: where a search looks for a value: a range of floats, or an Optuna distribution, kept as its JSON
Space = Annotated[tuple[float, float] | dict[str, JsonValue], BeforeValidator(_space)]


class Arm(Growing):
    """One setting under comparison, written as a difference from the study's own.

    Args:
        name: its name in the study, in files and in hypotheses.
        label: its name in the report; by default ``name``.
        regularizer: of a built-in study's recurrent network; by default none.
        change: of a built-in study: dotted field of the setting → value.
        search: what tuning looks for → where: a field of the regularizer, or a parameter of the study's training function, and a range of
            floats, ``(low, high)``, or for a parameter any of Optuna's distributions.
        vary: what differs between its seeds; by default what the study varies.
        params: of a study with a training function: the parameters that differ from the study's → their values.

    >>> from zoneout_lab import Zoneout
    >>> Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)).search
    {}
    """

    name: Name
    label: str = Field("", description="its name in the report; by default its name in the study")
    regularizer: RegularizerField = None  # type: ignore[assignment]  # in a study that trains one, NoRegularizer()
    change: Change = Field(default_factory=dict, description="dotted field of the setting → value")
    search: dict[str, Space] = Field(
        default_factory=dict, description="field of the regularizer, or parameter → where tuning looks for it"
    )
    vary: Vary | None = Field(None, description="what differs between its seeds; None: what the study varies")
    params: Params | None = Field(None, description="parameter of the training function → value")

    later: ClassVar[tuple[str, ...]] = ("vary", "params")

    @model_validator(mode="after")
    def _cell_apart(self) -> Self:
        """A cell given as a regularizer, as before cells could be given as themselves, becomes a change of the setting."""
        given: Any = self.regularizer
        if given is None:
            return self
        from zoneout_lab.ops.cells import LSTM
        from zoneout_lab.ops.cells import to_json as cell_as_json
        from zoneout_lab.regularizers import separated

        cell, regularizer = separated(LSTM(), self.regularizer)
        if regularizer is not self.regularizer:
            object.__setattr__(self, "regularizer", regularizer)
            object.__setattr__(self, "change", self.change | {"model.cell": cell_as_json(cell)})
        return self


class Hypothesis(Frozen):
    """A claim that data can decide: ``arm`` has a lower (higher, the same) ``metric`` than ``against``, by more than ``margin``.

    Args:
        name: its name in the study, in files and on the command line.
        statement: the claim in a sentence, as the report has it.
        claims: numbers of the paper's claims that it tests, if it tests any.
        arm, against: the two arms.
        metric: what they are compared on. ``valid_score`` (``test_score``, ``train_eval_score``) is the score of whatever task the study runs
            on.
        direction: what is claimed of arm − against; by default that the arm is better: ``higher`` of a metric whose higher values are, else
            ``lower``. ``lower`` and ``higher``: it is below −margin, above margin. ``same``: it is within ±margin. ``not lower`` and ``not higher``: it is not below −margin, not above margin: no loss, or no gain, that matters.
        margin: the smallest difference that matters in practice; for a claim of absence the largest that does not. In the metric's units on
            the linear scale, and a factor such as 1.05 on the others.
        scale: what is subtracted: values (``linear``), their logs (``log``) or their log odds (``logit``); by default the metric's own, which
            is ``log`` for norms, shares of gradients and perplexities. With a margin, a metric that is not linear of itself needs its scale
            named.
        reason: why just this margin.

    >>> Hypothesis(
    ...     name="helps", statement="Zoneout helps.", arm="zoneout", against="lstm", metric="valid_error", margin=0.002
    ... ).margin
    0.002
    """

    name: Name
    statement: str
    claims: tuple[int, ...] = Field((), description="numbers of the paper's claims it tests")
    arm: Name
    against: Name
    metric: str
    direction: Direction | None = None
    margin: float = Field(0.0, ge=0)
    scale: Scale | None = Field(None, description="linear, log or logit; by default the metric's own")
    reason: str = ""


class Tuning(Growing):
    """Every arm with a search space gets the same budget, on seeds that no comparison uses afterwards.

    Args:
        trials: settings tried for each arm.
        seeds: runs for each setting; the mean of their scores is what is to be best.
        at_once: settings asked for before the next are chosen.
        metric: what is to be best, of a study with a training function: one of its metrics. A built-in task has its validation score.
    """

    trials: int = Field(16, ge=1, description="settings tried for each arm")
    seeds: int = Field(2, ge=1, description="runs for each setting; the mean of their scores is what is to be best")
    at_once: int = Field(8, ge=1, description="settings asked for before the next are chosen")
    metric: str = Field("", description="the metric that is to be best, of a study with a training function")

    later: ClassVar[tuple[str, ...]] = ("metric",)
