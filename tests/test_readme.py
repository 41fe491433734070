"""What the README says is so: its examples run, its table of studies is the catalogue's, its files are there."""

import re
from pathlib import Path

import pytest

from zoneout_lab.cli.catalogue import studies_of
from zoneout_lab.paper import CLAIMS
from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.design import check_design, check_metrics

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_example_runs_and_prints_a_profile(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PYTHON[0], "README", "exec"), {})
    shares = [float(word) for word in re.findall(r"[\d.]+(?:e-?\d+)?", capsys.readouterr().out)]
    assert len(shares) == 20
    assert sum(shares) == pytest.approx(1, abs=1e-6)


def test_the_example_study_fits_together_and_can_answer(tmp_path: Path) -> None:
    (block,) = [code for code in PYTHON if "STUDY = " in code]
    path = tmp_path / "hidden_rates.py"
    path.write_text(block)
    study = load_study(path)
    check_metrics(study.settled())
    assert check_design(study) is None
    assert {run.setting.model.cell for run in study.runs()} == {"gru"}


def test_its_table_of_studies_is_the_catalogue() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([\d, ]+) \|$", README, re.MULTILINE))
    claims = {
        name: sorted({claim for h in load_study(name).hypotheses for claim in h.claims}) for name in builtin_studies()
    }
    assert {name: [int(n) for n in numbers.split(",")] for name, numbers in rows.items()} == claims


def test_its_table_of_claims_names_a_command_for_each() -> None:
    studies = [load_study(name) for name in builtin_studies()]
    rows = re.findall(r"^\| (\d+) \| (.*) \| `zoneout-lab run (\w+)`(.*) \|$", README, re.MULTILINE)
    assert {int(number): claim for number, claim, *_ in rows} == CLAIMS
    for number, _, first, others in rows:
        assert [first, *re.findall(r"`(\w+)`", others)] == studies_of(int(number), studies)


def test_files_it_links_to_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
