# %% [markdown]
# # Does zoneout learn more slowly, and when is it ahead?
#
# Two learning curves that cross cannot be judged at their ends alone. Here the paired difference of two arms is tested at every epoch at once (max-T over
# sign flips of whole seeds, which keeps the chance of naming any epoch wrongly at .05), and drawn in a band that holds the whole curve.
#
#     python analysis/learning_curves.py                                     # the published Table 1 at the laptop preset
#     python analysis/learning_curves.py runs/mine-1f3a9c --arm big --against small --metric valid_error
#
# **What it cannot show.** 128 units on 100,000 characters, where overfitting is the main difficulty; runs end after 100 epochs, at which zoneout still
# improves. The comparison of curves was not declared: it is exploratory.

# %%
import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab import stats
from zoneout_lab.errors import LabError, unknown

STUDY = Path(__file__).parents[1] / "reports/char_ptb_table1/study.nc"
FIGURE = Path(__file__).parent / "figures/learning_curves.png"


# %%
def differences(results: xr.DataTree, arm: str, against: str, metric: str) -> xr.DataArray:
    """arm − against [seed, epoch] at the seeds where both finished."""
    metrics = results["metrics"].to_dataset()
    if metric not in metrics or "epoch" not in metrics[metric].dims:
        raise unknown(
            "metric by epoch", metric, [str(name) for name, values in metrics.items() if "epoch" in values.dims]
        )
    for name in (arm, against):
        if name not in metrics["arm"].values:
            raise unknown("arm", name, metrics["arm"].values.tolist())
    one, other = (metrics[metric].sel(arm=name, drop=True) for name in (arm, against))
    both = (metrics["status"].sel(arm=[arm, against]) == "finished").all("arm")
    return (one - other).transpose("seed", "epoch")[both.values]


# %%
def answer(results: xr.DataTree, arm: str, against: str, metric: str, curves: xr.DataArray) -> str:
    """Where the arm is above and below, and when each is at its best."""
    rng = np.random.default_rng(0)  # used beyond 12 seeds, where flips are drawn
    epochs = curves["epoch"].values
    lines = []
    for first, past, sign in stats.max_t(curves.values, rng=rng).differing():
        mean = float(curves[:, first:past].mean())
        span = f"epochs {epochs[first]} to {epochs[past - 1]}" if past - first > 1 else f"epoch {epochs[first]}"
        lines.append(f"At {span} {arm} is {'above' if sign > 0 else 'below'} {against}, by {abs(mean):.3g} on average.")
    lines = lines or [f"At no epoch can {arm} and {against} be told apart."]
    if "best_epoch" in results["metrics"]:
        best = results["metrics"]["best_epoch"].mean("seed").to_series()
        lines.append(f"Best epoch on average: {arm} {best[arm]:.3g}, {against} {best[against]:.3g}, of {len(epochs)}.")
        lines.append(str(zl.compare(results, arm, against, metric="best_epoch")))
    return f"{metric}, {curves.sizes['seed']} paired seeds, exploratory:\n" + "\n".join(lines)


# %%
def draw(results: xr.DataTree, arm: str, against: str, metric: str, curves: xr.DataArray, width: float = 7.0) -> Figure:
    """Both arms' curves, and their difference with its simultaneous 95% band."""
    wide = width >= 5
    figure = Figure(figsize=(width, 3.2 if wide else 5.2), layout="constrained")
    left, right = figure.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).flat
    zl.plot.curves(results.sel(arm=[against, arm]), metric, left)
    band = stats.simultaneous_band(curves.values, rng=np.random.default_rng(0))
    right.fill_between(
        curves["epoch"], band.low, band.high, color="0.8", linewidth=0, label="95% band of the whole curve"
    )
    right.plot(curves["epoch"], curves.T, color="0.5", linewidth=0.5, alpha=0.6)
    right.plot(curves["epoch"], band.mean, color="0.1", linewidth=1.8, label="mean over seeds")
    right.axhline(0, color="0.3", linewidth=0.8, linestyle=":")
    labels = results["metrics"].to_dataset()["arm_label"].to_series()
    right.set(
        xlabel="epoch", ylabel=f"{labels[arm]} − {labels[against]}\n({results['metrics'][metric].attrs['units']})"
    )
    right.legend(frameon=False, fontsize="small")
    right.spines[["top", "right"]].set_visible(False)
    return figure


# %%
def main(
    study: str | Path = STUDY,
    to: Path = FIGURE,
    width: float = 7.0,
    arm: str = "zoneout",
    against: str = "lstm",
    metric: str = "valid_bpc",
) -> None:
    results = zl.open_results(study)
    curves = differences(results, arm, against, metric)
    print(answer(results, arm, against, metric, curves))
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(results, arm, against, metric, curves, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Where the learning curves of two arms differ.")
    parser.add_argument(
        "study", nargs="?", default=STUDY, help="a study's folder or study.nc; by default the published one"
    )
    parser.add_argument("--arm", default="zoneout")
    parser.add_argument("--against", default="lstm")
    parser.add_argument("--metric", default="valid_bpc", help="one that has a value after each epoch")
    parser.add_argument("--to", type=Path, default=FIGURE, help="where the figure goes: .png, .pdf, .svg")
    parser.add_argument("--width", type=float, default=7.0, help="of the figure, in inches; 3.3 for a column")
    given = parser.parse_args()
    try:
        main(given.study, given.to, given.width, given.arm, given.against, given.metric)
    except LabError as error:
        sys.exit(str(error))
