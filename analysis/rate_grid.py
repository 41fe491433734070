# %% [markdown]
# # Which rates of zoneout, on cells and on hidden states?
#
# A grid of rates (z for cells by z for hidden states), each cell of it the gain over the same network without zoneout.
#
#     python analysis/rate_grid.py                          # what is published of the grid
#     python analysis/rate_grid.py runs/my_grid-1f3a9c/     # any study whose arms differ in these rates
#
# **What it cannot show.** No whole grid is published. `per_unit_vs_per_layer` has four of its points, 128 units on 100,000 characters, once with masks per
# unit and once per layer. What was not run is hatched in the figure, and nothing is interpolated: no best rate can be read off this, only which of
# the points that were run is best. And at .05 for both rates, one mask is shared by cells and hidden states; elsewhere masks are separate.

# %%
import argparse
import itertools
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.errors import LabError
from zoneout_lab.results import Table

STUDY = Path(__file__).parents[1] / "reports/per_unit_vs_per_layer/study.nc"
FIGURE = Path(__file__).parent / "figures/rate_grid.png"
Point = tuple[str, float, float]  # masks per unit or layer, rate of cells, rate of hidden states


# %%
def points(results: xr.DataTree) -> dict[str, Point]:
    """Where in the grid each arm with zoneout of constant rates lies, read from the study that the results record; of two at one point the first."""
    study = schema.study_of(results) or {"arms": []}
    found: dict[str, Point] = {}
    for arm in study["arms"]:
        rates = arm["regularizer"] if isinstance(arm["regularizer"], dict) else {}
        cell, hidden = rates.get("cell", 0.0), rates.get("hidden", 0.0)
        if rates.get("kind") != "zoneout" or not all(isinstance(rate, int | float) for rate in (cell, hidden)):
            continue
        point = (str(rates.get("per", "unit")), float(cell), float(hidden))
        if point in found.values():
            print(f"{arm['name']} is left out: another arm has its rates.")
        else:
            found[arm["name"]] = point
    return found


# %%
def grids(family: Table[zl.Comparison], where: dict[str, Point]) -> dict[str, xr.DataArray]:
    """By how much the score of each point is above the baseline's [cell, hidden], for masks per unit and per layer; NaN where nothing was run."""
    cells, hiddens = (sorted({0.0, *(point[k] for point in where.values())}) for k in (1, 2))
    axes = {"cell": [f"{rate:g}" for rate in cells], "hidden": [f"{rate:g}" for rate in hiddens]}
    made = {}
    for per in dict.fromkeys(point[0] for point in where.values()):
        grid = np.full((len(cells), len(hiddens)), np.nan)
        grid[0, 0] = 0.0  # both rates zero: the baseline itself
        for c in family:
            of, cell, hidden = where[c.arm]
            if of == per:
                grid[cells.index(cell), hiddens.index(hidden)] = c.mean_difference
        about = {"long_name": f"{family[0].noun} − {family[0].against_label}", "units": family[0].units}
        made[per] = xr.DataArray(grid, dims=("cell", "hidden"), coords=axes, attrs=about)
    return made


# %%
def answer(family: Table[zl.Comparison], made: dict[str, xr.DataArray]) -> str:
    """How much of the grid was run, every point with its verdict, and how sure the best of them is."""
    run, of = (
        sum(int(n) for n in each) for each in zip(*((g.notnull().sum(), g.size) for g in made.values()), strict=True)
    )
    lines = [
        f"{run} of {of} points of the grid have been run, the baseline at rates of zero included; the others are unknown."
    ]
    lines += [f"  {c.arm_label}: {c.mean_difference:+.3f} {c.units}, {c.verdict}" for c in family]
    best = min(family, key=lambda c: c.mean_difference)
    lines += [
        f"The lowest score of those run: {best.arm_label}. It was picked for being lowest; {best.against_label} is what it was tested against, not the other points."
    ]
    return "\n".join(lines)


# %%
def draw(made: dict[str, xr.DataArray], width: float = 7.0) -> Figure:
    """A heat map for each kind of mask, with the differences written in."""
    wide = width >= 5
    figure = Figure(figsize=(width, 2.8 if wide else 2.4 * len(made)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1 if wide else len(made), len(made) if wide else 1))
    ends = min(float(grid.min()) for grid in made.values()), max(float(grid.max()) for grid in made.values())
    for ax, (per, grid) in zip(axes, made.items(), strict=True):
        zl.plot.heatmap(grid, x="cell", y="hidden", ax=ax)
        ax.collections[0].set_clim(*ends)  # one scale for all
        ax.set(xlabel="rate of cells", ylabel="rate of hidden states", title=f"masks per {per}")
        for x, y in itertools.product(range(grid.sizes["cell"]), range(grid.sizes["hidden"])):
            if np.isfinite(value := float(grid[x, y])):
                ax.text(
                    x,
                    y,
                    f"{value:+.3f}".replace("-", "−") if value else "0",
                    ha="center",
                    va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                )
    return figure


# %%
def main(study: str | Path = STUDY, to: Path = FIGURE, width: float = 7.0) -> None:
    results = zl.open_results(study)
    where = points(results)
    if not where:
        sys.exit(f"{study} has no arm with zoneout of constant rates.")
    baseline = str(results["metrics"].to_dataset()["arm"].values[0])
    family = zl.compare_family(results, [zl.Question(arm, baseline, "valid_score") for arm in where])
    made = grids(family, where)
    print(answer(family, made))
    print("These verdicts are exploratory: the study declared other comparisons.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.size": 9 if width >= 5 else 8}):
        draw(made, width).savefig(to, dpi=200)
    print(f"Figure: {to}")


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What has been run of the grid of zoneout's rates.")
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
