"""A comparison in one plain sentence, and in a short line that means the same, made from its numbers and nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from zoneout_lab import stats
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.legible import label
from zoneout_lab.results.numbers import decimals, number, p_value, percent
from zoneout_lab.results.shown import (
    agreeing,
    difference,
    disagree,
    held_against,
    is_ratio,
    margin_in_words,
    places,
    ratio,
    seen,
    shown_interval,
    typical,
    unit_of,
    with_unit,
)

#: what makes symmetry doubtful, as the sentence says it
CAUTIONS: dict[stats.Caution, str] = {
    "skew": "the differences look skewed",
    "outlier": "an arm has an outlier",
    "spread": "the arms differ in spread",
}
#: seeds or blocks that are named; of more, some stand for all
_MOST_NAMED = 20
#: the same in a word or two
_LOOKS: dict[stats.Caution, str] = {"skew": "skewed", "outlier": "an outlier", "spread": "unequal spread"}


def said(c: Comparison, labels: Mapping[str, str]) -> Comparison:
    """A comparison with what it is in words, and its arms by the labels that they have."""
    arm, against = (label(labels.get(name, name)) for name in (c.arm, c.against))
    full, spoken = sentence(c, arm, against), short(c, arm, against)
    return dataclasses.replace(c, arm_label=arm, against_label=against, sentence=full, short=spoken)


def sentence(c: Comparison, arm: str, against: str) -> str:
    """The comparison of ``arm`` with ``against`` (as prose calls them) in one sentence ending in the verdict.

    Fractions are given in percentage points, what is compared as logs or log odds as a ratio. Where seeds are too few for a sign-flip interval, the
    t interval stands in, with what it assumes, and the sentence says how many seeds would do.
    """
    noun = c.noun or c.long_name
    if c.unfit:
        return _end(f"The {noun} of {arm} and {against} cannot be compared on the {c.scale} scale", [_unfit(c)], c)
    if not c.measured:
        return _end(f"{_nothing(c)} the {noun} of both {arm} and {against}", _lost(c), c)
    verb, those = agreeing(noun)
    if c.mean_difference == 0:
        head = f"the {noun} of {arm} and of {against} {verb} the same on average"
    elif c.scale == "logit":
        head = f"the odds of {noun} of {arm} are {_times(c)} those of {against}"
    elif is_ratio(c):
        head = f"the {noun} of {arm} {verb} {_times(c)} {those} of {against}"
    else:
        head = f"the {noun} of {arm} {verb} {_shift(c)} than {those} of {against}"
    notes = [
        *_difference(c),
        *_margin(c),
        _p_values(c),
        *_equal(c),
        *_cautions(c),
        *_replaced(c),
        *_lost(c),
        *_more_seeds(c),
    ]
    return _end(f"Over {_over(c)}, {head}", notes, c)


def _over(c: Comparison) -> str:
    """What the comparison rests on: ``6 paired seeds``, ``12 paired blocks (dataset × fold)``, ``5 and 6 runs that are not paired``."""
    if not c.paired:
        return f"{len(c.arm_values)} and {len(c.against_values)} runs that are not paired"
    n = len(c.seeds)
    what = f"block{'s' * (n != 1)} ({' × '.join(c.by)})" if c.by else f"seed{'s' * (n != 1)}"
    return f"{n} paired {what}"


def _nothing(c: Comparison) -> str:
    return "There are no values to compare of" if not c.paired else f"No {'block' if c.by else 'seed'} has"


def short(c: Comparison, arm: str, against: str) -> str:
    """What came out, to be read aloud: both values, which is higher or lower and by how much, and the interval. It means what the sentence does."""
    if c.unfit:
        return f"Not to be compared on the {c.scale} scale: {_unfit(c)}."
    if not c.measured:
        return _end_short(f"{_nothing(c)} both values", _lost(c))
    ours, theirs = typical(c, c.arm_values), typical(c, c.against_values)
    noun = c.noun or c.long_name
    digits = _digits_of_values(c, ours, theirs)
    first, second = (_value(c, value, digits) for value in (ours, theirs))
    unit = unit_of(c.metric, c.units)[1]
    values = f"The {noun} {agreeing(noun)[0]} {first} for {arm} and {second.removesuffix(f' {unit}')} for {against}"
    if c.mean_difference == 0:
        head = "the same on average"
    elif is_ratio(c):
        head = f"{'odds ' * (c.scale == 'logit')}{_times(c)} as high"
    else:
        head = _shift(c)
    looks = [", ".join(_LOOKS[each] for each in c.cautions)] if c.cautions else []
    margin = [each if is_ratio(c) else f"{each} {unit.removeprefix('percentage ')}".rstrip() for each in _margin(c)]
    notes = [
        *_spoken_interval(c),
        *margin,
        *_short_of_margin(c),
        *_equal(c),
        *looks,
        *_groups(c),
        *_replaced(c),
        *_lost(c),
    ]
    return _end_short(f"{values}: {head}{', against the claim' * _against(c)}", notes) + _in_short(c)


def _end_short(head: str, notes: Sequence[str]) -> str:
    return f"{head} ({'; '.join(notes)})." if notes else f"{head}."


def _unfit(c: Comparison) -> str:
    """Why, without the advice, which comes too late for what was declared."""
    why = c.unfit.split(". ")[0]
    return why[:1].lower() + why[1:]


def _shift(c: Comparison) -> str:
    mean, side = seen(c, c.mean_difference), "lower" if c.mean_difference < 0 else "higher"
    unit = unit_of(c.metric, c.units)[1]
    return f"{with_unit(number(abs(mean), places(c), [0.0, abs(seen(c, c.bound))]), unit)} {side}"


def _times(c: Comparison) -> str:
    return f"{ratio(c, c.mean_difference, places(c))} times"


def _digits_of_values(c: Comparison, ours: float, theirs: float) -> int | None:
    """Decimal places of both values: the difference's, so that it can be checked; where a ratio, which says nothing of their size, has them alike, more."""
    if not is_ratio(c):
        return places(c)
    alike = ours != theirs and _value(c, ours, None) == _value(c, theirs, None)
    return decimals([unit_of(c.metric, c.units)[0] * (ours - theirs)], 1) if alike else None


def _value(c: Comparison, value: float, digits: int | None) -> str:
    factor, unit = unit_of(c.metric, c.units)
    text = number(factor * value, digits)
    return f"{text}%" if unit == "percentage points" else with_unit(text, unit)


def _difference(c: Comparison) -> list[str]:
    name = {"linear": "difference", "log": "ratio", "logit": "odds ratio"}[c.scale]
    return [", ".join([f"{name} {difference(c, c.mean_difference, places(c))}", *_interval(c)])]


def _interval(c: Comparison) -> list[str]:
    """The interval of the difference, in the digits that show where it lies; nothing where there is none."""
    (low, high), alpha, normal = shown_interval(c)
    if not math.isfinite(low):
        return []
    low_end, high_end = (difference(c, end, places(c)) for end in (low, high))
    text = f"{percent(alpha)} {'t ' if normal else ''}interval {low_end} to {high_end}"
    return [text + (", which assumes normal differences" if normal else "")]


def _spoken_interval(c: Comparison) -> list[str]:
    """The interval without signs: from how much lower to how much higher."""
    (low, high), alpha, normal = shown_interval(c)
    if not math.isfinite(low):
        return []
    if is_ratio(c) and normal:
        return _interval(c)
    if is_ratio(c):
        low_end, high_end = (ratio(c, end, places(c)) for end in (low, high))
        return [f"{percent(alpha)} interval {low_end} to {high_end} times"]
    marks = (0.0, abs(seen(c, c.bound)))
    ends = [number(abs(seen(c, end)), places(c), marks) for end in (low, high)]
    if low == high == 0:
        words = f"{ends[0]} to {ends[1]}"
    elif low >= 0:
        words = f"{ends[0]} to {ends[1]} higher"
    elif high <= 0:
        words = f"{ends[1]} to {ends[0]} lower"
    else:
        words = f"{ends[0]} lower to {ends[1]} higher"
    text = f"{percent(alpha)} {'t ' if normal else ''}interval {words}"
    return [text + (", which assumes normal differences" if normal else "")]


def _margin(c: Comparison) -> list[str]:
    return [f"margin {margin_in_words(c)}"] if c.bound else []


def _against(c: Comparison) -> bool:
    """True where one side was declared and the mean lies on the other."""
    return (
        c.declared
        and c.direction in ("lower", "higher")
        and c.mean_difference * (1 if c.direction == "lower" else -1) > 0
    )


def _short_of_margin(c: Comparison) -> list[str]:
    """Why a verdict is open although the whole interval lies on the side claimed."""
    nearest = -c.interval[1] if c.direction == "lower" else c.interval[0]
    if c.verdict != "inconclusive" or c.direction not in ("lower", "higher") or not 0 < nearest < c.bound:
        return []
    return [f"{c.direction}, but not shown to be so by more than the margin"]


def _equal(c: Comparison) -> list[str]:
    n = len(c.seeds)
    if c.constant and not c.paired:
        return ["neither arm's runs differ"]
    return [f"{'both' if n == 2 else f'all {n}'} differences are equal"] if c.constant else []


def _replaced(c: Comparison) -> list[str]:
    if not c.replaced:
        return []
    one = c.replaced == 1
    values = f"{c.replaced} value{'s' * (not one)} {'was' if one else 'were'}"
    counted = f"count{'s' * one} as half"
    if c.scale == "log":
        text = f"{values} zero and {counted} the smallest other"
    else:
        text = f"{values} 0% or 100% and {counted} as far from it as the nearest other"
    arms = (c.arm_values, c.against_values)
    whole = any(all(v < stats.UNDERFLOW or (c.scale == "logit" and v == 1) for v in values_of) for values_of in arms)
    return [f"{text}; that is all of one arm, so the size of the ratio rests on this rule alone" if whole else text]


def _cautions(c: Comparison) -> list[str]:
    notes = _groups(c)
    if c.cautions and not c.paired:
        notes.append(f"{', '.join(CAUTIONS[each] for each in c.cautions)}, so the interval may cover less than it says")
    elif c.cautions:
        notes.append(
            f"{', '.join(CAUTIONS[each] for each in c.cautions)}, so the interval may cover less than it says; without symmetry, by the sign test, "
            f"p = {p_value(c.p_sign)}"
        )
    if disagree(c):
        unit = "" if is_ratio(c) else unit_of(c.metric, c.units)[1]
        notes.append(
            f"the Hodges–Lehmann shift differs from the mean: {with_unit(difference(c, c.hodges_lehmann), unit)}"
        )
    if c.verdict_worst is not None:
        notes.append(
            f"with diverged runs counted as worst{', and no margin' if c.bound else ''}: {c.verdict_worst}, p = {p_value(c.p_worst, [c.alpha])}"
        )
    elif not math.isnan(c.p_worst):
        notes.append(f"with diverged runs counted as worst, p = {p_value(c.p_worst, [c.alpha])} for any difference")
    return notes


def _groups(c: Comparison) -> list[str]:
    """What becomes of p when pairs that share a group are flipped together: they may agree, and then say less than as many that share nothing."""
    if not c.groups:
        return []
    return [
        f"blocks of one {c.by[0]} may agree: with each of the {c.groups} flipped whole, p = {p_value(c.p_groups, [c.alpha])}"
    ]


def _more_seeds(c: Comparison) -> list[str]:
    """What more seeds would probably do for an inconclusive verdict, and how good the chance was with these."""
    if c.chance is None or c.mean_difference == 0 or c.groups:
        return []
    what, of_ten = "blocks" if c.by else "seeds", round(10 * c.chance)
    found = "fewer than 1" if of_ten == 0 else str(of_ten)
    more = "only with more than 100" if c.seeds_to_decide is None else f"with about {c.seeds_to_decide}"
    text = f"if the true difference were the one seen (which is uncertain), {found} of 10 such studies would decide, and 8 of 10 {more} {what}"
    return [f"low power: {text}" if c.chance < 0.5 else text]


def _in_short(c: Comparison) -> str:
    """About how many seeds would make it .8 that another study decides, were the difference seen the true one."""
    if c.chance is None or c.mean_difference == 0 or c.groups:
        return ""
    what = "blocks" if c.by else "seeds"
    if c.seeds_to_decide is None:
        return f" Even 100 {what} in all would probably not decide."
    return f" About {c.seeds_to_decide} {what} in all would probably decide."


def _p_values(c: Comparison) -> str:
    if c.verdict == "underpowered":
        if c.smallest_p <= c.alpha:
            fewest = (
                f"{stats.MINIMUM_SEEDS} {'blocks' if c.by else 'seeds'}"
                if c.paired
                else f"{stats.MINIMUM_APART} runs of an arm"
            )
            return f"no verdict is given on fewer than {fewest}"
        best = p_value(c.smallest_p, [c.alpha])
        return f"p can reach {best} at best and {p_value(c.alpha, [c.smallest_p])} is needed"
    text = f"p = {p_value(c.p, [c.alpha])}"
    if c.p_error > 0:
        text += f" ± {number(c.p_error)} by {c.method}"
    if c.bound:
        text += " for no difference"
    adjusted = p_value(c.p_adjusted, [held_against(c)])
    if c.family > 1:
        text += f"; {adjusted_name(c)} = {adjusted}{' for the verdict' * bool(c.bound)} among {c.family} hypotheses"
    elif c.bound:
        text += f"; {adjusted} for the verdict"
    if c.looks:
        when = f"at look {c.look} of {len(c.looks)}" if c.look else f"before the first look, at {c.looks[0]} seeds"
        text += f"; {when}, where {p_value(c.spent, [c.p_adjusted])} of α may be spent"
    return text


def adjusted_name(c: Comparison) -> str:
    """What the family's p is called."""
    return "Holm-adjusted p" if c.correction == "holm" else "adjusted p"


def _lost(c: Comparison) -> list[str]:
    notes = []
    if c.lost:
        text = f"{_seeds(c.lost, c.lost_blocks)} {_are(c.lost)} lost"
        if c.diverged:
            count = len(c.diverged)
            text += f", {count} run{'s' * (count != 1)} diverged"
        notes.append(text)
    if c.absent:
        notes.append(f"{_seeds(c.absent)} of the study {_are(c.absent)} not among these results")
    return notes


def _end(head: str, notes: Sequence[str], c: Comparison) -> str:
    body = f"{head} ({'; '.join(notes)})" if notes else head
    advice = ""
    if c.verdict == "underpowered" and c.paired and not c.unfit and stats.can_decide(stats.EXACT_UP_TO, c.alpha):
        what = "blocks" if c.by else "seeds"
        advice = f", where {stats.seeds_needed(c.alpha)} paired {what} would be enough to decide"
    standing = "" if c.declared else " (exploratory: not declared before the runs)"
    if c.at_judging:
        standing = " (declared for this judgement, and not shown to have been before the runs)"
    if c.declared_as:
        standing = f" (exploratory: by itself and not as declared; the verdict on {c.declared_as!r} is that of judge)"
    return f"{body}: {c.verdict}{advice}{standing}."


def _seeds(seeds: Sequence[int], blocks: Sequence[str] = ()) -> str:
    names = list(blocks) or [str(seed) for seed in seeds]
    what = "block" if blocks else "seed"
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1:,} others"]
    *most, last = names
    between = "; " if blocks else ", "
    return f"{what}s {between.join(most)} and {last}" if most else f"{what} {last}"


def _are(seeds: Sequence[int]) -> str:
    return "are" if len(seeds) > 1 else "is"
