"""torch's layers beside ours: the same arguments, the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from zoneout_lab.layers import GRU, LSTM, RNN, Recurrent

PAIRS: dict[str, tuple[type[Recurrent], type[nn.RNNBase], dict[str, Any]]] = {
    "lstm": (LSTM, nn.LSTM, {}),
    "lstm, reference": (LSTM, nn.LSTM, {"engine": "reference"}),
    "gru": (GRU, nn.GRU, {}),
    "gru, reference": (GRU, nn.GRU, {"engine": "reference"}),
    "rnn_tanh": (RNN, nn.RNN, {}),
    "rnn_tanh, reference": (RNN, nn.RNN, {"engine": "reference"}),
    "rnn_relu": (RNN, nn.RNN, {"nonlinearity": "relu"}),
}


def pair(name: str, *sizes: int, **options: Any) -> tuple[Recurrent, nn.RNNBase]:
    """Ours and torch's, each made right after the same ``torch.manual_seed``."""
    ours, theirs, more = PAIRS[name]
    torch.manual_seed(7)
    mine = ours(*sizes, **options, **more)
    torch.manual_seed(7)
    return mine, theirs(*sizes, **options, **{k: v for k, v in more.items() if k != "engine"})


def initial(name: str, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Any:
    """Initial states of that shape in the form that the layer takes."""
    generator = torch.Generator().manual_seed(11)
    states = [torch.randn(*shape, generator=generator, dtype=dtype) for _ in range(2)]
    return tuple(states) if name.startswith("lstm") else states[0]


def leaves(states: Any) -> list[Tensor]:
    return [] if states is None else list(states) if isinstance(states, tuple) else [states]


def tensors(result: tuple[Tensor | PackedSequence, Any]) -> list[Tensor]:
    """Output and final states in a row."""
    out, states = result
    return [out.data if isinstance(out, PackedSequence) else out, *leaves(states)]
