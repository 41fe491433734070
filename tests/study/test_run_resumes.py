"""A study that is interrupted in the middle of training, and goes on from its checkpoints."""

from __future__ import annotations

import json
import signal

import pytest
from small_study import arrays, assert_same_bits, listening, run, small

from zoneout_lab import interrupts
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.store import Store
from zoneout_lab.training import train, trainer

STUDY = small(gradient_epochs=(1,))
UPDATES = 10  # of one batch of all four runs


def watching(do=lambda done: None) -> tuple[Watcher, list[int], list[str]]:
    made: list[int] = []
    said: list[str] = []

    def progress(_batch, _runs, where):
        made.append(where.done)
        do(where.done)

    return Watcher(say=said.append, warn=said.append, progress=progress), made, said


def test_ctrl_c_in_python_raises_once_training_is_saved(ran, tmp_path):
    def press(done):
        if done == 7:
            signal.raise_signal(signal.SIGINT)

    watcher, made, _ = watching(press)
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, watcher=watcher)
    assert made == [*range(1, 8)]
    assert interrupts.asked() is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    watcher, made, said = watching()
    summary = run(STUDY, tmp_path, watcher=watcher)
    assert made == [8, 9, 10]
    assert "4 runs go on from a checkpoint." in said
    assert not (summary.folder / "checkpoints").exists()
    assert_same_bits(arrays(summary.folder), arrays(ran.folder))


def test_what_dies_between_two_files_of_a_batch_goes_on_with_the_others(ran, tmp_path, monkeypatch):
    """The checkpoint of four runs serves the three that have no file."""
    real = Store.add
    added: list[str] = []

    def one(store, outcome, *arguments, **options):
        if added:
            raise KeyboardInterrupt
        added.append(outcome.run.id)
        real(store, outcome, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", one)
        with pytest.raises(KeyboardInterrupt):
            run(STUDY, tmp_path, checkpoint_every=0)
    watcher, made, said = watching()
    summary = run(STUDY, tmp_path, watcher=watcher)
    assert "3 runs go on from a checkpoint." in said
    assert made == []  # the last update was saved
    assert summary.trained == 3
    assert_same_bits(arrays(summary.folder), arrays(ran.folder))


def test_halves_of_what_does_not_fit_go_on_from_its_checkpoint(ran, tmp_path, monkeypatch):
    sizes: list[int] = []

    def out_of_memory(runs, *arguments, report, **options):
        sizes.append(len(runs))

        def until(progress):
            report(progress)
            if len(runs) == 4 and progress.done == 6:
                raise MemoryError("no room")

        return train(runs, *arguments, report=until, **options)

    monkeypatch.setattr(trainer, "train", out_of_memory)
    watcher, made, _ = watching()
    summary = run(STUDY, tmp_path, watcher=watcher, checkpoint_every=0)
    assert sizes == [4, 2, 2]
    assert made == [*range(1, 7), *range(6, 11), *range(6, 11)]  # the sixth was not saved yet
    assert_same_bits(arrays(summary.folder), arrays(ran.folder))


def test_a_run_that_does_not_fit_by_itself_is_told_what_would(tmp_path, monkeypatch):
    def out_of_memory(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(trainer, "train", out_of_memory)
    watcher, warnings = listening()
    summary = run(small(seeds=1), tmp_path, watcher=watcher)
    assert len(summary.failed) == 2
    assert "This run alone does not fit the memory: it takes about" in warnings[-1]
    assert "--set training.batch=128 would fit." in warnings[-1]


def test_leftovers_are_swept(ran, tmp_path, copy_of):
    """A checkpoint of runs that are all done, as after a kill between the last file and the removal; and one that was half-written."""
    folder = copy_of(ran)
    left = folder / "checkpoints" / "0123456789abcdef"
    left.mkdir(parents=True)
    ids = [entry.id for entry in STUDY.runs()]
    (left / "runs.json").write_text(json.dumps({"runs": ids, "computed_by": {}}))
    (left / ".7-1.part").write_text("x")
    assert run(STUDY, folder.parent).trained == 0
    assert not (folder / "checkpoints").exists()
