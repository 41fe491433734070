"""What all tests share. Without a GPU, Triton's interpreter runs the kernels on CPU tensors; it is asked for before triton is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# read before any test takes the variable away
REAL = Path(os.environ.get("ZONEOUT_LAB_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real PTB and MNIST files."""
    if not ((REAL / "ptb").is_dir() and (REAL / "mnist").is_dir()):
        pytest.skip(f"no real data: {REAL} has no ptb/ and mnist/ (ZONEOUT_LAB_DATA names another folder)")
    return REAL


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Every tensor that torch.empty makes is full of NaN."""
    deterministic, fill = (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Everything runs with one thread and again with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
