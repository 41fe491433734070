"""No regularization: the plain recurrence, as a value that can stand in a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class NoRegularizer(Regularizer):
    """The recurrence as it is.

    >>> NoRegularizer().sites()
    {}
    """

    kind: ClassVar[str] = "none"
