"""The verdicts on everything a study declared before it ran, corrected as one family."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.results.comparison import Comparison, Question, compare_family


@dataclass(frozen=True)
class Judgement:
    """A declared hypothesis and what came of it. ``claims`` are numbers of the paper's claims it tests."""

    name: str
    statement: str
    claims: tuple[int, ...]
    reason: str
    comparison: Comparison


def judge(tree: xr.DataTree) -> tuple[Judgement, ...]:
    """Judge every hypothesis the study declared, in its order, jointly at the study's α.

    Raises InputRefusedError where the results do not say which study they belong to, IntegrityError where that record is
    damaged, UsageError where a hypothesis names an arm or metric the study does not have.

    >>> study = {
    ...     "alpha": 0.05,
    ...     "arms": [{"name": "lstm", "label": "the LSTM"}, {"name": "zoneout", "label": "zoneout"}],
    ...     "hypotheses": [
    ...         {
    ...             "name": "helps",
    ...             "statement": "Zoneout helps.",
    ...             "claims": [16],
    ...             "arm": "zoneout",
    ...             "against": "lstm",
    ...             "metric": "valid_error",
    ...             "direction": "lower",
    ...             "margin": 0.0,
    ...             "reason": "zero: any gain counts",
    ...         },
    ...     ],
    ... }
    >>> tree = schema.study_tree([], arms=["lstm", "zoneout"], seeds=range(3), provenance={"study": study})
    >>> print(judge(tree)[0].comparison.sentence)
    No seed has the validation error of both zoneout and the LSTM (seeds 0, 1 and 2 are lost): underpowered, where 6 paired seeds would be enough to decide.
    """
    study = schema.provenance(tree, "study") if "provenance" in tree.children else None
    if study is None:
        raise InputRefusedError(
            "These results do not record their study, so there are no declared hypotheses to judge."
        )
    try:
        hypotheses = study["hypotheses"]
        alpha = float(study["alpha"])
        questions = [
            Question(h["arm"], h["against"], h["metric"], h["direction"], float(h["margin"])) for h in hypotheses
        ]
        texts = [(h["name"], h["statement"], tuple(int(c) for c in h["claims"]), h["reason"]) for h in hypotheses]
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"The study recorded with these results is damaged: {error!r}.") from error
    comparisons = compare_family(tree, questions, alpha)
    return tuple(Judgement(*text, comparison) for text, comparison in zip(texts, comparisons, strict=True))
