"""verify finds damage in every file of a study; --repair rebuilds what can be derived, and what cannot is trained again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import arrays, assert_same_bits, file_of, manifest, run, small, snapshot

from zoneout_lab import Arm, Zoneout, schema
from zoneout_lab import manifest as manifests
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, TryAgainError
from zoneout_lab.results import open_results
from zoneout_lab.study.catalogue import builtin_studies, load_study
from zoneout_lab.study.repair import _is_of, _is_run, repair
from zoneout_lab.study.store import CONFIRM, TUNE, only_driver, read_manifest
from zoneout_lab.study.tuning import searched
from zoneout_lab.study.verify import verify
from zoneout_lab.tasks.corpus import characters

STUDY = small(gradient_epochs=(1,))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def damages(folder: Path) -> list[str]:
    """Names of what verify finds damaged."""
    try:
        return [damage.path.name for row in verify(folder) for damage in row.damages]
    except IntegrityError:
        return [manifests.FILE]


def repaired(folder: Path) -> list[str]:
    said: list[str] = []
    repair(folder, said.append, said.append)
    return said


def flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def unseal(folder: Path) -> None:
    (folder / manifests.FILE).write_text(json.dumps(manifest(folder), indent=1, sort_keys=True))


def test_a_whole_study(ran):
    rows = {row.what: (row.count, row.note) for row in verify(ran.folder)}
    once = (1, "")
    assert rows == {
        "manifest": once, "spec.json": once, "copies of code": (0, ""), "runs": (4, ""), "study.nc": once, "report.html": once,
        "checkpoints": (0, ""), "codes of texts": (0, ""), "notes of mirrors": once, "Optuna's database": once, "MLflow's database": (0, ""),
    }  # fmt: skip
    assert damages(ran.folder) == []


def test_flipped_bits_and_cuts_at_random_places(ran, copy_of):
    """40 in all files; 1,000 in tests/faults."""
    folder, rng = copy_of(ran), np.random.default_rng(3)
    (folder.parent / "optuna.db").unlink()
    files = [folder / name for name in ("MANIFEST.json", "spec.json", "study.nc", "report.html", "mirrors.json")]
    files += sorted((folder / "runs").iterdir())
    for number in range(40):
        path = files[number % len(files)]
        content = path.read_bytes()
        if number % 5:
            flip(path, int(rng.integers(len(content))), number % 8)
        else:
            path.write_bytes(content[: rng.integers(len(content))])
        assert damages(folder) == [path.name], number
        path.write_bytes(content)


def test_a_study_that_did_not_come_to_its_end_is_not_damaged(ran, copy_of):
    folder = copy_of(ran)
    for name in ("study.nc", "report.html"):
        (folder / name).unlink()
    notes = [row.note for row in verify(folder) if row.what in ("study.nc", "report.html")]
    assert damages(folder) == []
    assert notes == ["not there: the next run writes it"] * 2
    assert repaired(folder) == []
    assert not (folder / "study.nc").exists()


def test_an_export_of_fewer_runs_is_out_of_date_and_not_damaged(ran, copy_of):
    folder = copy_of(ran)
    content = manifests.read(folder)
    content["runs"].popitem()
    (folder / manifests.FILE).write_bytes(manifests.written(content))
    (row,) = (row for row in verify(folder) if row.what == "study.nc")
    assert row.note.startswith("of other runs")
    assert damages(folder) == []


@pytest.mark.parametrize("name", ["study.nc", "report.html"])
def test_a_seal_that_was_cut_off_is_missed(ran, copy_of, name):
    folder = copy_of(ran)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: content.rindex(b"SHA-256 of all bytes") - 5])
    assert damages(folder) == [name]


@pytest.mark.parametrize(("name", "damage"), [("spec.json", "empty"), ("study.nc", "flipped"), ("report.html", "cut")])
def test_what_is_derived_is_written_anew(ran, copy_of, name, damage):
    folder = copy_of(ran)
    before, content = snapshot(folder), (folder / name).read_bytes()
    if damage == "flipped":
        flip(folder / name, len(content) // 2, 3)
    else:
        (folder / name).write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert damages(folder) == [name]
    (said,) = repaired(folder)
    assert said.startswith("Wrote ")
    assert damages(folder) == []
    after = snapshot(folder)
    same = {each for each in before if after[each][1] == before[each][1]}
    assert set(before) - same <= {"report.html"}  # which has the date of the day
    assert repaired(folder) == []


def test_a_damaged_run_is_moved_aside_and_trained_again(ran, copy_of):
    folder = copy_of(ran)
    path = file_of(folder, "zoneout", 1)
    flip(path, 5000, 0)
    spoilt = path.read_bytes()
    assert damages(folder) == [path.name]
    said = repaired(folder)
    assert [str(path) in text and "trains it again" in text for text in said] == [True, False]
    assert path.with_name(f"{path.name}.damaged").read_bytes() == spoilt
    assert damages(folder) == []
    status = open_results(folder / "study.nc")["metrics/status"]
    assert (status == "missing").sum() == 1
    assert run(STUDY, folder.parent).trained == 1
    assert_same_bits(arrays(folder), arrays(ran.folder))
    assert damages(folder) == []


def test_a_run_that_is_gone(ran, copy_of):
    folder = copy_of(ran)
    path = file_of(folder, "lstm", 0)
    path.unlink()
    assert damages(folder) == [path.name]
    assert f"{path} is gone: the next run of the study trains it again." in repaired(folder)
    assert damages(folder) == []


@pytest.mark.parametrize(
    ("left", "damage"),
    [
        ("everything", "flipped"),
        ("no study.nc", "edited"),
        ("no study.nc", "cut"),
        ("no spec.json", "cut"),
        ("only runs and spec.json", ""),
    ],
)
def test_a_manifest_is_rebuilt(ran, copy_of, left, damage):
    """What it says of the study and of every run is as before, and the study goes on from it."""
    folder = copy_of(ran)
    before, path = manifest(folder), folder / manifests.FILE
    text = path.read_text()
    damaged = {
        "": text,
        "flipped": text.replace('"status": "finished"', '"status": "finishee"', 1),
        "cut": text[: len(text) // 2],
        "edited": text.replace('"seed": 0', '"seed": 7', 1),
    }
    path.write_text(damaged[damage])
    if left in ("no study.nc", "only runs and spec.json"):
        (folder / "study.nc").unlink()
    if left == "no spec.json":
        (folder / "spec.json").unlink()
    if left == "only runs and spec.json":
        path.unlink()
    said = repaired(folder)
    assert said[0].startswith(f"Rebuilt {path} with 4 runs")
    assert damages(folder) == []
    after = manifest(folder)
    for each in (*before["runs"].values(), *after["runs"].values()):
        each.pop("written")
    assert after["runs"] == before["runs"]
    assert {key: after[key] for key in ("schema", "study", "data", "declared", "overrides", "paper")} == {
        key: before[key] for key in ("schema", "study", "data", "declared", "overrides", "paper")
    }
    unsure = any("Taken as they are in the damaged manifest" in text for text in said)
    assert unsure == (left == "no study.nc" and damage != "cut")
    assert run(STUDY, folder.parent).trained == 0


@pytest.mark.parametrize("name", list(builtin_studies()))
def test_the_runs_of_every_study_are_known_as_its_own(name):
    for study in load_study(name).each():
        written = study.resolved().to_json()
        arms = {arm["name"]: arm for arm in written["arms"]}
        for phase, runs in ((CONFIRM, study.resolved().runs(2)), (TUNE, searched(study.resolved(), None))):
            for each in runs:
                spec = each.model_dump(mode="json")
                assert _is_run(spec, each.id, each.arm, each.seed)
                assert _is_of(spec, written, arms[each.arm], phase), each.arm


@pytest.mark.parametrize(
    "other",
    [
        {"change": {"training.lr": 0.5}},
        {"seed": 7},
        {"arms": (Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.4)))},
    ],
)
@pytest.mark.slow
def test_a_manifest_is_rebuilt_without_runs_of_another_study(ran, copy_of, other):
    folder = copy_of(ran)
    study = small(gradient_epochs=(1,), **other).resolved()
    (stranger,) = [each for each in study.runs() if (each.arm, each.seed) == ("zoneout", 0)]
    path = next((folder / "runs").glob("zoneout-s000-*.nc"))
    tree = schema.read_tree(path)
    tree.attrs["run_id"] = stranger.id
    tree["provenance"].attrs["spec"] = json.dumps(stranger.model_dump(mode="json"))
    schema.write_tree(tree, path)
    flip(folder / "MANIFEST.json", 100, 1)
    said = repaired(folder)
    assert any(str(path) in line and "of this study" in line for line in said)
    assert len(read_manifest(folder)["runs"]) == 3
    assert int((open_results(folder)["metrics/status"] == "missing").sum()) == 1


def test_nothing_is_made_up_where_no_file_says_what_the_study_was(ran, copy_of):
    folder = copy_of(ran)
    (folder / "study.nc").unlink()
    (folder / manifests.FILE).write_text("{")
    (folder / "spec.json").write_text((folder / "spec.json").read_text().replace('"seed": 0', '"seed": 1', 1))
    before = snapshot(folder)
    with pytest.raises(IntegrityError, match="for sure"):
        repaired(folder)
    assert snapshot(folder) == before


@pytest.mark.slow
def test_a_run_from_before_files_were_sealed_is_believed_if_the_damaged_manifest_has_its_digest(ran, copy_of):
    folder = copy_of(ran)
    paths = [file_of(folder, "lstm", 0), file_of(folder, "lstm", 1)]
    content = manifest(folder)
    for path in paths:
        bare = path.read_bytes()
        path.write_bytes(bare[: bare.rindex(b"\nSHA-256 of all bytes")])
        for entry in content["runs"].values():
            if folder / entry["file"] == path and path == paths[0]:
                entry["sha256"] = schema.digest(path)
    (folder / manifests.FILE).write_text(json.dumps(content | {"sha256": "0" * 64}))
    said = repaired(folder)
    assert any("with 3 runs" in text for text in said)
    assert paths[0].exists()
    assert paths[1].with_name(f"{paths[1].name}.damaged").exists()
    assert damages(folder) == []


@pytest.mark.slow
def test_an_older_manifest_is_unprotected_and_compared_with_the_files(ran, copy_of):
    folder = copy_of(ran)
    unseal(folder)
    assert verify(folder)[0].note == "older than its own SHA-256: it is unprotected"
    assert damages(folder) == []
    (folder / "spec.json").write_text(json.dumps(manifest(folder)["study"]))  # as it may have been written then
    assert damages(folder) == []
    text = (folder / manifests.FILE).read_text()
    (folder / manifests.FILE).write_text(text.replace('"status": "finished"', '"status": "diverged"', 1))
    assert damages(folder) == [manifests.FILE]
    assert verify(folder)[0].note == "older than its own SHA-256: it is unprotected"
    (folder / manifests.FILE).write_text(text)
    assert any("with its SHA-256" in said for said in repaired(folder))
    assert manifests.is_sealed(folder)
    assert damages(folder) == []


def test_leftovers_are_removed_and_what_is_being_written_by_others_is_not(ran, copy_of):
    folder = copy_of(ran)
    left = [folder / ".MANIFEST.json.x1.part", folder / "runs" / ".lstm.nc.17.part"]
    others = [folder / ".report.html.x1.part", folder.parent / "other-123456" / ".spec.json.x1.part"]
    others[1].parent.mkdir()
    for path in (*left, *others):
        path.write_text("half")
    assert run(STUDY, folder.parent).trained == 0
    assert [path.exists() for path in (*left, *others)] == [False, False, True, True]


def test_a_damaged_checkpoint_is_removed(ran, copy_of):
    folder = copy_of(ran)
    place = folder / "checkpoints" / "0123456789abcdef"
    place.mkdir(parents=True)
    about = {"runs": ["0123456789abcdef"], "computed_by": {"torch": "2.11"}}
    (place / "runs.json").write_text(json.dumps(about))
    torch.save(about | {"state": torch.zeros(2)}, place / "x.pt")
    whole = (place / "x.pt").rename(place / f"000000002-{schema.digest(place / 'x.pt')}.pt")
    (place / f"000000001-{'0' * 64}.pt").write_bytes(b"x")
    (row,) = (row for row in verify(folder) if row.what == "checkpoints")
    assert row.count == 3
    assert damages(folder) == [f"000000001-{'0' * 64}.pt"]
    assert len(repaired(folder)) == 1
    assert damages(folder) == []
    (place / "runs.json").write_text(json.dumps(about | {"runs": ["fedcba9876543210"]}))
    assert damages(folder) == ["runs.json"]
    repaired(folder)
    assert [path.name for path in place.iterdir()] == [whole.name]


def test_damaged_codes_of_texts_are_removed(ran, copy_of, tmp_path):
    folder, book = copy_of(ran), tmp_path / "book.txt"
    book.write_text("zone in, zone out\n" * 50)
    characters([book])
    (place,) = (tmp_path / "cache").rglob("codes/*")
    assert damages(folder) == []
    flip(place / "codes", 3, 0)
    (row,) = (row for row in verify(folder) if row.what == "codes of texts")
    assert (row.count, [damage.path for damage in row.damages]) == (1, [place])
    assert repaired(folder) == [f"Removed {place}, the damaged codes of a text."]
    assert not place.exists()


def with_code(folder: Path) -> list[Path]:
    """A study's folder with copies of three files: one as it was written, one that was changed, and one that is gone."""
    paths = [folder / "code" / f"{name}.py" for name in ("whole", "changed", "gone")]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text("x = 1\n")
    code = {f"./{path.name}": {"file": f"code/{path.name}", "sha256": schema.digest(path)} for path in paths}
    (folder / manifests.FILE).write_bytes(manifests.written(manifests.read(folder) | {"code": code}))
    paths[1].write_text("x = 2\n")
    paths[2].unlink()
    return paths


def test_a_damaged_copy_of_code_is_moved_aside(ran, copy_of):
    folder = copy_of(ran)
    _, changed, gone = with_code(folder)
    (row,) = (row for row in verify(folder) if row.what == "copies of code")
    assert (row.count, [(damage.path, damage.cure.partition(",")[0]) for damage in row.damages]) == (
        3,
        [(changed, "verify --repair moves it aside"), (gone, "The next run copies it again")],
    )
    said = repaired(folder)
    assert f"Moved {changed} to changed.py.damaged: the next run of the study copies it again." in said
    assert f"{gone} is gone: the next run of the study copies it again." in said
    assert list(manifest(folder)["code"]) == ["./whole.py"]
    assert damages(folder) == []


def test_a_manifest_is_rebuilt_with_the_copies_of_code_that_are_whole(ran, copy_of):
    folder = copy_of(ran)
    with_code(folder)
    code = manifest(folder)["code"]
    text = json.dumps(manifest(folder) | {"code": code | {"./x.py": "no entry", "./y.py": {}}, "sha256": "0" * 64})
    (folder / manifests.FILE).write_text(text)
    repaired(folder)
    assert manifest(folder)["code"] == {"./whole.py": code["./whole.py"]}
    assert damages(folder) == []


DAMAGES: dict[str, Callable[[Path], None]] = {
    "nothing there": lambda folder: shutil.rmtree(folder),
    "a stranger's folder": lambda folder: [(folder / name).unlink() for name in ("MANIFEST.json", "spec.json")],  # type: ignore[dict-item,func-returns-value]
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_no_study_is_left_alone(ran, copy_of, case):
    folder = copy_of(ran)
    DAMAGES[case](folder)
    before = snapshot(folder)
    with pytest.raises(InputRefusedError, match="no MANIFEST"):
        repaired(folder)
    with pytest.raises(LabError):
        verify(folder)
    assert snapshot(folder) == before


def test_a_study_that_is_running_is_not_repaired(ran):
    with only_driver(ran.folder.parent, STUDY), pytest.raises(TryAgainError, match="Another process"):
        repaired(ran.folder)
