# %% [markdown]
# # Which arms carry gradient to early timesteps?
#
# Reads an exported study (`zoneout-lab export FOLDER`, or the `study.nc` that `run` leaves there) and needs nothing of
# zoneout_lab's: plain xarray, pandas and seaborn.
#
#     python analysis/gradient_flow.py runs/quickstart-*/study.nc
#
# For each arm: the share of the gradient's norm that reaches the first third of the sequence, seed by seed, and the slope of the
# log norm against time, which says how fast the gradient fades on its way back (0: not at all).

# %%
import argparse
import sys
from pathlib import Path

import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure


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
def draw(table: pd.DataFrame) -> Figure:
    """Every seed as a point and the mean over seeds as a bar, by arm, at the last epoch measured."""
    last = table[table["epoch"] == table["epoch"].max()]
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    sns.stripplot(last, x="early share", y="arm", hue="arm", alpha=0.6, palette="colorblind", legend=False, ax=axes)
    sns.pointplot(
        last, x="early share", y="arm", errorbar=None, marker="|", markersize=18, linestyle="none", color="0.2", ax=axes
    )
    axes.axvline(1 / 3, color="0.6", linestyle=":", zorder=0)
    axes.set(xlabel="share of the gradient's norm in the first third (dotted: even)", ylabel="")
    return figure


# %%
def main(path: str) -> None:
    # no lock is needed to read, and some file systems have none
    with xr.open_datatree(path, engine="h5netcdf", driver_kwds={"locking": False}) as study:
        if "gradients" not in study.children:
            sys.exit(f"{path} holds no gradient flow: its study has no gradient_epochs, or no run of it finished.")
        table = early_share(study.load())
    summary = (
        table.groupby(["epoch", "arm"], sort=False)[["early share", "decades per step"]].agg(["mean", "std"]).round(3)
    )
    print(summary.to_string())
    target = Path(path).with_name("early_share.png")
    draw(table).savefig(target, dpi=150)
    print(f"\nFigure: {target}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Which arms of an exported study carry gradient to early timesteps.")
    parser.add_argument("study", type=Path, help="one study.nc, as `run` or `zoneout-lab export` writes it")
    given = parser.parse_args().study
    if not given.is_file():
        parser.error(f"there is no file {given}")
    try:
        main(str(given))
    except (OSError, ValueError) as error:
        parser.error(f"{given} cannot be read as an exported study: {error}")
