"""What MLflow shows is what the report uses: each run's values, the verdicts, the arms' means; from its records alone the table can be redone."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from mlflow import MlflowClient
from mlflow.entities import Run
from small_study import ARMS, DIVERGES, HELPS, listening, manifest, run, searching, small

from zoneout_lab import Hypothesis, schema
from zoneout_lab import manifest as manifests
from zoneout_lab.measures import USUAL, EffectiveCarry
from zoneout_lab.results import judge, open_results, scalar
from zoneout_lab.results.arms import arm_values
from zoneout_lab.study import mirror_notes, mirroring, trials
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind
from zoneout_lab.study.patience import nobody_waits
from zoneout_lab.study.run import Summary
from zoneout_lab.study.tracked_content import Content
from zoneout_lab.study.tracked_run import _params
from zoneout_lab.study.tracked_study import NOTE, study_record
from zoneout_lab.study.tracking import publish
from zoneout_lab.study.verify import verify

GRADIENT = Hypothesis(
    name="flows", statement="More | flows.", arm="zoneout", against="lstm", metric="early_third_mass_cell", direction="higher"
)  # fmt: skip
STUDY = small(
    {"training.epochs": 4, "training.lr": 0.05},
    arms=(*ARMS, DIVERGES),
    seeds=2,
    hypotheses=(HELPS, GRADIENT),
    gradient_epochs=(1,),
    measures=(*USUAL, EffectiveCarry()),
)
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return run(STUDY, tmp_path_factory.mktemp("shown") / "runs", tracking="default", force=True)


@pytest.fixture(scope="module")
def tree(ran: Summary) -> xr.DataTree:
    return open_results(ran.folder)


@pytest.fixture
def copy(ran: Summary, tmp_path: Path) -> Path:
    shutil.copytree(ran.folder.parent, tmp_path / "runs")
    return tmp_path / "runs" / ran.folder.name


def url(folder: Path) -> str:
    return sqlite_url(folder.parent / "mlflow.db")


def recorded(folder: Path) -> tuple[Run, dict[str, Run]]:
    """The study's own run, and the others by their ids."""
    client = MlflowClient(tracking_uri=url(folder))
    found = client.search_runs([client.get_experiment_by_name(STUDY.name).experiment_id])
    (parent,) = [each for each in found if "zoneout_lab.run" not in each.data.tags]
    return parent, {each.data.tags["zoneout_lab.run"]: each for each in found if each is not parent}


def test_a_runs_values_are_those_that_the_report_uses(ran, tree):
    _, children = recorded(ran.folder)
    ids = tree["provenance/run_id"]
    last_is_another = 0
    for metric in (
        "valid_error",
        "valid_loss",
        "test_error",
        "early_third_mass_cell",
        "perturbation_cell",
        "mean_carry",
    ):
        values = scalar(tree, metric)
        assert np.isfinite(values.values).sum() == 4  # of three arms one diverges
        for place in np.ndindex(values.shape):
            child = children[str(ids.values[place])]
            shown = child.data.metrics.get(metric, float("nan"))
            assert shown == values.values[place] or (np.isnan(shown) and np.isnan(values.values[place])), metric
            last_is_another += child.data.metrics.get(f"curve/{metric}", shown) != shown
    assert last_is_another > 0


def test_the_table_of_arms_can_be_redone_from_search_runs_alone(ran, tree, monkeypatch):
    """With the lines that docs/tracking.md shows."""
    page = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text()
    lines, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(ran.folder.parent.parent)
    names: dict[str, Any] = {}
    try:
        exec(lines.replace('"quickstart"', f'"{STUDY.name}"').replace("print(table)", ""), names)
    finally:
        mlflow.set_tracking_uri(None)  # which puts it into the environment, too
    table: pd.DataFrame = names["table"]
    rows = {row.arm: row for row in arm_values(tree, "valid_error")}
    assert table["count"].to_dict() == {arm: len(row.values) for arm, row in rows.items()}
    assert table["count"].sum() == 4
    for arm in ("lstm", "zoneout"):
        assert table.loc[arm, ["mean", "low", "high"]].tolist() == pytest.approx([rows[arm].mean, *rows[arm].interval])


def test_the_study_has_the_verdicts_and_the_arms_means(ran, tree):
    parent, _ = recorded(ran.folder)
    metrics = parent.data.metrics
    judged = {each.name: each.comparison for each in judge(tree)}
    assert {name: parent.data.tags[f"verdict.{name}"] for name in judged} == {
        name: each.verdict for name, each in judged.items()
    }
    assert metrics["hypothesis/helps/difference"] == judged["helps"].mean_difference
    assert metrics["hypothesis/helps/p"] == judged["helps"].p
    assert metrics["hypothesis/flows/ratio"] == pytest.approx(np.exp(judged["flows"].mean_difference))
    # two seeds have no interval by flips, and the t interval is shown
    assert [metrics[f"hypothesis/helps/{end}"] for end in ("low", "high")] == list(judged["helps"].t_interval)
    for metric in ("valid_error", "test_error", "early_third_mass_cell"):
        for row in arm_values(tree, metric):
            assert metrics[f"{metric}/{row.arm}/runs"] == len(row.values)
            shown = [metrics.get(f"{metric}/{row.arm}/{key}") for key in ("mean", "low", "high")]
            assert shown == ([row.mean, *row.interval] if row.values else [None] * 3)
    note = parent.data.tags[NOTE]
    assert STUDY.question in note
    assert f"| More \\| flows. | **{judged['flows'].verdict}** |" in note
    assert re.search(r"\n\| zoneout \| [\d.]+ \([−\d.]+ to [\d.]+\) \|", note)


def test_times_versions_and_machine(ran):
    parent, children = recorded(ran.folder)
    spans = []
    for run_id, entry in manifest(ran.folder)["runs"].items():
        record = schema.read_tree(ran.folder / entry["file"])["provenance"]
        said = {key: schema.decoded(record.attrs, key) for key in ("finished", "replicas", "versions", "machine")}
        info, tags = children[run_id].info, children[run_id].data.tags
        assert info.end_time == 1000 * datetime.fromisoformat(said["finished"]).timestamp()
        # of the batch, of which each run has an equal share
        took = 1000 * float(record["seconds"]) * said["replicas"]
        assert info.end_time - info.start_time == pytest.approx(took, abs=1)
        assert children[run_id].data.metrics["seconds"] == float(record["seconds"])
        assert tags["versions.torch"] == said["versions"]["torch"]
        assert tags["machine.processor"] == said["machine"]["processor"]
        spans.append((info.start_time, info.end_time))
    assert parent.info.end_time == max(end for _, end in spans)
    assert parent.info.start_time in {start for start, _ in spans}


@pytest.mark.parametrize("latest", [0, 2])
def test_of_runs_that_were_written_in_one_second_the_files_say_which_was_last(copy, latest):
    content = manifest(copy)
    for number, entry in enumerate(content["runs"].values()):
        tree = schema.read_tree(copy / entry["file"])
        finished = f"2026-01-01T00:00:0{9 if number == latest else number}+00:00"
        tree["provenance"].attrs |= {"finished": f'"{finished}"', "replicas": "1"}
        entry["sha256"] = schema.write_tree(tree, copy / entry["file"])
        entry["written"] = "2026-01-01T00:00:09+00:00"
    _, end = Content(copy, content, nobody_waits).times
    assert end == 1000 * datetime.fromisoformat("2026-01-01T00:00:09+00:00").timestamp()


def test_what_an_earlier_version_recorded_is_brought_up_to_date_once(copy):
    """It had no mark of which values were recorded, its start was when it was recorded, and its values were the last epoch's."""
    before, children = recorded(copy)
    with closing(sqlite3.connect(copy.parent / "mlflow.db")) as database, database:
        database.execute("DELETE FROM tags WHERE key = 'zoneout_lab.values'")
        database.execute("UPDATE latest_metrics SET value = 0.5 WHERE key = 'valid_error'")
    mirror_notes.write(copy, "MLflow", "mlflow.db", "what an earlier version noted", None)
    assert len(behind(copy)) == 1
    (row,) = (row for row in verify(copy) if row.what == "MLflow's database")
    assert (row.damages, row.note) == ((), "lacks 6 of 6 runs: the next run brings it up to date")
    watcher, heard = listening()
    for _ in range(2):
        done = run(STUDY, copy.parent, tracking="default", force=True, watcher=watcher)
        assert (done.trained, done.behind, heard) == (0, [], [])
        parent, after = recorded(copy)
        assert after.keys() == children.keys()
        assert parent.info.run_id != before.info.run_id
        assert {each.data.tags["mlflow.parentRunId"] for each in after.values()} == {parent.info.run_id}
        assert in_mlflow(copy, url(copy)).agrees
    assert publish(copy, url(copy)) == 0


def told(folder: Path) -> Iterator[tuple[str, int]]:
    """How often the study's own run was told each of its metrics."""
    client, (parent, _) = MlflowClient(tracking_uri=url(folder)), recorded(folder)
    for name in parent.data.metrics:
        yield name, len(client.get_metric_history(parent.info.run_id, name))


def test_the_study_follows_its_runs_and_is_told_once_for_each_change(copy):
    first, _ = recorded(copy)
    whole = manifests.read(copy)
    without = {run_id: entry for run_id, entry in whole["runs"].items() if entry["arm"] != "zoneout"}
    (copy / manifests.FILE).write_bytes(manifests.written(whole | {"runs": without}))
    for _ in range(2):
        assert publish(copy, url(copy)) == 0
        parent, _ = recorded(copy)
        assert parent.info.run_id == first.info.run_id
        assert parent.data.tags["verdict.helps"] == "underpowered"
        assert parent.data.metrics["valid_error/zoneout/runs"] == 0
        assert np.isnan(parent.data.metrics["valid_error/zoneout/mean"])  # which was told, and is no longer so
        assert np.isnan(parent.data.metrics["hypothesis/helps/difference"])
        assert in_mlflow(copy, url(copy)).agrees
        assert {many for _, many in told(copy)} == {2}
        time.sleep(0.01)
    (copy / manifests.FILE).write_bytes(manifests.written(whole))
    publish(copy, url(copy))
    parent, _ = recorded(copy)
    assert parent.data.metrics == first.data.metrics
    assert {many for _, many in told(copy)} == {3}


def test_a_verdict_that_is_gone_is_not_shown(copy, monkeypatch):
    entry = next(iter(manifest(copy)["runs"].values()))
    content = manifests.read(copy)
    content["runs"] = {run_id: each for run_id, each in content["runs"].items() if each != entry}
    (copy / manifests.FILE).write_bytes(manifests.written(content))
    monkeypatch.setattr("zoneout_lab.study.tracked_study.judge", lambda _: ())
    publish(copy, url(copy))
    parent, _ = recorded(copy)
    assert [tag for tag in parent.data.tags if tag.startswith("verdict.")] == []


def test_numbers_that_are_others_are_found(copy):
    """Of a run's values, of its curves, and of the study's."""
    _, children = recorded(copy)
    of = {(each.data.params["arm"], each.data.params["seed"]): each for each in children.values()}
    value, curve = of["lstm", "0"], of["zoneout", "1"]
    with closing(sqlite3.connect(copy.parent / "mlflow.db")) as database, database:
        for more, where in (
            (0.001, f"key = 'early_third_mass_cell' AND run_uuid = '{value.info.run_id}'"),
            (0.001, f"key = 'curve/valid_loss' AND run_uuid = '{curve.info.run_id}'"),
            (-0.5, "key = 'hypothesis/helps/p'"),
        ):
            changed = database.execute(f"UPDATE latest_metrics SET value = value + {more} WHERE {where}")
            assert changed.rowcount == 1
    found = in_mlflow(copy, url(copy))
    assert sorted(found.wrong) == sorted([copy.name, *(each.data.tags["zoneout_lab.run"] for each in (value, curve))])
    assert (found.lacking, found.doubled) == ((), ())


def test_two_folders_of_one_search_have_studies_of_their_own(tuned, tmp_path):
    other = Path(shutil.copytree(tuned.folder, tmp_path / "other" / tuned.folder.name))
    (other / manifests.FILE).write_bytes(manifests.written(manifests.read(other) | {"id": "0" * 32}))
    shared = sqlite_url(tmp_path / "shared.db")
    settings = 2 * searching().tuning.trials
    for folder in (tuned.folder, other):
        assert trials.publish(folder, shared) == 6 + settings
    for folder in (other, tuned.folder):
        assert trials.publish(folder, shared) == 0
        assert in_optuna(folder, shared).agrees
    trials.forget(other, shared)
    assert in_optuna(tuned.folder, shared).agrees
    assert len(in_optuna(other, shared).lacking) == 22


def test_runs_of_a_training_function_have_its_params():
    spec = {"params": {"lr": 0.1, "seed": 7, "model": {"width": 3}, "a@b": 1}, "seeds": {"init": 1}, "task": None}
    assert _params(spec, {"arm": "full", "seed": 0}) == {
        "lr": "0.1",
        "model.width": "3",
        "a_b": "1",
        "params.seed": "7",
        "arm": "full",
        "seed": "0",
        "seeds.init": "1",
    }


def test_a_description_stays_below_what_mlflow_keeps(tree, ran):
    content = manifest(ran.folder)
    content["study"] = content["study"] | {"question": "Why? " * 1420}
    note = study_record(content, tree).tags[NOTE]
    assert len(note) <= 8000
    assert "The report has more rows." in note


def test_a_study_that_cannot_be_read_is_recorded_all_the_same(copy):
    (copy / "study.nc").unlink()
    runs = list(manifest(copy)["runs"].values())
    file = copy / runs[-1]["file"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Exception, match="SHA-256"):
        publish(copy, sqlite_url(copy.parent / "new.db"))
    client = MlflowClient(tracking_uri=sqlite_url(copy.parent / "new.db"))
    found = client.search_runs([client.get_experiment_by_name(STUDY.name).experiment_id], "tags.status = 'finished'")
    assert all("valid_error" in each.data.metrics for each in found)
    assert len(found) >= 3


def test_a_run_past_the_last_look_that_counts_has_no_value(copy):
    """It is not in the report, and must not be in a table that is redone."""
    (copy / manifests.FILE).write_bytes(manifests.written(manifests.read(copy) | {"reached": 1}))
    publish(copy, url(copy))
    _, children = recorded(copy)
    for child in children.values():
        assert any(name.startswith("curve/") for name in child.data.metrics) or child.data.tags["status"] == "diverged"
        shown = "valid_error" in child.data.metrics
        assert shown == (child.data.params["seed"] == "0" and child.data.tags["status"] == "finished")
    assert in_mlflow(copy, url(copy)).agrees


def test_the_layout_is_part_of_what_a_folder_notes(copy, monkeypatch):
    assert behind(copy) == []
    monkeypatch.setattr(mirroring, "_LAYOUT", 3)
    assert len(behind(copy)) == 2
