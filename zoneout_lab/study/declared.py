"""What a study is declared with: arms, hypotheses, a budget for tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer, model_validator

from zoneout_lab.frozen import Frozen, Growing, Value, check_value
from zoneout_lab.measures import Measure, as_measure
from zoneout_lab.measures import to_json as measure_as_json
from zoneout_lab.metrics import Scale
from zoneout_lab.ops.cells import CELLS, LSTM, Cell, as_cell
from zoneout_lab.ops.cells import to_json as cell_as_json
from zoneout_lab.parts import check_class
from zoneout_lab.regularizers import NoRegularizer, Regularizer, from_json, separated, to_json
from zoneout_lab.stats import Direction

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
RegularizerField = Annotated[
    InstanceOf[Regularizer],
    BeforeValidator(lambda value: from_json(value) if isinstance(value, Mapping) else value),
    PlainSerializer(to_json),
]
MeasureField = Annotated[InstanceOf[Measure], BeforeValidator(as_measure), PlainSerializer(measure_as_json)]
Scalar = Value | None

Kind = Literal["init", "data", "masks"]
#: what randomness comes from, in the order in which it is written
KINDS: tuple[Kind, ...] = get_args(Kind)
#: the kinds of randomness that differ between seeds, each once and in the order of KINDS: one choice has one hash
Vary = Annotated[
    tuple[Kind, ...],
    Field(min_length=1),
    AfterValidator(lambda kinds: tuple(kind for kind in KINDS if kind in kinds)),
]


def _written(path: str, value: Any) -> Any:
    """A built-in cell is kept as JSON, a user's own as itself, which says where it comes from."""
    named = value.get("kind") if isinstance(value, Mapping) else value
    own = path == "model.cell" and isinstance(named, str) and ":" in named
    cls = value if isinstance(value, type) else type(value)
    if not own and not issubclass(cls, Cell):
        if path.startswith("options.") and value is not None:
            check_value(path, value)
        return value
    if not own:
        check_class(cls, CELLS, Cell)  # type: ignore[type-abstract]
    cell = as_cell(value)
    return cell_as_json(cell) if type(cell) in CELLS.values() else cell


def _changes(change: Any) -> Any:
    """Every value as it is kept; what is no mapping is left for pydantic to refuse."""
    return (
        {path: _written(str(path), value) for path, value in change.items()} if isinstance(change, Mapping) else change
    )


#: dotted field of the setting → value. A cell is given by name, as its class or as a value
Change = Annotated[
    dict[str, Scalar | dict[str, Scalar] | InstanceOf[Cell]],
    BeforeValidator(_changes),
    PlainSerializer(lambda change: {p: cell_as_json(v) if isinstance(v, Cell) else v for p, v in change.items()}),
]


class Arm(Growing):
    """One setting under comparison, written as a difference from the study's own.

    >>> from zoneout_lab import Zoneout
    >>> Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)).search
    {}
    """

    name: Name
    label: str = Field("", description="its name in the report; by default its name in the study")
    regularizer: RegularizerField = NoRegularizer()
    change: Change = Field(default_factory=dict, description="dotted field of the setting → value")
    search: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="field of the regularizer → range in which tuning looks for it"
    )
    vary: Vary | None = Field(None, description="what differs between its seeds; None: what the study varies")

    later: ClassVar[tuple[str, ...]] = ("vary",)

    @model_validator(mode="after")
    def _cell_apart(self) -> Self:
        """A cell given as a regularizer, as before cells could be given as themselves, becomes a change of the setting."""
        cell, regularizer = separated(LSTM(), self.regularizer)
        if regularizer is not self.regularizer:
            object.__setattr__(self, "regularizer", regularizer)
            object.__setattr__(self, "change", self.change | {"model.cell": cell_as_json(cell)})
        return self


class Hypothesis(Frozen):
    """A claim that data can decide: ``arm`` has a lower (higher, the same) ``metric`` than ``against``, by more than ``margin``.

    | direction | claims that arm − against is |
    |---|---|
    | ``lower``, ``higher`` | below −margin, above margin |
    | ``same`` | within ±margin |
    | ``not lower``, ``not higher`` | not below −margin, not above margin: no loss, or no gain, that matters |

    ``scale`` says what is subtracted: values (``linear``), their logs (``log``) or their log odds (``logit``); by default the metric's own, which is
    ``log`` for norms, shares of gradients and perplexities. ``margin`` is the smallest difference that matters in practice (for a claim of absence the
    largest that does not), with its ``reason``: in the metric's units on the linear scale, and a factor such as 1.05 on the others; with a
    margin, a metric that is not linear of itself needs its scale named.
    ``valid_score`` (``test_score``, ``train_eval_score``) is the score of whatever task the study runs on.
    """

    name: Name
    statement: str
    claims: tuple[int, ...] = Field((), description="numbers of the paper's claims it tests")
    arm: Name
    against: Name
    metric: str
    direction: Direction = "lower"
    margin: float = Field(0.0, ge=0)
    scale: Scale | None = Field(None, description="linear, log or logit; by default the metric's own")
    reason: str = ""


class Tuning(Frozen):
    """Every arm with a search space gets the same budget, on seeds that no comparison uses afterwards."""

    trials: int = Field(16, ge=1, description="settings tried for each arm")
    seeds: int = Field(2, ge=1, description="runs for each setting; the mean of their scores is what is to be best")
    at_once: int = Field(8, ge=1, description="settings asked for before the next are chosen")
