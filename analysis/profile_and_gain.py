# %% [markdown]
# # Does the gradient profile predict the gain, across arms?
#
# The paper offers gradient flow as an explanation: what carries more gradient to early timesteps should generalise better. If so, arms with a larger share
# of the gradient's norm in the first third of the sequence should have a lower validation error.
#
#     python analysis/profile_and_gain.py                       # the published gradient_flow_gpu: seven arms, twenty seeds
#     python analysis/profile_and_gain.py runs/mine-1f3a9c/     # any study that measured gradient flow
#
# Three correlations of ranks (Spearman's ρ), for they answer different questions: **across arms** over means, where arms are the sample and there are few;
# **across arms within each seed**, which says whether chance alone makes the first for these very arms; and **within each arm over its seeds**, where nothing
# but luck differs.
#
# **What it cannot show.** Both are measured after one epoch, when every arm is far from having learned the task: nothing here is about errors at the end of
# training. Arms were chosen for other reasons, and seven are few. Correlation is not causation. All of it is exploratory.

# %%
import argparse
import itertools
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr

import zoneout_lab as zl
from zoneout_lab import stats
from zoneout_lab.errors import LabError
from zoneout_lab.results import scalar

STUDY = Path(__file__).parents[1] / "reports/gradient_flow_gpu/study.nc"
FIGURE = Path(__file__).parent / "figures/profile_and_gain.png"
MOST_EXACT = 8  # arms: 40,320 orders
FLOOR = 1e-6  # smaller shares are nothing, and some are zero in single precision


# %%
def measured(results: xr.DataTree, state: str = "cell") -> xr.Dataset:
    """Of every arm and seed: ``share``, of the gradient's norm in the first third, and ``gain``, by how much the score is better than the first arm's mean."""
    score = scalar(results, "valid_score")
    gain = score.isel(arm=0, drop=True).mean("seed") - score
    share = scalar(results, f"early_third_mass_{state}")
    return xr.Dataset(
        {
            "share": share,
            "gain": (-gain if score.attrs["better"] == "higher" else gain).assign_attrs(units=score.attrs["units"]),
        }
    ).dropna("seed")


# %%
def across_arms(share: npt.NDArray[np.float64], gain: npt.NDArray[np.float64]) -> tuple[float, float]:
    """ρ of two numbers per arm and its two-sided p over all orders of the arms; NaN for more arms than can be ordered in full."""
    rho = float(spearmanr(share, gain).statistic)
    if len(gain) > MOST_EXACT:
        return rho, float("nan")
    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (share, gain))
    orders = np.array(list(itertools.permutations(y)))
    return rho, float((np.abs(orders @ x) >= abs(y @ x) - 1e-9).mean())


# %%
def answer(found: xr.Dataset) -> str:
    """The three correlations, in sentences."""
    share, gain = found["share"].transpose("arm", "seed").values, found["gain"].transpose("arm", "seed").values
    rho, p = across_arms(np.median(share, axis=1), gain.mean(axis=1))
    without = {
        arm: across_arms(np.median(np.delete(share, k, 0), axis=1), np.delete(gain, k, 0).mean(axis=1))[0]
        for k, arm in enumerate(found["arm"].values)
    }
    low, high = min(without, key=lambda arm: without[arm]), max(without, key=lambda arm: without[arm])
    by_seed = np.array([spearmanr(share[:, k], gain[:, k]).statistic for k in range(share.shape[1])])
    ends = stats.t_interval(by_seed)
    lines = [
        f"Across {len(gain)} arms (median share, mean gain): ρ = {rho:.2f}, p = {p:.3g} over all orders of the arms; "
        f"without {low} {without[low]:.2f}, without {high} {without[high]:.2f}.",
        f"Across arms within each of {len(by_seed)} seeds: ρ = {by_seed.mean():.2f} on average (95% t interval {ends[0]:.2f} to {ends[1]:.2f}).",
        "Within an arm, over its seeds:",
    ]
    lines += [f"  {arm}: ρ = {spearmanr(share[k], gain[k]).statistic:.2f}" for k, arm in enumerate(found["arm"].values)]
    return "\n".join(lines)


# %%
def draw(found: xr.Dataset, width: float = 7.0) -> Figure:
    """Every run as a dot and every arm's median share and mean gain as a larger one."""
    figure = Figure(figsize=(width, 3.6 if width >= 5 else 4.2), layout="constrained")
    axes = figure.subplots()
    colours = mpl.color_sequences["tab10"]
    units = found["gain"].attrs["units"]
    percent = 100 if units == "1" else 1
    for k, (arm, mark) in enumerate(zip(found["arm_label"].values, itertools.cycle("osD^vPX"), strict=False)):
        share, gain, colour = found["share"][k], percent * found["gain"][k], colours[k % len(colours)]
        axes.plot(share, gain, mark, color=colour, markersize=3, alpha=0.4, markeredgewidth=0)
        axes.plot(share.median(), gain.mean(), mark, color=colour, markersize=9, markeredgecolor="white", label=arm)
    axes.axhline(0, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_xscale("symlog", linthresh=FLOOR)
    axes.set(
        xlim=(-FLOOR / 2, 1),
        xlabel=f"share of the gradient's norm in the first third\n(below {FLOOR:g}: linear)",
        ylabel=f"gain in the score ({'points' if units == '1' else units})",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3 if width >= 5 else 2, frameon=False, fontsize="small")
    return figure


# %%
def main(study: str | Path = STUDY, to: Path = FIGURE, width: float = 7.0) -> None:
    found = measured(zl.open_results(study))
    print(answer(found))
    print("All of this is exploratory, and about the epoch at which gradients were measured.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(found, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Does the gradient profile of an arm predict its gain?")
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
