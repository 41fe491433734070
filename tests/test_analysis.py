"""The worked analyses run, and say what the data they are given say."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from zoneout_lab import profiles, schema

ANALYSIS = Path(__file__).parents[1] / "analysis"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Two arms × three seeds whose gradients fade by 0.1 and 0.02 decades a step."""
    runs = []
    for arm, decades in (("fading", 0.1), ("lasting", 0.02)):
        norms = np.broadcast_to(10 ** (decades * np.arange(30)), (1, 2, 2, 30))
        for seed in range(3):
            flow = profiles.gradient_dataset(norms, layers=["l0"], states=["cell", "hidden"])
            run = schema.run_tree(
                run_id=f"{arm}{seed}", arm=arm, seed=seed, status="finished", by_epoch={"valid_error": [0.5]}, at_best={},
                best_epoch=1, measured={"gradients": {1: flow}}, seconds=1.0, provenance={},
            )  # fmt: skip
            runs.append((run, "digest"))
    tree = schema.study_tree(runs, arms=["fading", "lasting"], seeds=range(3), provenance={})
    schema.write_tree(tree, tmp_path / "study.nc")
    return tmp_path / "study.nc"


def test_gradient_flow_reads_an_export_and_finds_how_fast_gradients_fade(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = runpy.run_path(str(ANALYSIS / "gradient_flow.py"))
    module["main"](str(exported), exported.with_name("flow.png"))
    rows = {
        line.split()[-5]: line.split()[-4:] for line in capsys.readouterr().out.splitlines() if line.endswith("0.0")
    }
    assert {arm: float(cells[2]) for arm, cells in rows.items()} == {"fading": 0.1, "lasting": 0.02}
    shares = {arm: float(cells[0]) for arm, cells in rows.items()}
    expected = (10**0.1) ** np.arange(30)
    assert shares["fading"] == pytest.approx(expected[:10].sum() / expected.sum(), abs=5e-4)
    assert exported.with_name("flow.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{tmp}/absent.nc"], "There is no file"),
        (["{tmp}"], "There is no file"),
        (["{tmp}/text.nc"], "cannot be read as an exported study"),
        (["{tmp}/text.nc", "{tmp}/text.nc"], "unrecognized arguments"),
        (["{tmp}/plain.nc"], "holds no gradient flow"),
    ],
)
def test_gradient_flow_says_what_it_needs(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text.nc").write_text("no study")
    plain = schema.study_tree([], arms=["lstm"], seeds=[0], provenance={})
    schema.write_tree(plain, tmp_path / "plain.nc")
    monkeypatch.setattr("sys.argv", ["gradient_flow.py", *(word.format(tmp=tmp_path) for word in words)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ANALYSIS / "gradient_flow.py"), run_name="__main__")
    assert stopped.value.code
    assert said in capsys.readouterr().err + str(stopped.value.code)


def test_own_model_measures_all_three_kinds_of_model(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ANALYSIS / "own_model.py"))["main"]()
    shares = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[1:]]
    plain, by_hand, ours = shares
    assert 0 <= plain < min(by_hand, ours)


def test_studies_are_judged_as_declared_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    published = ANALYSIS.parent / "reports/gradient_flow/study.nc"
    module = runpy.run_path(str(ANALYSIS / "judged_again.py"))
    found = module["table"]([str(published)])
    assert set(found["declared"]) == {"inconclusive"}  # seven hypotheses on plain shares, by Holm
    assert list(found["again"]).count("supported") == 3
    assert found.loc[found["again"] == "supported", "why"].str.startswith("compared as ratios").all()
    module["main"]([str(published)])
    printed = capsys.readouterr().out
    assert "3 of 7 verdicts differ." in printed
    page = (ANALYSIS.parent / "reports/judged_again.md").read_text(encoding="utf-8")
    assert printed.split("\n\n", maxsplit=1)[0].split("\n", 2)[2] in page


@pytest.mark.slow
def test_all_that_is_published_judged_again(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ANALYSIS / "judged_again.py"))["main"]([])
    page = (ANALYSIS.parent / "reports/judged_again.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.splitlines()[:-2] == [line for line in page.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gradient_flow", "zoneout: 0.129, more than lstm in 16 of 20 seeds."),
        (
            "noise_against_identity",
            "contradicted: Evaluated with its own mask, the static arm has a lower score on training data than zoneout.",
        ),
        ("rate_grid", "8 of 12 points of the grid have been run"),
        ("robustness", "Without noise, this much of a perturbation is left on average: lstm 43%, zoneout 38%"),
        ("profile_and_gain", "Across 7 arms (median share, mean gain): ρ = 0.11, p = 0.84"),
        ("learning_curves", "At epochs 31 to 100 zoneout is below lstm"),
        ("judge_a_csv", "The CSV gives the study's verdict on 9 of 9 hypotheses."),
    ],
)
def test_worked_answers_need_no_argument(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [f"{name}.py", "--to", str(tmp_path / "made/figure.png"), "--width", "3.3"])
    runpy.run_path(str(ANALYSIS / f"{name}.py"), run_name="__main__")
    assert said in capsys.readouterr().out
    assert (tmp_path / "made/figure.png").stat().st_size > 5000


def test_a_worked_answer_says_in_a_sentence_that_a_study_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["robustness.py", "nowhere.nc"])
    with pytest.raises(SystemExit, match="nowhere"):
        runpy.run_path(str(ANALYSIS / "robustness.py"), run_name="__main__")


def test_correlations_across_arms_are_tested_over_all_orders_of_the_arms() -> None:
    across_arms = runpy.run_path(str(ANALYSIS / "profile_and_gain.py"))["across_arms"]
    rho, p = across_arms(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert (rho, p) == (pytest.approx(1.0), pytest.approx(2 / 120))  # all arms in order, or all in reverse
