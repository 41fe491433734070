"""The CUDA path's entrance: which way a recurrence is computed, and its tensors made ready for it."""

from __future__ import annotations

import torch
from torch import Tensor

from zoneout_lab.ops.cells import CELLS, Masks, States
from zoneout_lab.ops.matmul import project
from zoneout_lab.ops.reference import Matrices, OnNorms, check
from zoneout_lab.ops.triton.cells import KINDS, Cell
from zoneout_lab.ops.triton.persistent import fit
from zoneout_lab.ops.triton.recurrence import Plan, Recurrence

DTYPES = (torch.float32, torch.float64)


def forward(
    cell: str, x: Tensor, states: States, weights: Matrices, masks: Masks, on_norms: OnNorms | None = None
) -> tuple[Tensor, States]:
    """See :func:`zoneout_lab.ops.triton.forward`."""
    kind = KINDS[cell]
    if x.dtype not in DTYPES:
        raise TypeError(f"The triton path computes in float32 or float64, not in {x.dtype}.")
    check(CELLS[cell], x, states, weights, masks)
    chosen = plan(kind, weights.hidden.shape[-1], x)
    in_kernel = chosen.fit is not None and x.shape[-1] == 1
    w, b, b_h = _merged(kind, weights)
    h, c = (*states, None)[:2]
    given = (x, w.squeeze(-1), b) if in_kernel else (project(x, w, b), None, None)
    out, *finals = Recurrence.apply(  # type: ignore[no-untyped-call]
        chosen, on_norms, *given, b_h, weights.hidden, h, c, *(masks.get(site) for site in kind.sites)
    )
    return out, tuple(finals)


def plan(cell: Cell, H: int, x: Tensor) -> Plan:
    """One launch where the recurrent weights fit a multiprocessor, else step by step.

    float32 is computed with 16-bit operands (tf32 in the step engine) exactly where ``torch.nn.LSTM`` would use tf32 on a GPU:
    unless ``torch.backends.cudnn.allow_tf32 = False``, or its newer name ``torch.backends.cudnn.rnn.fp32_precision``, forbids it.
    """
    low = x.dtype == torch.float32 and torch.backends.cudnn.rnn.fp32_precision == "tf32"  # type: ignore[attr-defined]
    memory = None
    if x.is_cuda:
        gpu = torch.cuda.get_device_properties(x.device)
        low = low and gpu.major >= 8  # those before have no tf32, and no bf16
        memory = gpu.shared_memory_per_block_optin  # type: ignore[attr-defined]
    if x.dtype == torch.float64:
        return Plan(cell, None, low)
    return Plan(cell, fit(cell, H, low=low, shared_memory=memory), low)


def _merged(cell: Cell, weights: Matrices) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Input weights, the bias that goes with them, and a GRU's recurrent bias.

    A GRU's input columns are put in the order in which its kernels keep them: n, r, k, and not torch's r, k, n.
    """
    w, b, b_h = weights.input, weights.input_bias, weights.hidden_bias
    if cell.name == "gru":
        H = weights.hidden.shape[-1]
        return _last_first(w, H), None if b is None else _last_first(b, H), b_h
    if b is None or b_h is None:
        return w, b if b_h is None else b_h, None
    return w, b + b_h, None


def _last_first(gates: Tensor, H: int) -> Tensor:
    return torch.cat([gates[:, 2 * H :], gates[:, : 2 * H]], 1)
