"""Every regularizer against its equation written out for one example, one timestep and one gate at a time, in float64.

The twins share nothing with the package but the masks' bits and the noise: the same draws go into both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from written_out import SEED, UPDATE, WIDTH, B, H, T, agree, bits, factors, gates_of, inputs, layer, lstm_twin, ones

from zoneout_lab import gradient_flow
from zoneout_lab.ops import noise
from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers import (
    REGULARIZERS,
    CellDropout,
    CellShift,
    HiddenDropout,
    InputMask,
    LayerNorm,
    NonRecurrentDropout,
    NormStabilizer,
    RecurrentBatchNorm,
    RecurrentDropout,
    Regularizer,
    RnnDrop,
    VariationalDropout,
    WeightNoise,
    Zoneout,
)


def preserved(masks: dict[str, Mask]) -> dict[str, Tensor]:
    return {f"z_{site[0]}": bits(mask, site) for site, mask in masks.items()}


LSTM_CASES: dict[str, tuple[Regularizer, Callable[[dict[str, Mask]], dict[str, Tensor]]]] = {
    "zoneout": (Zoneout(cell=0.5, hidden=0.3), preserved),
    "zoneout, shared": (Zoneout(cell=0.5, hidden=0.3, share=True), preserved),
    "zoneout, per layer": (Zoneout(cell=0.5, hidden=0.3, per="layer"), preserved),
    "zoneout, one mask a sequence": (Zoneout(cell=0.5, hidden=0.3, resample="sequence"), preserved),
    "static identity": (Zoneout(cell=0.5, hidden=0.3, resample="never"), preserved),
    "cell dropout": (CellDropout(0.4), lambda m: {"memory": 1 - bits(m["memory"], "memory")}),
    "recurrent dropout": (RecurrentDropout(0.4), lambda m: {"update": 1 - bits(m["update"], "update")}),
    "rnnDrop": (RnnDrop(0.4), lambda m: {"memory": 1 - bits(m["memory"], "memory")}),
    "hidden dropout": (HiddenDropout(0.4), lambda m: {"output": 1 - bits(m["output"], "output")}),
    "variational": (
        VariationalDropout(recurrent=0.4),
        lambda m: {"into": (1 - bits(m["recurrent"], "recurrent")) / 0.6},
    ),
    "keeping": (RecurrentDropout.keeping(0.3), lambda m: {"update": 1 - bits(m["update"], "update")}),
    "rates per unit": (
        Zoneout(cell=(0.0, 1.0), hidden=tuple(k / 10 for k in range(H))),
        lambda m: {"z_c": bits(m["cell"], "cell"), "z_h": bits(m["hidden"], "hidden")},
    ),
    "schedule": (
        Zoneout(cell=0.1, cell_end=0.9, over=10),
        lambda _: {"z_c": bits(Mask(0.1 + 0.8 * UPDATE / 10), "cell")},
    ),
    "zoneout + recurrent dropout": (
        Zoneout(hidden=0.3) + RecurrentDropout(0.2),
        lambda m: {"z_h": bits(m["hidden"], "hidden"), "update": 1 - bits(m["update"], "update")},
    ),
}


@pytest.mark.parametrize("name", LSTM_CASES)
def test_masks_within_an_lstm(name: str):
    regularizer, at = LSTM_CASES[name]
    rnn, x = layer("lstm", regularizer), inputs()
    agree(rnn, rnn(x)[0], lstm_twin(rnn, x, **factors(**at(dict(regularizer.sites())))))


def test_the_mask_of_a_sequence_is_one_for_all_its_timesteps():
    mask = bits(RnnDrop(0.4).sites()["memory"], "memory")
    assert (mask == mask[0]).all()
    assert (mask != mask[:, :1]).any()


BOTH = [HiddenDropout(0.4), VariationalDropout(recurrent=0.4), Zoneout(hidden=0.4)]


@pytest.mark.parametrize(
    ("cell", "regularizer"),
    [("gru", RecurrentDropout(0.4)), *itertools.product(("gru", "rnn_tanh"), BOTH)],
    ids=str,
)
def test_masks_within_a_gru_and_a_tanh_rnn(cell: str, regularizer: Regularizer):
    rnn, x = layer(cell, regularizer), inputs()
    sites = regularizer.sites()
    z = bits(sites["hidden"], "hidden") if "hidden" in sites else 0 * ones()
    update = 1 - bits(sites["update"], "update") if "update" in sites else ones()
    into = (1 - bits(sites["recurrent"], "recurrent")) / 0.6 if "recurrent" in sites else ones()
    kept = 1 - bits(sites["output"], "output") if "output" in sites else ones()
    out = [[None] * B for _ in range(T)]
    for b in range(B):
        h = torch.zeros(H, dtype=torch.float64)
        for t in range(T):
            if cell == "rnn_tanh":
                new = torch.tanh(gates_of(rnn, x[t, b], h * into[t, b], "h")["h"])
            else:
                w_x, w_h = (
                    rnn.weight_ih_l0 @ x[t, b] + rnn.bias_ih_l0,
                    rnn.weight_hh_l0 @ (h * into[t, b]) + rnn.bias_hh_l0,
                )
                r, k = torch.sigmoid(w_x[:H] + w_h[:H]), torch.sigmoid(w_x[H : 2 * H] + w_h[H : 2 * H])
                new = k * h + (1 - k) * update[t, b] * torch.tanh(w_x[2 * H :] + r * w_h[2 * H :])
            h = z[t, b] * h + (1 - z[t, b]) * kept[t, b] * new
            out[t][b] = h
    agree(rnn, rnn(x)[0], torch.stack([torch.stack(row) for row in out]))


@pytest.mark.parametrize(
    "regularizer",
    [NonRecurrentDropout(0.4) + Zoneout(cell=0.3), VariationalDropout(input=0.4, output=0.2) + Zoneout(cell=0.3)],
    ids=str,
)
def test_masks_up_the_stack(regularizer: Regularizer):
    """On each layer's input and on the last one's output, what is kept divided by 1 − p; the recurrence is left alone."""
    rnn, x = layer("lstm", regularizer, num_layers=2), inputs()
    z = [bits(Mask(0.3), "cell", row=row) for row in (0, 1)]

    def dropped(values: Tensor, site: str, row: int) -> Tensor:
        mask = regularizer.sites()[site]
        return values * (1 - bits(mask, site, row=row, width=values.shape[-1])) / (1 - mask.rate)

    # two recurrences use up the first two layers of the counter
    middle = lstm_twin(alone(rnn, 0), dropped(x, "input", 2), **factors(z_c=z[0]))
    last = lstm_twin(alone(rnn, 1), dropped(middle, "input", 3), **factors(z_c=z[1]))
    agree(rnn, rnn(x)[0], dropped(last, "top", 4))


def alone(rnn: torch.nn.Module, k: int) -> torch.nn.Module:
    """Layer k's parameters under the names of the first layer."""
    one = torch.nn.Module()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(one, f"{name}_l0", getattr(rnn, f"{name}_l{k}"))
    return one


def test_weight_noise():
    rnn, x = layer("lstm", WeightNoise(0.2)), inputs()
    noisy = torch.nn.Module()
    for matrix, name in enumerate(("weight_ih_l0", "weight_hh_l0")):
        weight = getattr(rnn, name)
        drawn = noise.normal(tuple(weight.shape), seed=SEED, update=UPDATE, matrix=matrix, dtype=torch.float64)
        setattr(noisy, name, weight + 0.2 * drawn)
    noisy.bias_ih_l0, noisy.bias_hh_l0 = rnn.bias_ih_l0, rnn.bias_hh_l0
    agree(rnn, rnn(x)[0], lstm_twin(noisy, x, **factors()))
    assert rnn.update == UPDATE + 1
    assert torch.equal(rnn.eval()(x)[0], layer("lstm", WeightNoise(0)).eval()(x)[0])


def test_norm_stabilizer():
    rnn, x = layer("lstm", NormStabilizer(50.0), num_layers=2), inputs()
    rnn(x)
    total, h = 0.0, x
    for k in range(2):
        h = lstm_twin(alone(rnn, k), h, **factors())
        for b in range(B):
            norms = [float(h[t, b].detach().square().sum()) ** 0.5 for t in range(T)]
            total += 50 / B / (T - 1) * sum((after - before) ** 2 for before, after in itertools.pairwise(norms))
    assert rnn.penalty is not None
    assert rnn.penalty.shape == (1,)
    assert abs(float(rnn.penalty.detach()) - total) < 1e-12
    assert rnn.penalty.requires_grad
    rnn.eval()(x)
    assert rnn.penalty is None


@pytest.mark.parametrize("reading", ["printed", "intended"])
@pytest.mark.parametrize(("p", "training"), [(0.4, True), (0.4, False), (0.0, True)])
def test_input_mask_and_output_gate(reading: str, p: float, training: bool):
    regularizer = InputMask(p, reading)
    rnn, x = layer("lstm", regularizer).train(training), inputs()
    d = 1 - bits(regularizer.sites()["update"], "update") if training and p else (1 - p) * ones()
    out = [[None] * B for _ in range(T)]
    for b in range(B):
        h, c, old = torch.zeros(H, dtype=torch.float64), torch.zeros(H, dtype=torch.float64), None
        for t in range(T):
            a = gates_of(rnn, x[t, b], h)
            i, f, o = (torch.sigmoid(a[name]) for name in "ifo")
            c = f * c + d[t, b] * i * torch.tanh(a["g"])
            before = o if old is None else old
            mixed = (
                d[t, b] * before + (1 - d[t, b]) * o if reading == "printed" else d[t, b] * o + (1 - d[t, b]) * before
            )
            h, old = mixed * torch.tanh(c), o
            out[t][b] = h
    agree(rnn, rnn(x)[0], torch.stack([torch.stack(row) for row in out]))


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
    rnn, x = layer("lstm", LayerNorm() + Zoneout(cell=0.3)).train(training), inputs()
    unsettle(rnn)

    def normalise(_point: str, _t: int, rows: Tensor) -> Tensor:
        return torch.stack([(row - row.mean()) / (row.var(correction=0) + 1e-5).sqrt() for row in rows])

    z = bits(Mask(0.3), "cell") if training else 0.3 * ones()
    agree(rnn, rnn(x)[0], normalised_twin(rnn, x, normalise, z))


def test_layer_norm_amplifies_gradients_where_inputs_states_and_biases_are_zero():
    rnn = layer("lstm", LayerNorm())
    with torch.no_grad():
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
    flow = gradient_flow(rnn, torch.zeros(T, B, WIDTH, dtype=torch.float64), lambda out: out[0][-1, :, 0].sum())
    norms = flow.norm.sel(layer="l0", state="hidden", point="state").values
    assert (norms[:-1] / norms[1:] > 1e3).all()


@pytest.mark.parametrize("training", [True, False])
def test_shift_inside_the_outputs_tanh(training: bool):
    rnn, x = layer("lstm", CellShift() + Zoneout(cell=0.3)).train(training), inputs()
    assert torch.equal(rnn.shift_cell_l0, torch.zeros(H, dtype=torch.float64))
    plain = layer("lstm", Zoneout(cell=0.3)).train(training)
    torch.testing.assert_close(rnn(x)[0], plain(x)[0], rtol=1e-13, atol=1e-14)
    rnn.update = UPDATE
    unsettle(rnn)
    z = bits(Mask(0.3), "cell") if training else 0.3 * ones()
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
    rnn, x = layer("lstm", RecurrentBatchNorm(steps=steps) + Zoneout(cell=0.3)), inputs()
    assert all((rnn.get_parameter(f"gain_{point}_l0") == 0.1).all() for point in ("input", "hidden", "cell"))
    unsettle(rnn)
    seen: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def by_batch(point: str, t: int, rows: Tensor) -> Tensor:
        mean = sum(rows) / B
        variance = sum((row - mean) ** 2 for row in rows) / B
        seen[point, t] = mean.detach(), variance.detach()
        return (rows - mean) / (variance + 1e-5).sqrt()

    want = normalised_twin(rnn, x, by_batch, bits(Mask(0.3), "cell"))
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


def test_every_regularizer_is_written_out_here():
    here = Path(__file__).read_text(encoding="utf-8")
    made = {member.__name__ for member in REGULARIZERS.values() if f"{member.__name__}(" in here}
    assert {member.__name__ for member in REGULARIZERS.values()} - made == {"NoRegularizer", "Combined"}


def test_a_gradient_measurement_leaves_the_population_alone():
    rnn = layer("lstm", RecurrentBatchNorm(steps=T))
    before = [buffer.clone() for buffer in rnn.buffers()]
    flow = gradient_flow(rnn, inputs(), lambda out: out[0].square().sum())
    assert dict(flow.sizes) == {"layer": 1, "state": 2, "point": 2, "time": T}
    assert all(map(torch.equal, before, rnn.buffers()))
