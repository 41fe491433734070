"""What is changed on the command line is on record, in words, and can be run again."""

from __future__ import annotations

import json
import shlex

import pytest

from zoneout_lab.cli.options import chosen_study
from zoneout_lab.study import load_study


def manifest(finished):
    return json.loads((finished[0] / "MANIFEST.json").read_text())


def test_in_the_manifest(finished):
    content = manifest(finished)
    assert content["overrides"] == ["seeds: 2 → 3", "training.epochs set to 1"]
    assert (content["study"]["seeds"], content["declared"]["seeds"]) == (3, 2)
    assert content["study"]["setting"]["training"]["epochs"] == 1
    assert content["declared"]["setting"]["training"]["epochs"] == 2
    assert all(entry["seed"] < 3 for entry in content["runs"].values())


def test_in_the_report(finished):
    report = (finished[0] / "report.html").read_text()
    assert "seeds: 2 → 3" in report
    assert "training.epochs set to 1" in report


def test_the_recorded_command_names_the_same_study(finished, command):
    words = shlex.split(manifest(finished)["command"])
    assert words[:2] == ["zoneout-lab", "run"]
    facts = json.loads(command("plan", *words[2:], "--json", "--out", str(finished[0].parent)).output)
    assert (facts["study"], facts["missing"]) == (finished[0].name, 0)


# --seeds, --seed, --set … → the options that stay, what is said in words
CASES = {
    "nothing": ({}, [], []),
    "what is declared": ({"seeds": 2, "preset": "laptop", "task": "digits"}, [], []),
    "seeds": ({"seeds": 7}, ["--seeds", "7"], ["seeds: 2 → 7"]),
    "seed": ({"seed": 5}, ["--seed", "5"], ["seed: 0 → 5"]),
    "task": ({"task": "pmnist", "preset": "paper"}, ["--task", "pmnist", "--preset", "paper"], ["task: digits → pmnist", "preset: laptop → paper"]),
    "settings": ({"change": ["training.lr=1e-3", "options.permute=false"]}, ["--set", "training.lr=1e-3", "--set", "options.permute=false"], ["training.lr set to 1e-3", "options.permute set to false"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_chosen(case, small_file):
    given, options, words = CASES[case]
    arguments = {"task": None, "preset": None, "seeds": None, "seed": None, "change": None} | given
    study, declared, said, stay = chosen_study(str(small_file), **arguments)
    assert (stay, said) == (options, words)
    assert declared == load_study(small_file)
    assert (study.id == declared.id) == (not options)


def test_values_are_read_as_they_are_meant(small_file):
    changes = [
        "training.lr=1e-3",
        "training.clip=none",
        "options.permute=false",
        "training.optimizer=sgd",
        "training.epochs=3",
    ]
    study = chosen_study(str(small_file), None, None, None, None, changes)[0]
    training = study.setting().training
    assert (training.lr, training.clip, training.optimizer, training.epochs) == (1e-3, None, "sgd", 3)
    assert study.setting().options == {"permute": False, "permutation_seed": 1}
    assert study.setting().model.hidden == 4  # the file's own change stays
