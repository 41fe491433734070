"""An invalid study is refused in words that say what is wrong and what was meant."""

from __future__ import annotations

import inspect

import pytest
from small_study import ARMS, HELPS, SMALL, small

from zoneout_lab import Arm, CellDropout, RecurrentDropout, Study, Tuning, Zoneout
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.study import load_study
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.study.spec import overridden


def hypothesis(**change):
    return {"hypotheses": (HELPS.model_copy(update=change),)}


def searching(tuning=True, **search):
    arm = Arm(name="zoneout", regularizer=Zoneout(), search=search)
    return {"arms": (ARMS[0], arm), "tuning": Tuning(trials=2) if tuning else None}


def arm_change(**change):
    return {
        "arms": (ARMS[0], ARMS[1].model_copy(update={"change": {k.replace("__", "."): v for k, v in change.items()}}))
    }


def labelled(*labels):
    return {"arms": tuple(ARMS[k % 2].model_copy(update={"name": f"a{k}", "label": label}) for k, label in enumerate(labels)),
            "baseline": "a0", "hypotheses": ()}  # fmt: skip


# what differs from a good study → error, words of its message
CASES = {
    "unknown baseline": ({"baseline": "lstn"}, InputRefusedError, ["arm 'lstn'", "mean 'lstm'"]),
    "arm twice": ({"arms": (ARMS[0], ARMS[0])}, InputRefusedError, ["'lstm' is given twice"]),
    "one label": (labelled("zoneout", "the LSTM", "zoneout"), InputRefusedError, ["'zoneout'", "its own label"]),
    "a label that is a name": (labelled("a2", "b", ""), InputRefusedError, ["'a2'", "its own label"]),
    "labels that look alike": (labelled("the LSTM", "The  LSTM "), InputRefusedError, ["LSTM'", "its own label"]),
    "no arms": ({"arms": ()}, InputRefusedError, ["arms", "at least 1"]),
    "no seeds": ({"seeds": 0}, InputRefusedError, ["seeds", "got 0"]),
    "name with a slash": ({"name": "a/b"}, InputRefusedError, ["name", "'a/b'"]),
    "absent arm": (hypothesis(arm="zoneuot"), InputRefusedError, ["'helps'", "'zoneuot'", "mean 'zoneout'"]),
    "absent against": (hypothesis(against="gru"), InputRefusedError, ["'helps'", "'gru'", "lstm, zoneout"]),
    "itself": (hypothesis(against="zoneout"), InputRefusedError, ["'zoneout' with itself"]),
    "no such claim": (hypothesis(claims=(1, 99)), InputRefusedError, ["'helps'", "claim 99", "1 to 30"]),
    "same without margin": (hypothesis(direction="same"), InputRefusedError, ["'helps'", "margin"]),
    "hypothesis twice": ({"hypotheses": (HELPS, HELPS)}, InputRefusedError, ["'helps' is given twice"]),
    "search without budget": (searching(tuning=False, cell=(0, 1)), InputRefusedError, ["'zoneout'", "Tuning("]),
    "search of nothing": (searching(sell=(0, 1)), InputRefusedError, ["'sell'", "mean 'cell'"]),
    "search downwards": (searching(cell=(0.5, 0.1)), InputRefusedError, ["cell", "0.5 to 0.1"]),
    "search of a switch": (searching(share=(0, 1)), InputRefusedError, ["share", "rate"]),
    "search past 1": (searching(cell=(0, 1.5)), InputRefusedError, ["1.5", "[0, 1]"]),
    "unknown task": ({"task": "digit"}, UsageError, ["task 'digit'", "mean 'digits'"]),
    "unknown preset": ({"preset": "paper"}, UsageError, ["digits has no preset 'paper'", "laptop"]),
    "unknown setting": ({"change": {"training.epoch": 3}}, UsageError, ["'training.epoch'", "mean 'training.epochs'"]),
    "no group": ({"change": {"epochs": 3}}, UsageError, ["'epochs'", "training.epochs"]),
    "unknown option": ({"change": {"options.permuted": True}}, UsageError, ["'permuted'", "mean 'permute'"]),
    "option's value": ({"change": {"options.permute": 3}}, InputRefusedError, ["permute is 3", "true or false"]),
    "zero units": ({"change": {"model.hidden": 0}}, InputRefusedError, ["model.hidden", "got 0"]),
    "text for a number": ({"change": {"training.lr": "fast"}}, InputRefusedError, ["training.lr", "'fast'"]),
    "unknown cell": ({"change": {"model.cell": "lstn"}}, InputRefusedError, ["model.cell", "'lstn'"]),
    "setting of an arm": (arm_change(training__epoch=3), UsageError, ["'training.epoch'", "mean 'training.epochs'"]),
    "no memory cell": ({"change": {"model.cell": "gru"}}, InputRefusedError, ["GRU", "memory cell"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refused(case):
    change, kind, words = CASES[case]
    with pytest.raises(kind) as error:
        overridden(small(), **change).resolved().runs()
    assert type(error.value) is kind
    assert all(word in str(error.value) for word in words), str(error.value)


INF, NAN = float("inf"), float("nan")
REAL = ("training.lr", "training.clip", "training.decay", "model.init_range", "model.forget_bias")


@pytest.mark.parametrize("value", [INF, -INF, NAN, "inf", "*1e400", "*1e308"])
@pytest.mark.parametrize("field", REAL)
def test_no_setting_is_infinite_or_nan(field, value):
    thousand = dict.fromkeys(REAL, 1e3)
    with pytest.raises(InputRefusedError, match=field):
        overridden(small(), change=thousand, **arm_change(**{field: value})).runs()


@pytest.mark.parametrize("value", [INF, -INF, NAN])
def test_no_number_of_a_study_is_infinite_or_nan(value):
    helps = HELPS.model_dump() | {"margin": value}
    arms = [{"name": "lstm"}, {"name": "zoneout", "regularizer": {"kind": "zoneout"}, "search": {"cell": (0, value)}}]
    for fields, said in (
        ({"alpha": value}, "alpha: .* finite"),
        ({"hypotheses": [helps]}, "margin: .* finite"),
        ({"hypotheses": [helps | {"direction": "same"}]}, "margin: .* finite"),
        ({"arms": arms, "tuning": Tuning()}, "search.*: .* finite"),
        ({"change": {"options.permute": value}}, f"permute is {value}; it has to be true or false"),
    ):
        with pytest.raises(InputRefusedError, match=said):
            overridden(small(), **fields).runs()


def test_a_multiple_past_every_number_is_refused():
    with pytest.raises(InputRefusedError, match=r"model\.hidden is 32 and cannot be multiplied by '1e308'"):
        overridden(small(), change=SMALL | {"model.hidden": "*1e308"}).runs()


METRICS = {
    "valid_eror": ["'helps'", "'valid_eror'", "mean 'valid_error'"],
    "valid_bpc": ["'valid_bpc'", "valid_error"],
    "early_third_mass_cell": ["gradient_epochs, to (-1,)"],
}


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_the_runs_will_not_have(metric):
    with pytest.raises(UsageError) as error:
        check_metrics(small(**hypothesis(metric=metric)).resolved())
    assert all(word in str(error.value) for word in METRICS[metric]), str(error.value)


def test_gradient_metrics_need_the_state():
    study = small(
        arms=(Arm(name="lstm"), Arm(name="zoneout")),
        gradient_epochs=(1,),
        change=SMALL | {"model.cell": "gru"},
        **hypothesis(metric="early_third_mass_cell"),
    )
    with pytest.raises(UsageError):
        check_metrics(study.resolved())
    check_metrics(overridden(study, **hypothesis(metric="early_third_mass_hidden")).resolved())


@pytest.mark.parametrize(
    ("regularizer", "field"), [(Zoneout, "cell"), (Zoneout, "hidden"), (RecurrentDropout, "p"), (CellDropout, "p")]
)
@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), "half", True])
def test_no_rate_outside_0_1(regularizer, field, value):
    with pytest.raises(InputRefusedError, match=r"\[0, 1\]"):
        regularizer(**{field: value})


FILES = {
    "rate": ("STUDY = Study(**GOOD, arms=(Arm(name='a', regularizer=Zoneout(cell=1.5)),))", ["1.5", "[0, 1]"]),
    "hypothesis": (
        "STUDY = Study(**GOOD, arms=(Arm(name='a'),), hypotheses=(Hypothesis(name='h', statement='', arm='b', against='a', metric='valid_score'),))",
        ["'h'", "arm 'b'"],
    ),
    "field": ("STUDY = Study(**GOOD, arms=(Arm(name='a'),), sedes=3)", ["sedes"]),
    "syntax": ("STUDY = Study(", ["SyntaxError"]),
    "crash": ("1 / 0", ["ZeroDivisionError"]),
    "import": ("import no_such_module", ["no_such_module"]),
    "no study": ("STUDIES = []", ["STUDY = Study(...)"]),
    "not a study": ("STUDY = {}", ["STUDY = Study(...)"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_study_files(case, tmp_path):
    text, words = FILES[case]
    path = tmp_path / "mine.py"
    path.write_text("from zoneout_lab import *\nGOOD = dict(name='mine', title='', question='', baseline='a')\n" + text)
    with pytest.raises(InputRefusedError) as error:
        load_study(path)
    assert "mine.py" in str(error.value)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_names_and_paths_of_studies(tmp_path):
    with pytest.raises(UsageError, match="mean 'mask_sharing'"):
        load_study("mask_sharin")
    with pytest.raises(InputRefusedError, match="no study file"):
        load_study(tmp_path / "absent.py")


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Arm(name="a b"), InputRefusedError, "Arm: name is 'a b'; use small letters, digits and _, the first a letter."),
        (lambda: Arm(**{}), InputRefusedError, "Arm: name is missing."),
        (lambda: Arm(name="a", labell="x"), InputRefusedError, "Arm: labell: no such field. Did you mean label?"),
        (lambda: small(arms=({"name": "lstm", "labell": 3}, {"name": 3})), InputRefusedError,
         "Study:\narms.0.labell: no such field.\narms.1.name: input should be a valid string, got 3."),
        (lambda: small(seeds=0), InputRefusedError, "Study: seeds: input should be greater than or equal to 1, got 0."),
        (lambda: Arm(name="a", regularizer={"kind": "zoneuot"}), UsageError, "Arm: regularizer: There is no regularizer 'zoneuot'. Did you mean 'zoneout'?"),
        (lambda: Tuning(trials=0), InputRefusedError, "Tuning: trials: input should be greater than or equal to 1, got 0."),
    ],
)  # fmt: skip
def test_what_cannot_be_made_in_python_is_told_of_in_a_sentence_for_each_fault(make, error, told):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert type(caught.value) is error
    assert str(caught.value).startswith(told)
    assert "pydantic" not in str(caught.value)


def test_a_long_value_is_not_told_whole():
    with pytest.raises(InputRefusedError) as caught:
        Arm(name="a" * 10_000)
    assert len(str(caught.value)) < 400


def test_the_values_of_a_study_have_their_own_signatures():
    assert list(inspect.signature(Arm).parameters)[:2] == ["name", "label"]


def test_what_is_refused_is_not_said_to_be_missing_too():
    with pytest.raises(InputRefusedError) as caught:
        Study(name="s", arms=[{"name": "Bad Name"}], baseline="a", looks=[0])
    assert str(caught.value).splitlines() == [
        "Study:",
        "arms.0.name is 'Bad Name'; use small letters, digits and _, the first a letter.",
        "looks.0: input should be greater than or equal to 1, got 0.",
    ]
