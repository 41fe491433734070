"""A measurement must not move what it measures: generators and buffers."""

from __future__ import annotations

import random
from collections.abc import Iterator
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
