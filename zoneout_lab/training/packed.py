"""Replicas in training as plain tensors and text, and back: exact to the bit, and readable without running anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.engines.outcome import Outcome
from zoneout_lab.settings import Run
from zoneout_lab.training.optimizer import rate_at
from zoneout_lab.training.replicas import Replicas

if TYPE_CHECKING:
    import xarray as xr

FORMAT = 1


def pack(replicas: Replicas) -> dict[str, Any]:
    """What the rest of the training of replicas depends on: text, numbers, and tensors that lead with the replica axis.

    Tensors are the replicas' own, not copies.
    """
    model, step = replicas.model, replicas.step
    about = {
        "epoch": replicas.epoch,
        "position": replicas.position,
        "update": replicas.update,
        "masks": [int(model.rnn.update), int(model.rnn.draw)],
        "drawn": replicas.drawn,
        "best": replicas.best.tolist(),
        "outcomes": [outcome_to_json(outcome) for outcome in replicas.outcomes],
    }
    return {
        "runs": [run.id for run in replicas.runs],
        "about": json.dumps(about),
        "state": [tensor.detach() for tensor in replicas.state()],
        "selected": replicas.selected,
        "sums": [step.losses, step.norms],
        "carried": list(step.carried or ()),
        "optimizer": step.optimizer.state_dict()["state"],
    }


def unpack(content: Mapping[str, Any], replicas: Replicas, which: Sequence[int]) -> None:
    """Bring fresh replicas to where the replicas ``which`` of a packed batch were.

    Raises whatever a content raises that :func:`pack` did not make.
    """
    about = json.loads(content["about"])
    outcomes = [
        outcome_from_json(about["outcomes"][there], run) for there, run in zip(which, replicas.runs, strict=True)
    ]
    drawn = [about["drawn"][there] for there in which]
    rows = torch.tensor(which)
    model, step = replicas.model, replicas.step
    tensors = [*replicas.state(), *replicas.selected, step.losses, step.norms]
    saved = [tensor[rows] for name in ("state", "selected", "sums") for tensor in content[name]]
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in saved]:
        raise ValueError("its tensors have other shapes")
    optimizer = step.optimizer.state_dict()
    optimizer["state"] = {
        parameter: {name: value[rows] if value.dim() else value for name, value in kept.items()}
        for parameter, kept in content["optimizer"].items()  # a count of steps is one for all
    }
    step.optimizer.load_state_dict(optimizer)
    step.begin(rate_at(replicas.training, about["epoch"] + (about["position"] > 0)))
    with torch.no_grad():
        for tensor, value in zip(tensors, saved, strict=True):
            tensor.copy_(value)
    if content["carried"]:
        step.carried = tuple(value[rows].to(step.losses.device) for value in content["carried"])
    for order, state in zip(replicas.orders, drawn, strict=True):
        order.bit_generator.state = state
    update, model.rnn.draw = about["masks"]
    if isinstance(model.rnn.update, Tensor):
        model.rnn.update.fill_(update)
    else:
        model.rnn.update = update
    replicas.drawn = drawn
    replicas.best = np.array(about["best"])[list(which)]
    replicas.epoch, replicas.position, replicas.update = about["epoch"], about["position"], about["update"]
    replicas.outcomes = outcomes


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON; numbers that are not finite as Python's JSON has them.

    >>> from zoneout_lab.frozen import Seeds
    >>> from zoneout_lab.settings import Run, Setting
    >>> run = Run(
    ...     arm="a", seed=0, task="digits", setting=Setting(), regularizer={}, seeds=Seeds(init=0, data=0, masks=0)
    ... )
    >>> outcome_from_json(outcome_to_json(Outcome(run, seconds=0.1)), run) == Outcome(run, seconds=0.1)
    True
    """
    return {
        "status": outcome.status,
        "best_epoch": outcome.best_epoch,
        "improved_epoch": outcome.improved_epoch,
        "by_epoch": outcome.by_epoch,
        "measured": {
            group: {epoch: _dataset_to_json(dataset) for epoch, dataset in epochs.items()}
            for group, epochs in outcome.measured.items()
        },
        "unmeasured": outcome.unmeasured,
        "seconds": outcome.seconds,
    }


def outcome_from_json(written: Mapping[str, Any], run: Run) -> Outcome:
    """The outcome of a run that :func:`outcome_to_json` wrote."""
    measured = {
        group: {int(epoch): _dataset_from_json(dataset) for epoch, dataset in epochs.items()}
        for group, epochs in written["measured"].items()
    }
    unmeasured = {
        group: {int(epoch): error for epoch, error in epochs.items()} for group, epochs in written["unmeasured"].items()
    }
    return Outcome(run, **{**written, "measured": measured, "unmeasured": unmeasured})


def _dataset_to_json(dataset: xr.Dataset) -> dict[str, Any]:
    def variables(names: Any) -> dict[str, Any]:
        return {
            str(name): [list(dataset[name].dims), _to_json(dataset[name].values), _to_json(dataset[name].attrs)]
            for name in names
        }

    return {
        "data": variables(dataset.data_vars),
        "coords": variables(dataset.coords),
        "attrs": _to_json(dataset.attrs),
    }


def _dataset_from_json(written: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    def variables(kind: str) -> dict[str, Any]:
        return {
            name: (dims, _from_json(values), _from_json(attrs)) for name, (dims, values, attrs) in written[kind].items()
        }

    return xr.Dataset(variables("data"), variables("coords"), _from_json(written["attrs"]))


def _to_json(value: Any) -> Any:
    """Arrays and numbers of NumPy with their type and their bytes, containers of them, and what JSON has itself."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype == object:
            return {"object": array.tolist(), "shape": list(array.shape)}
        content = base64.b64encode(array.tobytes()).decode()
        return {"bytes": content, "dtype": array.dtype.str, "shape": list(array.shape), "scalar": np.isscalar(value)}
    if isinstance(value, Mapping):
        return {"mapping": {str(name): _to_json(each) for name, each in value.items()}}
    if isinstance(value, list | tuple):
        return [_to_json(each) for each in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "mapping" in value:
        return {name: _from_json(each) for name, each in value["mapping"].items()}
    if "object" in value:
        array = np.empty(value["shape"], dtype=object)
        array[...] = value["object"]
        return array
    array = np.frombuffer(base64.b64decode(value["bytes"]), np.dtype(value["dtype"])).reshape(value["shape"]).copy()
    return array[()] if value["scalar"] else array
