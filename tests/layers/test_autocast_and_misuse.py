"""Under autocast the layers compute in their weights' dtype; what is no regularizer is refused in words."""

import copy

import pytest
import torch

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError

LAYERS = [zl.LSTM, zl.GRU, zl.RNN]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_gives_the_numbers_of_the_weights_dtype(layer, dtype):
    rnn = layer(3, 5, regularizer=zl.Zoneout(hidden=0.2), mask_seed=0)
    x = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected, _ = rnn(x.float())
    rnn.update = 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, state = rnn(x)
        again, _ = rnn(x, state)
    assert out.dtype == again.dtype == torch.float32
    assert torch.equal(out, expected)
    out.sum().backward()


@pytest.mark.parametrize("wrong", [0.5, zl.Zoneout, "zoneout", [0.5]])
def test_only_regularizers_are_taken(wrong):
    with pytest.raises(InputRefusedError, match="give a value such as Zoneout"):
        zl.LSTM(3, 5, regularizer=wrong)


def test_a_layer_is_copied_and_saved_right_after_a_pass_with_a_penalty(tmp_path):
    rnn = zl.LSTM(2, 3, regularizer=zl.NormStabilizer(2.0))
    rnn(torch.randn(5, 4, 2, generator=torch.Generator().manual_seed(0)))
    assert rnn.penalty is not None
    torch.save(rnn, tmp_path / "rnn.pt")
    for other in (copy.deepcopy(rnn), torch.load(tmp_path / "rnn.pt", weights_only=False)):
        assert other.penalty is None
        assert all(torch.equal(a, b) for a, b in zip(rnn.parameters(), other.parameters(), strict=True))
    assert rnn.penalty is not None
