"""What every task on the list does, on real data at its laptop setting."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.metrics import SCORES
from zoneout_lab.settings import Setting
from zoneout_lab.tasks import TASKS, Carried, Data, Examples, Split, Stream, make_task, task_class

NAMES = list(TASKS)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(name: str, own: Callable[[str], dict[str, str]]) -> dict[str, Any]:
    """The laptop setting's, with the file that a task of one's own data needs."""
    return TASKS[name].settings["laptop"].options | own(name)


@pytest.fixture
def data(name: str, options: dict[str, Any], loaded: Callable[..., Data]) -> Data:
    return loaded(name, **options)


def splits(data: Data) -> list[Split]:
    return [data.train, data.valid, data.test]


def test_a_task_is_a_frozen_value_under_its_own_name(name: str) -> None:
    task = make_task(name)
    assert TASKS[name].kind == name
    assert task.title
    assert task.score in SCORES
    assert task == make_task(name, {})
    assert hash(task) == hash(make_task(name))
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.title = "other"  # type: ignore[misc]


def test_settings_are_sound_and_survive_json(name: str) -> None:
    settings = TASKS[name].settings
    assert "laptop" in settings
    for setting in settings.values():
        assert Setting.model_validate_json(setting.model_dump_json()) == setting
        task = make_task(name, setting.options)
        assert json.loads(json.dumps(dataclasses.asdict(task))).items() >= setting.options.items()  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        settings["laptop"] = Setting()  # type: ignore[index]


def test_options_that_do_not_exist_or_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"no {name} option 'no_such_option'.* Known: "):
        make_task(name, {"no_such_option": 1})
    for field in dataclasses.fields(TASKS[name]):  # type: ignore[arg-type]
        for wrong in (-1, 1.0 if field.type == "float" else 0.5, "wrong", None):
            with pytest.raises(InputRefusedError, match=field.name):
                make_task(name, {field.name: wrong})  # type: ignore[dict-item]


def test_options_from_numpy_are_kept_as_pythons_own(name: str) -> None:
    kinds = {bool: np.bool_, int: np.int64, float: np.float32, str: np.str_}
    fields = dataclasses.fields(TASKS[name])  # type: ignore[arg-type]
    given = {field.name: kinds[type(field.default)](field.default) for field in fields}
    same = {option: value.item() for option, value in given.items()}
    for options in (given, {option: np.array(value) for option, value in given.items()}):
        task = make_task(name, options)  # type: ignore[arg-type]
        assert json.dumps(dataclasses.asdict(task)) == json.dumps(same)  # type: ignore[call-overload]
        assert {type(getattr(task, option)) for option in same} <= set(kinds)
        assert repr(task) == repr(make_task(name, same))


def test_shapes_types_and_ranges(name: str, options: dict[str, Any], data: Data) -> None:
    task = make_task(name, options)
    for split in splits(data):
        assert len(split) > 0
        assert split.steps > 0
        if isinstance(split, Examples):
            assert split.inputs.shape == (len(split), split.steps, task.input_size)
            assert split.inputs.dtype == torch.float32
            assert split.inputs.is_contiguous()
            assert split.inputs.min() >= 0
            assert split.inputs.max() == 1
            assert split.targets.shape == ((len(split),) if split.reads is None else (len(split), split.reads))
            assert split.reads is None or split.reads <= split.steps
            values = split.targets
            assert values.dtype == (torch.float32 if task.score == "mse" else torch.int64)
        else:
            assert split.classes == task.input_size == task.output_size
            assert split.reads == split.steps
            values = split.symbols
            # as little memory as there can be
            assert values.dtype == (torch.uint8 if split.classes <= 256 else torch.int16)
        assert values.min() >= 0
        assert task.score == "mse" or values.max() < task.output_size
    train = data.train
    if task.score == "mse":
        assert task.output_size == 1
    else:
        seen = train.targets if isinstance(train, Examples) else train.symbols
        # the beginning of a text keeps the symbols of all of it
        beginning = not isinstance(train, Examples) and any(option.startswith("train_") for option in options)
        assert beginning or set(seen.flatten().tolist()) == set(range(task.output_size))
    kinds = {"error": Examples, "mse": Examples, "bpc": Stream, "ppl": Carried}
    assert all(isinstance(split, kinds[task.score]) for split in splits(data))


def test_gathering_agrees_with_reading_in_order(data: Data) -> None:
    for split in splits(data):
        for k, (inputs, targets) in zip(range(3), split.in_order(8), strict=False):
            if isinstance(split, Carried):
                index = split.each * torch.arange(split.streams) + k * split.length
            else:
                index = torch.arange(8 * k, 8 * k + inputs.shape[1]) * (
                    split.length if isinstance(split, Stream) else 1
                )
            if len(inputs) < split.steps:
                continue  # a last part-window, for evaluation alone
            gathered, wanted = split.gather(torch.stack([index, index.flip(0)]))
            assert inputs.shape[:2] == (split.steps, len(index))
            assert inputs.dtype == (torch.float32 if isinstance(split, Examples) else torch.int64)
            assert targets.shape == ((len(index),) if split.reads is None else (split.reads, len(index)))
            assert torch.equal(gathered[0], inputs)
            assert torch.equal(wanted[0], targets)
            assert torch.equal(gathered[1], inputs.flip(1))
            assert torch.equal(wanted[1], targets.flip(-1))


def test_reading_in_order_covers_the_split(data: Data) -> None:
    for split in splits(data):
        read = [targets for _, targets in split.in_order(64)]
        if isinstance(split, Carried):
            assert sum(targets.numel() for targets in read) == (len(split) - 1) // split.streams * split.streams
        else:
            total = sum(targets.shape[-1] for targets in read)
            assert total == (len(split) // split.length if isinstance(split, Stream) else len(split))


def test_an_epoch_can_be_gathered_and_repeats_by_its_seed(name: str, data: Data) -> None:
    batch = TASKS[name].settings["laptop"].training.batch
    batches = data.train.epoch(np.random.default_rng(5), batch)
    again = data.train.epoch(np.random.default_rng(5), batch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    every = np.concatenate(batches)
    assert len(set(every.tolist())) == len(every)
    for index in (batches[0], batches[-1]):
        inputs, _ = data.train.gather(torch.from_numpy(index)[None])
        assert inputs.shape[:3] == (1, data.train.steps, len(index))


def test_loading_twice_gives_the_same_digest(
    name: str, options: dict[str, Any], data: Data, folder_of: Callable[[str], Path | None]
) -> None:
    again = make_task(name, options).load(folder_of(name))
    assert again.digest == data.digest
    assert len(data.digest) == 64
    assert again.notes == data.notes


def test_moving_keeps_digest_and_notes(data: Data) -> None:
    moved = data.to("cpu")
    assert moved.digest == data.digest
    assert moved.notes == data.notes
    assert [len(s) for s in splits(moved)] == [len(s) for s in splits(data)]


@pytest.mark.parametrize("name", [name for name in NAMES if "path" in inspect.signature(TASKS[name]).parameters])
def test_a_task_of_ones_own_file_says_how_to_name_it(name: str) -> None:
    task = make_task(name)
    for ask in (task.load, lambda: task.input_size, lambda: task.output_size):
        with pytest.raises(InputRefusedError, match=r"set options\.path"):
            ask()


def test_an_unknown_task_names_the_nearest() -> None:
    for look_up in (make_task, task_class):
        with pytest.raises(UsageError, match="Did you mean 'digits'"):
            look_up("digit")


def test_importing_tasks_leaves_heavy_libraries_alone() -> None:
    code = (
        "import sys, zoneout_lab.tasks; print([m for m in ('sklearn', 'rich', 'scipy', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
