"""What these tests share with those of training."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("study", "training"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
