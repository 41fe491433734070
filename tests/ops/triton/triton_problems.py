"""Recurrences to compute by two paths, as data; imported by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from zoneout_lab.ops import engine
from zoneout_lab.ops import triton as ops
from zoneout_lab.ops.cells import FAST, Masks, States
from zoneout_lab.ops.reference import Matrices

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = ("input weight", "hidden weight", "input bias", "hidden bias")

#: shape of a mask in terms of R, T, B, H, and whether it is a rate
KINDS: dict[str, tuple[Callable[[int, int, int, int], tuple[int, ...]], bool]] = {
    "separate": (lambda R, T, B, H: (R, T, B, H), False),
    "per layer": (lambda R, T, B, H: (R, T, B, 1), False),
    "per sequence": (lambda R, T, B, H: (R, 1, B, H), False),
    "static": (lambda R, T, B, H: (R, T, 1, H), False),
    "rate": (lambda R, T, B, H: (R, 1, 1, 1), True),
    "rate per unit": (lambda R, T, B, H: (R, 1, 1, H), True),
}


@dataclass(frozen=True)
class Mode:
    """How the recurrence is computed, and how near to the reference it must come: ‖Δ‖/‖reference‖ of values and gradients."""

    dtype: torch.dtype
    tf32: bool
    one_launch: bool
    values: float
    grads: float


MODES = {
    "low": Mode(torch.float32, True, True, 1e-3, 1e-2),
    "full": Mode(torch.float32, False, True, 1e-5, 1e-5),
    "steps": Mode(torch.float32, False, False, 1e-5, 1e-5),
    "float64": Mode(torch.float64, False, False, 1e-12, 1e-12),
}


@contextmanager
def running(mode: Mode) -> Iterator[None]:
    """Everything inside runs so."""
    from zoneout_lab.ops.triton import launch

    with pytest.MonkeyPatch.context() as patch, torch.backends.cudnn.flags(allow_tf32=mode.tf32):
        if not mode.one_launch:
            patch.setattr(launch, "fit", lambda *_, **__: None)
        yield


@dataclass
class Problem:
    """A recurrence's arguments in float64; every number is one of float32 as well, so that converting them loses nothing."""

    cell: str
    x: Tensor
    states: States
    weights: Matrices
    masks: Masks

    def to(self, dtype: torch.dtype, device: str) -> Problem:
        """Leaves of an autograd graph, in a dtype and on a device. Strides are kept."""

        def leaf(tensor: Tensor) -> Tensor:
            return tensor.detach().to(device, dtype).requires_grad_()

        weights = Matrices(*(None if w is None else leaf(w) for w in self.weights))  # type: ignore[arg-type]
        masks = {site: mask.to(device) for site, mask in self.masks.items()}
        masks = {site: s.to(dtype) if s.is_floating_point() else s for site, s in masks.items()}
        return Problem(self.cell, leaf(self.x), tuple(map(leaf, self.states)), weights, masks)

    def alone(self, r: int) -> Problem:
        """One replica of it."""
        own = slice(r, r + 1)
        weights = Matrices(*(None if w is None else w[own] for w in self.weights))  # type: ignore[arg-type]
        masks = {site: mask[own] for site, mask in self.masks.items()}
        x = self.x if self.x.shape[0] == 1 else self.x[own]
        return Problem(self.cell, x, tuple(s[own] for s in self.states), weights, masks)


def problem(
    cell: str,
    sizes: tuple[int, int, int, int],
    kind: str = "separate",
    sites: tuple[str, ...] | None = None,
    *,
    inputs: int = 3,
    shared: bool = False,
    bias: bool = True,
) -> Problem:
    """A problem of sizes (T, B, H, R), with weights as torch draws them and a mask of a kind at each site."""
    T, B, H, R = sizes
    gates, kinds, all_sites = FAST[cell].gates, FAST[cell].states, FAST[cell].fast_sites
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).double()

    def uniform(*shape: int) -> Tensor:
        return ((torch.rand(shape, generator=generator) * 2 - 1) / H**0.5).double()

    def mask() -> Tensor:
        shape, is_rate = KINDS[kind]
        drawn = torch.rand(shape(R, T, B, H), generator=generator)
        return drawn.double() if is_rate else (drawn < 0.4).to(torch.uint8)

    x = normal(1 if shared else R, T, B, inputs)
    states = tuple(0.5 * normal(R, B, H) for _ in kinds)
    biases = (uniform(R, gates * H), uniform(R, gates * H)) if bias else (None, None)
    weights = Matrices(uniform(R, gates * H, inputs), uniform(R, gates * H, H), *biases)
    return Problem(cell, x, states, weights, {site: mask() for site in (all_sites if sites is None else sites)})


def by_reference(problem: Problem) -> tuple[Tensor, States]:
    """The specification's outputs and final states."""
    cell, weights = FAST[problem.cell](), problem.weights.named()
    return engine.forward(cell, problem.x, problem.states, weights, problem.masks, engine="reference")


def by_triton(problem: Problem, **options: Any) -> tuple[Tensor, States]:
    """The kernels' outputs and final states."""
    return ops.forward(problem.cell, problem.x, problem.states, problem.weights, problem.masks, **options)


Path = Callable[[Problem], tuple[Tensor, States]]


def computed(path: Path, problem: Problem, parts: tuple[str, ...] = ("out", "h_n", "c_n")) -> dict[str, Tensor]:
    """Outputs, final states and the gradients of every leaf, for a random loss on parts of the result."""
    out, finals = path(problem)
    results = dict(zip(("out", "h_n", "c_n"), (out, *finals), strict=False))
    generator = torch.Generator().manual_seed(3)
    terms = []
    for name, value in results.items():
        weight = torch.randn(value.shape, generator=generator).to(value)
        if name in parts:
            terms.append((value * weight).sum())
    leaves = {"x": problem.x} | dict(zip(("h", "c"), problem.states, strict=False))
    leaves |= {name: w for name, w in zip(NAMES, problem.weights, strict=True) if w is not None}
    grads = torch.autograd.grad(sum(terms), list(leaves.values()), allow_unused=True)
    zeros = (torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves.values(), grads, strict=True))
    return results | {f"d {name}": grad for name, grad in zip(leaves, zeros, strict=True)}


def assert_near(got: dict[str, Tensor], expected: dict[str, Tensor], mode: Mode) -> None:
    """Every value and gradient is finite, of the right shape and as near as the mode asks."""
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].shape == value.shape, name
        assert got[name].isfinite().all(), name
        tolerance = mode.grads if name.startswith("d ") else mode.values
        error = torch.dist(got[name].double().cpu(), value.double().cpu())
        assert error <= tolerance * value.norm(), f"{name}: {error / value.norm():.1e}"
