"""What is changed on the command line is on record, in words, and can be run again."""

from __future__ import annotations

import json
import shlex

import pytest

from zoneout_lab.cli.options import chosen_study
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.tasks import make_task


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
    assert "Seeds 3, where 2 was declared." in report
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


def test_a_field_takes_the_type_it_has(tmp_path, monkeypatch):
    """Text stays text, whatever it could be read as; what is a number to the field is one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("1984", "true", "none", "1e5", "nan", "*0.5", "a=b"):
        (tmp_path / name).write_text("It was a bright cold day in April. " * 2000)
        study, *_ = chosen("--task", "char_text", "--set", f"options.path={name}")
        assert study.setting().options["path"] == name
        json.loads(study.setting().model_dump_json())
        assert make_task(study.task, study.setting().options).load(None).train
    study, *_ = chosen("--set", "options.permute=false", "--set", "training.clip=none", "--set", "training.lr=*0.5")
    setting = study.setting()
    assert (setting.options["permute"], setting.training.clip, setting.training.lr) == (False, None, 0.005)
    # the seed is in no preset: what is multiplied is what the task takes for granted
    study, *_ = chosen("--task", "adding", "--set", "options.length=2e1", "--set", "options.seed=*3")
    assert [study.setting().options[name] for name in ("length", "seed")] == [20, 3]


WRONG = {
    "training.optimizer=1e3": "'1e3'",
    "training.select=none": "'none'",
    "training.lr=true": r"training\.lr is 0\.01 and takes a number, got true",
    "training.epochs=false": "takes a number",
    "options.permute=yes": "it has to be true or false",
    "options.permutation_seed=1.5": "whole number",
    "options.permute=*2": "cannot be multiplied",
}


@pytest.mark.parametrize("item", WRONG)
def test_a_value_of_another_type_is_refused(item):
    with pytest.raises(InputRefusedError, match=WRONG[item]):
        chosen("--set", item)


def chosen(*words):
    """The quickstart, changed."""
    given = list(zip(words[::2], words[1::2], strict=True))
    task = dict(given).get("--task")
    return chosen_study("quickstart", task, None, None, None, [text for flag, text in given if flag == "--set"])


def test_a_shortened_study_is_measured_after_its_last_epoch(capsys):
    study, declared, words, options = chosen("--set", "training.epochs=1")
    assert (declared.gradient_epochs, study.gradient_epochs) == ((1, 12), (-1,))
    assert words == [
        "training.epochs set to 1",
        "gradient flow measured after the last epoch instead of after epoch 12",
    ]
    assert options == ["--set", "training.epochs=1"]
    assert "Note: gradient flow measured after the last epoch" in capsys.readouterr().err
    assert chosen("--set", "training.epochs=*0.25")[0].gradient_epochs == (1, -1)
    assert chosen("--set", "training.epochs=12")[0].gradient_epochs == (1, 12)


@pytest.mark.parametrize("name", builtin_studies())
def test_every_study_can_be_shortened(name):
    study, *_ = chosen_study(name, None, None, None, None, ["training.epochs=1"])
    check_metrics(study)
    assert all(run.setting.training.epochs == 1 for each in study.each() for run in each.runs())


def test_a_file_that_measures_after_its_own_end_is_refused(small_file, tmp_path):
    """The user can edit the file; no command-line option is at fault."""
    path = tmp_path / "late.py"
    path.write_text(small_file.read_text().replace("(1,)", "(1, 3)"))
    for change in (None, ["training.epochs=1"]):
        study, *_ = chosen_study(str(path), None, None, None, None, change)
        with pytest.raises(InputRefusedError, match="gradient_epochs"):
            check_metrics(study)
    text = small_file.read_text().replace("(1,)", "(2,)")
    path.write_text(text.replace('name="lstm"', 'name="lstm", change={"training.epochs": 1}'))
    study, *_ = chosen_study(str(path), None, None, None, None, None)
    with pytest.raises(InputRefusedError, match=r"training of arm 'lstm' ends after 1\. Train longer \(its change of"):
        check_metrics(study)
