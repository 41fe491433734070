"""The bit generator against Philox 4×64-10 written out from its definition (Salmon et al., SC 2011) and Random123's vectors."""

from __future__ import annotations

import numpy as np
import pytest

from zoneout_lab.ops.masks import MaskSpec, Place, draw, philox

Words = tuple[int, int, int, int]
WORD = 2**64


def philox_by_definition(key: tuple[int, int], counter: Words) -> Words:
    """Ten rounds of multiply, exclude and swap; the key grows by the two Weyl constants between rounds."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c2, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return c0, c1, c2, c3


def advanced(counter: Words, by: int) -> Words:
    total = (sum(word << 64 * place for place, word in enumerate(counter)) + by) % 2**256
    return tuple(total >> 64 * place & WORD - 1 for place in range(4))  # type: ignore[return-value]


def test_the_definition_gives_the_published_vectors():
    zeros = philox_by_definition((0, 0), (0, 0, 0, 0))
    assert zeros == (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)
    ones = philox_by_definition((WORD - 1, WORD - 1), (WORD - 1,) * 4)
    assert ones == (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0)


CASES = {
    "zero": (0, (0, 0, 0, 0), 1),
    "a seed": (7, (0, 0, 0, 0), 3),
    "every word counts": (2**61 + 5, (11, 22, 33, 44), 3),
    "a carry between words": (1, (WORD - 2, 5, 0, 1), 4),
    "the largest seed": (WORD - 1, (3, 0, 16, 0), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_words_are_those_of_the_definition(case: str):
    seed, counter, blocks = CASES[case]
    expected = [word for n in range(blocks) for word in philox_by_definition((seed, 0), advanced(counter, n))]
    assert philox(seed, counter, blocks).tolist() == expected


def test_a_negative_seed_is_the_same_modulo_two_to_the_64():
    assert philox(-1, (0, 0, 0, 0), 1).tolist() == philox(WORD - 1, (0, 0, 0, 0), 1).tolist()


@pytest.mark.parametrize(("example", "step", "unit"), [(0, 0, 0), (2, 1, 17), (4, 6, 32)])
def test_a_bit_is_sixteen_bits_of_the_block_at_its_counter(example: int, step: int, unit: int):
    """The documented layout, read off by hand: word 0 counts (example, timestep, sixteen units), little end first."""
    steps, examples, units, rate = 7, 5, 33, 0.3
    place = Place(seed=9, layer=2, site="hidden", update=5, stream=1)
    bits = draw(MaskSpec(rate), place, steps, examples, units)
    counter = ((example * steps + step) * 3 + unit // 16, 5, 2 * 16 + 2, 1)
    block = b"".join(word.to_bytes(8, "little") for word in philox_by_definition((9, 0), counter))
    lane = int.from_bytes(block[2 * (unit % 16) :][:2], "little")
    assert bits[example, step, unit] == (lane < round(rate * 65_536))
    assert bits.dtype == np.bool_
