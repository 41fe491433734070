"""The peephole LSTM against its equation written out for one example and timestep at a time, and without peepholes."""

from __future__ import annotations

import pytest
import torch
from written_out import UPDATE, B, H, T, agree, bits, inputs, layer, ones

from zoneout_lab.ops.cells import PeepholeLSTM
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import RecurrentDropout, Zoneout


@pytest.mark.parametrize("training", [True, False])
def test_its_equation(training: bool):
    rnn, x = layer(PeepholeLSTM(), Zoneout(cell=0.4, hidden=0.3) + RecurrentDropout(0.2)).train(training), inputs()
    rates = {"cell": 0.4, "hidden": 0.3, "update": 0.2}
    at = {site: bits(MaskSpec(z), site) if training else z * ones() for site, z in rates.items()}
    p = rnn.peephole_l0.view(3, H)
    assert p.abs().min() > 0
    out = [[None] * B for _ in range(T)]
    for b in range(B):
        h, c = torch.zeros(H, dtype=torch.float64), torch.zeros(H, dtype=torch.float64)
        for t in range(T):
            a = rnn.weight_ih_l0 @ x[t, b] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
            i, f = (torch.sigmoid(a[k * H : (k + 1) * H] + p[k] * c) for k in (0, 1))
            new_c = f * c + (1 - at["update"][t, b]) * i * torch.tanh(a[2 * H : 3 * H])
            new_h = torch.sigmoid(a[3 * H :] + p[2] * new_c) * torch.tanh(new_c)
            h = at["hidden"][t, b] * h + (1 - at["hidden"][t, b]) * new_h
            c = at["cell"][t, b] * c + (1 - at["cell"][t, b]) * new_c
            out[t][b] = h
    agree(rnn, rnn(x)[0], torch.stack([torch.stack(row) for row in out]))


@pytest.mark.parametrize("training", [True, False])
def test_without_peepholes_it_is_the_lstm_to_the_last_bits(training: bool):
    regularizer = Zoneout(cell=0.4, hidden=0.3)
    plain, rnn = layer("lstm", regularizer, engine="reference"), layer(PeepholeLSTM(), regularizer)
    with torch.no_grad():
        rnn.peephole_l0.zero_()
        for name, parameter in plain.named_parameters():
            rnn.get_parameter(name).copy_(parameter)
    rnn.update = plain.update = UPDATE
    assert torch.equal(rnn.train(training)(inputs())[0], plain.train(training)(inputs())[0])
