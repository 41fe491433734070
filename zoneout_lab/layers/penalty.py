"""The norm stabilizer's penalty on a layer's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoneout_lab.regularizers import NormStabilizer, Regularizer, part_of


def norm_penalty(out: Tensor, regularizers: Sequence[Regularizer]) -> Tensor | None:
    """β · mean_b Σ_{t=2…T} (‖h_t‖ − ‖h_{t−1}‖)² / (T − 1) of each replica, [R]; None where no replica has a norm stabilizer.

    Args:
        out: h_1 … h_T, [R, T, B, H].
        regularizers: one for each replica. One without a norm stabilizer has 0.

    >>> h = torch.tensor([3.0, 1.0, 2.0]).view(1, 3, 1, 1)
    >>> norm_penalty(h, [NormStabilizer(2.0)])
    tensor([5.])
    """
    parts = [part_of(regularizer, NormStabilizer) for regularizer in regularizers]
    if not any(part and part.beta > 0 for part in parts):
        return None
    each = []
    for h, part in zip(out, parts, strict=True):
        if part is None or part.beta == 0 or out.shape[1] == 1:
            each.append(out.new_zeros(()))
            continue
        norms = torch.linalg.vector_norm(h, dim=-1)
        each.append(part.beta * (norms[1:] - norms[:-1]).square().mean())
    return torch.stack(each)
