# %% [markdown]
# # Is it the noise that helps, or the identity connection?
#
# Zoneout does two things: it is noise, and it lets states skip timesteps. Static identity connections keep the second without the first: their masks are
# drawn once and stay for all of training (§4.5 and Figure 7 of the paper, which concludes that the noise is essential).
#
#     python analysis/noise_against_identity.py
#
# Two readings are printed. What the study **declared**: the static network evaluated with the mask it was trained with. And the comparison in which noise
# alone differs: both networks evaluated with the expectation of their masks. It was not declared, and is exploratory.
#
# **What it cannot show.** 128 units on 100,000 characters, 100 epochs; the paper's network has 1,000 units and all of the text. And fixed masks still differ
# from timestep to timestep and from unit to unit: what the second reading tests is drawing them anew, not whether they vary at all.

# %%
import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import xarray as xr
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab.errors import LabError
from zoneout_lab.results import Table, scalar

STUDY = Path(__file__).parents[1] / "reports/static_identity/study.nc"
FIGURE = Path(__file__).parent / "figures/noise_against_identity.png"


# %%
def noise_alone(results: xr.DataTree) -> Table[zl.Comparison]:
    """Zoneout and its static twin on validation and on training data, and that twin and the LSTM, all evaluated without noise."""
    return zl.compare_family(
        results,
        [
            zl.Question("zoneout", "static_expectation", "valid_score"),
            zl.Question("zoneout", "static_expectation", "train_eval_score"),
            zl.Question("static_expectation", "lstm", "valid_score"),
        ],
    )


# %%
def answer(results: xr.DataTree, family: Table[zl.Comparison]) -> str:
    """Scores, the declared verdicts and how far each part of zoneout goes, in sentences."""
    scores = {split: scalar(results, f"{split}_score").mean("seed").to_series() for split in ("train_eval", "valid")}
    lines = ["Mean score on training data, without noise, and on validation data, in bits per character:"]
    lines += [
        f"  {arm:20s} {train:.3f}  {scores['valid'][str(arm)]:.3f}" for arm, train in scores["train_eval"].items()
    ]
    lines += ["", "Declared:"] + [f"  {each.comparison.verdict}: {each.statement}" for each in zl.judge(results)]
    lines += ["", "Exploratory, all evaluated with the expectation of their masks:"] + [f"  {c}" for c in family]
    noise, _, identity = family
    lines += [
        "",
        f"From the LSTM to fixed identity connections the validation score changes by {identity.mean_difference:+.3f}; "
        f"from those to masks drawn anew, which is the noise, by {noise.mean_difference:+.3f} ({noise.verdict}).",
    ]
    return "\n".join(lines)


# %%
def draw(results: xr.DataTree, family: Table[zl.Comparison], width: float = 7.0) -> Figure:
    """Validation curves of the arms, and the two differences on validation data."""
    wide = width >= 5
    figure = Figure(figsize=(width, 3.4 if wide else 5.4), layout="constrained")
    left, right = figure.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).flat
    zl.plot.curves(results, "valid_bpc", left)
    zl.plot.forest([c for c in family if c.metric == family[0].metric], right)
    return figure


# %%
def main(study: str | Path = STUDY, to: Path = FIGURE, width: float = 7.0) -> None:
    results = zl.open_results(study)
    family = noise_alone(results)
    print(answer(results, family))
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(results, family, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Zoneout against static identity connections.")
    parser.add_argument(
        "study", nargs="?", default=STUDY, help="a folder or study.nc of static_identity; by default the published one"
    )
    parser.add_argument("--to", type=Path, default=FIGURE, help="where the figure goes: .png, .pdf, .svg")
    parser.add_argument("--width", type=float, default=7.0, help="of the figure, in inches; 3.3 for a column")
    given = parser.parse_args()
    try:
        main(given.study, given.to, given.width)
    except LabError as error:
        sys.exit(str(error))
