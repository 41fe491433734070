"""Recurrent layers that stand in for torch's."""

from zoneout_lab.layers.cells import GRU, LSTM, RNN
from zoneout_lab.layers.recurrent import Recurrent

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]
