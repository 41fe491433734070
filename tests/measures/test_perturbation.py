"""What is left of a perturbation, against two runs of the recurrence written out by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from zoneout_lab import GRU, LSTM, NoRegularizer, NormStabilizer, RecurrentDropout, WeightNoise, Zoneout, probe
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures import perturbation_growth

T, B, F, H = 7, 3, 2, 5


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def perturbed(states: tuple[torch.Tensor, ...], size: float, seed: int) -> tuple[torch.Tensor, ...]:
    """Each example's state moved by ``size`` of its norm, the directions drawn one tensor after another."""
    generator = torch.Generator().manual_seed(seed)
    moved = []
    for state in states:
        direction = torch.randn(state.shape, generator=generator, dtype=torch.float64)
        out = state.clone()
        for index in np.ndindex(*state.shape[:-1]):
            out[index] += size * state[index].norm() * direction[index] / direction[index].norm()
        moved.append(out)
    return tuple(moved)


REGULARIZERS = [
    NoRegularizer(), Zoneout(cell=0.5, hidden=0.3), RecurrentDropout(0.4), WeightNoise(0.2), NormStabilizer(1.0)
]  # fmt: skip


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_is_the_distance_of_two_runs_under_one_noise(regularizer, training: bool):
    rnn = LSTM(F, H, 2, regularizer=regularizer, mask_seed=4, dtype=torch.float64).train(training)
    rnn.update = 11
    x, states = random(T, B, F), (random(2, B, H, seed=2), random(2, B, H, seed=3))
    found = perturbation_growth(rnn, x, states, size=0.2, seed=9)
    assert dict(found.sizes) == {"layer": 2, "state": 2, "lag": T}
    assert list(found.lag.values) == [1, *range(2, T + 1)]
    assert rnn.update == 11
    # masks depend on the length of the sequence, so with them only whole sequences compare: every output, and the last states
    drawn = training and bool(regularizer.sites())
    for steps in [T] if drawn else range(1, T + 1):
        outputs, finals = [], []
        for start in (states, moved := perturbed(states, 0.2, 9)):
            rnn.update = 11
            out, final = rnn(x[:steps], start)
            outputs.append(out)
            finals.append(final)
        sizes = [(moved[kind] - states[kind]).norm(dim=-1) for kind in range(2)]
        for kind, state in enumerate(("hidden", "cell")):
            apart = (finals[0][kind] - finals[1][kind]).norm(dim=-1) / sizes[kind]
            np.testing.assert_allclose(found.growth.sel(state=state, lag=steps), apart.mean(-1).detach(), rtol=1e-9)
        apart = (outputs[0] - outputs[1]).norm(dim=-1) / sizes[0][1]
        top = found.growth.sel(layer="l1", state="hidden")[:steps]
        np.testing.assert_allclose(top, apart.mean(-1).detach(), rtol=1e-9)


@pytest.mark.parametrize("lengths", [[7, 4, 1], [2, 7, 7]], ids=str)
def test_a_packed_batch_is_the_mean_over_the_examples_that_have_the_timestep(lengths: list[int]):
    rnn, h = GRU(F, H, dtype=torch.float64), random(1, B, H, seed=2)
    sequences = [random(n, F, seed=n) for n in lengths]
    packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    found = perturbation_growth(rnn, packed, h, size=0.2, seed=9).growth
    moved = perturbed((h,), 0.2, 9)[0]
    each = np.full((B, T), np.nan)
    for b, x in enumerate(sequences):
        a, c = (rnn(x[:, None], start[:, [b]])[0] for start in (h, moved))
        each[b, : len(x)] = ((a - c).norm(dim=-1) / (moved - h)[0, b].norm()).detach()[:, 0]
    np.testing.assert_allclose(found.sel(layer="l0", state="hidden"), np.nanmean(each, 0), rtol=1e-9)


def test_replicas_are_measured_as_each_alone():
    kinds = [NoRegularizer(), Zoneout(hidden=0.3)]
    both = GRU(F, H, regularizer=kinds, replicas=2, mask_seed=[0, 1])
    x, h = random(T, B, F).float(), random(2, 1, B, H, seed=2).float()
    found = perturbation_growth(both, x[None], h)
    assert list(found.growth.dims) == ["replica", "layer", "state", "lag"]
    for r, kind in enumerate(kinds):
        alone = GRU(F, H, regularizer=kind, mask_seed=r)
        with torch.no_grad():
            for mine, theirs in zip(alone.parameters(), both.parameters(), strict=True):
                mine.copy_(theirs[r])
        np.testing.assert_array_equal(found.growth.isel(replica=r), perturbation_growth(alone, x, h[r]).growth)


def test_a_loop_of_ones_own_and_noise_of_torchs():
    """Dropout of torch's is the same in both runs: a linear map's perturbation shrinks by exactly its mask and factor."""
    keep = nn.Dropout(0.5).train()

    class Loop(nn.Module):
        def forward(self, x, h):
            for x_t in x:
                h = x_t + 0.5 * keep(h)
                probe(hidden=h)
            return h

    growth = perturbation_growth(Loop(), torch.zeros(1, 4000, 1), torch.ones(4000, 1)).growth
    # 0.5 · h / 0.5 where kept: half of the examples keep the whole perturbation, the others nothing
    assert growth.item() == pytest.approx(0.5, abs=0.04)


def test_examples_whose_state_is_zero_do_not_count():
    rnn = GRU(F, H)
    h = random(1, B, H).float()
    h[:, 0] = 0
    some = perturbation_growth(rnn, random(T, B, F).float(), h).growth
    assert np.isfinite(some).all()


def test_a_state_of_zero_beside_one_that_is_not():
    rnn = LSTM(F, H)
    states = (torch.zeros(1, B, H), random(1, B, H).float())
    growth = perturbation_growth(rnn, random(T, B, F).float(), states).growth
    assert growth.sel(state="hidden").isnull().all()
    assert np.isfinite(growth.sel(state="cell")).all()


class Two(nn.Module):
    """Two recurrent modules, of this package or torch's cells, one on the other's outputs."""

    def __init__(self, cells: bool):
        super().__init__()
        torch.manual_seed(0)
        self.a: nn.Module
        self.b: nn.Module
        self.a, self.b = (nn.GRUCell(F, H), nn.GRUCell(H, H)) if cells else (GRU(F, H), GRU(H, H))

    def forward(self, x, states):
        first, second = states
        if isinstance(self.a, nn.GRUCell):
            for x_t in x:
                first = self.a(x_t, first)
                second = self.b(first, second)
            return second
        return self.b(self.a(x, first[None])[0], second[None])[0]


def test_two_modules_have_labels_of_their_own():
    x, states = random(T, B, F).float(), random(2, B, H, seed=2).float()
    ours, torchs = Two(cells=False), Two(cells=True)
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), torchs.parameters(), strict=True):
            mine.copy_(theirs)
    found = perturbation_growth(ours, x, states).growth
    assert list(found.layer.values) == ["a.l0", "b.l0"]
    assert found.sizes["lag"] == T
    np.testing.assert_allclose(found.values, perturbation_growth(torchs, x, states).growth.values, rtol=1e-4, atol=1e-6)


class Wrapped(nn.Module):
    """Noise of one's own around one of torch's cells, whose states after the noise are probed."""

    def __init__(self, label: str):
        super().__init__()
        self.cell, self.label = nn.GRUCell(F, H), label

    def forward(self, x, h):
        for x_t in x:
            h = 0.5 * h + 0.5 * self.cell(x_t, h)
            probe(self.label, hidden=h)
        return h


def test_states_probed_around_a_cell_of_torchs():
    x, h = random(T, B, F).float(), random(B, H).float()
    model = Wrapped("mine")
    with pytest.raises(InputRefusedError, match=r"the model has 2 \(cell, mine\).*layers="):
        perturbation_growth(model, x, h)
    growth = perturbation_growth(model, x, h, layers=["mine"]).growth
    assert list(growth.layer.values) == ["mine"]
    np.testing.assert_array_equal(growth, perturbation_growth(lambda x, h: model(x, h), x, h).growth)
    with pytest.raises(InputRefusedError, match=r"'cell' are recorded by torch\.nn\.GRUCell and by zoneout_lab\.probe"):
        perturbation_growth(Wrapped("cell"), x, h)


def test_a_numpy_seed_and_a_single_label_are_taken():
    rnn, x, h = GRU(F, H, dtype=torch.float64), random(T, B, F), random(1, B, H)
    found = perturbation_growth(rnn, x, h, seed=np.int64(3), layers="l0").growth
    np.testing.assert_array_equal(found, perturbation_growth(rnn, x, h, seed=3).growth)


@pytest.mark.parametrize(
    "size", [torch.tensor(0.25), torch.tensor(0.25, requires_grad=True), np.float32(0.25), np.array(0.25)], ids=repr
)
def test_a_size_may_be_a_number_of_numpy_or_torch(size):
    rnn, x, h = GRU(F, H, dtype=torch.float64), random(T, B, F), random(1, B, H)
    expected = perturbation_growth(rnn, x, h, size=0.25, seed=2**64 + 3).growth
    np.testing.assert_array_equal(perturbation_growth(rnn, x, h, size=size, seed=torch.tensor(3)).growth, expected)


def test_what_cannot_be_measured_is_refused():
    x, h = random(T, B, F).float(), random(1, B, H).float()
    for size in (0, -1, float("inf"), "large", "0.1", True, torch.tensor(0.0), np.ones(2), None, torch.tensor(1j)):
        with pytest.raises(
            InputRefusedError, match=re.escape(f"perturbation's size is {size}; it must be a finite number above 0")
        ):
            perturbation_growth(GRU(F, H), x, h, size=size)
    with pytest.raises(InputRefusedError, match=r"seed of the direction is 0\.5; it must be a whole number"):
        perturbation_growth(GRU(F, H), x, h, seed=0.5)
    with pytest.raises(InputRefusedError, match="has no layer 'l7'; it has l0"):
        perturbation_growth(GRU(F, H), x, h, layers=["l7"])
    with pytest.raises(InputRefusedError, match="keeps its states inside one fused operation"):
        perturbation_growth(nn.GRU(F, H), x, h)
    with pytest.raises(InputRefusedError, match="2 states were given and the model has no cell state of 'mine'"):
        perturbation_growth(lambda x, states: probe("mine", hidden=states[0]), x, (h, h))
    with pytest.raises(InputRefusedError, match="2 layers and the model has 1"):
        perturbation_growth(lambda x, states: probe("mine", hidden=states), x, h.expand(2, B, H))


NO_STATES = {
    "none": ((), "0 states were given"),
    "three": ((torch.ones(1, B, H),) * 3, "3 states were given"),
    "lists": (([1.0], [2.0]), "A state is a list"),
    "zeros": ((torch.zeros(1, B, H), torch.zeros(1, B, H)), "all zero"),
    "nothing": (None, "A state is a NoneType"),
    "an array": (np.ones((B, H)), "A state is a ndarray"),
    "a vector": (torch.ones(H), rf"shape \[{H}\]"),
    "integers": (torch.ones(1, B, H, dtype=torch.int64), "torch.int64"),
    "two batches": ((torch.ones(1, B, H), torch.ones(1, 1, H)), rf"shapes \[1, {B}, {H}\] and \[1, 1, {H}\]"),
}


@pytest.mark.parametrize(("states", "said"), NO_STATES.values(), ids=NO_STATES)
def test_wrong_states_are_refused(states, said: str):
    with pytest.raises(InputRefusedError, match=f"{said}.*give h"):
        perturbation_growth(LSTM(F, H), torch.zeros(T, B, F), states)


def test_hidden_states_may_be_narrower_than_cells():
    """A loop of one's own whose h is a projection of its c: both halve at every timestep."""

    def model(x, states):
        h, c = states
        for _ in x:
            h, c = h / 2, c / 2
            probe("mine", hidden=h, cell=c)

    growth = perturbation_growth(model, torch.zeros(2, B, F), (torch.ones(B, 3), torch.ones(B, 5))).growth
    np.testing.assert_allclose(growth, [[[0.5, 0.25], [0.5, 0.25]]], rtol=1e-6)
