"""An interrupt that is not forgotten: a library's own clean-up may swallow the exception that Ctrl-C raises."""

from __future__ import annotations

from types import FrameType

#: whether the command that runs keeps what it has finished: it sets this, and what is said of an interrupt depends on it
results_kept = False
_asked = False


def handle(_number: int, _frame: FrameType | None) -> None:
    """Signal handler: remember, and raise KeyboardInterrupt as Python's own does."""
    global _asked
    _asked = True
    raise KeyboardInterrupt


def check() -> None:
    """Raise KeyboardInterrupt if an interrupt has come at any time."""
    if _asked:
        raise KeyboardInterrupt
