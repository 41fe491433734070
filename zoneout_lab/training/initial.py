"""Initial parameters of a model, each replica's from its own generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoneout_lab.layers import Recurrent
from zoneout_lab.settings import Model


@torch.no_grad()
def initialise(module: nn.Module, r: int, model: Model, generator: torch.Generator) -> None:
    """Draw replica ``r``'s parameters as ``model.init`` says (:class:`~zoneout_lab.settings.Model` has the table).

    Args:
        module: with recurrent layers, and stacked parameters [R, …] on the CPU, of torch's names: ``weight_hh_l0`` [R, G·H, H],
            ``bias_ih_l0`` [R, G·H]. What a cell gives a value to start with keeps it.
        r: which replica.
        model: cell, width, forget bias and kind of initialisation.
        generator: of the replica. The order in which it is used is the order of the parameters.

    >>> from zoneout_lab.layers import RNN
    >>> rnn = RNN(3, 4, replicas=1)
    >>> initialise(rnn, 0, Model(cell="rnn_tanh", hidden=4, init="block_orthogonal"), torch.Generator().manual_seed(0))
    >>> torch.allclose(rnn.weight_hh_l0[0] @ rnn.weight_hh_l0[0].T, torch.eye(4), atol=1e-6)
    True
    """
    rnn = next(each for each in module.modules() if isinstance(each, Recurrent))
    for name, parameter in module.named_parameters():
        kind = name.rpartition(".")[2]
        if not rnn.starts_drawn(kind):
            continue
        row = parameter[r]
        row.copy_(_drawn(kind, row, model, generator))
        if (gate := rnn.cell.forget_gate) is not None and kind.startswith("bias_ih"):
            row[gate * model.hidden : (gate + 1) * model.hidden] += model.forget_bias


def _drawn(kind: str, row: Tensor, model: Model, generator: torch.Generator) -> Tensor:
    if model.init == "uniform":
        return _uniform(row, model.init_range, generator)
    if "bias" in kind or kind.startswith("initial_"):
        return torch.zeros_like(row)
    if kind == "embedding":
        return torch.randn(row.shape, generator=generator)
    if kind.startswith("weight_hh") and model.init == "block_orthogonal":
        gates = row.shape[0] // model.hidden
        return torch.cat([orthonormal(model.hidden, model.hidden, generator) for _ in range(gates)])
    if kind.startswith("weight_hh") and model.init == "semi_orthogonal":
        return orthonormal(row.shape[0], row.shape[1], generator)
    return _uniform(row, 1 / math.sqrt(model.hidden), generator)


def orthonormal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """A matrix [rows, columns], rows ≥ columns, whose columns are orthonormal, uniformly distributed over all such; float32.

    The Q of a Gaussian matrix with R's diagonal made positive (Mezzadri 2007, section 5), computed in float64.

    >>> orthonormal(1, 1, torch.Generator().manual_seed(0)).abs()
    tensor([[1.]])
    """
    gaussian = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    q, triangular = torch.linalg.qr(gaussian)
    columns_of: Tensor = q * triangular.diagonal().sign()
    return columns_of.float()


def _uniform(row: Tensor, bound: float, generator: torch.Generator) -> Tensor:
    return torch.rand(row.shape, generator=generator) * (2 * bound) - bound
