"""How a model shows its recurrent states to a measurement: through this package's layers, torch's cells, or calls of :func:`watch`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.trace import POINTS, Trace, announce, in_graph, is_recording, listening, one_call

WATCH = "zoneout_lab.watch"


def watch(layer: str = "l0", point: str = "state", **states: Tensor) -> None:
    """Announce the states of the current timestep from inside your own step function.

    Args:
        layer: label in the resulting dataset.
        point: ``state``, or ``candidate`` before a regularizer has acted.
        **states: ``hidden=h`` and, where there is one, ``cell=c``, each [..., B, H], *the tensor the next timestep uses*.

    A gradient counts every path that leads through the tensor. The c that an ``nn.LSTMCell`` returns also makes its h, so what is
    measured there is what other layers call the candidate; watch ``c.view_as(c)``, and hand that on, for the way through c_{t+1} alone.
    torch's cells inside a module show their own states too, under the cell's name. All that is watched under one label is one
    recurrence: give each loop a label of its own.

    Raises:
        InputRefusedError: in a measurement: the label is that of a layer or cell that shows its states by itself, the point is
            unknown, or a state is not a tensor, or for a gradient one that has none.

    >>> def model(x, h):
    ...     for x_t in x:
    ...         h = torch.tanh(x_t + 0.5 * h)
    ...         watch(hidden=h)
    ...     return h
    >>> import torch
    >>> from zoneout_lab import gradient_flow
    >>> flow = gradient_flow(model, (torch.zeros(4, 1, 2), torch.zeros(1, 2, requires_grad=True)), torch.sum)
    >>> flow.norm.sel(layer="l0", state="hidden", point="state").values.round(3)
    array([0.177, 0.354, 0.707, 1.414])
    """
    trace = listening()
    if trace is None or trace.closed:
        return
    if point not in POINTS:
        raise InputRefusedError(f"watch's point is {point!r}; choose one of {', '.join(POINTS)}.")
    for state, tensor in states.items():
        what = f"The {state} state that is watched as {layer!r}"
        if not isinstance(tensor, Tensor):
            raise InputRefusedError(
                f"{what} is of type {type(tensor).__name__}; give the tensor that the next timestep uses."
            )
        if trace.norms_suffice and not tensor.requires_grad:
            raise InputRefusedError(
                f"{what} has no gradient: it was detached, made under torch.no_grad(), or nothing that it was made of is trained. Watch "
                "the very tensor that the next timestep uses; where all weights are frozen, start from a state with requires_grad=True."
            )
        announce(layer, state, point, tensor, by=WATCH)


@contextmanager
def modules_announced(model: Any, trace: Trace) -> Iterator[list[nn.Module]]:
    """torch's cells announce what they return; of several modules that announce by themselves, each does it under its name.

    Yields a list of torch's recurrent modules that run and show nothing: fused ones, and cells that a plain function holds.
    """
    modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    own = {name: module for name, module in modules.items() if getattr(module, "announces_states", False)}
    shown: set[nn.Module] = set()
    hidden: list[nn.Module] = []

    def note(module: nn.Module, _arguments: Any, _output: Any) -> None:
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) and module not in shown and is_recording():
            hidden.append(module)

    handles = [register_module_forward_hook(note)]
    for name, module in modules.items():
        if isinstance(module, nn.LSTMCell | nn.GRUCell | nn.RNNCell):
            shown.add(module)
            handles.append(module.register_forward_hook(_announcer(name or "l0", trace), with_kwargs=True))
        elif name in own and len(own) > 1:
            handles.append(module.register_forward_pre_hook(_scope(trace, f"{name}.")))
            handles.append(module.register_forward_hook(_scope(trace, "")))
    try:
        yield hidden
    finally:
        for handle in handles:
            handle.remove()


def _scope(trace: Trace, scope: str) -> Callable[..., None]:
    def enter(*_: Any) -> None:
        trace.scope = scope

    return enter


def _announcer(layer: str, trace: Trace) -> Callable[[nn.Module, Any, Any, Any], Any]:
    def announce_output(module: nn.Module, arguments: Any, keywords: Any, output: Tensor | tuple[Tensor, ...]) -> Any:
        # views: torch makes h from the very tensor that it returns as c, whose gradient would count that way too
        states = in_graph(
            tuple(state.view_as(state) for state in ((output,) if isinstance(output, Tensor) else output))
        )

        def show() -> tuple[None, tuple[Tensor, ...]]:
            for kind, state in zip(("hidden", "cell"), states, strict=False):
                announce(layer, kind, "state", state, by=f"torch.nn.{_kind(module)}")
            return None, states

        given = keywords.get("hx", arguments[1] if len(arguments) > 1 else None)
        one_call(trace, module, (given,) if isinstance(given, Tensor) else given, show, label=layer)
        return states[0] if isinstance(output, Tensor) else states

    return announce_output


def warn_of_hidden(model: Any, hidden: list[nn.Module], trace: Trace, stacklevel: int) -> None:
    """Warn of torch's recurrent modules that ran beside what was shown and are left out of the result.

    Args:
        model: what was measured.
        hidden: modules that ran and showed nothing.
        trace: what was shown.
        stacklevel: of the caller's caller, 3, or more.
    """
    names = {module: name for name, module in model.named_modules()} if isinstance(model, nn.Module) else {}
    for module in dict.fromkeys(hidden):
        kind, name = _kind(module), names.get(module)
        if not isinstance(module, nn.RNNBase) and WATCH in trace.owners.values():
            continue  # a loop of one's own around a cell, whose states are watched
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
    "zoneout_lab.watch(hidden=h) at every timestep."
)


def _instead_of(fused: str) -> str:
    return (
        f"torch.nn.{fused} keeps its states inside one fused operation; put zoneout_lab.{fused} in its place: "
        "it takes the same arguments and loads the same state_dict."
    )


def refuse_if_empty(trace: Trace, hidden: list[nn.Module]) -> None:
    """Raise InputRefusedError where a model showed no states, with what to do about it. ``hidden``: what ran and showed nothing."""
    if trace.tensors or trace.norms:
        return
    why = "Build it from zoneout_lab layers or torch's cells, or call zoneout_lab.watch(hidden=h) at every timestep."
    if hidden:
        fused = [_kind(module) for module in hidden if isinstance(module, nn.RNNBase)]
        why = _instead_of(fused[0]) if fused else _CELL_REMEDY
    raise InputRefusedError(f"The model showed no recurrent states. {why}")


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
