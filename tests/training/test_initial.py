"""Initial parameters: ranges, orthogonality, forget bias, and each replica's own seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from zoneout_lab import NoRegularizer
from zoneout_lab.frozen import Seeds
from zoneout_lab.ops.cells import LayerNormLSTM
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model
from zoneout_lab.training.initial import orthonormal
from zoneout_lab.training.model import SequenceModel

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
INITS = ("torch", "block_orthogonal", "semi_orthogonal", "uniform")


def start(*inits: int, regularizer: Regularizer | None = None, **options: Any) -> dict[str, Tensor]:
    model = SequenceModel(
        Model(**({"hidden": 30, "layers": 2, "learned_state": True, "embedding": 6} | options)), 12, 12,
        regularizers=[regularizer or NoRegularizer()] * len(inits),
        seeds=[Seeds(init=init, data=0, masks=0) for init in inits],
    )  # fmt: skip
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("cell", GATES)
def test_each_gates_recurrent_matrix_is_orthogonal(cell: str):
    values, plain = start(1, cell=cell, init="block_orthogonal"), start(1, cell=cell)
    for layer in range(2):
        blocks = values[f"rnn.weight_hh_l{layer}"][0].view(GATES[cell], 30, 30)
        for k, block in enumerate(blocks):
            torch.testing.assert_close(block @ block.T, torch.eye(30), atol=1e-6, rtol=0)
            assert all(not torch.allclose(block, other) for other in blocks[:k])
        assert not torch.equal(plain[f"rnn.weight_hh_l{layer}"], values[f"rnn.weight_hh_l{layer}"])


@pytest.mark.parametrize("cell", GATES)
def test_the_whole_recurrent_matrix_has_orthonormal_columns(cell: str):
    whole = start(1, cell=cell, init="semi_orthogonal")["rnn.weight_hh_l1"][0]
    torch.testing.assert_close(whole.T @ whole, torch.eye(30), atol=1e-6, rtol=0)
    if GATES[cell] > 1:
        gate = whole[:30]
        assert not torch.allclose(gate.T @ gate, torch.eye(30), atol=0.1)


@pytest.mark.parametrize("init", ["block_orthogonal", "semi_orthogonal"])
def test_the_other_parameters_are_drawn_as_torchs_are(init: str):
    bound = 30**-0.5
    for name, value in start(1, init=init).items():
        if "bias" in name or "initial" in name:
            forget = torch.zeros(4, 30)
            forget[1] = float("bias_ih" in name)
            assert torch.equal(value.flatten(), forget.flatten() if "rnn.bias" in name else torch.zeros(value.numel()))
        elif "weight_hh" not in name and name != "embedding":
            assert 0.9 * bound < value.abs().max() <= bound, name


def test_an_embedding_is_standard_normal():
    values = start(1, embedding=400)["embedding"]
    assert values.shape == (1, 12, 400)
    assert abs(values.mean()) < 4 / values.numel() ** 0.5
    assert abs(values.std() - 1) < 4 / (2 * values.numel()) ** 0.5
    assert values.abs().max() > 2.5


@pytest.mark.parametrize("forget_bias", [0.0, 1.5])
def test_uniform_is_every_parameter(forget_bias: float):
    bound, values = 0.05, start(1, init="uniform", init_range=0.05, forget_bias=forget_bias)
    assert {"embedding", "readout_bias", "rnn.initial_cell", "rnn.bias_hh_l0"} <= values.keys()
    for name, value in values.items():
        if "bias_ih" in name:
            value = value.clone()
            value[0, 30:60] -= forget_bias
            assert value[0, 30:60].abs().max() > 0.5 * bound
        assert value.abs().max() <= bound * (1 + 1e-5), name
        assert value.abs().max() > 0.7 * bound, name
        assert value.min() < 0 < value.max(), name


@pytest.mark.parametrize("init", INITS)
def test_a_replicas_parameters_are_those_of_its_own_seed(init: str):
    several, alone, again = start(4, 9, 4, init=init), start(9, init=init), start(9, init=init)
    for name, value in several.items():
        assert torch.equal(value[1], alone[name][0]), name
        assert torch.equal(alone[name], again[name]), name
        assert torch.equal(value[0], value[2]), name
        if init == "uniform" or "weight" in name or name == "embedding":
            assert not torch.equal(value[0], value[1]), name


@pytest.mark.parametrize("init", INITS)
def test_a_normalised_cells_gains_stay_its_own(init: str):
    for name, value in start(1, init=init, cell=LayerNormLSTM(gamma=0.25)).items():
        if ".gain_" in name:
            assert (value == 0.25).all()
        if ".shift_" in name:
            assert (value == 0).all()


def test_orthonormal_matrices_prefer_no_sign():
    """Without the correction of signs, LAPACK's Q has a diagonal of one sign, mostly."""
    generator = torch.Generator().manual_seed(0)
    first = torch.stack([orthonormal(3, 3, generator) for _ in range(400)])
    assert (first.mean(0).abs() < 4 / (3 * 400) ** 0.5).all()
