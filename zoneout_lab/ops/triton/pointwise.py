"""What the kernels of this package share: activations, the mask operations, and where a tile's numbers lie in memory.

A tile is [BT examples, HP units] of one replica at one timestep; what lies outside the B examples and H units of the problem is
loaded as zeros and never stored. Sizes and strides are counted in elements, and offsets are 64 bits wide: R·T·B·4H passes 2³¹ soon.

A mask reaches a kernel as (pointer, stride of replica, timestep, example, unit) with stride 0 where it is broadcast, so a mask of
any kind is read where it lies. None stands for a mask that is absent; the compiler removes what it would have done.
"""

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    """1 / (1 + e⁻ˣ). Where e⁻ˣ overflows, the quotient is the right 0."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    """2σ(2x) − 1: a quotient of two exponentials would overflow."""
    return 2.0 * sigmoid(2.0 * x) - 1.0


@triton.jit
def preserve(old, new, mask):
    """mask ⊙ old + (1 − mask) ⊙ new."""
    if mask is None:
        return new
    else:
        return mask * old + (1.0 - mask) * new


@triton.jit
def drop(value, mask):
    """(1 − mask) ⊙ value."""
    if mask is None:
        return value
    else:
        return (1.0 - mask) * value


@triton.jit
def through(grad, mask, added):
    """mask ⊙ grad + added: what a preserved state passes on to the timestep before, and what reaches that from elsewhere."""
    if mask is None:
        return added
    else:
        return mask * grad + added


@triton.jit
def mask_at(site, r, t, row, unit, inside, dtype: tl.constexpr):
    """A site's mask [BT, HP] at timestep t in ``dtype``, from bytes or floats; None without one.

    Strides arrive as 2·stride + 3: odd and above 1, so that the compiler never takes one for a constant 1 or for a multiple of 16
    and compiles a kernel of its own for each kind of mask.
    """
    if site is None:
        return
    else:
        start = site[0] + r * _stride(site[1]) + t * _stride(site[2])
        # within a timestep 32 bits will do (``buffers.site`` sees to it), and cost half the registers
        offsets = row[:, None] * _stride(site[3]).to(tl.int32) + unit[None, :] * _stride(site[4]).to(tl.int32)
        return tl.load(start + offsets, mask=inside, other=0).to(dtype)


@triton.jit
def _stride(coded):
    return (coded.to(tl.int64) - 3) >> 1


@triton.jit
def read(pointer, inside):
    """A tile from memory, 0 outside."""
    return tl.load(pointer, mask=inside, other=0.0)


@triton.jit
def gate_rows(weight, gate: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, dtype: tl.constexpr):
    """One gate's recurrent weights [HP gate units, HP units] in ``dtype``; ``weight`` points at a replica's [G·H, H]."""
    n = tl.arange(0, HP)[:, None]
    k = tl.arange(0, HP)[None, :]
    return tl.load(weight + (gate * H + n) * H + k, mask=(n < H) & (k < H), other=0.0).to(dtype)


@triton.jit
def gate_columns(weight, gate: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, dtype: tl.constexpr):
    """The transpose of :func:`gate_rows`, loaded as such."""
    k = tl.arange(0, HP)[:, None]
    n = tl.arange(0, HP)[None, :]
    return tl.load(weight + (gate * H + n) * H + k, mask=(n < H) & (k < H), other=0.0).to(dtype)


@triton.jit
def gate_vector(vector, gate: tl.constexpr, H: tl.constexpr, HP: tl.constexpr):
    """One gate's part [1, HP] of a replica's bias, or of its input weights where the input has one feature; None for None."""
    if vector is None:
        return
    else:
        unit = tl.arange(0, HP)
        return tl.load(vector + gate * H + unit, mask=unit < H, other=0.0)[None, :]


@triton.jit
def advance(pointer, offset):
    """pointer + offset; None for None."""
    if pointer is None:
        return
    else:
        return pointer + offset


@triton.jit
def with_bias(tile, bias):
    """tile + bias [1, HP]; the tile where there is none."""
    if bias is None:
        return tile
    else:
        return tile + bias


@triton.jit
def input_tile(x, x_b, row, unit, inside, present, w_x, bias, gate: tl.constexpr, G: tl.constexpr, H: tl.constexpr):
    """One gate's input product [BT, HP] of G.

    ``x`` points at a timestep: at one number for each example, ``x_b`` apart and multiplied here, where ``w_x`` [1, HP] is given;
    else at the products themselves, [B, G·H] side by side, bias in them.
    """
    if w_x is None:
        return read(x + row[:, None] * (G * H) + gate * H + unit[None, :], inside)
    else:
        return with_bias(read(x + row.to(tl.int64) * x_b, present)[:, None] * w_x, bias)


@triton.jit
def store_norm(norms, which: tl.constexpr, R, T, B, tiles, r, t, row, tile, value, present):
    """Write Σ value² over the tile's units to ``norms`` [which, R, T, B, tiles]; nothing without ``norms``."""
    if norms is not None:
        at = (((which * R.to(tl.int64) + r) * T + t) * B + row) * tiles + tile
        tl.store(norms + at, tl.sum(value * value, axis=1), mask=present)
