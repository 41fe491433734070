"""A run without a regularizer against the loop anybody would write with torch: ``nn.LSTM``, ``nn.Linear``, ``torch.optim``."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import TinyExamples, TinyStream, make_run
from torch import Tensor, nn
from torch.nn import functional as F

from zoneout_lab import NoRegularizer
from zoneout_lab.settings import Run
from zoneout_lab.tasks.base import Data, Stream
from zoneout_lab.training import train
from zoneout_lab.training.model import SequenceModel

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "lstm adam": (TinyExamples(), {"lr": 0.01}),
    "lstm rmsprop": (TinyExamples(), {"optimizer": "rmsprop", "lr": 0.003}),
    "lstm sgd, clipped": (TinyExamples(), {"optimizer": "sgd", "lr": 0.5, "clip": 0.05}),
    "lstm, two layers, no forget bias": (TinyExamples(), {"layers": 2, "forget_bias": 0.0, "clip": None}),
    "lstm stream": (TinyStream(), {"lr": 0.01}),
    "lstm floored rmsprop": (TinyExamples(), {"optimizer": "rmsprop_floored", "lr": 0.003}),
    "lstm stream, clipped step": (TinyStream(), {"lr": 0.01, "clip": 0.05, "clip_what": "step"}),
    "lstm stream, summed over time": (
        TinyStream(),
        {"optimizer": "sgd", "lr": 0.1, "loss": "sum_over_time", "clip": 1.0},
    ),
    "lstm, summed over one step": (
        TinyExamples(),
        {"optimizer": "sgd", "lr": 0.5, "loss": "sum_over_time", "clip": 0.2},
    ),
    "lstm, falling rate, last": (TinyExamples(), {"lr": 0.03, "decay": 3.0, "decay_after": 1, "select": "last"}),
    "gru": (TinyExamples(), {"cell": "gru", "lr": 0.01}),
    "rnn_tanh stream": (TinyStream(), {"cell": "rnn_tanh", "lr": 0.01}),
    "rnn_relu": (TinyExamples(), {"cell": "rnn_relu", "lr": 0.01}),
}
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN, "rnn_relu": nn.RNN}


class Floored:
    """RMSProp with a floor, a parameter at a time."""

    def __init__(self, parameters: Any, lr: float) -> None:
        self.parameters, self.param_groups = list(parameters), [{"lr": lr}]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        for k, p in enumerate(self.parameters):
            self.squares[k] = 0.5 * self.squares[k] + 0.5 * p.grad**2
            p.data -= self.param_groups[0]["lr"] * p.grad / torch.maximum(self.squares[k].sqrt(), torch.tensor(1e-5))


OPTIMIZERS = {
    "rmsprop_floored": Floored,
    "adam": torch.optim.Adam,
    "rmsprop": lambda parameters, lr: torch.optim.RMSprop(parameters, lr, alpha=0.5, eps=1e-5),
    "sgd": torch.optim.SGD,
}


class Plain(nn.Module):
    def __init__(self, run: Run, task: Any, every_step: bool) -> None:
        super().__init__()
        model = run.setting.model
        more = {"nonlinearity": "relu"} if model.cell == "rnn_relu" else {}
        self.rnn = KINDS[model.cell](task.input_size, model.hidden, model.layers, batch_first=True, **more)
        self.readout = nn.Linear(model.hidden, task.output_size)
        self.every_step = every_step

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        return self.readout(out if self.every_step else out[:, -1])

    def load(self, run: Run, task: Any) -> None:
        """The initial weights that the run starts from."""
        start = SequenceModel(
            run.setting.model, task.input_size, task.output_size,
            regularizers=[NoRegularizer()], seeds=[run.seeds],
        )  # fmt: skip
        self.rnn.load_state_dict({name: value[0] for name, value in start.rnn.state_dict().items()})
        self.readout.load_state_dict({"weight": start.readout_weight[0], "bias": start.readout_bias[0]})


def as_batch(split: Any, index: np.ndarray) -> tuple[Tensor, Tensor]:
    """Inputs [B, T, I] and targets, straight from the arrays."""
    if isinstance(split, Stream):
        chunks = torch.stack([split.symbols[k : k + split.length] for k in index])
        return F.one_hot(chunks[:, :-1], split.classes).float(), chunks[:, 1:]
    return split.inputs[index], split.targets[index]


def order_of(split: Any, rng: np.random.Generator) -> np.ndarray:
    if isinstance(split, Stream):
        count = (len(split) - split.length + 1) // split.length
        return rng.permutation(rng.integers(split.length) + split.length * np.arange(count))
    return rng.permutation(len(split))


def evaluated(model: Plain, split: Any) -> dict[str, float]:
    starts = (
        np.arange(0, len(split) - split.length + 1, split.length)
        if isinstance(split, Stream)
        else np.arange(len(split))
    )
    with torch.no_grad():
        inputs, targets = as_batch(split, starts)
        logits = model(inputs)
    loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten()).item()
    return {"loss": loss, "bpc": loss / math.log(2), "error": (logits.argmax(-1) != targets).float().mean().item()}


def shorten(parameters: list[nn.Parameter], before: list[nn.Parameter], largest: float) -> None:
    length = math.sqrt(sum((p - q).square().sum().item() for p, q in zip(parameters, before, strict=True)))
    for p, q in zip(parameters, before, strict=True):
        p.data = q.data + (p.data - q.data) * min(1.0, largest / length)


def plain_training(run: Run, task: Any, data: Data) -> tuple[dict[str, list[float]], dict[str, float], int]:
    training, score = run.setting.training, task.score
    model = Plain(run, task, isinstance(data.train, Stream))
    model.load(run, task)
    optimizer = OPTIMIZERS[training.optimizer](model.parameters(), lr=training.lr)
    rng = np.random.default_rng(run.seeds.data)
    metrics: dict[str, list[float]] = {
        name: [] for name in ("train_loss", "gradient_norm", "valid_loss", f"valid_{score}")
    }
    best, best_epoch, kept = math.inf, 0, model
    for epoch in range(1, training.epochs + 1):
        losses, norms = [], []
        optimizer.param_groups[0]["lr"] = training.lr / training.decay ** max(0, epoch - training.decay_after)
        order = order_of(data.train, rng)
        for k in range(0, len(order), training.batch):
            inputs, targets = as_batch(data.train, order[k : k + training.batch])
            loss = F.cross_entropy(model(inputs).flatten(0, -2), targets.flatten())
            optimizer.zero_grad()
            steps = targets.shape[1] if targets.dim() == 2 and training.loss == "sum_over_time" else 1
            (loss * steps).backward()
            clip, clips_step = training.clip or math.inf, training.clip_what == "step"
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), math.inf if clips_step else clip).item())
            before = copy.deepcopy(list(model.parameters()))
            optimizer.step()
            if clips_step:
                shorten(list(model.parameters()), before, clip)
            losses.append(loss.item())
        valid = evaluated(model, data.valid)
        for name, value in (("train_loss", np.mean(losses)), ("gradient_norm", np.mean(norms)),
                            ("valid_loss", valid["loss"]), (f"valid_{score}", valid[score])):  # fmt: skip
            metrics[name].append(float(value))
        if valid[score] < best or training.select == "last":
            best, best_epoch, kept = valid[score], epoch, copy.deepcopy(model)
    return metrics, evaluated(kept, data.test), best_epoch


@pytest.mark.parametrize("case", CASES)
def test_equals_a_plain_loop(case: str):
    task, options = CASES[case]
    run, data = make_run(3, epochs=3, **options), task.load()
    (outcome,) = train([run], task, data)
    metrics, at_best, best_epoch = plain_training(run, task, data)
    for name, values in metrics.items():
        np.testing.assert_allclose(outcome.by_epoch[name], values, rtol=2e-5, err_msg=name)
    assert len(set(metrics["train_loss"])) == 3
    assert outcome.best_epoch == best_epoch
    for name in ("loss", task.score):
        np.testing.assert_allclose(outcome.at_best[f"test_{name}"], at_best[name], rtol=1e-5)


def test_initial_weights_depend_on_a_runs_own_seed_alone():
    runs = [make_run(seed, hidden=50, layers=2, learned_state=True) for seed in (4, 9)]

    def start(*seeds):
        return SequenceModel(
            runs[0].setting.model, 3, 7, regularizers=[NoRegularizer()] * len(seeds), seeds=seeds
        ).state_dict()

    both, alone = start(runs[0].seeds, runs[1].seeds), start(runs[1].seeds)
    for name, value in both.items():
        assert torch.equal(value[1], alone[name][0]), name
        if "weight" in name:
            assert not torch.equal(value[0], value[1])
            assert value.abs().max() <= 50**-0.5
            assert value.abs().max() > 0.9 * 50**-0.5
            assert abs(value.mean()) < 4 * 50**-0.5 / (3 * value.numel()) ** 0.5
        elif "bias_ih" in name:
            forget = torch.zeros(4, 50)
            forget[1] = 1  # torch's gate order: input, forget, candidate, output
            assert torch.equal(value[0].view(4, 50), forget)
        else:
            assert (value == 0).all(), name
