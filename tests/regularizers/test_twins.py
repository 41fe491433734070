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
from written_out import SEED, UPDATE, B, H, T, agree, bits, factors, gates_of, inputs, layer, lstm_twin, ones

from zoneout_lab.ops import noise
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import (
    REGULARIZERS,
    CellDropout,
    HiddenDropout,
    NonRecurrentDropout,
    NormStabilizer,
    RecurrentDropout,
    Regularizer,
    RnnDrop,
    VariationalDropout,
    WeightNoise,
    Zoneout,
)


def preserved(masks: dict[str, MaskSpec]) -> dict[str, Tensor]:
    return {f"z_{site[0]}": bits(mask, site) for site, mask in masks.items()}


LSTM_CASES: dict[str, tuple[Regularizer, Callable[[dict[str, MaskSpec]], dict[str, Tensor]]]] = {
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
        lambda _: {"z_c": bits(MaskSpec(0.1 + 0.8 * UPDATE / 10), "cell")},
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
    z = [bits(MaskSpec(0.3), "cell", row=row) for row in (0, 1)]

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


def test_every_regularizer_is_written_out_here():
    here = Path(__file__).read_text(encoding="utf-8")
    made = {member.__name__ for member in REGULARIZERS.values() if f"{member.__name__}(" in here}
    assert {member.__name__ for member in REGULARIZERS.values()} - made == {"NoRegularizer", "Combined"}
