"""``plan`` word for word: what it prints, and what it counts in a folder where some runs are there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typed import Done

from zoneout_lab.cli.options import chosen_study
from zoneout_lab.engines import Outcome
from zoneout_lab.study.batching import bytes_per_replica
from zoneout_lab.study.store import CONFIRM, TUNE, Store
from zoneout_lab.study.tuning import searched

FULL = """
from zoneout_lab import Arm, Hypothesis, Study, Tuning, Zoneout

STUDY = Study(
    name="full",
    title="A full study",
    question="Does it run?",
    change={"model.hidden": 4, "training.epochs": 2, "training.batch": 256},
    arms=(Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(), search={"cell": (0.1, 0.5)})),
    baseline="lstm",
    seeds=9,
    looks=(6, 9),
    hypotheses=(Hypothesis(name="helps", statement="It helps.", arm="zoneout", against="lstm", metric="valid_score"),),
    tuning=Tuning(trials=2, seeds=1),
)
"""
TASKS = '    tasks=["digits", {"task": "adding", "change": {"options.length": 5, "training.epochs": 1}}],\n)'
TWO = re.sub(r"    looks=.*\n|    tuning=.*\n|, search={.*?}", "", FULL).removesuffix(")\n") + TASKS

Command = Callable[..., Done]


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "full.py").write_text(FULL)
    return str(tmp_path / "full.py")


def facts(command: Command, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("plan", *words, "--json").output)
    return found


def lines(done: Done) -> dict[str, str]:
    """What is printed, by its name; the time, which is measured, is 3 s."""
    text = re.sub(r"about .* on cpu", "about 3 s on cpu", done.output)
    return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in text.splitlines() if line.strip())  # type: ignore[arg-type,misc]


def test_a_plan_word_for_word(command: Command, file: str, tmp_path: Path) -> None:
    study, *_ = chosen_study(file, None, None, None, None, None)
    said, found = study.resolved().id, facts(command, file, "--out", str(tmp_path), "--workers", "2")
    seconds = found.pop("seconds")
    assert seconds == round(seconds, 1) > 0
    memory = 2 * 10 * bytes_per_replica(study.runs()[0], 64)
    assert found == {
        "study": said, "folder": str(tmp_path / said), "task": "digits", "preset": "laptop", "runs": 18, "tuning_runs": 2, "missing": 18,
        "tuning_missing": 2, "taken_over": {}, "batches": [10, 10], "bytes": memory, "device": "cpu", "workers": 2, "problem": None,
        "warnings": [],
    }  # fmt: skip
    done = command("plan", file, "--out", str(tmp_path), "--workers", "2")
    assert lines(done) == {
        "study": f"A full study ({said})",
        "task": "Permuted sequential digits (8×8), preset laptop",
        "data": "1,097 / 350 / 350 train / validation / test, 64 timesteps",
        "model": "lstm, 1 × 4 units",
        "training": "adam, lr 0.01, batch 256, 2 epochs of 5 updates",
        "arms": "lstm, zoneout",
        "runs": "18 (2 arms × 9 seeds), 2 more to tune",
        "missing": "18 and 2 to tune, trained in 2 batches of 10",
        "hypotheses": "1 at α = 0.05: 6 seeds can decide, 9 are run",
        "claims": "zoneout lower valid_error than lstm",
        "power": "probability .8 of finding differences of 1.1 sd of the paired differences; more: zoneout-lab power",
        "looks": "at 6 and 9 seeds; it ends at the first at which every hypothesis has a verdict",
        "time": "about 3 s on cpu, 2 at once",
        "memory": f"about {memory / 2**20:.0f} MiB",
        "folder": str(tmp_path / said),
    }


def test_a_plan_of_several_tasks_word_for_word(command: Command, file: str, tmp_path: Path) -> None:
    Path(file).write_text(TWO)
    words = (file, "--out", str(tmp_path), "--workers", "2", "--seeds", "2", "--force")
    found = facts(command, *words)
    tasks, problem = found.pop("tasks"), found["problem"]
    assert [(each["task"], each["problem"], each["runs"]) for each in tasks] == [
        ("digits", None, 4),
        ("adding", None, 4),
    ]
    assert "2 paired seeds on each of 2 tasks" in problem
    page = found["page"]
    assert found == {
        "study": Path(page).stem, "runs": 8, "missing": 8, "seconds": round(sum(each["seconds"] for each in tasks), 1), "page": page,
        "problem": problem,
    }  # fmt: skip
    assert page.startswith(f"{tmp_path}/full-")
    done = command("plan", *words)
    first, second, together = done.output.split("\n\n")
    assert [text.partition("(")[0].split() for text in (first, second)] == [["study", "A", "full", "study"]] * 2
    assert lines(Done(0, together, "")) == {
        "all tasks": "digits and adding",
        "runs": "8, of which 8 are missing",
        "hypotheses": "1 at α = 0.05 over 2 tasks: 3 seeds on each can decide, 2 are run",
        "time": "about 3 s on cpu",
        "page": page,
    }
    assert f"Warning: {problem}" in " ".join(done.errors.split())


def test_a_plan_counts_what_is_there(command: Command, file: str, tmp_path: Path) -> None:
    """A run of the search and one of the rest; then without its file; then with the search at its end."""
    study, declared, *_ = chosen_study(file, None, None, None, None, None)
    study = study.resolved()
    store = Store.open(tmp_path, study, data="d" * 64, declared=declared, overrides=[], command="")
    run, trial = study.runs()[0], searched(study, None)[0]
    for each, phase in ((run, CONFIRM), (trial, TUNE)):
        store.add(Outcome(each, by_epoch={"valid_error": [0.5]}, best_epoch=1), study.objective, {}, phase=phase)
    names = ("runs", "tuning_runs", "missing", "tuning_missing")

    def counts() -> list[int]:
        store.save()
        found = facts(command, file, "--out", str(tmp_path))
        assert sum(found["batches"]) == found["missing"] + found["tuning_missing"]
        return [found[name] for name in names]

    assert counts() == [18, 2, 17, 1]
    assert "17 and 1 to tune" in lines(command("plan", file, "--out", str(tmp_path)))["missing"]
    (store.folder / store.entry(run)["file"]).unlink()
    assert counts() == [18, 2, 18, 1]
    tuned = {"zoneout": {"best": {"cell": 0.5}, "trials": [{"params": {"cell": cell}} for cell in (0.1, 0.5)]}}
    store.manifest["tuning"] = tuned
    for each in searched(study, tuned):
        store.add(Outcome(each, by_epoch={"valid_error": [0.5]}, best_epoch=1), study.objective, {}, phase=TUNE)
    assert counts() == [18, 2, 18, 0]
    (store.folder / store.entry(searched(study, tuned)[1])["file"]).unlink()
    assert counts() == [18, 2, 18, 1]


def test_a_plan_of_what_cannot_answer(command: Command, file: str, tmp_path: Path) -> None:
    words = ("plan", file, "--seeds", "4", "--set", "training.epochs=1", "--out", str(tmp_path))
    assert command(*words).code == 5
    forced = command(*words, "--force")
    assert forced.code == 0
    assert "Warning: This design cannot reach a verdict" in forced.errors
    assert lines(forced)["training"].endswith(", 1 epoch of 5 updates")
    assert list(tmp_path.iterdir()) == [Path(file)]
