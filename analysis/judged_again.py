# %% [markdown]
# # Would other statistics have said something else?
#
# Judges published studies twice: as they were declared, and again with what new studies get by default: hypotheses flipped jointly, norms,
# shares and perplexities compared as ratios, absence by two one-sided tests. What was declared stays as declared; the second verdict was chosen after
# the data and is exploratory, whatever it says.
#
# A margin in the metric's units has no counterpart on a ratio's scale that the data do not choose. A part of the whole is taken for a factor by what a
# flat profile has: .02 of a third is 6%, so × 1.06; any other margin keeps its hypothesis on the scale it was declared on.

# %%
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import zoneout_lab as zl
from zoneout_lab.results import Comparison, Question, compare_family, judge

PUBLISHED = Path(__file__).parents[1] / "reports"
FLAT = 1 / 3  # of a flat gradient's norm lies in the first third


# %%
def again(study: str) -> tuple[list[str], list[Comparison], list[Comparison]]:
    """The statements of a study's hypotheses, the comparisons as declared, and those of the re-analysis."""
    results = zl.open_results(study)
    judged = judge(results)
    declared = [each.comparison for each in judged]
    family = compare_family(results, [_question(c) for c in declared], _alpha(declared))
    return [each.statement for each in judged], declared, list(family)


def _question(c: Comparison) -> Question:
    if not c.margin:
        return Question(c.arm, c.against, c.metric, c.direction)
    if c.metric.startswith("early_third_mass"):
        return Question(c.arm, c.against, c.metric, c.direction, 1 + c.margin / FLAT, "log")
    return Question(c.arm, c.against, c.metric, c.direction, c.margin, c.scale)


def _alpha(declared: Sequence[Comparison]) -> float:
    return declared[0].family_alpha


# %%
def table(studies: Sequence[str]) -> pd.DataFrame:
    """One row for each hypothesis: both verdicts with their adjusted p, and why they differ where they do."""
    rows = []
    for study in studies:
        for statement, before, after in zip(*again(study), strict=True):
            changed = before.verdict != after.verdict
            rows.append(
                {
                    "study": study.split("/")[-2] if "/" in study else study,
                    "hypothesis": statement,
                    "declared": before.verdict,
                    "adjusted p": f"{before.p_adjusted:.3g}",
                    "again": after.verdict,
                    "adjusted p again": f"{after.p_adjusted:.3g}",
                    "why": _why(before, after) if changed else "",
                }
            )
    return pd.DataFrame(rows)


def _why(before: Comparison, after: Comparison) -> str:
    """What of the new method changed the verdict: the scale, where Holm would change it too, or the correction."""
    holm = f"Holm-adjusted p = {after.p_holm:.3g}"
    if after.scale != before.scale:
        return f"compared as ratios ({holm})"
    if after.verdict == "equivalent" or after.direction == "same":
        return "absence is read off two one-sided tests"
    return f"flipped jointly ({holm})"


# %%
def markdown(found: pd.DataFrame) -> str:
    """The table as a page of this repository has it; verdicts that differ are in bold."""
    lines = ["| study | hypothesis | as declared | again | why |", "|---|---|---|---|---|"]
    for row in found.to_dict("records"):
        after = f"**{row['again']}**" if row["again"] != row["declared"] else row["again"]
        lines.append(
            f"| {row['study']} | {row['hypothesis']} | {row['declared']}, {row['adjusted p']} | {after}, {row['adjusted p again']} | {row['why']} |"
        )
    return "\n".join(lines)


def main(studies: Sequence[str]) -> None:
    found = table(studies or sorted(map(str, PUBLISHED.glob("*/study.nc"))))
    print(markdown(found))
    print(
        f"\n{(found['declared'] != found['again']).sum()} of {len(found)} verdicts differ. Numbers are adjusted p values."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
