"""``bench`` as it is typed: tables on stdout at any width, JSON that holds everything, refusals before anything is timed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from typed import in_this_process

from zoneout_lab.bench import cases, rounds, timing
from zoneout_lab.bench.peers import PEERS
from zoneout_lab.cli import bench

SIZES = {"batch": 2, "steps": 3, "hidden": 4, "input": 5}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Sizes at which a case takes no time, and no compiler."""
    for name, case in cases.CASES.items():
        monkeypatch.setitem(cases.CASES, name, replace(case, **SIZES))
    monkeypatch.setattr(timing, "PEERS", tuple(peer for peer in PEERS if peer.key != "compiled"))
    monkeypatch.setitem(timing._SQUARE, "cpu", 8)
    monkeypatch.setattr(rounds, "_LEAST", 0.0)
    monkeypatch.setattr(bench, "_BUSY", float("inf"))


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_tables(monkeypatch, capfd, columns):
    done = in_this_process(["bench", "--rounds", "2", "--threads", "1"], monkeypatch, capfd, columns=columns)
    assert done.code == 0
    assert max(map(len, done.output.splitlines())) <= columns
    assert "…" not in done.output
    for words in ("small: ", "pmnist: ", "replicas: ", "no zoneout: ceiling", "nn.LSTMCell loop", "masks alone", "products alone",
                  "quartiles", "zoneout-lab bench --rounds 2 --threads 1", "1 thread of", "torch 2."):  # fmt: skip
        assert words in " ".join(done.output.split())  # a name may be broken from its version
    assert done.errors.splitlines() == ["Timing small.", "Timing pmnist.", "Timing replicas."]


def test_names_stand_beside_notes_where_there_is_room(monkeypatch, capfd):
    lines = [
        in_this_process(["bench", "small", "--rounds", "2"], monkeypatch, capfd, columns=columns).output.splitlines()
        for columns in (80, 120)
    ]
    assert any(line.startswith("  no zoneout: ceiling") for line in lines[0])
    assert any(line.startswith("nn.LSTM — no zoneout: ceiling  ") for line in lines[1])


@pytest.mark.parametrize(("cell", "layer"), [("lstm", "LSTM"), ("gru", "GRU"), ("rnn_tanh", "RNN")])
def test_json(command, cell, layer):
    done = command("bench", "small", "replicas", "--rounds", "2", "--cell", cell, "--json", "--threads", "1")
    assert done.code == 0
    found = json.loads(done.output)
    assert found["command"] == " ".join(
        ["zoneout-lab bench small replicas", *([] if cell == "lstm" else ["--cell", cell]), "--rounds 2 --threads 1"]
    )
    assert found["machine"]["device"] == "cpu"
    assert found["versions"]["torch"] == torch.__version__
    assert (found["threads"], found["rounds"], found["cell"], found["dtype"]) == (1, 2, cell, "float32")
    assert found["zoneout"]["hidden"] == 0.05
    case, sweep = found["cases"]
    assert {name: case[name] for name in SIZES} == SIZES
    assert [peer["label"] for peer in case["peers"]] == [
        f"nn.{layer}",
        f"zl.{layer}",
        f"zl.{layer}, masks alone",
        f"nn.{layer}Cell loop",
        f"zl.{layer}, reference",
    ]
    wanted = {"ms", "us_per_timestep", "ratio_to_torch", "ratio_to_ours", "multiple_of_floor", "rounds", "seconds"}
    assert all(wanted <= set(peer) for peer in case["peers"])
    assert [row["replicas"] for row in sweep["replicas"]] == [1, 4, 8, 16, 32, 64]


def test_all(command):
    found = json.loads(command("bench", "--all", "--rounds", "2", "--threads", "1", "--json").output)
    assert [case["case"] for case in found["cases"]] == list(cases.CASES)
    assert [row["replicas"] for row in found["cases"][-1]["replicas"]] == [1, 4, 8, 16, 32, 64]
    assert found["command"] == "zoneout-lab bench --all --rounds 2 --threads 1"


def test_plot(command, tmp_path):
    target = tmp_path / "deep" / "bench.svg"
    done = command("bench", "small", "replicas", "--rounds", "2", "--plot", str(target), "--json")
    assert done.code == 0
    json.loads(done.output)
    assert f"Plot: {target}" in done.errors
    assert "nn.LSTM" in target.read_text()


def test_what_is_left_out_is_said_beside_the_data(command, monkeypatch):
    broken = replace(
        next(peer for peer in PEERS if peer.key == "compiled"),
        make=lambda _: (_ for _ in ()).throw(OSError("[no] gcc")),
    )
    monkeypatch.setattr(timing, "PEERS", (*PEERS[:2], broken))
    done = command("bench", "small", "--rounds", "2")
    assert done.code == 0
    assert "Note: small: nn.LSTMCell loop, compiled is left out: [no] gcc." in done.errors
    assert "loop, compiled" not in done.output


def test_a_busy_machine_is_named(command, monkeypatch):
    monkeypatch.setattr(bench, "_BUSY", 0.0)
    assert "something else seems to be using this machine" in command("bench", "small", "--rounds", "2").errors


def test_nothing_fits(command, monkeypatch):
    monkeypatch.setattr(timing, "memory_available", lambda: 0)
    done = command("bench", "small", "replicas")
    assert (done.code, done.output) == (5, "")
    assert "no case fits the memory" in done.errors


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("bench smal", 2, ["no case 'smal'", "mean 'small'"]),
        ("bench small --cell lst", 2, ["no cell 'lst'", "mean 'lstm'"]),
        ("bench small --device tpu", 2, ["device 'tpu'", "cpu"]),
        ("bench small --rounds 1", 2, ["--rounds"]),
        ("bench small --threads 0", 2, ["--threads"]),
        ("bench small --plot {tmp}/bench.pdf", 2, [".png or .svg"]),
        ("bench small --plot {tmp}/file/bench.png", 5, ["Cannot write", "bench.png"]),
    ],
)
def test_refused_before_anything_is_timed(command, monkeypatch, tmp_path, typed, code, words):
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("timed"))
    (tmp_path / "file").write_text("mine")
    done = command(*typed.format(tmp=tmp_path).split())
    assert done.code == code, done.errors
    assert all(word in done.errors for word in words), done.errors
    assert not done.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu(command, small_file):
    done = command("bench", "small", "--device", "cuda")
    assert done.code == 2
    assert done.errors == command("run", str(small_file), "--device", "cuda").errors
