"""Curves as differences from the baseline: what is compared, what is left out, and words that claim what each method can."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import stats
from zoneout_lab.report import write_report
from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.curve_differences import claims, compare_curves
from zoneout_lab.report.figures.bands import MOST_BANDS, Strand, bands
from zoneout_lab.report.figures.lines import as_lines

ARMS = (Arm("lstm", "LSTM", Style(0), baseline=True), Arm("z", "Zoneout", Style(1)), Arm("d", "Dropout", Style(2)))


def curves(seeds: int = 8, steps: int = 30) -> np.ndarray:
    """[arm, seed, step]: the second arm twice the baseline at the first ten steps, the third the same as the baseline but for noise."""
    rng = np.random.default_rng(0)
    of_seed = np.exp(rng.normal(size=(1, seeds, 1)))
    values = of_seed * np.exp(0.05 * rng.normal(size=(3, seeds, steps)))
    values[1, :, :10] *= 2
    return values


def compared(values: np.ndarray, **options):
    return compare_curves(np.arange(float(values.shape[-1])), values, ARMS, noun="timestep", **options)


def test_ratios_are_paired_by_seed_and_their_geometric_mean_is_drawn() -> None:
    values = curves()
    result = compared(values, ratio=True)
    zoneout, dropout = result.differences
    np.testing.assert_allclose(zoneout.strand.mean, np.log(values[1] / values[0]).mean(0))
    band = stats.simultaneous_band(np.log(values[1] / values[0]))
    np.testing.assert_allclose(zoneout.strand.low, band.low)
    assert zoneout.where == "higher at timesteps 0–9"
    assert np.flatnonzero(zoneout.strand.named).tolist() == list(range(10))
    assert (dropout.where, dropout.pairs) == ("", 8)
    linear = compared(values).differences[0]
    np.testing.assert_allclose(linear.strand.mean, (values[1] - values[0]).mean(0))


def test_one_run_that_underflows_leaves_a_timestep_out_for_every_arm() -> None:
    values = curves()
    values[2, 3, 4] = 2.0**-126
    result = compared(values, ratio=True)
    assert (result.left_out, result.steps) == (1, 30)
    for difference in result.differences:
        assert np.flatnonzero(np.isnan(difference.strand.mean)).tolist() == [4]
    assert result.differences[0].where == "higher at timesteps 0–3 and 5–9"
    assert compared(values).left_out == 0


def test_shares_are_left_out_where_the_norms_they_were_made_of_underflow() -> None:
    values, norms = curves(), curves()
    norms[0, 0, 20:] = 1e-40
    result = compared(values, ratio=True, norms=norms)
    assert result.left_out == 10
    assert np.isnan(result.differences[0].strand.mean[20:]).all()


def test_runs_that_diverged_or_are_missing_are_in_no_pair_and_decide_nothing() -> None:
    values = curves()
    ended = np.zeros((3, 8), bool)
    ended[1, 0] = True
    values[1, 0, 5:] = np.nan
    values[0, 1] = np.nan  # no baseline at this seed: the other arms' runs are in no pair either
    values[2, 1, 3] = np.nan
    result = compared(values, ended=ended)
    assert result.left_out == 0
    assert [difference.pairs for difference in result.differences] == [6, 7]
    np.testing.assert_allclose(result.differences[0].strand.mean, (values[1] - values[0])[2:].mean(0))


def test_neighbours_are_averaged_before_anything_is_compared() -> None:
    result = compared(curves(steps=250), ratio=True)
    assert (result.block, result.x.size) == (3, 84)
    assert result.differences[0].where == "higher at timesteps 0–11"  # the fourth point reaches to the twelfth timestep


@pytest.mark.parametrize(
    ("seeds", "band", "word"), [(8, True, "higher"), (5, True, "not with 5 pairs"), (4, False, "not with 4")]
)
def test_few_pairs_get_what_they_can_support(seeds: int, band: bool, word: str) -> None:
    difference = compared(curves(seeds), ratio=True).differences[0]
    assert np.isfinite(difference.strand.low).all() == band
    where, somewhere = claims(difference, "timestep", 0.05)
    assert where.startswith(word)
    assert ("differs somewhere (p = 0.00781); this does not say where" in somewhere) == (seeds == 8)


def test_bars_mark_the_steps_that_are_named_and_no_others() -> None:
    x, zero = np.arange(10.0), np.zeros(10)
    strand = Strand(ARMS[1], zero, zero - 1, zero + 1, x < 4)
    panel = bands("b", x, [strand], title="T", description="D", xlabel="step", ylabel="")
    (bar,) = re.findall(r'<path[^>]*d="([^"]*)"[^>]*stroke-width: 3.2', panel.svg)
    ends = [float(found) for found in re.findall(r"[ML]([\d.]+) ", bar)]
    (mean,) = re.findall(r'<path[^>]*d="([^"]*)"[^>]*stroke-width: 2.2', panel.svg)
    whole = [float(found) for found in re.findall(r"[ML]([\d.]+) ", mean)]
    assert ends[0] == whole[0]
    assert (ends[-1] - ends[0]) / (whole[-1] - whole[0]) == pytest.approx(3 / 9, abs=0.01)


def test_nothing_is_compared_without_a_baseline() -> None:
    arms = [Arm("a", "A", Style(0)), Arm("b", "B", Style(1))]
    assert compare_curves(np.arange(30.0), curves()[:2], arms, noun="epoch") is None
    assert compare_curves(np.arange(30.0), curves()[:1], ARMS[:1], noun="epoch") is None


@pytest.fixture(scope="module")
def page(report_path: Path) -> Element:
    return parse(report_path.read_text(encoding="utf-8"))


def test_the_report_says_what_is_claimed(page: Element) -> None:
    section = page.find("section", id="gradients")[0]
    text = section.text
    assert "the whole curve lies in it with 95% confidence" in text
    assert "differs somewhere (p = " in text
    assert "this does not say where" in text
    assert "so this is exploratory" in text
    said = next(d.text for d in section.find("desc") if "mean ratio to LSTM by timestep" in d.text)
    first, last = map(float, re.findall(r"Recurrent dropout: from ([\d.]+) to ([\d.]+),", said)[0])
    assert first > 1 > last > 0, "a flatter profile: more of the gradient early, less of it late"
    table = next(table for table in section.find("table") if "Where shares" in table.text)
    assert [head.text for head in table.find("th", scope="col")] == [
        "arm",
        "curve",
        "pairs",
        "where (max-T)",
        "anywhere (clusters)",
    ]
    assert {row.find("td")[1].text for row in table.find("tbody")[0].find("tr")} == {"9", "10"}, (
        "one run is missing, one diverged"
    )


def test_every_arm_but_the_baseline_is_in_the_table_and_so_many_are_drawn(
    studies: Callable[..., xr.DataTree], tmp_path: Path
) -> None:
    arms = {f"a{k}": f"Arm {k}" for k in range(9)}
    tree = studies(arms=arms, seeds=6, epochs=6, measured=(), skip=(), diverged=())
    section = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8")).find("section", id="curves")[0]
    titles = [title.text for title in section.find("title")]
    assert titles.count("Validation error") == 1 + 2
    assert "2 more arms are in the table only" in section.text
    assert len(section.find("ul", class_="legend")[1].find("li")) == 2 * MOST_BANDS
    assert len(section.find("tbody")[0].find("tr")) == 3 * 8


def test_above_thirty_seeds_distributions_are_drawn(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    assert as_lines(2, 30)
    assert not as_lines(2, 31)
    assert not as_lines(9, 9)
    arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
    tree = studies(arms=arms, seeds=31, epochs=6, measured=(), skip=(), diverged=())
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "middle half of the seeds and, fainter, the middle 90%" in page.find("section", id="curves")[0].text
