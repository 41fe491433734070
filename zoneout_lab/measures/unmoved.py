"""A measurement must not move what it measures: generators and buffers, and for a user's measure weights and attributes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from zoneout_lab.ops.probe import Probe, open_probe, recording


@contextmanager
def unmoved(*, norms_suffice: bool = False, recurrences: bool = False) -> Iterator[Probe]:
    """A recording (:func:`~zoneout_lab.ops.probe.recording`), after which everything is as it was before.

    Put back are torch's, NumPy's and Python's global generators, the buffers of every module that was called, as of batch norm and
    spectral norm, and by the recording the layers' own counters.
    """
    buffers: dict[int, tuple[nn.Module, dict[str, tuple[Tensor | None, Tensor | None]]]] = {}

    def keep(module: nn.Module, _arguments: Any) -> None:
        if open_probe() is probe and id(module) not in buffers:
            own = module._buffers.items()
            buffers[id(module)] = (
                module,
                {name: (value, None if value is None else value.clone()) for name, value in own},
            )

    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    numpys, pythons = np.random.get_state(), random.getstate()
    try:
        listener = recording(norms_suffice=norms_suffice, recurrences=recurrences)
        with torch.random.fork_rng(devices), listener as probe:
            handle = register_module_forward_pre_hook(keep)
            try:
                yield probe
            finally:
                handle.remove()
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)
        for module, kept in buffers.values():
            for name, (value, content) in kept.items():
                module._buffers[name] = value
                if value is not None and content is not None:
                    with torch.no_grad():
                        value.copy_(content)


def seed_generators() -> None:
    """Seed torch's, NumPy's and Python's global generators alike for every measurement, so that one that draws can be repeated."""
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(0)
    np.random.seed(0)
    random.seed(0)


def generators() -> tuple[bytes, Any, Any]:
    """Where torch's, NumPy's and Python's global generators on the CPU stand."""
    _, keys, place, *_ = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), (np.asarray(keys).tobytes(), place), random.getstate()


def as_it_stands(model: nn.Module) -> Callable[[], bool]:
    """A function that puts a model back to what it is now, all attributes of its modules included, and says whether a weight had changed.

    >>> layer = nn.Linear(1, 1)
    >>> put_back = as_it_stands(layer)
    >>> layer.eval().weight.requires_grad_(False).fill_(7.0)
    Parameter containing:
    tensor([[7.]])
    >>> put_back(), layer.training, layer.weight.requires_grad, bool(layer.weight == 7)
    (True, True, True, False)
    """
    weights = [(p, p.data, p.data.clone(), p.requires_grad) for p in model.parameters()]
    gradients = [
        (p, p.grad, None if p.grad is None else (p.grad.data, p.grad.detach().clone())) for p in model.parameters()
    ]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    attributes: list[tuple[nn.Module, str, Any, dict[Any, Any] | None]] = [
        (module, name, value, dict(value) if isinstance(value, dict) else None)
        for module in model.modules()
        for name, value in vars(module).items()
    ]

    def put_back() -> bool:
        for module in {id(module): module for module, *_ in attributes}.values():
            vars(module).clear()
        for module, name, value, content in attributes:
            if content is not None:
                value.clear()
                value.update(content)
            vars(module)[name] = value
        changed = False
        for parameter, data, before, trained in weights:
            changed |= not _same(parameter.data, before)
            parameter.data = data
            _write(data, before)
            parameter.requires_grad_(trained)
        for parameter, gradient, values in gradients:
            if gradient is not None and values is not None:
                gradient.data = values[0]  # model.double() changes it where it is
                _write(values[0], values[1])
            parameter.grad = gradient
        for buffer, before in buffers:
            _write(buffer, before)
        return changed

    return put_back


def _write(tensor: Tensor, content: Tensor) -> None:
    with torch.no_grad():
        if not _same(tensor, content):
            tensor.copy_(content)


def _same(one: Tensor, other: Tensor) -> bool:
    """Bits: a weight that is not a number has to count as unchanged."""
    return one.dtype == other.dtype and torch.equal(one.nan_to_num(), other.nan_to_num())
