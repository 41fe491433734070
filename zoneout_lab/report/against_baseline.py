"""Curves as differences from the baseline: the figure, its caption, and a table of what can be claimed of each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoneout_lab.report.curve_differences import Compared, CurveDifference, band_in_words, claims, compare_curves
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, bands
from zoneout_lab.report.figures.bands import MOST_BANDS
from zoneout_lab.report.figures.lines import Array
from zoneout_lab.report.text import count, listing
from zoneout_lab.results.numbers import number, percent

MOST_PANELS = 2  # of one quantity: with more arms than fit in these, the rest are in the table alone
_UNFOLDED = 9  # rows of the table that are shown without being asked for


@dataclass(frozen=True, eq=False)
class Curves:
    """A quantity whose curves ``values`` [arm, seed, x] are compared: as ratios, or in ``unit``.

    ``norms`` [arm, seed, x] are what they were made of, where that is what underflows; ``ended`` [arm, seed] marks runs that diverged.
    """

    name: str
    title: str
    x: Array
    values: Array
    unit: str = ""
    ratio: bool = False
    norms: Array | None = None
    ended: npt.NDArray[np.bool_] | None = None


def against_baseline(
    data: ReportData, quantities: Sequence[Curves], *, what: str, noun: str, when: str = "", explained: bool = True
) -> dict[str, Any] | None:
    """What a template shows of the differences from the baseline, or None where there is nothing to compare.

    ``what`` names the curves and ``noun`` a step; ``when`` says in words when the curves were measured. Not ``explained``, where a
    figure before it says how it is to be read.
    """
    alpha = float(data.study.get("alpha") or 0.05)
    compared = [
        (
            q,
            compare_curves(
                q.x, q.values, data.arms, ratio=q.ratio, norms=q.norms, ended=q.ended, noun=noun, alpha=alpha
            ),
        )
        for q in quantities
        if q.x.size > 1
    ]
    found = [(each, result) for each, result in compared if result and any(d.pairs for d in result.differences)]
    if not found:
        return None
    base = next(arm for arm in data.arms if arm.baseline)
    at = f", {when}" if when else ""
    panels = tuple(panel for each, result in found for panel in _panels(each, result, base.label, noun, alpha))
    shown = [d.arm for d in found[0][1].differences][: MOST_PANELS * MOST_BANDS]
    said = [
        f"{what.capitalize()} compared with those of {base.label}{at}.",
        *(_how_to_read(found, noun, alpha) if explained else ["Bands and bars are to be read as above."]),
        *_peculiarities(found, noun, len(data.arms) - 1),
    ]
    rows = [(d.arm, each.title, d.pairs, *claims(d, noun, alpha)) for each, result in found for d in result.differences]
    return {
        "figure": Figure(panels, " ".join(said), tuple(shown)),
        "rows": rows,
        "folded": len(rows) > _UNFOLDED,
        "label": f"Where {what} differ from those of {base.label}{at}",
        "noun": noun,
        "percent": percent(1 - alpha),
    }


def _panels(each: Curves, result: Compared, base: str, noun: str, alpha: float) -> list[Panel]:
    drawn = result.differences[: MOST_PANELS * MOST_BANDS]
    size = -(-len(drawn) // -(-len(drawn) // MOST_BANDS))  # of panels with about the same number of arms
    return [
        bands(
            f"{each.name}-against-{k}" if k else f"{each.name}-against",
            result.x,
            [difference.strand for difference in group],
            title=each.title,
            description=_in_words(group, each, base, noun, alpha),
            xlabel=noun,
            ylabel=f"ratio to {_short(base)}" if each.ratio else each.unit or "difference",
            ratio=each.ratio,
            beside=[difference.strand for difference in drawn],
        )
        for k, group in enumerate(drawn[first : first + size] for first in range(0, len(drawn), size))
    ]


def _short(label: str) -> str:
    return label if len(label) <= 14 else "baseline"


def _in_words(group: Sequence[CurveDifference], each: Curves, base: str, noun: str, alpha: float) -> str:
    """The ends of every mean difference, and what max-T says of it."""
    parts = []
    for difference in group:
        known = difference.strand.mean[np.isfinite(difference.strand.mean)]
        if not known.size:
            parts.append(f"{difference.arm.label}: nothing to compare")
            continue
        ends = [number(float(np.exp(v) if each.ratio else v)) for v in (known[0], known[-1])]
        parts.append(f"{difference.arm.label}: from {ends[0]} to {ends[1]}, {claims(difference, noun, alpha)[0]}")
    what = "ratio to" if each.ratio else "difference from"
    return f"{each.title}, mean {what} {base} by {noun}, first to last. {'. '.join(parts)}."


def _how_to_read(found: Sequence[tuple[Curves, Compared]], noun: str, alpha: float) -> list[str]:
    said = []
    if any(not each.ratio for each, _ in found):
        said.append("Differences are taken at the same seed and averaged over seeds: below zero, an arm is lower.")
    if any(each.ratio for each, _ in found):
        said.append(
            "Ratios are taken at the same seed, with their geometric mean over seeds, on a logarithmic axis: below 1, an arm is lower."
        )
    said.append(band_in_words(alpha))
    said.append(
        f"Bars at the bottom mark the {noun}s at which max-T finds a difference: for one curve, the chance that any of them is wrong is at "
        f"most {percent(1 - alpha)}. Both take differences to be symmetric; arms and panels are not corrected for, so this is exploratory."
    )
    return said


def _peculiarities(found: Sequence[tuple[Curves, Compared]], noun: str, arms: int) -> list[str]:
    """What holds of these data: skewness, what was left out, averaged or not drawn."""
    said = []
    skewed = sum(difference.skewed for _, result in found for difference in result.differences)
    if skewed:
        said.append(
            f"Differences look skewed in {count(skewed, 'comparison')} of the table: there bands and tests may be wrong far more often. (For "
            "lognormal differences at 8 seeds, max-T named a wrong step in 42% of simulations and the band held 44% of curves.)"
        )
    gaps = [(each.title, result.left_out) for each, result in found if result.left_out]
    if gaps:
        limit = " or a value of at most 2⁻¹²⁶" if any(each.ratio for each, _ in found) else ""
        words = [f"{left_out} (“{title}”)" for title, left_out in gaps]
        said.append(
            f"Left out for all arms, because a compared run has no finite value{limit} there: {listing(words)} of "
            f"{count(found[0][1].steps, noun)}."
        )
    block = max(result.block for _, result in found)
    if block > 1:
        said.append(f"Each point averages up to {block} {noun}s before anything is compared.")
    if arms > MOST_PANELS * MOST_BANDS:
        said.append(f"{arms - MOST_PANELS * MOST_BANDS} more arms are in the table only.")
    return said
