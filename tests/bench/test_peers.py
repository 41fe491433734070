"""Every peer does the same work: with rates of zero the same outputs and gradients, with rates the zoneout that was asked for."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from zoneout_lab.bench import peers
from zoneout_lab.bench.cases import CASES, Case, chosen
from zoneout_lab.bench.peers import LAYERS, PEERS, Problem
from zoneout_lab.errors import UsageError

TINY = Case("tiny", "for tests", batch=2, steps=3, hidden=4, input=5)
NOTHING = {"cell": 0.0, "hidden": 0.0}
BY_KEY = {peer.key: peer for peer in PEERS}
# of torch's compiler: advice, what torch 2.11 says of itself, and a warning that it hides, which a filter of "error" comes before
OF_THE_COMPILER = pytest.mark.filterwarnings(
    "ignore:TensorFloat32 tensor cores",
    "ignore:.torch.jit.script_method. is deprecated",
    "ignore:The .grad attribute of a Tensor that is not a leaf",
)


def tiny(cell: str, **options) -> Problem:
    return peers.problem(TINY, cell, dtype=torch.float64, **options)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("key", ["ours", "naive", "reference"])
def test_without_zoneout_a_peer_computes_what_torch_computes(key, cell):
    problem = tiny(cell, rates=NOTHING)
    expected = BY_KEY["torch"].make(problem)()
    assert expected[0].shape == (3, 2, 4)
    assert [gradient.shape for gradient in expected[1:]] == [weight.shape[1:] for weight in problem.weights.values()]
    step = BY_KEY[key].make(problem)
    assert_same(step(), expected)
    assert_same(step(), expected)  # and again: no gradient is added to an older one


@pytest.mark.slow
@OF_THE_COMPILER
@pytest.mark.parametrize("cell", LAYERS)
def test_so_does_the_loop_with_a_compiled_step(cell):
    problem = tiny(cell, rates=NOTHING)
    try:
        found = BY_KEY["compiled"].make(problem)()
    except Exception as error:
        if "Warning: " in str(error):  # one that OF_THE_COMPILER lacks
            raise
        pytest.skip(f"torch.compile does not work here: {error}")
    assert_same(found, BY_KEY["torch"].make(problem)())


@pytest.mark.parametrize("cell", LAYERS)
def test_replicas_compute_what_torch_computes_one_after_another(cell):
    problem = tiny(cell, replicas=3, rates=NOTHING)
    theirs = BY_KEY["torch"].make(problem)()
    ours = BY_KEY["ours"].make(problem)()
    assert len(theirs) == 3 * len(ours)
    for k, tensor in enumerate(ours):
        assert_same(tensor, theirs[k :: len(ours)])


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("key", ["ours", "naive", "reference"])
def test_a_rate_of_one_keeps_the_state(key, cell):
    out, *gradients = BY_KEY[key].make(tiny(cell, rates={"cell": 1.0, "hidden": 1.0}))()
    assert not out.any()
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("key", ["ours", "naive", "reference"])
def test_states_are_kept_as_often_as_asked(key, cell):
    case = Case("wide", "for tests", batch=20, steps=50, hidden=40, input=3)
    torch.manual_seed(0)
    step = BY_KEY[key].make(peers.problem(case, cell, rates={"cell": 0.5, "hidden": 0.2}))
    out, again = step()[0], step()[0]
    kept = (out[1:] == out[:-1]).double().mean().item()
    assert kept == pytest.approx(0.2, abs=5 * (0.2 * 0.8 / (20 * 49 * 40)) ** 0.5)
    assert not torch.equal(out, again)  # masks are drawn in every step


def test_the_masks_alone_are_those_of_our_steps():
    problem = tiny("lstm", rates={"cell": 0.5, "hidden": 0.5})
    draw = BY_KEY["masks"].make(problem)
    first, second = list(draw()), list(draw())
    layer = peers.our_layer(problem)
    drawn = layer.sampled_masks(0, (3, 2, 4), problem.x.device)
    assert all(torch.equal(mask, own) for mask, own in zip(first, drawn.values(), strict=True))
    assert [mask.shape for mask in first] == [(1, 3, 2, 4)] * 2
    assert not all(map(torch.equal, first, second))


def test_problems_are_the_same_for_one_seed_alone():
    one, same, other = tiny("gru"), tiny("gru"), tiny("gru", seed=1)
    assert torch.equal(one.x, same.x)
    assert all(torch.equal(one.weights[name], same.weights[name]) for name in one.weights)
    assert not torch.equal(one.x, other.x)
    assert one.rates == {"hidden": 0.05}  # a GRU has no memory cell
    assert tiny("lstm").rates == {"cell": 0.5, "hidden": 0.05}
    assert max(weight.abs().max() for weight in one.weights.values()) <= 0.5  # 1/√H


def test_who_is_a_peer_where(monkeypatch):
    assert BY_KEY["torch_graph"].why_not("lstm", "cpu") == ""
    assert BY_KEY["torch_graph"].why_not("lstm", "cuda:1") is None
    assert BY_KEY["haste"].why_not("rnn_tanh", "cuda") == ""
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert BY_KEY["haste"].why_not("lstm", "cuda") == "haste_pytorch is not installed"
    monkeypatch.setattr(peers, "find_spec", lambda name: importlib.util.find_spec("torch"))
    assert BY_KEY["haste"].why_not("lstm", "cuda") is None


def test_labels_say_what_a_peer_leaves_out():
    assert len(BY_KEY) == len(PEERS)
    assert BY_KEY["torch"].name("rnn_tanh") == "nn.RNN"
    assert "no zoneout: ceiling" in BY_KEY["torch"].note
    assert all(peer.note for peer in PEERS)


def test_cases():
    for name, case in CASES.items():
        assert name == case.name
        assert case.products("lstm") == 4 * case.products("rnn_tanh")
    assert [case.name for case in chosen([], "cuda:0")] == list(CASES)
    assert [case.name for case in chosen([], "cpu", everything=True)] == list(CASES)
    assert [case.name for case in chosen(["text8"], "cpu", everything=True)] == ["text8"]
    assert [case.name for case in chosen(["text8", "small", "text8"], "cpu")] == ["text8", "small"]
    for device in ("cpu", "cuda:1"):
        assert {1, 4, 16, 32, 64} <= set(chosen(["replicas"], device)[0].replicas)
    with pytest.raises(UsageError, match=r"no case 'pmist'\. Did you mean 'pmnist'"):
        chosen(["pmist"], "cpu")


def test_products_are_counted_one_by_one():
    B, T, H, I = TINY.batch, TINY.steps, TINY.hidden, TINY.input  # noqa: E741
    forward = 2 * B * T * 3 * H * I + 2 * B * T * 3 * H * H
    weights = forward
    states = 2 * B * T * 3 * H * H
    assert TINY.products("gru") == forward + weights + states


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none")
@OF_THE_COMPILER
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(
    "key", ["ours", "naive", "reference", "compiled", "torch_graph", "ours_graph", "naive_graph", "compiled_graph"]
)
def test_on_a_gpu_and_captured(key, cell):
    problem = peers.problem(TINY, cell, "cuda", dtype=torch.float64, rates=NOTHING)
    assert_same(BY_KEY[key].make(problem)(), BY_KEY["torch"].make(problem)())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none")
@pytest.mark.parametrize("key", ["ours_graph", "naive_graph"])
def test_every_replay_draws_new_masks(key):
    case = Case("wide", "for tests", batch=20, steps=10, hidden=40, input=3)
    step = BY_KEY[key].make(peers.problem(case, "lstm", "cuda"))
    first = step()[0].clone()
    assert not torch.equal(first, step()[0])
