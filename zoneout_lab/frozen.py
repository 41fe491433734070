"""Immutable values that JSON holds, what they are known by, and what every run is made of. Without torch."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.explained import refused

# an infinite number is refused by the field or the task that it is for, which can say so in one sentence
Option = int | Annotated[float, Field(allow_inf_nan=True)] | str | bool
Value = Option | tuple[Option, ...]
#: name of a parameter of a training function → its value, which is what JSON can hold: numbers, texts, truth values, None, and lists and
#: mappings of these
Params = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], JsonValue],
    BeforeValidator(lambda value: _as_lists(value)),
]


def _as_lists(value: Any, at: str = "") -> Any:
    """Tuples as JSON has them. Raises InputRefusedError, by its place, for what JSON cannot hold."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _as_lists(each, f"{at}[{key!r}]") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_lists(each, f"{at}[{place}]") for place, each in enumerate(value)]
    if at and (not isinstance(value, bool | int | float | str | None) or _is_infinite_or_nan(value)):
        raise InputRefusedError(
            f"params{at} is {value!r:.100}; a parameter is a finite number, a text, True, False or None, or lists and dicts of these with texts as keys. "
            "Give a date or a path as text."
        )
    return value


def _is_infinite_or_nan(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


if TYPE_CHECKING:
    _Base = BaseModel
else:

    class _Kind(type(BaseModel)):
        """Errors of values made in Python are in this package's words. ``model_validate``, which reads JSON, still raises pydantic's own."""

        def __call__(cls, *arguments: Any, **values: Any) -> Any:
            try:
                return super().__call__(*arguments, **values)
            except ValidationError as error:
                raise refused(error, cls.__name__, cls.model_fields) from None

    class _Base(BaseModel, metaclass=_Kind):
        pass


class Frozen(_Base):
    """An immutable value read from JSON as strictly as it was written: unknown fields are errors. Numbers are finite; they may be NumPy's or torch's.

    One that cannot be is refused with InputRefusedError where it is made in Python, and with pydantic's ValidationError where ``model_validate`` reads it.
    Both are a ValueError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        cls.__signature__ = _as_written(cls)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        try:
            return plain(values)
        except RecursionError:
            raise InputRefusedError("A value holds itself, or is nested too deeply.") from None


class _Written(str):
    """An annotation that is shown as its source has it."""

    def __repr__(self) -> str:
        return str(self)


def _as_written(kind: type[BaseModel]) -> inspect.Signature:
    """A signature with annotations as the source has them: evaluated, with their validators, those of a study fill a page."""
    written = {
        name: annotation
        for each in reversed(kind.__mro__)
        for name, annotation in inspect.get_annotations(each).items()
        if isinstance(annotation, str)
    }
    found = inspect.signature(kind)
    return found.replace(
        parameters=[
            each.replace(annotation=_Written(written[each.name])) if each.name in written else each
            for each in found.parameters.values()
        ]
    )


class Growing(Frozen):
    """A value with fields that came later: they are left out of its JSON where they have their default, so that older values keep their hash."""

    later: ClassVar[tuple[str, ...]]

    @model_serializer(mode="wrap")
    def _without_later(self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        return without_later(self, serialize(self), info)


def without_later(value: Growing, out: dict[str, Any], info: SerializationInfo) -> dict[str, Any]:
    """The JSON of a value without the fields that came later and have their default."""
    if info.mode == "json":
        for name in value.later:
            if getattr(value, name) == type(value).model_fields[name].default:  # get_default() copies it each time
                out.pop(name, None)
    return out


def check_value(name: str, value: Any) -> None:
    """Refuse what is not a :data:`Value`, by its name. Raises InputRefusedError.

    >>> check_value("options.path", b"book.txt")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: options.path is b'book.txt'; it has to be a number, a string, true or false, or a tuple of these.
    """
    for each in value if isinstance(value, list | tuple) else (value,):
        if not isinstance(each, int | float | str):
            raise InputRefusedError(
                f"{name} is {value!r}; it has to be a number, a string, true or false, or a tuple of these."
            )


class Seeds(Frozen):
    """The three seeds of a run, varied separately: initial weights, order of the data, masks (or any other noise).

    >>> Seeds(init=1, data=2, masks=3).noise
    3
    """

    init: int
    data: int
    masks: int

    @property
    def noise(self) -> int:
        """The seed of masks, by the name that other noise has."""
        return self.masks


class AnyRun(Growing):
    """Everything a run is a function of: one arm × seed. Its :attr:`id` is the hash of it.

    What trains it adds what it is trained with: :class:`~zoneout_lab.settings.Run`, or a run of somebody's own training function.
    """

    arm: str
    seed: int
    seeds: Seeds
    code: dict[str, str] = Field({}, description="own files that it needs → digest of what they do")

    later: ClassVar[tuple[str, ...]] = ("code",)

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the run as canonical JSON."""
        return content_hash(self)


def content_hash(value: BaseModel, length: int = 16) -> str:
    """SHA-256 of a value as canonical JSON, shortened."""
    text = json.dumps(value.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
