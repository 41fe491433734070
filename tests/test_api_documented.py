"""Every public name has a docstring that names each of its arguments, and a place in the reference."""

from __future__ import annotations

import inspect
import pydoc
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zoneout_lab as zl

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MODULES = {name: getattr(zl, name) for name in zl.__all__ if isinstance(getattr(zl, name), ModuleType)}
PUBLIC = {name: getattr(zl, name) for name in zl.__all__ if name not in MODULES}
PUBLIC |= {f"plot.{name}": getattr(zl.plot, name) for name in zl.plot.__all__}


def arguments(thing: Any) -> list[str]:
    """What a caller may give, by name."""
    given = inspect.signature(thing).parameters.values()
    return [each.name for each in given if each.name != "self" and not each.name.startswith("_")]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_names_every_argument(name: str):
    thing = PUBLIC[name]
    text = (vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__) or ""
    assert text.strip(), "an inherited docstring says what another class is"
    explained = r"``{each}``|^ *(?:\w+, )*\**{each}(?:, \w+)*: "
    assert [each for each in arguments(thing) if not re.search(explained.format(each=each), text, re.MULTILINE)] == []


@pytest.mark.parametrize("name", [name for name, thing in PUBLIC.items() if isinstance(thing, type)])
def test_no_argument_of_a_class_hides_behind_others(name: str):
    kinds = [each.kind for each in inspect.signature(PUBLIC[name]).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    assert inspect.Parameter.VAR_POSITIONAL not in kinds


@pytest.mark.parametrize("name", ["Study", "Arm", "Hypothesis", "Tuning", "OnTask", "Setting", "Model", "Training"])
def test_help_shows_annotations_as_they_are_written(name: str):
    text = pydoc.plain(pydoc.render_doc(PUBLIC[name]))
    assert " at 0x" not in text
    shown = inspect.signature(PUBLIC[name]).parameters
    for field, annotation in inspect.get_annotations(PUBLIC[name]).items():
        if field in shown:
            assert f"{field}: {annotation}" in text


def test_the_reference_has_every_public_name_once():
    pages = "\n".join(page.read_text() for page in sorted(REFERENCE.glob("*.md")))
    described = re.findall(r"^\.\. auto(?:class|function):: zoneout_lab\.(\S+)$", pages, re.MULTILINE)
    listed = re.findall(r"^   zoneout_lab\.(\S+)$", pages, re.MULTILINE)
    assert sorted(described) == sorted(listed) == sorted(set(described))
    cells = {
        f"cells.{name}"
        for name in zl.cells.__all__
        if isinstance(getattr(zl.cells, name), type) and getattr(zl.cells, name).__module__ != zl.Cell.__module__
    }
    assert set(described) == {*PUBLIC, *cells}
    assert set(MODULES) == {"cells", "plot"}, "a module of the package needs a page of its own"
