"""10,000 generated specs, options, results folders and data files: documented errors only, nothing outside the folder, nothing executed.

With a few hundred examples it was seen to fail where a name that is read imports a module (`sys.modules.get` in `parts/written.py`), where
records of any shape are believed (each check of `recorded.py`), where anything that HDF5 raises is not caught (`schema.read_tree`), where a
damaged archive's error is not (`tasks/corpus.py`), and where a text's codes are written beside the folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing import generate


@pytest.mark.faults
@pytest.mark.slow
def test_ten_thousand(tmp_path: Path) -> None:
    generate(10_000, tmp_path, 7200)
