"""Checks that a study can answer what it asks: enough seeds for a verdict."""

from __future__ import annotations

import math

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results.numbers import p_value
from zoneout_lab.study.spec import Study


def check_design(study: Study) -> str | None:
    """Why the study cannot reach a verdict at its α, or None where it can.

    The smallest p-value of an exact two-sided sign-flip test on n seeds is 2/2ⁿ. Flipped jointly, any number of hypotheses can reach it; under Holm
    the first of m needs α/m.
    """
    m = len(study.hypotheses)
    if m == 0:
        return None
    needed = seeds_needed(study)
    if study.seeds >= needed:
        return None
    divided = m > 1 and study.family == "holm"
    tasks = max(1, len(study.tasks))
    least, level = stats.smallest_p(study.seeds * tasks), study.alpha / (m if divided else 1)
    needs = f"{m} hypotheses under Holm need" if divided else "a verdict needs"
    on = f" on each of {tasks} tasks" if tasks > 1 else ""
    return (
        f"This design cannot reach a verdict: with {study.seeds} paired seeds{on} the smallest p-value is {p_value(least, [level])}, and "
        f"{needs} {p_value(level, [least])} (α = {study.alpha}). It takes {needed} seeds: --seeds {needed}."
    )


def seeds_needed(study: Study) -> int:
    """Fewest seeds with which the study's first hypothesis can be decided; on several tasks, over all of them, with so many seeds on each.

    A claim of absence is about every task, and takes as many seeds on each as one task would.

    >>> from zoneout_lab import load_study
    >>> study = load_study("pmnist_table2")
    >>> seeds_needed(study), seeds_needed(study.model_copy(update={"family": "holm"}))
    (6, 7)
    """
    pairs = stats.seeds_needed(study.alpha, len(study.hypotheses) if study.family == "holm" else 1)
    absent = any(stats.needs_margin(h.direction) for h in study.hypotheses)
    return pairs if absent else math.ceil(pairs / max(1, len(study.tasks)))


def refuse_unless_forced(study: Study, *, force: bool) -> str | None:
    """Raise InputRefusedError where the design cannot reach its α; with ``force`` return the problem instead."""
    problem = check_design(study)
    if problem and not force:
        raise InputRefusedError(f"{problem} To go on anyway: --force.")
    return problem
