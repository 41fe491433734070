"""A page laid out from its template and sections, and written whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from zoneout_lab import sealed, whole
from zoneout_lab.report import text
from zoneout_lab.report.figures import swatch
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import numbers

_TEMPLATES = Path(__file__).parent / "templates"


def laid_out(template: str, **values: Any) -> str:
    """The page that a template in ``templates/`` makes of ``values``, ``title`` and ``sections`` among them, with the style inside it."""
    text = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    style = Markup(text)  # noqa: S704 # nosec B704 # a file of this package
    return _environment().get_template(template).render(style=style, **values)


def write_page(path: Path, page: str) -> Path:
    """Write a page, whole or not at all, sealed at its end. Raises as :func:`zoneout_lab.whole.write_bytes` does."""
    # a path may hold bytes that do not decode
    whole.write_bytes(path, sealed.sealed(page.encode(errors="backslashreplace"), html=True))
    return path


@cache  # compiling the templates takes a tenth of a second
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=numbers.number, plain=text.plain, words=text.words, legible=text.legible)
    environment.globals.update(swatch=swatch, VERDICTS=VERDICTS, count=text.count, str=str)
    return environment
