"""What every cell on the list does; a new member is tested by being on it."""

from __future__ import annotations

import dataclasses
import inspect
import json

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from zoneout_lab import NonRecurrentDropout, Recurrent, Regularizer, WeightNoise, gradient_flow, perturbation_growth
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.ops.cells import CELLS, Cell, as_cell, from_json, to_json
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.ops.probe import recording
from zoneout_lab.profiles import states_in_order
from zoneout_lab.settings import Model
from zoneout_lab.training.initial import initialise

T, B, I, H = 5, 3, 2, 4  # noqa: E741
NAMED = pytest.mark.parametrize("kind", CELLS)


def made(cell: Cell, regularizer: Regularizer | None = None, *, layers: int = 2, **options: object) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(cell, I, H, layers, regularizer=regularizer, mask_seed=1, dtype=torch.float64, **options)


def inputs(*lead: int) -> Tensor:
    return torch.randn(*lead, T, B, I, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def everywhere(cell: Cell, z: float) -> dict[str, MaskSpec]:
    return {site: MaskSpec(z) for site in cell.states.values() if site in cell.sites}


@dataclasses.dataclass(frozen=True)
class Everywhere(Regularizer):
    """Zoneout of every state that may be preserved, with the cell's own sites."""

    z: float
    of: Cell

    def sites(self) -> dict[str, MaskSpec]:
        return everywhere(self.of, self.z)


@NAMED
def test_is_a_documented_frozen_value(kind: str):
    cell = CELLS[kind]
    assert cell.kind == kind
    assert inspect.getdoc(cell) != inspect.getdoc(Cell)
    assert cell() == cell()
    assert hash(cell()) == hash(cell())
    with pytest.raises(dataclasses.FrozenInstanceError):
        cell().kind = "another"  # type: ignore[misc]


@NAMED
def test_goes_through_json_and_back(kind: str):
    cell = CELLS[kind]()
    assert from_json(json.loads(json.dumps(to_json(cell)))) == cell
    assert as_cell(kind) == as_cell(CELLS[kind]) == as_cell(cell) == as_cell({"kind": kind}) == cell
    with pytest.raises(UsageError, match="no option 'strength'"):
        from_json({"kind": kind, "strength": 1})


@pytest.mark.parametrize("name", ["lstn", "LSTM", "", "layer_norm"])
def test_an_unknown_cell_is_refused_with_those_there_are(name: str):
    with pytest.raises(UsageError, match="There is no cell"):
        Recurrent(name, I, H)


@pytest.mark.parametrize("value", [None, 3, ["lstm"], torch.nn.LSTM, Cell])
def test_what_is_not_a_cell_is_refused(value: object):
    with pytest.raises(InputRefusedError, match="give a name such as 'lstm'"):
        Recurrent(value, I, H)  # type: ignore[arg-type]


@NAMED
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"bidirectional": True}, {"learned_state": True}], ids=str)
def test_a_stack_of_it_gives_outputs_and_every_state(kind: str, options: dict[str, bool]):
    rnn = made(CELLS[kind](), **options)
    out, states = rnn(inputs())
    D = 1 + bool(options.get("bidirectional"))
    assert out.shape == (T, B, D * H)
    assert [state.shape for state in states] == [(2 * D, B, H)] * len(rnn.cell.states)
    assert torch.equal(out[-1, :, :H], states[0][-D])
    assert out.isfinite().all()
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in rnn.parameters())
    assert {name.rpartition("_l")[0] for name, _ in rnn.named_parameters()} >= {"weight_ih"}
    with pytest.raises(InputRefusedError, match=f"has {len(rnn.cell.states)}: give hidden"):
        rnn(inputs(), (*states, states[0]))


# an earlier output gate, and the number of the timestep, are not states
@pytest.mark.parametrize("kind", [kind for kind in CELLS if kind not in ("output_gate_lstm", "batch_norm_lstm")])
def test_states_carry_on_where_a_sequence_was_cut(kind: str):
    rnn, x = made(CELLS[kind]()), inputs()
    whole, last = rnn(x)
    first, states = rnn(x[:2])
    second, end = rnn(x[2:], states)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-12, atol=1e-14)
    for a, b in zip(end, last, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@NAMED
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_finite_differences(kind: str, training: bool):
    cell = CELLS[kind]()
    cell = as_cell({"kind": kind, "epsilon": 0.1}) if hasattr(cell, "epsilon") else cell
    rnn = made(cell, Everywhere(0.4, cell), layers=1).train(training)
    names, parameters = zip(*rnn.named_parameters(), strict=True)
    states = tuple(torch.randn(1, B, H, dtype=torch.float64).mul_(0.3).abs_() for _ in cell.states)
    leaves = [t.detach().clone().requires_grad_() for t in (inputs(), *states, *parameters)]

    def results(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        rnn.update = 3  # the same masks every time
        h, values = rest[: len(states)], dict(zip(names, rest[len(states) :], strict=True))
        out, last = torch.func.functional_call(rnn, values, (x, h))
        return (out, *last)

    assert gradcheck(results, leaves, fast_mode=True)


@NAMED
@pytest.mark.parametrize("training", [True, False])
def test_a_rate_of_one_preserves_every_state_that_has_a_site(kind: str, training: bool):
    cell = CELLS[kind]()
    rnn = made(cell, Everywhere(1.0, cell), layers=1).train(training)
    start = tuple(torch.rand(1, B, H, dtype=torch.float64) for _ in cell.states)
    _, last = rnn(inputs(), start)
    for (state, site), before, after in zip(cell.states.items(), start, last, strict=True):
        assert torch.equal(before, after) == (site in cell.sites), state


@NAMED
def test_a_replica_is_what_it_is_alone(kind: str):
    cell = CELLS[kind]()
    kinds = [Everywhere(0.3, cell), WeightNoise(0.1), NonRecurrentDropout(0.3)]
    torch.manual_seed(0)
    together = Recurrent(cell, 2, 20, 2, regularizer=kinds, replicas=3, mask_seed=[0, 1, 2])
    x = torch.randn(1, T, B, 2)
    out, last = together(x)
    grads = torch.autograd.grad(out.square().sum(), list(together.parameters()))
    for r, each in enumerate(kinds):
        alone = Recurrent(cell, 2, 20, 2, regularizer=[each], replicas=1, mask_seed=[r])
        with torch.no_grad():
            for mine, theirs in zip(alone.parameters(), together.parameters(), strict=True):
                mine.copy_(theirs[r : r + 1])
        single, states = alone(x)
        assert torch.equal(single[0], out[r])
        assert all(torch.equal(a[0], b[r]) for a, b in zip(states, last, strict=True))
        for mine, theirs in zip(
            torch.autograd.grad(single.square().sum(), list(alone.parameters())), grads, strict=True
        ):
            assert torch.equal(mine[0], theirs[r])
        assert all(torch.equal(a[0], b[r]) for a, b in zip(alone.buffers(), together.buffers(), strict=True))


@NAMED
def test_a_packed_sequence_is_every_example_by_itself_or_refused(kind: str):
    rnn = made(CELLS[kind]()).eval()
    sequences = [torch.randn(length, I, dtype=torch.float64) for length in (4, 2, 3)]
    packed = torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    if rnn.cell.mixes_examples:
        with pytest.raises(InputRefusedError, match="pad them to one length"):
            rnn(packed)
        return
    out, last = rnn(packed)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(out)
    for b, sequence in enumerate(sequences):
        own, states = rnn(sequence)
        torch.testing.assert_close(padded[: len(sequence), b], own, rtol=1e-12, atol=1e-14)
        for a, s in zip(last, states, strict=True):
            torch.testing.assert_close(a[:, b], s, rtol=1e-12, atol=1e-14)


@NAMED
def test_every_state_is_seen_by_a_measurement(kind: str):
    cell = CELLS[kind]()
    flow = gradient_flow(made(cell, layers=1), inputs(), lambda out: out[0].square().sum())
    assert set(flow.state.values) == set(cell.states)
    assert (flow.norm.sel(state="hidden") > 0).all()
    assert flow.norm.notnull().all()


@NAMED
@pytest.mark.parametrize("training", [True, False])
def test_gates_that_it_shows_are_shares_of_each_timestep(kind: str, training: bool):
    cell = CELLS[kind]()
    rnn = made(cell, Everywhere(0.4, cell), replicas=2).train(training)
    with torch.no_grad(), recording(recurrences=True) as probe:
        out, _ = rnn(inputs(1))
    assert list(probe.recurrences) == ["l0", "l1"]
    for (recurrence,) in probe.recurrences.values():
        gates = recurrence.gates
        assert set(gates.kept) <= set(cell.states)
        assert bool(gates.values) == bool(gates.kept)
        for series in (*gates.values.values(), *gates.kept.values()):
            values = torch.stack(series, 1)
            assert values.shape == (2, T, B, H)
            assert (values >= 0).all()
            assert (values <= 1).all()
        if kind.endswith(("lstm", "gru")):
            assert gates.kept
    again = made(cell, Everywhere(0.4, cell), replicas=2).train(training)
    torch.testing.assert_close(out, again(inputs(1))[0], rtol=1e-12, atol=1e-14)


@NAMED
@pytest.mark.parametrize("init", ["torch", "block_orthogonal", "semi_orthogonal", "uniform"])
def test_every_initialisation_suits_it(kind: str, init: str):
    model = Model(cell=kind, hidden=H, init=init, forget_bias=1.0)  # type: ignore[arg-type]
    rnn = Recurrent(kind, I, H, 2, replicas=2)
    for r in range(2):
        initialise(rnn, r, model, torch.Generator().manual_seed(r))
    assert all(parameter.isfinite().all() for parameter in rnn.parameters())
    again = Recurrent(kind, I, H, 2, replicas=2)
    for r in range(2):
        initialise(again, r, model, torch.Generator().manual_seed(r))
    assert all(map(torch.equal, rnn.parameters(), again.parameters()))


@NAMED
def test_a_state_dict_is_loaded_into_another(kind: str):
    one, other = made(CELLS[kind]()), Recurrent(kind, I, H, 2, dtype=torch.float64)
    one(inputs())  # moves what is not trained
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(inputs())[0], other.eval()(inputs())[0])


@NAMED
def test_a_perturbation_of_all_its_states_is_followed(kind: str):
    rnn = made(CELLS[kind](), layers=1).eval()
    _, states = rnn(inputs())
    growth = perturbation_growth(rnn, inputs(), states).growth
    assert list(growth.state.values) == states_in_order(rnn.cell.states)
    assert (growth.sel(state="hidden") > 0).all()
    if len(states) > 1:
        with pytest.raises(InputRefusedError, match="states were given"):
            perturbation_growth(rnn, inputs(), (*states, states[0]))
