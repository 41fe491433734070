"""Figures quoted in a text are those of the evidence it rests on: each sentence is written again from the file and looked for in the page."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import zoneout_lab as zl
from zoneout_lab.results import judge, scalar
from zoneout_lab.results.comparison import Comparison

ROOT = Path(__file__).parents[1]
BENCHMARKS = json.loads((ROOT / "reports" / "benchmarks" / "cpu.json").read_text())
CASES = {case["case"]: case for case in BENCHMARKS["cases"]}
SIZES = ("small", "pmnist", "char_ptb")


@cache
def study(name: str) -> xr.DataTree:
    return zl.open_results(ROOT / "reports" / name / "study.nc")


@cache
def comparisons(name: str) -> dict[str, Comparison]:
    return {judgement.name: judgement.comparison for judgement in judge(study(name))}


def values(name: str, metric: str, arm: str) -> np.ndarray:
    """By seed."""
    found: np.ndarray = scalar(study(name), metric).sel(arm=arm).values
    return found


def minus(text: str) -> str:
    return text.replace("-", "−")


def span(comparison: Comparison, form: str = ".1f", factor: float = 100, *, lower: bool = False) -> str:
    """Its interval, of how much lower the arm is where it is ``lower``."""
    ends = [factor * end for end in comparison.interval]
    ends = [-end for end in reversed(ends)] if lower else ends
    return minus(" to ".join(format(end, form) for end in ends))


def level(comparison: Comparison) -> str:
    return f"{100 * (1 - comparison.alpha):.4g}%"


def bare(value: float, places: int) -> str:
    """Without the zero before the point."""
    return f"{value:.{places}f}".replace("0.", ".", 1)


# -- the benchmark ------------------------------------------------------------------------------------------------------


def peers(peer: str) -> list[dict[str, Any]]:
    return [next(row for row in CASES[size]["peers"] if row["peer"] == peer) for size in SIZES]


def replicas(R: int) -> dict[str, Any]:
    (row,) = [row for row in CASES["replicas"]["replicas"] if row["replicas"] == R]
    return row


def row(label: str, cells: list[str]) -> str:
    return f"| {label} | {' | '.join(cells)} |"


def times(peer: str, *, bold: bool = False, places: int = 1) -> list[str]:
    star = "**" if bold else ""
    first = ".1f" if peer in ("torch", "ours") else ",.0f"
    forms = [first, ",.0f", ",.0f"]
    return [
        f"{star}{each['ratio_to_torch']['median']:.{places}f}{star} ({each['ms']['median']:{form}} ms)"
        for each, form in zip(peers(peer), forms, strict=True)
    ]


def quartiles(peer: str) -> list[str]:
    return [f"{each['ratio_to_torch']['q1']:.2f}–{each['ratio_to_torch']['q3']:.2f}" for each in peers(peer)]


def speed() -> Iterator[str]:
    yield row("`nn.LSTM`, no zoneout: ceiling", times("torch", places=0))
    yield row("`zl.LSTM` with zoneout, masks drawn", times("ours", bold=True, places=2))
    yield row("its quartiles over ten rounds", quartiles("ours"))
    yield row("the usual `nn.LSTMCell` loop with zoneout", times("naive"))
    yield row("that loop, its step compiled by torch", times("compiled"))
    masks = [f"{100 * each['ratio_to_ours']['median']:.0f}%" for each in peers("masks")]
    yield f"Drawing the masks is {masks[0]}, {masks[1]} and {masks[2]} of a step."
    eight = replicas(8)
    yield f"eight replicas take {eight['ratio_to_one_replica']['median']:.2g} times as long as one"
    yield f"and {eight['ratio_to_torch']['median']:.2f} times as long as eight `nn.LSTM` one after another"
    for size in SIZES:
        yield "B {batch}, T {steps}, H {hidden}".format(**CASES[size])


def benchmarks() -> Iterator[str]:
    ours = [
        f"{each['ratio_to_torch']['median']:.2f} ({'quartiles ' if k == 0 else ''}{quartiles('ours')[k]})"
        for k, each in enumerate(peers("ours"))
    ]
    yield f"`zl.LSTM` takes {ours[0]}, {ours[1]} and {ours[2]} of the time that `nn.LSTM` takes"
    loops = [f"{each['ratio_to_ours']['median']:.1f}" for each in peers("naive")]
    yield f"The loop of `nn.LSTMCell` takes {loops[0]}, {loops[1]} and {loops[2]} times as long as `zl.LSTM`"
    small, pmnist, wide = (each["multiple_of_floor"]["median"] for each in peers("ours"))
    yield f"At H 1000 there is little left to gain: the step takes {wide:.2f} times its matrix products."
    yield f"At H 64 and 100 it takes {small:.1f} and {pmnist:.1f} times its products"
    yield f"eight take {replicas(8)['ratio_to_one_replica']['median']:.2g} times as long as one"
    some = [replicas(R)["ratio_to_torch"]["median"] for R in (8, 16, 32)]
    yield f"8 to 32 replicas take {min(some):.2f}–{max(some):.2f} of the time, and 64, whose buffers"
    yield f"that a process keeps, {replicas(64)['ratio_to_torch']['median']:.2f}."
    yield f"At commit `{BENCHMARKS['git'][:7]}`"


# -- the studies --------------------------------------------------------------------------------------------------------


def quickstart() -> Iterator[str]:
    of = comparisons("quickstart")
    noise, helps = of["noise_helps"], of["zoneout_helps"]
    yield f"**{noise.verdict}** — masks drawn anew have a validation error {100 * noise.mean_difference:.1f} points *higher*"
    yield f"({level(noise)} interval {span(noise)})"
    static, lstm = (100 * values("quickstart", "valid_error", arm).mean() for arm in ("static", "lstm"))
    yield f"the best of the six arms here: {static:.1f}% against the LSTM's {lstm:.1f}%"
    assert static == 100 * scalar(study("quickstart"), "valid_error").mean("seed").values.min()
    yield f"**{helps.verdict}** — zoneout (z = .15 for both states) against the plain LSTM: {100 * helps.mean_difference:.2f} percentage points"
    yield f"higher ({level(helps)} interval {span(helps, '.2f')})"
    assert {of[name].verdict for name in set(of) - {"noise_helps"}} == {"inconclusive"}
    status = study("quickstart")["metrics"]["status"]
    yield f"\n{int((status == 'finished').sum())} of {status.size} runs finished."


def mask_sharing() -> Iterator[str]:
    of = comparisons("mask_sharing_pmnist")
    first = of["separate_beats_shared"]
    assert {comparison.verdict for comparison in of.values()} == {"inconclusive"}
    assert len(of) == 3
    yield f"validation error {-100 * first.mean_difference:.2f} percentage points lower, {level(first)} interval {span(first, '.2f')}."
    yield f"{study('mask_sharing_pmnist')['metrics']['status'].size} runs in a few minutes"


def characters() -> Iterator[str]:
    arms = {
        "lstm": ("LSTM", ""),
        "zoneout": ("zoneout, cells .5, hidden .05", "**"),
        "stochastic_depth": ("stochastic depth, .05", ""),
        "weight_noise": ("weight noise, .075", ""),
        "recurrent_dropout": ("recurrent dropout, .25 dropped", ""),
        "norm_stabilizer": ("norm stabilizer, 50", ""),
        "recurrent_dropout_kept": ("recurrent dropout, .25 kept", ""),
    }
    for arm, (label, star) in arms.items():
        train, valid, test, epoch = (
            values("char_ptb_table1", metric, arm).mean()
            for metric in ("train_eval_score", "valid_score", "test_bpc_full", "best_epoch")
        )
        yield row(label, [f"{train:.3f}", f"{star}{valid:.3f}{star}", f"{star}{test:.3f}{star}", f"{epoch:.0f}"])
    of = comparisons("char_ptb_table1")
    assert {comparison.verdict for comparison in of.values()} == {"supported"}
    assert len(of) == 9
    yield f"each at p = {bare(max(comparison.p_adjusted for comparison in of.values()), 3)} or less after Holm"
    gap = {name: bare(-comparison.mean_difference, 3) for name, comparison in of.items()}
    first = of["beats_lstm"]
    yield (
        f"zoneout is {gap['beats_lstm']} bit below the LSTM ({level(first)} interval "
        + " to ".join(bare(-end, 3) for end in reversed(first.interval))
        + f"; margin {bare(first.margin, 2)})."
    )
    yield f"{gap['beats_recurrent_dropout']} below recurrent dropout that drops a quarter, {gap['beats_recurrent_dropout_kept']} below the one"
    yield f"{gap['beats_weight_noise']} below weight noise, {gap['beats_norm_stabilizer']} below the norm stabilizer, and {gap['beats_stochastic_depth']} below"
    yield (
        f"on test, weight noise ({gap['weight_noise_helps']}), the norm stabilizer ({gap['norm_stabilizer_helps']}) and stochastic "
        f"depth ({gap['stochastic_depth_helps']}) each improve"
    )
    tree = study("char_ptb_table1")
    later = zl.compare(tree, "zoneout", "lstm", metric="best_epoch", direction="lower")
    yield f"best epoch {later.mean_difference:.0f} epochs *later* than the LSTM ({level(later)} interval {span(later, '.0f', 1)})"
    drops = zl.compare(tree, "recurrent_dropout", "lstm", metric="valid_score")
    ends = " to ".join(bare(-end, 3) for end in reversed(drops.interval))
    yield f"*drops* a quarter does by {bare(-drops.mean_difference, 3)} ({ends})"
    epochs = values("char_ptb_table1", "best_epoch", "zoneout")
    yield f"(best epochs {epochs.min():.0f} to {epochs.max():.0f} of 100)"


def gradients() -> Iterator[str]:
    name, share = "gradient_flow", "early_third_mass_cell"
    of = comparisons(name)
    percent = {arm: 100 * values(name, share, arm) for arm in study(name)["metrics"]["arm"].values}
    quiet = {arm: 100 * values(name, f"{share}_without_noise", arm).mean() for arm in percent}

    def short(value: float) -> str:
        return f"{value:.2g}" if value >= 0.01 else "0.00"

    labels = {
        "lstm": "LSTM",
        "zoneout": "zoneout on cells",
        "zoneout_hidden": "zoneout on hidden states",
        "hidden_dropout": "dropout on hidden states",
        "recurrent_dropout": "recurrent dropout",
        "forget_bias": "LSTM, forget bias 1.862",
    }
    for arm, label in labels.items():
        yield row(label, [*map(short, percent[arm]), f"{percent[arm].mean():.2g}", f"{quiet[arm]:.2g}"])
    dropped = percent["cell_dropout"]
    yield row("dropout on cells", [*map(short, dropped), f"{dropped.mean():.2g}", f"{quiet['cell_dropout']:.2g}"])
    assert {comparison.verdict for comparison in of.values()} == {"inconclusive"}
    assert len(of) == 7
    assert (percent["zoneout"] > percent["lstm"]).sum() == 8
    assert (percent["recurrent_dropout"] > percent["lstm"]).sum() == 8
    means = {arm: each.mean() for arm, each in percent.items()}
    yield f"{means['zoneout']:.0f}% against {bare(means['lstm'], 1)}% on average, but {percent['zoneout'][7]:.1f}% against {percent['lstm'][7]:.1f}% in seed 7"
    yield f"The {level(of['cells'])} interval of the difference is {span(of['cells'], '.2g')} points"
    yield f"uncorrected, it has p = {bare(of['cells'].p, 3)}"
    memory = of["more_than_memory"]
    yield f"carries {means['forget_bias']:.0f}% ("
    yield f"Zoneout is {100 * memory.mean_difference:.1f} points above it ({span(memory, '.0f')})"
    yield f"zoneout's share is {quiet['zoneout']:.0f}% and recurrent dropout's {quiet['recurrent_dropout']:.0f}%"
    against = of["against_recurrent_dropout"]
    yield f"{-100 * against.mean_difference:.1f} points lower on average, {span(against, '.0f')}"
    errors = 100 * scalar(study(name), "valid_error")
    yield f"every arm is still at {float(errors.min()):.0f} to {float(errors.max()):.0f}% validation error"
    yield f"{errors.size} of {errors.size} runs finished"


def static() -> Iterator[str]:
    for comparison in comparisons("static_identity").values():
        value = abs(comparison.mean_difference)
        yield f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"
    yield span(comparisons("static_identity")["noise_is_essential"], ".3f", 1)
    yield "40 of 40 runs finished"


def units() -> Iterator[str]:
    for comparison in comparisons("per_unit_vs_per_layer").values():
        assert comparison.verdict == "supported"
        yield f"{-comparison.mean_difference:.4f}"
    yield span(comparisons("per_unit_vs_per_layer")["unit_beats_layer"], ".4f", 1, lower=True)
    yield "56 of 56 runs finished"


def gradients_on_a_gpu() -> Iterator[str]:
    name = "gradient_flow_gpu"
    of = list(comparisons(name).values())
    assert {comparison.verdict for comparison in of} == {"inconclusive"}
    share = scalar(study(name), "early_third_mass_cell")
    for arm, against, words in (
        ("zoneout", "lstm", "more of the gradient"),
        ("zoneout", "forget_bias", "less than the LSTM"),
    ):
        difference = 100 * float((share.sel(arm=arm) - share.sel(arm=against)).mean())
        yield f"{abs(difference):.1f} points {words}"
    assert (share.sel(arm="cell_dropout") < share.sel(arm="lstm")).all()
    yield f"{share.size} of {share.size} runs finished"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "docs/speed.md": speed,
    "reports/benchmarks/README.md": benchmarks,
    "reports/quickstart/README.md": quickstart,
    "reports/mask_sharing_pmnist/README.md": mask_sharing,
    "reports/char_ptb_table1/README.md": characters,
    "reports/gradient_flow/README.md": gradients,
    "reports/gradient_flow_gpu/README.md": gradients_on_a_gpu,
    "reports/static_identity/README.md": static,
    "reports/per_unit_vs_per_layer/README.md": units,
}


@pytest.mark.parametrize("page", PAGES)
def test_quoted_figures_are_those_of_the_evidence(page: str):
    text = " ".join((ROOT / page).read_text().split())
    quoted = list(PAGES[page]())
    assert len(quoted) > 1
    assert [sentence for sentence in quoted if " ".join(sentence.split()) not in text] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in (ROOT / page).read_text()])
def test_the_code_that_gives_a_pages_figures_runs(page: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, page, "exec"), {})
    assert len(printed.getvalue()) > 500


def test_every_published_page_with_evidence_is_looked_at():
    evidence = {path.parent.relative_to(ROOT) for path in ROOT.glob("reports/*/study.nc")}
    assert {str(folder / "README.md") for folder in evidence} <= set(PAGES)
