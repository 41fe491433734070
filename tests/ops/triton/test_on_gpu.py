"""The kernels on a real GPU: the reference's numbers at the sizes that matter, and a training step in a CUDA graph."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from triton_problems import MODES, Mode, Problem, assert_near, by_reference, by_triton, computed, problem, running

from zoneout_lab.ops import triton as ops
from zoneout_lab.ops.cells import FAST
from zoneout_lab.ops.masks import MaskSpec, Place, draw

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none"),
    pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton's interpreter was asked for"),
]

#: T, B, H, R; of pMNIST, ragged ones, the largest of one launch, and those of the step engine
SIZES = [(784, 100, 100, 2), (63, 5, 129, 3), (17, 33, 128, 5), (5, 100, 20, 40), (100, 32, 1000, 1), (1, 1, 1, 1)]
#: relu's derivative jumps, so that a rounded pre-activation near zero takes its whole gradient along: the reference itself, with the
#: operands of its products rounded to tf32, is off by up to 1.9e-2 at these sizes
JUMPS = 3e-2


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("inputs", [1, 50])
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("cell", FAST)
def test_the_same_numbers_as_the_reference(cell: str, name: str, inputs: int, sizes: tuple[int, int, int, int]) -> None:
    mode, one = MODES[name], problem(cell, sizes, inputs=inputs)
    expected = computed(by_reference, one.to(torch.float64, "cuda"))
    if (cell, name) == ("rnn_relu", "low"):
        mode = replace(mode, grads=JUMPS)
    with running(mode):
        assert_near(computed(by_triton, one.to(mode.dtype, "cuda")), expected, mode)


def results(one: Problem, mode: Mode) -> list[torch.Tensor]:
    """Outputs, final states and every gradient, each with the replicas first."""
    leaves = one.to(mode.dtype, "cuda")
    out, finals = by_triton(leaves)
    grads = torch.autograd.grad(out.square().sum(), [leaves.x, *leaves.states, *leaves.weights])
    return [out, *finals, *grads]


@pytest.mark.parametrize("sizes", [(50, 20, 100, 9), (10, 20, 129, 9), (10, 32, 512, 3)], ids=str)
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("cell", FAST)
def test_a_replica_is_the_same_bits_alone(cell: str, name: str, sizes: tuple[int, int, int, int]) -> None:
    mode, whole = MODES[name], problem(cell, sizes)
    with running(mode):
        together = results(whole, mode)
        for r in (0, sizes[3] - 1):
            for alone, beside in zip(results(whole.alone(r), mode), together, strict=True):
                assert torch.equal(alone[0], beside[r])


@pytest.mark.parametrize("sizes", [(50, 20, 100, 2), (10, 20, 129, 2)], ids=str)
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("cell", FAST)
def test_a_replica_without_masks_is_the_same_bits_alone(cell: str, name: str, sizes: tuple[int, int, int, int]) -> None:
    """Its kernels are others than those that it shares with a replica that has masks."""
    mode, whole = MODES[name], problem(cell, sizes)
    for mask in whole.masks.values():
        mask[0] = 0
    alone = replace(whole.alone(0), masks={})
    with running(mode):
        for got, beside in zip(results(alone, mode), results(whole, mode), strict=True):
            assert torch.equal(got[0], beside[0])


def test_twice_the_same_bits() -> None:
    one = problem("lstm", (784, 100, 100, 4), inputs=1)
    first, second = (computed(by_triton, one.to(torch.float32, "cuda")) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_masks_have_the_bits_of_numpy() -> None:
    T, B, H = 784, 100, 100
    drawn = ops.draw(
        torch.tensor([3, 4], device="cuda"), torch.tensor(17, device="cuda"),
        torch.tensor([[32_768], [3_277]], dtype=torch.int32, device="cuda"), torch.ones(2, 5, dtype=torch.int8, device="cuda"),
        layer=1, site="hidden", stream=0, sizes=(T, B, H),
    )  # fmt: skip
    for r, rate in enumerate((32_768 / 65_536, 3_277 / 65_536)):
        expected = draw(MaskSpec(rate), Place(3 + r, 1, "hidden", 17), T, B, H).transpose(1, 0, 2)
        assert torch.equal(drawn[r].cpu().bool(), torch.from_numpy(expected.copy()))


@pytest.mark.parametrize("H", [100, 512], ids=["one launch", "steps"])
def test_two_replays_of_a_graph_draw_different_masks(H: int) -> None:
    """And each gives what the same step gives outside a graph, waiting for the device nowhere."""
    one = problem("lstm", (20, 30, H, 2), inputs=1).to(torch.float32, "cuda")
    update = torch.zeros((), dtype=torch.int64, device="cuda")
    table = (
        torch.tensor([5, 6], device="cuda"), update, torch.full((2, 1), 30_000, dtype=torch.int32, device="cuda"),
        torch.ones(2, 5, dtype=torch.int8, device="cuda"),
    )  # fmt: skip

    def step() -> list[torch.Tensor]:
        masks = {site: ops.draw(*table, layer=0, site=site, stream=0, sizes=(20, 30, H)) for site in ("cell", "hidden")}
        out, _ = ops.forward("lstm", one.x, one.states, one.weights, masks)
        grads = torch.autograd.grad(out.square().sum(), [one.weights.hidden, one.weights.input])
        update.add_(1)
        return [out.detach(), *grads]

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        expected = [[value.clone() for value in step()] for _ in range(3)]
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    update.zero_()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        captured = step()
    assert update.item() == 0
    seen = []
    for _ in range(3):
        graph.replay()
        seen.append([value.clone() for value in captured])
    assert update.item() == 3
    for replayed, eager in zip(seen, expected, strict=True):
        for got, value in zip(replayed, eager, strict=True):
            torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-5)
    assert not torch.equal(seen[0][0], seen[1][0])
