"""LSTMs with normalised products, and with a shifted cell, against their equations written out one timestep at a time, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from written_out import UPDATE, WIDTH, B, H, T, agree, bits, inputs, layer, ones

from zoneout_lab import gradient_flow
from zoneout_lab.ops.cells import BatchNormLSTM, LayerNormLSTM, ShiftedLSTM
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import Zoneout


def normalised_twin(
    rnn: torch.nn.Module, x: Tensor, normalise: Callable[[str, int, Tensor], Tensor], z_c: Tensor
) -> Tensor:
    h = c = torch.zeros(B, H, dtype=torch.float64)
    out = []
    for t in range(T):
        a = rnn.gain_input_l0 * normalise("input", t, x[t] @ rnn.weight_ih_l0.T) + rnn.bias_ih_l0
        a = a + rnn.gain_hidden_l0 * normalise("hidden", t, h @ rnn.weight_hh_l0.T) + rnn.bias_hh_l0
        i, f, g, o = a.split(H, 1)
        new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(rnn.gain_cell_l0 * normalise("cell", t, new) + rnn.shift_cell_l0)
        c = z_c[t] * c + (1 - z_c[t]) * new
        out.append(h)
    return torch.stack(out)


def unsettle(rnn: torch.nn.Module) -> None:
    """Gains and shifts at which every one of them shows."""
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            if name.startswith(("gain", "shift")):
                parameter.add_(torch.linspace(0.1, 0.5, len(parameter), dtype=torch.float64))


@pytest.mark.parametrize("training", [True, False])
def test_layer_normalised_lstm(training: bool):
    rnn, x = layer(LayerNormLSTM(), Zoneout(cell=0.3)).train(training), inputs()
    unsettle(rnn)

    def normalise(_point: str, _t: int, rows: Tensor) -> Tensor:
        return torch.stack([(row - row.mean()) / (row.var(correction=0) + 1e-5).sqrt() for row in rows])

    z = bits(MaskSpec(0.3), "cell") if training else 0.3 * ones()
    agree(rnn, rnn(x)[0], normalised_twin(rnn, x, normalise, z))


def test_layer_norm_amplifies_gradients_where_inputs_states_and_biases_are_zero():
    rnn = layer(LayerNormLSTM())
    with torch.no_grad():
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
    flow = gradient_flow(rnn, torch.zeros(T, B, WIDTH, dtype=torch.float64), lambda out: out[0][-1, :, 0].sum())
    norms = flow.norm.sel(layer="l0", state="hidden", point="state").values
    assert (norms[:-1] / norms[1:] > 1e3).all()


@pytest.mark.parametrize("training", [True, False])
def test_shift_inside_the_outputs_tanh(training: bool):
    rnn, x = layer(ShiftedLSTM(), Zoneout(cell=0.3)).train(training), inputs()
    assert torch.equal(rnn.shift_cell_l0, torch.zeros(H, dtype=torch.float64))
    plain = layer("lstm", Zoneout(cell=0.3)).train(training)
    torch.testing.assert_close(rnn(x)[0], plain(x)[0], rtol=1e-13, atol=1e-14)
    rnn.update = UPDATE
    unsettle(rnn)
    z = bits(MaskSpec(0.3), "cell") if training else 0.3 * ones()
    h = c = torch.zeros(B, H, dtype=torch.float64)
    out = []
    for t in range(T):
        a = x[t] @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + h @ rnn.weight_hh_l0.T + rnn.bias_hh_l0
        i, f, g, o = a.split(H, 1)
        new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(new + rnn.shift_cell_l0)
        c = z[t] * c + (1 - z[t]) * new
        out.append(h)
    agree(rnn, rnn(x)[0], torch.stack(out))


def test_recurrent_batch_norm_with_statistics_of_each_timestep():
    steps = 3  # fewer than the sequence has
    rnn, x = layer(BatchNormLSTM(steps=steps), Zoneout(cell=0.3)), inputs()
    assert all((rnn.get_parameter(f"gain_{point}_l0") == 0.1).all() for point in ("input", "hidden", "cell"))
    unsettle(rnn)
    seen: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def by_batch(point: str, t: int, rows: Tensor) -> Tensor:
        mean = sum(rows) / B
        variance = sum((row - mean) ** 2 for row in rows) / B
        seen[point, t] = mean.detach(), variance.detach()
        return (rows - mean) / (variance + 1e-5).sqrt()

    want = normalised_twin(rnn, x, by_batch, bits(MaskSpec(0.3), "cell"))
    agree(rnn, rnn(x)[0], want)
    for (point, t), (mean, variance) in seen.items():
        if t < steps:
            for kind, start, value in (("mean", 0.0, mean), ("variance", 1.0, variance)):
                population = rnn.get_buffer(f"population_{point}_{kind}_l0")[t]
                assert (population - (0.99 * start + 0.01 * value)).abs().max() < 1e-14

    def by_population(point: str, t: int, rows: Tensor) -> Tensor:
        mean, variance = (rnn.get_buffer(f"population_{point}_{k}_l0")[min(t, steps - 1)] for k in ("mean", "variance"))
        return (rows - mean) / (variance + 1e-5).sqrt()

    before = [buffer.clone() for buffer in rnn.buffers()]
    agree(rnn, rnn.eval()(x)[0], normalised_twin(rnn, x, by_population, 0.3 * ones()))
    assert all(map(torch.equal, before, rnn.buffers()))


def test_a_gradient_measurement_leaves_the_population_alone():
    rnn = layer(BatchNormLSTM(steps=T))
    before = [buffer.clone() for buffer in rnn.buffers()]
    flow = gradient_flow(rnn, inputs(), lambda out: out[0].square().sum())
    assert dict(flow.sizes) == {"layer": 1, "state": 2, "point": 2, "time": T}
    assert all(map(torch.equal, before, rnn.buffers()))
