"""Looks at the data: declared ones end a study early, and what was looked at without being declared is a deviation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_study import ARMS, HELPS, manifest, run, small, snapshot

from zoneout_lab import Arm, Hypothesis, Study, judge, open_results, schema, write_report
from zoneout_lab.cli.status import show_status
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.looks import keep_earlier_looks
from zoneout_lab.study.spec import overridden
from zoneout_lab.study.store import Store
from zoneout_lab.study.takeover import Siblings

LONGER = Arm(name="longer", change={"training.epochs": 2})
#: certainly so, at any seed; and certainly not to be decided
LASTS = Hypothesis(
    name="lasts", statement="It lasts.", arm="longer", against="lstm", metric="epochs_run", direction="higher"
)
SAME = Hypothesis(
    name="alike", statement="It is longer.", arm="zoneout", against="lstm", metric="epochs_run", direction="higher"
)


def looking(*hypotheses: Hypothesis, **fields: Any) -> Study:
    arms = (*ARMS, LONGER)
    defaults = {"arms": arms, "hypotheses": hypotheses, "seeds": 9, "looks": (7, 9)}
    return small({"training.epochs": 1}, **(defaults | fields))


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A study that has its verdict at the first look."""
    # p is .031 there, of .057 that may be spent
    return run(looking(LASTS, alpha=0.1), tmp_path_factory.mktemp("decided"))


def test_a_study_ends_where_every_hypothesis_has_a_verdict(decided, capsys):
    content = manifest(decided.folder)
    assert (decided.planned, decided.trained, content["reached"]) == (21, 21, 7)  # of 27
    (look,) = content["looks"]
    # p = 2/2⁷, and .026 of α may be spent at seven of nine seeds
    assert (look["seeds"], look["hypotheses"]) == (7, [{"name": "lasts", "verdict": "supported", "p": 2 / 2**7}])
    tree = open_results(decided.folder)
    assert list(tree["metrics"]["seed"].values) == list(range(7))
    (judgement,) = judge(tree)
    assert (judgement.comparison.lost, judgement.comparison.absent) == ((), ())
    assert judgement.comparison.verdict == "supported"
    show_status(decided.folder, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["planned"], row["done"], row["missing"]) == (21, 21, 0)


def test_the_same_again_does_nothing(decided):
    before = snapshot(decided.folder)
    assert run(looking(LASTS, alpha=0.1), decided.folder.parent).trained == 0
    assert snapshot(decided.folder) == before


def test_it_goes_on_where_one_has_none(tmp_path):
    """Interrupted on the way to the second look, its results are those of the first."""
    study, said = looking(LASTS, SAME, alpha=0.1), []

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    def say(text: str) -> None:
        said.append(text)
        if "going on" in text:
            watcher.done = stop

    watcher = Watcher(say=say)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, watcher=watcher, force=True)
    folder = tmp_path / study.id
    assert "1 of 2 hypotheses has no verdict at 7 seeds; going on to 9." in said
    assert len(manifest(folder)["runs"]) > 21
    assert open_results(folder)["metrics"].sizes["seed"] == 7
    summary = run(study, tmp_path, force=True)
    assert (summary.planned, summary.failed) == (27, [])
    assert [look["seeds"] for look in manifest(folder)["looks"]] == [7, 9]
    assert open_results(folder)["metrics"].sizes["seed"] == 9
    assert schema.provenance(open_results(folder), "earlier_looks") is None
    before = snapshot(folder)
    assert run(study, tmp_path, force=True).trained == 0
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        ((7,), "last has to be the study's number of seeds, 9"),
        ((9, 7), "have to rise"),
        ((7, 7, 9), "have to rise"),
        ((0, 9), "looks"),
    ],
)
def test_looks_rise_to_the_number_of_seeds(looks, says):
    with pytest.raises(InputRefusedError, match=says):
        looking(LASTS, looks=looks)


def test_looks_need_something_to_judge_and_keep_ids_of_studies_without():
    with pytest.raises(InputRefusedError, match="has none: leave looks out"):
        looking()
    assert "looks" not in looking(LASTS, looks=()).to_json()
    assert looking(LASTS).to_json()["looks"] == [7, 9]
    assert {each.id for each in looking(LASTS).runs()} == {each.id for each in looking(LASTS, looks=()).runs()}


@pytest.mark.parametrize(("seeds", "looks"), [(9, (7, 9)), (8, (7, 8)), (7, (7,)), (5, (5,)), (20, (7, 9, 20))])
def test_another_number_of_seeds_keeps_the_looks_below_it(seeds, looks):
    assert overridden(looking(LASTS), seeds=seeds).looks == looks


@pytest.mark.slow
def test_more_seeds_after_a_verdict_are_a_deviation_with_the_look_before(tmp_path):
    first = run(looking(LASTS, seeds=6, looks=()), tmp_path)
    then = manifest(first.folder)["looks"]
    more = run(looking(LASTS, seeds=7, looks=()), tmp_path)
    assert (more.trained, more.taken) == (3, 18)
    (look,) = schema.provenance(open_results(more.folder), "earlier_looks")
    assert (look["folder"], look["seeds"], look["date"], look["alpha"]) == (first.folder.name, 6, then[0]["date"], 0.05)
    (was,) = look["hypotheses"]
    written = LASTS.model_dump(mode="json") | {"scale": "linear"}
    assert was == written | {"verdict": "supported", "p": 2 / 2**6}
    page = more.report.read_text()
    words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert (
        f"Judged before at 6 seeds ({first.folder.name}, {then[0]['date'][:10]}): It lasts: supported (p = 0.0312)"
        in words
    )
    assert "Looking twice raises the chance of a false verdict above α = 0.05" in words
    assert "Not run as declared" in words
    assert write_report(more.folder, more.folder / "again.html").read_text() == page
    assert "earlier_looks" not in manifest(first.folder)


LOOK = {
    "seeds": 6,
    "date": "2026-01-02T03:04:05+00:00",
    "hypotheses": [{"name": "helps", "verdict": "inconclusive", "p": 0.2}],
}


def folder(out: Path, study: Study, *, runs: bool = True, **content: Any) -> Store:
    """A folder with entries and no files, which nothing here reads."""
    store = Store.open(out, study, data="d", declared=study, overrides=[], command="")
    usual = {"file": "runs/x.nc", "sha256": "0", "phase": "confirm", "status": "finished"}
    store.manifest["runs"] = {each.id: {"arm": each.arm, "seed": each.seed} | usual for each in study.runs() if runs}
    store.manifest |= content
    store.save()
    return store


def earlier(out: Path, study: Study) -> tuple[list[dict[str, Any]], list[str]]:
    store = folder(out, study, runs=False)
    warnings: list[str] = []
    keep_earlier_looks(store, study.runs(), Siblings(out, study.id, "d", warnings.append))
    assert manifest(store.folder) == json.loads(json.dumps(store.manifest))
    return store.manifest.get("earlier_looks", []), warnings


NOW = small(seeds=10, hypotheses=(HELPS,))


@pytest.mark.parametrize(
    ("before", "counts"),
    [
        ({"seeds": 6}, True),
        ({"alpha": 0.1}, True),
        ({"hypotheses": (HELPS.model_copy(update={"direction": "higher"}),)}, True),
        ({"seeds": 6, "name": "other"}, False),
        ({"seeds": 6, "seed": 5}, False),
        ({"seeds": 6, "looks": (3, 6)}, True),
        ({"looks": (6, 10)}, True),
        ({"family": "holm"}, True),
        ({"title": "Another"}, False),
        ({"hypotheses": (HELPS.model_copy(update={"statement": "In other words.", "claims": (16,)}),)}, False),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_which_looks_count(tmp_path, before, counts):
    study = small(**({"seeds": 10, "hypotheses": (HELPS,)} | before))
    sibling = folder(tmp_path, study, looks=[LOOK | {"seeds": study.seeds}])
    found, warnings = earlier(tmp_path, NOW)
    assert [each["folder"] for each in found] == ([sibling.folder.name] if counts else [])
    assert warnings == []


@pytest.mark.parametrize(("looks", "counts"), [((6, 10), False), ((8, 10), True), ((), True)])
def test_a_look_that_was_declared_alike_is_no_deviation(tmp_path, looks, counts):
    folder(tmp_path, small(title="Before", seeds=10, looks=looks, hypotheses=(HELPS,)), looks=[LOOK])
    found, _ = earlier(tmp_path, small(seeds=10, looks=(6, 10), hypotheses=(HELPS,)))
    assert len(found) == counts


def test_looks_before_the_looks_before_are_handed_on(tmp_path):
    oldest = {"folder": "gone-1", "seeds": 3, "date": "2025", "alpha": 0.05, "hypotheses": []}
    mine = oldest | {"folder": NOW.id}
    folder(tmp_path, small(seeds=6, hypotheses=(HELPS,)), looks=[LOOK], earlier_looks=[oldest, mine])
    assert [each["seeds"] for each in earlier(tmp_path, NOW)[0]] == [3, 6]  # the oldest first
    folder(tmp_path, small(seeds=7, hypotheses=(HELPS,)), looks=[], earlier_looks=[oldest])
    assert [each["seeds"] for each in earlier(tmp_path, NOW)[0]] == [3, 6]  # again: none twice


def test_a_study_that_was_judged_itself_learns_of_no_look_after_that(tmp_path):
    folder(tmp_path, NOW, looks=[LOOK | {"seeds": 10}])
    folder(tmp_path, small(seeds=6, hypotheses=(HELPS,)), looks=[LOOK])
    assert earlier(tmp_path, NOW)[0] == []


@pytest.mark.parametrize(
    "damaged", [[None], [{}], [LOOK | {"hypotheses": [{"name": "unknown"}]}], [LOOK | {"seeds": "six"}], 3]
)
def test_damaged_looks_stop_nothing(tmp_path, damaged):
    folder(tmp_path, small(seeds=6, hypotheses=(HELPS,)), looks=damaged)
    found, warnings = earlier(tmp_path, NOW)
    assert found == []
    assert re.search("damaged: its looks cannot be read", warnings[0])


def test_the_seeds_of_the_command_line_say_what_becomes_of_looks(tmp_path):
    from zoneout_lab.cli.options import chosen_study

    file = tmp_path / "mine.py"
    file.write_text(
        "from zoneout_lab import Arm, Hypothesis, Study\n"
        "STUDY = Study(name='mine', title='T', question='Q?', baseline='a', seeds=20, looks=(6, 10, 20), arms=(Arm(name='a'), Arm(name='b')),\n"
        "  hypotheses=(Hypothesis(name='h', statement='H.', arm='b', against='a', metric='valid_score'),))\n"
    )
    study, declared, words, options = chosen_study(str(file), None, None, 12, None, None)
    assert (study.looks, declared.looks, options) == ((6, 10, 12), (6, 10, 20), ["--seeds", "12"])
    assert words == ["seeds: 20 → 12", "looks: 6, 10, 20 → 6, 10, 12"]


def test_a_folder_older_than_looks_was_looked_at_when_its_report_was_written(tmp_path):
    first = run(looking(LASTS, seeds=6, looks=()), tmp_path)
    content = manifest(first.folder)
    del content["looks"]
    (first.folder / "MANIFEST.json").write_text(json.dumps(content))
    more = looking(LASTS, seeds=7, looks=())
    store = Store.open(tmp_path, more, data=content["data"], declared=more, overrides=[], command="")
    siblings = Siblings(tmp_path, more.id, content["data"], print)
    keep_earlier_looks(store, more.runs(), siblings)
    (look,) = store.manifest["earlier_looks"]
    assert (look["seeds"], look["date"], look["hypotheses"][0]["verdict"]) == (6, "", "supported")
    # without a report nobody was told a verdict
    del store.manifest["earlier_looks"]
    (first.folder / "report.html").unlink()
    keep_earlier_looks(store, more.runs(), siblings)
    assert "earlier_looks" not in store.manifest
