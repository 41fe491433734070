"""Cases timed: every peer that exists here and fits the memory, in interleaved rounds, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from zoneout_lab.bench.cases import Case
from zoneout_lab.bench.peers import OURS, PEERS, TORCH, ours, problem, torch_layer
from zoneout_lab.bench.rounds import Spread, Step, interleaved, on_cpu, on_cuda, ratio, spread, warm
from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.memory import memory_available
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.study.device import device_memory
from zoneout_lab.training.prepared import prepared_process
from zoneout_lab.training.step import on_device

FLOOR = "floor"
_SHARE_OF_MEMORY = 0.7
_SQUARE = {"cpu": 2048, "cuda": 8192}  # rows of the matrices whose product tells the rate of the floor

#: told what is happening now, rounds done and rounds in all
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Setup:
    """How cases are timed.

    Args:
        cell: lstm, gru or rnn_tanh.
        device: cpu, cuda or cuda:N.
        rounds: timings of each peer.
        warmup: calls of each peer before the first round.
    """

    cell: str = "lstm"
    device: str = "cpu"
    rounds: int = 10
    warmup: int = 2


@dataclass(frozen=True)
class Row:
    """One peer in one case: seconds of a training step in each round, and what they are to others in the same rounds.

    Attributes:
        peer, label, note: its key, its name, and what it leaves out.
        seconds: of one step, by round.
        calls: how many steps one timing was of.
        per_timestep: seconds divided by T.
        ratio: to torch's layer without zoneout.
        to_ours: to our layer.
        floor: to the time that the matrix products alone take, at the rate of a large square product.
    """

    peer: str
    label: str
    note: str
    seconds: tuple[float, ...]
    calls: int
    per_timestep: Spread
    ratio: Spread
    to_ours: Spread
    floor: Spread

    def to_json(self) -> dict[str, Any]:
        return {
            "peer": self.peer,
            "label": self.label,
            "note": self.note,
            "rounds": len(self.seconds),
            "calls_per_round": self.calls,
            "ms": _times(spread(self.seconds), 1e3),
            "us_per_timestep": _times(self.per_timestep, 1e6),
            "ratio_to_torch": self.ratio.to_json(),
            "ratio_to_ours": self.to_ours.to_json(),
            "multiple_of_floor": self.floor.to_json(),
            "seconds": list(self.seconds),
        }


@dataclass(frozen=True)
class Measured:
    """A case with its rows, what was left out and why, and the floor: seconds, and the rate in FLOP/s it was made from."""

    case: Case
    rows: tuple[Row, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    floor: Spread | None = None
    rate: Spread | None = None

    @property
    def timings(self) -> list[tuple[float, ...]]:
        """Seconds by round, of every peer."""
        return [row.seconds for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        return {
            **_sizes(self.case),
            "floor": None
            if self.floor is None or self.rate is None
            else {"ms": _times(self.floor, 1e3), "flop_per_second": self.rate.to_json()},
            "peers": [row.to_json() for row in self.rows],
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class SweepRow:
    """R models: seconds of a training step of all of them in each round, as replicas of ours and one after another by torch.

    Attributes:
        replicas: R.
        ours, torch: seconds by round.
        ratio: ours to torch's.
        to_one: ours to one replica of ours.
        calls: how many steps one timing was of, ours and torch's.
    """

    replicas: int
    ours: tuple[float, ...]
    torch: tuple[float, ...]
    ratio: Spread
    to_one: Spread
    calls: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        def peer(seconds: tuple[float, ...], calls: int) -> dict[str, Any]:
            return {
                "rounds": len(seconds),
                "calls_per_round": calls,
                "ms": _times(spread(seconds), 1e3),
                "ms_per_replica": _times(spread(seconds), 1e3 / self.replicas),
                "seconds": list(seconds),
            }

        return {
            "replicas": self.replicas,
            "ours": peer(self.ours, self.calls[0]),
            "torch_sequential": peer(self.torch, self.calls[1]),
            "ratio_to_torch": self.ratio.to_json(),
            "ratio_to_one_replica": self.to_one.to_json(),
        }


@dataclass(frozen=True)
class Sweep:
    """The case ``replicas``: a row for each R that fits the memory."""

    case: Case
    rows: tuple[SweepRow, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def timings(self) -> list[tuple[float, ...]]:
        """Seconds by round, of ours and torch's at every R."""
        return [seconds for row in self.rows for seconds in (row.ours, row.torch)]

    def to_json(self) -> dict[str, Any]:
        return {**_sizes(self.case), "replicas": [row.to_json() for row in self.rows], "left_out": self.left_out}


@contextmanager
def timing_process(threads: int) -> Iterator[None]:
    """What holds for all peers alike: as many threads as asked for, and a study's settings of the process.

    Subnormal numbers are zero and freed memory is kept (:func:`~zoneout_lab.training.prepared.prepared_process`). torch's choice
    of algorithms on a GPU is left as it is: a study asks for deterministic ones, a layer alone does not. Threads, arithmetic and
    torch's generator on the CPU are afterwards as they were.
    """
    with prepared_process("cpu"), torch.random.fork_rng(devices=[]):
        torch.set_num_threads(threads)
        yield


def measure(case: Case, setup: Setup, say: Say = lambda *_: None) -> Measured | Sweep:
    """Time a case.

    Args:
        case: what; with numbers of replicas, of which the first is 1, it is a sweep over them.
        setup: how.
        say: told how far it is.

    Torch's layer and ours must fit the memory, else nothing is timed and ``left_out`` says so.
    """
    torch._dynamo.reset()  # what other sizes have left counts against torch's limit of recompilations
    with on_device(setup.device):
        return _sweep(case, setup, say) if case.replicas else _peers(case, setup, say)


def _peers(case: Case, setup: Setup, say: Say) -> Measured:
    timer = _timer(setup)
    steps: dict[str, Step] = {}
    calls: dict[str, int] = {}
    left_out: dict[str, str] = {}
    there = [(peer, peer.why_not(setup.cell, setup.device)) for peer in PEERS]
    left_out |= {peer.name(setup.cell): why for peer, why in there if why}
    peers = [peer for peer, why in there if why is None]
    shared = None
    for peer in peers:
        name = peer.name(setup.cell)
        if short := _short_of_memory(case, setup, peer.held):
            left_out[name] = short
            if peer.key in (TORCH, OURS):
                return Measured(case, (), left_out)
            continue
        say(f"{name}: warming up", 0, setup.rounds)
        try:
            shared = shared or problem(case, setup.cell, setup.device)
            steps[peer.key] = peer.make(shared)
            calls[peer.key] = warm(steps[peer.key], timer, setup.warmup)
        except Exception as error:
            steps.pop(peer.key, None)
            if not (peer.may_fail or out_of_memory(error)):
                raise
            left_out[name] = _reason(error)
            if peer.key in (TORCH, OURS):
                return Measured(case, (), left_out)
    steps[FLOOR], operations = _square(setup.device)
    calls[FLOOR] = warm(steps[FLOOR], timer, setup.warmup)
    seconds = interleaved(steps, setup.rounds, timer, calls=calls, done=lambda done: say("timing", done, setup.rounds))
    needed = case.products(setup.cell)
    floor = [taken * needed / operations for taken in seconds[FLOOR]]
    rows = [
        Row(
            peer=peer.key,
            label=peer.name(setup.cell),
            note=peer.note,
            seconds=tuple(seconds[peer.key]),
            calls=calls[peer.key],
            per_timestep=spread([taken / case.steps for taken in seconds[peer.key]]),
            ratio=ratio(seconds[peer.key], seconds[TORCH]),
            to_ours=ratio(seconds[peer.key], seconds[OURS]),
            floor=ratio(seconds[peer.key], floor),
        )
        for peer in peers
        if peer.key in steps
    ]
    rate = spread([operations / taken for taken in seconds[FLOOR]])
    return Measured(case, tuple(rows), left_out, spread(floor), rate)


def _sweep(case: Case, setup: Setup, say: Say) -> Sweep:
    timer = _timer(setup)
    steps: dict[str, Step] = {}
    calls: dict[str, int] = {}
    left_out: dict[str, str] = {}
    done: list[int] = []
    held = max(peer.held for peer in PEERS if peer.key in (TORCH, OURS))
    for R in case.replicas:
        if short := _short_of_memory(case, setup, held, replicas=R):
            left_out[f"R = {R}"] = short
            continue
        say(f"R = {R}: warming up", 0, setup.rounds)
        try:
            shared = problem(case, setup.cell, setup.device, replicas=R)
            for key, make in ((OURS, ours), (TORCH, torch_layer)):
                step = make(shared)
                calls[f"{key} {R}"] = warm(step, timer, setup.warmup)
                steps[f"{key} {R}"] = step
            done.append(R)
        except Exception as error:
            if not out_of_memory(error):
                raise
            steps.pop(f"{OURS} {R}", None)
            left_out[f"R = {R}"] = _reason(error)
    if not done:
        return Sweep(case, (), left_out)
    seconds = interleaved(steps, setup.rounds, timer, calls=calls, done=lambda done: say("timing", done, setup.rounds))
    one = seconds[f"{OURS} {done[0]}"]
    rows = []
    for R in done:
        mine, theirs = seconds[f"{OURS} {R}"], seconds[f"{TORCH} {R}"]
        both = calls[f"{OURS} {R}"], calls[f"{TORCH} {R}"]
        rows.append(SweepRow(R, tuple(mine), tuple(theirs), ratio(mine, theirs), ratio(mine, one), both))
    return Sweep(case, tuple(rows), left_out)


def _timer(setup: Setup) -> Callable[[Step, int], float]:
    return on_cuda if setup.device.startswith("cuda") else on_cpu


def _square(device: str) -> tuple[Step, int]:
    """A large square product, and its floating-point operations; bf16 on a GPU, the fastest that these layers could use."""
    kind = device.partition(":")[0]
    n = _SQUARE[kind]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)

    def step() -> list[Tensor]:
        return [torch.mm(a, b, out=out)]

    return step, 2 * n**3


def _short_of_memory(case: Case, setup: Setup, held: int, *, replicas: int = 1) -> str | None:
    """What is missing, in words; None where a step fits."""
    gates = CELLS[setup.cell].gates
    # weights, their gradients and what a product of them takes; input, output and its gradient
    weights = 4 * gates * case.hidden * (case.input + case.hidden)
    data = case.batch * case.steps * (case.input + 2 * case.hidden)
    needed = 4 * replicas * (held * case.numbers + weights + data)
    free = device_memory(setup.device) or int(memory_available() * _SHARE_OF_MEMORY)
    if needed <= free:
        return None
    return f"needs about {needed / 2**30:.1f} GiB of memory; {free / 2**30:.1f} GiB may be used"


def _reason(error: Exception) -> str:
    """An error in one line: its last cause, which says what the machine lacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def _times(value: Spread, factor: float) -> dict[str, float]:
    return Spread(value.median * factor, value.low * factor, value.high * factor).to_json()


def _sizes(case: Case) -> dict[str, Any]:
    sizes = {"batch": case.batch, "steps": case.steps, "hidden": case.hidden, "input": case.input}
    return {"case": case.name, "what": case.what, **sizes}
