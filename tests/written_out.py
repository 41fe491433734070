"""A layer of six units with known masks, and an LSTM's equation written out for one example and timestep at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from zoneout_lab import LSTM, Cell, Recurrent
from zoneout_lab.layers import GRU, RNN
from zoneout_lab.ops.masks import MaskSpec, Place, draw
from zoneout_lab.regularizers import Regularizer

T, B, WIDTH, H, SEED, UPDATE = 5, 4, 3, 6, 11, 7
LAYERS = {"lstm": LSTM, "gru": GRU, "rnn_tanh": RNN}


def layer(cell: str | Cell, regularizer: Regularizer | None = None, **options: object) -> Recurrent:
    torch.manual_seed(1)
    options |= {"regularizer": regularizer, "mask_seed": SEED, "dtype": torch.float64}
    rnn = LAYERS[cell](WIDTH, H, **options) if isinstance(cell, str) else Recurrent(cell, WIDTH, H, **options)
    rnn.update = UPDATE
    return rnn


def inputs() -> Tensor:
    return torch.randn(T, B, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def bits(mask: MaskSpec, site: str, *, row: int = 0, width: int = H, stream: int = 0, update: int = UPDATE) -> Tensor:
    """The mask's bits as [T, B, width] float64."""
    drawn = draw(mask, Place(SEED, row, site, update, stream, trained=UPDATE), T, B, width)
    return torch.from_numpy(drawn).double().transpose(0, 1).expand(T, B, width)


def ones() -> Tensor:
    return torch.ones(T, B, H, dtype=torch.float64)


def gates_of(rnn: torch.nn.Module, x: Tensor, h: Tensor, names: str = "ifgo") -> dict[str, Tensor]:
    """Products of each gate, by name, for one example."""
    found = {}
    for k, name in enumerate(names):
        rows = slice(k * H, (k + 1) * H)
        found[name] = (
            rnn.weight_ih_l0[rows] @ x + rnn.bias_ih_l0[rows] + rnn.weight_hh_l0[rows] @ h + rnn.bias_hh_l0[rows]
        )
    return found


def lstm_twin(
    rnn: torch.nn.Module,
    x: Tensor,
    *,
    memory: Tensor,
    into: Tensor,
    output: Tensor,
    z_c: Tensor,
    z_h: Tensor,
    update: Tensor,
) -> Tensor:
    """An LSTM with factors kept [T, B, H] at each site and masks z of what is preserved; returns [T, B, H]."""
    out = [[None] * B for _ in range(T)]
    for b in range(B):
        h, c = torch.zeros(H, dtype=torch.float64), torch.zeros(H, dtype=torch.float64)
        for t in range(T):
            a = gates_of(rnn, x[t, b], h * into[t, b])
            i, f, o = (torch.sigmoid(a[name]) for name in "ifo")
            new_c = memory[t, b] * (f * c + update[t, b] * i * torch.tanh(a["g"]))
            new_h = output[t, b] * o * torch.tanh(new_c)
            h = z_h[t, b] * h + (1 - z_h[t, b]) * new_h
            c = z_c[t, b] * c + (1 - z_c[t, b]) * new_c
            out[t][b] = h
    return torch.stack([torch.stack(row) for row in out])


def agree(rnn: torch.nn.Module, got: Tensor, want: Tensor) -> None:
    """Values, and the gradients of every parameter."""
    assert (got - want).abs().max() < 1e-13
    weights = torch.linspace(-1, 2, got.numel(), dtype=torch.float64).view_as(got)
    parameters = list(rnn.parameters())
    ours = torch.autograd.grad((got * weights).sum(), parameters)
    theirs = torch.autograd.grad((want * weights).sum(), parameters)
    assert max((a - b).abs().max() for a, b in zip(ours, theirs, strict=True)) < 1e-12
    assert all(a.abs().max() > 0 for a in ours)


def factors(**given: Tensor) -> dict[str, Tensor]:
    neutral = {
        "memory": ones(),
        "into": ones(),
        "output": ones(),
        "update": ones(),
        "z_c": 0 * ones(),
        "z_h": 0 * ones(),
    }
    return neutral | given
