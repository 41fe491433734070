"""What a training function saves comes back as it was, and nothing in it is executed."""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.functions.saved import packed, unpacked


class Step(NamedTuple):
    at: int
    loss: float


class Options(dict[str, int]):
    pass


class Own(torch.Tensor):
    pass


def test_plain_values_come_back_as_they_were():
    value = {
        "none": None, "yes": True, "large": 2**130, "small": 5e-324, "text": "ü\n", "bytes": b"\x00\xff", 3: "key",
        ("a", 1): [(), [], {}, (1, (2, [3]))], "nan": float("inf"),
    }  # fmt: skip
    assert unpacked(packed(value)) == value
    assert isinstance(unpacked(packed({"t": (1,)}))["t"], tuple)


def test_arrays_and_scalars_of_numpy_keep_dtype_and_shape():
    value = {"f": np.float32([[1.5, np.nan]]), "s": np.float16(0.1), "i": np.arange(3, dtype=np.uint8), "c": np.array(2 + 1j), "u": np.array(["a", "bc"]), "empty": np.empty((0, 3))}  # fmt: skip
    back = unpacked(packed(value))
    for name, each in value.items():
        assert np.asarray(back[name]).dtype == np.asarray(each).dtype
        np.testing.assert_array_equal(back[name], each)
    assert isinstance(back["s"], np.float16)


def test_integers_of_any_length_come_back():
    """Python writes no more than 4,300 digits in decimal."""
    value = {"p": 7**9000, "m": [-(7**9000)], 7**9000: 1, "b": 2**1024}
    assert unpacked(packed(value)) == value


def test_of_a_large_tensor_what_is_seen_is_saved_and_no_more():
    large = torch.arange(200_000, dtype=torch.float64)
    part = large[1000:3000:100]
    content = packed({"part": part, "transposed": large[:6].view(2, 3).T})
    assert len(content) < 5_000
    assert torch.equal(unpacked(content)["part"], part)
    assert torch.equal(unpacked(content)["transposed"], large[:6].view(2, 3).T)
    tied = unpacked(packed([large, large]))
    assert tied[0].data_ptr() == tied[1].data_ptr()


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(1)
    rng.random(3)
    state = unpacked(packed(rng.bit_generator.state))
    other = np.random.default_rng()
    other.bit_generator.state = state
    assert other.random() == rng.random()


def test_a_model_and_its_optimizer_go_on_where_they_were():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    back = unpacked(
        packed({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()})
    )
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(back["model"])
    again = torch.optim.Adam(other.parameters())
    again.load_state_dict(back["optimizer"])
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(again.state[other.weight]["exp_avg"], optimizer.state[model.weight]["exp_avg"])
    torch.set_rng_state(back["rng"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int8, torch.complex64])
def test_tensors_of_every_type(dtype):
    tensor = torch.ones(2, 1).to(dtype)
    assert torch.equal(unpacked(packed([tensor]))[0], tensor)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"model": torch.nn.Linear(1, 1)}, "['model'] is Linear"),
        ([1, {"f": print}], "[1]['f'] is <built-in function print>"),
        ({"o": np.array([object()], dtype=object)}, "['o'] is array"),
        ({1, 2}, "It is {1, 2}"),
        ({"seen": Counter("ab")}, "['seen'] is Counter"),
        ([defaultdict(int, a=1)], "[0] is defaultdict"),
        ({"cfg": Options(a=1)}, "['cfg'] is {'a': 1}, a Options"),
        ((Step(1, 2.0),), "[0] is Step(at=1, loss=2.0), a Step"),
        ({"x": torch.ones(2).as_subclass(Own)}, "['x'] is Own("),
    ],
)
def test_anything_else_is_refused_by_its_place(value, where):
    with pytest.raises(InputRefusedError) as error:
        packed(value)
    assert where in str(error.value)
    assert "state_dict()" in str(error.value)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_an_array_that_multiplies_otherwise_is_refused():
    with pytest.raises(InputRefusedError, match="a matrix, and cannot be saved"):
        packed({"w": np.matrix([[1.0]])})


def test_an_ordered_mapping_is_saved_as_one():
    assert unpacked(packed(OrderedDict(b=1, a=2))) == {"b": 1, "a": 2}


def test_what_holds_a_pickle_is_not_executed(tmp_path):
    """Seen to fail with ``allow_pickle=True`` and ``weights_only=False``."""

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    tree = np.frombuffer(b'["array", "a0"]', dtype=np.uint8)
    for arrays in (
        {"tree": tree, "a0": np.array([Evil()], dtype=object)},
        {
            "tree": np.frombuffer(b'["tensor", 0]', dtype=np.uint8),
            "tensors": np.frombuffer(pickle.dumps([Evil()], protocol=2), dtype=np.uint8),
        },
    ):
        file = io.BytesIO()
        np.savez(file, **arrays)
        with pytest.raises((ValueError, pickle.UnpicklingError, RuntimeError)):
            unpacked(file.getvalue())
    assert not (tmp_path / "made").exists()
