# %% [markdown]
# # Does a CSV of scores say what the study said?
#
# All that a verdict needs is a table: one row for each run, with its arm, its seed and its score. Here such a table is written from a published study, read back as
# if somebody else had made it, and judged on the study's own hypotheses; then once more with three seeds instead of ten.
#
#     python analysis/judge_a_csv.py                   # the published Table 1 at the laptop preset
#     python analysis/judge_a_csv.py --csv scores.csv  # and keep the table
#
# For a table of one's own one command does: `zoneout-lab judge scores.csv --baseline lstm --metric valid_bpc --better lower --report report.html`.
#
# **What it cannot show.** A table says nothing of how its runs were made. That the hypotheses were declared before them is known here from the study; of a CSV
# the results can only say that they were declared for this judgement.

# %%
import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab.errors import LabError
from zoneout_lab.results import Table, scalar

STUDY = Path(__file__).parents[1] / "reports/char_ptb_table1/study.nc"
FIGURE = Path(__file__).parent / "figures/judge_a_csv.png"
FEW = 3


# %%
def scores(results: xr.DataTree, metrics: list[str]) -> pd.DataFrame:
    """One row for each run that has every metric: its arm, its seed and its scores."""
    columns = {
        metric: scalar(results, metric).drop_vars("arm_label", errors="ignore").to_series() for metric in metrics
    }
    return pd.DataFrame(columns).dropna().reset_index()


# %%
def claims(declared: Table[zl.Judgement]) -> list[dict[str, Any]]:
    """The study's hypotheses as a table's judgement takes them: the fields of `zl.Hypothesis`."""
    fields = ("arm", "against", "metric", "direction", "margin", "scale")
    return [
        {"name": each.name, "statement": each.statement, "reason": each.reason}
        | {field: getattr(each.comparison, field) for field in fields}
        for each in declared
    ]


# %%
def judged(
    csv: Path, declared: Table[zl.Judgement], results: xr.DataTree, seeds: int | None = None
) -> Table[zl.Judgement]:
    """The verdicts on the rows of a CSV, of its first ``seeds`` seeds alone where that is given."""
    table = pd.read_csv(csv)
    if seeds is not None:
        table = table[table["seed"].isin(sorted(table["seed"].unique())[:seeds])]
    names = {each.comparison.metric: scalar(results, each.comparison.metric).attrs for each in declared}
    metrics = {
        name: zl.Metric(
            about["noun"] or about["long_name"],
            unit=about["units"],
            better=about["better"] or None,
            scale=about["scale"],
        )
        for name, about in names.items()
    }
    one = declared[0].comparison
    return zl.judge(
        zl.results_from(
            table, metrics=metrics, hypotheses=claims(declared), alpha=one.family_alpha, family=one.correction
        )
    )


# %%
def answer(declared: Table[zl.Judgement], again: Table[zl.Judgement], few: Table[zl.Judgement]) -> str:
    """Whether the table says the same, hypothesis by hypothesis."""
    lines = []
    for study, table, three in zip(declared, again, few, strict=True):
        a, b = study.comparison, table.comparison
        lines += [
            study.statement,
            f"  study {a.verdict}, adjusted p = {a.p_adjusted:.3g} · CSV {b.verdict}, adjusted p = {b.p_adjusted:.3g} · {FEW} seeds {three.comparison.verdict}",
        ]
    same = sum(a.comparison.verdict == b.comparison.verdict for a, b in zip(declared, again, strict=True))
    return "\n".join([*lines, f"The CSV gives the study's verdict on {same} of {len(lines) // 2} hypotheses."])


# %%
def draw(again: Table[zl.Judgement], width: float = 7.0) -> Figure:
    """The verdicts of the table as a forest."""
    figure = Figure(figsize=(width, 1.0 + 0.45 * len(again)), layout="constrained")
    zl.plot.forest(again, figure.subplots())
    return figure


# %%
def main(study: str | Path = STUDY, to: Path = FIGURE, width: float = 7.0, csv: Path | None = None) -> None:
    results = zl.open_results(study)
    declared = zl.judge(results)
    if not declared:
        sys.exit(f"{study} declared no hypotheses.")
    with tempfile.TemporaryDirectory() as folder:
        file = csv or Path(folder, "scores.csv")
        scores(results, list(dict.fromkeys(each.comparison.metric for each in declared))).to_csv(file, index=False)
        print(*file.read_text(encoding="utf-8").splitlines()[:3], "…", "", sep="\n")
        again, few = judged(file, declared, results), judged(file, declared, results, FEW)
    print(answer(declared, again, few))
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(again, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A published study as a CSV of scores, judged again.")
    parser.add_argument(
        "study", nargs="?", default=STUDY, help="a study's folder or study.nc; by default the published one"
    )
    parser.add_argument("--csv", type=Path, help="keep the table of scores here")
    parser.add_argument("--to", type=Path, default=FIGURE, help="where the figure goes: .png, .pdf, .svg")
    parser.add_argument("--width", type=float, default=7.0, help="of the figure, in inches; 3.3 for a column")
    given = parser.parse_args()
    try:
        main(given.study, given.to, given.width, given.csv)
    except LabError as error:
        sys.exit(str(error))
