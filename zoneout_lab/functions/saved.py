"""What a training function saves of itself, as bytes without pickle: plain values, NumPy arrays and torch tensors, in lists, tuples and mappings.

A file is NumPy's ``.npz``: ``tree`` is the structure as JSON, ``a0``, ``a1``, … are arrays, ``bytes`` what is bytes, and ``tensors`` the
torch tensors in torch's own format, which is read with ``weights_only``.
"""

from __future__ import annotations

import io
import json
import sys
from collections import OrderedDict
from typing import Any

import numpy as np

from zoneout_lab.errors import InputRefusedError, shown

_KINDS = "biufcSUmM"  # of arrays that need no pickle
_DECIMAL = 1 << 10  # bits of integers that are written in decimal
_MAPPINGS = (dict, OrderedDict)  # any other would come back as a plain dict, and behave otherwise


def packed(content: Any) -> bytes:
    """A value as bytes. Raises InputRefusedError, by its place, for what is of no known kind.

    >>> unpacked(packed({"epoch": 3, "weights": np.ones(2), "seen": (1, b"x")}))
    {'epoch': 3, 'weights': array([1., 1.]), 'seen': (1, b'x')}
    >>> packed({"model": object})
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: ['model'] is <class 'object'>, a type, and cannot be saved. Save numbers, texts, bytes, NumPy arrays and torch tensors, in lists, tuples and dicts: of a model its state_dict(), or its bytes.
    """
    arrays: dict[str, Any] = {}
    tensors: list[Any] = []
    tree = _tree(content, "", arrays, tensors)
    arrays["tree"] = _as_array(json.dumps(tree).encode())
    if tensors:
        import torch

        file = io.BytesIO()
        torch.save([_alone(each) for each in tensors], file)
        arrays["tensors"] = _as_array(file.getvalue())
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def check_saved(content: Any) -> None:
    """Raise InputRefusedError where :func:`packed` would, without making the bytes."""
    _tree(content, "", {}, [])


def unpacked(content: bytes) -> Any:
    """The value that :func:`packed` made bytes of. Tensors come back in main memory."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        tree = json.loads(arrays["tree"].tobytes())
        tensors = []
        if "tensors" in arrays:
            import torch

            tensors = torch.load(io.BytesIO(arrays["tensors"].tobytes()), map_location="cpu", weights_only=True)
        return _value(tree, arrays, tensors)


def _as_array(content: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(content, dtype=np.uint8)


def _tree(value: Any, at: str, arrays: dict[str, Any], tensors: list[Any]) -> Any:
    """A value as JSON: plain ones as they are, any other as a list of its kind and what it takes."""
    if value is None or isinstance(value, bool | str):
        return value
    if type(value) in (int, float):
        # which Python writes in decimal up to 4,300 digits
        return value if isinstance(value, float) or value.bit_length() <= _DECIMAL else ["integer", hex(value)]
    torch = sys.modules.get("torch")  # without which there is no tensor
    if torch is not None and isinstance(value, torch.Tensor) and type(value.detach()) is torch.Tensor:
        tensors.append(value.detach())
        return ["tensor", len(tensors) - 1]
    if isinstance(value, bytes | bytearray):
        return _array(_as_array(bytes(value)), "bytes", arrays)
    special = isinstance(value, np.ma.MaskedArray | np.matrix)  # whose mask, or arithmetic, would be lost
    if isinstance(value, np.ndarray | np.generic) and not special and np.asarray(value).dtype.kind in _KINDS:
        return _array(np.asarray(value), "scalar" if isinstance(value, np.generic) else "array", arrays)
    if type(value) in _MAPPINGS:
        pairs = [
            [_tree(key, f"{at} key", arrays, tensors), _tree(each, f"{at}[{shown(key)}]", arrays, tensors)]
            for key, each in value.items()
        ]
        return ["mapping", pairs]
    if type(value) in (list, tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, [_tree(each, f"{at}[{place}]", arrays, tensors) for place, each in enumerate(value)]]
    raise InputRefusedError(
        f"{at or 'It'} is {shown(value)}, a {type(value).__name__}, and cannot be saved. Save numbers, texts, bytes, NumPy arrays and torch tensors, in "
        "lists, tuples and dicts: of a model its state_dict(), or its bytes."
    )


def _alone(tensor: Any) -> Any:
    """A tensor without what lies beside it in memory: torch saves all of the storage that a tensor is a part of."""
    import torch

    part = tensor.layout == torch.strided and tensor.untyped_storage().nbytes() > tensor.nbytes
    return tensor.clone() if part else tensor


def _array(value: Any, kind: str, arrays: dict[str, Any]) -> list[Any]:
    name = f"a{len(arrays)}"
    arrays[name] = value
    return [kind, name]


def _value(tree: Any, arrays: Any, tensors: list[Any]) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, what = tree
    if kind == "integer":
        return int(what, 16)
    if kind == "tensor":
        return tensors[what]
    if kind == "bytes":
        return arrays[what].tobytes()
    if kind in ("array", "scalar"):
        return arrays[what] if kind == "array" else arrays[what][()]
    if kind == "mapping":
        return {_value(key, arrays, tensors): _value(each, arrays, tensors) for key, each in what}
    made = [_value(each, arrays, tensors) for each in what]
    return made if kind == "list" else tuple(made)
