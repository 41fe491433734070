"""Results as a reader wants them on opening: short names that fit on an axis, the arms' labels, no unit on what is a name, one order of states."""

from __future__ import annotations

import xarray as xr

from zoneout_lab import profiles, schema
from zoneout_lab.descriptions import QUANTITIES, description
from zoneout_lab.metrics import RESERVED, Metric
from zoneout_lab.results.labels import labels_of
from zoneout_lab.results.legible import label

#: what fits on an axis of a figure of four inches
LONGEST = 40
_SHORT = {
    "epoch": "epoch",
    "time": "timestep",
    "lag": "timesteps since the perturbation",
    "layer": "layer",
    "state": "state",
    "point": "point",
    "status": "status",
    "run_id": "run",
    "seconds": "wall time",
    "sha256": "SHA-256 of the file",
    "norm": "gradient norm",
    "normalised": "share of gradient norm",
    "growth": "remaining perturbation",
}


def readable(tree: xr.DataTree) -> xr.DataTree:
    """A study's tree with every variable's ``long_name`` short, and what it said before as its ``description`` where that is more.

    Coordinates and texts have no ``units``, every group has the arms' labels as ``arm_label`` along ``arm``, and the state of the memory cell comes before the
    hidden one. No number is read or changed. A tree that is so already stays as it is.
    """
    own, labels = schema.own_metrics(tree), labels_of(schema.study_of(tree) or {})
    # where a study describes its metrics itself, no other name means what it means in a built-in task
    if schema.describes_its_own(tree):
        strange = (str(name) for name in tree["metrics"].data_vars if name not in RESERVED)
        own = {name: Metric(name.replace("_", " "), "") for name in strange} | own
    groups = {f"/{name}": _group(node.to_dataset(inherit=False), own, labels) for name, node in tree.children.items()}
    whole = xr.DataTree.from_dict(groups, name=tree.name)
    whole.attrs.update(tree.attrs)
    return whole


def _group(dataset: xr.Dataset, own: dict[str, Metric], labels: dict[str, str]) -> xr.Dataset:
    if "state" in dataset.coords and dataset["state"].ndim == 1:
        there = [str(state) for state in dataset["state"].values]
        ranks = {state: rank for rank, state in enumerate(profiles.states_in_order(there))}
        order = sorted(range(len(there)), key=lambda at: ranks[there[at]])
        if order != sorted(order):
            dataset = dataset.isel(state=order)
    # a coordinate that no variable has could not be written
    if "arm" in dataset.coords and any("arm" in each.dims for each in dataset.data_vars.values()):
        names = [label(labels.get(str(arm), str(arm))) for arm in dataset["arm"].values]
        dataset = dataset.assign_coords(arm_label=("arm", names, {"long_name": "arm"}))
    else:
        dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        if name == "arm_label":
            continue
        attrs = dict(variable.attrs)
        about = own.get(str(name)) or description(str(name), attrs)
        short = _short(str(name), about)
        if short != about.long_name:
            attrs["description"] = about.long_name
        attrs["long_name"] = short
        if (name in dataset.coords or variable.dtype.kind in "OSU") and str(attrs.get("units")) in ("1", ""):
            del attrs["units"]
        variable.attrs = dict(sorted(attrs.items()))  # as a file gives them: written again, it has the same bytes
    return dataset


def _short(name: str, about: Metric) -> str:
    bare = name.removesuffix(profiles.WITHOUT_NOISE)
    noise = " without noise" if bare != name else ""
    if bare in _SHORT and name in QUANTITIES:
        return _SHORT[bare] + noise
    if about.noun:
        return about.noun
    return about.long_name if len(about.long_name) <= LONGEST else bare.replace("_", " ") + noise
