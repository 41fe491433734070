"""A section that cannot be made costs the page nothing else, and is said to be missing; what refuses the results is still an error."""

from __future__ import annotations

import pytest

from zoneout_lab.errors import IntegrityError
from zoneout_lab.report import document, write_report
from zoneout_lab.report.sections import answer, arms, runs


@pytest.fixture
def raising(monkeypatch):
    def to(error):
        def build(data):
            raise error

        build.__module__ = arms.__name__
        monkeypatch.setattr(document, "SECTIONS", (answer.build, build, runs.build))

    return to


def test_the_other_sections_stand(studies, tmp_path, raising):
    raising(ValueError("math <domain> error"))
    with pytest.warns(UserWarning, match="The section 'arms' of the report could not be made"):
        page = write_report(studies(measured=(), epochs=3), tmp_path / "r.html").read_text()
    assert "This section could not be made.</strong> ValueError: math &lt;domain&gt; error." in page
    assert '<section id="arms"' in page
    assert '<section id="runs"' in page


def test_results_that_are_refused_make_no_page(studies, tmp_path, raising):
    raising(IntegrityError("damaged"))
    with pytest.raises(IntegrityError):
        write_report(studies(measured=(), epochs=3), tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
