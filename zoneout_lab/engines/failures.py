"""How training a batch fails: an error that goes to another process, and processes that die of it, counted."""

from __future__ import annotations

import gc
import pickle  # nosec B403 # of errors that our own processes pass on
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.errors import told
from zoneout_lab.frozen import AnyRun
from zoneout_lab.parts.private import is_private

MOST_DEATHS = 3  # processes that one batch may take with it without coming any further


@dataclass
class Deaths:
    """How many processes each batch has taken with it since it last came further.

    Args:
        batches: all of them.
        checkpoints: which say how far they have come; None: a batch never comes further.
    """

    batches: Sequence[Sequence[AnyRun]]
    checkpoints: Checkpoints | None
    _counts: Counter[int] = field(default_factory=Counter)
    _saved: dict[int, int] = field(default_factory=dict)

    def too_many(self, number: int) -> bool:
        """Count one more death of what trained a batch; True where that is the last it is given."""
        saved = self.checkpoints.update_of(self.batches[number]) if self.checkpoints is not None else 0
        self._counts[number] = 1 + (self._counts[number] if saved <= self._saved.get(number, 0) else 0)
        self._saved[number] = saved
        return self._counts[number] >= MOST_DEATHS


def given_up(what: str, how: str, *, by_memory: bool) -> Exception:
    """The error of a batch that has taken too many with it. With ``by_memory``, as where memory runs out, it is one that halves the batch.

    >>> given_up("processes", "died of SIGSEGV", by_memory=False)
    RuntimeError('3 processes in a row that trained this died of SIGSEGV')
    """
    text = f"{MOST_DEATHS} {what} in a row that trained this {how}"
    return MemoryError(f"{text}, as when memory runs out") if by_memory else RuntimeError(text)


def named(batch: Sequence[AnyRun]) -> str:
    """A batch in a sentence: its first run, and how many more."""
    return f"{batch[0].arm} seed {batch[0].seed}" + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")


def to_be_sent(error: Exception) -> Exception:
    """An error as another process can read it, without what its traceback holds, such as a model that did not fit.

    >>> to_be_sent(KeyError("x"))
    KeyError('x')
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    gc.collect()
    return error if _can_be_sent(error) else RuntimeError(told(error))


def _can_be_sent(error: Exception) -> bool:
    """True where another process can read an error: its class is not a user's own, and it survives being copied."""
    if type(error).__module__ == "__mp_main__" or is_private(type(error)):
        return False
    try:
        return isinstance(pickle.loads(pickle.dumps(error)), type(error))  # noqa: S301 # nosec B301 # written here just now
    except Exception:  # noqa: BLE001
        return False
