"""A measure of one's own from declaration to report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from own_measure import ARMS, CLAIM, StateLength, length, own, raises, run, small

from zoneout_lab import Arm, GradientFlow, PerturbationGrowth, Study, schema
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.measures import MEASURES, USUAL
from zoneout_lab.report import write_report
from zoneout_lab.report.sections import measured
from zoneout_lab.results import compare, judge, open_results, scalar
from zoneout_lab.study.design_metrics import check_metrics, metrics_of
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import make_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEASURES, "state_length", StateLength)
        study = small(measures=(GradientFlow(), StateLength(2.0)), hypotheses=(CLAIM,))
        assert Study.model_validate_json(study.model_dump_json()) == study
        return run(study, tmp_path_factory.mktemp("own")).folder


def test_results_of_an_own_measure_are_stored_compared_and_reported(folder: Path, tmp_path: Path) -> None:
    """None of the measure's code is there any more: the list lacks it."""
    assert "state_length" not in MEASURES
    for tree in (open_results(folder), open_results(folder / "study.nc")):
        assert list(tree.children) == ["metrics", "gradients", "state_length", "provenance"]
        found = tree["state_length"].to_dataset()
        assert found.length.dims == ("arm", "seed", "epoch", "layer", "time")
        assert found.length.attrs["long_name"] == "mean length of the hidden state"
        assert found.length_without_noise.attrs == {
            "description": "mean length of the hidden state, with every mask replaced by its expectation",
            "long_name": "length without noise",
            "units": "unit of the state",
        }
        assert list(found.epoch.values) == [0, 2]
        values = scalar(tree, "last_length")
        np.testing.assert_array_equal(values, found.length.sel(epoch=2).isel(time=-1).mean("layer"))
        silent = scalar(tree, "last_length_without_noise")
        np.testing.assert_array_equal(silent, found.length_without_noise.sel(epoch=2).isel(time=-1).mean("layer"))
        assert silent.attrs["noun"] == "last state's length without noise"
        assert values.attrs["better"] == "higher"
        compared = compare(tree, "zoneout", "lstm", metric="last_length", direction="higher")
        assert compared.units == "unit of the state"
        assert "the last state's length of zoneout is" in compared.sentence
        assert judge(tree)[0].comparison.differences == compared.differences
        with pytest.raises(UsageError, match="last_length"):
            scalar(tree, "last_lenth")
        page = write_report(tree, tmp_path / "report.html").read_text(encoding="utf-8")
        section = page.split('<section id="measures"')[1].split("<section ")[0]
        assert "Length of the state" in section
        assert "How long the hidden state is, timestep by timestep." in section
        said = "Length: mean length of the hidden state. Without noise: every mask is replaced by its expectation."
        assert said in section
        assert section.count("<caption>Mean over seeds</caption>") == 2
        assert section.count("<caption>Mean over seeds, with every mask replaced by its expectation</caption>") == 2
        assert section.count('<svg class="plot"') == 4  # with and without noise, after epoch 2 and before training
        assert "last state's length (unit of the state, higher is better)" in section.replace("&#39;", "'")
        assert 'href="#measure-state-length"' in page
        assert "gradient flow, state length" in page.split('<section id="setting"')[1]


def test_a_report_draws_only_so_many_panels(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a measure by unit there may be thousands."""
    monkeypatch.setattr(measured, "MOST_PANELS", 1)
    page = write_report(open_results(folder), tmp_path / "report.html").read_text(encoding="utf-8")
    section = page.split('<section id="measures"')[1].split("<section ")[0]
    assert section.count('<svg class="plot"') == 2  # of four
    assert section.count("1 more of the 2 panels are in study.nc.") == 2


def test_a_figure_has_the_mean_of_what_was_measured(folder: Path, tmp_path: Path) -> None:
    tree = open_results(folder)
    mean = float(tree["state_length"].to_dataset().length.sel(arm="zoneout", epoch=2).mean())
    page = write_report(tree, tmp_path / "report.html").read_text(encoding="utf-8")
    section = page.split('<section id="measures"')[1].split("<section ")[0]
    assert f"zoneout {mean:#.3g}" in section


def test_the_usual_measures_leave_no_trace_in_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    study = small()
    assert study.measures == USUAL
    assert "measures" not in study.to_json()
    assert "measures" not in study.run(ARMS[0], 0).model_dump(mode="json")
    assert small(measures=("gradient_flow", PerturbationGrowth)).id == study.id
    assert small(measures=(GradientFlow(),)).id != study.id
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    other = small(measures=(*USUAL, StateLength()))
    assert other.id != study.id
    assert other.run(ARMS[0], 0).shape != study.run(ARMS[0], 0).shape
    assert other.to_json()["measures"][-1] == {"kind": "state_length", "power": 1.0}


def test_a_study_that_measures_nothing_has_no_groups_for_it(tmp_path: Path) -> None:
    tree = open_results(run(small(measures=(), seeds=1), tmp_path).folder)
    assert list(tree.children) == ["metrics", "provenance"]


def test_metrics_of_own_measures_are_promised_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    study = small(measures=(StateLength(),), hypotheses=(CLAIM,))
    check_metrics(study)
    assert {"last_length", "last_length_without_noise"} <= set(metrics_of(study))
    assert "perturbation_hidden" not in metrics_of(study)
    missing = CLAIM.model_copy(update={"metric": "perturbation_hidden"})
    with pytest.raises(UsageError, match=r"which PerturbationGrowth\(\) measures.*add it to the study's measures"):
        check_metrics(small(measures=(StateLength(),), hypotheses=(missing,)))
    with pytest.raises(UsageError, match="gradient_epochs"):
        check_metrics(small(measures=(StateLength(),), hypotheses=(CLAIM,), gradient_epochs=(0,)))


def test_faults_are_found_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = own(measure=raises(KeyError("l0")))
    with pytest.raises(InputRefusedError, match="has no class Own that is this one"):
        run(small(measures=(wrong,)), tmp_path / "unlisted")
    monkeypatch.setitem(MEASURES, "state_length", type(wrong))
    with pytest.raises(InputRefusedError, match="arm 'lstm': measure 'state_length' failed: KeyError: 'l0'"):
        run(small(measures=(wrong,)), tmp_path / "fails")
    assert not list(tmp_path.iterdir())


def test_a_report_says_what_was_never_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = own(measure=lambda self, model, batch: [length(np.full((1, 3), np.nan))] * len(model.readout_bias))
    monkeypatch.setitem(MEASURES, "state_length", type(nothing))
    said: list[str] = []
    folder = run(small(measures=(nothing,), seeds=1), tmp_path, watcher=Watcher(warn=said.append)).folder
    (words,) = [text for text in said if "NaN" in text]
    assert "length, last_length, length_without_noise, last_length_without_noise" in words
    assert words.startswith("measure 'state_length' gave nothing but NaN for")
    assert words.endswith("when it was tried in arms 'lstm', 'zoneout'.")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not measured, or never a finite number: length of lstm and zoneout" in page
    assert schema.measure_of(open_results(folder), "state_length")["kind"] == "state_length"
    assert scalar(open_results(folder), "last_length").isnull().all()


def test_nan_in_some_arms_is_told_of_those(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In one warning, and not where only a part of it is NaN."""
    partly = own(
        measure=lambda self, model, batch: [length([[np.nan, model.rnn.hidden_size - 4.0]])] * len(model.readout_bias),
        reduce=lambda self, found: {"last_length": 1 / found.length[0, -1] - 1 / found.length[0, -1]},
    )
    monkeypatch.setitem(MEASURES, "state_length", type(partly))
    wide = Arm(name="wide", change={"model.hidden": 5})
    study = small(measures=(partly,), arms=(*ARMS, wide), seeds=1)
    task = make_task("digits")
    (words,) = check_parts(study, task, task.load())
    assert words == (
        "measure 'state_length' gave nothing but NaN for last_length, last_length_without_noise when it was tried in arms 'lstm', 'zoneout'."
    )


def test_a_field_of_numpy_is_recorded_as_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    study = small(measures=(StateLength(np.float32(0.5)),), seeds=1, gradient_epochs=(1,))
    folder = run(study, tmp_path).folder
    assert schema.measure_of(open_results(folder), "state_length")["fields"] == {"power": 0.5}


def test_a_claim_on_a_measure_of_a_study_that_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    with pytest.raises(UsageError) as error:
        check_metrics(small(measures=(StateLength(),), hypotheses=(CLAIM,), gradient_epochs=()))
    assert "hypothesis 'longer' needs last_length of the measure 'state_length'" in str(error.value)
    assert "set its gradient_epochs" in str(error.value)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (length([1.0, 2.0], ("time",)), r"'length' is numbers by \(layer, time\) in arm 'lstm' and numbers by \(time\) in arm 'wide'"),
        (length([[1.0, 2.0]], layer=[3]), r"'layer' is texts by \(layer\) in arm 'lstm' and numbers by \(layer\) in arm 'wide'"),
        (length([[1.0, 2.0, 3.0]], layer=["l1"]), None),
    ],
)  # fmt: skip
def test_what_arms_have_fits_into_one_array(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: xr.Dataset, words: str | None
) -> None:
    """Lengths and labels may differ."""
    usual = length([[1.0, 2.0]], layer=["l0"])
    measure = own(
        measure=lambda self, model, batch: [found if model.rnn.hidden_size == 5 else usual] * len(model.readout_bias)
    )
    monkeypatch.setitem(MEASURES, "state_length", type(measure))
    study = small(measures=(measure,), arms=(*ARMS, Arm(name="wide", change={"model.hidden": 5})), seeds=1)
    if words is None:
        values = scalar(open_results(run(study, tmp_path).folder), "last_length").sel(seed=0)
        assert values.values.tolist() == [2.0, 2.0, 3.0]
    else:
        with pytest.raises(InputRefusedError, match=f"measure 'state_length': {words}"):
            run(study, tmp_path)
