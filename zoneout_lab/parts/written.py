"""Parts as JSON: where a class (or a training function) comes from, and the fields that a value of it was made with."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError, UsageError, told, unknown
from zoneout_lab.parts import code
from zoneout_lab.parts.base import Part

P = TypeVar("P", bound=Part)


def reference(cls: type, builtin: Mapping[str, type]) -> str:
    """How JSON names a class: by its kind if it is built in, otherwise by its file or module and its name in there.

    ``"zoneout"``, ``"mypkg.cells:MinGRU"``, ``"./half.py:HalfZoneout"``.

    Raises InputRefusedError for a class that no other process could import: defined inside a function or an interactive session, made
    without a class statement, or no longer found under its name.
    """
    for kind, member in builtin.items():
        if member is cls:
            return kind
    return named(cls, "class")


def named(thing: Any, noun: str) -> str:
    """How JSON names a class or function of somebody's own file: the file or module, and its name in there.

    Raises InputRefusedError as :func:`reference` does.
    """
    if "<locals>" in thing.__qualname__:
        where = thing.__qualname__.partition(".<locals>")[0]
        raise InputRefusedError(
            f"{thing.__name__} is defined inside {where}(), where other processes cannot import it; move the {noun} to the top level of its file."
        )
    module = sys.modules.get(thing.__module__)
    if module is not None and _member(module, thing.__qualname__) is not thing:
        raise InputRefusedError(
            f"{getattr(module, '__file__', thing.__module__)} has no {noun} {thing.__qualname__} that is this one; write it as a {noun} statement at "
            "the top level of its file, under a name that nothing else takes."
        )
    file = code.file_of(thing)
    return f"{file.key}:{thing.__qualname__}"


def resolve(name: str, builtin: Mapping[str, type[P]], base: type[P]) -> type[P]:
    """The class that :func:`reference` named.

    It is looked up in the code that is in use (:meth:`zoneout_lab.parts.code.Code.in_use`), and otherwise among the files and modules that
    this process has loaded. A name by itself imports nothing: it may come from a file that somebody else wrote.

    Raises UsageError for an unknown name, InputRefusedError for a file or module that is not loaded, cannot be run or lacks the class.
    """
    if name in builtin:
        return builtin[name]
    noun = base.__name__.lower()
    if ":" not in name:
        raise unknown(noun, name, builtin)
    found = found_as(name, noun)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputRefusedError(f"{name} is not a {noun}: it has to be a class that inherits from {base.__name__}.")
    return found


def found_as(name: str, noun: str) -> Any:
    """What :func:`named` named, looked up as :func:`resolve` does. Raises InputRefusedError as it does."""
    key, _, qualname = name.partition(":")
    try:
        module = code.in_use().module(key)
        if module is None:
            module = code.loaded(key.removeprefix("./")) if key.startswith("./") else sys.modules.get(key)
    except Exception as error:
        raise InputRefusedError(f"The {noun} {name} cannot be imported: {told(error)}.") from error
    if module is None:
        first = (
            "a file that is not loaded: load its study"
            if key.startswith("./")
            else f"a module that is not loaded: import {key}"
        )
        raise InputRefusedError(f"The {noun} {name} comes from {first} first.")
    found = _member(module, qualname)
    if found is None:
        raise InputRefusedError(
            f"{module.__file__} defines no {qualname} when it is imported again; define the {noun} at the top level of its file, outside any "
            "condition."
        )
    return found


def to_json(part: Part, builtin: Mapping[str, type]) -> dict[str, Any]:
    """A part as JSON: its :func:`reference` as ``kind`` and its fields, without those that are None. Parts may hold parts."""
    return {"kind": reference(type(part), builtin)} | field_values(part, builtin)


def field_values(part: Part, builtin: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a part as JSON, without those that are None and those that the class computes itself (``field(init=False)``)."""
    values = {field.name: getattr(part, field.name) for field in fields(part) if field.init}  # type: ignore[arg-type]
    return {name: _written(value, builtin) for name, value in values.items() if value is not None}


def from_json(
    value: Mapping[str, Any] | str,
    builtin: Mapping[str, type[P]],
    base: type[P],
    *,
    formerly: Mapping[str, Callable[..., P]] = MappingProxyType({}),
) -> P:
    """The part that :func:`to_json` wrote; a string alone is a part with every field at its default.

    ``formerly`` maps each kind that is no longer written to the function that makes its values.

    Raises UsageError for an unknown kind or field, InputRefusedError for an impossible value.
    """
    options = {"kind": value} if isinstance(value, str) else dict(value)
    kind = str(options.pop("kind", None))
    make = formerly.get(kind) or resolve(kind, builtin, base)
    if isinstance(make, type) and not hasattr(make, "__dataclass_fields__"):
        raise InputRefusedError(f"{kind} is not a dataclass: write @dataclass(frozen=True) above the class.")
    known = inspect.signature(make).parameters
    if set(options) - set(known):
        strange, listed = min(set(options) - set(known)), ", ".join(sorted(known)) or "none"
        raise UsageError(f"{kind} has no option {strange!r}. Known: {listed}.")
    if missing := [name for name, p in known.items() if p.default is p.empty and name not in options]:
        raise UsageError(f"{kind} needs a value for {missing[0]!r}.")

    def read(option: Any) -> Any:
        if isinstance(option, Mapping) and "kind" in option:
            return from_json(option, builtin, base, formerly=formerly)
        # fields of frozen values are tuples
        return tuple(map(read, option)) if isinstance(option, list | tuple) else option

    return make(**{name: read(option) for name, option in options.items()})


def _written(value: Any, builtin: Mapping[str, type]) -> Any:
    if isinstance(value, Part):
        return to_json(value, builtin)
    if isinstance(value, list | tuple):
        return [_written(each, builtin) for each in value]
    return plain(value)


def _member(module: Any, qualname: str) -> Any:
    found = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found
