"""A comparison in one plain sentence, made from its numbers and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from zoneout_lab import stats

#: what a metric is called in prose, where its ``long_name`` would not fit into a sentence
NOUNS: dict[str, str] = {
    "train_loss": "training loss under noise",
    "train_eval_loss": "training loss",
    "train_eval_error": "training error",
    "train_eval_ppl": "training perplexity",
    "train_eval_mse": "training squared error",
    "train_eval_bpc": "training cross-entropy",
    "train_eval_bpc_full": "training cross-entropy with carried state",
    "train_eval_ppl_full": "training perplexity of one sequence",
    "valid_loss": "validation loss",
    "valid_error": "validation error",
    "valid_ppl": "validation perplexity",
    "valid_ppl_full": "validation perplexity of one sequence",
    "valid_mse": "validation squared error",
    "valid_bpc": "validation cross-entropy",
    "valid_bpc_full": "validation cross-entropy with carried state",
    "test_loss": "test loss",
    "test_error": "test error",
    "test_ppl": "test perplexity",
    "test_ppl_streams": "test perplexity in parallel streams",
    "test_mse": "test squared error",
    "test_bpc": "test cross-entropy",
    "test_bpc_full": "test cross-entropy with carried state",
    "gradient_norm": "gradient norm before clipping",
    "best_epoch": "best epoch",
    "epochs_run": "number of epochs trained",
    "early_third_mass_cell": "early-third gradient share (cell, candidate)",
    "early_third_mass_hidden": "early-third gradient share (hidden, candidate)",
    "early_third_mass_cell_state": "early-third gradient share (cell, state)",
    "early_third_mass_hidden_state": "early-third gradient share (hidden, state)",
    "early_third_mass_cell_without_noise": "early-third gradient share without noise (cell, candidate)",
    "early_third_mass_hidden_without_noise": "early-third gradient share without noise (hidden, candidate)",
    "perturbation_cell": "remaining perturbation (cell)",
    "perturbation_hidden": "remaining perturbation (hidden)",
    "perturbation_cell_without_noise": "remaining perturbation without noise (cell)",
    "perturbation_hidden_without_noise": "remaining perturbation without noise (hidden)",
}

#: metrics of unit "1" that count something; every other one is a fraction, shown in percentage points
COUNTS: dict[str, str] = {"best_epoch": "epochs", "epochs_run": "epochs"}


class Facts(Protocol):
    """The numbers of a comparison that a sentence needs, as :class:`~zoneout_lab.results.comparison.Comparison` has them."""

    @property
    def metric(self) -> str: ...
    @property
    def long_name(self) -> str: ...
    @property
    def units(self) -> str: ...
    @property
    def margin(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def family(self) -> int: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def lost(self) -> tuple[int, ...]: ...
    @property
    def diverged(self) -> tuple[tuple[str, int], ...]: ...
    @property
    def mean_difference(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float]: ...
    @property
    def t_interval(self) -> tuple[float, float]: ...
    @property
    def p(self) -> float: ...
    @property
    def p_adjusted(self) -> float: ...
    @property
    def smallest_p(self) -> float: ...
    @property
    def skewed(self) -> bool: ...
    @property
    def verdict(self) -> stats.Verdict: ...


def sentence(facts: Facts, arm: str, against: str) -> str:
    """The comparison of ``arm`` with ``against`` (as prose calls them) in one sentence ending in the verdict.

    Fractions are given in percentage points. Where seeds are too few for a sign-flip interval, the t interval stands in, with
    what it assumes, and the sentence says how many seeds would do.
    """
    noun, (factor, unit) = NOUNS.get(facts.metric, facts.long_name), _unit(facts.metric, facts.units)
    n, lost = len(facts.seeds), _lost(facts)
    if n == 0:
        return _end(f"No seed has the {noun} of both {arm} and {against}", [*lost], facts)
    mean, _, _, places = _scaled(facts)
    if mean == 0:
        head = f"the {noun} of {arm} and of {against} is the same on average"
    else:
        side = "lower" if mean < 0 else "higher"
        head = f"the {noun} of {arm} is {_number(abs(mean), places)} {unit} {side} than that of {against}"
    notes = [f"difference {_number(mean, places)}{_bounds(facts)}"]
    if _bounds(facts) and not math.isfinite(facts.interval[0]):
        notes[0] += ", which assumes normal differences"
    if facts.margin > 0:
        notes.append(f"margin {_number(factor * facts.margin, _places([factor * facts.margin]))}")
    notes.append(_p_values(facts))
    if facts.skewed:
        notes.append("the differences look skewed, so the interval may cover less than it says")
    return _end(f"Over {n} paired seed{'s' * (n != 1)}, {head}", [*notes, *lost], facts)


def difference(facts: Facts) -> str:
    """The mean difference with its unit and interval, in a few words; empty where no seed has both values."""
    if not facts.seeds:
        return ""
    mean, _, _, places = _scaled(facts)
    return f"{_number(mean, places)} {_unit(facts.metric, facts.units)[1]}{_bounds(facts)}"


def _scaled(facts: Facts) -> tuple[float, float, float, int]:
    """Mean, low and high as a reader is given them, and their decimal places."""
    factor, _ = _unit(facts.metric, facts.units)
    mean, low, high = (factor * value for value in (facts.mean_difference, *_interval(facts)))
    return mean, low, high, _places([mean, low, high])


def _bounds(facts: Facts) -> str:
    _, low, high, places = _scaled(facts)
    if not math.isfinite(low):
        return ""
    assumes = "" if math.isfinite(facts.interval[0]) else "t "
    level = f"{100 * (1 - facts.alpha):.4g}%"
    return f", {level} {assumes}interval {_number(low, places)} to {_number(high, places)}"


def _interval(facts: Facts) -> tuple[float, float]:
    return facts.interval if math.isfinite(facts.interval[0]) else facts.t_interval


def _p_values(facts: Facts) -> str:
    if facts.verdict == "underpowered":
        if facts.smallest_p <= facts.alpha:
            return f"no verdict is given on fewer than {stats.MINIMUM_SEEDS} seeds"
        return f"p can reach {_p(facts.smallest_p)} at best and {_p(facts.alpha)} is needed"
    text = f"p = {_p(facts.p)}"
    if facts.family > 1 or facts.margin > 0:
        among = f" among {facts.family} hypotheses" if facts.family > 1 else ""
        text += f", and {_p(facts.p_adjusted)} for the verdict{among}"
    return text


def _lost(facts: Facts) -> list[str]:
    if not facts.lost:
        return []
    many = len(facts.lost) != 1
    text = f"seed{'s' * many} {_listed(facts.lost)} {'are' if many else 'is'} lost"
    if facts.diverged:
        count = len(facts.diverged)
        text += f", {count} run{'s' * (count != 1)} diverged"
    return [text]


def _end(head: str, notes: Sequence[str], facts: Facts) -> str:
    body = f"{head} ({'; '.join(notes)})" if notes else head
    advice = ""
    if facts.verdict == "underpowered":
        advice = f", where {stats.seeds_needed(facts.alpha)} paired seeds would be enough to decide"
    return f"{body}: {facts.verdict}{advice}."


def _unit(metric: str, units: str) -> tuple[float, str]:
    if metric in COUNTS:
        return 1.0, COUNTS[metric]
    return (100.0, "percentage points") if units == "1" else (1.0, units)


def _places(values: Iterable[float], digits: int = 3) -> int:
    """Decimal places that give the largest of the numbers that many significant digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 0 if largest == 0 else min(15, max(0, digits - 1 - math.floor(math.log10(largest))))


def _number(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _p(value: float) -> str:
    return f"{value:.3g}"


def _listed(values: Sequence[int]) -> str:
    *most, last = [str(value) for value in values]
    return f"{', '.join(most)} and {last}" if most else last
