"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

import zoneout_lab

DOCS = Path(__file__).parent
ROOT = DOCS.parent
logger = getLogger(__name__)

project = "zoneout_lab"
author = "the zoneout_lab authors"
version = release = installed_version("zoneout-lab")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # `…` in an example stands for what is left out

# Tutorials are run in a folder of their own, as a reader runs them: in their environment, by the commands that it has
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_merge_streams = True
logging.getLogger("traitlets").setLevel(logging.WARNING)
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
os.environ |= {
    "COLUMNS": "96",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "OMP_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures have them as they are written, see `as_written`
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Class attributes", "Attributes"), ("Options", "Args")]

html_theme = "furo"
html_title = "zoneout_lab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


def links_to_files(app: Sphinx, page: str, source: list[str]) -> None:
    """Links that leave docs/ lead to the files of the clone that the site was built in; the pages keep the links that they have on any forge."""
    here = (DOCS / f"{page}.md").parent
    up = "../" * (3 + page.count("/"))  # from docs/_build/html/

    def link(found: re.Match[str]) -> str:
        path, hash_, anchor = found[1].partition("#")
        target = (here / path).resolve()
        if target.is_relative_to(DOCS) or not target.is_relative_to(ROOT):
            return found[0]
        scheme = "place-in-clone" if hash_ else "file-of-clone"
        return f"]({scheme}:{up}{target.relative_to(ROOT).as_posix()}{hash_}{anchor})"

    source[0] = re.sub(r"\]\((\.\./[^)\s]+)\)", link, source[0])


myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    "file-of-clone": {"url": "{{path}}", "classes": ["file"]},
    "place-in-clone": {"url": "{{path}}#{{fragment}}", "classes": ["file"]},
}


def links_lead_somewhere(app: Sphinx, error: Exception | None) -> None:
    """Sphinx knows its own pages; what leads out of them has to be there too."""
    if error is not None or Path(app.outdir) != DOCS / "_build" / "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        for link in re.findall(r'href="([^"#]+)[^"]*"', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link) and not (page.parent / link.partition("?")[0]).exists():
                logger.warning("%s leads to %s, which is not there", page.name, link)


def as_written(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Signatures with their annotations as the source has them: evaluated, those of studies fill a page."""
    if what not in ("class", "function", "method") or not signature:
        return signature, returns
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return signature, returns
    parameters = [each for each in found.parameters.values() if each.name != "self" and not each.name.startswith("_")]
    result = "" if what == "class" else found.return_annotation
    found = found.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return re.sub(r": '([^']*)'", r": \1", str(found)), result if isinstance(result, str) else returns


def public_names(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """References to public names lead to the reference, whatever module the docstring names them from."""
    for at, line in enumerate(lines):
        lines[at] = re.sub(
            r"`~?zoneout_lab\.[\w.]*?(\w+)`",
            lambda found: f"`~zoneout_lab.{found[1]}`" if found[1] in zoneout_lab.__all__ else found[0],
            line,
        )


def setup(app: Sphinx) -> None:
    app.connect("source-read", links_to_files)
    app.connect("build-finished", links_lead_somewhere)
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-docstring", public_names)
