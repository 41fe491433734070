"""Compiled code: made once, kept under everything it depends on, and done without where there is no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoneout_lab.ops import compiled

pytestmark = pytest.mark.skipif(compiled.library("philox") is None, reason="needs a C compiler, and none was found")

PROBE = """
import torch, zoneout_lab as zl
from zoneout_lab.ops import engine
for layer, cell in ((zl.LSTM, "lstm"), (zl.GRU, "gru"), (zl.RNN, "rnn_tanh")):
    torch.manual_seed(0)
    rnn = layer(3, 5, regularizer=zl.Zoneout(hidden=0.5), mask_seed=1)
    out, _ = rnn(torch.linspace(-1, 1, 24).view(4, 2, 3))
    out.square().sum().backward()
    print(engine.describe(rnn.cell, "cpu"), *(f"{v.item():.5e}" for v in (out.sum().detach(), *(p.grad.norm() for p in rnn.parameters()))), sep="|")
"""


def made(cache: Path) -> list[Path]:
    return sorted((cache / "zoneout_lab").glob("*"))


def afresh(name: str = "philox"):
    """As :func:`compiled.library` in a new process."""
    compiled._version.cache_clear()
    return compiled.library.__wrapped__(name)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def script(folder: Path, text: str) -> str:
    file = folder / "some-cc"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_without_a_compiler_every_cell_gives_the_same_numbers_and_nothing_is_said():
    found = []
    for environment in ({}, {"PATH": "", "XDG_CACHE_HOME": "/nowhere"}):
        done = subprocess.run(
            [sys.executable, "-c", PROBE], env=os.environ | environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        found.append([line.split("|") for line in done.stdout.splitlines()])
    with_it, without = found
    assert [line[0] for line in with_it] == ["cpu (compiled)"] * 3
    assert [line[0] for line in without] == ["reference (not compiled: no C compiler)"] * 3
    assert [line[1:] for line in with_it] == [line[1:] for line in without]


def test_what_was_made_is_found_again(cache: Path):
    assert afresh() is not None
    (file,) = made(cache)
    time = file.stat().st_mtime_ns
    assert afresh() is not None
    assert made(cache) == [file]
    assert file.stat().st_mtime_ns == time


@pytest.mark.parametrize("what", ["_processor", "_FLAGS"])
def test_another_processor_or_other_flags_make_another_file(what: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    afresh()
    monkeypatch.setattr(compiled, what, (lambda: "another") if what == "_processor" else (*compiled._FLAGS, "-g"))
    afresh()
    assert len(made(cache)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("PATH", ""), ("CC", "no-such-compiler"), ("ZONEOUT_LAB_COMPILED", "0")],
    ids=["none", "wrong", "off"],
)
def test_no_compiler(name: str, value: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, value)
    assert afresh() is None
    assert not made(cache)
    assert compiled.why_not() == ("switched off" if value == "0" else "no C compiler")


@pytest.mark.parametrize("fails_at", ["--version", "-O3"])
def test_a_compiler_that_fails_is_no_compiler(fails_at: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", script(cache, f'[ "$1" = {fails_at} ] && exit 1; echo broken 1.0'))
    assert afresh() is None
    assert not made(cache)


def test_a_compiler_without_openmp_will_do(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", script(cache, 'for a in "$@"; do [ "$a" = -fopenmp ] && exit 1; done; exec gcc "$@"'))
    assert afresh("recurrence") is not None


def test_a_compiler_may_be_named_with_options(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "gcc -O1")
    assert afresh() is not None


def test_a_compiler_of_strange_words(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", script(cache, r'[ "$1" = --version ] && printf "\377" && exit 0; exec gcc "$@"'))
    assert afresh() is not None
