"""Checks that what a study declares fits together. Each function raises InputRefusedError, by name, where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.paper import CLAIMS
from zoneout_lab.study.declared import Arm, Hypothesis

#: claims of absence, in a word
_ABSENT = {"same": "sameness", "not lower": "no loss", "not higher": "no gain"}


def arms_fit(arms: Sequence[Arm], baseline: str) -> None:
    """Each arm has its own name and label; the baseline is one of them."""
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputRefusedError(f"The arm {twice[0]!r} is given twice; give every arm its own name.")
    labels = [" ".join((arm.label or arm.name).split()) for arm in arms]
    same = sorted({label for label in labels if [other.casefold() for other in labels].count(label.casefold()) > 1})
    if same:
        raise InputRefusedError(
            f"Several arms are called {same[0]!r}, so no sentence could tell them apart; give every arm its own label."
        )
    if baseline not in names:
        raise InputRefusedError(f"baseline: {unknown('arm', baseline, names)}")


def hypotheses_fit(hypotheses: Sequence[Hypothesis], names: Sequence[str]) -> None:
    """Every hypothesis compares two arms of the study, by these names, and has the margin that its claim needs."""
    seen = set()
    for hypothesis in hypotheses:
        if hypothesis.name in seen:
            raise InputRefusedError(f"The hypothesis {hypothesis.name!r} is given twice; give one another name.")
        seen.add(hypothesis.name)
        if strange := sorted(set(hypothesis.claims) - set(CLAIMS)):
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} is about claim {strange[0]}, but the paper's claims are 1 to {max(CLAIMS)} (zoneout-lab "
                "list shows them). A question of your own needs no claim."
            )
        for role in (hypothesis.arm, hypothesis.against):
            if role not in names:
                raise InputRefusedError(f"hypothesis {hypothesis.name!r}: {unknown('arm', role, names)}")
        if hypothesis.arm == hypothesis.against:
            raise InputRefusedError(f"hypothesis {hypothesis.name!r} compares {hypothesis.arm!r} with itself.")
        none = (0,) if hypothesis.scale in (None, "linear") else (0, 1)  # a factor of 1 is none
        if stats.needs_margin(hypothesis.direction) and hypothesis.margin in none:
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} claims {_ABSENT[str(hypothesis.direction)]} and needs a margin: the largest difference that does not matter."
            )


def vary_fits(hypotheses: Sequence[Hypothesis], varied: Mapping[str, Sequence[str]]) -> None:
    """A hypothesis compares arms whose seeds differ in the same kinds of randomness.

    Where one arm holds a kind that the other varies, the one draw that is held would be taken for a difference between the arms: it
    moves every pair alike, and no spread of the differences shows it.

    Args:
        hypotheses: of the study.
        varied: name of an arm → what differs between its seeds.

    >>> vary_fits(
    ...     [Hypothesis(name="h", statement="", arm="b", against="a", metric="valid_score")],
    ...     {"a": ["init"], "b": ["data"]},
    ... )
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: hypothesis 'h' compares 'b', whose seeds vary data, with 'a', whose seeds vary init. What one of them holds at a single draw would look like a difference between the two: give both arms the same vary=(...).
    """
    for hypothesis in hypotheses:
        ours, theirs = varied[hypothesis.arm], varied[hypothesis.against]
        if ours != theirs:
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} compares {hypothesis.arm!r}, whose seeds vary {', '.join(ours)}, with "
                f"{hypothesis.against!r}, whose seeds vary {', '.join(theirs)}. What one of them holds at a single draw would look like a "
                "difference between the two: give both arms the same vary=(...)."
            )


def looks_fit(looks: Sequence[int], seeds: int, hypotheses: Sequence[Hypothesis]) -> None:
    """Looks rise to the study's number of seeds, and there is something to judge at them."""
    if not looks:
        return
    if list(looks) != sorted(set(looks)) or looks[-1] != seeds:
        raise InputRefusedError(
            f"looks are {', '.join(map(str, looks))}; they have to rise, and the last has to be the study's number of seeds, {seeds}."
        )
    if not hypotheses:
        raise InputRefusedError("looks are when hypotheses are judged, and this study has none: leave looks out.")
