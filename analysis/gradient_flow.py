# %% [markdown]
# # Which arms carry gradient to early timesteps?
#
# Figure 6 of the paper shows one run of each: the norm of the loss gradient by timestep. Here it is drawn for every seed, and beyond it, for each arm: the share of
# the norm that reaches the first third of the sequence, and the slope of the log norm against time, which says how fast the gradient
# fades on its way back (0: not at all).
#
#     python analysis/gradient_flow.py                                # the published gradient_flow_gpu: seven arms, twenty seeds
#     python analysis/gradient_flow.py runs/quickstart-*/study.nc     # an exported study
#
# It reads a `study.nc` with plain xarray; zoneout_lab draws the profiles.
#
# **What it cannot show.** The published gradients are measured after one epoch, as in the paper; what they do later in training is not in them.

# %%
import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

import zoneout_lab as zl

STUDY = Path(__file__).parents[1] / "reports/gradient_flow_gpu/study.nc"
FIGURE = Path(__file__).parent / "figures/gradient_flow.png"
FLOOR = 1e-6  # smaller shares are drawn here: some are zero in single precision


# %%
def early_share(study: xr.DataTree, state: str = "cell", point: str = "candidate") -> pd.DataFrame:
    """Share of the norm in the first third and slope of the log10 norm per timestep, one row for each arm, seed and epoch."""
    flow = study["gradients"].to_dataset().sel(state=state, point=point).mean("layer")
    first_third = flow["normalised"].isel(time=slice(0, flow.sizes["time"] // 3)).sum("time", min_count=1)
    slope = (
        xr.ufuncs.log10(flow["norm"].where(flow["norm"] > 0))
        .polyfit("time", 1)
        .polyfit_coefficients.sel(degree=1, drop=True)
    )
    table = xr.Dataset({"early share": first_third, "decades per step": slope})
    return table.drop_vars(["state", "point"]).to_dataframe().reset_index()


# %%
def answer(table: pd.DataFrame) -> str:
    """Every arm's median share at the last epoch, and in how many seeds it is above the first arm's."""
    last = table[table["epoch"] == table["epoch"].max()]
    shares = last.pivot_table(index="seed", columns="arm", values="early share", sort=False)
    baseline = str(shares.columns[0])
    lines = [
        f"An even spread has a third in the first third. {baseline} has {shares[baseline].median():.3g}, the median over seeds."
    ]
    for arm in shares.columns[1:]:
        pair = shares[[baseline, arm]].dropna()
        above = int((pair[arm] > pair[baseline]).sum())
        lines.append(f"{arm}: {shares[arm].median():.3g}, more than {baseline} in {above} of {len(pair)} seeds.")
    return "\n".join(lines)


# %%
def draw(study: xr.DataTree, table: pd.DataFrame, width: float = 8.0) -> Figure:
    """Figure 6 for every seed, and every seed's share as a point with the median over seeds as a bar, at the last epoch measured."""
    last = table[table["epoch"] == table["epoch"].max()]
    last = last.assign(share=np.maximum(last["early share"], FLOOR))
    wide = width >= 5
    figure = Figure(figsize=(width, 3.6 if wide else 6.4), layout="constrained")
    left, right = figure.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).flat
    zl.plot.gradient_flow(study, left, state="cell")
    name = "arm_label" if "arm_label" in last else "arm"
    sns.stripplot(last, x="share", y=name, alpha=0.6, color="0.45", size=4, ax=right)
    sns.pointplot(
        last,
        x="share",
        y=name,
        estimator="median",
        errorbar=None,
        marker="|",
        markersize=18,
        linestyle="none",
        color="0.1",
        ax=right,
    )
    right.axvline(1 / 3, color="0.6", linestyle=":", zorder=0)
    right.set(
        xscale="log", xlabel=f"share of the norm in the first third\n(dotted: even; at least {FLOOR:g})", ylabel=""
    )
    return figure


# %%
def main(path: str | Path = STUDY, to: Path = FIGURE, width: float = 8.0) -> None:
    # no lock is needed to read, and some file systems have none
    with xr.open_datatree(path, engine="h5netcdf", driver_kwds={"locking": False}) as opened:
        if "gradients" not in opened.children:
            sys.exit(f"{path} holds no gradient flow: its study has no gradient_epochs, or no run of it finished.")
        study = opened.load()
    table = early_share(study)
    summary = (
        table.groupby(["epoch", "arm"], sort=False)[["early share", "decades per step"]].agg(["mean", "std"]).round(3)
    )
    print(summary.to_string())
    print(answer(table))
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(study, table, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Which arms of an exported study carry gradient to early timesteps.")
    parser.add_argument(
        "study", nargs="?", type=Path, default=STUDY, help="one study.nc, as `run` or `zoneout-lab export` writes it"
    )
    parser.add_argument("--to", type=Path, default=FIGURE, help="where the figure goes: .png, .pdf, .svg")
    parser.add_argument("--width", type=float, default=8.0, help="of the figure, in inches; 3.3 for a column")
    given = parser.parse_args()
    if not given.study.is_file():
        parser.error(f"There is no file {given.study}.")
    try:
        main(given.study, given.to, given.width)
    except (OSError, ValueError) as error:
        parser.error(f"{given.study} cannot be read as an exported study: {error}")
