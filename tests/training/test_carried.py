"""States carried from update to update, against one loop over streams with torch's own layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_train_replicas import assert_same
from tiny_tasks import TinyCarried, make_run
from torch import Tensor, nn
from torch.nn import functional as F

from zoneout_lab import NoRegularizer, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Run
from zoneout_lab.study import cost
from zoneout_lab.tasks.base import Carried
from zoneout_lab.training import evaluate as module
from zoneout_lab.training import train
from zoneout_lab.training.evaluate import evaluate_whole
from zoneout_lab.training.model import SequenceModel

TASK = TinyCarried()
#: Zaremba's protocol, small: plain SGD, everything uniform, the sum over a window, a rate that falls
OPTIONS: dict[str, Any] = {
    "optimizer": "sgd", "lr": 0.5, "decay": 1.5, "decay_after": 2, "clip": 2.0, "loss": "sum_over_time", "select": "last",
    "layers": 2, "embedding": 3, "init": "uniform", "init_range": 0.3, "forget_bias": 0.0, "batch": 4, "epochs": 4,
}  # fmt: skip


def made(run: Run) -> SequenceModel:
    return SequenceModel(run.setting.model, 5, 5, regularizers=[NoRegularizer()], seeds=[run.seeds])


class Plain(nn.Module):
    """Embedding, ``nn.LSTM`` and a linear layer, from the weights of a run."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        start, model = made(run), run.setting.model
        self.embedding = nn.Parameter(start.embedding[0].detach().clone())
        self.rnn = nn.LSTM(model.embedding, model.hidden, model.layers)
        self.rnn.load_state_dict({name: value[0] for name, value in start.rnn.state_dict().items()})
        self.readout = nn.Linear(model.hidden, 5)
        self.readout.load_state_dict({"weight": start.readout_weight[0], "bias": start.readout_bias[0]})

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        out, state = self.rnn(self.embedding[x], state)
        return self.readout(out), state


def rows(split: Carried, streams: int) -> Tensor:
    """The streams as columns [time, stream]; each begins with the last symbol that the one before predicts."""
    each = (len(split) - 1) // streams
    return torch.stack([split.symbols[k * each : (k + 1) * each + 1] for k in range(streams)], 1)


def loss_of(model: Plain, symbols: Tensor, length: int) -> float:
    """Nats for each prediction, carried over windows of a length, the last as long as it is."""
    state, losses = None, []
    with torch.no_grad():
        for k in range(0, len(symbols) - 1, length):
            targets = symbols[k + 1 : k + 1 + length]
            logits, state = model(symbols[k : k + len(targets)], state)
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"))
    return float(torch.cat(losses).mean())


def plain_training(run: Run) -> dict[str, list[float]]:
    data, training = TASK.load(), run.setting.training
    model, symbols = Plain(run), rows(data.train, 4)
    names = ("train_loss", "gradient_norm", "valid_loss", "test_loss", "test_streams", "valid_whole", "train_whole")
    found: dict[str, list[float]] = {name: [] for name in names}
    for epoch in range(1, training.epochs + 1):
        optimizer = torch.optim.SGD(
            model.parameters(), training.lr / training.decay ** max(0, epoch - training.decay_after)
        )
        state, losses, norms = None, [], []
        for k in range(0, len(symbols) - 1, 6):
            inputs, targets = symbols[k : k + 6], symbols[k + 1 : k + 7]
            if len(targets) < 6:
                break
            logits, state = model(inputs, state)
            state = tuple(part.detach() for part in state)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / 4
            optimizer.zero_grad()
            loss.backward()
            norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), training.clip)))
            optimizer.step()
            losses.append(loss.item() / 6)
        found["train_loss"].append(float(np.mean(losses)))
        found["gradient_norm"].append(float(np.mean(norms)))
        found["valid_loss"].append(loss_of(model, rows(data.valid, 4), 6))
        found["test_loss"].append(loss_of(model, data.test.symbols[:, None], len(data.test) - 1))
        found["test_streams"].append(loss_of(model, rows(data.test, 4), 6))
        beginning = data.train.symbols[: len(data.valid)]
        found["train_whole"].append(loss_of(model, beginning[:, None], len(beginning) - 1))
        found["valid_whole"].append(loss_of(model, data.valid.symbols[:, None], len(data.valid) - 1))
    return found


def test_training_carries_its_states_and_starts_each_epoch_from_zero():
    run = make_run(1, **OPTIONS)
    (outcome,) = train([run], TASK, TASK.load())
    want = plain_training(run)
    for name in ("train_loss", "gradient_norm", "valid_loss"):
        np.testing.assert_allclose(outcome.by_epoch[name], want[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(outcome.by_epoch["valid_ppl"], np.exp(want["valid_loss"]), rtol=1e-5)
    assert set(outcome.at_best) == {
        "test_loss",
        "test_ppl",
        "test_ppl_streams",
        "train_eval_ppl_full",
        "valid_ppl_full",
    }
    assert outcome.at_best["test_loss"] == pytest.approx(want["test_loss"][-1], rel=1e-5)
    assert outcome.at_best["test_ppl"] == pytest.approx(math.exp(want["test_loss"][-1]), rel=1e-5)
    assert outcome.at_best["test_ppl_streams"] == pytest.approx(math.exp(want["test_streams"][-1]), rel=1e-5)
    assert outcome.at_best["valid_ppl_full"] == pytest.approx(math.exp(want["valid_whole"][-1]), rel=1e-5)
    assert outcome.at_best["train_eval_ppl_full"] == pytest.approx(math.exp(want["train_whole"][-1]), rel=1e-5)
    assert outcome.best_epoch == 4


@pytest.mark.parametrize(
    "change", [{}, {"cell": "gru", "init": "semi_orthogonal"}, {"evaluation": "monte_carlo", "samples": 2}]
)
def test_carried_replicas_know_nothing_of_each_other(change: dict[str, Any]):
    options = OPTIONS | {"hidden": 17, "gradient_epochs": (0, 1), "gradient_examples": 4} | change
    runs = [make_run(seed, arm, **options) for seed in (0, 1) for arm in (NoRegularizer(), Zoneout(hidden=0.3))]
    together = train(runs, TASK, TASK.load())
    assert_same(together[1], train([runs[1]], TASK, TASK.load())[0])
    assert_same(together[2], train(runs[2:0:-1], TASK, TASK.load())[0])


@pytest.mark.parametrize("window", [7, 512])
def test_the_test_split_is_one_pass_over_all_of_it(window: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WINDOW", window)
    run, split = make_run(1, **OPTIONS), TASK.load().test
    got = evaluate_whole(made(run), split, "ppl")
    want = loss_of(Plain(run), split.symbols[:, None], len(split) - 1)
    assert got["loss"][0] == pytest.approx(want, rel=1e-6)
    assert got["ppl"][0] == pytest.approx(math.exp(want), rel=1e-6)


def test_a_learned_initial_state_is_refused():
    with pytest.raises(InputRefusedError, match=r"model\.learned_state=false"):
        train([make_run(0, **OPTIONS, learned_state=True)], TASK, TASK.load())


def test_a_plan_counts_windows():
    """179 predictions in four streams of 44: seven windows of six; 90 and 83 symbols for evaluation."""
    run, data = make_run(0, **OPTIONS), TASK.load()
    updates, passes = cost._amount(run, data)
    assert updates == 4 * 7
    assert passes == pytest.approx(4 * 2 * 15 / 4 + 2 * 15 + 13 + 13 / 4)
    forward, whole = cost._time_per_timestep([run], TASK, data, "cpu")
    assert 0 < forward < whole
