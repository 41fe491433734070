"""What a CPU cannot show: the same numbers on a CUDA device. `make test-gpu` runs these where there is one."""

import pytest
import torch

import zoneout_lab as zl
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import make_task
from zoneout_lab.training import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none"),
]

LAYERS = {
    "lstm": (zl.LSTM, [zl.Zoneout(cell=0.5, hidden=0.1), zl.RecurrentDropout(0.3), zl.CellDropout(0.3)]),
    "gru": (zl.GRU, [zl.Zoneout(hidden=0.1), zl.RecurrentDropout(0.3)]),
    "rnn": (zl.RNN, [zl.Zoneout(hidden=0.1)]),
}


@pytest.mark.parametrize(
    ("name", "which"), [(name, k) for name, (_, kinds) in LAYERS.items() for k in range(len(kinds))]
)
def test_masks_outputs_and_gradients_are_those_of_the_cpu(name: str, which: int) -> None:
    layer, kinds = LAYERS[name]
    rnn = layer(5, 20, 2, dtype=torch.float64, regularizer=kinds[which], mask_seed=3)
    x = torch.randn(17, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    results = []
    for device in ("cpu", "cuda"):
        rnn.to(device).zero_grad()
        rnn.update = 0
        out, _ = rnn(x.to(device))
        out.square().sum().backward()
        results.append([out.detach().cpu(), *(p.grad.cpu() for p in rnn.parameters())])
    for on_cpu, on_gpu in zip(*results, strict=True):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-10, atol=1e-12)


def test_a_study_trains_there_and_twice_alike() -> None:
    study = overridden(zl.load_study("quickstart"), seeds=1, change={"training.epochs": 1, "model.hidden": 8})
    task = make_task(study.task)
    first, second = (train(study.runs(), task, task.load(), device="cuda") for _ in range(2))
    assert [one.by_epoch for one in first] == [two.by_epoch for two in second]
