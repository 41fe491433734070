"""The table of scores and metrics, and a score of one's own all the way: selection, patience, tuning, comparison, report."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from zoneout_lab import Arm, Hypothesis, Score, Study, Tuning, Zoneout, schema, tasks
from zoneout_lab.errors import InputRefusedError, IntegrityError, UsageError
from zoneout_lab.frozen import Seeds
from zoneout_lab.metrics import METRICS, SCORES, as_score, names_over, wrong
from zoneout_lab.report import write_report
from zoneout_lab.results import judge, open_results, scalar
from zoneout_lab.settings import Model, Run, Setting, Training
from zoneout_lab.study.design_metrics import metrics_of
from zoneout_lab.study.run import run_study
from zoneout_lab.study.trials import suggest
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.tasks.digits import Digits
from zoneout_lab.training import train
from zoneout_lab.training.evaluate import evaluate
from zoneout_lab.training.model import SequenceModel

ACCURACY = Score(
    "accuracy", "accuracy", "1", lambda _, wrong: 1 - wrong, tally=wrong, better="higher", scale="logit", of="of"
)


class ByAccuracy(Digits):
    """The digits, judged by the fraction that is classified rightly."""

    name: ClassVar[str] = "by_accuracy"
    score: ClassVar[Any] = ACCURACY


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "ZONEOUT_LAB_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tasks, "TASKS", {**tasks.TASKS, "by_accuracy": ByAccuracy})


@pytest.mark.parametrize("name", SCORES)
def test_a_built_in_score_describes_its_metrics_and_survives_json(name: str) -> None:
    score = SCORES[name]
    assert set(score.names) <= set(score.metrics()) <= set(METRICS)
    assert all(METRICS[metric].noun and METRICS[metric].unit == score.unit for metric in score.names)
    read = Score.from_json(json.loads(json.dumps(score.to_json())))
    assert read == replace(score, value=None, tally=None)
    # the loss of real targets is in another unit than the table's
    own = {
        key: replace(about, unit="nats") if key.endswith("_loss") else about for key, about in read.metrics().items()
    }
    assert own == {key: METRICS[key] for key in own}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: Score("loss", "loss"), "'loss', which means the loss"),
        (lambda: Score("score", "score"), "'score', which means whatever score"),
        (lambda: Score("macro f1", "F1"), "'macro f1'.*lower-case letters"),
        (lambda: Score("F1", "F1"), "lower-case letters"),
        (lambda: Score("", "F1"), "lower-case letters"),
        (lambda: Score("f1", "F1", better="up"), "better='up'; choose lower or higher"),  # type: ignore[arg-type]
        (lambda: Score("f1", "F1", scale="cubic"), "scale='cubic'"),  # type: ignore[arg-type]
        (lambda: Score("f1", "F1", over="words"), "over='words'; choose examples or chunks or streams"),  # type: ignore[arg-type]
        (lambda: Score("f1", "F1", 1), "unit=1; give a text"),  # type: ignore[arg-type]
        (lambda: Score("f1", "F1", "1", 0.5), "value=0.5; give a function"),  # type: ignore[arg-type]
        (lambda: as_score(Score("ppl", "surprise")), "cannot be called 'ppl': valid_ppl already has a meaning"),
        (
            lambda: as_score(Score("bpc_full", "bits")),
            "cannot be called 'bpc_full': valid_bpc_full already has a meaning",
        ),
        (lambda: as_score(0.5), "A task's score is 0.5"),
    ],
)
def test_impossible_scores_are_refused(given: Callable[[], Score], message: str) -> None:
    with pytest.raises(InputRefusedError, match=message):
        given()


def test_a_score_is_named_or_given() -> None:
    assert as_score("error") is SCORES["error"]
    assert as_score(replace(SCORES["error"])) == SCORES["error"]
    assert as_score(ACCURACY) is ACCURACY
    with pytest.raises(UsageError, match=r"no score 'eror'\. Did you mean 'error'"):
        as_score("eror")
    with pytest.raises(IntegrityError, match="damaged"):
        Score.from_json({"name": "f1", "noun": "F1", "colour": "red"})
    with pytest.raises(IntegrityError, match="damaged"):
        Score.from_json("f1")


def test_better_is_lower_or_higher() -> None:
    for score, values in ((SCORES["error"], (0.1, 0.2)), (ACCURACY, (0.9, 0.8))):
        good, bad = values
        assert score.improves(good, bad)
        assert not score.improves(bad, good)
        assert not score.improves(good, good)
        assert score.improves(bad, score.worst)
        assert not score.improves(math.nan, score.worst)
    space, trials = {"p": (0.0, 1.0)}, [({"p": p}, abs(p - 0.25)) for p in np.linspace(0, 1, 21)]
    upside_down = [(params, 1 - value) for params, value in trials]
    lower = suggest(space, trials, 8, seed=3)
    assert suggest(space, upside_down, 8, seed=3, better="higher") == lower
    assert suggest(space, upside_down, 8, seed=3) != lower


def confusion(guess: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Counts [R, C, C] of targets (rows) and guesses."""
    C = guess.shape[-1]
    pairs = targets.expand(guess.shape[:-1]) * C + guess.argmax(-1)
    return torch.stack([torch.bincount(row.flatten(), minlength=C * C).view(C, C) for row in pairs])


def macro_f1(_: Any, counts: np.ndarray) -> np.ndarray:
    right = counts.diagonal(axis1=1, axis2=2)
    return np.asarray((2 * right / (counts.sum(1) + counts.sum(2))).mean(-1))


def model_and_split(classes: int = 3) -> tuple[SequenceModel, Examples]:
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(150, 5, 2, generator=generator), torch.arange(150) % classes
    seeds = [Seeds(init=r, data=r, masks=r) for r in range(2)]
    model = SequenceModel(Model(hidden=4), 2, classes, regularizers=[Zoneout(0.5), Zoneout(0.1)], seeds=seeds)
    return model, Examples(inputs, targets)


def test_a_score_that_counts_more_than_errors_by_hand() -> None:
    """Macro F1, over several batches, against its definition class by class."""
    model, split = model_and_split()
    score = Score("macro_f1", "macro F1", "1", macro_f1, tally=confusion, better="higher")
    got = evaluate(model, split, score)
    with torch.no_grad():
        guess = model(split.inputs.transpose(0, 1)[None]).argmax(-1)
    for r in range(2):
        f1 = []
        for label in range(3):
            hit = ((guess[r] == label) & (split.targets == label)).sum().item()
            f1.append(2 * hit / ((guess[r] == label).sum().item() + (split.targets == label).sum().item()))
        assert got["macro_f1"][r] == pytest.approx(sum(f1) / 3, rel=1e-12)
    assert set(got) == {"loss", "macro_f1"}
    assert (
        evaluate(model, split, ACCURACY)["accuracy"].tolist() == (1 - evaluate(model, split, "error")["error"]).tolist()
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"value": None}, "does not say how it is computed"),
        ({"value": lambda loss, _: loss.mean()}, r"computes shape \[\] from the losses of 2 models"),
        ({"tally": lambda guess, targets: 3}, "counts int; its tally has to return"),
        ({"tally": lambda guess, targets: torch.zeros(5)}, r"counts \[5\]"),
        (
            {"tally": lambda guess, targets: guess.new_zeros(len(guess), targets.shape[-1])},
            "same shape for every batch",
        ),
    ],
)
def test_a_score_that_cannot_be_computed_says_so(more: dict[str, Any], message: str) -> None:
    model, split = model_and_split()
    score = Score("f1", "F1", **({"value": lambda loss, _: loss, "tally": wrong} | more))
    with pytest.raises(InputRefusedError, match=message):
        evaluate(model, split, score)


def outcomes(task: Any, **options: Any) -> list[Any]:
    training = Training(lr=0.05, epochs=8, batch=8, **options)
    runs = [
        Run(
            arm="a",
            seed=seed,
            task=task.name,
            setting=Setting(model=Model(hidden=12), training=training),
            regularizer={"kind": "none"},
            seeds=Seeds(init=seed, data=seed + 1, masks=seed + 2),
        )
        for seed in range(4)
    ]
    return train(runs, task, task.load())


@dataclass(frozen=True)
class Noisy:
    """Is the sum of a noisy sequence positive? Some of it cannot be learned, so that models overfit."""

    name: ClassVar[str] = "noisy"
    title: ClassVar[str] = "Noisy sums"
    score: ClassVar[Any] = "error"
    sources: ClassVar[str] = "made when it is loaded"
    settings: ClassVar[dict[str, Setting]] = {"laptop": Setting()}

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 2

    def load(self, folder: Path | None = None) -> Data:
        generator = torch.Generator().manual_seed(0)
        splits = []
        for count in (33, 20):
            inputs = torch.randn(count, 6, 2, generator=generator)
            total = inputs.sum((1, 2)) + 4 * torch.randn(count, generator=generator)
            splits.append(Examples(inputs, (total > 0).long()))
        return Data.of(splits[0], splits[1], splits[1])


class Upwards(Noisy):
    score: ClassVar[Any] = ACCURACY


@pytest.mark.parametrize("options", [{}, {"patience": 2}, {"select": "last", "patience": 2}], ids=str)
def test_higher_is_better_mirrors_lower_is_better(options: dict[str, Any]) -> None:
    """Accuracy is error upside down: the same checkpoints are kept, and training ends at the same epochs."""
    by_error, by_accuracy = outcomes(Noisy(), **options), outcomes(Upwards(), **options)
    assert len({outcome.best_epoch for outcome in by_error}) > 1
    for one, other in zip(by_error, by_accuracy, strict=True):
        assert (one.best_epoch, one.improved_epoch) == (other.best_epoch, other.improved_epoch)
        assert [1 - error for error in one.by_epoch["valid_error"]] == other.by_epoch["valid_accuracy"]
        assert one.at_best["test_loss"] == other.at_best["test_loss"]
        accuracy = other.by_epoch["valid_accuracy"]
        assert max(accuracy) > min(accuracy)
        if not options:
            assert other.best_epoch == 1 + int(np.argmax(accuracy))


def searching(task: str) -> Study:
    arms = (
        Arm(name="lstm"),
        Arm(name="zoneout", regularizer=Zoneout(cell=0.9), search={"cell": (0.0, 1.0)}),
    )
    claim: dict[str, Any] = {
        "statement": "It does better.",
        "arm": "zoneout",
        "against": "lstm",
        "metric": "valid_score",
    }
    return Study(
        name="upwards",
        title="Upwards",
        question="Is higher better?",
        task=task,
        arms=arms,
        baseline="lstm",
        seeds=2,
        change={"model.hidden": 4, "training.epochs": 2, "training.batch": 256},
        tuning=Tuning(trials=11, seeds=1, at_once=9),  # the sampler looks at what it has found after eight
        hypotheses=(Hypothesis(name="better", direction="higher", **claim),),
    )


@cache
def ran(task: str, out: Path) -> Path:
    study = searching(task)
    return run_study(study, out=out, workers=1, tracking=None, force=True).folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scores")


def test_a_study_is_tuned_to_the_highest_accuracy(out: Path) -> None:
    """The same trials as by error, the same one chosen, and the same runs after it."""
    up, down = (json.loads((ran(task, out) / "MANIFEST.json").read_text()) for task in ("by_accuracy", "digits"))
    trials, same = (manifest["tuning"]["zoneout"]["trials"] for manifest in (up, down))
    assert [trial["params"] for trial in trials] == [trial["params"] for trial in same]
    assert [trial["value"] for trial in trials] == [1 - trial["value"] for trial in same]
    assert len({trial["value"] for trial in trials}) > 1
    best = max(trials, key=lambda trial: trial["value"])
    assert up["tuning"]["zoneout"]["best"] == best["params"] == down["tuning"]["zoneout"]["best"]
    trees = [open_results(ran(task, out)) for task in ("by_accuracy", "digits")]
    np.testing.assert_array_equal(scalar(trees[0], "valid_accuracy"), 1 - scalar(trees[1], "valid_error"))
    np.testing.assert_array_equal(scalar(trees[0], "best_epoch"), scalar(trees[1], "best_epoch"))


def test_results_are_read_without_the_task(out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = ran("by_accuracy", out)
    monkeypatch.setattr(tasks, "TASKS", {})
    for tree in (open_results(folder), open_results(folder / "study.nc")):
        values = scalar(tree, "valid_score")
        assert values.name == "valid_accuracy"
        assert values.attrs == {
            "long_name": "validation accuracy", "units": "1", "noun": "validation accuracy", "better": "higher", "scale": "logit",
        }  # fmt: skip
        assert scalar(tree, "test_accuracy").attrs["long_name"] == "test accuracy of the selected checkpoint"
        assert tree["metrics"].valid_accuracy.attrs["long_name"] == "validation accuracy"
        assert "highest validation score" in tree["metrics"].best_epoch.attrs["description"]
        assert schema.score_of(tree) == replace(ACCURACY, value=None, tally=None)
        (judged,) = judge(tree)
        assert judged.comparison.metric == "valid_accuracy"
        assert "the odds of validation accuracy of zoneout are" in judged.comparison.sentence
        assert "odds ratio × " in judged.comparison.sentence
        page = write_report(tree, tmp_path / "report.html").read_text(encoding="utf-8")
        assert "Validation accuracy" in page
        assert "validation accuracy (%, higher is better)" in page


def test_the_metrics_of_a_score_are_promised_and_there(out: Path) -> None:
    tree = open_results(ran("by_accuracy", out))
    promised = metrics_of(searching("by_accuracy"))
    assert {"valid_accuracy", "test_accuracy", "train_eval_accuracy"} <= set(promised)
    for metric in promised:
        assert scalar(tree, metric).notnull().all(), metric
    with pytest.raises(UsageError, match="valid_acuracy"):
        scalar(tree, "valid_acuracy")


def test_a_run_that_diverges_counts_as_the_worst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where all of a search diverges there is nothing to choose, whichever way is better."""
    arm = Arm(
        name="zoneout",
        regularizer=Zoneout(cell=0.9),
        search={"cell": (0.0, 0.5)},
        change={"training.optimizer": "sgd", "training.lr": 3e38, "training.clip": None},
    )
    study = searching("by_accuracy").model_copy(update={"arms": (Arm(name="lstm"), arm), "hypotheses": ()})
    with pytest.raises(InputRefusedError, match="found no setting that trains without diverging"):
        run_study(study, out=tmp_path, workers=1, tracking=None)


def test_names_follow_the_data() -> None:
    assert names_over(SCORES["bpc"], "examples") == ["train_eval_bpc", "valid_bpc", "test_bpc"]
    assert SCORES["bpc"].names == [
        "train_eval_bpc", "train_eval_bpc_full", "valid_bpc", "valid_bpc_full", "test_bpc", "test_bpc_full",
    ]  # fmt: skip


class Promises(Digits):
    name: ClassVar[str] = "promises"
    score: ClassVar[Any] = Score("accuracy", "accuracy", "1", lambda _, wrong: 1 - wrong, tally=wrong, over="chunks")


class Fails(Digits):
    name: ClassVar[str] = "fails"
    score: ClassVar[Any] = Score("accuracy", "accuracy", "1", lambda _, wrong: 1 - wrong["all"], tally=wrong)


class Silent(Digits):
    name: ClassVar[str] = "silent"
    score: ClassVar[Any] = Score("accuracy", "accuracy")


def test_what_a_score_cannot_give_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tasks, "TASKS", {**tasks.TASKS, "promises": Promises, "silent": Silent, "fails": Fails})
    for task, metric, message in (
        ("promises", "valid_accuracy_full", "exists for chunks, but this task's data are examples"),
        ("silent", "valid_accuracy", "'accuracy' does not say how it is computed"),
        ("fails", "valid_accuracy", "'accuracy' failed when it was tried: IndexError"),
    ):
        study = searching(task)
        claim = study.hypotheses[0].model_copy(update={"metric": metric})
        with pytest.raises(InputRefusedError, match=message):
            run_study(
                study.model_copy(update={"hypotheses": (claim,)}),
                out=tmp_path / task,
                workers=1,
                tracking=None,
                force=True,
            )
        assert not (tmp_path / task).exists()
