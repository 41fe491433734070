"""Every cell's layer by each engine of a CPU, as class and arguments."""

from __future__ import annotations

from typing import Any

from zoneout_lab.layers import GRU, LSTM, RNN, Recurrent

CELLS: dict[str, tuple[type[Recurrent], dict[str, Any]]] = {
    "lstm": (LSTM, {}),
    "gru": (GRU, {}),
    "rnn_tanh": (RNN, {}),
    "rnn_relu": (RNN, {"nonlinearity": "relu"}),
}
LAYERS: dict[str, tuple[type[Recurrent], dict[str, Any]]] = {
    f"{cell}, {engine}": (layer, {"engine": engine, **options})
    for cell, (layer, options) in CELLS.items()
    for engine in ("cpu", "reference")
}
