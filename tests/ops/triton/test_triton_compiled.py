"""What the kernels need of a GPU, from compiling them for one that need not be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "compile_ahead.py"
#: bytes of shared memory that a program may have, by architecture
SHARED = {80: 163 * 1024, 90: 227 * 1024}
#: cell-precision-H; the largest H of each configuration, those of the benchmarks, and the step engine beyond
CASES = [
    "lstm-low-100", "lstm-low-100-norms", "lstm-low-128-norms-wide", "lstm-low-64-norms", "lstm-low-20", "lstm-low-16-wide",
    "lstm-full-64-norms", "lstm-full-64-wide", "lstm-full-20-norms",
    "gru-low-100-norms", "gru-low-128-norms-wide", "gru-low-64", "gru-full-64-norms", "gru-full-20-wide",
    "rnn_tanh-low-256-norms", "rnn_tanh-low-200-wide", "rnn_tanh-low-100", "rnn_tanh-full-64-norms", "rnn_relu-full-64-norms",
    "lstm-full-1000-norms", "lstm-full-129", "gru-full-1000-norms", "rnn_tanh-full-1000-norms",
    "lstm-float64-1000-norms", "gru-float64-129-norms", "rnn_tanh-float64-20", "masks", "rows",
]  # fmt: skip
#: those that fit the 99 KB of a GPU without a data centre around it
SMALL = {"lstm-low-64-norms", "lstm-full-64-norms", "gru-low-64", "gru-full-64-norms", "rnn_tanh-low-100"}


def built(architecture: int, cache: Path, *cases: str) -> list[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(cache)
    command = [sys.executable, str(PROGRAM), str(architecture), *cases]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_fits(kernels: list[dict[str, Any]], architecture: int) -> None:
    for kernel in kernels:
        assert kernel["spilled"] == 0, kernel
        assert kernel["shared"] <= SHARED[architecture], kernel
        assert kernel["case"] not in SMALL or kernel["shared"] <= 99 * 1024, kernel


def test_the_lstm_of_the_benchmark_fits_an_h100_without_spilling(tmp_path: Path) -> None:
    kernels = built(90, tmp_path, "lstm-low-100")
    assert [kernel["kernel"] for kernel in kernels] == ["lstm.forward", "lstm.backward"]
    assert_fits(kernels, 90)


@pytest.mark.parametrize(
    "cell",
    ["rnn_tanh-low-100", *(pytest.param(cell, marks=pytest.mark.slow) for cell in ("gru-low-100", "lstm-low-100"))],
)
def test_a_kernel_without_masks_rounds_as_the_one_with_masks(cell: str, tmp_path: Path) -> None:
    masked, bare = built(90, tmp_path, cell), built(90, tmp_path, f"{cell}-bare")
    assert [kernel["fused"] for kernel in masked + bare] == [0] * 4  # what is fused depends on what there is to fuse
    assert [kernel["operands"] for kernel in masked] == [kernel["operands"] for kernel in bare]
    assert all(kernel["operands"] for kernel in masked)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", SHARED)
def test_every_kernel_fits_without_spilling(architecture: int, tmp_path: Path) -> None:
    kernels = built(architecture, tmp_path, *CASES)
    assert {kernel["case"] for kernel in kernels} == set(CASES)
    assert_fits(kernels, architecture)


def test_no_mask_and_no_number_of_replicas_steps_or_examples_compiles_a_kernel_anew(tmp_path: Path) -> None:
    (variants,) = built(90, tmp_path, "variants")
    assert set(variants) == {"forward True", "backward True", "forward False", "backward False"}
    assert set(variants.values()) == {1}
