"""The arithmetic that cells share: preserving and dropping by a mask, and a logistic function whose rounding is the same everywhere."""

from __future__ import annotations

import torch
from torch import Tensor


def preserve(old: Tensor, new: Tensor, mask: Tensor | None) -> Tensor:
    """mask ⊙ old + (1 − mask) ⊙ new; exactly old where the mask is 1 and exactly new where it is 0.

    >>> preserve(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([1.0, 0.0]))
    tensor([1., 4.])
    """
    return new if mask is None else torch.addcmul(new * (1 - mask), old, mask)


def drop(value: Tensor, mask: Tensor | None) -> Tensor:
    """(1 − mask) ⊙ value.

    >>> drop(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    tensor([0., 2.])
    """
    return value if mask is None else value * (1 - mask)


def sigmoid(x: Tensor) -> Tensor:
    """Logistic function as ½ tanh(x/2) + ½.

    torch.sigmoid rounds differently in the last elements of a buffer than elsewhere, so a replica's numbers would depend on its
    place among others; tanh does not.
    """
    return torch.tanh(x * 0.5) * 0.5 + 0.5
