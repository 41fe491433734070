"""The GRU's kernels: the whole recurrence in one launch for a small H, and one timestep for a large one.

With G the total gradient at t, z what is preserved, u and d what is dropped, and q = U_n h₋ + b' what the reset gate r acts on,

    n = tanh(W_n x + b + r ⊙ q)                      h̃ = (1 − d) ⊙ (k ⊙ h₋ + (1 − k) ⊙ (1 − u) ⊙ n)
    dh̃ = (1 − z) ⊙ G, then times 1 − d              dn = dh̃ ⊙ (1 − k) ⊙ (1 − u) ⊙ (1 − n²)      (before the tanh)
    dr = dn ⊙ q ⊙ r ⊙ (1 − r)                        dk = dh̃ ⊙ (h₋ − (1 − u) ⊙ n) ⊙ k ⊙ (1 − k)
    dq = dn ⊙ r                                      G₋ = z ⊙ G + dh̃ ⊙ k + (dr, dk, dq) · U + external

Kept for the backward pass are the columns (n, r, k, q), and their gradients lie in the same order: the first three face the input
and the last three face h₋, so that each product over them finds its columns side by side. Input products therefore come in the
order (n, r, k); the recurrent weights keep torch's (r, k, n). Sites, in their order: hidden, update, output.
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
    sigmoid,
    store_norm,
    tanh,
    through,
    with_bias,
)


@triton.jit
def _step(x_n, a_r, a_k, q, h, z, u, d, columns, h_at, inside, H: tl.constexpr):
    """From pre-activations to h, stored where ``columns`` and ``h_at`` point."""
    r = sigmoid(a_r)
    k = sigmoid(a_k)
    n = tanh(x_n + r * q)
    h = preserve(h, drop(k * h + (1.0 - k) * drop(n, u), d), z)
    tl.store(columns, n, mask=inside)
    tl.store(columns + H, r, mask=inside)
    tl.store(columns + 2 * H, k, mask=inside)
    tl.store(columns + 3 * H, q, mask=inside)
    tl.store(h_at, h, mask=inside)
    return h


@triton.jit
def _step_back(
    d_h, sites, norms, R, T, B, tiles, replica, t, row, tile, unit, present, inside, columns, d_columns, h_at, H: tl.constexpr
):  # fmt: skip
    """From G to the gradients that face h₋ (all four are stored, three returned) and the direct part of G₋."""
    dtype: tl.constexpr = columns.dtype.element_ty
    z = mask_at(sites[0], replica, t, row, unit, inside, dtype)
    u = mask_at(sites[1], replica, t, row, unit, inside, dtype)
    d = mask_at(sites[2], replica, t, row, unit, inside, dtype)
    n = read(columns, inside)
    r = read(columns + H, inside)
    k = read(columns + 2 * H, inside)
    q = read(columns + 3 * H, inside)
    h = read(h_at, inside)
    to_h = drop(d_h, z)
    store_norm(norms, 0, R, T, B, tiles, replica, t, row, tile, d_h, present)
    store_norm(norms, 1, R, T, B, tiles, replica, t, row, tile, to_h, present)
    to_h = drop(to_h, d)
    d_n = drop(to_h * (1.0 - k), u) * (1.0 - n * n)
    d_r = d_n * q * r * (1.0 - r)
    d_k = to_h * (h - drop(n, u)) * k * (1.0 - k)
    d_q = d_n * r
    tl.store(d_columns, d_n, mask=inside)
    tl.store(d_columns + H, d_r, mask=inside)
    tl.store(d_columns + 2 * H, d_k, mask=inside)
    tl.store(d_columns + 3 * H, d_q, mask=inside)
    return d_r, d_k, d_q, through(d_h, z, to_h * k)


@triton.jit(do_not_specialize=["x_r", "x_t", "x_b", "T", "B"])
def forward(
    x, x_r, x_t, x_b, w_x, bias, bias_h, weight, hs, cs, states_r, saved, saved_r, sites, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """All timesteps of a batch tile and replica; the recurrent weights stay in the multiprocessor's shared memory."""
    replica = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    weight += replica * (3 * H * H)
    w_r = gate_columns(weight, 0, H, HP, OPERAND)
    w_k = gate_columns(weight, 1, H, HP, OPERAND)
    w_n = gate_columns(weight, 2, H, HP, OPERAND)
    w_x = advance(w_x, replica * (3 * H))
    bias = advance(bias, replica * (3 * H))
    bias_h = advance(bias_h, replica * (3 * H))
    x_n = gate_vector(w_x, 0, H, HP)
    b_n = gate_vector(bias, 0, H, HP)
    x_r_ = gate_vector(w_x, 1, H, HP)
    b_r = gate_vector(bias, 1, H, HP)
    x_k = gate_vector(w_x, 2, H, HP)
    b_k = gate_vector(bias, 2, H, HP)
    c_r = gate_vector(bias_h, 0, H, HP)
    c_k = gate_vector(bias_h, 1, H, HP)
    c_n = gate_vector(bias_h, 2, H, HP)

    if w_x is None:
        x += replica * T * (3 * BH)
    else:
        x += replica * x_r
    hs += replica * states_r
    saved += replica * saved_r
    at = row[:, None] * H + unit[None, :]
    column_at = row[:, None] * (4 * H) + unit[None, :]
    h = read(hs + at, inside)
    for t in range(T):
        # what does not wait for h is asked for first
        z = mask_at(sites[0], replica, t, row, unit, inside, tl.float32)
        u = mask_at(sites[1], replica, t, row, unit, inside, tl.float32)
        d = mask_at(sites[2], replica, t, row, unit, inside, tl.float32)
        a_n = input_tile(x, x_b, row, unit, inside, present, x_n, b_n, 0, 3, H)
        a_r = with_bias(input_tile(x, x_b, row, unit, inside, present, x_r_, b_r, 1, 3, H), c_r)
        a_k = with_bias(input_tile(x, x_b, row, unit, inside, present, x_k, b_k, 2, 3, H), c_k)
        operand = h.to(OPERAND)
        a_r = tl.dot(operand, w_r, a_r, input_precision="ieee")
        a_k = tl.dot(operand, w_k, a_k, input_precision="ieee")
        q = tl.dot(operand, w_n, with_bias(tl.zeros([BT, HP], tl.float32), c_n), input_precision="ieee")
        if w_x is None:
            x += 3 * BH
        else:
            x += x_t
        hs += BH
        h = _step(a_n, a_r, a_k, q, h, z, u, d, saved + column_at, hs + at, inside, H)
        saved += 4 * BH


@triton.jit(do_not_specialize=["T", "B"])
def backward(
    weight, hs, cs, states_r, saved, d_saved, saved_r, d_out, d_last_h, d_last_c, d_h0, d_c0, sites, norms, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """The gradient of :func:`forward` with respect to its four columns and the initial state."""
    replica = tl.program_id(1).to(tl.int64)
    R = tl.num_programs(1)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    weight += replica * (3 * H * H)
    w_r = gate_rows(weight, 0, H, HP, OPERAND).to(DOT)
    w_k = gate_rows(weight, 1, H, HP, OPERAND).to(DOT)
    w_n = gate_rows(weight, 2, H, HP, OPERAND).to(DOT)

    at = row[:, None] * H + unit[None, :]
    column_at = row[:, None] * (4 * H) + unit[None, :]
    hs += replica * states_r + T * BH
    saved += replica * saved_r + 4 * T * BH
    d_saved += replica * saved_r + 4 * T * BH
    if d_out is not None:
        d_out += (replica + 1) * T * BH
    d_h = read(d_last_h + replica * BH + at, inside)
    for step in range(T):
        hs -= BH
        saved -= 4 * BH
        d_saved -= 4 * BH
        if d_out is not None:
            d_out -= BH
            d_h += read(d_out + at, inside)
        d_r, d_k, d_q, d_h = _step_back(
            d_h, sites, norms, R, T, B, 1, replica, T - 1 - step, row, 0, unit, present, inside,
            saved + column_at, d_saved + column_at, hs + at, H,
        )  # fmt: skip
        d_h = tl.dot(d_r.to(OPERAND).to(DOT), w_r, d_h, input_precision="ieee")
        d_h = tl.dot(d_k.to(OPERAND).to(DOT), w_k, d_h, input_precision="ieee")
        d_h = tl.dot(d_q.to(OPERAND).to(DOT), w_n, d_h, input_precision="ieee")
    tl.store(d_h0 + replica * BH + at, d_h, mask=inside)


@triton.jit(do_not_specialize=["x_r", "x_t", "t", "B"])
def forward_step(
    x, x_r, x_t, recurrent, recurrent_r, hs, cs, states_r, saved, saved_r, sites, t, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    """Timestep t of every replica, from input products ``x`` [R, T, B, 3H] and ``recurrent`` [R, B, 3H], torch's order."""
    dtype: tl.constexpr = saved.dtype.element_ty
    replica = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    inside = (row < B)[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    gate_at = row[:, None] * (3 * H) + unit[None, :]
    x += replica * x_r + t.to(tl.int64) * x_t + gate_at
    recurrent += replica * recurrent_r + gate_at
    h_at = hs + replica * states_r + t * BH + row[:, None] * H + unit[None, :]
    _step(
        read(x, inside),
        read(x + H, inside) + read(recurrent, inside),
        read(x + 2 * H, inside) + read(recurrent + H, inside),
        read(recurrent + 2 * H, inside),
        read(h_at, inside),
        mask_at(sites[0], replica, t, row, unit, inside, dtype),
        mask_at(sites[1], replica, t, row, unit, inside, dtype),
        mask_at(sites[2], replica, t, row, unit, inside, dtype),
        saved + replica * saved_r + 4 * t * BH + row[:, None] * (4 * H) + unit[None, :],
        h_at + BH,
        inside,
        H,
    )


@triton.jit(do_not_specialize=["t", "T", "B"])
def backward_step(
    hs, cs, states_r, saved, d_saved, saved_r, d_out, d_h, d_c, carry_r, sites, norms, t, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    """The gradient of timestep t: ``d_h`` [R, B, H] holds what came from t + 1 and then the direct part of what goes on."""
    replica = tl.program_id(2).to(tl.int64)
    R = tl.num_programs(2)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    at = row[:, None] * H + unit[None, :]
    column_at = replica * saved_r + 4 * t * BH + row[:, None] * (4 * H) + unit[None, :]
    d_h += replica * carry_r + at
    total = read(d_h, inside)
    if d_out is not None:
        total += read(d_out + (replica * T + t) * BH + at, inside)
    _, _, _, back_h = _step_back(
        total, sites, norms, R, T, B, tl.num_programs(1), replica, t, row, tl.program_id(1), unit, present, inside,
        saved + column_at, d_saved + column_at, hs + replica * states_r + t * BH + at, H,
    )  # fmt: skip
    tl.store(d_h, back_h, mask=inside)
