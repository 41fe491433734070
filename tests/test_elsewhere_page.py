"""The page on results from elsewhere: its Python runs, its table is judged, its claims can be declared, its options exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.cli.judge_command import judge
from zoneout_lab.results.elsewhere import read_claims

PAGE = (Path(__file__).parents[1] / "docs" / "elsewhere.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], "elsewhere.md", "exec"), names)
    return names


def test_the_first_example_runs(names):
    first, second = (each.comparison.sentence for each in zl.judge(names["results"]))
    assert first.startswith("Over 8 paired seeds, the test accuracy of no dropout is ")
    assert "contradicted (exploratory" in first
    assert "the test accuracy of no normalisation is" in second
    assert Path("report.html").stat().st_size > 10_000
    names["results"].to_netcdf("results.nc")
    assert zl.judge(zl.open_results("results.nc")) == zl.judge(names["results"])


def test_the_table_and_the_claims_can_be_read(names, tmp_path: Path):
    (tmp_path / "results.csv").write_text(blocks("csv")[0])
    read = zl.results_from(tmp_path / "results.csv", arm="method", metrics={"accuracy": "higher"})
    assert schema.provenance(read, "source")["rows"] == 4
    (tmp_path / "claims.toml").write_text(blocks("toml")[0])
    claims = read_claims(tmp_path / "claims.toml")
    results = zl.results_from(names["table"], arm="method", metrics=claims.metrics, hypotheses=claims.hypotheses)
    assert [each.comparison.verdict for each in zl.judge(results)] == ["supported", "supported"]


def test_the_other_example_calls_what_there_is():
    calls = re.findall(r"zl\.(results_from_\w+)\((.*?)\)", blocks("python")[1], re.DOTALL)
    assert [name for name, _ in calls] == ["results_from_mlflow", "results_from_optuna"]
    known = inspect.signature(zl.results_from).parameters
    for name, arguments in calls:
        own = inspect.signature(getattr(zl, name)).parameters
        assert set(re.findall(r"(\w+)=", arguments)) <= {*known, *own}


def test_its_options_are_those_of_the_command():
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(judge).parameters} | {"--report", "--json"}
    assert set(re.findall(r"--[a-z][a-z-]*", PAGE)) <= known
