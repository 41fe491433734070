"""Gradient flow against its slow twin: every unit of every state nudged, the loss computed again, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import gradient_flow, probe
from zoneout_lab.ops.masks import Place, draw

T, B, N, H, SEED = 5, 3, 2, 4, 6
STATES = {"lstm": ("cell", "hidden"), "gru": ("hidden",), "rnn_tanh": ("hidden",)}
LAYERS: dict[str, type] = {"lstm": zl.LSTM, "gru": zl.GRU, "rnn_tanh": zl.RNN}
CASES = {
    "plain": zl.NoRegularizer(),
    "zoneout": zl.Zoneout(hidden=0.4),
    "both": zl.Zoneout(cell=0.5, hidden=0.4),
    "shared per layer": zl.Zoneout(cell=0.5, hidden=0.4, share=True, per="layer"),
    "recurrent dropout": zl.RecurrentDropout(0.4),
    "cell dropout": zl.CellDropout(0.4),
}
WORKS = [(c, k) for c in LAYERS for k, r in CASES.items() if c == "lstm" or k in ("plain", "zoneout")] + [
    ("gru", "recurrent dropout")
]


def logistic(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def twin_loss(
    cell: str, p: dict[str, np.ndarray], x: np.ndarray, at: dict[str, np.ndarray], w: np.ndarray, nudge
) -> float:
    """Σ w ⊙ h_t² over all t, with ``nudge(point, state, t, value)`` applied wherever a state comes into being."""
    h, c, total = np.zeros((B, H)), np.zeros((B, H)), 0.0
    for t in range(T):
        z = {site: share[:, t] for site, share in at.items()}
        into, back = x[t] @ p["weight_ih_l0"].T + p["bias_ih_l0"], h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
        if cell == "lstm":
            i, f, g, o = np.split(into + back, 4, -1)
            new_c = (1 - z["memory"]) * (logistic(f) * c + (1 - z["update"]) * logistic(i) * np.tanh(g))
            new_c = nudge("candidate", "cell", t, new_c)
            new_h = logistic(o) * np.tanh(new_c)
            c = nudge("state", "cell", t, z["cell"] * c + (1 - z["cell"]) * new_c)
        elif cell == "gru":
            (x_r, x_u, x_n), (h_r, h_u, h_n) = np.split(into, 3, -1), np.split(back, 3, -1)
            u = logistic(x_u + h_u)
            n = np.tanh(x_n + logistic(x_r + h_r) * h_n)
            new_h = u * h + (1 - u) * (1 - z["update"]) * n
        else:
            new_h = np.tanh(into + back)
        new_h = nudge("candidate", "hidden", t, new_h)
        h = nudge("state", "hidden", t, z["hidden"] * h + (1 - z["hidden"]) * new_h)
        total += float((w[t] * h**2).sum())
    return total


def twin_norms(cell: str, p: dict[str, np.ndarray], x: np.ndarray, at: dict[str, np.ndarray], w: np.ndarray) -> dict:
    step = 1e-6
    norms = {}
    for point in ("candidate", "state"):
        for state in STATES[cell]:
            gradient = np.zeros((T, B, H))
            for t, b, j in np.ndindex(T, B, H):

                def nudged(by: float, place=(point, state, t), unit=(b, j)) -> float:
                    def nudge(*arguments):
                        *where, value = arguments
                        if tuple(where) == place:
                            value = value.copy()
                            value[unit] += by
                        return value

                    return twin_loss(cell, p, x, at, w, nudge)

                gradient[t, b, j] = (nudged(step) - nudged(-step)) / (2 * step)
            norms[point, state] = np.sqrt((gradient**2).sum(-1)).mean(-1)
    return norms


@pytest.mark.parametrize("training", [True, False], ids=["masks", "expectation"])
@pytest.mark.parametrize(("cell", "case"), WORKS)
def test_equals_finite_differences(cell: str, case: str, training: bool):
    torch.manual_seed(0)
    rnn = LAYERS[cell](N, H, regularizer=CASES[case], mask_seed=SEED, dtype=torch.float64).train(training)
    rnn.update = 2
    x, w = torch.randn(T, B, N, dtype=torch.float64), torch.randn(T, B, H, dtype=torch.float64)
    flow = gradient_flow(rnn, x, lambda result: (w * result[0] ** 2).sum())

    at = {site: np.zeros((B, T, H)) for site in ("cell", "hidden", "update", "memory")}
    for site, mask in CASES[case].sites().items():
        drawn = draw(mask, Place(SEED, 0, site, 2), T, B, H) if training else mask.rate
        at[site] = at[site] + drawn
    parameters = {name: p.detach().numpy() for name, p in rnn.named_parameters()}
    expected = twin_norms(cell, parameters, x.numpy(), at, w.numpy())
    assert list(flow.state.values) == list(STATES[cell])
    for (point, state), norm in expected.items():
        got = flow.sel(layer="l0", state=state, point=point)
        np.testing.assert_allclose(got.norm, norm, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(got.normalised, norm / norm.sum(), rtol=1e-6, atol=1e-8)


def by_retained_gradients(step, x: torch.Tensor, h: torch.Tensor, loss) -> np.ndarray:
    states = []
    for x_t in x:
        h = step(x_t, h)
        h.retain_grad()
        states.append(h)
    loss(torch.stack(states)).backward()
    return np.array([s.grad.norm(dim=-1).mean() for s in states])


class CellLoop(nn.Module):
    """A user's own loop over one of torch's cells."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.encoder = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, out = None, []
        for x_t in x:
            h = self.encoder(x_t, h)
            out.append(h if isinstance(h, torch.Tensor) else h[0])
        return torch.stack(out)


def squares(out: torch.Tensor) -> torch.Tensor:
    return out.square().sum()


def test_torch_cells_are_seen_without_any_change():
    for cell in (nn.GRUCell(N, H), nn.RNNCell(N, H)):
        x = torch.randn(T, B, N)
        flow = gradient_flow(CellLoop(cell), x, squares)
        expected = by_retained_gradients(cell, x, torch.zeros(B, H), squares)
        got = flow.sel(layer="encoder", state="hidden", point="state")
        np.testing.assert_allclose(got.norm, expected, rtol=1e-5)
        assert flow.sel(point="candidate").norm.isnull().all()


def test_an_lstm_cell_of_torch_gives_what_our_layer_gives():
    ours, cell = zl.LSTM(N, H), nn.LSTMCell(N, H)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in ours.state_dict().items()})
    x = torch.randn(T, B, N)
    one = gradient_flow(ours, x, lambda result: squares(result[0])).isel(layer=0)
    other = gradient_flow(CellLoop(cell), x, squares).isel(layer=0)
    np.testing.assert_allclose(one.norm.sel(point="state"), other.norm.sel(point="state"), rtol=1e-5)


def test_probe_records_the_states_of_ones_own_step():
    weight = torch.randn(H, H)

    def step(x_t, h):
        return torch.tanh(x_t + h @ weight.T)

    def model(x, h):
        out = []
        for x_t in x:
            h = step(x_t, h)
            probe("mine", hidden=h)
            out.append(h)
        return torch.stack(out)

    x, h = torch.randn(T, B, H), torch.zeros(B, H, requires_grad=True)
    flow = gradient_flow(model, (x, h), squares)
    expected = by_retained_gradients(step, x, h, squares)
    np.testing.assert_allclose(flow.norm.sel(layer="mine", state="hidden", point="state"), expected, rtol=1e-5)


def test_probe_outside_a_measurement_does_nothing():
    probe(hidden=torch.zeros(1))
    with pytest.raises(InputRefusedError, match="has no recurrent states"):
        gradient_flow(lambda x: x, torch.zeros(2), torch.sum)


def test_a_timestep_the_loss_does_not_depend_on_has_gradient_zero():
    flow = gradient_flow(zl.LSTM(N, H), torch.randn(T, B, N), lambda result: result[0][2].sum())
    hidden = flow.norm.sel(layer="l0", state="hidden", point="state").values
    assert (hidden[:3] > 0).all()
    assert (hidden[3:] == 0).all()


def test_frozen_states_hand_the_gradient_back_whole():
    """Zoneout with rate 1: nothing reaches the candidates, and every state has the gradient of the last."""
    rnn = zl.LSTM(N, H, regularizer=zl.Zoneout(cell=1.0, hidden=1.0))
    flow = gradient_flow(rnn, torch.randn(T, B, N), lambda result: result[0][-1].sum()).isel(layer=0)
    np.testing.assert_allclose(flow.norm.sel(state="hidden", point="state"), H**0.5)
    assert (flow.norm.sel(point="candidate") == 0).all()
    assert flow.normalised.sel(point="candidate").isnull().all()


def test_a_mean_over_examples_divides_by_their_number():
    rnn, x = zl.LSTM(N, H), torch.randn(T, B, N)
    total = gradient_flow(rnn, x, lambda result: result[0][-1].sum(-1).sum())
    mean = gradient_flow(rnn, x, lambda result: result[0][-1].sum(-1).mean())
    np.testing.assert_allclose(total.norm, mean.norm * B, rtol=1e-6)
    np.testing.assert_allclose(total.normalised, mean.normalised, rtol=1e-6)


def test_layers_and_directions_are_labelled_as_torch_does():
    rnn = zl.GRU(N, H, 2, bidirectional=True)
    flow = gradient_flow(rnn, torch.randn(T, B, N), lambda result: squares(result[0]))
    assert list(flow.layer.values) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert dict(flow.sizes) == {"layer": 4, "state": 1, "point": 2, "time": T}
    assert bool((flow.norm > 0).all())


def test_replicas_are_measured_each_as_if_alone():
    values = [zl.NoRegularizer(), zl.Zoneout(cell=0.5), zl.CellDropout(0.5)]
    together = zl.LSTM(N, H, replicas=3, regularizer=values, mask_seed=[1, 2, 3])
    x = torch.randn(1, T, B, N)
    flow = gradient_flow(together, x, lambda result: squares(result[0]))
    assert flow.norm.dims[0] == "replica"
    for r, value in enumerate(values):
        alone = zl.LSTM(N, H, regularizer=value, mask_seed=r + 1)
        alone.load_state_dict({name: tensor[r] for name, tensor in together.state_dict().items()})
        own = gradient_flow(alone, x[0], lambda result: squares(result[0]))
        np.testing.assert_array_equal(own.norm, flow.norm.isel(replica=r))
        assert "replica" not in own.dims


def test_a_cells_gradient_counts_the_way_through_later_timesteps_alone():
    """The loss reads the last output alone, and nothing comes after it: zero at the cell's state, not at its candidate."""
    for model in (zl.LSTM(N, H), zl.LSTM(N, H, regularizer=zl.Zoneout(cell=0.5)), CellLoop(nn.LSTMCell(N, H))):

        def last_of(result):
            return (result[0] if isinstance(result, tuple) else result)[-1].sum()

        flow = gradient_flow(model, torch.randn(T, B, N), last_of).isel(layer=0).sel(state="cell").norm
        assert flow.sel(point="state")[-1] == 0
        assert (flow.sel(point="state")[:-1] > 0).all()
        assert isinstance(model, CellLoop) or flow.sel(point="candidate")[-1] > 0


class TwoStage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = zl.LSTM(N, H), zl.GRU(H, H)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x)[0])[0]


def test_several_recurrent_modules_are_labelled_by_name():
    model, x = TwoStage(), torch.randn(T, B, N)
    flow = gradient_flow(model, x, squares)
    assert list(flow.layer.values) == ["encoder.l0", "decoder.l0"]
    assert flow.sizes["time"] == T
    alone = gradient_flow(model.decoder, model.encoder(x)[0].detach(), lambda result: squares(result[0]))
    got, own = flow.sel(layer="decoder.l0", state="hidden"), alone.sel(layer="l0", state="hidden")
    np.testing.assert_allclose(got.norm, own.norm, rtol=1e-5)
    assert flow.norm.sel(layer="decoder.l0", state="cell").isnull().all()


PACKED = {
    "lstm": (zl.LSTM, {}),
    "gru both ways, two layers": (zl.GRU, {"bidirectional": True, "num_layers": 2}),
    "lstm with zoneout": (zl.LSTM, {"regularizer": zl.Zoneout(cell=0.5, hidden=0.3)}),
}


def ends_and_outputs(result) -> torch.Tensor:
    """Of the outputs and of the last states, which a packed batch holds on to."""
    out, last = result
    data = out.data if isinstance(out, nn.utils.rnn.PackedSequence) else out
    return squares(data) + sum(state.sum() for state in (last if isinstance(last, tuple) else (last,)))


@pytest.mark.parametrize("case", PACKED)
@pytest.mark.parametrize("lengths", [[5, 3, 1], [2, 5, 5]], ids=str)
def test_a_packed_batch_is_the_mean_over_the_examples_that_have_the_timestep(case: str, lengths: list[int]):
    layer, options = PACKED[case]
    rnn = layer(N, H, **options).eval()
    sequences = [torch.randn(n, N) for n in lengths]
    packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    flow = gradient_flow(rnn, packed, ends_and_outputs)
    each = [gradient_flow(rnn, x[:, None], ends_and_outputs).norm for x in sequences]
    alone = np.stack(
        [np.pad(norm, [(0, 0)] * 3 + [(0, T - norm.sizes["time"])], constant_values=np.nan) for norm in each]
    )
    expected = np.nanmean(alone, 0)
    np.testing.assert_allclose(flow.norm, expected, rtol=1e-5)
    np.testing.assert_allclose(flow.normalised, expected / expected.sum(-1, keepdims=True), rtol=1e-5)


def test_measuring_changes_no_parameter_gradient_and_leaves_no_hook():
    model, x = CellLoop(nn.LSTMCell(N, H)), torch.randn(T, B, N)
    gradient_flow(model, x, squares)
    assert all(p.grad is None for p in model.parameters())
    assert not model.encoder._forward_hooks


def test_variables_have_units_and_names():
    flow = gradient_flow(zl.RNN(N, H), torch.randn(T, B, N), lambda result: squares(result[0]))
    assert {"norm", "normalised", *flow.dims} <= set(flow.variables)
    assert all({"long_name", "units"} <= set(v.attrs) for v in flow.variables.values())


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "fused lstm": (nn.LSTM(N, H), lambda result: squares(result[0]), r"put zoneout_lab\.LSTM in its place"),
    "fused gru inside": (nn.Sequential(nn.GRU(N, H)), lambda result: squares(result[0]), r"put zoneout_lab\.GRU"),
    "no recurrence": (nn.Linear(N, H), squares, r"call zoneout_lab\.probe"),
    "vector loss": (zl.LSTM(N, H), lambda result: result[0].sum(0), "must be one number"),
    "no tensor": (zl.LSTM(N, H), lambda result: 1.0, "must be one number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused_with_advice(case: str):
    model, loss, message = REFUSED[case]
    with pytest.raises(InputRefusedError, match=message):
        gradient_flow(model, torch.randn(T, B, N), loss)


def test_its_old_name_still_works():
    with pytest.warns(DeprecationWarning, match="now called probe"):
        old = zl.watch
    assert old is zl.probe
