"""The verdicts on everything a study declared before it ran, corrected as one family; of results from elsewhere, on what was declared for their
judgement or, where nothing was, on every arm against the baseline, as exploratory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.metrics import Scale
from zoneout_lab.results.comparison import Comparison, Question
from zoneout_lab.results.family import compare_family
from zoneout_lab.results.rows import Entry
from zoneout_lab.results.tabular import Table, Tabular


@dataclass(frozen=True)
class Judgement(Tabular):
    """A declared hypothesis and what came of it; printed, it is its statement and the sentence of its comparison, in a notebook a table.

    Args:
        name, statement: the hypothesis's.
        claims: numbers of the paper's claims that it tests.
        reason: why the margin is what it is.
        comparison: the :class:`~zoneout_lab.Comparison` that its verdict rests on: ``comparison.verdict``, ``comparison.sentence``.
    """

    name: str
    statement: str
    claims: tuple[int, ...]
    reason: str
    comparison: Comparison

    def __str__(self) -> str:
        return f"{self.statement} {self.comparison.sentence}"

    def _entries(self) -> list[Entry]:
        return [Entry(self.comparison, self.name, self.statement)]


def judge(tree: xr.DataTree) -> Table[Judgement]:
    """Judge every hypothesis the study declared, in its order, jointly at the study's α: a tuple that is also a table
    (:class:`~zoneout_lab.results.tabular.Tabular`).

    Args:
        tree: results, as :func:`~zoneout_lab.open_results` or :func:`~zoneout_lab.results_from` give them.

    Raises:
        InputRefusedError: the results do not say which study they belong to.
        IntegrityError: that record is damaged.
        UsageError: a hypothesis names an arm or metric that the study does not have.

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
    study = schema.study_of(tree)
    if study is None:
        raise InputRefusedError(
            "These results do not record their study, so there are no declared hypotheses to judge."
        )
    try:
        alpha = float(study["alpha"])
        # studies declared before there was a choice are judged as they were declared
        correction = study.get("family", "holm")
        absence: stats.Absence = "one-sided" if "family" in study else "two-sided"
        looks = [int(n) for n in study.get("looks") or ()]
        hypotheses = [
            (
                Question(
                    h["arm"],
                    h["against"],
                    h["metric"],
                    h.get("direction", "lower"),
                    float(h.get("margin", 0.0)),
                    h.get("scale", "linear"),
                ),
                (h["name"], h["statement"], tuple(int(c) for c in h.get("claims", ())), str(h.get("reason", ""))),
            )
            for h in study["hypotheses"]
        ]
    except KeyError as error:
        raise IntegrityError(f"The study recorded with these results is damaged: it lacks {error}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"The study recorded with these results is damaged: {error}.") from error
    for what, given, known in (
        ("family", [correction], get_args(stats.Family)),
        ("scale", [question.scale for question, _ in hypotheses], get_args(Scale)),
        ("direction", [question.direction for question, _ in hypotheses], stats.DIRECTIONS),
    ):
        if strange := next((each for each in given if each not in known), None):
            raise IntegrityError(f"The study recorded with these results is damaged: its {what} is {strange!r}.")
    comparisons = compare_family(
        tree,
        [question for question, _ in hypotheses],
        alpha,
        declared=study.get("standing") != "exploratory",
        refuse=False,
        correction=correction,
        absence=absence,
        looks=looks,
    )
    return Table(Judgement(*text, comparison) for (_, text), comparison in zip(hypotheses, comparisons, strict=True))
