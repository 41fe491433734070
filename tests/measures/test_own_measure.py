"""A measure of one's own, from declaration to report, and everything that can be wrong with one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import xarray as xr

from zoneout_lab import (
    Arm,
    GradientFlow,
    Hypothesis,
    Measure,
    Metric,
    PerturbationGrowth,
    Score,
    Study,
    Zoneout,
    schema,
)
from zoneout_lab import measures as module
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.measures import (
    MEASURES,
    USUAL,
    Batch,
    Subject,
    as_measure,
    check_together,
    from_json,
    refuse_other_labels,
    take,
    to_json,
    try_measure,
)
from zoneout_lab.report import write_report
from zoneout_lab.results import compare, judge, open_results, scalar
from zoneout_lab.settings import Model, Seeds
from zoneout_lab.study.design import check_metrics, metrics_of
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.run import run_study
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel


@dataclass(frozen=True)
class StateLength(Measure):
    """How long the hidden state is, timestep by timestep."""

    kind: ClassVar[str] = "state_length"
    title: ClassVar[str] = "Length of the state"
    dims: ClassVar[tuple[str, ...]] = ("layer", "time")
    quantities: ClassVar[dict[str, Metric]] = {"length": Metric("mean length of the hidden state", "unit of the state")}
    scalars: ClassVar[dict[str, Metric]] = {
        "last_length": Metric("length of the last hidden state", "unit of the state", "last state's length", "higher")
    }

    power: float = 1.0

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        with torch.no_grad():
            states = {
                layer: s for (layer, kind, at), s in batch.states(model).items() if (kind, at) == ("hidden", "state")
            }
        lengths = torch.stack([state.norm(dim=-1).mean(-1) for state in states.values()], 1) ** self.power
        return [xr.Dataset({"length": (("layer", "time"), row)}, {"layer": list(states)}) for row in lengths.numpy()]

    def reduce(self, measured: xr.Dataset) -> dict[str, Any]:
        return {"last_length": measured.length.isel(time=-1).mean()}


def model_and_batch(replicas: int = 2, layers: int = 1) -> tuple[SequenceModel, Batch]:
    generator = torch.Generator().manual_seed(0)
    seeds = [Seeds(init=r, data=r, masks=r) for r in range(replicas)]
    rates = [Zoneout(0.5, 0.2), Zoneout(0.1, 0.1)]
    model = SequenceModel(
        Model(hidden=4, layers=layers), 2, 3, regularizers=[rates[r % 2] for r in range(replicas)], seeds=seeds
    )
    inputs, targets = torch.randn(1, 6, 5, 2, generator=generator), torch.arange(5)[None] % 3
    return model, Batch(inputs, targets, loss_by_replica)


# -- the contract suite: every member of the list, and one of one's own


def members() -> list[Measure]:
    return [*(kind() for kind in MEASURES.values()), StateLength(), StateLength(2.0)]


@pytest.fixture(params=members(), ids=repr)
def measure(request: pytest.FixtureRequest) -> Measure:
    return request.param


def test_a_measure_is_a_frozen_value_that_json_holds(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "state_length", StateLength)
    assert from_json(json.loads(json.dumps(to_json(measure)))) == measure
    assert hash(measure) == hash(from_json(to_json(measure)))
    with pytest.raises(UsageError, match="no option 'strange'"):
        from_json(to_json(measure) | {"strange": 1})
    check_together([measure])


@pytest.mark.parametrize("layers", [1, 2])
def test_a_measure_gives_what_it_declares_for_each_replica_alone(measure: Measure, layers: int) -> None:
    model, batch = model_and_batch(layers=layers)
    together = take(measure, model, batch, 2)
    assert len(together) == 2
    for found in together:
        for name in measure.quantities:
            assert set(found[name].dims) <= set(measure.dims)
            assert found[f"{name}_without_noise"].dims == found[name].dims
            assert found[name].notnull().any()
        assert set(found.data_vars) >= set(measure.names()) or measure.reduced_when_read
        assert json.loads(found.attrs["measure"])["kind"] == measure.kind
    # the first replica of another model with other company
    alone, _ = model_and_batch(1, layers)
    (found,) = take(measure, alone, batch, 1)
    xr.testing.assert_allclose(found, together[0], rtol=1e-6)
    assert not together[0].equals(together[1])


def test_noise_makes_a_difference_and_is_the_same_each_time(measure: Measure) -> None:
    model, batch = model_and_batch()
    first, second = take(measure, model, batch, 2), take(measure, model, batch, 2)
    for one, other in zip(first, second, strict=True):
        xr.testing.assert_identical(one, other)
        name = next(iter(measure.quantities))
        assert not np.array_equal(one[name], one[f"{name}_without_noise"])


@pytest.mark.parametrize("training", [True, False])
def test_a_measure_moves_nothing(measure: Measure, training: bool) -> None:
    model, batch = model_and_batch()
    model.train(training)
    model.rnn.update, model.rnn.evaluation = 5, "sampled"
    before = [torch.get_rng_state(), *(tensor.clone() for tensor in (*model.parameters(), *model.buffers()))]
    take(measure, model, batch, 2)
    assert (model.rnn.update, model.rnn.draw, model.rnn.evaluation, model.training) == (5, 0, "sampled", training)
    after = [torch.get_rng_state(), *model.parameters(), *model.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# -- end to end


CHANGE = {"model.hidden": 4, "training.epochs": 2, "training.batch": 256}
ARMS = (Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.5)))
CLAIM = Hypothesis(
    name="longer",
    statement="Its state is longer.",
    arm="zoneout",
    against="lstm",
    metric="last_length",
    direction="higher",
)


def small(**fields: Any) -> Study:
    defaults: dict[str, Any] = {
        "name": "own", "title": "Own", "question": "Does it run?", "arms": ARMS, "baseline": "lstm", "seeds": 2,
        "gradient_epochs": (0, 2), "gradient_examples": 5, "change": CHANGE,
    }  # fmt: skip
    return Study(**(defaults | fields))


def run(study: Study, out: Path, **options: Any) -> Path:
    return run_study(study, out=out, **({"workers": 1, "tracking": None, "force": True} | options)).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEASURES, "state_length", StateLength)
        study = small(measures=(GradientFlow(), StateLength(2.0)), hypotheses=(CLAIM,))
        assert Study.model_validate_json(study.model_dump_json()) == study
        return run(study, tmp_path_factory.mktemp("own"))


def test_results_of_an_own_measure_are_stored_compared_and_reported(folder: Path, tmp_path: Path) -> None:
    """None of the measure's code is there any more: the list lacks it."""
    assert "state_length" not in MEASURES
    for tree in (open_results(folder), open_results(folder / "study.nc")):
        assert list(tree.children) == ["metrics", "gradients", "state_length", "provenance"]
        found = tree["state_length"].to_dataset()
        assert found.length.dims == ("arm", "seed", "epoch", "layer", "time")
        assert found.length.attrs["long_name"] == "mean length of the hidden state"
        assert found.length_without_noise.attrs == {
            "long_name": "mean length of the hidden state, with every mask replaced by its expectation",
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
    tree = open_results(run(small(measures=(), seeds=1), tmp_path))
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


# -- what can be wrong


def own(**attributes: Any) -> Measure:
    """StateLength with other attributes or methods, under its own name."""
    own_attributes = {"__annotations__": {}, "__module__": __name__, "kind": "state_length"} | attributes
    return dataclass(frozen=True)(type("Own", (StateLength,), own_attributes))()


M = Metric("something")
DECLARATIONS: dict[str, tuple[Callable[[], Sequence[Measure]], str]] = {
    "twice": (lambda: [StateLength(), StateLength(2.0)], "'state_length' is given twice"),
    "bad name": (lambda: [own(kind="State length")], "called 'State length'"),
    "metrics' group": (lambda: [own(group="metrics")], "the group 'metrics', which holds the runs' metrics"),
    "gradients' group": (lambda: [own(group="gradients")], "the group 'gradients', which holds gradient norms"),
    "one group": (lambda: [StateLength(), own(kind="b", group="state_length")], "which holds those of the measure"),
    "a metric's name": (
        lambda: [own(scalars={"valid_error": M})],
        "'valid_error' already means validation examples classified",
    ),
    "a reduction's name": (
        lambda: [own(scalars={"perturbation_cell": M})],
        "'perturbation_cell' already means what is left",
    ),
    "another quantity": (lambda: [own(quantities={"norm": M})], "'norm' already means mean over examples"),
    "another scalar": (lambda: [StateLength(), own(kind="b")], "both have a scalar 'last_length'"),
    "one name twice": (lambda: [own(scalars={"length": M})], "'length' is used twice"),
    "a study's dimension": (lambda: [own(dims=("epoch",))], "'epoch' is used twice, or is a dimension of every study"),
    "reserved ending": (lambda: [own(scalars={"a_without_noise": M})], "not ending in _without_noise"),
    "no tuple": (lambda: [own(dims="time")], "its dims as a tuple"),
    "no quantity": (lambda: [own(quantities={})], "at least one quantity"),
    "not described": (lambda: [own(quantities={"length": ("x", "1")})], "give a zoneout_lab.Metric"),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_declarations_that_cannot_be_are_refused(case: str) -> None:
    measures, message = DECLARATIONS[case]
    with pytest.raises(InputRefusedError, match=message):
        check_together(measures())
    with pytest.raises((InputRefusedError, ValueError), match=message):
        small(measures=tuple(measures()))


def test_a_scalar_may_not_be_called_as_the_task_s_score_is() -> None:
    score = Score("accuracy", "accuracy", "1", lambda loss, _: loss)
    check_together([own(scalars={"valid_accuracy": M})])
    with pytest.raises(InputRefusedError, match="'valid_accuracy' already means validation accuracy"):
        check_together([own(scalars={"valid_accuracy": M})], score)


def test_what_is_not_a_measure_is_refused() -> None:
    assert (
        as_measure("gradient_flow")
        == as_measure(GradientFlow)
        == as_measure({"kind": "gradient_flow"})
        == as_measure(module.gradient_flow)
        == GradientFlow()
    )
    with pytest.raises(ValueError, match=r"no measure 'gradient_flux'\. Did you mean 'gradient_flow'"):
        small(measures=("gradient_flux",))
    for strange in (module.probe, 3, StateLength):
        with pytest.raises(ValueError, match="measures"):
            small(measures=(strange,))


def returns(make: Callable[[int], Any]) -> Measure:
    return own(measure=lambda self, model, batch: [make(r) for r in range(2)])


def length(values: Any, dims: Any = ("layer", "time"), **coords: Any) -> xr.Dataset:
    return xr.Dataset({"length": (dims, np.asarray(values))}, coords)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def spoils(self: Any, model: Any, batch: Any) -> Any:
    with torch.no_grad():
        model.readout_bias.add_(1)
    return [length([[1.0]]), length([[1.0]])]


RESULTS: dict[str, tuple[Callable[[], Measure], str]] = {
    "nothing": (lambda: own(measure=lambda *_: None), "returned a NoneType; it has to return a list"),
    "arrays": (lambda: returns(lambda r: np.zeros(3)), "returned a list of ndarray"),
    "too few": (lambda: own(measure=lambda *_: [length([[1.0]])]), "1 datasets for 2 replicas"),
    "undeclared": (
        lambda: returns(lambda r: length([[1.0]]).assign(more=1.0)),
        "'more', which is not among its quantities",
    ),
    "missing": (lambda: returns(lambda r: xr.Dataset()), "did not return 'length'"),
    "wrong dims": (
        lambda: returns(lambda r: length([[1.0]], ("layer", "lag"))),
        r"\(layer, lag\), but the measure declares \(layer, time\)",
    ),
    "no dims": (lambda: returns(lambda r: length(1.0, ())), "'length' has no dimension"),
    "texts": (lambda: returns(lambda r: length([["a"]])), "is of type <U1"),
    "complex": (lambda: returns(lambda r: length([[1j]])), "is of type complex128"),
    "empty": (lambda: returns(lambda r: length(np.zeros((1, 0)))), r"is empty, of shape \[1, 0\]"),
    "labels twice": (lambda: returns(lambda r: length([[1.0, 2.0]], time=[3, 3])), "two labels of 'time' are equal"),
    "labels of nothing": (
        lambda: returns(lambda r: length([[1.0, 2.0]], time=[1j, 2j])),
        "labels of 'time' are of type",
    ),
    "no scalars": (
        lambda: own(reduce=lambda *_: {}),
        r"reduce\(\) returned nothing, but the declared scalars are last_length",
    ),
    "other scalars": (lambda: own(reduce=lambda *_: {"a": 1.0}), r"reduce\(\) returned a, but"),
    "a scalar of several": (lambda: own(reduce=lambda *_: {"last_length": np.zeros(2)}), "has to be one number"),
    "a scalar of text": (lambda: own(reduce=lambda *_: {"last_length": "long"}), "'long'; it has to be one number"),
    "its own error": (lambda: own(measure=raises(KeyError("l0"))), "failed: KeyError: 'l0'"),
    "ours": (lambda: own(measure=raises(InputRefusedError("Nothing here."))), "Nothing here"),
    "weights": (lambda: own(measure=spoils), "changed the model's weights"),
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_cannot_be_are_refused_by_name(case: str) -> None:
    measure, message = RESULTS[case]
    model, batch = model_and_batch()
    with pytest.raises(InputRefusedError, match=f"measure 'state_length'.*{message}"):
        take(measure(), model, batch, 2)


def test_memory_that_is_full_is_told_as_such() -> None:
    model, batch = model_and_batch()
    with pytest.raises(MemoryError):
        take(own(measure=raises(MemoryError())), model, batch, 2)


def test_noise_may_not_change_what_there_is() -> None:
    model, batch = model_and_batch()
    some = own(measure=lambda self, model, batch: [length(np.ones((1, 2 + model.training)))] * 2)
    with pytest.raises(
        InputRefusedError, match=r"different labels of 'time' with noise and without \(3 and 2 of them\)"
    ):
        take(some, model, batch, 2)
    none = own(measure=lambda self, model, batch: [length([[1.0]])] * 2 if model.training else [])
    with pytest.raises(InputRefusedError, match="only with noise, or only without it"):
        take(none, model, batch, 2)
    assert take(own(measure=lambda *_: []), model, batch, 2) == []
    alone = take(own(without_noise=False), model, batch, 2)
    assert set(alone[0].data_vars) == {"length", "last_length"}


def test_labels_stay_the_same_from_epoch_to_epoch() -> None:
    one, other = length([[1.0, 2.0]], time=[0, 1]), length([[1.0, 2.0]], time=[0, 2])
    refuse_other_labels(StateLength(), one, one, "a", "b")
    with pytest.raises(InputRefusedError, match=r"'time' after epoch 1 and after epoch 2 \(2 and 2 of them\)"):
        refuse_other_labels(StateLength(), one, other, "after epoch 1", "after epoch 2")


def test_nan_is_not_measured_and_nothing_else_is_told() -> None:
    model, batch = model_and_batch()
    some = own(measure=lambda *_: [length([[np.nan, 1.0]])] * 2)
    assert try_measure(some, model, batch, 2) == ()
    nothing = own(measure=lambda *_: [length([[np.nan, np.nan]])] * 2)
    (words,) = try_measure(nothing, model, batch, 2)
    assert "'state_length' gave nothing but NaN for length, last_length" in words


def test_a_measure_that_calls_what_draws_moves_no_generator() -> None:
    def draws(self: Any, model: Any, batch: Any) -> Any:
        model(batch.inputs)  # counts an update up
        value = random.random() + np.random.default_rng().random() + np.random.random() + float(torch.rand(()))
        return [length([[value]])] * 2

    model, batch = model_and_batch()
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), model.rnn.update)
    take(own(measure=draws), model, batch, 2)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), model.rnn.update)
    assert before == after


def test_faults_are_found_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = own(measure=raises(KeyError("l0")))
    with pytest.raises(InputRefusedError, match="has no class Own that is this one"):
        run(small(measures=(wrong,)), tmp_path / "unlisted")
    monkeypatch.setitem(MEASURES, "state_length", type(wrong))
    with pytest.raises(InputRefusedError, match="arm 'lstm': measure 'state_length' failed: KeyError: 'l0'"):
        run(small(measures=(wrong,)), tmp_path / "fails")
    assert not list(tmp_path.iterdir())


def test_a_measure_that_changes_its_mind_fails_its_runs_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lengths = iter([3, 4])  # after epochs 0 and 2
    measure = own(measure=lambda self, model, batch: [length(np.ones((1, next(lengths))))] * 2, without_noise=False)
    monkeypatch.setitem(MEASURES, "state_length", type(measure))
    said: list[str] = []
    study = small(measures=(measure,), seeds=1)
    monkeypatch.setattr("zoneout_lab.study.parts.try_measure", lambda *_: ())
    summary = run_study(study, out=tmp_path, workers=1, tracking=None, force=True, watcher=Watcher(warn=said.append))
    assert len(summary.failed) == 2
    assert any("measure 'state_length' has different labels of 'time' after epoch" in text for text in said)


def test_a_report_says_what_was_never_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = own(measure=lambda self, model, batch: [length(np.full((1, 3), np.nan))] * len(model.readout_bias))
    monkeypatch.setitem(MEASURES, "state_length", type(nothing))
    said: list[str] = []
    folder = run(small(measures=(nothing,), seeds=1), tmp_path, watcher=Watcher(warn=said.append))
    assert any("gave nothing but NaN for length" in text for text in said)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not measured, or never a finite number: length of lstm and zoneout" in page
    assert schema.measure_of(open_results(folder), "state_length")["kind"] == "state_length"
    assert scalar(open_results(folder), "last_length").isnull().all()
