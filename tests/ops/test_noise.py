"""Weight noise: known answers, the normal distribution, and independence along everything that the counter counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from zoneout_lab.ops.noise import normal, philox

HERE = {"seed": 2**63 + 5, "update": 3, "matrix": 1}


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_the_known_answers_of_random123(counter: tuple[int, ...], key: tuple[int, int], answer: str):
    words = philox(tuple(torch.tensor([word]) for word in counter), key)
    assert " ".join(f"{int(word):08x}" for word in words) == answer


def test_is_standard_normal():
    drawn = normal((1000, 401), **HERE).numpy().ravel()
    assert stats.kstest(drawn, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / len(drawn) ** 0.5


@pytest.mark.parametrize("other", [{"seed": 2**62 + 5}, {"seed": 6}, {"update": 4}, {"matrix": 2}, {"stream": 1}])
def test_other_places_have_other_numbers(other: dict[str, int]):
    a, b = normal((4000,), **HERE), normal((4000,), **(HERE | other))
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 5 / 4000**0.5


def test_one_place_has_one_answer_however_the_update_is_counted():
    assert torch.equal(normal((3, 5), **HERE), normal((3, 5), **(HERE | {"update": torch.tensor(3)})))
    assert torch.equal(normal((3, 5), **HERE).flatten(), normal((15,), **HERE))
    assert normal((2,), **HERE, dtype=torch.float64).dtype == torch.float64
