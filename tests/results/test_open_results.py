"""Opening a study's folder or file: everything checked, every kind of damage named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tiny_studies import make_run, make_spec

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.metrics import Score
from zoneout_lab.results import open_results, scalar
from zoneout_lab.results.open import holds_results, open_quickly, open_runs

RUNS = [("lstm", 0, 0.3), ("lstm", 2, 0.5), ("zoneout", 0, 0.2)]


def runs():
    return [make_run(arm, seed, [error], machine=f"host-{seed}") for arm, seed, error in RUNS]


def test_a_folder_is_read_whole(study_folder):
    spec = make_spec(seeds=3)
    tuning = make_run("lstm", 1, [0.01])
    tree = open_results(study_folder(runs(), spec, tune=[tuning], tuning={"trials": 5}))
    expected = [[0.3, np.nan, 0.5], [0.2, np.nan, np.nan], [np.nan] * 3]  # runs of the tuning phase are no results
    np.testing.assert_array_equal(scalar(tree, "valid_error"), expected)
    assert list(tree["metrics"]["arm"].values) == ["lstm", "zoneout", "dropout"]
    assert list(tree["metrics"]["seed"].values) == [0, 1, 2]
    assert tree["metrics/status"].sel(arm="lstm", seed=1).item() == "missing"
    recorded = {key: schema.provenance(tree, key) for key in tree["provenance"].attrs}
    assert recorded == {
        "study": spec,
        "declared": spec,
        "overrides": ["seeds=7"],
        "command": "zoneout-lab run tiny --seeds 7",
        "versions": [{"torch": "2.11"}],
        "machine": ["host-0", "host-2"],
        "git": ["abc"],
        "data": ["digest"],
        "engine": ["cpu (compiled)"],
        "tuning": {"trials": 5},
    }


def test_without_tuning_there_is_no_record_of_it(study_folder):
    tree = open_results(str(study_folder(runs(), make_spec(seeds=3))))
    assert schema.provenance(tree, "tuning") is None


def test_fresh_seeds_after_tuning_need_not_start_at_zero(study_folder):
    tree = open_results(study_folder([make_run("lstm", seed, [0.1]) for seed in (101, 100)], make_spec(seeds=2)))
    assert list(tree["metrics"]["seed"].values) == [100, 101]


def test_a_study_that_has_not_run_yet_is_all_missing(study_folder):
    tree = open_results(study_folder([], make_spec(seeds=2)))
    assert (tree["metrics/status"] == "missing").all()
    assert tree["metrics/status"].shape == (3, 2)


def test_an_exported_file_gives_the_same_tree(study_folder, tmp_path):
    tree = open_results(study_folder(runs(), make_spec(seeds=3)))
    schema.write_tree(tree, tmp_path / "study.nc")
    assert open_results(tmp_path / "study.nc").identical(tree)


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(InputRefusedError, match="no results"):
        open_results(tmp_path / "nowhere")
    with pytest.raises(InputRefusedError, match="no MANIFEST"):
        open_results(tmp_path)
    schema.write_tree(make_run("lstm", 0, [0.5]), tmp_path / "run.nc")
    with pytest.raises(InputRefusedError, match="single run"):
        open_results(tmp_path / "run.nc")


def edit(folder: Path, change) -> Path:
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    change(manifest)
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def flip_byte(folder: Path) -> None:
    file = folder / "runs" / "confirm-lstm-2.nc"
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_byte, "SHA-256 differs"),
        (lambda f: (f / "runs" / "confirm-lstm-2.nc").unlink(), "not on disk"),
        (lambda f: (f / "MANIFEST.json").write_text('{"schema": 1, '), "not JSON"),
        (lambda f: (f / "MANIFEST.json").write_bytes(b"\xff\xfe"), "not JSON"),
        (lambda f: (f / "MANIFEST.json").write_text("[]"), "JSON object"),
        (lambda f: edit(f, lambda m: m.update(schema=2)), "need 1"),
        (lambda f: edit(f, lambda m: m.pop("runs")), "damaged"),
        (lambda f: edit(f, lambda m: m.update(runs=[1])), "damaged"),
        (lambda f: edit(f, lambda m: m["study"].pop("arms")), "damaged"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].pop("sha256")), "damaged"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].pop("phase")), "damaged"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(seed=1)), "seed is 0, not 1"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(arm="zoneout", seed=1)), "arm is lstm, not zoneout"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(status="diverged")), "status is finished"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(seed=2)), "two runs"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(arm="gru")), "arms the study does not have: gru"),
        (lambda f: edit(f, lambda m: m["runs"]["lstm-0"].update(file="../x.nc")), "outside"),
        (lambda f: (f / "spec.json").write_text('{"name": "other"}'), "not the study"),
    ],
)
def test_damage_is_named(study_folder, damage, message):
    folder = study_folder(runs(), make_spec(seeds=3))
    damage(folder)
    with pytest.raises(IntegrityError, match=message):
        open_results(folder)


def exported(folder: Path) -> None:
    """Write ``study.nc`` and mark it: who reads it is seen to have."""
    tree = open_results(folder)
    tree.attrs["marked"] = "yes"
    schema.write_tree(tree, folder / "study.nc")


def test_a_folder_of_study_nc_alone_is_that_file(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3))
    exported(folder)
    (folder / "MANIFEST.json").unlink()
    assert open_results(folder).attrs["marked"] == "yes"
    assert open_quickly(folder).attrs["marked"] == "yes"


def test_study_nc_stands_for_the_runs_that_it_is_made_of(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3), tune=[make_run("lstm", 1, [0.01])])
    exported(folder)
    assert open_quickly(folder).attrs["marked"] == open_results(folder).attrs["marked"] == "yes"
    assert "marked" not in open_runs(folder).attrs
    for file in (folder / "runs").iterdir():
        file.unlink()
    assert open_quickly(folder).attrs["marked"] == "yes"
    with pytest.raises(IntegrityError, match="not on disk"):
        open_results(folder)


@pytest.mark.parametrize("opener", [open_results, open_quickly])
def test_from_study_nc_all_is_as_from_the_runs(study_folder, opener):
    """Also what the manifest has got since study.nc was written."""
    some = runs()
    some[1]["provenance"].attrs["unmeasured"] = json.dumps([{"group": "dynamics", "epoch": 1, "error": "no memory"}])
    folder = study_folder(some, make_spec(seeds=3))
    schema.write_tree(open_runs(folder), folder / "study.nc")
    edit(folder, lambda m: m.update(looks=[{"seeds": 3}], command="another"))
    edit(folder, lambda m: m["runs"]["lstm-0"].update(written="2026-01-01"))
    tree = opener(folder)
    xr.testing.assert_identical(tree, open_runs(folder))
    assert schema.provenance(tree, "looks") == [{"seeds": 3}]


@pytest.mark.parametrize("change", ["status", "seed", "run_id"])
def test_study_nc_that_has_a_run_otherwise_than_the_manifest_is_not_read(study_folder, change):
    folder = study_folder(runs(), make_spec(seeds=3))
    exported(folder)
    edits = {
        "status": lambda m: m["runs"]["lstm-0"].update(status="diverged"),
        "seed": lambda m: m["runs"]["lstm-0"].update(seed=1),
        "run_id": lambda m: m["runs"].update(other=m["runs"].pop("lstm-0")),
    }
    edit(folder, edits[change])
    for opener in (open_results, open_quickly):
        with pytest.raises(IntegrityError, match="not the run its manifest entry describes"):
            opener(folder)


def test_study_nc_that_another_program_wrote_is_not_read_for_the_runs(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3))
    expected = open_results(folder)
    tree = expected.copy(deep=True)
    tree["metrics/valid_error"][:] = 0.0
    tree.to_netcdf(folder / "study.nc", engine="h5netcdf")
    for opener in (open_results, open_quickly):
        assert opener(folder).identical(expected)
    assert not open_results(folder / "study.nc").identical(expected)  # by itself, it is a file from elsewhere


def test_a_flipped_bit_in_a_run_is_found_though_study_nc_is_whole(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3))
    exported(folder)
    flip_byte(folder)
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        open_results(folder)


def test_study_nc_of_a_look_stands_for_the_runs_up_to_it(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3), reached=2)
    exported(folder)
    assert open_quickly(folder).attrs["marked"] == "yes"


@pytest.mark.parametrize("what", ["a run more", "another study", "looks", "damaged"])
def test_study_nc_that_is_out_of_date_is_not_read(study_folder, what):
    folder = study_folder(runs()[:2], make_spec(seeds=3))
    exported(folder)
    if what == "a run more":
        study_folder(runs(), make_spec(seeds=3))
    elif what == "another study":
        study_folder(runs()[:2], make_spec(seeds=4))
    elif what == "looks":
        study_folder(runs()[:2], make_spec(seeds=3), reached=2)
    else:
        (folder / "study.nc").write_bytes(b"no netCDF")
    tree = open_quickly(folder)
    assert "marked" not in tree.attrs
    xr.testing.assert_identical(tree, open_runs(folder))


def test_a_damaged_manifest_is_named_even_where_study_nc_is_whole(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3))
    exported(folder)
    (folder / "MANIFEST.json").write_text('{"runs": {')
    with pytest.raises(IntegrityError, match="MANIFEST"):
        open_quickly(folder)


def test_what_a_manifest_records_is_kept(study_folder):
    more = {"paper": {"epochs": 9}, "reached": 3, "earlier_looks": [{"seeds": 2}]}
    folder = study_folder(runs(), make_spec(seeds=3), **more)

    def note(manifest):
        for run_id, origin in (("lstm-0", "../b"), ("lstm-2", "../a"), ("zoneout-0", "../b")):
            manifest["runs"][run_id] |= {"from": origin, "written": "2026-01-01"}

    tree = open_results(edit(folder, note))
    recorded = {key: schema.provenance(tree, key) for key in (*more, "taken_over", "written")}
    assert recorded == more | {"taken_over": {"../a": 1, "../b": 2}, "written": ["2026-01-01"]}
    assert list(schema.provenance(tree, "taken_over")) == ["../a", "../b"]
    for key in ("score", "unmeasured", "tuning"):
        assert schema.provenance(tree, key) is None


def test_runs_of_a_look_not_reached_are_left_out(study_folder):
    """Runs beyond the look are there already, and belong to the next one."""
    tree = open_results(study_folder(runs(), make_spec(seeds=5), reached=2))
    assert list(tree["metrics"]["seed"].values) == [0, 1]
    np.testing.assert_array_equal(scalar(tree, "valid_error").sel(arm="lstm"), [0.3, np.nan])
    further = open_results(study_folder(runs(), make_spec(seeds=3), reached=9))
    assert list(further["metrics"]["seed"].values) == [0, 1, 2]


def test_what_runs_record_is_gathered(study_folder):
    some, score = runs(), Score("error", "error").to_json()
    some[0]["provenance"].attrs["score"] = some[1]["provenance"].attrs["score"] = json.dumps(score)
    some[0]["provenance"].attrs["versions"] = '{"torch": "2.11", "numpy": "2.4"}'
    some[1]["provenance"].attrs["versions"] = '{"numpy": "2.4", "torch": "2.11"}'
    failed = {"group": "dynamics", "epoch": 1, "error": "out of memory"}
    some[1]["provenance"].attrs["unmeasured"] = json.dumps([failed, failed | {"epoch": 2}])
    tree = open_results(study_folder(some, make_spec(seeds=3)))
    assert schema.provenance(tree, "score") == [score]
    # the order in which they were written down makes no other versions
    assert schema.provenance(tree, "versions") == [{"torch": "2.11", "numpy": "2.4"}, {"torch": "2.11"}]
    here = {"arm": "lstm", "seed": 2}
    assert schema.provenance(tree, "unmeasured") == [here | failed, here | failed | {"epoch": 2}]


def test_a_run_under_another_s_name_is_named(study_folder):
    folder = study_folder(runs(), make_spec(seeds=3))
    with pytest.raises(IntegrityError, match="run_id is lstm-0, not other"):
        open_results(edit(folder, lambda m: m["runs"].update(other=m["runs"].pop("lstm-0"))))


def test_results_are_a_manifest_or_one_file(study_folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not holds_results(empty)
    folder = study_folder(runs(), make_spec(seeds=3))
    assert holds_results(folder)
    exported(folder)
    (folder / "MANIFEST.json").unlink()
    assert holds_results(folder)


@pytest.mark.parametrize("damage", ["no record", "runs"])
def test_study_nc_that_does_not_say_what_it_is_made_of_is_not_read(study_folder, damage):
    folder = study_folder(runs(), make_spec(seeds=3))
    exported(folder)
    if damage == "runs":
        edit(folder, lambda m: m["runs"]["lstm-0"].update(sha256="other"))
        with pytest.raises(IntegrityError, match="SHA-256"):
            open_quickly(folder)
        return
    tree = open_results(folder)
    del tree["provenance"]
    tree.attrs["marked"] = "yes"
    schema.write_tree(tree, folder / "study.nc")
    assert "marked" not in open_quickly(folder).attrs
