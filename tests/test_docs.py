"""The house's papers say what is so: the picture of the layers, the tables of claims and studies, links, versions."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from zoneout_lab.cli.catalogue import studies_of
from zoneout_lab.paper import CLAIMS
from zoneout_lab.study import builtin_studies, load_study

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(
        (part.startswith(".") and part != ".github") or part in ("runs", "node_modules", "_build")
        for part in path.relative_to(ROOT).parts
    )
]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CLAIMS_PAGE = (ROOT / "docs" / "claims.md").read_text()


def picture() -> list[list[str]]:
    """The names on each line of the picture of the layers."""
    (block,) = re.findall(r"```text\n(.*?)```", ARCHITECTURE, re.DOTALL)
    return [re.match(r"\w+( *\| *\w+)*", line)[0].replace(" ", "").split("|") for line in block.splitlines()]


def test_the_picture_is_the_list_of_layers_that_is_checked():
    (layers,) = [each["layers"] for each in PYPROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    checked = [sorted(name.strip().removeprefix("zoneout_lab.") for name in layer.split("|")) for layer in layers]
    assert [sorted(line) for line in picture()] == checked


def test_the_picture_has_every_part_of_the_package_and_no_other():
    files = [*(ROOT / "zoneout_lab").glob("*.py"), *(path.parent for path in (ROOT / "zoneout_lab").glob("*/*.py"))]
    there = {path.stem for path in files if not path.name.startswith("_")}
    assert {name for line in picture() for name in line} == there


def test_the_files_it_names_are_there():
    named = re.findall(r"`([\w/]+(?:\.py|/))`", ARCHITECTURE)
    assert len(named) > 15
    assert [name for name in named if not any((ROOT / folder / name).exists() for folder in (".", "zoneout_lab"))] == []


def test_the_table_of_studies_is_the_catalogue():
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([\d, ]+|none: .*) \|$", CLAIMS_PAGE, re.MULTILINE))
    claims = {
        name: sorted({claim for h in load_study(name).hypotheses for claim in h.claims}) for name in builtin_studies()
    }
    assert {name: [int(n) for n in re.findall(r"\d+", numbers)] for name, numbers in rows.items()} == claims


def test_the_table_of_claims_has_the_papers_words_and_a_command_for_each():
    studies = [load_study(name) for name in builtin_studies()]
    rows = re.findall(r"^\| (\d+) \| (.*) \| `zoneout-lab run (\w+)`(.*) \|$", CLAIMS_PAGE, re.MULTILINE)
    assert {int(number): claim for number, claim, *_ in rows} == CLAIMS
    for number, _, first, others in rows:
        assert [first, *re.findall(r"`(\w+)`", others)] == studies_of(int(number), studies)


def anchors(page: Path) -> set[str]:
    """What a link may name on a page, as the headings' words make it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_pages_looked_at_are_those_of_the_repository():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert {ROOT / name for name in listed.stdout.split()} <= set(PAGES)


def test_the_version_is_the_same_everywhere():
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_the_workflow_runs_every_python_that_is_supported():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    (versions,) = re.findall(r"python: \[(.*)\]", workflow)
    classified = [c.rpartition(" ")[2] for c in PYPROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert re.findall(r"[\d.]+", versions) == classified
    assert "run: .ci/run" in workflow
