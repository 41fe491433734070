"""What a CPU cannot show: the same numbers on a CUDA device, captured in a graph, and nothing that waits for it.

`make gpu` runs these and the benchmark where there is a GPU.
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

import zoneout_lab as zl
from zoneout_lab.regularizers import from_json
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import make_task
from zoneout_lab.training import step as steps
from zoneout_lab.training import train
from zoneout_lab.training.model import SequenceModel

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none"),
]

LAYERS = {
    "lstm": (zl.LSTM, [zl.Zoneout(cell=0.5, hidden=0.1), zl.RecurrentDropout(0.3), zl.CellDropout(0.3)]),
    "gru": (zl.GRU, [zl.Zoneout(hidden=0.1), zl.RecurrentDropout(0.3)]),
    "rnn": (zl.RNN, [zl.Zoneout(hidden=0.1)]),
}
#: dtype → largest ‖Δ‖/‖reference‖; float32 has operands of 16 bits, fp16 forward and bf16 backward
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-2}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    ("name", "which"), [(name, k) for name, (_, kinds) in LAYERS.items() for k in range(len(kinds))]
)
def test_masks_outputs_and_gradients_are_those_of_the_cpu(name: str, which: int, dtype: torch.dtype) -> None:
    layer, kinds = LAYERS[name]
    rnn = layer(5, 20, 2, dtype=dtype, regularizer=kinds[which], mask_seed=3)
    x = torch.randn(17, 4, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
    results = []
    for device in ("cpu", "cuda"):
        rnn.to(device).zero_grad()
        rnn.update = 0
        out, _ = rnn(x.to(device))
        out.square().sum().backward()
        # copies: the layer takes its gradients along when it moves
        results.append([out.detach().cpu(), *(p.grad.clone().cpu() for p in rnn.parameters())])
    for on_cpu, on_gpu in zip(*results, strict=True):
        assert torch.dist(on_gpu, on_cpu) <= TOLERANCE[dtype] * on_cpu.norm()


def study(seeds: int) -> zl.Study:
    change = {"training.epochs": 1, "model.hidden": 8}
    return overridden(zl.load_study("quickstart"), seeds=seeds, change=change).model_copy(
        update={"gradient_epochs": (1,)}
    )


def made(seeds: int = 2) -> tuple[steps.Step, list[np.ndarray]]:
    runs, task = study(seeds).runs(), make_task("digits")
    data, setting = task.load().to("cuda"), runs[0].setting
    model = SequenceModel(
        setting.model, task.input_size, task.output_size,
        regularizers=[from_json(run.regularizer) for run in runs], seeds=[run.seeds for run in runs],
    ).to("cuda")  # fmt: skip
    made = steps.Step(model, setting.training, data.train)
    return made, steps.in_batches(data.train, [np.random.default_rng(k) for k in range(len(runs))], 32)


def test_a_captured_update_is_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = []
    for eager in (2, 10**9):
        monkeypatch.setattr(steps, "_EAGER", eager)
        step, batches = made()
        for update, index in enumerate(batches[:8]):
            step(index, update)
        assert bool(step._graphs) == (eager == 2)
        weights.append([p.detach().clone() for p in step.model.parameters()] + [step.losses, step.norms])
    assert all(torch.equal(captured, eager) for captured, eager in zip(*weights, strict=True))


def test_every_replay_has_masks_of_its_own_update() -> None:
    step, batches = made()
    for group in step.optimizer.param_groups:
        group["lr"] = 0.0
    losses = []
    for update in (0, 1, 2, 3, 4, 5, 4):  # the last three are replays
        step.begin()
        step(batches[0], update)
        losses.append(step.losses.clone())
    assert torch.equal(losses[4], losses[6])
    zoned_out = [k for k, run in enumerate(study(2).runs()) if run.arm == "zoneout"]
    assert (losses[4] != losses[5])[zoned_out].all()


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_a_replay_waits_for_nothing() -> None:
    step, batches = made()
    for update in range(6):
        step(batches[update], update)
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for update in range(6, 9):
            step(batches[update], update)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_run_is_the_same_alone_among_others_and_again() -> None:
    task = make_task("digits")
    data, runs = task.load(), study(2).runs()
    runs = [run for run in runs if run.shape == runs[0].shape]
    together, again = (train(runs, task, data, device="cuda") for _ in range(2))
    alone = [train([run], task, data, device="cuda")[0] for run in runs[:3]]
    for first, second in [*zip(together, again, strict=True), *zip(together, alone, strict=False)]:
        assert first.by_epoch == second.by_epoch
        assert first.measured["gradients"][1].identical(second.measured["gradients"][1])


def test_an_update_that_cannot_be_captured_is_made_one_operation_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured at the second try, or never: the same weights."""
    weights = []
    for fails in (0, 1, 9):
        step, batches = made()
        compute, left = step.compute, [fails]

        def refuses(index: torch.Tensor, compute=compute, left=left) -> None:
            compute(index)
            if torch.cuda.is_current_stream_capturing() and left[0]:
                left[0] -= 1
                index.sum().item()  # waits for the GPU, which no capture may

        monkeypatch.setattr(step, "compute", refuses)
        with pytest.warns(UserWarning, match="captured") if fails else nullcontext():
            for update, index in enumerate(batches[:8]):
                step(index, update)
        assert bool(step._graphs) == (fails < 2)
        weights.append([p.detach().clone() for p in step.model.parameters()] + [step.losses, step.norms])
    for others in weights[1:]:
        for one, other in zip(weights[0], others, strict=True):
            assert torch.equal(one, other)
