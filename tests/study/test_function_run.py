"""Studies with training functions, run: what is kept, what fails, what goes on, and what needs no torch."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pytest
import xarray as xr
from own_functions import MANY, PLAIN, UNLIKE, loaded, written
from small_study import listening

from zoneout_lab import Arm, Tuning, compare, judge, open_results
from zoneout_lab.cli.status import show_status
from zoneout_lab.study.run import run_study
from zoneout_lab.study.spec import overridden
from zoneout_lab.study.verify import verify

#: read by every process when it starts
WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class NoTorch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
"""


def run(study, out, **options):
    return run_study(study, out=out, **({"workers": 1, "tracking": None} | options))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    study = loaded(folder)
    return study, run(study, folder / "runs", workers=2)


def test_it_is_trained_judged_and_reported(plain):
    _, summary = plain
    assert (summary.trained, summary.failed, summary.diverged) == (12, [], 0)
    tree = open_results(summary.folder)
    (judged,) = judge(tree)
    assert judged.comparison.verdict == "supported"
    assert judged.comparison.sentence.startswith(
        "Over 6 paired seeds, the test accuracy of full is 1.00 percentage points lower"
    )
    metrics = tree["metrics"].to_dataset()
    assert metrics["epoch"].values.tolist() == [0, 1, 2]
    assert metrics["test_accuracy"].attrs["units"] == "%"
    assert metrics["train_loss"].attrs == {"long_name": "train loss", "units": ""}
    report = summary.report.read_text()
    assert "could not be made" not in report
    assert "./mine.py:train" in report
    # what the function does with its seeds is not known, and it tests no claim of the paper
    assert "is given the same seeds for initialisation, data and noise in every arm." in report
    assert "share initialisation" not in report
    assert "Krueger" not in report
    assert "failures/" not in report
    # a curve is compared at its last epoch
    assert compare(tree, "full", "no_dropout", metric="valid_accuracy").mean_difference == pytest.approx(-1, abs=1e-9)
    assert not [each for each in verify(summary.folder) if each.damages]


def test_the_same_call_again_trains_nothing(plain):
    study, summary = plain
    assert run(study, summary.folder.parent).trained == 0


def test_more_seeds_train_only_those(plain, tmp_path):
    study, summary = plain
    more = run(overridden(study, seeds=7), summary.folder.parent)
    assert (more.trained, more.taken) == (2, 12)


def test_results_do_not_depend_on_how_many_train_at_once(plain, tmp_path):
    study, summary = plain
    alone = run(study, tmp_path, workers=1)
    one, other = (open_results(s.folder)["metrics"].to_dataset() for s in (summary, alone))
    assert one.equals(other)


def test_what_fails_costs_its_run_alone_and_its_traceback_is_kept(tmp_path):
    study = loaded(tmp_path, MANY)
    watcher, warnings = listening()
    summary = run(study, tmp_path / "runs", watcher=watcher)
    failing = {"raises", "exits", "dies", "logs_nonsense", "returns_nothing", "surplus", "missing"}
    assert set(summary.failed) == {f"{name} seed 1" for name in failing}
    assert (summary.trained, summary.diverged) == (11, 1)
    told = "\n".join(warnings)
    for text in (
        "Failed: raises seed 1: ValueError: purple rain. Traceback: ",
        "Failed: exits seed 1: it called sys.exit(3)",
        "Failed: dies seed 1: RuntimeError: 3 processes in a row that trained this died of SIGKILL",
        "Failed: logs_nonsense seed 1: InputRefusedError: loss is 'high'; give one number",
        "Failed: surplus seed 1: the function returned more, which the study's metrics do not describe",
        "Failed: missing seed 1: the function did not return value",
    ):
        assert text in told or "MemoryError" in told, text
    (trace,) = summary.folder.glob("failures/raises-s001-*.txt")
    text = trace.read_text()
    assert text.startswith("Traceback (most recent call last):")
    assert 'raise ValueError("purple\\nrain")' in text
    assert "zoneout_lab" not in text
    status = open_results(summary.folder)["metrics/status"]
    assert status.sel(arm="nan", seed=1) == "diverged"
    assert status.sel(arm="raises", seed=1) == "missing"
    assert "raised an error is in <code>failures/</code> of the study’s folder" in summary.report.read_text()


def test_what_runs_recorded_otherwise_is_left_out_with_a_warning_and_no_number_becomes_a_time(tmp_path):
    """Seen to fail where the study of trained runs had no report, and hours were dates."""
    why = (
        "The results are without 'state' of mine, which has dimensions (epoch, tap) in narrow seed 0, and (epoch, tap, unit) in wide seed 0. "
        "Record what has other dimensions or labels under another name."
    )
    study = loaded(tmp_path, UNLIKE)
    with pytest.warns(UserWarning, match=re.escape(why)):
        summary = run(study, tmp_path / "runs")
    assert (summary.trained, summary.failed) == (4, [])
    page = html.unescape(summary.report.read_text())
    assert why in page
    assert "could not be made" not in page
    assert not [each for each in verify(summary.folder) if each.damages]
    assert run(study, tmp_path / "runs").trained == 0
    ours = open_results(summary.folder)
    with xr.open_datatree(summary.folder / "study.nc", engine="h5netcdf", decode_timedelta=True) as theirs:
        for tree in (ours, theirs):
            assert list(tree["mine"].data_vars) == ["delay"]
            np.testing.assert_array_equal(tree["mine/delay"][1, :, 0], [[0.0, 1.0, np.nan], [0.0, 1.0, 2.0]])
            assert tree["mine/delay"].attrs["unit"] == "hours since 1970-01-01"
            assert tree["metrics/days"].attrs["unit"] == "days"
            assert tree["metrics/days"].dtype == float
    assert "days" in compare(ours, "wide", "narrow", metric="days").sentence


def test_nothing_of_it_needs_torch(tmp_path):
    """Seen to fail with an import of torch in the driver's or a worker's way."""
    written(tmp_path, PLAIN, SEEDS=6)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_TORCH)
    done = subprocess.run(
        [sys.executable, "-m", "zoneout_lab", "run", "mine.py", "--workers", "1", "--no-tracking"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "supported" in done.stderr
    assert "Traceback" not in done.stderr


SLOW = PLAIN.replace('run.save({"epoch": epoch})', 'run.save({"epoch": epoch}); import time; time.sleep(0.05)').replace(
    '"epochs": 3', '"epochs": 40'
)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_interrupted_and_resumed_it_ends_with_the_same_bits(tmp_path, number):
    study = loaded(tmp_path, SLOW, SEEDS=1)
    whole = run(study, tmp_path / "whole", force=True)
    command = [sys.executable, "-m", "zoneout_lab", "run", "mine.py", "--workers", "1", "--no-tracking", "--force", "--checkpoint-every", "0"]  # fmt: skip
    driver = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("runs/*/checkpoints/*/*.npz"))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    driver.send_signal(number)
    _, errors = driver.communicate(timeout=30)
    assert driver.returncode == (143 if number == signal.SIGTERM else -9), errors
    watcher, _ = listening()
    said: list[str] = []
    watcher.say = said.append
    again = run(study, tmp_path / "runs", watcher=watcher, force=True)
    assert "1 run goes on from a checkpoint." in said
    one, other = (open_results(s.folder)["metrics"].to_dataset() for s in (whole, again))
    assert one.equals(other)
    assert not (again.folder / "checkpoints").exists()


SEARCHED = """
from zoneout_lab import Arm, Metric, Study, Tuning

def train(run):
    p = run.params
    loss = (p["lr"] - 0.1) ** 2 + (p["layers"] - 2) ** 2 + (p["kind"] != "b")
    return {"valid_loss": loss, "test_loss": loss + 1}

STUDY = Study(name="searched", train=train, params={"lr": 1.0, "layers": 1, "kind": "a"},
    metrics={"valid_loss": Metric("validation loss", "", better="lower"), "test_loss": Metric("test loss", "", better="lower")},
    arms=[Arm(name="plain"), Arm(name="tuned")], baseline="plain", seeds=2)
"""


def test_a_search_over_parameters_of_every_type(tmp_path, capsys):
    spaces = {
        "lr": optuna.distributions.FloatDistribution(0.01, 1, log=True),
        "layers": optuna.distributions.IntDistribution(1, 4),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
    }
    study = overridden(
        loaded(tmp_path, SEARCHED),
        arms=(Arm(name="plain"), Arm(name="tuned", search=spaces)),
        tuning=Tuning(trials=10, seeds=1, at_once=10, metric="valid_loss"),
    )
    with study.code.in_use():
        summary = run(study, tmp_path / "runs")
    assert summary.behind == []
    tree = open_results(summary.folder)
    loss = tree["metrics/valid_loss"].mean("seed")
    assert loss.sel(arm="tuned") < loss.sel(arm="plain")
    names = optuna.get_all_study_names(f"sqlite:///{tmp_path}/runs/optuna.db")
    (searched,) = [name for name in names if name.endswith("tuned")]
    found = optuna.load_study(study_name=searched, storage=f"sqlite:///{tmp_path}/runs/optuna.db")
    assert set(found.best_params) == {"lr", "layers", "kind"}
    assert len(found.trials) == 10
    show_status(summary.folder, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["done"], row["searched"]) == (4, 10)


RECORDS = """
import torch
import xarray as xr
import zoneout_lab as zl
from zoneout_lab import Arm, Hypothesis, Metric, Study

def train(run):
    generator = torch.Generator().manual_seed(run.seeds.data)
    rnn = zl.LSTM(2, 3, regularizer=zl.Zoneout(run.params["z"]), mask_seed=run.seeds.noise)
    x = torch.randn(6, 4, 2, generator=generator)
    run.log(0, loss=rnn(x)[0].square().mean())
    run.record(zl.gradient_flow(rnn, x, lambda out: out[0][-1].square().sum()))
    run.record(xr.Dataset({"spread": float(x.std()), "weight": ("unit", rnn.weight_hh_l0[:, 0].detach().numpy())}, {"unit": range(12)}), "weights")
    (run.folder / "note.txt").write_text("kept")
    return {"loss": rnn(x)[0].square().mean()}

STUDY = Study(name="records", train=train, params={"z": 0.0},
    metrics={"loss": Metric("loss", "", better="lower"), "spread": Metric("spread of the inputs", "")},
    arms=[Arm(name="plain"), Arm(name="zoneout", params={"z": 0.5})], baseline="plain", seeds=6,
    hypotheses=[Hypothesis(name="early", statement="More gradient reaches early steps.", arm="zoneout", against="plain",
                           metric="early_third_mass_cell", direction="higher", scale="log"),
                Hypothesis(name="same", statement="The inputs are the same.", arm="zoneout", against="plain", metric="spread",
                           direction="same", margin=0.1)])
"""


def test_what_is_recorded_is_stacked_judged_and_shown(tmp_path):
    summary = run(loaded(tmp_path, RECORDS), tmp_path / "runs")
    assert summary.failed == []
    tree = open_results(summary.folder)
    assert tree["gradients/normalised"].dims == ("arm", "seed", "epoch", "layer", "state", "point", "time")
    assert tree["weights/weight"].shape == (2, 6, 1, 12)
    early, same = judge(tree)
    assert len(early.comparison.seeds) == 6
    assert same.comparison.verdict == "supported"
    report = summary.report.read_text()
    assert "could not be made" not in report
    assert "spread of the inputs" in report
    assert [path.read_text() for path in summary.folder.glob("files/*/note.txt")] == ["kept"] * 12
    assert np.isfinite(tree["metrics/loss"]).all()


LIBRARIES = {
    "torch": '''
import torch

def train(run):
    data = torch.Generator().manual_seed(run.seeds.data)
    x = torch.randn(64, 2, generator=data); y = x @ torch.tensor([1.0, -1.0])
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=run.params["lr"])
    if run.restored:
        model.load_state_dict(run.restored["model"]); optimizer.load_state_dict(run.restored["optimizer"])
    for epoch in range(3):
        loss = (model(x)[:, 0] - y).square().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        run.log(epoch, train_loss=loss)
        run.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    return {"score": loss}
''',
    "lightning": '''
import lightning as L
import torch

class Line(L.LightningModule):
    def __init__(self, run):
        super().__init__()
        self.run, self.layer = run, torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        loss = (self.layer(batch[0])[:, 0] - batch[0].sum(1)).square().mean()
        self.run.log(self.current_epoch, train_loss=loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.run.params["lr"])

def train(run):
    L.seed_everything(run.seeds.init % 2**32, verbose=False)
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(run.seeds.data))
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=16, num_workers=run.seed)
    model = Line(run)
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False, default_root_dir=run.folder)
    trainer.fit(model, data)
    with torch.no_grad():
        return {"score": (model.layer(x)[:, 0] - x.sum(1)).square().mean()}
''',
    "sklearn": '''
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

def train(run):
    x, y = load_iris(return_X_y=True)
    a, b, c, d = train_test_split(x, y, random_state=run.seeds.data % 2**32)
    return {"score": LogisticRegression(C=run.params["lr"], max_iter=500).fit(a, c).score(b, d)}
''',
    "subprocess": '''
import json, subprocess, sys

def train(run):
    code = f"import json; print(json.dumps(dict(score={run.seeds.init} % 7 + {run.params['lr']})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=run.folder)
    return json.loads(done.stdout)
''',
}  # fmt: skip
STUDY = """
from zoneout_lab import Arm, Metric, Study
STUDY = Study(name="lib", train=train, params={"lr": 0.1}, metrics={"score": Metric("score", "", better="higher")},
              arms=[Arm(name="low"), Arm(name="high", params={"lr": 1.0})], baseline="low", seeds=2)
"""


THREADS = """
import os

def train(run):
    return {"score": float(os.environ.get("OMP_NUM_THREADS", 0)) + 10 * run.params["lr"]}
"""


@pytest.mark.parametrize("given", [None, "2"])
def test_a_process_has_one_thread_unless_somebody_says_otherwise(tmp_path, monkeypatch, given):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    summary = run(loaded(tmp_path, THREADS + STUDY), tmp_path / "runs", force=True)
    assert set(open_results(summary.folder)["metrics/score"].sel(arm="low").values) == {float(given or 1) + 1}
    assert os.environ.get("OMP_NUM_THREADS") == given


@pytest.mark.parametrize(
    "library", [pytest.param(each, marks=[pytest.mark.slow] * (each != "subprocess")) for each in LIBRARIES]
)
def test_functions_of_other_libraries(tmp_path, library):
    """Twice, with the same bits: torch's own generator is seeded, whether or not an earlier run of the process imported it."""
    study = loaded(tmp_path, LIBRARIES[library] + STUDY)
    first, second = (run(study, tmp_path / name, workers=workers) for name, workers in (("a", 1), ("b", 2)))
    assert first.failed == []
    one, other = (open_results(s.folder)["metrics"].to_dataset() for s in (first, second))
    assert one.equals(other)
    assert len({float(v) for v in one["score"].values.ravel()}) > 1
