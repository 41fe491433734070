"""What a study leaves behind, and that the same call again does only what is missing."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from small_study import arrays, assert_same_bits, file_of, manifest, run, searching, small, snapshot

from zoneout_lab import schema
from zoneout_lab.results import open_results
from zoneout_lab.study.driver import Watcher

STUDY = small(gradient_epochs=(1,))


def test_every_file_and_its_digest(ran):
    content = manifest(ran.folder)
    assert {(e["arm"], e["seed"]) for e in content["runs"].values()} == {(r.arm, r.seed) for r in STUDY.runs()}
    assert set(content["runs"]) == {r.id for r in STUDY.runs()}
    listed = {ran.folder / entry["file"]: entry["sha256"] for entry in content["runs"].values()}
    assert set((ran.folder / "runs").iterdir()) == set(listed)
    for path, digest in listed.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert {path.name for path in ran.folder.iterdir()} == {
        "runs", "spec.json", "MANIFEST.json", "study.nc", "report.html", "mirrors.json", ".lock"
    }  # fmt: skip
    assert json.loads((ran.folder / "spec.json").read_text()) == content["study"] == STUDY.resolved().to_json()
    assert (ran.trained, ran.planned, ran.failed, ran.diverged) == (4, 4, [], 0)


def test_a_file_tells_where_it_comes_from(ran):
    tree = schema.read_tree(file_of(ran.folder, "zoneout", 1))
    (spec,) = [r for r in STUDY.runs() if (r.arm, r.seed) == ("zoneout", 1)]
    assert schema.provenance(tree, "spec") == spec.model_dump(mode="json")
    assert schema.provenance(tree, "versions")["torch"]
    assert len(schema.provenance(tree, "data")["digest"]) == 64
    assert tree["metrics"].sizes["epoch"] == 2
    assert list(tree["gradients"]["epoch"].values) == [1]


def test_the_score_of_the_manifest_is_that_of_the_file(ran):
    for entry in manifest(ran.folder)["runs"].values():
        values = schema.read_tree(ran.folder / entry["file"])["metrics/valid_error"].values
        assert entry["score"] == values.min()


def test_the_report_and_the_export_are_of_these_runs(ran):
    assert open_results(ran.folder / "study.nc").identical(open_results(ran.folder))
    assert STUDY.question in (ran.folder / "report.html").read_text()


@pytest.mark.parametrize("study", ["ran", "with_diverged", "tuned"])
def test_the_same_again_does_nothing(study, request):
    summary = request.getfixturevalue(study)
    again = {"ran": STUDY, "tuned": searching()}.get(study) or request.getfixturevalue("diverged_study")
    before = snapshot(summary.folder)
    second = run(again, summary.folder.parent)
    assert second.trained == 0
    assert (second.folder, second.planned, second.diverged) == (summary.folder, summary.planned, summary.diverged)
    assert snapshot(summary.folder) == before


def test_a_deleted_run_is_redone_and_no_other(ran, copy_of):
    folder = copy_of(ran)
    lost = file_of(folder, "zoneout", 0)
    others = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir() if path != lost}
    lost.unlink()
    assert run(STUDY, folder.parent).trained == 1
    assert_same_bits(arrays(folder), arrays(ran.folder))
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert open_results(folder / "study.nc").identical(
        open_results(folder)
    )  # written again, with the new file's digest


@pytest.mark.parametrize("name", ["report.html", "study.nc", "spec.json"])
def test_a_deleted_output_is_written_again(ran, copy_of, name):
    folder = copy_of(ran)
    (folder / name).unlink()
    assert run(STUDY, folder.parent).trained == 0
    assert (folder / name).exists()


@pytest.mark.slow  # tests/engines has a quick one of the processes alone
def test_workers_change_no_bit(ran, tmp_path):
    beside = run(STUDY, tmp_path, workers=2)
    assert beside.trained == 4
    assert_same_bits(arrays(beside.folder), arrays(ran.folder))


def test_company_changes_no_bit(ran, tmp_path):
    """The same runs one by one: each in a study of its own arm at its own number of seeds."""
    alone = run(small(arms=STUDY.arms[1:], baseline="zoneout", seeds=1, gradient_epochs=(1,)), tmp_path)
    some = arrays(alone.folder)
    assert some
    assert_same_bits(some, {name: values for name, values in arrays(ran.folder).items() if name in some})


def test_an_interrupted_study_goes_on(ran, tmp_path):
    """Stopped after the first of two batches: what it finished is kept, and its report is not taken for the whole's."""
    arms = (*STUDY.arms, STUDY.arms[0].model_copy(update={"name": "longer", "change": {"training.epochs": 3}}))
    study = small(arms=arms)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, watcher=Watcher(done=stop))
    folder = tmp_path / study.id
    kept = snapshot(folder / "runs")
    assert len(kept) == 4
    summary = run(study, tmp_path)
    assert summary.trained == 2
    after = snapshot(folder / "runs")
    assert {name: after[name] for name in kept} == kept
    assert np.isfinite(open_results(folder / "study.nc")["metrics/test_error"]).all()


def test_outputs_older_than_the_runs_are_written_again(ran, copy_of):
    """A driver that died between the last run and the report."""
    folder = copy_of(ran)
    (folder / "report.html").write_text("of fewer runs")
    (folder / "MANIFEST.json").write_bytes((folder / "MANIFEST.json").read_bytes())
    assert run(STUDY, folder.parent).trained == 0
    assert STUDY.question in (folder / "report.html").read_text()


@pytest.mark.parametrize("left", [[], [".spec.json.x1.part"], [".MANIFEST.json.x1.part", ".lock"]])
def test_a_driver_that_died_while_it_began_is_no_obstacle(tmp_path, left):
    study = small(arms=STUDY.arms[:1], seeds=1)
    folder = tmp_path / study.id
    folder.mkdir()
    for name in left:
        (folder / name).write_text("{")
    assert run(study, tmp_path).trained == 1


def test_provenance_is_in_the_export(ran):
    tree = open_results(ran.folder / "study.nc")
    assert schema.provenance(tree, "study") == schema.provenance(tree, "declared") == STUDY.to_json()
    assert schema.provenance(tree, "command") == "zoneout-lab run small"
    (machine,) = schema.provenance(tree, "machine")
    assert machine["workers"] == 1
    assert len(schema.provenance(tree, "versions")) == 1
