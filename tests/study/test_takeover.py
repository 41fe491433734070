"""Runs are found by their identity in the folders beside a study's own, and are not trained again."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_study import ARMS, DIVERGES, HELPS, arrays, assert_same_bits, manifest, run, searching, small, snapshot

from zoneout_lab import Arm, RecurrentDropout, Study, open_results, schema
from zoneout_lab.settings import Run
from zoneout_lab.study import store as stores
from zoneout_lab.study.store import Store
from zoneout_lab.study.takeover import Siblings, take_over
from zoneout_lab.tasks import load_task, make_task

TWO, FOUR = (small(seeds=seeds, gradient_epochs=(1,)) for seeds in (2, 4))


def taken(
    study: Study, out: Path, *, phase: str = stores.CONFIRM, runs: list[Run] | None = None
) -> tuple[Store, list[str]]:
    """A study's folder with all that the others in ``out`` have of it, without training what is missing; and the warnings."""
    data = load_task(make_task(study.task, study.setting().options), None).digest
    store = Store.open(out, study, data=data, declared=study, overrides=[], command="")
    warnings: list[str] = []
    take_over(store, runs or study.runs(), Siblings(out, study.id, data, warnings.append), study.objective, phase=phase)
    assert manifest(store.folder) == json.loads(json.dumps(store.manifest))
    return store, warnings


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = manifest(folder)
    change(content)
    (folder / "MANIFEST.json").write_text(json.dumps(content))


def test_more_seeds_train_only_what_is_missing(ran, copy_of):
    first = copy_of(ran)
    before = snapshot(first)
    more = run(FOUR, first.parent)
    assert (more.planned, more.trained, more.taken) == (8, 4, 4)
    entries = manifest(more.folder)["runs"]
    assert {run_id for run_id, entry in entries.items() if "from" in entry} == {each.id for each in TWO.runs()}
    assert {entry["from"] for entry in entries.values() if "from" in entry} == {first.name}
    own = {run_id: {**entry} for run_id, entry in entries.items() if "from" in entry}
    for entry in own.values():
        assert entry.pop("from") == first.name
    assert own == manifest(first)["runs"]
    assert snapshot(first) == before
    assert_same_bits(arrays(first), {k: v for k, v in arrays(more.folder).items() if k.split("/")[0] in own})
    assert set(open_results(more.folder)["metrics/status"].values.flat) == {"finished"}
    assert [path.name for path in (more.folder / "runs").iterdir() if path.name.startswith(".")] == []
    assert schema.provenance(open_results(more.folder), "taken_over") == {first.name: 4}
    assert first.name in (more.folder / "report.html").read_text()
    assert schema.provenance(open_results(first), "taken_over") is None
    again = snapshot(more.folder)
    assert run(FOUR, first.parent).trained == 0
    assert snapshot(more.folder) == again


def test_a_hypothesis_trains_nothing(ran, copy_of):
    first = copy_of(ran)
    other = run(small(gradient_epochs=(1,), hypotheses=(HELPS,)), first.parent, force=True)
    assert (other.trained, other.taken) == (0, 4)
    assert other.folder != first
    assert HELPS.statement in (other.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"title": "Another"}, 4),
        ({"alpha": 0.01}, 4),
        ({"name": "other"}, 4),
        ({"seeds": 1}, 2),
        ({"seeds": 9}, 4),
        ({"arms": (*ARMS, Arm(name="dropout", regularizer=RecurrentDropout(0.2)))}, 4),
        ({"gradient_epochs": ()}, 0),
        ({"seed": 1}, 0),
        ({"change": {"training.lr": 1e-3}}, 0),
        ({"vary": ("masks",)}, 2),  # those of seed 0
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_numbers_are_a_function_of_decides(ran, copy_of, change, count):
    study = small(**({"gradient_epochs": (1,)} | change))
    store, warnings = taken(study, copy_of(ran).parent)
    assert len(store.manifest["runs"]) == count
    assert {each.id for each in study.runs() if store.has(each)} == set(store.manifest["runs"])
    assert warnings == []


def test_a_file_is_linked_where_that_is_possible_and_copied_elsewhere(ran, copy_of, monkeypatch):
    first = copy_of(ran)
    name = next(entry["file"] for entry in manifest(first)["runs"].values())
    linked = taken(FOUR, first.parent)[0].folder
    assert (linked / name).samefile(first / name)

    def refused(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refused)
    store, warnings = taken(small(title="Copied", gradient_epochs=(1,)), first.parent)
    assert (len(store.manifest["runs"]), warnings) == (4, [])
    assert not (store.folder / name).samefile(first / name)
    assert (store.folder / name).read_bytes() == (first / name).read_bytes()
    for folder in (linked, store.folder):
        assert {path.name for path in (folder / "runs").iterdir()} == {path.name for path in (first / "runs").iterdir()}


def test_a_file_left_behind_is_no_obstacle(ran, copy_of):
    """A driver that died between the files and the manifest, and one that died between a link and its name."""
    first = copy_of(ran)
    store, _ = taken(FOUR, first.parent)
    files = {path.name for path in (store.folder / "runs").iterdir()}
    for name in files:
        os.link(store.folder / "runs" / name, store.folder / "runs" / f".{name}.{os.getpid()}.part")
    store.manifest["runs"] = {}
    store.save()
    assert len(taken(FOUR, first.parent)[0].manifest["runs"]) == 4
    assert {path.name for path in (store.folder / "runs").iterdir()} == files


def test_a_diverged_run_is_taken_over_as_one(with_diverged, copy_of):
    first = copy_of(with_diverged)
    store, _ = taken(small(arms=(*ARMS, DIVERGES), title="Another"), first.parent)
    assert {k: {**v, "from": first.name} for k, v in manifest(first)["runs"].items()} == store.manifest["runs"]


def spoil(folder: Path) -> None:
    file = folder / next(iter(manifest(folder)["runs"].values()))["file"]
    file.write_bytes(file.read_bytes() + b"more")


def swap(folder: Path) -> None:
    """Two runs under each other's names, with right digests."""

    def change(content: dict[str, Any]) -> None:
        one, other = list(content["runs"])[:2]
        content["runs"][one], content["runs"][other] = content["runs"][other], content["runs"][one]

    edit(folder, change)


@pytest.mark.parametrize(
    ("damage", "lost", "says"),
    [
        (spoil, 1, "SHA-256 of .* differs from the manifest"),
        (swap, 2, "is another one"),
        (lambda folder: (folder / "MANIFEST.json").write_text("{"), 4, "cannot be read"),
        (lambda folder: edit(folder, lambda c: c["runs"].update(dict.fromkeys(c["runs"]))), 4, "cannot be read"),
        (lambda folder: edit(folder, lambda c: [e.pop("sha256") for e in c["runs"].values()]), 4, "sha256"),
        (lambda folder: edit(folder, lambda c: [e.update(file="../x.nc") for e in c["runs"].values()]), 4, "outside"),
        (lambda folder: shutil.rmtree(folder / "runs"), 4, None),
        (lambda folder: edit(folder, lambda c: c.update(data="0" * 64)), 4, None),
        (lambda folder: edit(folder, lambda c: c.update(schema=2)), 4, None),
    ],
    ids=["spoilt", "swapped", "no JSON", "no entries", "no digest", "elsewhere", "gone", "other data", "other schema"],
)
def test_a_damaged_folder_stops_no_run(ran, copy_of, damage, lost, says):
    first = copy_of(ran)
    (first.parent / "x.nc").touch()
    damage(first)
    store, warnings = taken(small(title="Another", gradient_epochs=(1,)), first.parent)
    assert len(store.manifest["runs"]) == 4 - lost
    assert len(warnings) == (says is not None)
    assert re.search(says or "", "".join(warnings))
    assert first.name in "".join(warnings) or not says


def test_another_folder_is_asked_where_one_is_damaged(ran, copy_of):
    first = copy_of(ran)
    shutil.copytree(first, first.with_name("zzz-1"))
    spoil(first)
    store, warnings = taken(small(title="Another", gradient_epochs=(1,)), first.parent)
    assert sorted(each["from"] for each in store.manifest["runs"].values()) == [first.name] * 3 + ["zzz-1"]
    assert len(warnings) == 1


def test_trials_of_a_search_are_found_too(tuned, copy_of):
    """Another number of seeds changes no trial; a larger budget goes on from the settings that were tried."""
    first = copy_of(tuned)
    theirs = manifest(first)
    more = run(searching(seeds=3), first.parent)
    assert (more.trained, more.taken) == (3, len(theirs["runs"]))
    ours = manifest(more.folder)
    assert ours["tuning"] == theirs["tuning"]
    assert [sum(e["phase"] == stores.TUNE for e in each["runs"].values()) for each in (ours, theirs)] == [16, 16]


@pytest.mark.parametrize("absolute", [True, False])
def test_a_symbolic_link_is_taken_over_as_the_file_it_leads_to(ran, copy_of, absolute):
    first = copy_of(ran)
    (first / "kept").mkdir()
    for path in sorted((first / "runs").glob("*.nc")):
        target = first / "kept" / path.name
        path.rename(target)
        path.symlink_to(target if absolute else Path("../kept") / path.name)
    store, warnings = taken(FOUR, first.parent)
    assert warnings == []
    assert len(store.manifest["runs"]) == len(TWO.runs())
    assert not any(path.is_symlink() for path in (store.folder / "runs").iterdir())
    shutil.rmtree(first)
    assert (open_results(store.folder)["metrics/status"] == "finished").sum() == len(TWO.runs())
