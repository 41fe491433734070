"""A run that fails after it went on from a checkpoint is not to fail for it again and again: the checkpoint is removed, unless memory ran out."""

from __future__ import annotations

from pathlib import Path

from zoneout_lab import Metric, load_study
from zoneout_lab.engines import Checkpoints
from zoneout_lab.errors import FunctionFailedError
from zoneout_lab.functions import FunctionTrainer
from zoneout_lab.functions.seeded import generators_kept

#: the last number is not saved, as in a loop that has nothing left to do
SOURCE = """
from pathlib import Path
from zoneout_lab import Arm, Metric, Study

def train(run):
    for epoch in range(run.restored["epoch"] + 1 if run.restored else 0, 3):
        total = 7 * epoch
        run.save({"epoch": epoch})
    if not (run.folder / "first").exists():
        (run.folder / "first").touch()
        raise OSError("the disk of the data is away")
    FAILS
    return {"value": total}

STUDY = Study(name="s", train=train, params={}, metrics={"value": Metric("v", "")}, arms=[Arm(name="a")], baseline="a", seeds=1)
"""


def trained(folder: Path, fails: str = "pass", *, tries: int, source: str = SOURCE) -> list[str]:
    """What comes of each try, in words."""
    (folder / "mine.py").write_text(source.replace("FAILS", fails))
    study = load_study(folder / "mine.py")
    (run,) = study.runs()
    trainer, said = FunctionTrainer({"value": Metric("value", "")}), []
    with study.code.in_use(), generators_kept():
        for _ in range(tries):
            try:
                (outcome,) = trainer.train(
                    [run],
                    device="cpu",
                    report=lambda _: None,
                    checkpoints=Checkpoints(folder / "c", every=0),
                    warn=print,
                )
                said.append(str(outcome.at_best["value"]))
            except FunctionFailedError as error:
                said.append(error.what)
    return said


def test_the_next_try_goes_on_from_the_one_before(tmp_path):
    first, second, third = trained(tmp_path, tries=3)
    assert first == "OSError: the disk of the data is away"  # it began anew, and keeps what it saved
    assert "'total'" in second
    assert second.endswith(
        ". It went on from a checkpoint, which is removed: the same command goes on from an earlier one."
    )
    assert third == "14.0"


def test_it_starts_anew_where_there_is_none_before(tmp_path):
    trained(tmp_path, tries=1)
    _, older = sorted(tmp_path.glob("c/*/*.npz"), reverse=True)
    older.unlink()
    second, third = trained(tmp_path, tries=2)
    assert second.endswith(". It went on from a checkpoint, which is removed: the same command starts the run anew.")
    assert third == "14.0"


def test_one_that_has_saved_a_newer_one_keeps_it(tmp_path):
    *_, third, fourth = trained(tmp_path, "return {}", tries=4)
    assert third.startswith("the function did not return value")
    assert "removed" not in third  # it went on from the one before, and saved the last again
    assert fourth.endswith("earlier one.")  # also where what it returns is at fault


def test_where_memory_ran_out_it_stays(tmp_path):
    said = trained(tmp_path, "raise MemoryError('no room for the matrix')", tries=3)
    assert said[1:] == ["MemoryError: no room for the matrix"] * 2
    assert len(list(tmp_path.glob("c/*/*.npz"))) == 2


def test_one_that_fails_before_it_has_looked_at_it_keeps_it(tmp_path):
    """The data could not be opened."""
    trained(tmp_path, tries=1)
    (tmp_path / "away").touch()
    before = sorted(tmp_path.glob("c/*/*.npz"))
    source = SOURCE.replace(
        "def train(run):\n",
        "def train(run):\n    if Path(__file__).with_name('away').exists(): raise OSError('away')\n",
    )
    assert trained(tmp_path, tries=3, source=source) == ["OSError: away"] * 3
    assert sorted(tmp_path.glob("c/*/*.npz")) == before
