"""RMSProp as the paper's code has it: the root of the mean square is floored, where torch adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class FlooredRMSprop(torch.optim.Optimizer):
    """v ← ρ v + (1 − ρ) g², then w ← w − lr · g / max(√v, ε), with v = 0 before the first step.

    Elementwise, without a word from the host to the device: a captured CUDA graph may hold it. The rule is that of the software
    Krueger et al. 2017 trained permuted MNIST with (Tieleman & Hinton 2012, with ρ = .5 and a floor of 1e-5).

    Args:
        parameters: what is trained.
        lr: the learning rate.
        rho: ρ, how much of v is kept.
        floor: ε.

    >>> weight = nn.Parameter(torch.zeros(1))
    >>> weight.grad = torch.ones(1)
    >>> FlooredRMSprop([weight], lr=0.5).step()
    >>> round(weight.item(), 4)
    -0.7071
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, rho: float = 0.5, floor: float = 1e-5) -> None:
        super().__init__(parameters, {"lr": lr, "rho": rho, "floor": floor})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient; a ``closure`` is refused."""
        if closure is not None:
            raise ValueError("FlooredRMSprop takes no closure: compute the gradients first, then call step().")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["square"] = torch.zeros_like(parameter)
                square: Tensor = state["square"]
                square.mul_(group["rho"]).addcmul_(parameter.grad, parameter.grad, value=1 - group["rho"])
                parameter.addcdiv_(parameter.grad, square.sqrt().clamp_(min=group["floor"]), value=-group["lr"])
