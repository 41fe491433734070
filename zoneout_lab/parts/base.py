"""What every part of a study has in common."""

from __future__ import annotations

from typing import Any, ClassVar


class Part:
    """Base of regularizers, cells, tasks and measures: frozen dataclasses, made again from the values of their fields alone.

    ``kind`` is the name that people read. A class that sets none goes by its own name, not by its parent's.

    >>> class Half(Part): ...
    >>> Half.kind
    'Half'
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" not in cls.__dict__:
            cls.kind = cls.__name__
