"""A study with a training function, as it is declared: what it is, what it refuses, and what its runs are known by."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from own_functions import MANY, PLAIN, loaded, written

from zoneout_lab import Arm, Hypothesis, Metric, Study, Tuning, Zoneout, load_study
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.study.of_function import FunctionStudy
from zoneout_lab.study.spec import overridden


@pytest.fixture
def study(tmp_path):
    return loaded(tmp_path)


def changed(study, **changes):
    return overridden(study, **changes)


def test_a_study_of_a_function_is_one(study):
    assert isinstance(study, FunctionStudy)
    assert [(run.arm, run.seed) for run in study.runs()][:3] == [("full", 0), ("no_dropout", 0), ("full", 1)]
    first, second = study.runs()[:2]
    assert first.seeds == second.seeds
    assert first.params == {"lr": 1e-3, "epochs": 3, "dropout": 0.2}
    assert second.params == {"lr": 1e-3, "epochs": 3, "dropout": 0.0}
    assert first.train == "./mine.py:train"


def test_its_json_has_nothing_of_a_built_in_task_and_makes_it_again(study):
    text = study.model_dump_json()
    assert not {"task", "preset", "gradient_epochs", "regularizer", "measures"} & set(study.to_json())
    assert "regularizer" not in text
    with study.code.in_use():
        again = Study.model_validate_json(text)
    assert again == study
    assert again.id == study.id


def test_hypotheses_have_the_scale_of_their_metric(study):
    log = changed(study, metrics={"test_accuracy": Metric("perplexity", "", better="lower", scale="log")})
    assert [h.scale for s in (study, log) for h in s.resolved().hypotheses] == ["linear", "log"]


def test_a_hypothesis_claims_by_default_that_its_arm_is_better(study):
    (first, *_) = study.hypotheses
    fields = first.model_dump(exclude={"direction"})
    found = {}
    for better in ("higher", "lower", None):
        metrics = {"test_accuracy": Metric("test accuracy", "%", better=better)}
        some = changed(study, metrics=metrics, hypotheses=[Hypothesis(**fields)])
        assert some.hypotheses[0].direction is None
        (found[better],) = [h.direction for h in some.resolved().hypotheses]
        named = changed(some, hypotheses=[Hypothesis(**fields, direction="higher")])
        assert named.resolved().hypotheses[0].direction == "higher"
        assert (named.id == some.id) == (found[better] == "higher")
    assert found == {"higher": "higher", "lower": "lower", None: "lower"}


@pytest.mark.parametrize(
    ("edit", "same"),
    [
        (("noise = random", "noise =   random"), True),
        (("import random", "import random  # why"), True),
        (("seeds=SEEDS", "seeds=9"), True),
        (("- 5 *", "- 6 *"), False),
        (('"lr": 1e-3', '"lr": 1e-2'), False),
    ],
)
def test_a_run_is_known_by_its_parameters_and_what_its_code_does(tmp_path, edit, same):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = loaded(tmp_path / "a").runs(1)[0].id
    after = loaded(tmp_path / "b", PLAIN.replace(*edit)).runs(1)[0].id
    assert (before == after) == same


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metrics": {}}, "metrics is empty"),
        ({"metrics": {"seed": Metric("x")}}, "A metric cannot be called 'seed'"),
        ({"metrics": {"Top 1": Metric("x")}}, "A metric cannot be called 'Top 1'"),
        ({"metrics": {"a": 3}}, "give a zoneout_lab.Metric"),
        ({"metrics": {"a": {"long_name": "x", "better": "more"}}}, "better='more'"),
        ({"task": "pmnist"}, "task is a built-in task's"),
        ({"change": {"training.lr": 1}}, "change is a built-in task's"),
        ({"gradient_epochs": (1,)}, "gradient_epochs is a built-in task's"),
        ({"arms": (Arm(name="full", regularizer=Zoneout(0.5)), Arm(name="no_dropout"))}, "arm 'full' has a regularizer"),
        ({"arms": (Arm(name="full", change={"training.lr": 1}), Arm(name="no_dropout"))}, "arm 'full' has a change"),
        ({"arms": (Arm(name="full", params={"droput": 1}), Arm(name="no_dropout"))}, "Did you mean 'dropout'?"),
        ({"params": {"dropout": float("nan"), "epochs": 1}}, "dropout"),
        ({"params": {"dropout": [0.1, float("nan")], "epochs": 1}}, "dropout"),
        ({"params": {"dropout": float("-inf"), "epochs": 1}}, "dropout"),
        ({"params": {"dropout": {"a": float("inf")}, "epochs": 1}}, "dropout"),
        ({"params": {"dropout": object(), "epochs": 1}}, "dropout"),
        ({"train": lambda run: {}}, "give a function that is defined in a file"),
        ({"train": "./other.py:train"}, "comes from a file that is not loaded"),
        ({"arms": (Arm(name="full", search={"dropout": (0.0, 0.5)}), Arm(name="no_dropout"))}, "no tuning budget"),
        (
            {"arms": (Arm(name="full", search={"lr": (0.5, 0.1)}), Arm(name="no_dropout")), "tuning": Tuning()},
            "lr cannot be searched from 0.5 to 0.1",
        ),
        (
            {"arms": (Arm(name="full", search={"layers": (1, 2)}), Arm(name="no_dropout")), "tuning": Tuning()},
            "no parameter to search 'layers'",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(study, changes, why):
    with pytest.raises((InputRefusedError, UsageError)) as error:
        changed(study, **changes)
    assert why in str(error.value)


def test_a_hypothesis_is_about_a_metric_of_the_study(study):
    h = Hypothesis(name="h", statement="", arm="full", against="no_dropout", metric="test_acuracy")
    with pytest.raises((InputRefusedError, UsageError), match="Did you mean 'test_accuracy'"):
        changed(study, hypotheses=(h,))


def test_what_a_search_is_to_make_best_is_named_where_there_are_several(study):
    searched = (Arm(name="full", search={"dropout": (0.0, 0.5)}), Arm(name="no_dropout"))
    two = {"test_accuracy": Metric("a", better="higher"), "valid_accuracy": Metric("b", better="higher")}
    with pytest.raises(InputRefusedError, match="does not say which metric is to be best"):
        changed(study, arms=searched, metrics=two, tuning=Tuning())
    named = changed(study, arms=searched, metrics=two, tuning=Tuning(metric="valid_accuracy"))
    assert (named.objective.metric, named.objective.better) == ("valid_accuracy", "higher")


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ([float("nan"), 2], "it has the choice nan"),
        ([1, float("inf")], "it has the choice inf"),
        ([[64, 32], [64]], r"it has the choice \[64, 32\]"),
        ([1, "a", True], "not all different"),
    ],
)
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_choices_that_a_database_would_not_give_back_are_refused(choices, why):
    with pytest.raises(InputRefusedError, match=why):
        Arm(name="a", search={"x": optuna.distributions.CategoricalDistribution(choices)})


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_choices_of_numpy_are_numbers():
    choices: list[Any] = [np.float32(0.5), np.int64(2), None]
    arm = Arm(name="a", search={"x": optuna.distributions.CategoricalDistribution(choices)})
    assert arm.search["x"]["attributes"]["choices"] == [0.5, 2, None]


HOLDS_ITSELF: list[object] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (date(2026, 1, 2), r"params\['when'\]\['x'\]\[1\] is datetime.date"),
        (Path("data"), "Give a date or a path as text"),
        (float("nan"), r"\[1\] is nan"),
        (float("-inf"), r"\[1\] is -inf"),
        ({1: 2}, r"\[1\] is {1: 2}"),
        (HOLDS_ITSELF, "A value holds itself"),
    ],
)
def test_parameters_that_json_cannot_hold_are_refused_by_their_place(study, value, why):
    with pytest.raises(InputRefusedError, match=why):
        changed(study, params={"when": {"x": (0, value)}})


@pytest.mark.parametrize("direction", ["same", "not lower", "not higher"])
def test_a_margin_of_one_is_one_unless_it_is_a_factor(study, direction):
    claim = {"name": "h", "statement": "", "arm": "full", "against": "no_dropout", "metric": "test_accuracy"}
    for margin, scale, refused in (
        (1.0, None, False),
        (1.0, "linear", False),
        (0.0, None, True),
        (1.0, "log", True),
        (1.05, "log", False),
    ):
        given = Hypothesis(**claim, direction=direction, margin=margin, scale=scale)
        if refused:
            with pytest.raises(InputRefusedError, match="needs a margin"):
                changed(study, hypotheses=(given,))
        else:
            assert changed(study, hypotheses=(given,)).resolved().hypotheses[0].margin == margin


def test_every_distribution_of_optuna_can_be_searched(study):
    spaces = {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "epochs": optuna.distributions.IntDistribution(1, 4),
        "dropout": optuna.distributions.CategoricalDistribution([0.0, 0.5]),
    }
    arms = (Arm(name="full", search=spaces), Arm(name="no_dropout"))
    searched = changed(study, arms=arms, tuning=Tuning(trials=1))
    with study.code.in_use():
        assert Study.model_validate_json(searched.model_dump_json()) == searched
    assert searched.arms[0].search["epochs"]["name"] == "IntDistribution"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def outer():\n    def train(run): ...\n    return train\ntrain = outer()\n", "defined inside outer()"),
        ("async def train(run): ...\n", "asynchronous"),
        ("def train(): ...\n", "cannot be called with a run alone"),
        ("def train(run, data): ...\n", "cannot be called with a run alone"),
        ("from functools import partial\ndef f(a, run): ...\ntrain = partial(f, 1)\n", "give a function that is defined in a file"),
        ("class T:\n    def __call__(self, run): ...\ntrain = T()\n", "give a function that is defined in a file"),
        ("if __name__ != 'x':\n    def train(run): ...\n", "outside any condition"),
    ],
)  # fmt: skip
def test_a_function_that_no_other_process_could_import_is_refused(tmp_path, source, why):
    tail = "from zoneout_lab import Arm, Metric, Study\nSTUDY = Study(name='s', train=train, metrics={'a': Metric('a')}, arms=[Arm(name='a')], baseline='a')\n"
    path = tmp_path / "bad.py"
    path.write_text(source + tail)
    with pytest.raises(InputRefusedError) as error:
        load_study(path)
    assert why in str(error.value)


def test_params_without_a_function_are_refused():
    with pytest.raises((InputRefusedError, ValueError), match="params is for a training function"):
        Study(name="s", arms=[Arm(name="a")], baseline="a", params={"lr": 1})
    with pytest.raises((InputRefusedError, ValueError), match="has params, which are for a training function"):
        Study(name="s", arms=[Arm(name="a", params={"lr": 1})], baseline="a")


def test_declaring_needs_no_torch(tmp_path):
    """Seen to fail with an import of torch anywhere on the way."""
    written(tmp_path, MANY)
    code = (
        "import sys; sys.modules['torch'] = None; from zoneout_lab import load_study; print(load_study('mine.py').id)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("many-"), done.stderr
