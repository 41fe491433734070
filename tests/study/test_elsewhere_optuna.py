"""Trials of any Optuna study as results: complete ones alone, by parameters or attributes, in the direction that was optimized."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, LabError, UsageError

# Alembic warns of Optuna's own use of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ARMS = optuna.distributions.CategoricalDistribution(["plain", "new"])


def study(name="tuned", direction="maximize", **more):
    made = optuna.create_study(study_name=name, direction=direction, **more)
    for k, arm in enumerate(("plain", "new")):
        for seed in range(6):
            made.add_trial(
                optuna.create_trial(
                    value=seed + k * (1 + 0.1 * seed),
                    params={"arm": arm},
                    distributions={"arm": ARMS},
                    user_attrs={"seed": seed, "size": 3.5},
                )
            )
    made.add_trial(
        optuna.create_trial(state=optuna.trial.TrialState.PRUNED, params={"arm": "new"}, distributions={"arm": ARMS})
    )
    made.add_trial(optuna.create_trial(value=1.0))
    made.ask()
    return made


@pytest.fixture(autouse=True)
def silent():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def test_complete_trials_are_compared_and_the_others_counted(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    study(storage=url)
    results = zl.results_from_optuna(tmp_path / "o.db", baseline="plain")
    c = zl.judge(results)[0].comparison
    assert (c.direction, c.verdict, len(c.seeds)) == ("higher", "supported", 6)
    source = schema.provenance(results, "source")
    assert source["notes"] == [
        "Trials that are not complete are left out: 1 pruned, 1 running.",
        "1 complete trial without arm is left out.",
    ]
    assert source["place"] == {"database": url}


def test_several_studies_are_arms():
    studies = [study(name, direction="minimize") for name in ("one", "two")]
    results = zl.results_from_optuna(
        studies, arm="study", block=("arm", "seed"), metrics=["value", "size"], baseline="one"
    )
    assert results["metrics"].sizes["arm"] == 2
    assert zl.judge(results)[0].comparison.direction == "lower"  # known of the objective; of size nothing is


def test_what_cannot_be_read_is_said(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    with pytest.raises(InputRefusedError, match="is not an Optuna database"):
        zl.results_from_optuna(url)
    assert not (tmp_path / "o.db").exists()
    for name in ("one", "two"):
        study(name, storage=url)
    with pytest.raises(UsageError, match="has 2 studies: name those that are meant, of one, two"):
        zl.results_from_optuna(url)
    with pytest.raises(UsageError, match="no Optuna study 'three'"):
        zl.results_from_optuna(url, names="three")
    with pytest.raises(LabError, match="No complete trial has method and seed"):
        zl.results_from_optuna(url, names="one", arm="method")


def test_a_parameter_that_is_none_is_an_arm():
    made = optuna.create_study(direction="maximize")
    choices = {"drop": optuna.distributions.CategoricalDistribution([None, "zoneout"])}
    for k in range(12):
        params = {"drop": (None, "zoneout")[k % 2]}
        made.add_trial(
            optuna.create_trial(
                value=k / 3 + k % 2, params=params, distributions=choices, user_attrs={"seed": k // 2, "other": None}
            )
        )
    results = zl.results_from_optuna(made, arm="drop", baseline="None")
    assert (len(zl.judge(results)[0].comparison.seeds), schema.provenance(results, "source")["notes"]) == (6, [])
    with pytest.raises(InputRefusedError, match="No complete trial has drop and other"):
        zl.results_from_optuna(made, arm="drop", seed="other")


@pytest.mark.parametrize(
    ("study", "more", "said"),
    [
        (None, {}, "study is None; give an Optuna study"),
        (["sqlite:///o.db"], {}, r"study is \['sqlite:///o.db'\]; give an Optuna study"),
        (Path("/nowhere/o.db"), {}, "/nowhere/o.db is not an Optuna database"),
        ("sqlite:////nowhere/o.db", {"names": 3}, "names is 3; give the name of an Optuna study"),
        ("sqlite:////nowhere/o.db", {"names": [3]}, "names is .3.; give the name of an Optuna study"),
    ],
)
def test_what_is_no_study_is_refused_in_a_sentence(study, more, said):
    with pytest.raises(InputRefusedError, match=said):
        zl.results_from_optuna(study, **more)


def test_trials_that_are_not_paired_need_no_seed():
    made = optuna.create_study(direction="maximize")
    for k in range(10):
        made.add_trial(optuna.create_trial(value=k + 20.0 * (k % 2), user_attrs={"arm": ("plain", "new")[k % 2]}))
    c = zl.judge(zl.results_from_optuna(made, paired=False, baseline="plain"))[0].comparison
    assert (c.paired, len(c.arm_values), len(c.against_values), c.verdict) == (False, 5, 5, "supported")
    with pytest.raises(InputRefusedError, match="No complete trial has arm and seed"):
        zl.results_from_optuna(made, baseline="plain")
    with pytest.raises(InputRefusedError, match="arm is 3; give the name of a column"):
        zl.results_from_optuna(made, arm=3)
