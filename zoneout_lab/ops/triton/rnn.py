"""The Elman RNN's kernels: the whole recurrence in one launch for a small H, and one timestep for a large one.

With G the total gradient at t, z what is preserved, d the mask dropped and φ tanh or relu,

    s = φ(W x + U h₋ + b)      h̃ = (1 − d) ⊙ s
    dh̃ = (1 − z) ⊙ G           da = (1 − d) ⊙ dh̃ ⊙ φ'(a)      G₋ = z ⊙ G + da · U + external

s is kept for the backward pass: φ' is 1 − s², or whether s > 0. Sites, in their order: hidden, output.
"""

import triton
import triton.language as tl

from zoneout_lab.ops.triton.pointwise import (
    advance,
    drop,
    gate_columns,
    gate_rows,
    gate_vector,
    input_tile,
    mask_at,
    preserve,
    read,
    store_norm,
    tanh,
    through,
)


@triton.jit
def _step(a, h, z, d, saved, h_at, inside, RELU: tl.constexpr):
    """From pre-activations to h, stored where ``saved`` (s) and ``h_at`` point."""
    new = tl.maximum(a, 0.0) if RELU else tanh(a)
    h = preserve(h, drop(new, d), z)
    tl.store(saved, new, mask=inside)
    tl.store(h_at, h, mask=inside)
    return h


@triton.jit
def _step_back(
    d_h, sites, norms, R, T, B, tiles, r, t, row, tile, unit, present, inside, saved, d_saved, RELU: tl.constexpr
):
    """From G to da, stored and returned, and the direct part of G₋."""
    z = mask_at(sites[0], r, t, row, unit, inside, saved.dtype.element_ty)
    d = mask_at(sites[1], r, t, row, unit, inside, saved.dtype.element_ty)
    new = read(saved, inside)
    to_h = drop(d_h, z)
    store_norm(norms, 0, R, T, B, tiles, r, t, row, tile, d_h, present)
    store_norm(norms, 1, R, T, B, tiles, r, t, row, tile, to_h, present)
    to_s = drop(to_h, d)
    d_a = tl.where(new > 0.0, to_s, 0.0) if RELU else to_s * (1.0 - new * new)
    tl.store(d_saved, d_a, mask=inside)
    return d_a, through(d_h, z, tl.zeros_like(d_h))


@triton.jit(do_not_specialize=["x_r", "x_t", "x_b", "T", "B"])
def forward(
    x, x_r, x_t, x_b, w_x, bias, bias_h, weight, hs, cs, states_r, saved, saved_r, sites, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """All timesteps of a batch tile and replica; the recurrent weights stay in the multiprocessor's shared memory."""
    r = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    w = gate_columns(weight + r * (H * H), 0, H, HP, OPERAND)
    w_a = gate_vector(advance(w_x, r * H), 0, H, HP)
    b_a = gate_vector(advance(bias, r * H), 0, H, HP)

    if w_x is None:
        x += r * T * BH
    else:
        x += r * x_r
    at = row[:, None] * H + unit[None, :]
    hs += r * states_r
    saved += r * saved_r
    h = read(hs + at, inside)
    for t in range(T):
        # what does not wait for h is asked for first
        z = mask_at(sites[0], r, t, row, unit, inside, tl.float32)
        d = mask_at(sites[1], r, t, row, unit, inside, tl.float32)
        a = input_tile(x, x_b, row, unit, inside, present, w_a, b_a, 0, 1, H)
        a = tl.dot(h.to(OPERAND), w, a, input_precision="ieee")
        if w_x is None:
            x += BH
        else:
            x += x_t
        hs += BH
        h = _step(a, h, z, d, saved + at, hs + at, inside, RELU)
        saved += BH


@triton.jit(do_not_specialize=["T", "B"])
def backward(
    weight, hs, cs, states_r, saved, d_saved, saved_r, d_out, d_last_h, d_last_c, d_h0, d_c0, sites, norms, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr, DOT: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """The gradient of :func:`forward` with respect to pre-activations and the initial state."""
    r = tl.program_id(1).to(tl.int64)
    R = tl.num_programs(1)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    w = gate_rows(weight + r * (H * H), 0, H, HP, OPERAND).to(DOT)
    at = row[:, None] * H + unit[None, :]
    saved += r * saved_r + T * BH
    d_saved += r * saved_r + T * BH
    if d_out is not None:
        d_out += (r + 1) * T * BH
    d_h = read(d_last_h + r * BH + at, inside)
    for k in range(T):
        saved -= BH
        d_saved -= BH
        if d_out is not None:
            d_out -= BH
            d_h += read(d_out + at, inside)
        d_a, d_h = _step_back(
            d_h, sites, norms, R, T, B, 1, r, T - 1 - k, row, 0, unit, present, inside, saved + at, d_saved + at, RELU
        )
        d_h = tl.dot(d_a.to(OPERAND).to(DOT), w, d_h, input_precision="ieee")
    tl.store(d_h0 + r * BH + at, d_h, mask=inside)


@triton.jit(do_not_specialize=["x_r", "x_t", "t", "B"])
def forward_step(
    x, x_r, x_t, recurrent, recurrent_r, hs, cs, states_r, saved, saved_r, sites, t, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """Timestep t of every replica; ``saved`` holds its pre-activations and then s."""
    r = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    inside = (row < B)[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    at = row[:, None] * H + unit[None, :]
    saved += r * saved_r + t * BH + at
    h_at = hs + r * states_r + t * BH + at
    z = mask_at(sites[0], r, t, row, unit, inside, saved.dtype.element_ty)
    d = mask_at(sites[1], r, t, row, unit, inside, saved.dtype.element_ty)
    _step(read(saved, inside), read(h_at, inside), z, d, saved, h_at + BH, inside, RELU)


@triton.jit(do_not_specialize=["t", "T", "B"])
def backward_step(
    hs, cs, states_r, saved, d_saved, saved_r, d_out, d_h, d_c, carry_r, sites, norms, t, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, RELU: tl.constexpr,
):  # fmt: skip
    """The gradient of timestep t: ``d_h`` [R, B, H] holds what came from t + 1 and then the direct part of what goes on."""
    r = tl.program_id(2).to(tl.int64)
    R = tl.num_programs(2)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    at = row[:, None] * H + unit[None, :]
    saved_at = r * saved_r + t * BH + at
    d_h += r * carry_r + at
    total = read(d_h, inside)
    if d_out is not None:
        total += read(d_out + (r * T + t) * BH + at, inside)
    _, back_h = _step_back(
        total, sites, norms, R, T, B, tl.num_programs(1), r, t, row, tl.program_id(1), unit, present, inside,
        saved + saved_at, d_saved + saved_at, RELU,
    )  # fmt: skip
    tl.store(d_h, back_h, mask=inside)
