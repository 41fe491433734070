"""The figure: written where it was asked for, with what was measured in it, or refused before anything is timed."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.image as image
import pytest

from zoneout_lab.bench import Case, Measured, Row, Sweep, SweepRow
from zoneout_lab.bench.peers import PEERS
from zoneout_lab.bench.plot import check_target, draw
from zoneout_lab.bench.rounds import ratio, spread
from zoneout_lab.errors import InputRefusedError, UsageError

CASE = Case("pmnist", "for tests", batch=100, steps=784, hidden=100, input=1)


def measured(name: str = "pmnist", factor: float = 1.5) -> Measured:
    theirs, ours = [0.2, 0.21, 0.5], [0.15, 0.16, 0.4]
    floor = [0.05, 0.05, 0.06]
    rows = []
    for k, peer in enumerate(PEERS):
        seconds = theirs if peer.key == "torch" else ours if peer.key == "ours" else [factor**k * s for s in theirs]
        per_timestep = spread([s / 784 for s in seconds])
        rows.append(
            Row(peer.key, peer.name("lstm"), peer.note, tuple(seconds), 1, per_timestep, ratio(seconds, theirs),
                ratio(seconds, ours), ratio(seconds, floor))
        )  # fmt: skip
    case = Case(name, "for tests", 100, 784, 100, 1)
    return Measured(case, tuple(rows), {}, spread(floor), spread([1e11]))


def swept() -> Sweep:
    rows = []
    for R in (1, 4, 16, 32, 64):
        ours, theirs = [0.01 * R**0.6, 0.012 * R**0.6], [0.008 * R, 0.009 * R]
        rows.append(SweepRow(R, tuple(ours), tuple(theirs), ratio(ours, theirs), ratio(ours, [0.01, 0.012]), (1, 1)))
    return Sweep(Case("replicas", "for tests", 32, 100, 64, 64), tuple(rows))


@pytest.mark.parametrize("results", [[measured()], [swept()], [measured(), measured("small", 40.0), swept()]])
@pytest.mark.parametrize("ending", [".png", ".SVG"])
def test_drawn(results, ending, tmp_path):
    path = draw(results, "lstm", tmp_path / f"bench{ending}", caption="this machine")
    if ending == ".png":
        height, width = image.imread(path).shape[:2]
        assert 300 < height < 4000
        assert 300 < width < 4000
        return
    words = re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text())
    assert "this machine" in words
    for result in results:
        assert f"{result.case.name}: {result.case.sizes}" in words
        for row in result.rows if isinstance(result, Measured) else ():
            assert (row.label in words) == (row.peer != "masks")


def test_two_drawings_of_the_same_are_the_same(tmp_path):
    first, second = (draw([measured()], "lstm", tmp_path / f"{k}.svg").read_bytes() for k in "ab")
    assert first == second


def test_a_place_is_checked_and_left_as_it_was(tmp_path):
    assert check_target(tmp_path / "new" / "bench.png") == tmp_path / "new" / "bench.png"
    assert list(tmp_path.rglob("*.png")) == []
    mine = tmp_path / "mine.svg"
    mine.write_text("mine")
    check_target(mine)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["bench.jpeg", "bench", "png"])
def test_endings_that_no_figure_has(name):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        check_target(Path(name))


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "bench.png", tmp_path / "folder.png"):
        with pytest.raises(InputRefusedError, match="Cannot write"):
            check_target(path)
        with pytest.raises(InputRefusedError, match="Cannot write"):
            draw([measured()], "lstm", path)
