"""Results as netCDF-4, written with h5py directly: what xarray would write, in a tenth of its time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from h5py import h5a, h5d, h5ds, h5f, h5g, h5p, h5s, h5t

from zoneout_lab.netcdf.familiar import (
    COORDINATES,
    RESERVED,
    TEXT,
    TEXTS,
    Group,
    UnfamiliarError,
    counts_time,
    group_of,
)

_TEXTS_THERE = h5t.py_create(TEXT, logical=True)  # in the file
_NUMBERS = {np.dtype(each): h5t.py_create(np.dtype(each)) for each in ["i4", "i8", "f4", "f8"]}
_IN_ORDER = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
_SCALAR = h5s.create(h5s.SCALAR)
_GROWS_BY = 1 << 18
#: bytes of numbers that are compressed together
_LARGEST_PIECE = 1 << 20
_MOST_FORMS = 16
#: texts that are labels, as the names of layers and states are, are a part of the form where they are no more than these
_MOST_LABELS = 64
#: bytes of numbers that have their place in a form
_LARGEST_PLACE = 1 << 16


class _Form(NamedTuple):
    """What the files of one form have in common.

    Args:
        content: a file with its groups, its variables and their attributes, and labels that are texts. It has no attributes of groups, and zeros in
            place of numbers.
        places: group and name of a variable → where in the file its numbers go, where they lie in one piece.
    """

    content: bytes
    places: Mapping[tuple[str, str], int]


_FORMS: dict[tuple[Any, ...], _Form] = {}

#: the lengths of the pieces in which a variable's numbers are compressed, by its dimensions and values; None: they are not
Pieces = Callable[[tuple[str, ...], npt.NDArray[Any]], tuple[int, ...] | None]


def written(tree: xr.DataTree | Mapping[str, Group | xr.Dataset], pieces: Pieces) -> bytes:
    """A tree, or its groups by their paths, as the bytes of a netCDF-4 file, without touching a disk; the same tree has the same bytes.

    Args:
        tree: every dimension of a group has labels there.
        pieces: how a variable's numbers are compressed.

    Raises UnfamiliarError for a tree that xarray has to write.
    """
    if isinstance(tree, xr.DataTree):
        tree = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    groups = {path: _familiar(each) for path, each in tree.items()}
    form = _form(groups, pieces)
    content = bytearray(form.content)
    for (path, name), place in form.places.items():
        numbers = groups[path].variables[name][1].tobytes()
        content[place : place + len(numbers)] = numbers
    with _in_memory(content) as file:
        for path, group in groups.items():
            there = h5g.open(file, path.encode())
            for name, (dims, values, _) in group.variables.items():
                if (path, name) not in form.places and _labels(name, dims, values) is None:
                    _fill(h5d.open(there, name.encode()), name, values)
            _attributes(there, group.attrs)
        return _image(file)


def _labels(name: str, dims: tuple[str, ...], values: npt.NDArray[Any]) -> tuple[str, ...] | None:
    """The texts that are a part of the form, None where a variable has none."""
    if values.dtype.kind not in "UO" or dims != (name,) or values.size > _MOST_LABELS:
        return None
    texts = values.tolist()
    return tuple(texts) if all(isinstance(text, str) for text in texts) else None


def _form(groups: Mapping[str, Group], pieces: Pieces) -> _Form:
    """The form of the file of such groups. Making it is what most of the time goes into, and runs of a study share it.

    The key has everything that is in a form: what is missing there would be taken from another file.
    """
    key = tuple(
        (
            path,
            name,
            dims,
            values.shape,
            values.dtype.str if values.dtype.kind != "U" else "U",
            pieces(dims, values),
            _labels(name, dims, values),
            *((key, type(value), repr(value)) for key, value in attrs.items()),
        )
        for path, group in groups.items()
        for name, (dims, values, attrs) in (group.variables or {"": ((), np.array(0), {})}).items()
    )
    found = _FORMS.get(key)
    if found is None:
        while len(_FORMS) >= _MOST_FORMS:
            _FORMS.pop(next(iter(_FORMS)), None)
        _FORMS[key] = found = _formed(groups, pieces)
    return found


def _formed(groups: Mapping[str, Group], pieces: Pieces) -> _Form:
    places: dict[tuple[str, str], int] = {}
    with _in_memory() as file:
        numbered = 0
        for path, group in groups.items():
            there = _group(file, path)
            numbered += _declare(there, group, numbered, pieces)
            for name, (dims, values, _) in group.variables.items():
                declared = h5d.open(there, name.encode())
                if _labels(name, dims, values) is not None:
                    _fill(declared, name, values)
                elif values.dtype.kind not in "UO" and (place := declared.get_offset()) is not None:
                    places[path, name] = place
        return _Form(_image(file), places)


@contextmanager
def _in_memory(image: bytearray | None = None) -> Iterator[h5f.FileID]:
    """A new file of HDF5 in memory, or one that goes on from the bytes of another."""
    access, create = h5p.create(h5p.FILE_ACCESS), h5p.create(h5p.FILE_CREATE)
    access.set_fapl_core(_GROWS_BY, False)
    access.set_fclose_degree(h5f.CLOSE_STRONG)  # whatever an error's traceback still holds on to
    if image is None:
        create.set_obj_track_times(False)
        create.set_link_creation_order(_IN_ORDER)
        create.set_attr_creation_order(_IN_ORDER)
        file = h5f.create(b"in memory", h5f.ACC_TRUNC, create, access)
    else:
        access.set_file_image(image)
        file = h5f.open(b"in memory", h5f.ACC_RDWR, access)
    try:
        yield file
    finally:
        file.close()


def _image(file: h5f.FileID) -> bytes:
    h5f.flush(file)
    return bytes(file.get_file_image())


def _group(file: h5f.FileID, path: str) -> h5g.GroupID:
    if path == "/":
        return h5g.open(file, b"/")
    ordered = h5p.create(h5p.GROUP_CREATE)
    ordered.set_obj_track_times(False)
    ordered.set_link_creation_order(_IN_ORDER)
    ordered.set_attr_creation_order(_IN_ORDER)
    return h5g.create(file, path.encode(), gcpl=ordered)


def _familiar(group: Group | xr.Dataset) -> Group:
    """A group as it is written: where a dataset has labels beside those of its dimensions, its variables name them, as netCDF has it."""
    found = group if isinstance(group, Group) else group_of(group)
    if any(COORDINATES in attrs for _, _, attrs in found.variables.values()) or COORDINATES in found.attrs:
        raise UnfamiliarError(f"the attribute {COORDINATES}")
    if isinstance(group, Group) or not (beside := set(group.coords) - set(group.sizes)):
        return found
    named = {
        str(name): sorted(str(each) for each in beside if set(group[each].dims) <= set(values.dims))
        for name, values in group.data_vars.items()
    }
    if {each for names in named.values() for each in names} != beside or not all(group[each].dims for each in beside):
        raise UnfamiliarError(f"coordinates {list(group.coords)}")
    if any(" " in str(each) for each in beside):
        raise UnfamiliarError(f"coordinates {list(group.coords)}")
    for name, names in named.items():
        if names:
            found.variables[name][2][COORDINATES] = " ".join(names)
    return found


def _declare(group: h5g.GroupID, of: Group, first: int, pieces: Pieces) -> int:
    """Declare a group's variables, with what they say of themselves; its dimensions are numbered from ``first``. Returns how many there are."""
    sizes: dict[str, int] = {}
    for name, (dims, values, _) in of.variables.items():
        for dim, length in zip(dims, values.shape, strict=True):
            if sizes.setdefault(dim, length) != length:
                raise ValueError(f"{name} has {length} values along {dim!r}, and others have {sizes[dim]}")
    numbers = {name: first + place for place, name in enumerate(sizes)}
    if not all(sizes.values()) or not sizes.keys() <= of.variables.keys():
        raise UnfamiliarError(f"dimensions {sizes} and variables {list(of.variables)}")
    made = {
        name: _variable(group, name, values, attrs, pieces(dims, values))
        for name, (dims, values, attrs) in of.variables.items()
    }
    for name in numbers:
        h5ds.set_scale(made[name], name.encode())
    for name, (dims, _, _) in of.variables.items():
        if dims:
            along = np.array([numbers[dim] for dim in dims], np.int32)
            _numbers(made[name], "_Netcdf4Coordinates", along)
            _numbers(made[name], "_Netcdf4Dimid", along[:1].reshape(()))
        if name not in numbers:
            for axis, dim in enumerate(dims):
                h5ds.attach_scale(made[name], made[dim], axis)
    return len(numbers)


def _variable(
    group: h5g.GroupID, name: str, values: npt.NDArray[Any], attrs: Mapping[str, Any], pieces: tuple[int, ...] | None
) -> h5d.DatasetID:
    kind, space = values.dtype.kind, h5s.create_simple(values.shape) if values.shape else _SCALAR
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    properties.set_attr_creation_order(_IN_ORDER)
    if kind in "UO":
        made = h5d.create(group, name.encode(), _TEXTS_THERE, space, properties)
    elif values.dtype in _NUMBERS:
        if kind == "f":
            properties.set_fill_value(np.array(np.nan, values.dtype))
        if pieces is not None:
            if (size := math.prod(pieces) * values.itemsize) > _LARGEST_PIECE:
                raise UnfamiliarError(f"{name}: {size} bytes to be compressed together")
            properties.set_chunk(pieces)
            properties.set_shuffle()
            properties.set_deflate(4)
        elif values.nbytes <= _LARGEST_PLACE:
            properties.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        made = h5d.create(group, name.encode(), _NUMBERS[values.dtype], space, properties)
        if kind == "f":
            _numbers(made, "_FillValue", np.array([np.nan], values.dtype))
    else:
        raise UnfamiliarError(f"{name} of {values.dtype}")
    _attributes(made, attrs)
    return made


def _fill(declared: h5d.DatasetID, name: str, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind in "UO":
        declared.write(h5s.ALL, h5s.ALL, _as_texts(values, name), TEXTS)
    else:
        declared.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values), _NUMBERS[values.dtype])


def _as_texts(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    texts = np.empty(values.shape, TEXT)
    for place, text in np.ndenumerate(values):
        if not isinstance(text, str):
            raise UnfamiliarError(f"{name} holds {text!r}")
        texts[place] = text.encode()
    return texts


def _attributes(of: h5g.GroupID | h5d.DatasetID, attrs: Mapping[Any, Any]) -> None:
    for name, value in attrs.items():
        # coordinates are named by this package itself: see `_familiar`
        if (name in RESERVED and name != COORDINATES) or (name == "units" and counts_time(value)):
            raise UnfamiliarError(f"the attribute {name} = {value!r}")
        _attribute(of, name, value)


def _attribute(of: h5g.GroupID | h5d.DatasetID, name: str, value: Any) -> None:
    if isinstance(value, str):
        h5a.create(of, name.encode(), _TEXTS_THERE, _SCALAR).write(np.array(value.encode(), TEXT), TEXTS)
    elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
        _numbers(of, name, np.atleast_1d(value))
    else:
        raise UnfamiliarError(f"the attribute {name} = {value!r}")


def _numbers(of: h5g.GroupID | h5d.DatasetID, name: str, values: npt.NDArray[Any]) -> None:
    if values.dtype not in _NUMBERS:
        raise UnfamiliarError(f"the attribute {name} of {values.dtype}")
    stored = _NUMBERS[values.dtype]
    space = h5s.create_simple(values.shape) if values.shape else _SCALAR
    h5a.create(of, name.encode(), stored, space).write(np.ascontiguousarray(values), stored)
