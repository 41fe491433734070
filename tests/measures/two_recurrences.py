"""What tests of several recurrences share: two sequences, a loss, and what a loop may begin from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

T, B, N, H = 5, 3, 2, 4
X, Y = torch.randn(2, T, B, N, generator=torch.Generator().manual_seed(0))

KEPT = torch.zeros(B, H)
LEARNED = nn.Parameter(torch.zeros(1, H))
BEGINNINGS = {
    "none": lambda: None,
    "new zeros": lambda: torch.zeros(B, H),
    "one tensor": lambda: KEPT,
    "learned": lambda: LEARNED.expand(B, H),
    "learned, computed": lambda: LEARNED.expand(B, H) * 2,
}


def squares(out: Tensor) -> Tensor:
    return out.square().sum()
