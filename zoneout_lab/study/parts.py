"""Checks that a study's parts exist and fit together, made before anything is written or trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError, LabError, told
from zoneout_lab.frozen import Seeds
from zoneout_lab.measures import MEASURES, Measure, take
from zoneout_lab.measures.unmoved import generators
from zoneout_lab.metrics import SCORES, Score, names_over
from zoneout_lab.ops.cells import CELLS, Cell, as_cell
from zoneout_lab.parts import Part, check_kinds, check_part, parts_of
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, from_json, to_json, trained_for
from zoneout_lab.settings import Run
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.of_task import TaskStudy, regularizer_of
from zoneout_lab.study.varied import check_varied
from zoneout_lab.tasks import TASKS, Task
from zoneout_lab.tasks.base import Data, Examples, kind_of
from zoneout_lab.training.evaluate import evaluate
from zoneout_lab.training.measured import alone, first_batch
from zoneout_lab.training.model import SequenceModel

if TYPE_CHECKING:
    import xarray as xr

    Found = dict[str, list[xr.Dataset]]  # kind of a measure → what it found in each replica

_STEPS = 2  # timesteps that built-in parts are tried on
_EXAMPLES = 2
_REPLICAS = 2
_ROUNDING = 1e-4


def check_parts(study: TaskStudy, task: Task, data: Data) -> list[str]:
    """Raise where a run of the study could not begin; return warnings.

    Args:
        study: each arm is checked, at one seed.
        task, data: of the study.

    Raises:
        InputRefusedError: an arm whose runs would all be the same, an impossible model, one that cannot read the task, a user's part that fails when it is tried or cannot be made
            again from its JSON, or a measure that does not find what a hypothesis is about.
    """
    check_kinds(cls for arm in study.arms for cls in study.classes(arm))
    check_part(task, TASKS, Task)  # type: ignore[type-abstract]
    check_varied(study, data)
    _check_score(study, data)
    for measure in study.measures:
        check_part(measure, MEASURES, Measure)  # type: ignore[type-abstract]
    tried: dict[tuple[str, str], Found] = {}
    found: dict[str, Found] = {}
    known: dict[tuple[str, str, str], list[xr.Dataset]] = {}
    for arm in study.arms:
        run = study.run(arm, 0)
        _check_written(arm, study.cell(arm))
        kind = (run.shape, str(to_json(regularizer_of(arm))))
        if kind not in tried:
            tried[kind] = {}
            model = _try(run, task, data)
            if model is not None:
                _try_score(study.score, model, run, data)
            if model is not None and run.gradient_epochs:
                tried[kind] = _try_measures(study, run, model, data, known)
        found[arm.name] = tried[kind]
        _check_found(study, arm, tried[kind])
    _check_alike(found)
    cautions = [
        f"arm {arm.name!r}: {words}" for arm in study.arms if (words := study.cell(arm).caution(data.train.steps))
    ]
    return cautions + _only_nan(found)


def _check_score(study: TaskStudy, data: Data) -> None:
    """The metrics that hypotheses name have to exist for data of the task's kind."""
    score = study.score
    made = names_over(score, kind_of(data.test))
    for hypothesis in study.hypotheses:
        if hypothesis.metric in score.names and hypothesis.metric not in made:
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, which exists for {score.over}, but this task's data are "
                f"{kind_of(data.test)}. Ask for one of {', '.join(made)}."
            )


def _try_score(score: Score, model: SequenceModel, run: Run, data: Data) -> None:
    """A score of the task's own, on a few examples; those that come built in are known to work."""
    if score is SCORES.get(score.name):
        return
    valid = data.valid
    if isinstance(valid, Examples):  # in two batches, of which the last is smaller, as it will be
        valid = Examples(valid.inputs[: _EXAMPLES + 1].clone(), valid.targets[: _EXAMPLES + 1].clone())
    try:
        with _no_draws(f"The score {score.name!r}"):
            together, *each = (
                evaluate(one, valid, score, first=_EXAMPLES + 1, batch=_EXAMPLES)[score.name]
                for one in (model, *_each_alone(model, run))
            )
        for beside, (by_itself,) in zip(together, each, strict=True):
            if not np.isclose(beside, by_itself, rtol=_ROUNDING, equal_nan=True):
                raise InputRefusedError(
                    f"The score {score.name!r} gives a model {beside:.6g} beside another and {by_itself:.6g} alone: compute each replica's "
                    "value from its own loss and counts."
                )
    except LabError:
        raise
    except Exception as error:
        raise InputRefusedError(f"The score {score.name!r} failed when it was tried: {told(error)}") from error


def _try_measures(
    study: TaskStudy, run: Run, model: SequenceModel, data: Data, known: dict[tuple[str, str, str], list[xr.Dataset]]
) -> Found:
    """What every measure finds on two examples, whole sequences of them.

    A built-in one is tried once for each shape of a model: a regularizer changes nothing of what it finds a value for.
    """
    batch = first_batch(data.valid, _EXAMPLES)
    found: Found = {}
    for measure in study.measures:
        own = _is_own(measure, MEASURES)
        key = (measure.kind, run.shape, str(run.regularizer) if own else "")
        try:
            if key not in known:
                known[key] = take(measure, model, batch, _REPLICAS)
                if own and known[key]:
                    for beside, one in zip(known[key], _each_alone(model, run), strict=True):
                        _compare_measured(beside, take(measure, one, batch, 1), measure.kind)
            found[measure.kind] = known[key]
        except LabError as error:
            raise type(error)(f"arm {run.arm!r}: {error}") from error
        except Exception:  # noqa: BLE001, S110 - the machine's, not the study's # nosec B110
            pass
    return found


def _compare_measured(beside: xr.Dataset, by_itself: Sequence[xr.Dataset], kind: str) -> None:
    """What is found in a replica is what is found in it alone, up to rounding."""
    for name, values in beside.data_vars.items():
        found = by_itself[0][name].values if by_itself else np.nan
        if np.shape(found) != values.shape or not np.allclose(values, found, _ROUNDING, _ROUNDING, equal_nan=True):
            raise InputRefusedError(
                f"measure {kind!r} finds other values of {str(name)!r} in a run beside another than in the same run alone: compute each "
                "replica's from its own tensors, and draw random numbers for each replica alike."
            )


def _check_found(study: TaskStudy, arm: Arm, found: Found) -> None:
    """A scalar that a hypothesis is about has to be there in the arms that it compares."""
    for hypothesis in study.hypotheses:
        of = [measure for measure in study.measures if hypothesis.metric in measure.names() and measure.kind in found]
        if not of or arm.name not in (hypothesis.arm, hypothesis.against):
            continue
        needs = f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}"
        if not found[of[0].kind]:
            raise InputRefusedError(
                f"{needs}, but the measure {of[0].kind!r} finds nothing in arm {arm.name!r}. Ask for another metric, or compare arms in "
                "which there is something to measure."
            )
        if hypothesis.metric in REDUCTIONS:
            try:
                REDUCTIONS[hypothesis.metric].by_epoch(found[of[0].kind][0], hypothesis.metric)
            except LabError as error:
                raise type(error)(f"{needs}, which arm {arm.name!r} will not have: {error}") from error


def _check_alike(found: dict[str, Found]) -> None:
    """What a measure finds in different arms has to fit into one array: lengths may differ, dimensions and the kind of labels may not."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for arm, of in found.items():
        for measure, datasets in of.items():
            for name, variable in (item for dataset in datasets[:1] for item in dataset.variables.items()):
                kind = "texts" if variable.dtype.kind == "U" else "numbers"
                what = f"{kind} by ({', '.join(map(str, variable.dims))})"
                other, had = first.setdefault((measure, str(name)), (arm, what))
                if had != what:
                    raise InputRefusedError(
                        f"measure {measure!r}: {str(name)!r} is {had} in arm {other!r} and {what} in arm {arm!r}; return the same dimensions, "
                        "and the same kind of labels, in all arms."
                    )


def _only_nan(found: dict[str, Found]) -> list[str]:
    """A warning for each measure that gave nothing but NaN for something, with the arms in which it did."""
    arms: dict[tuple[str, str], list[str]] = {}
    for arm, of in found.items():
        for kind, datasets in of.items():
            names = [str(name) for dataset in datasets[:1] for name, v in dataset.data_vars.items() if v.isnull().all()]
            if names:
                arms.setdefault((kind, ", ".join(names)), []).append(repr(arm))
    return [
        f"measure {kind!r} gave nothing but NaN for {names} when it was tried in arm{'s' * (len(where) > 1)} {', '.join(where)}."
        for (kind, names), where in arms.items()
    ]


def _check_written(arm: Arm, cell: Cell) -> None:
    """Runs are trained, by other processes too, from their JSON, which has to give the same parts."""
    try:
        check_part(regularizer_of(arm), REGULARIZERS, Regularizer)
        check_part(cell, CELLS, Cell)  # type: ignore[type-abstract]
    except LabError as error:
        raise type(error)(f"arm {arm.name!r}: {error}") from error


def _try(run: Run, task: Task, data: Data) -> SequenceModel | None:
    """A pass and its gradient, as in training: of two replicas, because a study trains several together.

    Parts that come built in are tried on a few timesteps, a user's own on whole sequences. Other failures than theirs, such as too little
    memory, are left to training, which reports them.
    """
    batch = next(iter(data.train.in_order(_EXAMPLES)), None)
    if batch is None:
        return None
    regularizer = from_json(run.regularizer)
    made = (*parts_of(as_cell(run.setting.model.cell)), *parts_of(regularizer))
    own = [part for part in made if _is_own(part, CELLS | REGULARIZERS)]
    names = ", ".join(map(str, own)) or "its parts"
    inputs = batch[0][None, : None if own else _STEPS, :_EXAMPLES]
    try:
        training = run.setting.training
        updates = training.epochs * len(data.train.epoch(np.random.default_rng(0), training.batch))
        model = SequenceModel(
            run.setting.model,
            task.input_size,
            task.output_size,
            regularizers=[trained_for(regularizer, updates)] * _REPLICAS,
            seeds=[each.seeds for each in _pair(run)],
            evaluation=training.evaluation,
        )
        with _as_before(model), _no_draws(names) if own else nullcontext():
            _differentiate(model, inputs, names)
            with torch.no_grad():
                model.eval()(inputs)
        if own:
            _compare(model, run, inputs, names)
        return model
    except LabError as error:
        raise type(error)(f"arm {run.arm!r}: {error}") from error
    except Exception as error:
        if own and not isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise InputRefusedError(
                f"arm {run.arm!r}: the model with {names} cannot be trained: {told(error).rstrip('.')}."
            ) from error
        return None  # it is the machine's, not the study's


def _differentiate(model: SequenceModel, inputs: Tensor, own: str) -> None:
    """The gradient of the first replica's outputs and penalty, which has to leave the parameters of the others alone."""
    logits = model(inputs)
    penalty = model.rnn.penalty
    if penalty is not None and not penalty.requires_grad and penalty.any():
        raise InputRefusedError(
            f"The penalty of {own} has no gradient, so it would change nothing: make it of the outputs as they are given, without detach(), item() or "
            "torch.no_grad()."
        )
    first = logits[0].sum() + (0 if penalty is None else penalty[0])
    for gradient in torch.autograd.grad(first, list(model.parameters()), allow_unused=True):
        # NaN may come from zero times infinity
        if gradient is not None and gradient[1:].nan_to_num().any():
            raise InputRefusedError(
                f"With {own}, replicas that train together would change one another: the first replica's loss has a gradient in the second's "
                "parameters. Tensors of a cell have the replicas as their first axis; sum, average or shift along the others only."
            )


def _pair(run: Run) -> tuple[Run, Run]:
    """A run and another with seeds of its own, as two replicas of one model are."""
    other = Seeds(**{purpose: (seed + 1) % 2**63 for purpose, seed in run.seeds})
    return run, run.model_copy(update={"seeds": other})


def _each_alone(model: SequenceModel, run: Run) -> list[SequenceModel]:
    """The model's two replicas, each as a model of its own."""
    return [alone(model, r, each) for r, each in enumerate(_pair(run))]


@torch.no_grad()
def _compare(model: SequenceModel, run: Run, inputs: Tensor, own: str) -> None:
    """A replica's outputs are those that it has alone, up to rounding."""
    each = _each_alone(model, run)
    with _as_before(model):
        together = model(inputs)
    for outputs, one in zip(together, each, strict=True):
        if not torch.allclose(outputs, one(inputs)[0], rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
            raise InputRefusedError(
                f"With {own}, replicas that train together change one another: the outputs of one are others beside a second than alone. "
                "Tensors of a cell have the replicas as their first axis; sum, average or compare along the others only."
            )


@contextmanager
def _no_draws(own: str) -> Iterator[None]:
    """Refuse what draws from a generator that other runs draw from too."""
    before = generators()
    yield
    if generators() != before:
        raise InputRefusedError(
            f"{own} draws from a global random generator of torch, NumPy or Python, so a run would depend on what else runs. Noise that is "
            "drawn anew, and can be repeated, comes from the masks at a regularizer's sites (MaskSpec)."
        )


def _is_own(part: Part, builtin: Mapping[str, type]) -> bool:
    return type(part) not in builtin.values()


@contextmanager
def _as_before(model: SequenceModel) -> Iterator[None]:
    """Counters, penalty and mode are afterwards as before."""
    put_back, training = model.rnn.as_it_stands(), model.training
    try:
        yield
    finally:
        put_back()
        model.train(training)
