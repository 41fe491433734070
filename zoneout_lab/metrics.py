"""What runs are judged by: one table of scores, and of every other number that a run records.

A *score* is what a task is judged by beside its loss. It makes the metrics ``valid_<name>``, ``test_<name>`` and
``train_eval_<name>``, and for long texts those of a whole sequence. A new one is a line in :data:`SCORES`, or a :class:`Score` on a
task of your own; both are recorded with the results, which are then read without the task's code.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError, IntegrityError, unknown

Values = npt.NDArray[np.float64]
Better = Literal["lower", "higher"]
Scale = Literal["linear", "log", "logit"]
Over = Literal["examples", "chunks", "streams"]

SPLITS = ("train_eval", "valid", "test")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: what the name of a curve ends with in results where it has the name of a metric
BY_EPOCH = "_by_epoch"
#: names in results that mean something else than a metric
RESERVED = frozenset(
    {
        "arm",
        "arm_label",
        "seed",
        "epoch",
        "status",
        "run_id",
        "seconds",
        "sha256",
        "best_epoch",
        "epochs_run",
        "label",
        "block",
    }
)
_RESERVED = {"loss": "the loss, which every task has", "score": "whatever score a task has"}


@dataclass(frozen=True)
class Metric:
    """A number that a run records, and how it is described to a reader.

    Args:
        long_name: what it is, in full.
        unit: ``1`` for fractions, which are shown as percentages, ``%`` for percentages, and nothing for other numbers without a unit.
        noun: what it is called in a sentence, ``validation error``, where its ``long_name`` would not fit.
        better: ``lower`` or ``higher``, where one is better.
        scale: the scale on which its differences mean the same everywhere: ``linear``, ``log`` for ratios, ``logit`` for fractions.
        counts: what it counts, ``parameters``, where it is a count.

    Raises:
        InputRefusedError: text where none is, or an unknown direction or scale.

    >>> METRICS["valid_error"].noun, METRICS["best_epoch"].counts
    ('validation error', 'epochs')
    >>> Metric("test accuracy", unit="%", better="more")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: The metric 'test accuracy' has better='more'; choose lower or higher.
    """

    long_name: str
    unit: str = "1"
    noun: str = ""
    better: Better | None = None
    scale: Scale = "linear"
    counts: str = ""

    def __post_init__(self) -> None:
        for what in ("long_name", "unit", "noun", "counts"):
            if not isinstance(getattr(self, what), str):
                raise InputRefusedError(
                    f"The metric {self.long_name!r} has {what}={getattr(self, what)!r}; give a text."
                )
        for what, given, known in (
            ("better", self.better, ("lower", "higher")),
            ("scale", self.scale, ("linear", "log", "logit")),
        ):
            if given not in known and not (what == "better" and given is None):
                raise InputRefusedError(
                    f"The metric {self.long_name!r} has {what}={given!r}; choose {', '.join(known[:-1])} or {known[-1]}."
                )

    def to_json(self) -> dict[str, Any]:
        """The metric as results record it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Metric:
        """The metric that results record. Raises IntegrityError where the record is damaged.

        >>> Metric.from_json(Metric("parameters", "", counts="parameters").to_json()).counts
        'parameters'
        """
        try:
            return cls(**{str(key): each for key, each in value.items()})
        except (TypeError, AttributeError, InputRefusedError) as error:
            raise IntegrityError(f"A metric recorded with these results is damaged: {error}") from error


def described(metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    """Metrics as results record them: in their order, which a mapping would lose in JSON."""
    return [{"name": name, **about.to_json()} for name, about in metrics.items()]


def as_described(recorded: Any) -> dict[str, Metric]:
    """The metrics that :func:`described` wrote. Raises IntegrityError where the record is damaged.

    >>> list(as_described(described({"z": Metric("last", ""), "a": Metric("first", "")})))
    ['z', 'a']
    """
    found: dict[str, Metric] = {}
    for each in recorded if isinstance(recorded, list | tuple) else [recorded] if recorded else []:
        try:
            name = str(each["name"])
            found[name] = Metric.from_json({key: value for key, value in each.items() if key != "name"})
        except (TypeError, KeyError, AttributeError) as error:
            raise IntegrityError(f"A metric recorded with these results is damaged: {error!r}") from error
    return found


def with_curves(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics and the curves that have their names in a training function.

    >>> with_curves({"acc": Metric("accuracy", "%")})["acc_by_epoch"].long_name
    'accuracy by epoch'
    """
    curves = {
        f"{name}{BY_EPOCH}": replace(
            about, long_name=f"{about.long_name} by epoch", noun=f"{about.noun} by epoch" if about.noun else ""
        )
        for name, about in metrics.items()
    }
    return curves | dict(metrics)


@dataclass(frozen=True)
class Score:
    """What a task is judged by beside its loss, and which way is better.

    Args:
        name: the last part of its metrics' names: ``error`` makes ``valid_error`` and ``test_error``.
        noun: what it is called in prose, after "validation" or "test".
        unit: of its values; ``1`` for fractions, which are shown as percentages.
        value: from the mean loss of each replica [R], and what ``tally`` counted divided by the number of predictions, [R, …] (None
            without one), to the score [R].
        tally: what is added up over an evaluation, [R] or [R, …], from what orders the classes [R, …, C] and the targets [R or 1, …],
            which are tensors.
        better: ``lower`` or ``higher``. Checkpoints, patience and tuning go by it.
        scale: the scale on which differences mean the same everywhere: ``linear``, ``log`` for ratios, ``logit`` for fractions.
        over: the data it is read over: ``examples``, or a text in ``chunks`` or carried ``streams``, each also as one sequence.
        long_name: what it is, in full; by default its noun.
        of: joins the selected checkpoint to the long name, ``of`` or ``by``.
        loss_unit: unit of the task's loss.

    Raises:
        InputRefusedError: a name that cannot be a metric's, or an unknown direction, scale or kind of data.

    >>> accuracy = Score("accuracy", "accuracy", "1", lambda _, wrong: 1 - wrong, tally=wrong, better="higher")
    >>> accuracy.improves(0.9, 0.8), accuracy.worst, accuracy.metrics()["test_accuracy"].long_name
    (True, -inf, 'test accuracy of the selected checkpoint')
    """

    name: str
    noun: str
    unit: str = "1"
    value: Callable[[Values, Any], Values] | None = field(default=None, repr=False)
    tally: Callable[[Any, Any], Any] | None = field(default=None, kw_only=True, repr=False)
    better: Better = field(default="lower", kw_only=True)
    scale: Scale = field(default="linear", kw_only=True)
    over: Over = field(default="examples", kw_only=True)
    long_name: str = field(default="", kw_only=True)
    of: str = field(default="of", kw_only=True)
    loss_unit: str = field(default="nats", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputRefusedError(
                f"A score cannot be called {self.name!r}: its name is part of its metrics' names, so use lower-case letters, digits and _, "
                "beginning with a letter."
            )
        if self.name in _RESERVED:
            raise InputRefusedError(
                f"A score cannot be called {self.name!r}, which means {_RESERVED[self.name]}; give it another name."
            )
        for what, given, known in (
            ("better", self.better, ("lower", "higher")),
            ("scale", self.scale, ("linear", "log", "logit")),
            ("over", self.over, tuple(_WORDS)),
            ("of", self.of, ("of", "by")),
        ):
            if given not in known:
                raise InputRefusedError(f"The score {self.name!r} has {what}={given!r}; choose {' or '.join(known)}.")
        for what in ("noun", "unit", "long_name", "loss_unit"):
            if not isinstance(getattr(self, what), str):
                raise InputRefusedError(f"The score {self.name!r} has {what}={getattr(self, what)!r}; give a text.")
        for what in ("value", "tally"):
            if getattr(self, what) is not None and not callable(getattr(self, what)):
                raise InputRefusedError(f"The score {self.name!r} has {what}={getattr(self, what)!r}; give a function.")

    @property
    def worst(self) -> float:
        """The worst possible value."""
        return math.inf if self.better == "lower" else -math.inf

    def improves(self, value: float, on: float) -> bool:
        """True where ``value`` is better than ``on``; NaN never is."""
        return value < on if self.better == "lower" else value > on

    @property
    def names(self) -> list[str]:
        """The metrics that it makes on the data it is read over."""
        return names_over(self, self.over)

    def metrics(self) -> dict[str, Metric]:
        """Its metrics by name, on data of any kind, and its loss and best epoch where they differ from the usual ones."""
        rows = _rows(self)
        if self.loss_unit != "nats":
            rows |= {name: dataclasses.replace(about, unit=self.loss_unit) for name, about in _LOSSES.items()}
        if self.better == "higher":
            best = METRICS["best_epoch"]
            rows["best_epoch"] = dataclasses.replace(best, long_name=best.long_name.replace("lowest", "highest"))
        return rows

    def to_json(self) -> dict[str, str]:
        """The score as results record it: everything but how it is computed."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name not in _FUNCTIONS}

    @classmethod
    def from_json(cls, value: Any) -> Score:
        """The score that results record; it can be read but not computed. Raises IntegrityError where the record is damaged."""
        try:
            return cls(**{str(key): each for key, each in value.items()})
        except (TypeError, AttributeError, InputRefusedError) as error:
            raise IntegrityError(f"The score recorded with these results is damaged: {error}") from error


_FUNCTIONS = ("value", "tally")

_WHOLE_TRAIN = (
    "training {long} {of} the selected checkpoint, one sequence with carried state, as long as the validation split"
)
_WHOLE = "{long} {of} the selected checkpoint, one sequence with carried state"

#: the data a score is read over → its metrics' names → (long name, noun)
_WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "examples": {
        "train_eval_{}": ("training {long}, evaluated as the validation split is", "training {noun}"),
        "valid_{}": ("validation {long}", "validation {noun}"),
        "test_{}": ("test {long} {of} the selected checkpoint", "test {noun}"),
    },
    "chunks": {
        "train_eval_{}": ("training {long}, evaluated as the validation split is", "training {noun}"),
        "train_eval_{}_full": (_WHOLE_TRAIN, "training {noun} with carried state"),
        "valid_{}": ("validation {long}, in chunks", "validation {noun}"),
        "valid_{}_full": ("validation {long}, one sequence with carried state", "validation {noun} with carried state"),
        "test_{}": ("test {long} {of} the selected checkpoint, in chunks", "test {noun}"),
        "test_{}_full": (f"test {_WHOLE}", "test {noun} with carried state"),
    },
    "streams": {
        "train_eval_{}": ("training {long}, evaluated as the validation split is", "training {noun}"),
        "train_eval_{}_full": (_WHOLE_TRAIN, "training {noun} of one sequence"),
        "valid_{}": ("validation {long}, in parallel streams with carried state", "validation {noun}"),
        "valid_{}_full": (f"validation {_WHOLE}", "validation {noun} of one sequence"),
        "test_{}": (f"test {_WHOLE}", "test {noun}"),
        "test_{}_streams": (
            "test {long} {of} the selected checkpoint, in parallel streams with carried state",
            "test {noun} in parallel streams",
        ),
    },
}


def names_over(score: Score, over: Over) -> list[str]:
    """The metrics that a score makes on data of a kind.

    >>> names_over(SCORES["ppl"], "examples")
    ['train_eval_ppl', 'valid_ppl', 'test_ppl']
    """
    return [pattern.format(score.name) for pattern in _WORDS[over]]


def _rows(score: Score) -> dict[str, Metric]:
    words = {"long": score.long_name or score.noun, "noun": score.noun, "of": score.of}
    return {
        pattern.format(score.name): Metric(
            long_name.format(**words), score.unit, noun.format(**words), score.better, score.scale
        )
        for over in sorted(_WORDS, key=lambda over: over == score.over)  # the data it is usual on have the last word
        for pattern, (long_name, noun) in _WORDS[over].items()
    }


def wrong(guess: Any, targets: Any) -> Any:
    """How many predictions of each replica differ from the target, [R], from [R, …, C] and [R or 1, …]."""
    return (guess.argmax(-1) != targets).flatten(1).sum(1)


def _exponential(loss: Values, _: Any) -> Values:
    with np.errstate(over="ignore"):  # a loss that large ends its run as diverged
        return np.asarray(np.exp(loss))


#: the scores that come built in, by name: a new one is a line here
SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score("error", "error", "1", lambda _, wrong: wrong, tally=wrong, long_name="examples classified wrongly", of="by"),
        Score("bpc", "cross-entropy", "bit/character", lambda loss, _: loss / math.log(2), over="chunks"),
        Score("ppl", "perplexity", "perplexity", _exponential, scale="log", over="streams"),
        Score("mse", "squared error", "squared unit", lambda loss, _: loss, scale="log", long_name="mean squared error", loss_unit="squared unit"),
    )
}  # fmt: skip

_LOSSES: dict[str, Metric] = {
    "train_loss": Metric(
        "training loss under noise, mean over the epoch's updates", "nats", "training loss under noise", "lower"
    ),
    "train_eval_loss": Metric(
        "loss on training examples, evaluated as the validation split is", "nats", "training loss", "lower"
    ),
    "valid_loss": Metric("validation loss", "nats", "validation loss", "lower"),
    "test_loss": Metric("test loss of the selected checkpoint", "nats", "test loss", "lower"),
}

#: every number and label of a run, by name: losses, the built-in scores' metrics, what training did, coordinates
METRICS: dict[str, Metric] = {
    **_LOSSES,
    **{name: about for score in SCORES.values() for name, about in _rows(score).items()},
    "gradient_norm": Metric(
        "L2 norm of the whole gradient before clipping, mean over the epoch's updates",
        "unit of the loss",
        "gradient norm before clipping",
        scale="log",
    ),
    "best_epoch": Metric(
        "epoch of the selected checkpoint: the lowest validation score's, or the last",
        "1",
        "best epoch",
        counts="epochs",
    ),
    "epochs_run": Metric("epochs trained", "1", "number of epochs trained", counts="epochs"),
    "status": Metric("finished, diverged or missing"),
    "run_id": Metric("identity of the run: its specification's hash"),
    "seconds": Metric("wall time of the batch of replicas the run trained in, shared equally among them", "s"),
    "sha256": Metric("digest of the run's file"),
    "lag": Metric("timesteps since the perturbation, from 1"),
    "epoch": Metric("epochs of training completed"),
    "time": Metric("timestep, from 0"),
    "layer": Metric("layer, with torch's suffix"),
    "state": Metric("which state the gradient is taken at"),
    "point": Metric("candidate: before zoneout; state: after it"),
    "arm": Metric("arm"),
    "seed": Metric("seed"),
    "replica": Metric("replica of a stacked model"),
}


def as_score(given: Any) -> Score:
    """A task's score as a record: one of its own, or the built-in one of a name.

    Raises UsageError for an unknown name, InputRefusedError for what is not a score, or for a name that already has another meaning.

    >>> as_score("ppl").noun
    'perplexity'
    >>> as_score(Score("error", "word error"))
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: A score of your own cannot be called 'error': valid_error already has a meaning (validation examples classified wrongly). Give it another name.
    """
    if isinstance(given, str):
        if given not in SCORES:
            raise unknown("score", given, SCORES)
        return SCORES[given]
    if not isinstance(given, Score):
        raise InputRefusedError(
            f"A task's score is {given!r}; give one of {', '.join(SCORES)}, or a zoneout_lab.Score of your own."
        )
    if SCORES.get(given.name) == given:
        return given
    if taken := next((name for name in (f"valid_{given.name}", *_rows(given)) if name in METRICS), None):
        raise InputRefusedError(
            f"A score of your own cannot be called {given.name!r}: {taken} already has a meaning ({METRICS[taken].long_name}). Give it "
            "another name."
        )
    return given
