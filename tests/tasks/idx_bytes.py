"""Arrays in MNIST's IDX format."""

from __future__ import annotations

import struct

import numpy as np


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
