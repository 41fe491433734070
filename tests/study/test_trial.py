"""A part of one's own that trains in no study is refused before anything is trained; one that does is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import small

from zoneout_lab import Arm, NormStabilizer, Score, Zoneout, load_study
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import wrong
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.settings import Run
from zoneout_lab.study import parts
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import Data, Examples, make_task
from zoneout_lab.training.model import SequenceModel

STEPS = 9  # of the sequences here

FILE = """
from dataclasses import dataclass

import torch

from zoneout_lab import Arm, MaskSpec, Regularizer, Study
from zoneout_lab.ops.cells import Cell


@dataclass(frozen=True)
class Leaky(Cell):
    leak: float = 0.25

    def step(self, x, states, weights, masks):
        (h,) = states
        new = (1 - self.leak) * h + self.leak * torch.tanh(x)
        {step}
        return (new,)

    {cell}


@dataclass(frozen=True)
class Penalised(Regularizer):
    beta: float = 0.5

    def penalty(self, out):
        {penalty}

    {regularizer}


STUDY = Study(
    name="own",
    title="Own",
    question="Does it train?",
    change={{"model.hidden": 3, "model.cell": Leaky}},
    arms=(Arm(name="plain"), Arm(name="own", regularizer=Penalised())),
    baseline="plain",
)
"""
FINE = {"step": "pass", "penalty": "return self.beta * out.square().mean()", "cell": "", "regularizer": ""}


def tried(folder: Path, **code: str) -> list[str]:
    """What the trial warns of, of a study with this code in its parts."""
    (folder / "own.py").write_text(FILE.format(**FINE | code), encoding="utf-8")
    study = load_study(folder / "own.py")
    task = make_task("digits")
    whole = task.load()
    splits = [
        Examples(each.inputs[:40, :STEPS], each.targets[:40])
        for each in (whole.train, whole.valid, whole.test)
        if isinstance(each, Examples)
    ]
    with study.code.in_use():
        return check_parts(study, task, Data.of(*splits))


@pytest.mark.parametrize(
    "code",
    [
        {},
        {"penalty": "return None"},
        {"penalty": "return out.new_zeros(())"},
        {"penalty": "return (out[8] - out[5]).abs().sum()"},  # as long as the sequences are
        {"step": "new = new - new.mean(1, keepdim=True)"},
    ],
)
def test_what_trains_is_not_refused(tmp_path: Path, code: dict[str, str]) -> None:
    assert tried(tmp_path, **code) == []


SITES = "def sites(self):\n        return {}"
CASES = {
    "replicas compared": ({"step": "new = new / (h.detach().abs().max() + 0.1)"}, ["With Leaky(leak=0.25), replicas that train together change one another"]),
    "a draw": ({"step": "new = new + 0.1 * torch.randn_like(new)"}, ["Leaky(leak=0.25) draws from a global random generator"]),
    "a draw of NumPy's": ({"penalty": "import numpy; return float(numpy.random.rand()) * out.square().mean()"}, ["Penalised(beta=0.5) draws from a global"]),
    "a draw of Python's": ({"step": "import random; new = new * random.uniform(0.9, 1.1)"}, ["Leaky(leak=0.25) draws from a global"]),
    "data in place": ({"cell": "def project(self, x, weights):\n        return super().project(x.sub_(0.5), weights)"}, ["project() of Leaky(leak=0.25) changed its inputs"]),
    "a mask in place": (
        {"step": "masks['hidden'].mul_(0.5) if masks else None", "regularizer": SITES.format("{'hidden': MaskSpec(0.5)}")},
        ["arm 'own'", "changed its input, a state or a mask in place"],
    ),
    "weights in place": ({"step": "with torch.no_grad(): weights['weight_hh'].mul_(0.5)"}, ["arm 'plain'"]),
    "a number for a mask": ({"regularizer": SITES.format("{'hidden': 0.25}")}, ["Penalised(beta=0.5): its mask at 'hidden' is 0.25; give a MaskSpec"]),
    "another in training": ({"regularizer": "def for_training(self, updates):\n        return self if updates < 2 else None"}, ["for_training() of Penalised(beta=0.5) returned None"]),
    "one replica only": ({"step": "new = new[0].view(1, *h.shape[1:])"}, ["arm 'plain'", "Leaky"]),
    "sizes of one replica": ({"step": "new = torch.tanh(h.squeeze(0) @ torch.eye(3)).view(1, -1, 3)"}, ["arm 'plain'", "Leaky"]),
    "replicas mixed": ({"step": "new = new - new.mean(0, keepdim=True)"}, ["arm 'plain': With Leaky(leak=0.25), replicas that train together would change one another"]),
    "no gradient": ({"step": "new = torch.exp(new); new.mul_(0.5)"}, ["Leaky(leak=0.25) cannot be trained: RuntimeError", "inplace operation"]),
    "a late timestep": (
        {"step": "Leaky.calls = getattr(Leaky, 'calls', 0) + 1; assert Leaky.calls % 9 != 8, 'step 8'"},
        ["Leaky(leak=0.25) cannot be trained: AssertionError: step 8."],
    ),
    "evaluation": ({"step": "assert torch.is_grad_enabled(), 'no graph.'"}, ["Leaky(leak=0.25) cannot be trained: AssertionError: no graph."]),
    "a penalty by example": ({"penalty": "return out.square().mean(-1)"}, ["arm 'own': The penalty of Penalised(beta=0.5) has shape [9, 2]"]),
    "a penalty without a gradient": ({"penalty": "return out.detach().square().mean()"}, ["arm 'own': The penalty of Leaky(leak=0.25), Penalised(beta=0.5) has no gradient"]),
    "a number": ({"penalty": "return torch.tensor(out.square().mean().item())"}, ["arm 'own': The penalty of Leaky(leak=0.25), Penalised(beta=0.5) has no gradient"]),
    "a penalty that overwrites": (
        {"penalty": "e = out.exp(); s = e.square().mean(); e.add_(1); return s"},
        ["arm 'own': the model with Leaky(leak=0.25), Penalised(beta=0.5) cannot be trained: RuntimeError", "inplace operation"],
    ),
    "a penalty that fails": ({"penalty": "return out[9].mean()"}, ["arm 'own'", "Penalised(beta=0.5) cannot be trained: IndexError"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_train_is_refused_by_name(tmp_path: Path, case: str) -> None:
    code, words = CASES[case]
    with pytest.raises(InputRefusedError) as error:
        tried(tmp_path, **code)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert not str(error.value).endswith("..")


def test_a_trial_leaves_no_trace() -> None:
    """Penalty, counters and mode are as if nothing had run: what measures and scores are tried on is a new model."""
    task = make_task("digits")
    arm = Arm(name="a", regularizer=NormStabilizer(2.0) + Zoneout(hidden=0.5))
    study = small(arms=(arm,), baseline="a")
    run: Run = study.run(arm, 0)
    before = torch.get_rng_state()
    model = parts._try(run, task, task.load())
    assert isinstance(model, SequenceModel)
    assert (model.rnn.penalty, model.rnn.update, model.rnn.draw, model.training) == (None, 0, 0, True)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (p.detach().numpy() for p in model.readout_weight)
    assert (first != second).any()  # two runs, not one twice


def score_tried(score: Score) -> None:
    task, study = make_task("digits"), small(arms=(Arm(name="a"),), baseline="a")
    run, data = study.run(study.arms[0], 0), task.load()
    model = parts._try(run, task, data)
    assert model is not None
    parts._try_score(score, model, run, data)


def zeroed(guess: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    targets.fill_(0)
    return wrong(guess, targets)


SCORES = {
    "targets in place": (Score("odd", "odd", value=lambda _, n: n, tally=zeroed), "The score 'odd' changed the targets in place"),
    "relative to the best": (Score("odd", "odd", value=lambda loss, _: loss / loss.max()), "gives a model .* beside another and 1 alone"),
    "a draw": (Score("odd", "odd", value=lambda loss, _: loss * np.random.rand()), "'odd' draws from a global random generator"),
    "by example": (Score("odd", "odd", value=lambda _, n: n[:, 0], tally=lambda g, t: g.argmax(-1) != t), r"counts shape \[2, 1\] in one batch and \[2, 2\]"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCORES)
def test_a_score_that_could_not_be_trusted_is_refused(case: str) -> None:
    score, words = SCORES[case]
    with pytest.raises(InputRefusedError, match=words):
        score_tried(score)


def test_a_score_that_can_is_not() -> None:
    score_tried(Score("fine", "fine", value=lambda _, n: 1 - n, tally=wrong, better="higher"))


@pytest.mark.parametrize(("steps", "told"), [(1, 1), (63, 1), (64, 0), (100, 0)])
def test_too_few_statistics_for_the_sequences_are_told(steps: int, told: int) -> None:
    task, cell = make_task("digits"), BatchNormLSTM(steps=steps)
    warnings = check_parts(small({"model.cell": cell}, arms=(Arm(name="a"),), baseline="a"), task, task.load())
    assert len(warnings) == told
    assert all(f"arm 'a': The batch-normalised LSTM has statistics of its own for {steps} of 64" in w for w in warnings)
