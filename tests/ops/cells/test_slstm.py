"""The sLSTM against its equation without a stabiliser, under masks, under their means, and where numbers are large."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_out import B, H, T, agree, bits, inputs, layer, ones

from zoneout_lab.ops.cells import SLSTM
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import HiddenDropout, RecurrentDropout, Regularizer, Zoneout


def unstabilised(rnn: torch.nn.Module, x: Tensor, at: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, and what is remembered at the end: c e^m and n e^m, in the paper's first form, with exponentials as they are."""
    out = [[None] * B for _ in range(T)]
    cs, ns = torch.zeros(B, H, dtype=torch.float64), torch.zeros(B, H, dtype=torch.float64)
    for b in range(B):
        h = c = n = torch.zeros(H, dtype=torch.float64)
        for t in range(T):
            a = rnn.weight_ih_l0 @ x[t, b] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
            i, f = torch.exp(a[:H]), torch.sigmoid(a[H : 2 * H])
            new_c = f * c + (1 - at["update"][t, b]) * i * torch.tanh(a[2 * H : 3 * H])
            new_n = f * n + i
            new_h = (1 - at["output"][t, b]) * torch.sigmoid(a[3 * H :]) * new_c / new_n
            h = at["hidden"][t, b] * h + (1 - at["hidden"][t, b]) * new_h
            c = at["cell"][t, b] * c + (1 - at["cell"][t, b]) * new_c
            n = at["cell"][t, b] * n + (1 - at["cell"][t, b]) * new_n
            out[t][b] = h
        cs[b], ns[b] = c, n
    return torch.stack([torch.stack(row) for row in out]), cs, ns


CASES: dict[str, Regularizer] = {
    "zoneout and dropout": Zoneout(cell=0.4, hidden=0.3) + RecurrentDropout(0.2) + HiddenDropout(0.1),
    "all but everything preserved": Zoneout(cell=0.9),
    "some units always, some never": Zoneout(cell=(0.0, 1.0)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_its_equation(case: str, training: bool):
    rnn, x = layer(SLSTM(), CASES[case]).train(training), inputs()
    masks = CASES[case].sites()
    at = {}
    for site in ("cell", "hidden", "update", "output"):
        mask = masks.get(site, MaskSpec(0.0))
        at[site] = bits(mask, site) if training else torch.from_numpy(mask.at(0, H)) * ones()
    out, (_, c, n, m) = rnn(x)
    expected, cs, ns = unstabilised(rnn, x, at)
    agree(rnn, out, expected)
    torch.testing.assert_close(c[0] * torch.exp(m[0]), cs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(n[0] * torch.exp(m[0]), ns, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [30.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_gates_overflow_nothing(size: float, training: bool, dtype: torch.dtype):
    rnn = layer(SLSTM(), Zoneout(cell=0.4, hidden=0.3)).to(dtype).train(training)
    with torch.no_grad():
        rnn.bias_ih_l0[: 2 * H] = torch.linspace(-size, size, 2 * H)
        rnn.weight_ih_l0.mul_(size)
    x = inputs().to(dtype).requires_grad_()
    out, states = rnn(x)
    assert all(value.isfinite().all() for value in (out, *states))
    grads = torch.autograd.grad(out.square().sum(), [x, *rnn.parameters()])
    assert all(grad.isfinite().all() for grad in grads)
    assert out.abs().max() <= 1


def test_a_preserved_memory_is_the_old_one_whatever_the_new_one_is():
    rnn = layer(SLSTM(), Zoneout(cell=1.0))
    with torch.no_grad():
        rnn.bias_ih_l0[:H] = 500.0
    start = tuple(torch.rand(1, B, H, dtype=torch.float64) for _ in range(4))
    _, (_, *last) = rnn(inputs(), start)
    assert all(torch.equal(a, b) for a, b in zip(last, start[1:], strict=True))
