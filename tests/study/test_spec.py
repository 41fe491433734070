"""A study is a value: frozen, the same through JSON, named by what its results depend on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_study import ARMS, HELPS, SMALL, searching, small

from zoneout_lab import Arm, Study, Tuning, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Training
from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.changed import changed
from zoneout_lab.study.design_metrics import metrics_of
from zoneout_lab.study.spec import overridden

STUDIES = [small(), searching(), small(hypotheses=(HELPS,)), *(load_study(name) for name in builtin_studies())]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_through_json_and_back(study):
    for dumped in (study.model_dump(), json.loads(study.model_dump_json())):
        again = Study.model_validate(dumped)
        assert again == study
        assert again.id == study.id
        ids = [[run.id for each in these.each() for run in each.runs()] for these in (again, study)]
        assert ids[0] == ids[1]


def test_frozen():
    study = small()
    for value, field in ((study, "seeds"), (study.arms[0], "name"), (study.runs()[0], "seed")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, field, 3)


def test_unknown_fields_of_json_are_errors():
    with pytest.raises(ValidationError, match="seedz"):
        Study.model_validate(small().model_dump() | {"seedz": 3})


MATTERS = {
    "an arm less": {"arms": ARMS[:1]},
    "an arm's rate": {"arms": (ARMS[0], Arm(name="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.06)))},
    "an arm's change": {"arms": (ARMS[0], ARMS[1].model_copy(update={"change": {"training.lr": 0.1}}))},
    "seeds": {"seeds": 3},
    "seed": {"seed": 1},
    "baseline": {"baseline": "zoneout"},
    "hypotheses": {"hypotheses": (HELPS,)},
    "alpha": {"alpha": 0.01},
    "setting": {"change": SMALL | {"training.epochs": 3}},
    "options": {"change": SMALL | {"options.permute": False}},
    "gradient flow": {"gradient_epochs": (1,)},
    "tuning": {"tuning": Tuning(trials=4)},
    "task": {"task": "pmnist"},
}


def test_the_id_changes_with_what_results_depend_on():
    ids = {"as it is": small().id} | {why: overridden(small(), **change).id for why, change in MATTERS.items()}
    assert len(set(ids.values())) == len(ids), ids


def test_a_study_without_authors_is_what_it_was_before_it_could_have_some():
    assert "authors" not in small().to_json()
    named = overridden(small(), authors=["A. Author", "B. Author"])
    assert named.to_json()["authors"] == ["A. Author", "B. Author"]
    assert Study.model_validate_json(named.model_dump_json()).authors == named.authors
    assert [run.id for run in named.runs()] == [run.id for run in small().runs()]


def test_numbers_from_numpy_make_the_same_study():
    def study(number, rate, flag, word, strange):
        change = {"training.lr": rate(1e-3), "training.epochs": number(2), "options.permute": flag(False)}
        arms = (
            Arm(name="lstm", change={"model.hidden": number(4), "training.optimizer": word("sgd")}),
            Arm(
                name="zoneout",
                regularizer={"kind": "zoneout", "cell": rate(0.5)},
                search={"cell": (rate(0), rate(0.5))},
            ),
        )
        tuning = Tuning(trials=number(2), seeds=number(1))
        helps = HELPS.model_dump() | {"margin": strange(0.1), "claims": (number(1),)}
        return small(change, arms=arms, tuning=tuning, hypotheses=(helps,), seeds=number(8), seed=number(3),
                     alpha=strange(0.05), gradient_epochs=number([0, -1]), gradient_examples=number(8))  # fmt: skip

    def single(value):
        return float(np.float32(value))

    python = study(lambda n: n, float, bool, str, single)
    for each in (
        study(np.int64, np.float64, np.bool_, np.str_, np.float32),
        study(np.array, np.array, np.array, np.array, lambda value: np.array(value, np.float32)),
        study(torch.tensor, lambda value: torch.tensor(value, dtype=torch.float64), torch.tensor, str, torch.tensor),
    ):
        assert json.dumps(each.model_dump()) == json.dumps(python.model_dump())
        assert each.model_dump_json() == python.model_dump_json()
        assert (each.id, [run.id for run in each.runs()]) == (python.id, [run.id for run in python.runs()])
        assert repr(each) == repr(python)


def test_a_changed_setting_keeps_pythons_own_numbers():
    given = {"training.lr": np.float64(1e-3), "training.epochs": np.int64(2), "options.permute": np.bool_(False)}
    setting = changed(small().setting(), given)
    assert repr(setting) == repr(changed(small().setting(), {name: value.item() for name, value in given.items()}))
    with pytest.raises(InputRefusedError, match=r"training\.epochs is 2 and takes a number, got true"):
        changed(setting, {"training.epochs": np.bool_(True)})  # type: ignore[dict-item]
    assert Training(lr=np.float32(0.5), epochs=np.int64(3)) == Training(lr=0.5, epochs=3)


def test_the_preset_is_part_of_the_id():
    pmnist = overridden(small(), task="pmnist")
    assert overridden(pmnist, preset="paper").id != pmnist.id


def test_naming_the_tasks_score_is_the_same_study():
    named = HELPS.model_copy(update={"metric": "valid_error"})
    assert small(hypotheses=(HELPS,)).id == small(hypotheses=(named,)).id
    written = named.model_copy(update={"scale": "linear", "direction": "lower"})
    assert small(hypotheses=(HELPS,)).resolved().hypotheses == (written,)
    assert small(hypotheses=(HELPS,)).id == small(hypotheses=(written,)).id


@pytest.mark.parametrize(
    "statement", ["Zoneout scores lower.", "Its mean has a z score below zero.", "A lower test score"]
)
def test_a_statement_stays_as_it_was_declared(statement):
    (hypothesis,) = small(hypotheses=(HELPS.model_copy(update={"statement": statement}),)).resolved().hypotheses
    assert hypothesis.statement == statement


def test_an_arm_changes_what_the_study_set_by_a_factor():
    slower = ARMS[1].model_copy(update={"change": {"training.lr": "*0.5", "model.hidden": "*2"}})
    study = small({"training.lr": 0.08, "model.hidden": 3}, arms=(ARMS[0], slower))
    plain, changed = (study.setting(arm) for arm in study.arms)
    assert (plain.training.lr, plain.model.hidden) == (0.08, 3)
    assert (changed.training.lr, changed.model.hidden) == (0.04, 6)
    with pytest.raises(InputRefusedError, match=r"0\.08 and cannot be multiplied by 'half'"):
        study.setting(slower.model_copy(update={"change": {"training.lr": "*half"}}))
    with pytest.raises(InputRefusedError, match="cannot be multiplied"):
        study.setting(slower.model_copy(update={"change": {"training.patience": "*2"}}))
    for change in ({"model.hidden": "*inf"}, {"model.learned_state": "*0.5"}, {"training.lr": "*nan"}):
        with pytest.raises(InputRefusedError, match="cannot be multiplied"):
            study.setting(slower.model_copy(update={"change": change}))
    assert study.setting(slower.model_copy(update={"change": {"model.hidden": "*1.999"}})).model.hidden == 6


def test_the_last_epoch_is_named_by_minus_one():
    assert {run.gradient_epochs for run in small(gradient_epochs=(0, -1)).runs()} == {(0, -1)}
    assert "perturbation_hidden" in metrics_of(small(gradient_epochs=(-1,)))


def test_arm_change_reaches_its_own_runs_only():
    study = small(arms=(ARMS[0], ARMS[1].model_copy(update={"change": {"training.epochs": 7, "model.cell": "lstm"}})))
    assert {(run.arm, run.setting.training.epochs) for run in study.runs()} == {("lstm", 2), ("zoneout", 7)}
    assert all(run.setting.model.hidden == 4 for run in study.runs())  # the study's own change stays


def test_every_arm_at_every_seed_once():
    cells = [(run.arm, run.seed) for run in small(seeds=3).runs()]
    assert sorted(cells) == sorted({(arm.name, seed) for arm in ARMS for seed in range(3)})


def test_options_of_the_task_are_settings():
    setting = changed(small().setting(), {"options.permute": False})
    assert setting.options == {"permute": False, "permutation_seed": 1}
    assert setting.model == small().setting().model
