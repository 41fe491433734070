"""Checks of a user's own part, made before anything is written or trained."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any, TypeVar

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError, told
from zoneout_lab.parts.base import Part
from zoneout_lab.parts.code import Code
from zoneout_lab.parts.source import defines
from zoneout_lab.parts.written import field_values, from_json, reference, to_json

P = TypeVar("P", bound=Part)


def check_class(cls: type, builtin: Mapping[str, type[P]], base: type[P]) -> None:
    """Refuse a class that cannot be a part: by name, in a sentence that says what to change.

    Args:
        cls: built in or a user's own.
        builtin, base: what is built in of this kind, and the class to inherit from.

    Raises InputRefusedError.
    """
    if any(member is cls for member in builtin.values()):
        return
    noun = base.__name__.lower()
    if not isinstance(cls, type):
        raise InputRefusedError(
            f"{str(cls)[:60]!r} is not a {noun}: it has to be a class that inherits from {base.__name__}."
        )
    name = cls.__name__
    if not issubclass(cls, base):
        raise InputRefusedError(f"{name} is not a {noun}: it has to inherit from {base.__name__}.")
    where = reference(cls, builtin)
    # without a decorator of its own a class has its base's __init__, and would lose its own fields
    own_fields = [n for n, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind)]
    made = getattr(cls, "__dataclass_params__", None)
    if made is None or ("__dataclass_params__" not in cls.__dict__ and own_fields):
        raise InputRefusedError(f"{where} is not a dataclass: write @dataclass(frozen=True) above the class.")
    if not made.frozen:
        raise InputRefusedError(
            f"{where} can be changed after it is made: write @dataclass(frozen=True) above the class."
        )
    if not made.eq:
        raise InputRefusedError(f"{where}: two values of equal fields have to be equal; leave out eq=False.")
    _check_fields(where, cls)
    if cls.kind in builtin:
        raise InputRefusedError(f"{where} has the kind {cls.kind!r}, which is built in; give it another kind.")
    if absent := sorted(getattr(cls, "__abstractmethods__", ())):
        raise InputRefusedError(f"{where} lacks {absent[0]}, which every {noun} has: {_first_line(base, absent[0])}")
    overridden = _overridden(cls, base)
    if not overridden:
        raise InputRefusedError(f"{where} would do nothing: define one or more of {', '.join(_methods(base))}.")
    for method, given in overridden:
        _check_signature(where, method, inspect.getattr_static(base, method), given)


def check_part(part: P, builtin: Mapping[str, type[P]], base: type[P]) -> None:
    """Refuse a part that another process could not make again from its JSON; the parts in its fields are checked too.

    Raises InputRefusedError.
    """
    own = [type(each) for each in parts_of(part) if type(each) not in builtin.values()]
    for cls in own:
        check_class(cls, builtin, base)
    if not own:
        return
    written = _check_json(part, builtin)
    _check_again(part, own, builtin)
    with Code.of(own).in_use():
        back = from_json(written, builtin, base)
    for each, made in reversed(
        list(zip(parts_of(part), parts_of(back), strict=False))
    ):  # a part after those that it holds
        _check_same(each, made, reference(type(each), builtin))


def _check_same(part: Part, made: Part, name: str) -> None:
    for field in fields(part):  # type: ignore[arg-type]
        before, after = getattr(part, field.name), getattr(made, field.name, None)
        if _equal(before, after):
            continue
        if not field.init or _survives(before):
            raise InputRefusedError(
                f"{name}: its field {field.name} is {before!r} and becomes {after!r} when the part is made again from its fields, so something "
                "changes them as it is made, __post_init__ for example. Keep fields as given, and compute from them in a property."
            )
        raise InputRefusedError(
            f"{name}: its field {field.name} is {before!r} and comes back from JSON as {after!r}. A field may hold a number, a string, true "
            "or false, a tuple of these, or another part; None only as its default."
        )


def check_kinds(classes: Iterable[type[Part]]) -> None:
    """Refuse two classes of a user's own that go by one kind: a report could not tell them apart.

    Args:
        classes: of one study, each as often as it is used.

    Raises InputRefusedError.
    """
    kinds: dict[str, type[Part]] = {}
    for cls in classes:
        other = kinds.setdefault(cls.kind, cls)
        if other is cls or "zoneout_lab" in (each.__module__.partition(".")[0] for each in (cls, other)):
            continue
        one, two = reference(other, {}), reference(cls, {})
        if one != two:  # the same file may have been loaded twice
            raise InputRefusedError(
                f"{one} and {two} are two classes of the kind {cls.kind!r}; give one of them another name, or a kind of its own: kind = ..."
            )


def parts_of(part: Part) -> list[Part]:
    """The part and all parts in its fields, at any depth."""
    found = [part]
    names: list[str] = [field.name for field in fields(part)] if is_dataclass(part) else []
    for value in (getattr(part, name) for name in names):
        for each in value if isinstance(value, list | tuple) else (value,):
            found += parts_of(each) if isinstance(each, Part) else []
    return found


def _check_json(part: Part, builtin: Mapping[str, type]) -> Any:
    for each in parts_of(part):
        for name, value in field_values(each, builtin).items():
            if _has_kind(getattr(each, name)):
                raise InputRefusedError(
                    f"{reference(type(each), builtin)}: its field {name} is {getattr(each, name)!r}, and 'kind' is how JSON names a part; give "
                    "that key of the dictionary another name."
                )
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise InputRefusedError(
                    f"{reference(type(each), builtin)}: its field {name} is {value!r}, which JSON cannot carry. A field may hold a finite "
                    "number, a string, true or false, a tuple of these, or another part."
                ) from error
    return json.loads(json.dumps(to_json(part, builtin)))


def _has_kind(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_kind, value))
    return isinstance(value, Mapping) and "kind" in value


def _check_again(part: Part, own: list[type], builtin: Mapping[str, type]) -> None:
    """Load the files again, as a worker does, and check that the classes are there."""
    code = Code.of(own)
    for cls in own:
        where = reference(cls, builtin)
        key = where.partition(":")[0]
        file = next(file for file in code.files if file.key == key)
        if file.module == "__main__":  # not run again here, because it may start a study
            there = defines(file.source, cls.__qualname__.partition(".")[0])
        elif key.startswith("./"):
            try:
                module = code.again(key)
            except Exception as error:
                raise InputRefusedError(
                    f"{file.path} cannot be imported again, as other processes do: {told(error)}."
                ) from error
            there = hasattr(module, cls.__qualname__.partition(".")[0])
        else:
            there = True
        if not there:
            raise InputRefusedError(
                f"{file.path} defines {cls.__qualname__} only under a condition that does not hold in other processes; define it at the top "
                "level."
            )


def _survives(value: Any) -> bool:
    """True for a value that JSON carries as it is."""
    if isinstance(value, tuple):
        return type(value) is tuple and all(map(_survives, value))
    return type(plain(value)) in (bool, int, float, str)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Part) and isinstance(other, Part):
        return type(one).__qualname__ == type(other).__qualname__ and all(
            _equal(getattr(one, field.name), getattr(other, field.name))
            for field in fields(one)  # type: ignore[arg-type]
        )
    if type(plain(one)) is not type(other):  # an Enum's member equals its value, and a NamedTuple a tuple
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    try:
        return bool(one == other)
    except (TypeError, ValueError, RuntimeError):  # an array is equal in places
        return False


def _check_fields(where: str, cls: type) -> None:
    kept = [field.name for field in fields(cls) if field.init]
    if "kind" in kept:
        raise InputRefusedError(
            f"{where}: kind is a field, and has to be the same for all of the class: kind: ClassVar[str] = ..."
        )
    for name, p in inspect.signature(cls).parameters.items():
        if name not in kept and p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise InputRefusedError(
                f"{where} is made with {name!r}, which is not one of its fields, so it could not be made again from them; make it a field."
            )


def _overridden(cls: type, base: type) -> list[tuple[str, Any]]:
    """The base's methods and properties that a class overrides."""
    there = ((name, inspect.getattr_static(cls, name)) for name in _methods(base))
    return [(name, given) for name, given in there if given is not vars(base)[name]]


def _methods(base: type) -> list[str]:
    return [n for n, v in vars(base).items() if not n.startswith("_") and isinstance(v, FunctionType | property)]


def _check_signature(where: str, name: str, wanted: Any, given: Any) -> None:
    if isinstance(wanted, property):
        if callable(given):
            raise InputRefusedError(f"{where}: {name} is a method and has to be a property; write @property above it.")
        return
    if not isinstance(given, FunctionType):
        raise InputRefusedError(f"{where}: {name} has to be a method: def {name}{inspect.signature(wanted)}.")
    parameters = inspect.signature(wanted).parameters.values()
    by_name = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    in_order = [None for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    try:
        inspect.signature(given).bind(*in_order, **by_name)
    except TypeError as error:
        shown = ", ".join(
            p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters if p.name != "self"
        )
        raise InputRefusedError(
            f"{where}: {name}{inspect.signature(given)} is called as {name}({shown}): {error}."
        ) from error


def _first_line(base: type, name: str) -> str:
    text = inspect.getdoc(inspect.getattr_static(base, name)) or f"see {base.__name__}.{name}."
    return text.splitlines()[0]
