"""Row sums: right, differentiable, and the same bits whatever other rows there are."""

from __future__ import annotations

import pytest
import torch
from triton_problems import DEVICE

from zoneout_lab.ops import triton as ops

FUNCTIONS = {"sums": (ops.row_sums, lambda x: x), "squares": (ops.row_squares, torch.square)}


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("N", [1, 5, 4096, 4097, 1_100_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_sum_of_each_row(name: str, dtype: torch.dtype, N: int) -> None:
    function, term = FUNCTIONS[name]
    x = torch.randn(2, N, dtype=dtype, generator=torch.Generator().manual_seed(N)).to(DEVICE)
    exact = term(x.double()).sum(1)
    scale = term(x.double()).abs().sum(1)
    assert ((function(x) - exact).abs() <= (1e-6 if dtype == torch.float32 else 1e-15) * scale).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_row_is_the_same_bits_alone(name: str) -> None:
    function, _ = FUNCTIONS[name]
    x = torch.randn(5, 9000, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    assert torch.equal(function(x), torch.cat([function(x[r : r + 1]) for r in range(5)]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    x = torch.randn(3, 7, dtype=torch.float64, device=DEVICE).requires_grad_()
    function, _ = FUNCTIONS[name]
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradcheck(function, x.detach().t().contiguous().t().requires_grad_())
