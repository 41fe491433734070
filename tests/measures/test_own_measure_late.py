"""A measure that works when it is tried and fails once there is something to lose."""

from __future__ import annotations

import html
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_measure import ARMS, CLAIM, StateLength, length, model_and_batch, own, run, small

from zoneout_lab import Arm, GradientFlow, Measure
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.measures import MEASURES, take
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.results import compare, judge, open_results, scalar
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import Data, Examples, make_task

EXAMPLES = 5  # of a real measurement; at the trial there are two


def replicas(model: Any) -> int:
    return len(model.readout_bias)


def at(model: Any, batch: Any) -> int | None:
    """The epoch that a measurement is taken after, by the count of updates; None at the trial."""
    return None if batch.examples < EXAMPLES else -(-int(model.rnn.update) // 5)


def ran(measure: Measure, patch: pytest.MonkeyPatch, out: Path, **fields: Any) -> tuple[Any, Path, list[str]]:
    """The results of the small study with a measure, its folder, and what was warned of."""
    patch.setitem(MEASURES, measure.kind, type(measure))
    said: list[str] = []
    summary = run(small(**({"measures": (measure,)} | fields)), out, watcher=Watcher(warn=said.append))
    assert summary.failed == [], said
    return open_results(summary.folder), summary.folder, said


def fails(when: Any) -> Measure:
    """Its own measurement, or KeyError where ``when(model, batch)``."""

    def measure(self: Any, model: Any, batch: Any) -> Any:
        if when(model, batch):
            raise KeyError("l7")
        return StateLength.measure(self, model, batch)

    return own(measure=measure)


def test_it_costs_no_trained_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every measurement fails; the runs have the metrics that they have without."""
    claims = (CLAIM, CLAIM.model_copy(update={"name": "better", "metric": "valid_error", "direction": "lower"}))
    tree, folder, said = ran(fails(at), monkeypatch, tmp_path / "a", hypotheses=claims, gradient_epochs=(1, 2))
    plain = open_results(run(small(measures=()), tmp_path / "b").folder)
    for name, values in plain["metrics"].data_vars.items():
        np.testing.assert_array_equal(tree["metrics"][name], values)
    (words,) = [text for text in said if "after epoch 2" in text]
    for part in ("lstm seed 0", "zoneout seed 1", "measure 'state_length' failed: KeyError: 'l7'"):
        assert part in words
    assert scalar(tree, "last_length").isnull().all()
    longer, better = judge(tree)
    assert longer.comparison.lost == (0, 1)
    assert better.comparison.seeds == (0, 1)
    page = html.unescape((folder / "report.html").read_text(encoding="utf-8"))
    said_there = (
        "After epoch 2: lstm, seeds 0 and 1; zoneout, seeds 0 and 1: measure 'state_length' failed: KeyError: 'l7'."
    )
    assert said_there in page
    with pytest.raises(UsageError, match="no metric 'last_length_without_noise'"):
        compare(tree, "lstm", "zoneout", metric="last_length_without_noise")


@pytest.mark.parametrize("epochs", [(1, 2), (1, -1)])
@pytest.mark.slow
def test_no_earlier_value_stands_in_for_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, epochs: tuple[int, ...]
) -> None:
    """One run fails after its last epoch, though it trains beside three others, and these keep what they have."""

    def when(model: Any, batch: Any) -> bool:
        held = zip(model.rnn.regularizers, model.rnn.mask_seeds, strict=True)
        return at(model, batch) == 2 and (ARMS[1].regularizer, wanted) in held

    wanted = small().run(ARMS[1], 1).seeds.masks
    tree, _, said = ran(fails(when), monkeypatch, tmp_path / "a", gradient_epochs=epochs)
    (words,) = [text for text in said if "Not measured" in text]
    assert words.startswith("Not measured after epoch 2: zoneout seed 1: measure 'state_length' failed: KeyError")
    values = scalar(tree, "last_length")
    assert values.isnull().values.tolist() == [[False, False], [False, True]]
    assert compare(tree, "zoneout", "lstm", metric="last_length").lost == (1,)
    whole, _, _ = ran(StateLength(), monkeypatch, tmp_path / "b", gradient_epochs=epochs)
    np.testing.assert_allclose(values, scalar(whole, "last_length").where(values.notnull()), rtol=1e-6)


def test_labels_that_change_cost_the_later_measurement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lengths = {None: 3, 1: 3, 2: 4}
    measure = own(
        measure=lambda self, model, batch: [length(np.ones((1, lengths[at(model, batch)])))] * replicas(model)
    )
    tree, _, said = ran(measure, monkeypatch, tmp_path, gradient_epochs=(1, 2))
    assert tree["state_length"].epoch.values.tolist() == [1]
    assert "has different labels of 'time' after epoch 1 and after epoch 2 (3 and 4 of them)" in said[-1]
    assert scalar(tree, "last_length").isnull().all()


def test_gradients_that_cannot_be_taken_any_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A measure whose numbers are made when results are read leaves a report too."""

    def flow(self: Any, model: Any, batch: Any) -> Any:
        if at(model, batch):
            raise ZeroDivisionError("no layer")
        return real(self, model, batch)

    real = GradientFlow.measure
    monkeypatch.setattr(GradientFlow, "measure", flow)
    claim = CLAIM.model_copy(update={"metric": "early_third_mass_hidden"})
    said: list[str] = []
    study = small(hypotheses=(claim,), gradient_epochs=(2,))
    tree = open_results(run(study, tmp_path, watcher=Watcher(warn=said.append)).folder)
    assert "gradients" not in tree.children
    assert judge(tree)[0].comparison.lost == (0, 1)
    assert scalar(tree, "perturbation_hidden").notnull().all()
    assert "measure 'gradient_flow' failed: ZeroDivisionError: no layer" in said[-1]
    with pytest.raises(
        InputRefusedError, match="measuring them failed: measure 'gradient_flow' failed: ZeroDivisionError"
    ):
        scalar(tree, "early_third_mass_cell")


def test_what_a_failing_measure_moved_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Training goes on as if it had not been there: bit for bit."""

    def spoils(self: Any, model: Any, batch: Any) -> Any:
        if at(model, batch) == 1:
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            model.double()
            model.rnn.mask_seeds, model.rnn.update = 7, 99
            model.readout_bias = torch.nn.Parameter(torch.ones(3))
            for parameter in model.parameters():
                parameter.fill_(0.25).requires_grad_(False)
            model.register_forward_hook(lambda *_: torch.zeros(1))
            sys.exit(3)
        return StateLength.measure(self, model, batch)

    tree, _, said = ran(own(measure=spoils), monkeypatch, tmp_path / "a", gradient_epochs=(1, 2))
    assert any("measure 'state_length' failed: SystemExit: 3" in text for text in said)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    plain, _, _ = ran(StateLength(), monkeypatch, tmp_path / "b", gradient_epochs=(1, 2))
    for name, values in plain["metrics"].data_vars.items():
        np.testing.assert_array_equal(tree["metrics"][name], values)
    np.testing.assert_array_equal(tree["state_length"].length.sel(epoch=2), plain["state_length"].length.sel(epoch=2))


def test_buffers_and_gradients_are_put_back_also_where_the_measure_wrote_first() -> None:
    """Before the model ran, when nothing had yet looked at them; of a cell that trains with statistics of its own."""
    model, batch = model_and_batch(cell=BatchNormLSTM(steps=9))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)

    def measure(self: Any, model: Any, batch: Any) -> Any:
        for buffer in model.buffers():
            buffer.fill_(7.0)
        for parameter in model.parameters():
            parameter.grad.mul_(3.0)
        return [length(np.ones((1, 3)))] * replicas(model)

    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    assert before
    take(own(measure=measure), model, batch, replicas(model))
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert (parameter.grad == 0.5).all()


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_too_little_memory_costs_a_run_the_measurement_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    """All runs at once do not fit, and one of them not even alone."""
    wanted = small().run(ARMS[0], 1).seeds.masks

    def measure(self: Any, model: Any, batch: Any) -> Any:
        if at(model, batch) == 2 and (replicas(model) > 1 or list(model.rnn.mask_seeds) == [wanted]):
            raise error
        return StateLength.measure(self, model, batch)

    tree, _, said = ran(own(measure=measure), monkeypatch, tmp_path)
    assert scalar(tree, "valid_error").notnull().all()
    assert scalar(tree, "last_length").isnull().sum() in (1, 2)  # arms of one seed have the same masks' seed
    assert any("measure 'state_length' ran out of memory" in text for text in said)


def test_a_measure_that_writes_to_the_batch_is_refused() -> None:
    for name in ("inputs", "targets"):
        model, batch = model_and_batch()
        spoils = own(measure=lambda self, model, batch, name=name: [getattr(batch, name).mul_(-3)][1:])
        with pytest.raises(InputRefusedError, match="'state_length' changed its batch in place"):
            take(spoils, model, batch, 2)


def test_what_a_measure_draws_can_be_repeated() -> None:
    def measure(self: Any, model: Any, batch: Any) -> Any:
        drawn = [np.random.rand(), random.random(), float(torch.rand(()))]
        return [length([drawn])] * replicas(model)

    model, batch = model_and_batch()
    first, second = (take(own(measure=measure), model, batch, 2) for _ in range(2))
    np.testing.assert_array_equal(first[0].length, second[0].length)
    assert len(np.unique(first[0].length)) == 3


def test_what_a_claim_is_about_has_to_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is trained; in the arms that it compares."""
    wide = Arm(name="wide", change={"model.hidden": 3})
    nothing = own(
        measure=lambda self, model, batch: [] if model.rnn.hidden_size == 3 else StateLength.measure(self, model, batch)
    )
    arms = (*ARMS, wide)
    claim = CLAIM.model_copy(update={"against": "wide", "metric": "last_length_without_noise"})
    with pytest.raises(InputRefusedError) as error:
        ran(nothing, monkeypatch, tmp_path / "a", arms=arms, hypotheses=(claim,))
    for words in ("hypothesis 'longer' needs last_length_without_noise", "measure 'state_length'", "arm 'wide'"):
        assert words in str(error.value)
    assert not (tmp_path / "a").exists()
    tree, _, _ = ran(nothing, monkeypatch, tmp_path / "b", arms=arms, hypotheses=(CLAIM,))
    assert scalar(tree, "last_length").isnull().values.tolist() == [[False, False], [False, False], [True, True]]


@pytest.mark.parametrize(
    ("steps", "metric", "words"),
    [
        (2, "early_third_mass_hidden", "needs at least three timesteps; there are 2"),
        (1, "perturbation_cell", "'perturbation_growth' finds nothing in arm 'lstm'"),
        (1, "moved_units", "'update_activity' finds nothing in arm 'lstm'"),
    ],
)
def test_a_built_in_measure_has_to_find_it_too(steps: int, metric: str, words: str) -> None:
    """Sequences of two timesteps have no first third, those of one no second half."""
    task = make_task("digits")
    whole = task.load()
    splits = [
        Examples(each.inputs[:, :steps], each.targets)
        for each in (whole.train, whole.valid, whole.test)
        if isinstance(each, Examples)
    ]
    measures = ("gradient_flow", "perturbation_growth", "update_activity")
    claim = CLAIM.model_copy(update={"metric": metric})
    check_parts(small(measures=measures), task, Data.of(*splits))
    with pytest.raises(InputRefusedError, match=f"hypothesis 'longer' needs {metric}.*{words}"):
        check_parts(small(measures=measures, hypotheses=(claim,)), task, Data.of(*splits))


def test_what_is_found_no_longer_leaves_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    never = own(
        measure=lambda self, model, batch: StateLength.measure(self, model, batch) if at(model, batch) is None else []
    )
    tree, folder, _ = ran(never, monkeypatch, tmp_path, hypotheses=(CLAIM,))
    assert "state_length" not in tree.children
    assert judge(tree)[0].comparison.lost == (0, 1)
    assert "No seed has the last length of both" in (folder / "report.html").read_text(encoding="utf-8")
