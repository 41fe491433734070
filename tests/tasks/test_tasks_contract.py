"""What every task on the list does, on real data at its laptop setting."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.settings import Setting
from zoneout_lab.tasks import TASKS, Data, Examples, Stream, make_task, task_class

NAMES = list(TASKS)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(name: str, loaded: Callable[..., Data]) -> Data:
    return loaded(name, **TASKS[name].settings["laptop"].options)


def splits(data: Data) -> list[Examples | Stream]:
    return [data.train, data.valid, data.test]


def test_a_task_is_a_frozen_value_under_its_own_name(name: str) -> None:
    task = make_task(name)
    assert TASKS[name].name == name
    assert task.title
    assert task.score in ("error", "bpc")
    assert task == make_task(name, {})
    assert hash(task) == hash(make_task(name))
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"  # type: ignore[misc]


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
        for wrong in (-1, 0.5, "wrong", None):
            with pytest.raises(InputRefusedError, match=field.name):
                make_task(name, {field.name: wrong})  # type: ignore[dict-item]


def test_shapes_types_and_ranges(name: str, data: Data) -> None:
    task = make_task(name)
    for split in splits(data):
        assert len(split) > 0
        assert split.steps > 0
        if isinstance(split, Examples):
            assert split.inputs.shape == (len(split), split.steps, task.input_size)
            assert split.inputs.dtype == torch.float32
            assert split.inputs.is_contiguous()
            assert split.inputs.min() >= 0
            assert split.inputs.max() == 1
            assert split.targets.shape == (len(split),)
            values = split.targets
        else:
            assert split.classes == task.input_size == task.output_size
            values = split.symbols
        assert values.dtype == torch.int64
        assert values.min() >= 0
        assert values.max() < task.output_size
    if isinstance(data.train, Examples):
        assert set(data.train.targets.tolist()) == set(range(task.output_size))
    assert task.score == ("error" if isinstance(data.train, Examples) else "bpc")


def test_gathering_agrees_with_reading_in_order(data: Data) -> None:
    for split in splits(data):
        step = split.length if isinstance(split, Stream) else 1
        for k, (inputs, targets) in zip(range(3), split.in_order(8), strict=False):
            index = torch.arange(8 * k, 8 * k + inputs.shape[1]) * step
            gathered, wanted = split.gather(torch.stack([index, index.flip(0)]))
            assert inputs.shape == (split.steps, len(index), gathered.shape[-1])
            assert torch.equal(gathered[0], inputs)
            assert torch.equal(wanted[0], targets)
            assert torch.equal(gathered[1], inputs.flip(1))
            assert torch.equal(wanted[1], targets.flip(-1))


def test_reading_in_order_covers_the_split(data: Data) -> None:
    for split in splits(data):
        total = sum(targets.shape[-1] for _, targets in split.in_order(64))
        assert total == (len(split) // split.length if isinstance(split, Stream) else len(split))


def test_an_epoch_can_be_gathered_and_repeats_by_its_seed(data: Data) -> None:
    batches = data.train.epoch(np.random.default_rng(5), 32)
    again = data.train.epoch(np.random.default_rng(5), 32)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    every = np.concatenate(batches)
    assert len(set(every.tolist())) == len(every)
    for batch in (batches[0], batches[-1]):
        inputs, _ = data.train.gather(torch.from_numpy(batch)[None])
        assert inputs.shape[:3] == (1, data.train.steps, len(batch))


def test_loading_twice_gives_the_same_digest(name: str, data: Data, request: pytest.FixtureRequest) -> None:
    folder = None if name == "digits" else request.getfixturevalue("shared_data")
    again = make_task(name, TASKS[name].settings["laptop"].options).load(folder)
    assert again.digest == data.digest
    assert len(data.digest) == 64
    assert again.notes == data.notes


def test_moving_keeps_digest_and_notes(data: Data) -> None:
    moved = data.to("cpu")
    assert moved.digest == data.digest
    assert moved.notes == data.notes
    assert [len(s) for s in splits(moved)] == [len(s) for s in splits(data)]


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
