"""What is imported is declared in pyproject.toml, and what is declared is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ALL = [*map(Requirement, chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))]
DISTRIBUTIONS = packages_distributions()

#: extra → the parts of the package that may import what it installs, and nothing else may
OPTIONAL = {
    "tracking": (
        "zoneout_lab/study/tracking.py",
        "zoneout_lab/study/tracked_",
        "zoneout_lab/study/elsewhere_mlflow.py",
    ),
    "parquet": ("zoneout_lab/results/elsewhere/files.py",),
    "gpu": ("zoneout_lab/ops/triton/",),
    "cluster": ("zoneout_lab/engines/cluster", "zoneout_lab/study/cluster_connection.py"),
}
#: installed with the package and imported by another one: who needs it
INDIRECT = {"h5netcdf": "xarray, to read and write netCDF"}
#: commands, stubs and plug-ins, and what only a training function of a test imports
TOOLS = {
    "lightning",
    "pytest-xdist",
    "bandit",
    "pip-audit",
    "ruff",
    "mypy",
    "import-linter",
    "pandas-stubs",
    "scipy-stubs",
    "build",
    "hatchling",
    "sphinx",
    "myst-nb",
    "furo",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str | None = None) -> set[str]:
    """Names in the project's dependencies, or in one of its extras and those it is made of."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    names: set[str] = set()
    for requirement in map(Requirement, lines):
        if normal(requirement.name) == PROJECT["name"]:
            names.update(*map(declared, requirement.extras))
        else:
            names.add(normal(requirement.name))
    return names


def imports(*places: str) -> Iterator[tuple[str, str]]:
    """Third-party packages imported anywhere below these folders, each with the file that imports it."""
    files = [file for place in places for file in sorted((ROOT / place).rglob("*.py"))]
    assert files
    own = {"zoneout_lab", *places, *sys.stdlib_module_names, *(file.stem for file in files)}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            yield from (
                (name.split(".")[0], str(file.relative_to(ROOT))) for name in names if name.split(".")[0] not in own
            )


def distributions(package: str) -> set[str]:
    return {normal(name) for name in DISTRIBUTIONS.get(package, [package])}


def test_what_the_package_imports_is_a_dependency_or_an_extra_of_that_part():
    undeclared = []
    for package, file in imports("zoneout_lab"):
        allowed = declared().union(*(declared(extra) for extra, parts in OPTIONAL.items() if file.startswith(parts)))
        if not distributions(package) & allowed:
            undeclared.append(f"{file} imports {package}")
    assert undeclared == []


def test_what_tests_analyses_and_studies_import_is_in_the_dev_extra():
    allowed = declared() | declared("dev")
    undeclared = {
        f"{file} imports {package}"
        for package, file in imports("tests", "analysis", "studies")
        if not distributions(package) & allowed
    }
    assert undeclared == set()


def test_what_is_installed_with_the_package_is_imported_by_it():
    imported = set().union(*(distributions(package) for package, _ in imports("zoneout_lab")))
    assert declared() - imported == set(INDIRECT)


def test_what_the_dev_extra_brings_is_used():
    imported = set().union(*(distributions(package) for package, _ in imports("zoneout_lab", "tests", "analysis")))
    assert declared("dev") - imported == TOOLS


@pytest.mark.parametrize(
    "line", [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
)
def test_a_constraint_is_of_something_declared_and_within_its_bounds(line: str):
    constraint = Requirement(line)
    bounds = [each for each in ALL if normal(each.name) == normal(constraint.name)]
    assert bounds
    for pinned in (spec.version for spec in constraint.specifier if spec.operator == "=="):
        assert all(bound.specifier.contains(pinned) for bound in bounds)
