"""10,000 generated specs, options, results folders and data files: documented errors only, nothing outside the folder, nothing executed.

It was seen to fail where a name that is read imports a module (`parts/written.py`, `sys.modules.get`), where records of any shape are
believed (`recorded.py`), where a text's codes are written beside the folder (`tasks/corpus.py`) and where an array's announced size is
(`tasks/array_headers.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing import generate


@pytest.mark.faults
def test_ten_thousand(tmp_path: Path) -> None:
    generate(10_000, tmp_path, 7200)
