"""Masks drawn by the kernel against those of NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from triton_problems import DEVICE

from zoneout_lab.ops import masks
from zoneout_lab.ops import triton as ops
from zoneout_lab.ops.masks import AXES, MaskSpec, Place

KINDS = {
    "separate": set(),
    "shared": {"site"},
    "per layer": {"unit"},
    "per sequence": {"timestep"},
    "static": {"update", "example"},
    "per layer and sequence": {"unit", "timestep", "site"},
    "one flip": set(AXES),
}
VARIES = [frozenset(AXES) - fixed for fixed in KINDS.values()]
SEEDS = [0, 1, 2**62, 2**63, 2**64 - 1, 12345, 7]
RATES = [0.5, 0.05, 1.0, 0.0, 0.3, 0.9, 0.5]


def drawn(place: Place, sizes: tuple[int, int, int], *, which: list[int] | None = None, **options) -> torch.Tensor:
    which = list(range(len(VARIES))) if which is None else which
    return ops.draw(
        torch.tensor([SEEDS[r] - 2**64 * (SEEDS[r] >= 2**63) for r in which], device=DEVICE),
        torch.tensor(place.update, device=DEVICE),
        torch.tensor([[round(RATES[r] * 65_536)] for r in which], dtype=torch.int32, device=DEVICE),
        torch.tensor([[axis in VARIES[r] for axis in AXES] for r in which], dtype=torch.int8, device=DEVICE),
        layer=place.layer,
        site=place.site,
        stream=place.stream,
        sizes=sizes,
        **options,
    ).cpu()


def by_numpy(r: int, place: Place, sizes: tuple[int, int, int]) -> torch.Tensor:
    own = Place(SEEDS[r], place.layer, place.site, place.update, place.stream)
    return torch.from_numpy(masks.draw(MaskSpec(RATES[r], VARIES[r]), own, *sizes).transpose(1, 0, 2).astype(np.uint8))


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 3, 20), (3, 5, 16), (2, 1, 129), (7, 4, 100)], ids=str)
@pytest.mark.parametrize("place", [Place(0, 0, "cell", 0), Place(0, 3, "memory", 2**40 + 5, masks.EVALUATION)], ids=str)
def test_the_bits_of_numpy(place: Place, sizes: tuple[int, int, int]) -> None:
    got = drawn(place, sizes)
    for r, kind in enumerate(KINDS):
        assert torch.equal(got[r], by_numpy(r, place, sizes).expand(sizes)), kind


def test_extents_of_1_where_no_replica_varies() -> None:
    sizes, place = (5, 3, 20), Place(0, 1, "hidden", 9)
    for r, extents in ((2, (5, 3, 1)), (3, (1, 3, 20)), (4, (5, 1, 20)), (6, (1, 1, 1))):
        assert torch.equal(drawn(place, sizes, which=[r], extents=extents)[0], by_numpy(r, place, sizes))


@pytest.mark.parametrize("r", [0, 2], ids=["unit", "layer"])
def test_a_rate_for_each_unit(r: int) -> None:
    """Where units share a draw, those of a higher rate contain those of a lower."""
    sizes, place = (5, 3, 20), Place(SEEDS[r], 0, "cell", 4)
    rates = torch.linspace(0, 1, 20)
    got = ops.draw(
        torch.tensor([SEEDS[r]], device=DEVICE),
        torch.tensor(4, device=DEVICE),
        (rates * 65_536).round().to(torch.int32)[None].to(DEVICE),
        torch.tensor([[axis in VARIES[r] for axis in AXES]], dtype=torch.int32, device=DEVICE),
        layer=0, site="cell", stream=0, sizes=sizes,
    ).cpu()  # fmt: skip
    for h, rate in enumerate(rates.tolist()):
        whole = torch.from_numpy(
            masks.draw(MaskSpec(rate, VARIES[r]), place, *sizes).transpose(1, 0, 2).astype(np.uint8)
        )
        assert torch.equal(got[0, :, :, h], whole.expand(sizes)[:, :, h])


def test_the_update_is_read_from_the_device() -> None:
    update = torch.tensor(0, device=DEVICE)
    arguments = (
        torch.tensor([7], device=DEVICE), update, torch.tensor([[32_768]], dtype=torch.int32, device=DEVICE),
        torch.ones(1, 5, dtype=torch.int8, device=DEVICE),
    )  # fmt: skip
    where = {"layer": 0, "site": "cell", "stream": 0, "sizes": (4, 3, 20)}
    seen = []
    for step in range(3):
        seen.append(ops.draw(*arguments, **where).cpu())
        expected = masks.draw(MaskSpec(0.5), Place(7, 0, "cell", step), 4, 3, 20).transpose(1, 0, 2)
        assert torch.equal(seen[-1][0].bool(), torch.from_numpy(expected.copy()))
        update += 1
    assert not torch.equal(seen[0], seen[1])
