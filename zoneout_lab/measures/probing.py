"""How the recurrent states of a model are probed: through this package's layers, torch's cells, or calls of :func:`probe`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.probe import POINTS, Probe, in_graph, is_recording, one_call, open_probe, record

PROBE = "zoneout_lab.probe"


def probe(layer: str = "l0", point: str = "state", **states: Tensor) -> None:
    """Record the states of the current timestep from inside your own step function; outside a measurement this does nothing.

    Args:
        layer: label in the resulting dataset.
        point: ``state``, or ``candidate`` before a regularizer has acted.
        **states: ``hidden=h`` and, where there is one, ``cell=c``, each [..., B, H], *the tensor the next timestep uses*.

    A gradient counts every path that leads through the tensor. The c that an ``nn.LSTMCell`` returns also makes its h, so what is
    measured there is what other layers call the candidate; probe ``c.view_as(c)``, and hand that on, for the way through c_{t+1} alone.
    torch's cells inside a module are probed too, under the cell's name. All that is probed under one label is one
    recurrence: give each loop a label of its own.

    Raises:
        InputRefusedError: in a measurement: the label is that of a layer or cell that is probed by itself, the point is
            unknown, or a state is not a tensor, or for a gradient one that has none.

    >>> def model(x, h):
    ...     for x_t in x:
    ...         h = torch.tanh(x_t + 0.5 * h)
    ...         probe(hidden=h)
    ...     return h
    >>> import torch
    >>> from zoneout_lab import gradient_flow
    >>> flow = gradient_flow(model, (torch.zeros(4, 1, 2), torch.zeros(1, 2, requires_grad=True)), torch.sum)
    >>> flow.norm.sel(layer="l0", state="hidden", point="state").values.round(3)
    array([0.177, 0.354, 0.707, 1.414])
    """
    opened = open_probe()
    if opened is None or opened.closed:
        return
    if point not in POINTS:
        raise InputRefusedError(f"probe's point is {point!r}; choose one of {', '.join(POINTS)}.")
    for state, tensor in states.items():
        what = f"The {state} state that is probed as {layer!r}"
        if not isinstance(tensor, Tensor):
            raise InputRefusedError(
                f"{what} is of type {type(tensor).__name__}; give the tensor that the next timestep uses."
            )
        if opened.norms_suffice and not tensor.requires_grad:
            raise InputRefusedError(
                f"{what} has no gradient: it was detached, made under torch.no_grad(), or nothing that it was made of is trained. Probe "
                "the very tensor that the next timestep uses; where all weights are frozen, start from a state with requires_grad=True."
            )
        record(layer, state, point, tensor, by=PROBE)


@contextmanager
def modules_probed(model: Any, probe: Probe) -> Iterator[list[nn.Module]]:
    """Record what torch's cells return. Where several modules record their states by themselves, each does so under its name.

    Yields a list of torch's recurrent modules that run and cannot be probed: fused ones, and cells that a plain function holds.
    """
    modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    own = {name: module for name, module in modules.items() if getattr(module, "is_probed", False)}
    probed: set[nn.Module] = set()
    hidden: list[nn.Module] = []

    def note(module: nn.Module, _arguments: Any, _output: Any) -> None:
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) and module not in probed and is_recording():
            hidden.append(module)

    handles = [register_module_forward_hook(note)]
    for name, module in modules.items():
        if isinstance(module, nn.LSTMCell | nn.GRUCell | nn.RNNCell):
            probed.add(module)
            handles.append(module.register_forward_hook(_recorder(name or "l0", probe), with_kwargs=True))
        elif name in own and len(own) > 1:
            handles.append(module.register_forward_pre_hook(_scope(probe, f"{name}.")))
            handles.append(module.register_forward_hook(_scope(probe, "")))
    try:
        yield hidden
    finally:
        for handle in handles:
            handle.remove()


def _scope(probe: Probe, scope: str) -> Callable[..., None]:
    def enter(*_: Any) -> None:
        probe.scope = scope

    return enter


def _recorder(layer: str, probe: Probe) -> Callable[[nn.Module, Any, Any, Any], Any]:
    def record_output(module: nn.Module, arguments: Any, keywords: Any, output: Tensor | tuple[Tensor, ...]) -> Any:
        # views: torch makes h from the very tensor that it returns as c, whose gradient would count that way too
        states = in_graph(
            tuple(state.view_as(state) for state in ((output,) if isinstance(output, Tensor) else output))
        )

        def note() -> tuple[None, tuple[Tensor, ...]]:
            for kind, state in zip(("hidden", "cell"), states, strict=False):
                record(layer, kind, "state", state, by=f"torch.nn.{_kind(module)}")
            return None, states

        given = keywords.get("hx", arguments[1] if len(arguments) > 1 else None)
        one_call(probe, module, (given,) if isinstance(given, Tensor) else given, note, label=layer)
        return states[0] if isinstance(output, Tensor) else states

    return record_output


def warn_of_hidden(model: Any, hidden: list[nn.Module], probe: Probe, stacklevel: int) -> None:
    """Warn of torch's recurrent modules that ran beside what was recorded and are left out of the result.

    Args:
        model: what was measured.
        hidden: modules that ran and were not recorded.
        probe: what was recorded.
        stacklevel: of the caller's caller, 3, or more.
    """
    names = {module: name for name, module in model.named_modules()} if isinstance(model, nn.Module) else {}
    for module in dict.fromkeys(hidden):
        kind, name = _kind(module), names.get(module)
        if not isinstance(module, nn.RNNBase) and PROBE in probe.owners.values():
            continue  # a loop of one's own around a cell, whose states are probed
        remedy = _instead_of(kind) if isinstance(module, nn.RNNBase) else _CELL_REMEDY
        warnings.warn(
            f"torch.nn.{kind}{f' ({name})' if name else ''} ran too and is left out. {remedy}", stacklevel=stacklevel
        )


def _kind(module: nn.Module) -> str:
    """The name of the class of torch's that a module is of, itself or by inheritance."""
    kinds = (nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell)
    return next((kind.__name__ for kind in kinds if isinstance(module, kind)), type(module).__name__)


_CELL_REMEDY = (
    "torch's cells are seen inside a module: give the module that holds it and not a function, or call "
    "zoneout_lab.probe(hidden=h) at every timestep."
)


def _instead_of(fused: str) -> str:
    return (
        f"torch.nn.{fused} keeps its states inside one fused operation; put zoneout_lab.{fused} in its place: "
        "it takes the same arguments and loads the same state_dict."
    )


def refuse_if_empty(probe: Probe, hidden: list[nn.Module]) -> None:
    """Raise InputRefusedError where no states of a model were recorded, with what to do about it. ``hidden``: what ran without being recorded."""
    if probe.tensors or probe.norms:
        return
    why = "Build it from zoneout_lab layers or torch's cells, or call zoneout_lab.probe(hidden=h) at every timestep."
    if hidden:
        fused = [_kind(module) for module in hidden if isinstance(module, nn.RNNBase)]
        why = _instead_of(fused[0]) if fused else _CELL_REMEDY
    raise InputRefusedError(f"The model has no recurrent states to probe. {why}")


def ordinary(given: Any) -> Any:
    """What a model is given, with copies of inference tensors, also inside tuples, lists and dicts: autograd cannot keep those."""
    if isinstance(given, Tensor):
        return given.clone() if given.is_inference() else given
    if isinstance(given, dict):
        return {name: ordinary(value) for name, value in given.items()}
    if isinstance(given, tuple) and hasattr(given, "_fields"):
        return type(given)(*map(ordinary, given))
    return type(given)(map(ordinary, given)) if type(given) in (tuple, list) else given


def refuse_unless_callable(model: Any) -> None:
    """Raise InputRefusedError for what cannot be called."""
    if not callable(model):
        raise InputRefusedError(f"The model is of type {type(model).__name__}; give a module or a function.")
