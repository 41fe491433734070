"""The report in a real browser: it lays out without a sideways scroll, in the colours asked for, and complains of nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.report import write_across, write_index, write_side_by_side

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (360, 390, 820, 1280, 1920)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

# frames as wide as the screens under test: the report itself runs no script
PROBE = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
addEventListener("load", () => {{
  const seen = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, view = frame.contentWindow;
    return {{
      width: frame.clientWidth,
      content: page.documentElement.scrollWidth,
      ground: view.getComputedStyle(page.body).backgroundColor,
      figures: [...page.querySelectorAll("main svg.plot")].filter(svg => svg.getBoundingClientRect().height > 20).length,
      captions: Math.max(...[...page.querySelectorAll("caption")].map(caption => caption.getBoundingClientRect().right)),
      cells: page.querySelectorAll("table.stack td").length,
      outside: [...page.querySelectorAll("table.stack td > span")].filter(cell => {{
        const at = cell.getBoundingClientRect();
        return at.width === 0 || at.left < 0 || at.right > frame.clientWidth;
      }}).length,
      answer: page.querySelector(".answers").getBoundingClientRect().top,
      text: page.body.innerText.length,
      smallest: Math.min(...[...page.querySelectorAll("figure svg.plot")].map(svg => svg.getBoundingClientRect().width).filter(w => w > 0)),
    }};
  }});
  document.body.replaceChildren(JSON.stringify(seen));
}});
</script>"""


def browse(folder: Path, *flags: str) -> tuple[str, str]:
    """The page's DOM after loading, and what the browser wrote to its log."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            *flags,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("scheme", "ground"), [(1, "rgb(251, 250, 247)"), (0, "rgb(19, 21, 24)")], ids=["light", "dark"]
)
def test_it_fits_every_screen(report_path: Path, tmp_path: Path, scheme: int, ground: str) -> None:
    frames = "".join(
        f'<iframe src="{report_path.as_uri()}" style="border: 0; width: {w}px; height: 900px"></iframe>' for w in WIDTHS
    )
    (tmp_path / "probe.html").write_text(PROBE.format(frames=frames), encoding="utf-8")
    dom, log = browse(
        tmp_path, "--dump-dom", f"--blink-settings=preferredColorScheme={scheme}", (tmp_path / "probe.html").as_uri()
    )
    assert "CONSOLE" not in log, log
    found = re.search(r"\[\{.*\}\]", dom)
    assert found, dom[-2000:]
    seen = json.loads(found[0])
    assert [view["width"] for view in seen] == list(WIDTHS)
    for view in seen:
        assert view["content"] <= view["width"], f"scrolls sideways at {view['width']} px"
        assert view["captions"] <= view["width"], f"a caption is cut off at {view['width']} px"
        assert view["ground"] == ground
        assert view["figures"] >= 3 * 3 + 2 + 10 + 4
        assert view["text"] > 3000
        assert view["cells"] >= 4 * 4 + 3 * 7
        assert view["outside"] == 0, f"numbers of a table lie outside of a screen of {view['width']} px"
        assert view["answer"] < 600, "the answer begins on the first screen"
        assert view["smallest"] >= 300


def test_it_prints(report_path: Path, tmp_path: Path) -> None:
    browse(tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}", report_path.as_uri())
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


WIDE = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
addEventListener("load", () => {{
  const seen = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, width = frame.clientWidth;
    const badges = [...page.querySelectorAll(".badge")].map(badge => badge.getBoundingClientRect());
    return {{
      width, content: page.documentElement.scrollWidth, badges: badges.length,
      outside: badges.filter(badge => badge.left < 0 || badge.right > width).length,
    }};
  }});
  document.body.replaceChildren(JSON.stringify(seen));
}});
</script>"""


def test_the_index_two_results_and_several_tasks_fit_every_screen(study: xr.DataTree, tmp_path: Path) -> None:
    schema.write_tree(study, tmp_path / "one" / "study.nc")
    long = schema.study_of(study) or {}
    other = study.copy()
    words = "word " * 60 + "unbroken" * 40
    hypotheses = [each | {"statement": words} for each in long["hypotheses"]]
    other["provenance"].attrs["study"] = json.dumps(long | {"name": "n" * 64, "title": words, "hypotheses": hypotheses})
    schema.write_tree(other, tmp_path / "two" / "study.nc")
    write_index([tmp_path], tmp_path / "index.html")
    write_side_by_side(tmp_path / "one", tmp_path / "two", tmp_path / "both.html")
    elsewhere = other.copy()
    elsewhere["provenance"].attrs["study"] = json.dumps(schema.study_of(other) | {"task": "./of_my_own.py:" + "T" * 60})
    write_across([other, elsewhere], tmp_path / "tasks.html")
    frames = "".join(
        f'<iframe src="{name}.html" style="border: 0; width: {w}px; height: 900px"></iframe>'
        for name in ("index", "both", "tasks")
        for w in WIDTHS
    )
    (tmp_path / "probe.html").write_text(WIDE.format(frames=frames), encoding="utf-8")
    dom, log = browse(tmp_path, "--dump-dom", (tmp_path / "probe.html").as_uri())
    assert "CONSOLE" not in log, log
    found = re.search(r"\[\{.*\}\]", dom)
    assert found, dom[-2000:]
    seen = json.loads(found[0])
    assert len(seen) == 3 * len(WIDTHS)
    for view in seen:
        assert view["content"] <= view["width"], f"scrolls sideways at {view['width']} px"
        assert view["badges"] >= 6
        assert view["outside"] == 0, f"a verdict lies outside of a screen of {view['width']} px"
