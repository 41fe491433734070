# %% [markdown]
# # Does zoneout make hidden states robust to perturbation?
#
# Claim 29 of the paper. During a study, states are moved by a small step in the middle of validation sequences, and the distance from
# the undisturbed states is followed: what is left of the perturbation, as a share of it, by the number of timesteps since.
#
#     python analysis/robustness.py                            # the published quickstart
#     python analysis/robustness.py runs/perturbation-*/       # a study of one's own that measured perturbations
#
# **What it cannot show.** The published study with perturbations at every seed is the quickstart: 32 units, 12 epochs, scanned digits. The study that
# declares this claim, `perturbation`, is not published. So nothing here was declared, and all verdicts are exploratory.

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

STUDY = Path(__file__).parents[1] / "reports/quickstart/study.nc"
FIGURE = Path(__file__).parent / "figures/robustness.png"
METRICS = ("perturbation_hidden_without_noise", "perturbation_hidden")


# %% [markdown]
# Every arm against the first, the plain LSTM, as one family. Without noise every mask is its expectation, as at evaluation; with it, the masks are those of
# training, under which a preserved unit keeps its perturbation.


# %%
def compared(results: xr.DataTree) -> Table[zl.Comparison]:
    """Is less of a perturbation left in the hidden states of an arm than in the first arm's? One comparison for each other arm and metric."""
    baseline, *arms = scalar(results, METRICS[0])["arm"].values.tolist()
    return zl.compare_family(results, [zl.Question(arm, baseline, metric) for metric in METRICS for arm in arms])


# %%
def draw(results: xr.DataTree, family: Table[zl.Comparison], width: float = 7.0) -> Figure:
    """What is left by timestep, without noise, and the differences between arms, of which the first half of the family is without noise."""
    wide = width >= 5
    figure = Figure(figsize=(width, 3.4 if wide else 6.0), layout="constrained")
    left, right = figure.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).flat
    growth = results["dynamics"].to_dataset().sel(state="hidden").isel(layer=0, epoch=-1)
    growth = growth.assign_coords(arm=growth["arm_label"].values).rename(lag="time")
    zl.plot.gradient_flow(growth, left, quantity="growth_without_noise")
    left.set(xlabel="timesteps since the perturbation", ylabel="left of it, without noise")
    zl.plot.forest(family[: len(family) // len(METRICS)], right)
    return figure


# %%
def answer(results: xr.DataTree, family: Table[zl.Comparison]) -> str:
    """What the comparisons say, in sentences."""
    said = []
    for metric, when in zip(METRICS, ("Without noise", "Under the masks of training"), strict=True):
        means = scalar(results, metric).mean("seed").to_series()
        left = ", ".join(f"{arm} {100 * mean:.2g}%" for arm, mean in means.items())
        ours = [c for c in family if c.metric == metric]
        by_verdict = {
            verdict: [c.arm for c in ours if c.verdict == verdict] for verdict in dict.fromkeys(c.verdict for c in ours)
        }
        verdicts = "; ".join(f"{verdict}: {', '.join(arms)}" for verdict, arms in by_verdict.items())
        said.append(
            f"{when}, this much of a perturbation is left on average: {left}.\nLess than in {ours[0].against}? {verdicts}."
        )
    return "\n".join(said)


# %%
def main(study: str | Path = STUDY, to: Path = FIGURE, width: float = 7.0) -> None:
    results = zl.open_results(study)
    family = compared(results)
    print(answer(results, family))
    print("These verdicts are exploratory: they were not declared before the runs.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(results, family, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What is left of a perturbation of the hidden states, arm by arm.")
    parser.add_argument(
        "study", nargs="?", default=STUDY, help="a study's folder or study.nc; by default the published one"
    )
    parser.add_argument("--to", type=Path, default=FIGURE, help="where the figure goes: .png, .pdf, .svg")
    parser.add_argument("--width", type=float, default=7.0, help="of the figure, in inches; 3.3 for a column")
    given = parser.parse_args()
    try:
        main(given.study, given.to, given.width)
    except LabError as error:
        sys.exit(str(error))
