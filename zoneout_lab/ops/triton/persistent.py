"""Small H: the whole recurrence in one launch, with the recurrent weights resident in a multiprocessor.

A program owns sixteen examples of one replica and walks through time; programs never wait for one another, so the grid may be
any number of batch tiles and replicas. Two precisions:

| | operands forward | operands backward | fits |
|---|---|---|---|
| low | fp16 | bf16 | LSTM and GRU up to H = 128, tanh-RNN up to 256 |
| full | fp32, no tf32 | fp32 | LSTM, GRU and RNN up to H = 64 |

Sums and carried states are fp32 in both. h lies in (−1, 1) where its initial value does, so fp16 resolves it as tf32 would; a
relu's h has no bound and takes the full precision. Gradients need bf16's range.

None of the kernels compiled in tests/ops/triton/test_triton_compiled.py spills registers; their H are multiples of 4. Elsewhere rows
lie unaligned in memory, numbers are loaded one at a time, and the LSTM's backward pass with H above 64 and a mask at every site
puts up to 300 bytes of a thread into local memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from zoneout_lab.ops.triton.buffers import Site, blocks, launch, site
from zoneout_lab.ops.triton.cells import Cell

#: examples of a program: the fewest rows of a tensor-core product
_ROWS = 16
#: bytes of shared memory beside the weights, at most (read from the compiled kernels; see tests/ops/triton/test_triton_compiled.py)
_BESIDE = 24 * 1024


@dataclass(frozen=True)
class Fit:
    """A configuration: padded H, warps of a program, and whether operands have 16 bits."""

    padded: int
    warps: int
    low: bool


def fit(cell: Cell, H: int, *, low: bool, shared_memory: int | None) -> Fit | None:
    """The configuration for a hidden size, or None where it does not fit.

    Args:
        cell: cell type.
        H: hidden size.
        low: whether 16-bit operands are allowed.
        shared_memory: bytes of shared memory that a program may have; None where there is no such limit.
    """
    low = low and cell.name != "rnn_relu"
    padded = max(16, 1 << (H - 1).bit_length())
    largest = (256 if cell.gates == 1 else 128) if low else 64
    needed = cell.gates * padded * padded * (2 if low else 4) + _BESIDE
    if padded > largest or (shared_memory is not None and needed > shared_memory):
        return None
    return Fit(padded, 4 if padded <= 32 else 8, low)


def forward(
    cell: Cell,
    fit: Fit,
    x: Tensor,
    input_weight: Tensor | None,
    input_bias: Tensor | None,
    hidden_bias: Tensor | None,
    weight: Tensor,
    hs: Tensor,
    cs: Tensor | None,
    saved: Tensor,
    sites: tuple[Site, ...],
) -> None:
    """Fill hs, cs [R, T + 1, B, H] from timestep 1 on, and ``saved`` [R, T, B, S·H].

    Args:
        cell: cell type.
        fit: its configuration.
        x: input products [R, T, B, G·H], contiguous; or inputs [R or 1, T, B, 1] with ``input_weight``.
        input_weight, input_bias: [R, G·H] or None.
        hidden_bias: a GRU's b' [R, 3H] or None.
        weight: recurrent weights [R, G·H, H].
        hs, cs: states, the initial ones at timestep 0; ``cs`` None where the cell has none.
        saved: what the backward pass needs.
        sites: masks.
    """
    R, T, B, _ = saved.shape
    launch(
        cell.kernels.forward, (blocks(B, _ROWS), R),
        x, 0 if x.shape[0] == 1 else x.stride(0), x.stride(1), x.stride(2), input_weight, input_bias, hidden_bias, weight,
        hs, cs, hs.stride(0), saved, saved.stride(0), sites, T, B,
        H=weight.shape[-1], HP=fit.padded, BT=_ROWS, OPERAND=tl.float16 if fit.low else tl.float32,
        num_warps=fit.warps, **cell.options,
    )  # fmt: skip


def backward(
    cell: Cell,
    fit: Fit,
    weight: Tensor,
    hs: Tensor,
    cs: Tensor | None,
    saved: Tensor,
    sites: tuple[Site, ...],
    d_saved: Tensor,
    d_out: Tensor | None,
    d_states: tuple[Tensor, ...],
    norms: Tensor | None,
) -> tuple[Tensor, ...]:
    """Fill ``d_saved`` and ``norms`` and return the gradients of the initial states.

    Args:
        cell, fit, weight, hs, cs, saved, sites: of the forward pass.
        d_saved: gradients of the columns, [R, T, B, S·H].
        d_out: gradient of the outputs [R, T, B, H], or None for zeros.
        d_states: gradients of the final states, each [R, B, H].
        norms: sums of squares [which, R, T, B, 1], or None where nobody asks.
    """
    R, T, B, _ = saved.shape
    initial = tuple(torch.empty_like(grad) for grad in d_states)
    last_c, initial_c = (d_states[1], initial[1]) if len(d_states) == 2 else (None, None)
    if fit.low:
        sites = _with_bytes(cell, sites, saved)
    launch(
        cell.kernels.backward, (blocks(B, _ROWS), R),
        weight, hs, cs, hs.stride(0), saved, d_saved, saved.stride(0), d_out, d_states[0], last_c, initial[0], initial_c,
        sites, norms, T, B,
        H=weight.shape[-1], HP=fit.padded, BT=_ROWS, **_rounded_to(tl.bfloat16 if fit.low else tl.float32),
        num_warps=fit.warps, **cell.options,
    )  # fmt: skip
    return initial


def _with_bytes(cell: Cell, sites: tuple[Site, ...], saved: Tensor) -> tuple[Site, ...]:
    """The masks, with one of zeros for the hidden state where there is none.

    Triton arranges the operands of a 16-bit product by the narrowest number that they are made from, and tensor cores then add in another
    order. All gradients are made from the hidden state's, so with bytes there, a replica without masks rounds as one beside it.
    """
    hidden = cell.sites.index("hidden")
    if sites[hidden] is not None:
        return sites
    R, T, B, columns = saved.shape
    zeros = torch.zeros((1, 1, 1, 1), dtype=torch.uint8, device=saved.device)
    return (*sites[:hidden], site(zeros, (R, T, B, columns // cell.columns)), *sites[hidden + 1 :])


def _rounded_to(dtype: tl.dtype) -> dict[str, tl.dtype]:
    """What the backward pass's operands are rounded to, and what they are multiplied as."""
    # the interpreter multiplies the bit patterns of bf16 as if they were integers; products of bf16 are exact in fp32
    return {"OPERAND": dtype, "DOT": tl.float32 if triton.knobs.runtime.interpret else dtype}
