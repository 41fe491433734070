"""Two results of one study beside each other: matched by hypothesis, what differs, and what may not be concluded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report import write_side_by_side
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.side_by_side import _lead
from zoneout_lab.report.two_results import conclusions, differing, matched
from zoneout_lab.results import judge
from zoneout_lab.results.builds import split_variance

TWO = {"lstm": "LSTM", "zoneout": "Zoneout"}
RUN = {"epochs": 4, "steps": 6}


@pytest.fixture(scope="module")
def one(studies: Callable[..., xr.DataTree]) -> xr.DataTree:
    return studies(arms=TWO, seeds=8, skip=(), diverged=(), **RUN)


def rebuilt(tree: xr.DataTree, noise: float = 0.006, *, files: str = "b", seed: int = 1) -> xr.DataTree:
    """The same study as another build would have trained it: errors that differ by noise, in other files."""
    rng = np.random.default_rng(seed)
    copy = tree.copy(deep=True)
    metrics = copy["metrics"].to_dataset()
    for name in ("valid_error", "test_error"):
        metrics[name] = (metrics[name].dims, metrics[name].values + noise * rng.normal(size=metrics[name].shape), metrics[name].attrs)  # fmt: skip
    record = copy["provenance"].to_dataset()
    record["sha256"] = record["sha256"].copy(data=np.char.add(files, record["sha256"].values.astype(str)))
    groups = {f"/{name}": group.to_dataset() for name, group in tree.children.items()}
    whole = xr.DataTree.from_dict(groups | {"/metrics": metrics, "/provenance": record})
    whole.attrs.update(tree.attrs)
    return whole


def recorded(tree: xr.DataTree, **changes: Any) -> xr.DataTree:
    """Results with other records of where they come from."""
    copy = tree.copy(deep=True)
    copy["provenance"].attrs.update({key: json.dumps(value) for key, value in changes.items()})
    return copy


def asking(tree: xr.DataTree, **changes: Any) -> xr.DataTree:
    """Results of a study with another record of itself."""
    return recorded(tree, study=(schema.study_of(tree) or {}) | changes)


def page(one: xr.DataTree, other: xr.DataTree, folder: Path) -> Element:
    return parse(write_side_by_side(one, other, folder / "two.html").read_text(encoding="utf-8"))


def read(*trees: xr.DataTree) -> list[ReportData]:
    return [ReportData.read(tree) for tree in trees]


def notes(one: xr.DataTree, other: xr.DataTree) -> list[str]:
    data = read(one, other)
    return conclusions(data[0], data[1], matched(data[0], data[1]))


def test_both_verdicts_and_outcomes_stand_in_the_row_of_each_hypothesis(one: xr.DataTree, tmp_path: Path) -> None:
    other = rebuilt(one, 0.2)
    verdicts = [[judgement.comparison.verdict for judgement in judge(tree)] for tree in (one, other)]
    assert verdicts[0] != verdicts[1]
    apart = sum(mine != theirs for mine, theirs in zip(*verdicts, strict=True))
    (answer,) = page(one, other, tmp_path).find("section", id="summary")
    assert f"Of 3 hypotheses, {apart}" in answer.find("p", class_="lead")[0].text
    rows = answer.find("div", class_="pair")
    for place, row in enumerate(rows):
        badges = [(badge.attributes["class"] or "").split()[-1] for badge in row.find("span", class_="badge")]
        assert badges == [verdicts[0][place], verdicts[1][place]]
        shorts = [judge(tree)[place].comparison.short for tree in (one, other)]
        assert [words.text for words in row.find("p", class_="outcome")] == [" ".join(s.split()) for s in shorts]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (
            ("underpowered inconclusive", "inconclusive inconclusive"),
            "Each of the 2 hypotheses is open in both results.",
        ),
        (("supported inconclusive", "inconclusive underpowered"), "Of 2 hypotheses, 1 has different verdicts"),
        (("supported supported", "underpowered inconclusive"), "Of 2 hypotheses, none is decided in one"),
        (("supported supported", "equivalent equivalent"), "Both hypotheses have the same verdict in both."),
        (("inconclusive underpowered",), "The hypothesis is open in both results."),
    ],
)
def test_two_open_verdicts_are_no_disagreement(one: xr.DataTree, verdicts: tuple[str, ...], said: str) -> None:
    data = read(one, one)
    first = matched(*data)[0]

    def put(judgement: Any, verdict: str) -> Any:
        return dataclasses.replace(judgement, comparison=dataclasses.replace(judgement.comparison, verdict=verdict))

    pairs = [each.split() for each in verdicts]
    assert _lead(
        [dataclasses.replace(first, one=put(first.one, a), other=put(first.other, b)) for a, b in pairs]
    ).startswith(said)


def test_both_effects_are_on_one_axis_and_in_one_table(one: xr.DataTree, tmp_path: Path) -> None:
    other = rebuilt(one)
    whole = page(one, other, tmp_path)
    (plot,) = whole.find("section", id="differences")[0].find("svg")
    words = plot.find("desc")[0].text
    for place in (1, 2, 3):
        for called in "AB":
            assert f"{place} {called}. " in words
    (table,) = whole.find("section", id="numbers")[0].find("table")
    for place, body in enumerate(table.find("tbody")):
        for tree, row in zip((one, other), body.find("tr"), strict=True):
            c = judge(tree)[place].comparison
            shown = [float(each.attributes["value"] or "") for each in row.find("data")]
            assert shown[:3] == [len(c.seeds), c.mean_difference, (c.inner if c.direction == "same" and c.verdict != "contradicted" else c.interval)[0]]  # fmt: skip


def test_hypotheses_that_differ_are_refused_and_named(one: xr.DataTree, tmp_path: Path) -> None:
    hypotheses = (schema.study_of(one) or {})["hypotheses"]
    other = asking(
        one,
        hypotheses=[hypotheses[0] | {"margin": 0.01}, hypotheses[1] | {"name": "new"}, hypotheses[2] | {"direction": "lower"}],
    )  # fmt: skip
    with pytest.raises(InputRefusedError) as refused:
        write_side_by_side(one, other, tmp_path / "two.html")
    for words in (
        "only A has 'h1'",
        "only B has 'new'",
        "'h0' has margin 0.005 in A and 0.01 in B",
        "'h2' has direction higher in A and lower in B",
    ):
        assert words in str(refused.value)
    assert not (tmp_path / "two.html").exists()


def test_prose_order_and_what_goes_without_saying_make_no_other_hypothesis(one: xr.DataTree) -> None:
    hypotheses = (schema.study_of(one) or {})["hypotheses"]
    other = asking(
        one, hypotheses=[h | {"statement": "In other words", "scale": "linear"} for h in reversed(hypotheses)]
    )
    assert [(m.one.name, m.other.name, m.places) for m in matched(*read(one, other))] == [
        ("h0", "h0", (1, 3)),
        ("h1", "h1", (2, 2)),
        ("h2", "h2", (3, 1)),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_results_without_hypotheses_are_refused(one: xr.DataTree, tmp_path: Path, which: int) -> None:
    none = asking(one, hypotheses=[])
    pair = [(none, one), (one, none), (none, none.copy())][which]
    with pytest.raises(InputRefusedError, match="neither" if which == 2 else "one of these"):
        write_side_by_side(pair[0], pair[1], tmp_path / "two.html")


def test_the_same_results_twice_are_refused(one: xr.DataTree, tmp_path: Path) -> None:
    schema.write_tree(one, tmp_path / "study.nc")
    with pytest.raises(InputRefusedError, match="Both results"):
        write_side_by_side(tmp_path / "study.nc", tmp_path / "." / "study.nc", tmp_path / "two.html")


def test_other_builds_are_replicates_within_a_seed_and_never_pooled(one: xr.DataTree) -> None:
    other = rebuilt(one, 0.02)
    said = notes(one, other)
    assert "replicates within a seed: together they are 8 seeds and not 16" in said[0]
    assert "are never pooled" in said[0]
    shares = [split.fraction_of_builds for split in split_variance([one, other], "test_error")]
    assert max(shares) - min(shares) > 0.02
    assert f"{100 * min(shares):.0f}% to {100 * max(shares):.0f}% of that of test error" in said[1]
    assert "does not show that the two results differ" not in " ".join(said)


@pytest.mark.parametrize(("noise", "rounding", "said"), [(0.08, True, True), (0.08, False, False), (1e-6, True, False)])
def test_a_bound_within_the_noise_of_builds_says_so(
    one: xr.DataTree, tmp_path: Path, noise: float, rounding: bool, said: bool
) -> None:
    other = rebuilt(one, noise)
    text = page(one, other if rounding else asking(other, seed=7), tmp_path).find("section", id="summary")[0].text
    assert ("another build could turn the verdict" in text) == said


def test_seeds_of_either_are_counted_once(one: xr.DataTree, studies: Callable[..., xr.DataTree]) -> None:
    fewer = rebuilt(studies(arms=TWO, seeds=6, skip=(), diverged=(), **RUN))
    said = notes(fewer, one)
    assert "with 6 seeds in common" in said[0]
    assert "together they are 8 seeds and not 14" in said[0]


def test_shared_runs_are_no_repetition(one: xr.DataTree) -> None:
    said = notes(one, one.copy())
    assert "The two share 8 runs, of 8 in A and 8 in B" in said[0]  # digests of the made-up study differ by seed alone
    assert "replicates" not in " ".join(said)
    assert "variance" not in " ".join(said)


def test_seeds_from_another_number_are_independent(one: xr.DataTree) -> None:
    said = notes(one, asking(rebuilt(one), seed=7))
    assert "independent of each other" in said[0]
    assert "variance" not in " ".join(said)


def test_another_setting_is_not_tested_by_either(one: xr.DataTree) -> None:
    study = schema.study_of(one) or {}
    longer = study["setting"] | {"training": study["setting"]["training"] | {"epochs": 24}}
    said = notes(one, asking(rebuilt(one), setting=longer))
    assert "trained otherwise" in said[0]
    assert "variance" not in " ".join(said)
    elsewhere = recorded(rebuilt(one), data=[{"digest": "other"}])
    assert "trained otherwise" in notes(one, elsewhere)[0]


def test_verdicts_that_differ_are_no_difference_shown(one: xr.DataTree) -> None:
    assert any("does not show that the two results differ" in note for note in notes(one, rebuilt(one, 0.2)))


def test_what_differs_is_listed_and_nothing_else(one: xr.DataTree) -> None:
    study = schema.study_of(one) or {}
    assert differing(*read(one, one)) == []
    other = recorded(
        asking(rebuilt(one), family="joint", setting=study["setting"] | {"options": {"permute": False}}),
        versions=[{"python": "3.12.4", "torch": "2.13.0", "numpy": "2.3.1", "zoneout_lab": "0.1.0"}],
        machine=[{"system": "Linux", "processor": "arm64", "cores": 2}],
        engine=["triton"],
        overrides=["options.permute: true → false"],
    )
    assert differing(*read(one, other)) == [
        ("how hypotheses are judged", "Holm, absence two-sided, α = 0.05", "flips of whole seeds, jointly, absence one-sided, α = 0.05"),
        ("deviations from the declaration", "none", "options.permute: true → false"),
        ("setting · options · permute", "yes", "no"),
        ("version of torch", "2.12.0", "2.13.0"),
        ("machine · processor", "x86_64", "arm64"),
        ("recurrences computed by", "cpu (compiled)", "triton"),
    ]  # fmt: skip


def test_it_is_the_same_page_again_with_unique_ids(
    one: xr.DataTree, tmp_path: Path, drawn_anew: Callable[[], None]
) -> None:
    other = rebuilt(one)
    first = write_side_by_side(one, other, tmp_path / "a.html").read_bytes()
    drawn_anew()
    assert write_side_by_side(one, other, tmp_path / "b.html").read_bytes() == first
    assert b"default-src 'none'" in first
    assert b"<script" not in first
    ids = [e.attributes["id"] for e in parse(first.decode()).find() if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def test_hostile_words_stay_words(one: xr.DataTree, tmp_path: Path) -> None:
    words = 'שלום <b>x</b> \x1b[31m \ud800 "' + "long " * 60
    hypotheses = [h | {"statement": words} for h in (schema.study_of(one) or {})["hypotheses"]]
    trees = [recorded(asking(tree, hypotheses=hypotheses, title=words, question=words), command=f"{k} {words}") for k, tree in enumerate((one, rebuilt(one)))]  # fmt: skip
    text = write_side_by_side(trees[0], trees[1], tmp_path / "two.html").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert not parse(text).find("b")
