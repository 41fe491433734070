"""Whatever is typed, a person gets one message that says what was wrong and what to do, and the right exit code."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from typed import process

TINY_IDX = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28])
HYPOTHESIS = "Hypothesis(name='h', statement='', arm='{arm}', against='a', metric='{metric}')"


@pytest.fixture
def places(tmp_path: Path, small_file: Path) -> dict[str, str]:
    """Things that stand where something else should."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    cut = tmp_path / "cut"
    cut.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (cut / f"{name}-ubyte.gz").write_bytes(gzip.compress(TINY_IDX)[:-6])
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "MANIFEST.json").write_text(json.dumps({"layers": []}))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "MANIFEST.json").write_text('{"runs": {}')
    head = "from zoneout_lab import *\nGOOD = dict(name='mine', title='', question='', baseline='a', seeds=6)\nA = Arm(name='a')\n"
    for name, text in {
        "arm": f"STUDY = Study(**GOOD, arms=(A,), hypotheses=({HYPOTHESIS.format(arm='aa', metric='valid_score')},))",
        "metric": f"STUDY = Study(**GOOD, arms=(A, Arm(name='b')), hypotheses=({HYPOTHESIS.format(arm='b', metric='acuracy')},))",
        "rate": "STUDY = Study(**GOOD, arms=(Arm(name='a', regularizer=Zoneout(cell=1.5)),))",
        "change": "STUDY = Study(**GOOD, arms=(A.model_copy(update={'change': {'training.epoch': 1}}),))",
        "crash": "{}['seeds']",
        "inside": "def made():\n    class Mine(Zoneout):\n        pass\n    return Mine(cell=0.5)\nSTUDY = Study(**GOOD, arms=(A, Arm(name='b', regularizer=made())))",
        "disguised": "class Half(Zoneout):\n    kind = 'zoneout'\nSTUDY = Study(**GOOD, arms=(A, Arm(name='b', regularizer=WeightNoise(0.1) + Half(cell=0.5))))",
        "embedded": "STUDY = Study(**GOOD, arms=(A, Arm(name='b', change={'model.embedding': 5})))",
        "units": "STUDY = Study(**GOOD, arms=(A, Arm(name='b', regularizer=Zoneout(cell=(0.1, 0.2, 0.3)))))",
    }.items():
        (tmp_path / f"{name}.py").write_text(head + text)
    return {"tmp": str(tmp_path), "small": str(small_file)}


# what is typed → exit code, words of the message
CASES = {
    "plan mask_sharin": (2, ["study 'mask_sharin'", "mean 'mask_sharing'"]),
    "run {tmp}/absent.py": (5, ["no study file", "absent.py"]),
    "run {tmp}/empty": (2, ["There is no study"]),
    "run {tmp}/file": (2, ["There is no study"]),
    "run {tmp}/arm.py": (5, ["arm.py", "arm 'aa'", "mean 'a'"]),
    "run {tmp}/metric.py --out {tmp}/o": (2, ["'h'", "metric 'acuracy'"]),
    "run {tmp}/rate.py": (5, ["rate.py", "1.5", "[0, 1]"]),
    "run {tmp}/change.py": (2, ["'training.epoch'", "mean 'training.epochs'"]),
    "run {tmp}/crash.py": (5, ["crash.py", "KeyError"]),
    "run {tmp}/inside.py --out {tmp}/o": (5, ["arm 'b'", "Mine is defined inside made()"]),
    "run {tmp}/disguised.py --out {tmp}/o": (5, ["arm 'b'", "disguised.py:Half", "'zoneout', which is built in"]),
    "run {tmp}/embedded.py --out {tmp}/o": (5, ["arm 'b'", "Only symbols have an embedding"]),
    "run {tmp}/units.py --out {tmp}/o": (5, ["arm 'b'", "rates for 3 units"]),
    "plan {tmp}/inside.py --out {tmp}/o": (5, ["arm 'b'", "Mine is defined inside made()"]),
    "plan {tmp}/disguised.py --out {tmp}/o": (5, ["arm 'b'", "disguised.py:Half", "'zoneout', which is built in"]),
    "plan {tmp}/embedded.py --out {tmp}/o": (5, ["arm 'b'", "Only symbols have an embedding"]),
    "plan {tmp}/units.py --out {tmp}/o": (5, ["arm 'b'", "rates for 3 units"]),
    "run {small} --out {tmp}/o --storage study.db": (2, ["--storage 'study.db'", "sqlite:///study.db"]),
    "run {small} --out {tmp}/o --tracking ./mlruns": (2, ["--tracking './mlruns'", "sqlite:///mlflow.db"]),
    "plan {small} --task digit": (2, ["task 'digit'", "mean 'digits'"]),
    "plan {small} --preset paper": (2, ["digits has no preset 'paper'", "laptop"]),
    "plan {small} --device tpu": (2, ["device 'tpu'", "cpu"]),
    "plan {small} --device meta": (2, ["device 'meta'", "not supported"]),
    "run {small} --device tpu": (2, ["device 'tpu'"]),
    "plan {small} --set epochs": (2, ["FIELD=VALUE", "'epochs'"]),
    "plan {small} --set =3": (2, ["setting ''"]),
    "plan {small} --set epochs=3": (2, ["'epochs'", "training.epochs"]),
    "plan {small} --set training.epoch=3": (2, ["mean 'training.epochs'"]),
    "plan {small} --set training.epochs=0": (5, ["training.epochs", "got 0"]),
    "plan {small} --set training.epochs=many": (5, ["training.epochs", "'many'"]),
    "plan {small} --set training.lr=nan": (5, ["training.lr"]),
    "plan {small} --set model.cell=gru": (5, ["GRU", "memory cell"]),
    "plan {small} --set model.cell=transformer": (5, ["model.cell", "'transformer'"]),
    "plan {small} --set options.permuted=1": (2, ["'permuted'", "mean 'permute'"]),
    "plan {small} --set options.permute=7": (5, ["permute is 7"]),
    "plan {small} --seeds 0": (5, ["seeds", "got 0"]),
    "plan {small} --seeds many": (2, ["--seeds", "integer"]),
    "plan {small} --workers 0": (2, ["--workers"]),
    "plan {small} --nonsense": (2, ["--nonsense"]),
    "plan": (2, ["STUDY"]),
    "paln": (2, ["paln"]),
    "plan mask_sharing --seeds 3": (5, ["cannot reach a verdict", "--seeds 6", "--force"]),
    "run mask_sharing --seeds 3 --out {tmp}/o": (5, ["cannot reach a verdict", "--seeds 6", "--force"]),
    "plan {small} --task pmnist --data {tmp}/nowhere": (5, ["--data", "nowhere", "not a folder"]),
    "plan {small} --task pmnist --data {tmp}/empty": (5, ["lacks train-images-idx3-ubyte.gz", "--data"]),
    "plan {small} --task pmnist --data {tmp}/cut": (5, ["train-images-idx3-ubyte.gz", "truncated"]),
    "run {small} --task pmnist --data {tmp}/cut --out {tmp}/o": (5, ["train-images-idx3-ubyte.gz", "truncated"]),
    "run {small} --out {tmp}/file": (5, ["Cannot write to", "--out"]),
    "run {small} --out /proc/nothing": (5, ["Cannot write to /proc/nothing", "--out"]),
    "status {tmp}/empty": (5, ["no studies", "zoneout-lab run"]),
    "status {tmp}/nowhere": (5, ["no studies"]),
    "status {tmp}/theirs": (4, ["MANIFEST.json"]),
    "status {tmp}/half": (4, ["MANIFEST.json", "cannot be read"]),
    "verify {tmp}/empty": (5, ["MANIFEST.json"]),
    "verify {tmp}/theirs": (4, ["MANIFEST.json"]),
    "verify {tmp}/nowhere": (5, ["nowhere"]),
    "verify {tmp}/file": (5, ["file"]),
    "export {tmp}/empty": (5, ["no MANIFEST.json"]),
    "export {tmp}/file": (4, ["cannot be read as netCDF"]),
    "report {tmp}/theirs": (4, ["MANIFEST.json"]),
    "report {tmp}/nowhere": (5, ["no results"]),
}  # fmt: skip


@pytest.mark.parametrize("typed", CASES)
def test_refused(command, places, typed):
    code, words = CASES[typed]
    before = sorted(path for path in Path(places["tmp"]).rglob("*"))
    done = command(*(word.format(**places) for word in typed.split()))
    assert done.code == code, done.errors
    assert all(word in done.errors for word in words), done.errors
    assert not done.output
    assert "Traceback" not in done.errors
    assert "Internal" not in done.errors
    assert len(done.errors.splitlines()) <= 8
    assert sorted(path for path in Path(places["tmp"]).rglob("*")) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_plan_for_a_gpu_that_is_elsewhere(command, small_file):
    """All but what is measured on it."""
    here, there = (
        command("plan", str(small_file), "--json", "--workers", "1", "--device", device) for device in ("cpu", "cuda")
    )
    facts = [json.loads(done.output) for done in (here, there)]
    changed = {name for name in facts[0] if facts[0][name] != facts[1][name]}
    assert changed == {"device", "seconds", "bytes"}
    assert (facts[1]["seconds"], facts[1]["bytes"]) == (None, None)
    shown = command("plan", str(small_file), "--device", "cuda")
    assert (there.code, shown.code) == (0, 0)
    assert shown.output.count("not known here") == 2
    for done in (there, shown):
        assert "no CUDA GPU" in done.errors
        assert "Time and memory are left out" in done.errors


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu(command, small_file):
    done = command("run", str(small_file), "--device", "cuda")
    assert done.code == 2
    assert "no CUDA GPU" in done.errors
    assert "zoneout-lab doctor" in done.errors


def test_a_target_that_cannot_be_written(command, finished, tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in ("export", "report"):
        done = command(name, str(finished[0]), "--to", str(tmp_path / "file" / "x"))
        assert done.code == 5
        assert "Cannot write" in done.errors
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_of_something_else_is_left_alone(command, small_file, tmp_path):
    from zoneout_lab.study import load_study

    folder = tmp_path / load_study(small_file).id
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    done = command("run", str(small_file), "--out", str(tmp_path), "--no-tracking")
    assert done.code == 5
    assert "holds no study" in done.errors
    assert (folder / "thesis.tex").read_text() == "mine"


def test_square_brackets_in_names_are_printed_as_they_are(command, tmp_path):
    done = command("run", str(tmp_path / "[bold]absent.py"))
    assert "[bold]absent.py" in done.errors


def test_in_a_process_of_its_own(tmp_path):
    done = process("plan", "mask_sharin")
    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("Error: There is no study 'mask_sharin'. Did you mean 'mask_sharing'?")
    assert "Traceback" not in done.errors


@pytest.mark.parametrize(
    ("words", "kept"),
    [(("run", "mask_sharing"), True), (("--", "run", "mask_sharing"), True), (("plan", "mask_sharing"), False),
     (("--", "plan", "mask_sharing"), False)],
)  # fmt: skip
def test_only_run_says_that_results_are_kept_wherever_its_name_stands(command, monkeypatch, words, kept):
    def stop(*_):
        raise KeyboardInterrupt

    from zoneout_lab.cli import options

    monkeypatch.setattr(options, "chosen_study", stop)
    done = command(*words)
    again = f" What was trained is kept. To go on: zoneout-lab {' '.join(words)}" if kept else ""
    assert (done.code, done.errors) == (130, f"Stopped.{again}\n")
    monkeypatch.setattr(options, "chosen_study", lambda *_: 1 / 0)
    assert ("finished runs are kept" in command(*words).errors) == kept


def test_a_fault_of_ours_is_one_line(command, monkeypatch):
    from zoneout_lab.cli import options

    monkeypatch.setattr(options, "chosen_study", lambda *_: 1 / 0)
    monkeypatch.delenv("ZONEOUT_LAB_TRACEBACK", raising=False)
    done = command("plan", "mask_sharing")
    assert done.code == 1
    assert "Internal error: ZeroDivisionError" in done.errors
    assert "Traceback" not in done.errors
    monkeypatch.setenv("ZONEOUT_LAB_TRACEBACK", "1")
    assert "Traceback" in command("plan", "mask_sharing").errors
