"""How much of a perturbation of the states is left after so many timesteps, the inputs and the noise being the same.

The states s = h (and c) before some timestep are moved by δ = size · ‖s‖₂ · u, with u a random direction, and the recurrence is run on
from s and from s + δ over the same inputs and under the same masks. With s'_l and s_l the states of the two runs after l timesteps,

    growth_l = mean over examples of ‖s'_l − s_l‖₂ / ‖δ‖₂

for each layer and for h and c apart. Krueger et al. 2017, §1, expect zoneout to make hidden-state dynamics robust to perturbations;
they measure nothing of the kind, so size and direction are this package's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from zoneout_lab.checked import above_zero, whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.base import Batch, Measure, Subject
from zoneout_lab.measures.probing import (
    modules_probed,
    ordinary,
    refuse_if_empty,
    refuse_unless_callable,
    warn_of_hidden,
)
from zoneout_lab.measures.unmoved import unmoved
from zoneout_lab.metrics import Metric
from zoneout_lab.ops.probe import Probe
from zoneout_lab.profiles import DYNAMICS, GROWTH_QUANTITIES, perturbation_dataset, scalars_of

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("hidden", "cell")  # in the order of torch's (h, c)
SIZE = 0.1


@dataclass(frozen=True)
class PerturbationGrowth(Measure):
    """How much is left of a perturbation made halfway through the sequence (:func:`perturbation_growth`).

    Both halves have the masks of one update, so one that is fixed for a sequence goes on; but timesteps are counted from the
    perturbation, for masks that differ by timestep and for a batch-normalised cell.

    >>> PerturbationGrowth().dims
    ('layer', 'state', 'lag')
    """

    kind: ClassVar[str] = "perturbation_growth"
    title: ClassVar[str] = "Dynamics"
    group: ClassVar[str] = DYNAMICS
    dims: ClassVar[tuple[str, ...]] = ("layer", "state", "lag")
    quantities: ClassVar[Mapping[str, Metric]] = GROWTH_QUANTITIES
    scalars: ClassVar[Mapping[str, Metric]] = scalars_of(DYNAMICS)
    reduced_when_read: ClassVar[bool] = True

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """The growth in every layer; nothing where sequences have a single timestep."""
        half = batch.inputs.shape[1] // 2
        if half == 0:
            return []
        with torch.no_grad(), unmoved():
            _, states = model.forward_with_states(batch.inputs[:, :half])
        values, layers, kinds = growth(model, batch.inputs[:, half:], states)
        return [perturbation_dataset(replica, layers=layers, states=kinds) for replica in values]


def perturbation_growth(
    model: Callable[[Any, Any], Any],
    inputs: Any,
    states: Tensor | tuple[Tensor, ...],
    *,
    size: float = SIZE,
    seed: int = 0,
    layers: Sequence[str] | None = None,
) -> xr.Dataset:
    """What is left of a perturbation of the states, by the number of timesteps since.

    Args:
        model: called as ``model(inputs, states)``, twice, and where only autograd can tell its recurrences apart twice more. It
            is probed as by :func:`~zoneout_lab.gradient_flow`. All calls draw the same noise, and counters, generators and
            buffers are afterwards as before.
        inputs: passed on.
        states: what the recurrence starts from: h, (h, c), or all states of another cell in its order; each [B, H], [layers, B, H], or
            with replicas [R, layers, B, H]. Take them from a first part of the sequence: states of zero cannot be perturbed by a
            fraction of their norm.
        size: ‖δ‖ as a fraction of ‖s‖, above 0.
        seed: of the direction, which is the same for all replicas.
        layers: labels of those that the states are of, where the model shows others too.

    Returns:
        Dataset with ``growth`` over (layer, state, lag); lag counts timesteps from 1. A model with R > 1 replicas has a first
        dimension ``replica``. NaN for h or c where every example's was zero. In a packed batch the mean is over the examples that
        have the timestep. Recurrences are told apart as for :func:`~zoneout_lab.gradient_flow`, under ``torch.no_grad()`` too.

    Raises:
        InputRefusedError: a size that is not positive, states of other shapes or all zero, no states to probe, or states that do not
            belong to what was recorded. Or a loop inside the model that runs under ``torch.no_grad()`` and changes states on their way, which
            nothing tells from a second recurrence.

    >>> import zoneout_lab as zl
    >>> rnn = zl.RNN(3, 4, regularizer=zl.Zoneout(hidden=1.0))
    >>> growth = perturbation_growth(rnn, torch.zeros(5, 2, 3), torch.ones(1, 2, 4)).growth
    >>> growth.sel(layer="l0", state="hidden").values.round(3)  # what is preserved keeps its perturbation
    array([1., 1., 1., 1., 1.])
    """
    import xarray as xr

    given = states if isinstance(states, tuple) else (states,)
    if given and all(isinstance(state, Tensor) and not state.any() for state in given):
        raise InputRefusedError(
            "The states are all zero, and a share of their norm moves nothing: take them from a first part of the sequence, and "
            "give h, or (h, c)."
        )
    values, labels, kinds = growth(model, inputs, states, size=size, seed=seed, layers=layers)
    parts = [perturbation_dataset(replica, layers=labels, states=kinds) for replica in values]
    return parts[0] if len(parts) == 1 else xr.concat(parts, "replica")


@torch.no_grad()
def growth(
    model: Callable[[Any, Any], Any],
    inputs: Any,
    states: Tensor | tuple[Tensor, ...],
    *,
    size: float = SIZE,
    seed: int = 0,
    layers: Sequence[str] | None = None,
) -> tuple[npt.NDArray[np.float64], list[str], list[str]]:
    """As :func:`perturbation_growth`: values [replica, layer, state, lag], the layers' labels and the states' names."""
    refuse_unless_callable(model)
    size = above_zero(size, "The perturbation's size")
    given = states if isinstance(states, tuple) else (states,)
    _refuse_wrong_states(given)
    generator = torch.Generator().manual_seed(whole(seed, "The seed of the direction") % 2**64)
    moved, sizes = zip(*(_moved(state, size, generator) for state in given), strict=True)
    starts = [start[0] if isinstance(states, Tensor) else start for start in (given, moved)]
    probes, hidden = _runs(model, inputs, starts)
    if any(probe.series.untold for probe in probes):
        # autograd knows which call goes on with which recurrence
        with torch.inference_mode(False), torch.enable_grad():
            probes, hidden = _runs(model, ordinary(inputs), ordinary(starts))
        _refuse_untold(probes)
    refuse_if_empty(probes[0], hidden)
    kinds = _names(probes[0], len(given))
    warn_of_hidden(model, hidden, probes[0], stacklevel=5)
    labels = (
        [layers]
        if isinstance(layers, str)
        else list(layers or dict.fromkeys(layer for layer, _, _ in probes[0].tensors))
    )
    _refuse_other_states(probes[0], labels, kinds, sizes[0].shape[1], len(given))
    by_layer = []
    for index, layer in enumerate(labels):
        by_kind = []
        for kind, start in zip(kinds, sizes, strict=True):
            key = (layer, kind, "state")
            moved_by = start[:, None, index].double()
            both = [probe.tensors.get(key, []) for probe in probes]
            _refuse_other_timesteps(layer, both, start[:, index].shape)
            apart = _apart(both, probes[0].present[key], start[:, index].shape)
            # an example whose state was zero was not moved, and counts nowhere
            by_kind.append(torch.where(moved_by > 0, apart.double() / moved_by, torch.nan).nanmean(-1))
        by_layer.append(torch.stack(by_kind, 1))
    return torch.stack(by_layer, 1).cpu().numpy(), labels, list(kinds)


def _refuse_wrong_states(given: tuple[Any, ...]) -> None:
    form = "give h, or a tuple such as (h, c), each [B, H], [layers, B, H] or [R, layers, B, H]."
    if not given:
        raise InputRefusedError(f"{len(given)} states were given; {form}")
    for state in given:
        if not isinstance(state, Tensor):
            raise InputRefusedError(f"A state is a {type(state).__name__}, not a tensor; {form}")
        if not 2 <= state.dim() <= 4 or not state.is_floating_point():
            raise InputRefusedError(f"A state has shape {list(state.shape)} and type {state.dtype}; {form}")
    # sizes of h and c may differ, as where h is projected
    if len({state.shape[:-1] for state in given}) > 1:
        raise InputRefusedError(
            f"The states have shapes {' and '.join(str(list(state.shape)) for state in given)}, of different examples or layers; {form}"
        )


def _runs(model: Callable[[Any, Any], Any], inputs: Any, starts: list[Any]) -> tuple[list[Probe], list[nn.Module]]:
    """What was recorded from each start, and which modules ran without being recorded."""
    probes = []
    for start in starts:
        # clones: a model may write to its states
        own = start.clone() if isinstance(start, Tensor) else tuple(state.clone() for state in start)
        with unmoved() as probe, modules_probed(model, probe) as hidden:
            model(inputs, own)
        probes.append(probe)
    return probes, hidden


def _refuse_untold(probes: list[Probe]) -> None:
    untold = [series for probe in probes for series in probe.series.untold]
    if not untold:
        return
    name = type(untold[0].owner).__name__
    raise InputRefusedError(
        f"The model calls a {name} more than once under torch.no_grad(), and from states that it had neither "
        "returned nor started from: whether that is one recurrence or two cannot be told. Let the model run with gradients, or hand "
        "on the very states that were returned."
    )


def _moved(state: Tensor, size: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The state perturbed, and the perturbation's norm [R, layers, B]."""
    shape = state.shape[-3:]
    direction = torch.randn(shape, generator=generator, dtype=torch.float64).to(state)
    direction = direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    norm = size * torch.linalg.vector_norm(state, dim=-1, keepdim=True)
    lead = (1,) * (4 - state.dim())
    return state + norm * direction, norm[..., 0].reshape(*lead, *state.shape[:-1])


def _apart(both: list[list[Tensor]], present: list[Tensor | None], shape: torch.Size) -> Tensor:
    """Distances [R, T, B] of two runs' states; NaN for examples that have ended."""
    by_time = []
    for a, b, active in zip(*both, present, strict=True):
        distance = torch.linalg.vector_norm(a - b, dim=-1).reshape(shape)
        by_time.append(distance if active is None else torch.where(active, distance, torch.nan))
    return torch.stack(by_time, 1)


def _names(probe: Probe, count: int) -> tuple[str, ...]:
    """The names of so many states: h and c as torch orders them, and those of another cell in the order in which they are recorded."""
    recorded = list(dict.fromkeys(state for _, state, _ in probe.tensors))
    return tuple(recorded) if len(recorded) == count and set(KINDS[:count]) != set(recorded) else KINDS[:count]


def _refuse_other_states(probe: Probe, layers: list[str], kinds: tuple[str, ...], layer_count: int, count: int) -> None:
    recorded = {(layer, kind) for layer, kind, point in probe.tensors if point == "state"}
    missing = [(layer, kind) for layer in layers for kind in kinds if (layer, kind) not in recorded]
    each = list(dict.fromkeys(kind for _, kind in recorded))
    if len(kinds) < count:
        raise InputRefusedError(
            f"{count} states were given and the model has {len(each)} ({', '.join(each)}): give one for each, in that order."
        )
    labels = list(dict.fromkeys(layer for layer, _ in recorded))
    if missing and missing[0][0] not in labels:
        raise InputRefusedError(f"The model has no layer {missing[0][0]!r}; it has {', '.join(labels)}.")
    if missing:
        raise InputRefusedError(
            f"{len(kinds)} states were given and the model has no {missing[0][1]} state of {missing[0][0]!r}: "
            "give h, or (h, c) where there are memory cells."
        )
    if len(layers) != layer_count:
        again = any("#" in label for label in layers)
        raise InputRefusedError(
            f"The states have {layer_count} layer{'s' * (layer_count != 1)} and the model has {len(layers)} ({', '.join(layers)}): "
            "give states of [layers, B, H], in the order in which the model runs them, or name with layers= those that they are of."
            + again
            * " A # counts the recurrences of one layer; states that are detached and then changed begin another."
        )


def _refuse_other_timesteps(layer: str, both: list[list[Tensor]], shape: torch.Size) -> None:
    one, other = both
    if len(one) != len(other):
        raise InputRefusedError(
            f"The model runs {len(one)} timesteps of {layer!r} from the states and {len(other)} from the perturbed states; it has to "
            "do the same in both runs."
        )
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or a.shape[:-1].numel() != shape.numel():
            raise InputRefusedError(
                f"The model has states of {layer!r} of shape {list(a.shape)}, and those given are of {shape.numel()} examples (and "
                "replicas); give states of the same examples."
            )
