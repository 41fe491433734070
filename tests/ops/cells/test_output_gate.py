"""The LSTM that mixes its output gates, against its equation written out, and refused where a mask has another use."""

from __future__ import annotations

import pytest
import torch
from written_out import B, H, T, agree, bits, gates_of, inputs, layer, ones

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import OutputGateLSTM
from zoneout_lab.regularizers import NonRecurrentDropout, NoRegularizer, RecurrentDropout, Zoneout


@pytest.mark.parametrize("reading", ["printed", "intended"])
@pytest.mark.parametrize(("p", "training"), [(0.4, True), (0.4, False), (0.0, True)])
def test_input_mask_and_output_gate(reading: str, p: float, training: bool):
    regularizer = RecurrentDropout(p)
    rnn, x = layer(OutputGateLSTM(reading), regularizer).train(training), inputs()
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


@pytest.mark.parametrize("training", [True, False])
def test_without_a_mask_it_is_a_plain_lstm_as_intended_and_not_as_printed(training: bool):
    x = inputs()
    plain = layer("lstm", NoRegularizer()).train(training)(x)[0]
    intended, printed = (layer(OutputGateLSTM(reading)).train(training)(x)[0] for reading in ("intended", "printed"))
    assert (intended - plain).abs().max() < 1e-14
    assert (printed[0] - plain[0]).abs().max() < 1e-14  # there is no gate before the first
    assert (printed[1:] - plain[1:]).abs().amax((1, 2)).min() > 1e-4


@pytest.mark.parametrize("reading", ["printed", "intended"])
def test_with_everything_dropped_nothing_comes_out(reading: str):
    rnn, x = layer(OutputGateLSTM(reading), RecurrentDropout(1.0)), inputs()
    assert rnn(x)[0].abs().max() == 0
    assert rnn.eval()(x)[0].abs().max() == 0


def test_its_one_mask_is_the_updates():
    assert layer(OutputGateLSTM(), RecurrentDropout(0.3) + NonRecurrentDropout(0.2))(inputs())[0].shape == (T, B, H)
    with pytest.raises(InputRefusedError, match="LSTM that mixes output gates, which has no hidden state"):
        layer(OutputGateLSTM(), RecurrentDropout(0.3) + Zoneout(hidden=0.1))
    with pytest.raises(InputRefusedError, match="choose one of printed, intended"):
        OutputGateLSTM("upside down")  # type: ignore[arg-type]
