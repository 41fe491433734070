"""The CUDA path, in Triton: recurrences, masks and sums of a fixed order. Nothing here imports triton before it is used.

| file | holds |
|---|---|
| ``launch`` | the way that a recurrence takes |
| ``persistent`` | small H: one launch for the whole recurrence |
| ``steps`` | large H and float64: a product and a pointwise kernel for each timestep |
| ``recurrence`` | the autograd function over both |
| ``lstm``, ``gru``, ``rnn`` | the kernels of each cell, over what ``pointwise`` shares |
| ``masks`` | the masks of :mod:`zoneout_lab.ops.masks`, bit for bit |
| ``rows`` | sums that do not depend on how many replicas there are |

Triton's interpreter (``TRITON_INTERPRET=1``, set before triton is imported) runs all of it on CPU tensors.
"""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

from torch import Tensor

from zoneout_lab.ops.cells import Masks, States
from zoneout_lab.ops.reference import Matrices, OnNorms


@cache
def is_installed() -> bool:
    """True where Triton is installed (it comes with torch's CUDA builds for Linux) and finds the C compiler that it needs."""
    compilers = (os.environ.get("CC"), "clang", "gcc")
    return find_spec("triton") is not None and any(map(shutil.which, filter(None, compilers)))


def is_interpreted() -> bool:
    """True where Triton's interpreter stands in for a GPU, on CPU tensors."""
    return os.environ.get("TRITON_INTERPRET") == "1" and is_installed()


def forward(
    cell: str, x: Tensor, states: States, weights: Matrices, masks: Masks, *, on_norms: OnNorms | None = None
) -> tuple[Tensor, States]:
    """One recurrent layer over time: what :func:`zoneout_lab.ops.engine.forward` does, on a GPU.

    Args:
        cell: kind of a cell with a fast path.
        x: inputs [R or 1, T, B, I], float32 or float64; a leading 1 is shared by all replicas. Any strides.
        states: initial (h, c) or (h,), each [R, B, H].
        weights: the layer's parameters.
        masks: site → mask or its expectation, broadcastable to [R, T, B, H]: bytes of 0 and 1, or floats.
        on_norms: called by the backward pass with (state, point, norms [R, T, B]): the L2 norm over units of the gradient at each
            state and at its candidate. ∂L/∂c_t at the state is what comes through c_{t+1} alone, as h_t is made from the
            candidate.

    Returns:
        Outputs [R, T, B, H] and the final states. Differentiable once, in x, states and weights.

    Raises:
        TypeError: a dtype other than float32 and float64.
        RuntimeError: in the backward pass with ``create_graph=True``.

    Nothing waits for the device, so a training step around this can be captured in a CUDA graph. float32 is computed with 16-bit
    operands, fp32 sums and fp32 states where ``torch.backends.cudnn.allow_tf32`` (True by default) would let ``torch.nn.LSTM``
    use tf32, and in full precision else. A replica's bits do not depend on the other replicas.
    """
    from zoneout_lab.ops.triton import launch

    return launch.forward(cell, x, states, weights, masks, on_norms)


def draw(
    seeds: Tensor,
    update: Tensor,
    thresholds: Tensor,
    varies: Tensor,
    *,
    layer: int,
    site: str,
    stream: int,
    sizes: tuple[int, int, int],
    extents: tuple[int, int, int] | None = None,
) -> Tensor:
    """Masks of one site for all replicas: the bits of :func:`zoneout_lab.ops.masks.draw`, in one launch.

    All tensors are on the GPU and read there, so that a captured graph draws anew when ``update`` has been counted up.

    Args:
        seeds: mask seeds, int64 [R]; a seed of 2⁶³ or more as the negative number with the same bits.
        update: training update, or draw of a sampled evaluation, integer of no dimensions.
        thresholds: rate · 65,536 rounded, int32 [R, 1], or [R, H] for a rate per unit.
        varies: int8 or int32 [R, 5], 1 for each of :data:`zoneout_lab.ops.masks.AXES` that a replica's mask varies over.
        layer: index of the layer and direction.
        site: one of :data:`zoneout_lab.ops.masks.SITES`.
        stream: ``TRAINING`` or ``EVALUATION``.
        sizes: (T, B, H).
        extents: of the result along (T, B, H): 1 may be given for an axis that *no* replica's mask (nor rate) varies over.

    Returns:
        uint8 [R, T, B, H], or with the extents given.
    """
    from zoneout_lab.ops.triton import masks

    return masks.draw(
        seeds, update, thresholds, varies, layer=layer, site=site, stream=stream, sizes=sizes, extents=extents
    )


def row_sums(x: Tensor) -> Tensor:
    """Σ_n x[r, n] for x [R, N] to [R], added in an order that depends on N alone; float32 or float64, differentiable.

    A replica's loss is then the same beside any other replicas, bit for bit.
    """
    from zoneout_lab.ops.triton import rows

    return rows.row_sums(x)


def row_squares(x: Tensor) -> Tensor:
    """Σ_n x[r, n]², as :func:`row_sums`: the square of a replica's gradient norm."""
    from zoneout_lab.ops.triton import rows

    return rows.row_squares(x)
