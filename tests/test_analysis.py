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
    module["main"](str(exported))
    rows = {line.split()[-5]: line.split()[-4:] for line in capsys.readouterr().out.splitlines() if "0." in line}
    assert {arm: float(cells[2]) for arm, cells in rows.items()} == {"fading": 0.1, "lasting": 0.02}
    shares = {arm: float(cells[0]) for arm, cells in rows.items()}
    expected = (10**0.1) ** np.arange(30)
    assert shares["fading"] == pytest.approx(expected[:10].sum() / expected.sum(), abs=5e-4)
    assert exported.with_name("early_share.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: study"),
        (["{tmp}/absent.nc"], "there is no file"),
        (["{tmp}"], "there is no file"),
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
    with pytest.raises(SystemExit, match="Give one or more"):
        module["main"]([])
