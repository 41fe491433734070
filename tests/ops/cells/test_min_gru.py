"""minGRU against its equation written out, against the paper's parallel form, and what is not a site of it."""

from __future__ import annotations

import pytest
import torch
from written_out import B, H, T, agree, bits, inputs, layer, ones

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import MinGRU
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import HiddenDropout, RecurrentDropout, VariationalDropout, Zoneout


@pytest.mark.parametrize("training", [True, False])
def test_its_equation(training: bool):
    regularizer = Zoneout(hidden=0.3) + RecurrentDropout(0.2) + HiddenDropout(0.1)
    rnn, x = layer(MinGRU(), regularizer).train(training), inputs()
    rates = {"hidden": 0.3, "update": 0.2, "output": 0.1}
    at = {site: bits(MaskSpec(z), site) if training else z * ones() for site, z in rates.items()}
    out = [[None] * B for _ in range(T)]
    for b in range(B):
        h = torch.zeros(H, dtype=torch.float64)
        for t in range(T):
            a = rnn.weight_ih_l0 @ x[t, b] + rnn.bias_ih_l0
            k = torch.sigmoid(a[:H])
            new = (1 - at["output"][t, b]) * ((1 - k) * h + (1 - at["update"][t, b]) * k * a[H:])
            h = at["hidden"][t, b] * h + (1 - at["hidden"][t, b]) * new
            out[t][b] = h
    agree(rnn, rnn(x)[0], torch.stack([torch.stack(row) for row in out]))


def test_without_masks_it_is_a_weighted_sum_of_all_candidates():
    """What lets the paper compute it as a parallel scan: h_t = Σ_s k_s n_s Π_{r>s} (1 − k_r)."""
    rnn, x = layer(MinGRU()), inputs()
    a = x @ rnn.weight_ih_l0.T + rnn.bias_ih_l0
    k, n = torch.sigmoid(a[..., :H]), a[..., H:]
    for t in range(T):
        whole = sum(k[s] * n[s] * torch.prod(1 - k[s + 1 : t + 1], 0) for s in range(t + 1))
        torch.testing.assert_close(rnn(x)[0][t], whole, rtol=1e-12, atol=1e-14)


def test_what_goes_into_its_products_is_no_state():
    with pytest.raises(InputRefusedError, match="minGRU, which has no site 'recurrent'"):
        layer(MinGRU(), VariationalDropout(recurrent=0.2))
    with pytest.raises(InputRefusedError, match="no memory cell to preserve"):
        layer(MinGRU(), Zoneout(cell=0.2))
