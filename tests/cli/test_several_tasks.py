"""The command line on a study of several tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typed import SMALL, Done

from zoneout_lab.cli.options import chosen_study, parts_of
from zoneout_lab.errors import UsageError

HYPOTHESES = """
    hypotheses=[dict(name="helps", statement="It helps.", arm="zoneout", against="lstm", metric="valid_score")],
    tasks=["digits", {"task": "adding", "change": {"options.length": 5, "training.epochs": 1}}],
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "both.py"
    path.write_text(SMALL.replace("    seeds=2,\n", f"    seeds=3,{HYPOTHESES}").replace("(1,)", "()"))
    return str(path)


def test_plan_run_across_and_status(file: str, tmp_path: Path, command: Callable[..., Done]) -> None:
    out = tmp_path / "out"
    flags = ["--out", str(out), "--set", "training.epochs=1"]
    planned = command("plan", file, *flags, "--json")
    facts = json.loads(planned.output)
    assert ([each["task"] for each in facts["tasks"]], facts["runs"], facts["missing"]) == (
        ["digits", "adding"],
        12,
        12,
    )
    assert not out.exists() or list(out.iterdir()) == []

    done = command("run", file, *flags, "--workers", "1", "--no-tracking")
    assert done.code == 0
    assert [line.split(":")[0] for line in done.output.splitlines()] == ["Report", "Report", "Over all tasks"]
    assert done.output.splitlines()[-1] == f"Over all tasks: {facts['page']}"
    assert "On digits" in done.errors
    assert "Over 2 tasks (digits, adding)" in " ".join(done.errors.split())

    status = json.loads(command("status", str(out), "--json").output)
    assert sorted((row["task"], row["done"]) for row in status) == [("adding", 6), ("digits", 6)]

    folders = [line.removeprefix("Report: ").removesuffix("/report.html") for line in done.output.splitlines()[:2]]
    page = tmp_path / "over.html"
    again = command("across", *folders, "--to", str(page))
    assert (again.code, again.output) == (0, f"{page}\n")
    assert page.read_text().count("It helps.") > 1

    alone = command("across", folders[0])
    assert (alone.code, "two at least" in alone.errors) == (5, True)

    declared = json.loads((Path(folders[1]) / "MANIFEST.json").read_text())
    assert declared["overrides"] == ["training.epochs set to 1"]
    assert declared["command"].endswith(f"--set training.epochs=1 --out {out}")


def test_plan_and_power_say_what_all_tasks_can_show(file: str, tmp_path: Path, command: Callable[..., Done]) -> None:
    planned = " ".join(command("plan", file, "--out", str(tmp_path / "out")).output.split())
    assert "1 at α = 0.05 over 2 tasks: 3 seeds on each can decide, 3 are run" in planned
    power = command("power", file)
    assert "Over 2 tasks of 3 seeds" in " ".join(power.output.split())
    facts = json.loads(command("power", file, "--json").output)
    assert facts["over_tasks"]["tasks"] == 2
    assert 1.5 < facts["over_tasks"]["smallest"] < 2.1


def test_one_of_its_tasks_alone_is_as_declared(file: str) -> None:
    whole, *_ = chosen_study(file, None, None, None, None, None)
    study, declared, words, flags = chosen_study(file, "adding", None, None, None, None)
    assert study.id == whole.each()[1].id
    assert (declared.tasks, words, flags) == ((), [], ["--task", "adding"])
    other, _, words, flags = chosen_study(file, "copying", None, None, None, None)
    assert (other.task, other.tasks, flags) == ("copying", (), ["--task", "copying"])
    assert words == ["task: digits, adding → copying"]


def test_what_is_changed_holds_on_every_task(file: str) -> None:
    study, declared, words, _ = chosen_study(file, None, None, 4, None, ["training.epochs=3", "model.hidden=5"])
    settings = [each.setting() for each in study.each()]
    assert [(s.training.epochs, s.model.hidden) for s in settings] == [(3, 5), (3, 5)]
    assert settings[1].options["length"] == 5
    parts = parts_of(study, declared, words, "again")
    assert [(part.study.seeds, part.declared.seeds, part.command) for part in parts] == [(4, 3, "again")] * 2
    with pytest.raises(UsageError, match="Name one with --task too"):
        chosen_study(file, None, None, None, None, ["options.length=9"])
    alone, *_ = chosen_study(file, "adding", None, None, None, ["options.length=9"])
    assert alone.setting().options["length"] == 9


def test_a_preset_is_every_tasks(file: str) -> None:
    with pytest.raises(UsageError, match="digits has no preset 'paper'"):
        chosen_study(file, None, "paper", None, None, None)
