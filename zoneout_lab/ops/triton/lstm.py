"""The LSTM's kernels: the whole recurrence in one launch for a small H, and one timestep for a large one.

With G_h, G_c the total gradients at t, z what is preserved, u, m and d what is dropped,

    c̃ = (1 − m) ⊙ (f ⊙ c₋ + (1 − u) ⊙ i ⊙ g)      h̃ = (1 − d) ⊙ o ⊙ tanh c̃
    dh̃ = (1 − z_h) ⊙ G_h, then times 1 − d           dc̃ = (1 − z_c) ⊙ G_c + dh̃ ⊙ o ⊙ (1 − tanh² c̃)
    do = dh̃ ⊙ tanh c̃                                df = (1 − m) ⊙ dc̃ ⊙ c₋
    di = (1 − m) ⊙ (1 − u) ⊙ dc̃ ⊙ g                 dg = (1 − m) ⊙ (1 − u) ⊙ dc̃ ⊙ i
    G_c₋ = z_c ⊙ G_c + (1 − m) ⊙ f ⊙ dc̃             G_h₋ = z_h ⊙ G_h + dgates · W + external

The gates i, f, g, o are kept after their activation; c̃ is computed again. Sites, in their order: cell, hidden, update, memory,
output.
The arguments of a kernel are those of :mod:`zoneout_lab.ops.triton.persistent` and :mod:`zoneout_lab.ops.triton.steps`.
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
)


@triton.jit
def _step(a_i, a_f, a_g, a_o, h, c, z_c, z_h, u, m, d, gates, h_at, c_at, inside, H: tl.constexpr):
    """From pre-activations to h and c, stored where ``gates``, ``h_at`` and ``c_at`` point."""
    i = sigmoid(a_i)
    f = sigmoid(a_f)
    g = tanh(a_g)
    o = sigmoid(a_o)
    new_c = drop(f * c + drop(i * g, u), m)
    h = preserve(h, drop(o * tanh(new_c), d), z_h)
    c = preserve(c, new_c, z_c)
    tl.store(gates, i, mask=inside)
    tl.store(gates + H, f, mask=inside)
    tl.store(gates + 2 * H, g, mask=inside)
    tl.store(gates + 3 * H, o, mask=inside)
    tl.store(h_at, h, mask=inside)
    tl.store(c_at, c, mask=inside)
    return h, c


@triton.jit
def _step_back(
    d_h,
    d_c,
    sites,
    norms,
    R,
    T,
    B,
    tiles,
    r,
    t,
    row,
    tile,
    unit,
    present,
    inside,
    gates,
    d_gates,
    c_at,
    H: tl.constexpr,
):
    """From G_h and G_c to the gates' gradients (stored and returned), the direct part of G_h₋, and G_c₋."""
    dtype: tl.constexpr = gates.dtype.element_ty
    z_c = mask_at(sites[0], r, t, row, unit, inside, dtype)
    z_h = mask_at(sites[1], r, t, row, unit, inside, dtype)
    u = mask_at(sites[2], r, t, row, unit, inside, dtype)
    m = mask_at(sites[3], r, t, row, unit, inside, dtype)
    d = mask_at(sites[4], r, t, row, unit, inside, dtype)
    i = read(gates, inside)
    f = read(gates + H, inside)
    g = read(gates + 2 * H, inside)
    o = read(gates + 3 * H, inside)
    c = read(c_at, inside)
    tanh_c = tanh(drop(f * c + drop(i * g, u), m))
    to_h = drop(d_h, z_h)
    to_o = drop(to_h, d)
    to_c = drop(d_c, z_c) + to_o * o * (1.0 - tanh_c * tanh_c)
    store_norm(norms, 0, R, T, B, tiles, r, t, row, tile, d_h, present)
    store_norm(norms, 1, R, T, B, tiles, r, t, row, tile, to_h, present)
    store_norm(norms, 2, R, T, B, tiles, r, t, row, tile, d_c, present)
    store_norm(norms, 3, R, T, B, tiles, r, t, row, tile, to_c, present)
    to_sum = drop(to_c, m)
    to_write = drop(to_sum, u)
    d_i = to_write * g * i * (1.0 - i)
    d_f = to_sum * c * f * (1.0 - f)
    d_g = to_write * i * (1.0 - g * g)
    d_o = to_o * tanh_c * o * (1.0 - o)
    tl.store(d_gates, d_i, mask=inside)
    tl.store(d_gates + H, d_f, mask=inside)
    tl.store(d_gates + 2 * H, d_g, mask=inside)
    tl.store(d_gates + 3 * H, d_o, mask=inside)
    return d_i, d_f, d_g, d_o, through(d_h, z_h, tl.zeros_like(d_h)), through(d_c, z_c, to_sum * f)


@triton.jit(do_not_specialize=["x_r", "x_t", "x_b", "T", "B"])
def forward(
    x, x_r, x_t, x_b, w_x, bias, bias_h, weight, hs, cs, states_r, saved, saved_r, sites, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """All timesteps of a batch tile and replica; the recurrent weights stay in the multiprocessor's shared memory."""
    r = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    weight += r * (4 * H * H)
    w_i = gate_columns(weight, 0, H, HP, OPERAND)
    w_f = gate_columns(weight, 1, H, HP, OPERAND)
    w_g = gate_columns(weight, 2, H, HP, OPERAND)
    w_o = gate_columns(weight, 3, H, HP, OPERAND)
    w_x = advance(w_x, r * (4 * H))
    bias = advance(bias, r * (4 * H))
    if w_x is None:
        x += r * T * (4 * BH)
    else:
        x += r * x_r
    hs += r * states_r
    cs += r * states_r
    saved += r * saved_r
    at = row[:, None] * H + unit[None, :]
    gate_at = row[:, None] * (4 * H) + unit[None, :]
    h = read(hs + at, inside)
    c = read(cs + at, inside)
    for t in range(T):
        # what does not wait for h is asked for first
        z_c = mask_at(sites[0], r, t, row, unit, inside, tl.float32)
        z_h = mask_at(sites[1], r, t, row, unit, inside, tl.float32)
        u = mask_at(sites[2], r, t, row, unit, inside, tl.float32)
        m = mask_at(sites[3], r, t, row, unit, inside, tl.float32)
        d = mask_at(sites[4], r, t, row, unit, inside, tl.float32)
        # kept from one timestep to the next, these would take the registers that H = 128 needs
        x_i = gate_vector(w_x, 0, H, HP)
        b_i = gate_vector(bias, 0, H, HP)
        x_f = gate_vector(w_x, 1, H, HP)
        b_f = gate_vector(bias, 1, H, HP)
        x_g = gate_vector(w_x, 2, H, HP)
        b_g = gate_vector(bias, 2, H, HP)
        x_o = gate_vector(w_x, 3, H, HP)
        b_o = gate_vector(bias, 3, H, HP)
        a_i = input_tile(x, x_b, row, unit, inside, present, x_i, b_i, 0, 4, H)
        a_f = input_tile(x, x_b, row, unit, inside, present, x_f, b_f, 1, 4, H)
        a_g = input_tile(x, x_b, row, unit, inside, present, x_g, b_g, 2, 4, H)
        a_o = input_tile(x, x_b, row, unit, inside, present, x_o, b_o, 3, 4, H)
        operand = h.to(OPERAND)
        a_i = tl.dot(operand, w_i, a_i, input_precision="ieee")
        a_f = tl.dot(operand, w_f, a_f, input_precision="ieee")
        a_g = tl.dot(operand, w_g, a_g, input_precision="ieee")
        a_o = tl.dot(operand, w_o, a_o, input_precision="ieee")
        if w_x is None:
            x += 4 * BH
        else:
            x += x_t
        hs += BH
        cs += BH
        h, c = _step(a_i, a_f, a_g, a_o, h, c, z_c, z_h, u, m, d, saved + gate_at, hs + at, cs + at, inside, H)
        saved += 4 * BH


@triton.jit(do_not_specialize=["T", "B"])
def backward(
    weight, hs, cs, states_r, saved, d_saved, saved_r, d_out, d_last_h, d_last_c, d_h0, d_c0, sites, norms, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr, OPERAND: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """The gradient of :func:`forward` with respect to pre-activations and initial states."""
    r = tl.program_id(1).to(tl.int64)
    R = tl.num_programs(1)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H

    weight += r * (4 * H * H)
    w_i = gate_rows(weight, 0, H, HP, OPERAND).to(DOT)
    w_f = gate_rows(weight, 1, H, HP, OPERAND).to(DOT)
    w_g = gate_rows(weight, 2, H, HP, OPERAND).to(DOT)
    w_o = gate_rows(weight, 3, H, HP, OPERAND).to(DOT)

    at = row[:, None] * H + unit[None, :]
    gate_at = row[:, None] * (4 * H) + unit[None, :]
    cs += r * states_r + T * BH
    saved += r * saved_r + 4 * T * BH
    d_saved += r * saved_r + 4 * T * BH
    if d_out is not None:
        d_out += (r + 1) * T * BH
    d_h = read(d_last_h + r * BH + at, inside)
    d_c = read(d_last_c + r * BH + at, inside)
    for k in range(T):
        cs -= BH
        saved -= 4 * BH
        d_saved -= 4 * BH
        if d_out is not None:
            d_out -= BH
            d_h += read(d_out + at, inside)
        d_i, d_f, d_g, d_o, d_h, d_c = _step_back(
            d_h, d_c, sites, norms, R, T, B, 1, r, T - 1 - k, row, 0, unit, present, inside,
            saved + gate_at, d_saved + gate_at, cs + at, H,
        )  # fmt: skip
        d_h = tl.dot(d_i.to(OPERAND).to(DOT), w_i, d_h, input_precision="ieee")
        d_h = tl.dot(d_f.to(OPERAND).to(DOT), w_f, d_h, input_precision="ieee")
        d_h = tl.dot(d_g.to(OPERAND).to(DOT), w_g, d_h, input_precision="ieee")
        d_h = tl.dot(d_o.to(OPERAND).to(DOT), w_o, d_h, input_precision="ieee")
    tl.store(d_h0 + r * BH + at, d_h, mask=inside)
    tl.store(d_c0 + r * BH + at, d_c, mask=inside)


@triton.jit(do_not_specialize=["x_r", "x_t", "t", "B"])
def forward_step(
    x, x_r, x_t, recurrent, recurrent_r, hs, cs, states_r, saved, saved_r, sites, t, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    """Timestep t of every replica; ``saved`` holds its pre-activations and then its gates."""
    dtype: tl.constexpr = saved.dtype.element_ty
    r = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    inside = (row < B)[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    at = r * states_r + t * BH + row[:, None] * H + unit[None, :]
    gates = saved + r * saved_r + 4 * t * BH + row[:, None] * (4 * H) + unit[None, :]
    _step(
        read(gates, inside),
        read(gates + H, inside),
        read(gates + 2 * H, inside),
        read(gates + 3 * H, inside),
        read(hs + at, inside),
        read(cs + at, inside),
        mask_at(sites[0], r, t, row, unit, inside, dtype),
        mask_at(sites[1], r, t, row, unit, inside, dtype),
        mask_at(sites[2], r, t, row, unit, inside, dtype),
        mask_at(sites[3], r, t, row, unit, inside, dtype),
        mask_at(sites[4], r, t, row, unit, inside, dtype),
        gates,
        hs + at + BH,
        cs + at + BH,
        inside,
        H,
    )


@triton.jit(do_not_specialize=["t", "T", "B"])
def backward_step(
    hs, cs, states_r, saved, d_saved, saved_r, d_out, d_h, d_c, carry_r, sites, norms, t, T, B,
    H: tl.constexpr, HP: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    """The gradient of timestep t: ``d_h`` and ``d_c`` [R, B, H] hold what came from t + 1 and then what goes on to t − 1."""
    r = tl.program_id(2).to(tl.int64)
    R = tl.num_programs(2)
    row = tl.program_id(0) * BT + tl.arange(0, BT)
    unit = tl.program_id(1) * HP + tl.arange(0, HP)
    present = row < B
    inside = present[:, None] & (unit < H)[None, :]
    BH = B.to(tl.int64) * H
    at = row[:, None] * H + unit[None, :]
    gate_at = r * saved_r + 4 * t * BH + row[:, None] * (4 * H) + unit[None, :]
    d_h += r * carry_r + at
    d_c += r * carry_r + at
    total = read(d_h, inside)
    if d_out is not None:
        total += read(d_out + (r * T + t) * BH + at, inside)
    _, _, _, _, back_h, back_c = _step_back(
        total, read(d_c, inside), sites, norms, R, T, B, tl.num_programs(1), r, t, row, tl.program_id(1), unit, present,
        inside, saved + gate_at, d_saved + gate_at, cs + r * states_r + t * BH + at, H,
    )  # fmt: skip
    tl.store(d_h, back_h, mask=inside)
    tl.store(d_c, back_c, mask=inside)
