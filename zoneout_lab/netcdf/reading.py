"""Reading the netCDF-4 files of this package with h5py directly: what xarray gives, in a fiftieth of the time."""

from __future__ import annotations

import io
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr
from h5py import h5a, h5d, h5f, h5g, h5s, h5t

from zoneout_lab import hdf5
from zoneout_lab.netcdf.familiar import (
    CODED,
    COORDINATES,
    OF_DIMENSIONS,
    TEXT,
    TEXTS,
    Group,
    UnfamiliarError,
    Variable,
    group_of,
)

_SIZE_OF_TEXT = 16
_SMALL = 1 << 20  # values
_NUMBERS = {
    np.dtype(each): h5t.py_create(np.dtype(each))
    for each in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
}
#: names and sizes of attributes, and the attributes, by the path of a group and the name of a variable in it
Described = dict[tuple[str, str], tuple[list[tuple[bytes, int]], dict[str, Any]]]
_OF_DIMENSIONS = frozenset(name.encode() for name in OF_DIMENSIONS)
#: how xarray is asked for the numbers of a file as they are there: a unit alone makes no date of one
_NUMBERS_ALONE: dict[str, Any] = {"engine": "h5netcdf", "decode_times": False, "decode_timedelta": False}
_LONGEST = len("This is a netCDF dimension but not a netCDF variable")


def read(content: bytes, alike: Described | None = None, only: Container[str] | None = None) -> dict[str, Group]:
    """The groups of a file, by path, from its bytes.

    Args:
        content: of the file.
        alike: what variables of files read before say of themselves, and is written to. A variable that says as much under the same
            names is given what the first one says, which takes half the time; for files of which only the first is asked.
        only: the paths of the groups that are wanted, beside the root; None: all.

    Raises ValueError where :func:`~zoneout_lab.hdf5.walk` refuses the file, UnfamiliarError where it holds what is not known here, and what
    h5py raises where it is damaged.
    """
    file = h5f.open_file_image(content)
    try:
        groups = {"/": _group(h5g.open(file, b"/"))}
        found: dict[str, list[hdf5.Found]] = {}
        for one in hdf5.walk(file, len(content), into=only):
            if isinstance(one.each, h5g.GroupID):
                path = f"{one.path.rstrip('/')}/{one.name}"
                if only is None or path in only:
                    groups[path] = _group(one.each)
            elif one.shape is None or one.name.startswith("_nc4_non_coord_"):
                raise UnfamiliarError(one.name)
            else:
                found.setdefault(one.path, []).append(one)
        for path, variables in found.items():
            dims = _dimensions(variables)
            groups[path].variables.update({one.name: _variable(one, dims, alike) for one in variables})
    finally:
        file.close()
    return groups


def groups(content: bytes, alike: Described | None = None, only: Container[str] | None = None) -> dict[str, Group]:
    """What :func:`read` gives, also of a file that xarray has to read. Coordinates that are not a dimension's labels become variables.

    Raises what :func:`read` and xarray raise of a file that is hostile or damaged.
    """
    try:
        found = read(content, alike, only)
        return groups_of(tree_of(found)) if any(map(_named_coordinates, found.values())) else found
    except UnfamiliarError:
        found = groups_of(_by_xarray(content))
        return {path: group for path, group in found.items() if only is None or path == "/" or path in only}


def tree(content: bytes) -> xr.DataTree:
    """The same as a tree in memory, with all coordinates."""
    try:
        return tree_of(read(content))
    except UnfamiliarError:
        return _by_xarray(content)


def lazy_tree(file: BinaryIO, size: int) -> xr.DataTree:
    """A tree of an open file of so many bytes, from which numbers are read when they are first used. Raises as :func:`groups` does."""
    hdf5.check_contents(file, size, in_memory=False)
    opened = xr.open_datatree(file, **_NUMBERS_ALONE)
    opened = xr.DataTree.from_dict({node.path: _dated(node) for node in opened.subtree})
    for node in opened.subtree:
        for variable in node.dataset.variables.values():
            # what is compressed has checksums, which are looked at again when it is read
            if not variable.encoding.get("zlib") and variable.size <= _SMALL:
                variable.load()
            variable.encoding.clear()  # of this file, and not of what is made of it
    return opened


def _by_xarray(content: bytes) -> xr.DataTree:
    file = io.BytesIO(content)
    hdf5.check_contents(file, len(content))
    with xr.open_datatree(file, **_NUMBERS_ALONE) as lazy:
        # DataTree.load() leaves out a variable that is called like its group
        return xr.DataTree.from_dict({node.path: _dated(node).load() for node in lazy.subtree})


def _dated(node: xr.DataTree) -> xr.Dataset:
    """A group whose dates and spans of time are such where xarray wrote them as such, and said so beside their unit."""
    dataset = node.to_dataset(inherit=False)
    times = {
        str(name): "calendar" in each.attrs or str(each.attrs.get("dtype")).startswith("timedelta64")
        for name, each in dataset.variables.items()
    }
    if not any(times.values()):
        return dataset
    return xr.decode_cf(dataset, mask_and_scale=False, decode_coords=False, decode_times=times, decode_timedelta=times)


def groups_of(tree: xr.DataTree) -> dict[str, Group]:
    """The groups of a tree in memory."""
    return {node.path: group_of(node.to_dataset(inherit=False)) for node in tree.subtree}


def tree_of(groups: Mapping[str, Group | xr.Dataset]) -> xr.DataTree:
    """Groups as a tree of xarray; a variable that is called like its dimension is a coordinate."""
    return xr.DataTree.from_dict({path: _dataset(group) for path, group in groups.items()})


def _dataset(group: Group | xr.Dataset) -> xr.Dataset:
    if isinstance(group, xr.Dataset):
        return group
    beside = _named_coordinates(group)
    variables = dict(group.variables)
    if beside:
        variables = {
            name: (dims, values, {k: v for k, v in attrs.items() if k != COORDINATES})
            for name, (dims, values, attrs) in variables.items()
        }
    coords = {name: each for name, each in variables.items() if name in each[0] or name in beside}
    return xr.Dataset({name: each for name, each in variables.items() if name not in coords}, coords, group.attrs)


def _named_coordinates(group: Group) -> set[str]:
    """The variables that others name as their coordinates, as netCDF writes those that are not a dimension's labels."""
    named = {name for _, _, attrs in group.variables.values() for name in str(attrs.get(COORDINATES, "")).split()}
    if not named <= set(group.variables):
        raise UnfamiliarError(f"coordinates {sorted(named)}")
    return named


def _group(of: h5g.GroupID) -> Group:
    attrs = _attributes(of, _listed(of))
    if COORDINATES in attrs:  # of those that no variable has
        raise UnfamiliarError(f"coordinates {attrs[COORDINATES]}")
    return Group(attrs)


def _dimensions(variables: list[hdf5.Found]) -> dict[int, tuple[str, int]]:
    """The names and lengths of a group's dimensions, by their numbers in the file."""
    dims: dict[int, tuple[str, int]] = {}
    for _, name, each, shape in variables:
        if shape is not None and h5a.exists(each, b"CLASS"):
            number = int(_numbers(each, b"_Netcdf4Dimid", ()))
            # a dimension without labels is there as one with a longer name
            if len(shape) != 1 or number in dims or h5a.get_info(each, b"NAME").data_size >= _LONGEST:
                raise UnfamiliarError(name)
            dims[number] = name, shape[0]
    return dims


def _variable(found: hdf5.Found, dims: Mapping[int, tuple[str, int]], alike: Described | None) -> Variable:
    path, name, of, shape = found
    numbers = _numbers(of, b"_Netcdf4Coordinates", (len(shape),)).tolist() if shape else ()
    along = [dims.get(number, ("", -1)) for number in numbers]
    if [length for _, length in along] != list(shape or ()):
        raise UnfamiliarError(f"dimensions {along}")
    values, listed = _values(of, shape or ()), _listed(of)
    known = (alike or {}).get((path, name))
    if known is not None and known[0] == listed:
        attrs = known[1]
    else:
        attrs = _attributes(of, listed, values.dtype)
        # units of time alone are no code: see `_dated`
        if not np.isnan(attrs.pop("_FillValue", np.nan)) or not CODED.isdisjoint(attrs):
            raise UnfamiliarError(f"coded values: {attrs}")
        if alike is not None and known is None:
            alike[path, name] = listed, attrs
    return tuple(name for name, _ in along), values, attrs


def _values(of: h5d.DatasetID, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    dtype = of.dtype
    if dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None:
        raw = np.empty(shape, TEXT)
        of.read(h5s.ALL, h5s.ALL, raw, TEXTS)
        texts = [text.decode("utf-8", "surrogateescape") for text in raw.flat]
        return np.array(texts, f"<U{max(map(len, texts), default=1) or 1}").reshape(shape)
    if dtype not in _NUMBERS:
        raise UnfamiliarError(str(dtype))
    values = np.empty(shape, dtype)
    of.read(h5s.ALL, h5s.ALL, values, _NUMBERS[dtype])
    return values


def _listed(of: h5g.GroupID | h5d.DatasetID) -> list[tuple[bytes, int]]:
    """The names of attributes, and how many bytes each has; those by which netCDF-4 keeps dimensions are left out."""
    listed: list[tuple[bytes, int]] = []
    h5a.iterate(of, lambda name, info: listed.append((name, info.data_size)), info=True)
    return [each for each in listed if each[0] not in _OF_DIMENSIONS]


def _attributes(
    of: h5g.GroupID | h5d.DatasetID, listed: list[tuple[bytes, int]], of_type: np.dtype[Any] | None = None
) -> dict[str, Any]:
    return {
        name.decode("utf-8", "surrogateescape"): _attribute(
            h5a.open(of, name), size, of_type if name == b"_FillValue" else None
        )
        for name, size in listed
    }


def _attribute(of: h5a.AttrID, size: int, of_type: np.dtype[Any] | None) -> Any:
    if of_type in _NUMBERS and of_type is not None and size == of_type.itemsize:
        value = np.empty(1, of_type)
        with suppress(OSError, TypeError):
            of.read(value, _NUMBERS[of_type])  # asking for its type takes longer
            return value[0]
    if size == _SIZE_OF_TEXT:
        text = np.empty((), TEXT)
        with suppress(OSError, TypeError):  # other things may have that size
            of.read(text, TEXTS)
            return text.item().decode("utf-8", "surrogateescape")
    if (dtype := of.dtype) not in _NUMBERS or size != dtype.itemsize:
        raise UnfamiliarError(of.name.decode("utf-8", "surrogateescape"))
    values = np.empty(of.shape, dtype)
    of.read(values, _NUMBERS[dtype])
    return values.flat[0]


def _numbers(of: h5d.DatasetID, name: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    numbers = np.empty(shape, np.int32)
    if not h5a.exists(of, name) or h5a.get_info(of, name).data_size != numbers.nbytes:
        raise UnfamiliarError(name.decode())
    try:
        h5a.open(of, name).read(numbers, _NUMBERS[numbers.dtype])
    except TypeError as error:  # of another shape
        raise UnfamiliarError(name.decode()) from error
    return numbers
