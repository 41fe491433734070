"""Losses and scores against plain torch: in batches, of the first examples, as one long sequence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from tiny_tasks import TinyExamples, TinyStream, make_run
from torch import nn
from torch.nn import functional as F

from zoneout_lab import NoRegularizer, Zoneout
from zoneout_lab.engines import Outcome
from zoneout_lab.frozen import Seeds
from zoneout_lab.measures import USUAL, gradient_flow, perturbation_growth
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model
from zoneout_lab.tasks.base import Examples, Stream
from zoneout_lab.training import evaluate as module
from zoneout_lab.training import train
from zoneout_lab.training.evaluate import evaluate, evaluate_whole
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.measured import measure_runs
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.step import reads


def made(task: Any, regularizers: list[Regularizer], evaluation: str = "expectation", **options: Any) -> SequenceModel:
    runs = [make_run(seed, **options) for seed in range(len(regularizers))]
    return SequenceModel(
        runs[0].setting.model, task.input_size, task.output_size,
        regularizers=regularizers, seeds=[run.seeds for run in runs], evaluation=evaluation,
    )  # fmt: skip


ARMS = [NoRegularizer(), Zoneout(cell=0.5, hidden=0.3), Zoneout(cell=0.2, per="layer")]


def test_loss_of_each_replica_is_its_mean_cross_entropy():
    logits, targets = torch.randn(3, 5, 4, 6), torch.randint(6, (3, 5, 4))
    expected = [F.cross_entropy(logits[r].flatten(0, 1), targets[r].flatten()) for r in range(3)]
    assert torch.allclose(loss_by_replica(logits, targets), torch.stack(expected))
    shared = [F.cross_entropy(logits[r].flatten(0, 1), targets[0].flatten()) for r in range(3)]
    assert torch.allclose(loss_by_replica(logits, targets[:1]), torch.stack(shared))


@pytest.mark.parametrize("batch", [3, 7, 256])
def test_examples_in_batches_of_any_size(batch: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", batch)
    task = TinyExamples()
    split, model = task.load().train, made(task, ARMS)
    got = evaluate(model, split, "error")
    with torch.no_grad():
        logits = model.eval()(split.inputs.transpose(0, 1)[None])
    for r in range(3):
        assert got["loss"][r] == pytest.approx(F.cross_entropy(logits[r], split.targets).item(), rel=1e-6)
        assert got["error"][r] == (logits[r].argmax(-1) != split.targets).sum().item() / 33
    assert set(got) == {"loss", "error"}


@pytest.mark.parametrize("batch", [2, 256])
def test_streams_are_scored_in_bits_per_character(batch: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", batch)
    task = TinyStream()
    stream, model = task.load().valid, made(task, ARMS)
    got = evaluate(model, stream, "bpc")
    chunks = stream.symbols[: 10 * 9].view(10, 9)  # 95 symbols: ten chunks and a rest
    with torch.no_grad():
        logits = model.eval()(F.one_hot(chunks[:, :-1], 5).float().transpose(0, 1)[None], reads=8)
    for r in range(3):
        loss = F.cross_entropy(logits[r].flatten(0, 1), chunks[:, 1:].T.flatten()).item()
        assert got["loss"][r] == pytest.approx(loss, rel=1e-6)
        assert got["bpc"][r] == pytest.approx(loss / math.log(2), rel=1e-6)


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_the_first_examples_alone(task: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", 4)
    split, model = task.load().train, made(task, ARMS)
    first = (
        Examples(split.inputs[:8], split.targets[:8])
        if isinstance(split, Examples)
        else Stream(split.symbols[:72], 5, 9)
    )
    got, expected = evaluate(model, split, task.score, first=8), evaluate(model, first, task.score)
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value)
    assert (got["loss"] != evaluate(model, split, task.score)["loss"]).all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("window", [7, 512])
def test_a_whole_stream_is_one_unrolled_pass(cell: str, window: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WINDOW", window)
    task = TinyStream()
    arms = [NoRegularizer(), Zoneout(hidden=0.3)]
    stream, model = task.load().valid, made(task, arms, cell=cell, layers=2, learned_state=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "initial" in name:
                parameter.uniform_(-1, 1)
        logits = model.eval()(F.one_hot(stream.symbols[:-1], 5).float()[None, :, None], reads=94)
    got = evaluate_whole(model, stream, "bpc")
    for r in range(2):
        loss = F.cross_entropy(logits[r, :, 0], stream.symbols[1:]).item()
        assert got["loss"][r] == pytest.approx(loss, rel=1e-6)
        assert got["bpc"][r] == pytest.approx(loss / math.log(2), rel=1e-6)


def test_evaluation_leaves_training_where_it_was_and_sampling_is_repeatable():
    task = TinyExamples()
    split = task.load().train
    sampled, expected = made(task, ARMS, "sampled"), made(task, ARMS)
    for model in (sampled, expected):
        model.rnn.update = 17
        first = evaluate(model, split, "error")
        assert model.rnn.update == 17
        model.rnn.update = 40
        again = evaluate(model, split, "error")
        np.testing.assert_array_equal(first["loss"], again["loss"])
    drawn, means = evaluate(sampled, split, "error")["loss"], evaluate(expected, split, "error")["loss"]
    assert drawn[0] == means[0]
    assert (drawn[1:] != means[1:]).all()


def test_evaluation_keeps_no_graph():
    task = TinyStream()
    model = made(task, ARMS)
    evaluate(model, task.load().valid, "bpc")
    evaluate_whole(model, task.load().valid, "bpc")
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("evaluation", ["expectation", "sampled"])
@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_gradients_are_measured_at_the_epochs_asked(task: Any, evaluation: str):
    """Untrained against gradient_flow; afterwards only that they are there, and that measuring changed nothing."""
    data = task.load()
    asked = {"gradient_epochs": (0, 2), "gradient_examples": 6, "epochs": 3, "evaluation": evaluation}
    runs = [make_run(seed, arm, **asked) for seed, arm in enumerate(ARMS)]
    outcomes = train(runs, task, data)
    unmeasured = train(
        [make_run(seed, arm, epochs=3, evaluation=evaluation) for seed, arm in enumerate(ARMS)], task, data
    )
    model = made(task, ARMS).train()
    inputs, targets = next(data.valid.in_order(6))
    flow, silent = (
        gradient_flow(
            model.train(noisy),
            (inputs[None], None, reads(targets[None])),
            lambda logits: loss_by_replica(logits, targets[None]).sum() * 6,
        )
        for noisy in (True, False)
    )
    for r, (outcome, plain) in enumerate(zip(outcomes, unmeasured, strict=True)):
        assert set(outcome.measured["gradients"]) == {0, 2}
        found = outcome.measured["gradients"][0]
        norms, without_noise = found.norm, found.norm_without_noise
        assert (found.layer.values.tolist(), found.state.values.tolist()) == (["l0"], ["cell", "hidden"])
        np.testing.assert_allclose(norms, flow.norm.isel(replica=r), rtol=1e-6)
        np.testing.assert_allclose(without_noise, silent.norm.isel(replica=r), rtol=1e-6)
        assert np.array_equal(norms, without_noise) == isinstance(ARMS[r], NoRegularizer)
        assert outcome.measured["gradients"][2].norm.shape == (1, 2, 2, inputs.shape[0])
        assert not np.array_equal(outcome.measured["gradients"][2].norm, norms)
        assert plain.measured == {}
        assert (plain.by_epoch, plain.at_best) == (outcome.by_epoch, outcome.at_best)


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_perturbations_are_measured_halfway_through(task: Any):
    data = task.load()
    asked = {"gradient_epochs": (0, 2), "gradient_examples": 6, "epochs": 2}
    outcomes = train([make_run(seed, arm, **asked) for seed, arm in enumerate(ARMS)], task, data)
    inputs, _ = next(data.valid.in_order(6))
    half = len(inputs) // 2
    for noisy in (True, False):
        model = made(task, ARMS).train(noisy)
        with torch.no_grad():
            _, states = model.forward_with_states(inputs[None, :half])
        model.rnn.update = 0  # the masks of one update go on
        growth = perturbation_growth(model, inputs[None, half:], states).growth
        for r, outcome in enumerate(outcomes):
            found = outcome.measured["dynamics"][0]
            assert (found.layer.values.tolist(), found.state.values.tolist()) == (["l0"], ["cell", "hidden"])
            values = found.growth if noisy else found.growth_without_noise
            np.testing.assert_allclose(values, growth.isel(replica=r), rtol=1e-3)
            assert values.shape == (1, 2, len(inputs) - half)
            assert set(outcome.measured["dynamics"]) == {0, 2}
            assert np.array_equal(found.growth, found.growth_without_noise) == isinstance(ARMS[r], NoRegularizer)


def test_the_last_epoch_is_each_runs_own():
    """With patience, runs of one model end at different epochs; each is measured when it ends, as it would be alone."""
    task = TinyExamples(noise=4.0)
    data = task.load()
    runs = [make_run(seed, epochs=12, patience=1, gradient_epochs=(0, -1), lr=0.05) for seed in range(5)]
    outcomes = train(runs, task, data)
    lengths = [len(outcome.by_epoch["train_loss"]) for outcome in outcomes]
    assert len(set(lengths)) > 1
    for run, outcome, length in zip(runs, outcomes, lengths, strict=True):
        (alone,) = train([run], task, data)
        for group in ("gradients", "dynamics"):
            assert set(outcome.measured[group]) == {0, length}
            xr.testing.assert_identical(outcome.measured[group][length], alone.measured[group][length])


def test_measuring_leaves_a_model_as_it_was():
    model = made(TinyStream(), ARMS).eval()
    model.rnn.update, model.rnn.evaluation = 5, "sampled"
    valid = TinyStream().load().valid
    outcomes = [Outcome(make_run(seed, gradient_examples=4)) for seed in range(len(ARMS))]
    measure_runs(USUAL, model, valid, outcomes, 0, [True] * len(ARMS))
    assert all(set(outcome.measured) == {"gradients", "dynamics"} for outcome in outcomes)
    assert (model.rnn.update, model.rnn.draw, model.rnn.evaluation, model.training) == (5, 0, "sampled", False)


def test_a_schedule_over_a_share_of_training_ends_with_it():
    task = TinyExamples()
    data = task.load()
    updates = 3 * len(data.train.epoch(np.random.default_rng(0), 8))
    runs = [
        make_run(0, Zoneout(cell=0.9, cell_end=0.0, **length), epochs=3, seeds=Seeds(init=1, data=2, masks=3))
        for length in ({"over_share": 0.5}, {"over": round(0.5 * updates)})
    ]
    half, same = (train([run], task, data)[0] for run in runs)
    assert half.by_epoch == same.by_epoch
    other = train([make_run(0, Zoneout(cell=0.9), epochs=3, seeds=Seeds(init=1, data=2, masks=3))], task, data)[0]
    assert other.by_epoch != half.by_epoch


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_fresh_masks_are_not_those_that_training_fixed(task: Any):
    """Another fixed mask at evaluation, as in the authors' code; for masks drawn anew it is another sample of the same."""
    static = Zoneout(cell=0.5, hidden=0.3, resample="never")
    seeds = Seeds(init=1, data=2, masks=3)
    fresh, same = (make(task, static, seeds, evaluation) for evaluation in ("fresh", "sampled"))
    other = make(task, static, Seeds(init=1, data=2, masks=3 + 2**63), "sampled")
    valid = task.load().valid
    values = [evaluate(model, valid, task.score)["loss"] for model in (fresh, same, other)]
    assert values[0] != values[1]
    assert values[0] == values[2]
    assert fresh.rnn.mask_seeds == (3,)
    assert values[0] == evaluate(fresh, valid, task.score)["loss"]


def make(task: Any, regularizer: Regularizer, seeds: Seeds, evaluation: str) -> SequenceModel:
    return SequenceModel(
        Model(hidden=8),
        task.input_size,
        task.output_size,
        regularizers=[regularizer],
        seeds=[seeds],
        evaluation=evaluation,
    )


def test_a_stream_is_also_read_as_one_sequence():
    task = TinyStream()
    (outcome,) = train([make_run(0)], task, task.load())
    assert set(outcome.at_best) == {"test_loss", "test_bpc", "train_eval_bpc_full", "valid_bpc_full", "test_bpc_full"}
    assert outcome.at_best["test_bpc"] == pytest.approx(outcome.at_best["test_loss"] / math.log(2))
    assert set(outcome.by_epoch) == {
        "train_loss", "gradient_norm", "valid_loss", "valid_bpc", "train_eval_loss", "train_eval_bpc",
    }  # fmt: skip


@pytest.mark.parametrize("measure", USUAL, ids=lambda measure: measure.kind)
def test_a_measurement_in_training_moves_neither_buffers_nor_generators(measure: Any):
    """Spectral norm steps whenever its weight is asked for, and a hook draws from torch's generator."""
    task = TinyExamples()
    split, model = task.load().train, made(task, ARMS)
    nn.utils.parametrizations.spectral_norm(model.rnn, "weight_hh_l0")
    model.rnn.register_forward_pre_hook(lambda *_: torch.rand(1) and None)
    before = [torch.get_rng_state(), *(buffer.clone() for buffer in model.buffers())]
    outcomes = [Outcome(make_run(seed, gradient_examples=3)) for seed in range(len(ARMS))]
    measure_runs([measure], model, split, outcomes, 0, [True] * len(ARMS))
    assert all(len(outcome.measured) == 1 for outcome in outcomes)
    assert len(before) == 3
    assert all(torch.equal(a, b) for a, b in zip(before, [torch.get_rng_state(), *model.buffers()], strict=True))
