"""Uses in which a layer would be silently wrong: refused by name, or warned about."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import Regularizer


def backward_pass() -> int:
    """The number of the backward pass that is running, -1 outside of one: what is checkpointed runs again inside."""
    return int(torch._C._current_graph_task_id())


def refuse_tracing(name: str, data: Any) -> None:
    """Raise InputRefusedError while torch traces: compiled code leaves nothing in a graph, and masks and lengths become constants.

    Args:
        name: of the layer's class.
        data: its input; one with a shape and no data (``FakeTensor``) is refused too. None allows that.
    """
    if torch.compiler.is_exporting() or isinstance(data, FakeTensor | FunctionalTensor):
        raise InputRefusedError(_cannot_be_traced(name))
    proxies = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY)
    if torch._C._get_tracing_state() is not None or proxies is not None:
        raise InputRefusedError(_cannot_be_traced(name))


def _cannot_be_traced(name: str) -> str:
    return _TRACED.format(name=name) + (_INSTEAD.format(name=name) if name in ("LSTM", "GRU", "RNN") else "")


_TRACED = (
    "zoneout_lab.{name} cannot be traced: the graph that torch.jit.trace, torch.export, torch.onnx.export or make_fx makes would not "
    "depend on its input."
)
_INSTEAD = " Without a regularizer, load its state_dict into torch.nn.{name} and export that."


def refuse_draws(name: str, *, again: bool, shared: bool, replicated: bool, counter: str) -> None:
    """Raise InputRefusedError for a pass that would draw other masks than it should.

    Args:
        name: of the layer's class.
        again: the pass runs inside a backward pass, and its counter was not set there.
        shared: it would draw the masks of the layer that it is a copy of.
        replicated: it is one of nn.DataParallel's replicas, which count for themselves and are thrown away.
        counter: what the masks depend on: ``update`` or ``draw``.
    """
    if again and backward_pass() != -1:
        raise InputRefusedError(
            f"This {name} draws masks, and activation checkpointing runs it again in the backward pass, where it would draw others: the "
            f"gradients would be wrong. Set its {counter} inside the checkpointed function, before each pass (rnn.{counter} = step), so that "
            "both runs draw the same, or leave it outside."
        )
    if shared:
        raise InputRefusedError(
            f"This {name} is a deep copy and would draw the very masks of its original. Give it seeds of its own "
            "(rnn.mask_seeds = 7), or confirm those it has (rnn.mask_seeds = rnn.mask_seeds)."
        )
    if replicated:
        raise InputRefusedError(
            f"This {name} draws masks, and nn.DataParallel would draw the same ones in every replica and at every update. Use "
            "DistributedDataParallel with another mask_seed in each process."
        )


def warn_of_a_copied_schedule(name: str, regularizers: Sequence[Regularizer]) -> None:
    """Warn where a deep copy is part of the way through a schedule of rates: it stays there, even if it follows its original (``AveragedModel``)."""
    if is_scheduled(regularizers):
        warnings.warn(
            f"The copy of this {name} stands where its schedule of rates stands now. A copy that only takes over weights "
            "(AveragedModel) stays there: set its update to its original's before you evaluate it.",
            stacklevel=3,
        )


def warn_of_what_a_state_dict_lacks(name: str, *, position: bool, seed: bool) -> None:
    """Warn where a loaded state_dict belongs to a schedule's position, or a static mask's seed, that this layer does not have."""
    lost = [
        *(["its schedule's position (set update)"] if position else []),
        *(["its static mask's seed (set mask_seeds)"] if seed else []),
    ]
    if lost:
        warnings.warn(
            f"A state_dict holds weights alone. Give this {name} from the layer that was saved {' and '.join(lost)} as well.",
            stacklevel=3,
        )


def is_scheduled(regularizers: Sequence[Regularizer]) -> bool:
    """True where a rate changes over updates."""
    return any(mask.end is not None for regularizer in regularizers for mask in regularizer.sites().values())


def is_static(regularizers: Sequence[Regularizer]) -> bool:
    """True where a mask is drawn once for all of training."""
    return any("update" not in mask.varies for regularizer in regularizers for mask in regularizer.sites().values())


def is_fixed(mask: MaskSpec) -> bool:
    """True where a mask is the same in every pass, a part of the model as its weights are."""
    return "update" not in mask.varies and mask.end is None
