"""Every study that comes with the package can be planned and can answer what it asks."""

from __future__ import annotations

import re

import pytest
from pairwise import pairwise

from zoneout_lab.errors import UsageError
from zoneout_lab.paper import CLAIMS
from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.batching import batches
from zoneout_lab.study.design import check_design, seeds_needed
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import TASKS

COUNTED = {6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
#: each study on each task, every other one at the paper's preset where there is one
CASES = pairwise(list(builtin_studies()), list(TASKS), ["laptop", "paper"])


@pytest.mark.parametrize(("name", "task", "preset"), CASES)
def test_plans(name, task, preset, own):
    preset = preset if preset in TASKS[task].settings else "laptop"
    declared = load_study(name)
    change = declared.change | {f"options.{option}": value for option, value in own(task).items()}
    study = overridden(declared, task=task, tasks=(), preset=preset, change=change).resolved()
    assert study.name == name
    check_metrics(study)
    assert check_design(study) is None
    runs = study.runs()
    assert len(runs) == len(study.arms) * study.seeds
    assert sum(map(len, batches(runs, 50))) == len(runs)


def test_a_name_that_is_a_file_s_here_is_answered_with_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    with pytest.raises(UsageError, match=r"To run a file, write \./mine\.py"):
        load_study("mine")
    with pytest.raises(UsageError, match="Did you mean 'quickstart'"):
        load_study("quickstar")


#: of cells younger than the paper
YOUNGER = {"modern_cells"}


@pytest.mark.parametrize("name", builtin_studies())
def test_says_what_it_asks(name):
    study = load_study(name)
    assert study.question.endswith("?")
    assert study.hypotheses
    assert any(hypothesis.claims for hypothesis in study.hypotheses) == (name not in YOUNGER)
    assert all(hypothesis.statement.endswith(".") for hypothesis in study.hypotheses)
    needed = {
        epoch
        for each in study.each()
        for arm in each.arms
        for epoch in each.gradient_epochs
        if epoch > each.setting(arm).training.epochs
    }
    assert not needed, "gradient flow is asked for after the last epoch"


def test_every_claim_has_a_study_and_every_study_has_both_presets():
    studies = [load_study(name) for name in builtin_studies()]
    asked = {claim for study in studies for hypothesis in study.hypotheses for claim in hypothesis.claims}
    assert asked == set(CLAIMS)
    assert {study.name for study in studies if "paper" not in TASKS[study.task].settings} == {
        "quickstart",
        "sources_of_variance",
        "two_tasks",
        *YOUNGER,
    }
    assert {study.preset for study in studies} == {"laptop"}


@pytest.mark.parametrize("name", builtin_studies())
def test_its_file_says_how_it_decides(name):
    """Claims by number, the rule, and as many seeds as the rule says are the fewest, or more."""
    study = load_study(name)
    text = " ".join((builtin_studies()[name].read_text(encoding="utf-8").split('"""')[1]).split())
    one = len(study.hypotheses) == 1
    rule = "an exact sign-flip test of the one hypothesis" if one else "exact flips of whole seeds, joint over "
    assert f"Decision rule: paired by seed, {rule}" in text
    assert "argin" in text
    if name in YOUNGER:
        assert "none of the paper's claims" in text
        assert re.search(r"Krueger et al\.,? 2017", text)
        return
    named = re.search(r"Claims? ([\d, andto]+) (of Krueger et al\. 2017|is that)", text)
    assert named
    numbers = re.sub(r"(\d+) to (\d+)", lambda m: ", ".join(map(str, range(int(m[1]), int(m[2]) + 1))), named[1])
    assert {int(n) for n in re.findall(r"\d+", numbers)} == {n for h in study.hypotheses for n in h.claims}
    assert re.search(r"Krueger et al\.,? 2017", text)
    assert re.search(r"paper(’s|'s)? (reports|prints|gives|shows|expects|says|claims)|without a? ?figure", text)
    assert all(h.reason or not h.margin for h in study.hypotheses)
    fewest = seeds_needed(study.each()[0])
    assert study.family == "joint"
    assert study.seeds >= fewest
    assert re.search(
        rf"{COUNTED[fewest]} (seeds )?(are|is) (the )?fewest|{COUNTED[fewest]} seeds are the fewest", text, re.I
    )
