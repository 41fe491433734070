"""What tests of measures of whole stacks share: models in double precision, a batch, and a regularizer for any cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from zoneout_lab import Cell, Regularizer
from zoneout_lab.frozen import Seeds
from zoneout_lab.measures import Batch
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.settings import Model
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel

T, B, I, H = 7, 3, 2, 4  # noqa: E741
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class At(Regularizer):
    """Masks of one rate at some sites of a cell."""

    rate: float
    where: tuple[str, ...]

    def sites(self) -> dict[str, MaskSpec]:
        return {site: MaskSpec(self.rate) for site in self.where}


def zoned(cell: Cell, rate: float) -> At:
    """Zoneout of every state that may be preserved."""
    return At(rate, tuple(dict.fromkeys(site for site in cell.states.values() if site in cell.sites)))


def stack(
    cell: str, regularizers: Sequence[Regularizer], *, layers: int = 1, inputs: int = I, hidden: int = H
) -> SequenceModel:
    seeds = [Seeds(init=r, data=r, masks=r) for r in range(len(regularizers))]
    settings = Model(cell=cell, hidden=hidden, layers=layers)  # type: ignore[arg-type]
    model = SequenceModel(settings, inputs, 3, regularizers=regularizers, seeds=seeds).double()
    with torch.no_grad():  # far from the middle of every gate
        for name, parameter in model.rnn.named_parameters():
            for r, row in enumerate(parameter):
                if name.startswith("weight"):
                    row.mul_(6)
                elif name.startswith("bias"):
                    row.copy_(torch.randn(row.shape, generator=torch.Generator().manual_seed(r + len(name))))
    return model


def batch(*, symbols: bool = False, timesteps: int = T) -> Batch:
    generator = torch.Generator().manual_seed(5)
    shape = (1, timesteps, B)
    x = torch.randint(I, shape, generator=generator)
    real = torch.randn(*shape, I, generator=generator, dtype=torch.float64)
    return Batch(x if symbols else real, torch.arange(B)[None] % 3, loss_by_replica)


def weights(model: SequenceModel, r: int, layer: int) -> dict[str, Array]:
    """Stem → parameter of a replica's layer."""
    suffix = f"_l{layer}"
    named = model.rnn.named_parameters()
    return {name.removesuffix(suffix): p[r].detach().numpy() for name, p in named if name.endswith(suffix)}


def masks(model: SequenceModel, r: int, layer: int, timesteps: int = T) -> dict[str, Array]:
    """Site → the masks [T, B, H] that the next training pass draws, or in evaluation their expectation."""
    H = model.rnn.hidden_size
    if not model.training:
        sites = model.rnn.regularizers[r].masks(model.rnn.cell)
        return {site: np.full((timesteps, B, H), mask.at(0, H)) for site, mask in sites.items()}
    drawn = model.rnn.sampled_masks(layer, (timesteps, B, H), torch.device("cpu"))
    return {site: mask[r].double().expand(timesteps, B, H).numpy() for site, mask in drawn.items()}


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def encoded(given: Batch) -> Array:
    """Inputs [T, B, I]."""
    x = given.inputs[0].numpy()
    return x if x.ndim == 3 else np.eye(I)[x]
