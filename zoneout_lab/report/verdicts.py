"""The five verdicts: a symbol and a sentence for each, so that none is told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    symbol: str
    meaning: str


VERDICTS: dict[str, Verdict] = {
    "supported": Verdict(
        "✓",
        "the interval lies where the claim puts it: beyond the margin in its direction or, where no difference is claimed, within ±margin",
    ),
    "contradicted": Verdict("✗", "the interval lies beyond the margin where the claim says it does not"),
    "equivalent": Verdict("≈", "a difference was claimed, and the interval lies within ±margin: too small to matter"),
    "inconclusive": Verdict("?", "none of these: the data allow more than one answer. This is not “no effect”"),
    "underpowered": Verdict(
        "△", "so few paired seeds that no result could have reached a verdict at the corrected level"
    ),
}
