"""How a model shows its recurrent states to a measurement: by this package's layers, by torch's cells, or by a call of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.trace import Trace, announce


def watch(layer: str = "l0", point: str = "state", **states: Tensor) -> None:
    """Announce the states of the current timestep from inside one's own step function.

    Args:
        layer: label in the resulting dataset.
        point: ``state``, or ``candidate`` before a regularizer has acted.
        **states: ``hidden=h`` and, where there is one, ``cell=c``, each [..., B, H], *the tensor the next timestep uses*.

    A gradient counts every way that leads through the tensor. The c that an ``nn.LSTMCell`` returns also makes its h, so what is
    measured there is what other layers call the candidate; watch ``c.view_as(c)``, and hand that on, for the way through c_{t+1} alone.
    torch's cells inside a module show their own states too, under the cell's name.

    Raises:
        InputRefusedError: the label is that of a layer or cell that shows its states by itself.

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
    for state, tensor in states.items():
        announce(layer, state, point, tensor, by="zoneout_lab.watch")


@contextmanager
def modules_announced(model: Any, trace: Trace) -> Iterator[None]:
    """torch's cells announce what they return; of several modules that announce by themselves, each does it under its name."""
    modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    own = {name: module for name, module in modules.items() if getattr(module, "announces_states", False)}
    handles = []
    for name, module in modules.items():
        if isinstance(module, nn.LSTMCell | nn.GRUCell | nn.RNNCell):
            handles.append(module.register_forward_hook(_announcer(name or "l0")))
        elif name in own and len(own) > 1:
            handles.append(module.register_forward_pre_hook(_scope(trace, f"{name}.")))
            handles.append(module.register_forward_hook(_scope(trace, "")))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scope(trace: Trace, scope: str) -> Callable[..., None]:
    def enter(*_: Any) -> None:
        trace.scope = scope

    return enter


def _announcer(layer: str) -> Callable[[nn.Module, Any, Any], Any]:
    def announce_output(module: nn.Module, arguments: Any, output: Tensor | Sequence[Tensor]) -> Any:
        kind = f"torch.nn.{type(module).__name__}"
        # views: torch makes h from the very tensor that it returns as c, whose gradient would count that way too
        if isinstance(output, Tensor):
            h = output.view_as(output)
            announce(layer, "hidden", "state", h, by=kind)
            return h
        h, c = (state.view_as(state) for state in output)
        announce(layer, "hidden", "state", h, by=kind)
        announce(layer, "cell", "state", c, by=kind)
        return h, c

    return announce_output


def refuse_if_empty(trace: Trace, model: Any) -> None:
    """Raise InputRefusedError where a model showed no states, with what to do about it."""
    if trace.tensors or trace.norms:
        return
    fused = [
        type(m).__name__ for m in (model.modules() if isinstance(model, nn.Module) else ()) if isinstance(m, nn.RNNBase)
    ]
    why = (
        f"torch.nn.{fused[0]} keeps its states inside one fused operation; put zoneout_lab.{fused[0]} in its place: "
        "it takes the same arguments and loads the same state_dict."
        if fused
        else "Build it from zoneout_lab layers or torch's cells, or call zoneout_lab.watch(hidden=h) at every timestep."
    )
    raise InputRefusedError(f"The model showed no recurrent states. {why}")
