"""The kernels against the reference: outputs, final states and every gradient, at ragged sizes, in every precision."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from triton_problems import (
    DEVICE,
    KINDS,
    MODES,
    NAMES,
    Mode,
    Problem,
    assert_near,
    by_reference,
    by_triton,
    computed,
    problem,
    running,
)

from zoneout_lab.ops import triton as ops
from zoneout_lab.ops.cells import FAST
from zoneout_lab.ops.probe import recording
from zoneout_lab.ops.reference import Matrices

#: T, B, H, R
SIZES = [(1, 5, 20, 3), (5, 1, 100, 1), (5, 5, 129, 1)]
LARGE_SIZES = [
    (mode, sizes)
    for mode, all_sizes in {
        "low": [(63, 5, 100, 3), (63, 100, 20, 1)],
        "full": [(63, 5, 20, 3), (5, 100, 20, 1)],
        "steps": [(63, 5, 100, 1), (5, 100, 129, 1)],
    }.items()
    for sizes in all_sizes
]
MODE_NAMES = list(MODES)


def compared(one: Problem, mode: Mode, parts: tuple[str, ...] = ("out", "h_n", "c_n")) -> None:
    expected = computed(by_reference, one.to(torch.float64, "cpu"), parts)
    with running(mode):
        assert_near(computed(by_triton, one.to(mode.dtype, DEVICE), parts), expected, mode)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", MODE_NAMES)
@pytest.mark.parametrize("cell", FAST)
def test_the_same_numbers_as_the_reference(cell: str, name: str, sizes: tuple[int, int, int, int]) -> None:
    compared(problem(cell, sizes), MODES[name])


@pytest.mark.slow
@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize(("name", "sizes"), LARGE_SIZES, ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_the_same_numbers_at_large_sizes(cell: str, name: str, sizes: tuple[int, int, int, int]) -> None:
    compared(problem(cell, sizes), MODES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["low", "full", "steps"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_no_drift_over_784_timesteps(cell: str, name: str) -> None:
    compared(problem(cell, (784, 2, 20, 1), inputs=1), MODES[name])


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["full", "steps"])
@pytest.mark.parametrize(("cell", "site"), [(cell, site) for cell in FAST for site in FAST[cell].fast_sites])
def test_every_site_with_every_kind_of_share(cell: str, site: str, name: str, kind: str) -> None:
    compared(problem(cell, (2, 3, 5, 2), kind, (site,)), MODES[name])


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("name", ["full", "steps"])
@pytest.mark.parametrize("cell", FAST)
def test_one_input_feature(cell: str, name: str, shared: bool, bias: bool) -> None:
    compared(problem(cell, (2, 3, 5, 2), sites=(), inputs=1, shared=shared, bias=bias), MODES[name])


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("cell", FAST)
def test_inputs_shared_by_replicas_with_the_batch_first_in_memory(cell: str, inputs: int) -> None:
    one = problem(cell, (2, 3, 5, 2), inputs=inputs, shared=True, bias=False)
    one.x = one.x.transpose(1, 2).contiguous().transpose(1, 2)
    compared(one, MODES["full"])


def test_a_share_of_any_layout_and_of_bools() -> None:
    one = problem("lstm", (2, 3, 5, 2))
    one.masks = {
        site: mask.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0).bool() for site, mask in one.masks.items()
    }
    compared(one, MODES["full"])


@pytest.mark.parametrize("name", ["full", "steps"])
@pytest.mark.parametrize("part", ["out", "h_n", "c_n"])
def test_a_loss_on_one_part_of_the_result_alone(part: str, name: str) -> None:
    compared(problem("lstm", (3, 3, 5, 2)), MODES[name], (part,))


@pytest.mark.parametrize("name", ["full", "steps"])
@pytest.mark.parametrize("cell", FAST)
def test_what_was_saved_may_have_been_elsewhere_meanwhile(cell: str, name: str) -> None:
    """As torch.autograd.graph.save_on_cpu does, whose tensors come back without the gaps between replicas."""
    mode, one = MODES[name], problem(cell, (3, 3, 5, 2))
    with running(mode):
        expected = computed(by_triton, one.to(mode.dtype, DEVICE))
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: t.clone(memory_format=torch.contiguous_format), lambda t: t
        ):
            got = computed(by_triton, one.to(mode.dtype, DEVICE))
    assert all(torch.equal(got[key], value) for key, value in expected.items())


def test_more_timesteps_than_examples_at_the_papers_width() -> None:
    compared(problem("lstm", (63, 1, 100, 1), inputs=1), MODES["low"])


@pytest.mark.parametrize("name", MODE_NAMES)
@pytest.mark.parametrize("cell", FAST)
def test_a_replica_is_the_same_bits_alone(cell: str, name: str) -> None:
    mode = MODES[name]
    whole = problem(cell, (3, 3, 7, 3), inputs=1 if name == "low" else 3)
    with running(mode):
        together = computed(by_triton, whole.to(mode.dtype, DEVICE))
        # the same weights of the loss as beside the others
        for r in range(3):
            one = whole.alone(r).to(mode.dtype, DEVICE)
            out, finals = by_triton(one)
            assert torch.equal(out[0], together["out"][r])
            generator = torch.Generator().manual_seed(3)
            terms = []
            for key, value in zip(("out", "h_n", "c_n"), (out, *finals), strict=False):
                assert torch.equal(value[0], together[key][r])
                weight = torch.randn(together[key].shape, generator=generator).to(value)[r : r + 1]
                terms.append((value * weight).sum())
            leaves = [one.x, *one.states, *one.weights]
            names = [*("x", "h", "c")[: 1 + len(one.states)], *NAMES]
            for key, grad in zip(names, torch.autograd.grad(sum(terms), leaves), strict=True):
                assert torch.equal(grad[0], together[f"d {key}"][r]), key


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("H", [5, 129])
@pytest.mark.parametrize("name", ["low", "full", "steps"])
@pytest.mark.parametrize("cell", FAST)
def test_norms_of_the_gradients_at_states_and_candidates(cell: str, name: str, H: int) -> None:
    mode, one = MODES[name], problem(cell, (3, 2, H, 2))
    generator = torch.Generator().manual_seed(3)

    def loss(out: Tensor, finals: tuple[Tensor, ...]) -> Tensor:
        generator.manual_seed(3)
        return sum(
            ((t * torch.randn(t.shape, generator=generator).to(t)).sum() for t in (out, *finals)),
            torch.zeros(()).to(out),
        )

    with recording() as probe:
        value = loss(*by_reference(one.to(torch.float64, "cpu")))
    expected = {
        (state, point): torch.stack([g.norm(dim=-1) for g in torch.autograd.grad(value, series, retain_graph=True)], 1)
        for (_, state, point), series in probe.tensors.items()
    }
    got: dict[tuple[str, str], Tensor] = {}
    with running(mode):
        run = by_triton(
            one.to(mode.dtype, DEVICE), on_norms=lambda state, point, norms: got.update({(state, point): norms})
        )
        loss(*run).backward()
    assert got.keys() == expected.keys()
    for key, norms in expected.items():
        assert got[key].shape == norms.shape
        assert torch.dist(got[key].double().cpu(), norms) <= mode.grads * norms.norm(), key


@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["projected", "whole"])
@pytest.mark.parametrize("kind", ["separate", "rate"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_gradcheck_of_the_step_engine(cell: str, kind: str, fast: bool) -> None:
    one = problem(cell, (2, 2, 2, 1), kind, inputs=2).to(torch.float64, DEVICE)
    n = len(one.states)

    def function(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        out, finals = ops.forward(cell, x, rest[:n], Matrices(*rest[n:]), one.masks)
        return out, *finals

    assert torch.autograd.gradcheck(function, (one.x, *one.states, *one.weights), fast_mode=fast)


@pytest.mark.parametrize("inputs", [1, 2])
def test_gradients_that_nobody_needs_are_not_made(inputs: int) -> None:
    one = problem("lstm", (2, 3, 5, 2), inputs=inputs).to(torch.float32, DEVICE)
    for tensor in (one.x, *one.states, one.weights.input):
        tensor.requires_grad_(False)
    out, _ = by_triton(one)
    out.sum().backward()
    assert one.x.grad is None
    assert one.weights.hidden.grad is not None


@pytest.mark.parametrize("name", ["full", "steps"])
def test_a_second_derivative_is_refused(name: str) -> None:
    with running(MODES[name]):
        one = problem("lstm", (2, 3, 5, 2)).to(torch.float32, DEVICE)
        out, _ = by_triton(one)
        with pytest.raises(RuntimeError, match='engine="reference"'):
            torch.autograd.grad(out.square().sum(), one.x, create_graph=True)


def test_a_dtype_without_kernels_is_refused() -> None:
    with pytest.raises(TypeError, match="float32 or float64"):
        by_triton(problem("lstm", (2, 3, 5, 2)).to(torch.float16, DEVICE))


def test_triton_is_not_imported_before_it_is_used() -> None:
    program = "import sys, zoneout_lab, zoneout_lab.ops.triton; sys.exit('triton' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
