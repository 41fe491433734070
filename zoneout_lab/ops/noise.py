"""Standard normal numbers as a pure function of where they stand, on whatever device: what weight noise is made of.

Counters go through Philox 4×32-10 (Salmon et al., SC 2011), in torch's integer operations, so that a captured training step can draw
them; pairs of its words go through the Box–Muller transform. Nothing here is kept from one draw to the next.

| counter word | holds |
|---|---|
| 0 | which block of four numbers |
| 1 | training update, or draw of a sampled evaluation |
| 2 | which weight matrix |
| 3 | stream: 0 training, 1 sampled evaluation |
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


def philox(counter: tuple[Tensor, ...], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Ten rounds on four words of 32 bits, held in int64 tensors that broadcast; returns four such words.

    >>> zero = torch.zeros(1, dtype=torch.int64)
    >>> [f"{int(word):08x}" for word in philox((zero, zero, zero, zero), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # the product wraps at 64 bits, and its upper half is still the right one
        low, high = c0 * _MULTIPLY[0], c2 * _MULTIPLY[1]
        c0, c1, c2, c3 = (
            (high >> 32 & _WORD) ^ c1 ^ k0,
            high & _WORD,
            (low >> 32 & _WORD) ^ c3 ^ k1,
            low & _WORD,
        )
        k0, k1 = k0 + _WEYL[0] & _WORD, k1 + _WEYL[1] & _WORD
    return c0, c1, c2, c3


def normal(
    shape: tuple[int, ...],
    *,
    seed: int,
    update: int | Tensor,
    matrix: int,
    stream: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Independent N(0, 1) numbers of a shape.

    Args:
        shape: of the result.
        seed: key, 64 bits of it.
        update: training update (or draw); an integer tensor on the device is not read on the host.
        matrix: which weight matrix.
        stream: 0 training, 1 sampled evaluation.
        device, dtype: of the result; the numbers are made in float32, with 24 bits of each uniform.

    >>> normal((2,), seed=1, update=0, matrix=0).shape
    torch.Size([2])
    """
    blocks = -(-math.prod(shape) // 4)
    first = torch.arange(blocks, dtype=torch.int64, device=device)
    now = update if isinstance(update, Tensor) else torch.tensor(update, device=device)
    counter = (first, now & _WORD, torch.full_like(first, matrix), torch.full_like(first, stream))
    words = philox(counter, (seed & _WORD, seed >> 32 & _WORD))
    a, b, c, d = (((word >> 8).float() + 0.5) * 2.0**-24 for word in words)
    parts = []
    for radius, angle in ((a, b), (c, d)):
        length, turn = torch.sqrt(-2 * torch.log(radius)), 2 * math.pi * angle
        parts += [length * torch.cos(turn), length * torch.sin(turn)]
    return torch.stack(parts, -1).flatten()[: math.prod(shape)].reshape(shape).to(dtype)
