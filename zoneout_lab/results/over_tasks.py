"""What one hypothesis comes to over several tasks: what its verdict rests on, aggregates as description, and a sentence saying so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab import stats
from zoneout_lab.metrics import Better
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.numbers import number, p_value
from zoneout_lab.results.rows import Entry, OverAllTasks
from zoneout_lab.results.shown import agreeing, margin_in_words, unit_of
from zoneout_lab.results.tabular import Tabular

Floats = npt.NDArray[np.float64]
_THRESHOLDS = 61


@dataclass(frozen=True, eq=False)
class Aggregates:
    """An arm against another over tasks and seeds, as description: no intervals, and no verdict rests on it.

    Scores are normalised task by task: standard deviations of the other arm's runs on the better side of their mean. ``iqm`` is the interquartile mean
    of the arm's, ``iqm_against`` of the other's; ``improvement`` the probability that a run of the arm is better than one of the other on the same task;
    ``profile`` and ``profile_against`` [k] the part of the runs above each of ``thresholds`` [k]. NaN, and no profile, where a task has no spread to
    divide by.
    """

    iqm: float
    iqm_against: float
    improvement: float
    thresholds: Floats
    profile: Floats
    profile_against: Floats


@dataclass(frozen=True)
class OverAll(Tabular):
    """A hypothesis over ``tasks``: the ``comparisons`` on each, as judged there, and the ``decision`` over all of them. Printed, it is its statement and
    its sentence, in a notebook a table.

    ``family`` hypotheses were decided together at ``family_alpha``, by ``correction``. ``noun`` is what the metric is called on all tasks; ``sentence`` says it
    all, and ``short`` is the line below a statement.
    """

    name: str
    statement: str
    claims: tuple[int, ...]
    reason: str
    tasks: tuple[str, ...]
    noun: str
    comparisons: tuple[Comparison, ...]
    decision: stats.OverTasks
    family: int
    family_alpha: float
    correction: stats.Family
    aggregates: Aggregates
    sentence: str = ""
    short: str = ""

    def __str__(self) -> str:
        return f"{self.statement} {self.sentence}"

    def _entries(self) -> list[Entry]:
        over = OverAllTasks(
            noun=self.noun,
            pairs=sum(self.decision.n),
            standardised=self.standardised if all(self.decision.n) else math.nan,
            p=self.decision.p,
            p_adjusted=self.decision.p_adjusted,
            alpha=self.family_alpha,
            verdict=self.verdict,
            sentence=self.sentence,
        )
        on_each = zip(self.comparisons, self.tasks, strict=True)
        return [
            *(Entry(c, self.name, self.statement, task, over) for c, task in on_each),
            Entry(self.comparisons[0], self.name, self.statement, over=over),
        ]

    @property
    def verdict(self) -> stats.Verdict:
        """The verdict over all tasks."""
        return self.decision.verdict

    @property
    def standardised(self) -> float:
        """The mean over tasks of the mean difference divided by the differences' root mean square: −1 to 1, and the statistic that is tested against zero."""
        return float(np.mean([stats.standardised(c.differences)[0].sum() for c in self.comparisons]))

    @property
    def p_sign(self) -> float:
        """p of the sign test over all pairs of all tasks: in every task the median difference is zero. It needs no symmetry."""
        sizes = [stats.scaled(c.arm_values, c.against_values, c.scale).sizes for c in self.comparisons]
        return stats.sign_test([d for c in self.comparisons for d in c.differences], sizes=np.concatenate(sizes))

    @property
    def common(self) -> bool:
        """True where the tasks' differences share a unit, or are ratios, and can be drawn on one axis as they are."""
        return len({(c.scale, c.units if c.scale == "linear" else "") for c in self.comparisons}) == 1


def aggregates(arm: Sequence[Floats], against: Sequence[Floats], better: Better) -> Aggregates:
    """Aggregates of an arm's scores [n_t] in each task against another's [k_t], on the scale that they are compared on.

    >>> one = aggregates([np.array([1.0, 2.0])], [np.array([2.0, 4.0])], "lower")
    >>> round(one.iqm, 3), one.improvement
    (1.061, 0.875)
    """
    ours = [stats.normalised(a, b, better) for a, b in zip(arm, against, strict=True)]
    theirs = [stats.normalised(b, b, better) for b in against]
    every = np.concatenate([*ours, *theirs])
    known = all(map(len, [*ours, *theirs])) and bool(np.isfinite(every).all())
    at = np.linspace(*_ends(every), _THRESHOLDS) if known else np.empty(0)
    return Aggregates(
        iqm=stats.interquartile_mean(ours) if known else math.nan,
        iqm_against=stats.interquartile_mean(theirs) if known else math.nan,
        improvement=stats.probability_of_improvement(arm, against, better),
        thresholds=at,
        profile=stats.performance_profile(ours, at) if known else at,
        profile_against=stats.performance_profile(theirs, at) if known else at,
    )


def _ends(values: Floats) -> tuple[float, float]:
    """Ends of an axis that shows all but what would dwarf the rest."""
    low, high = float(values.min()), float(values.max())
    return max(low, -8.0) - 0.25, min(high, 8.0) + 0.25


def sentence_over(over: OverAll, arm: str, against: str) -> str:
    """The hypothesis over all tasks in one sentence that ends in the verdict."""
    decision = over.decision
    pairs = sum(decision.n)
    head = f"Over {len(over.tasks)} tasks with {pairs} pair{'s' * (pairs != 1)} of runs"
    missing = [task for task, n in zip(over.tasks, decision.n, strict=True) if not n]
    if missing:
        return f"{head}, nothing can be said of all of them: no seed of {_listing(missing)} has the {over.noun} of both {arm} and {against}: {decision.verdict}."
    notes = [*_counts(over), *_margin(over), _p(over), *_cautions(over), *_hangs_on(over)]
    return f"{head}, the {over.noun} of {arm} {_difference(over, against)} ({'; '.join(notes)}): {decision.verdict}."


def short_over(over: OverAll, arm: str, against: str) -> str:
    """Direction, tasks and pairs in a line that means what the sentence does."""
    if not all(over.decision.n):
        return f"{over.noun}: no pair on {_listing([t for t, n in zip(over.tasks, over.decision.n, strict=True) if not n])}"
    notes = [*_counts(over), *_margin(over), _p(over), *_hangs_on(over)]
    return f"{over.noun} of {arm} {_difference(over, against)} ({'; '.join(notes)})"


def _difference(over: OverAll, against: str) -> str:
    side, (verb, those) = _side(over), agreeing(over.noun)
    return (
        f"{verb} {side} on average than {those} of {against}"
        if side
        else f"and of {against} {verb} the same on average"
    )


def _side(over: OverAll) -> str:
    value = over.standardised
    return "" if value == 0 else "lower" if value < 0 else "higher"


def _counts(over: OverAll) -> list[str]:
    side = _side(over)
    if not side:
        return []
    sign = -1 if side == "lower" else 1
    tasks = sum(sign * c.mean_difference > 0 for c in over.comparisons)
    pairs = sum(sign * d > 0 for c in over.comparisons for d in c.differences)
    return [
        f"{side} on {tasks} of {len(over.tasks)} tasks and in {pairs} of {sum(over.decision.n)} pairs",
        f"standardised difference {number(over.standardised)}",
    ]


def _margin(over: OverAll) -> list[str]:
    first = over.comparisons[0]
    unit = "" if first.scale != "linear" else unit_of(first.metric, first.units)[1]
    return [f"margin {margin_in_words(first)} {unit}".rstrip()] if first.bound else []


def _p(over: OverAll) -> str:
    decision = over.decision
    if decision.verdict == "underpowered":
        best = p_value(decision.smallest_p, [decision.level])
        return f"with so few pairs p can reach {best} at best, and {p_value(decision.level, [decision.smallest_p])} is needed from at least 6 pairs"
    text = f"p = {p_value(decision.p, [decision.level])}"
    if decision.p_error > 0:
        text += f" ± {number(decision.p_error)} by {decision.method}"
    adjusted = p_value(decision.p_adjusted, [over.family_alpha])
    if over.family > 1:
        name = "Holm-adjusted p" if over.correction == "holm" else "adjusted p"
        return f"{text}; {name} = {adjusted} among {over.family} hypotheses"
    return f"{text}; {adjusted} for the verdict" if over.comparisons[0].bound else text


def _cautions(over: OverAll) -> list[str]:
    """Tasks whose differences are hardly symmetric: skews of one kind add up over tasks."""
    tasks = [task for task, c in zip(over.tasks, over.comparisons, strict=True) if c.cautions]
    if not tasks:
        return []
    return [
        f"symmetry is doubtful on {_listing(tasks)}, so a verdict may be false more often than it says; without symmetry, by the sign test, p = {p_value(over.p_sign)}"
    ]


def _hangs_on(over: OverAll) -> list[str]:
    """Where no difference is claimed or found, of every task: the one that is least clear, or that has too few seeds for it."""
    few = [task for task, n in zip(over.tasks, over.decision.n, strict=True) if n < stats.MINIMUM_SEEDS]
    if stats.needs_margin(over.comparisons[0].direction) and few and over.decision.verdict != "contradicted":
        have = "has" if len(few) == 1 else "have"
        return [
            f"that no difference matters is claimed of every task and takes {stats.MINIMUM_SEEDS} seeds in each: {_listing(few)} {have} fewer"
        ]
    weakest = [over.tasks[place] for place in over.decision.weakest]
    if not weakest or over.decision.verdict not in ("supported", "equivalent"):
        return []
    least = f", least clearly on {_listing(weakest)}" if len(weakest) < len(over.tasks) else ""
    return [f"on every task by itself{least}"]


def _listing(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
