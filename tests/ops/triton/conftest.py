"""These tests need triton; without a GPU its interpreter runs the kernels (tests/conftest.py)."""

from __future__ import annotations

import pytest

#: a program of its own, and no test
collect_ignore = ["compile_ahead.py"]


@pytest.fixture(autouse=True)
def _without_triton_there_is_nothing_to_test() -> None:
    pytest.importorskip("triton", reason="triton is installed for Linux only")
