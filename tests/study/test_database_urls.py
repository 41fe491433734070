"""Places of databases as users name them: what is no URL is refused at once, and no password is shown."""

from __future__ import annotations

import pytest
from small_study import run, small

from zoneout_lab.errors import UsageError
from zoneout_lab.study.databases import reason, without_password


@pytest.mark.parametrize("storage", ["study.db", "./study.db", "nonsense", "nonsense://x", "sqlite:/study.db", ""])
def test_an_invalid_url_is_refused_before_anything_is_written(tmp_path, storage):
    with pytest.raises(UsageError, match=r"--storage sqlite:///.*postgresql://") as refused:
        run(small(seeds=1), tmp_path, storage=storage)
    assert repr(storage) in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    ["postgresql:/me:{}@host/db", "me:{}@host/db", "nonsense://me:{}@host/db", "http:/me:{}@host",
     "mysql+nonsense://me:{}@host:3306/db?charset=utf8", "nonsense://host/db?user=me&password={}"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["storage", "tracking"])
def test_a_refused_url_is_shown_without_its_password(tmp_path, url, where):
    with pytest.raises(UsageError) as refused:
        run(small(seeds=1), tmp_path, **{where: url.format("s3cret")})
    assert repr(url.format("***")) in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg2://me:s3cret@host:5432/db?sslmode=require", "postgresql+psycopg2://me:***@host:5432/db?sslmode=require"),
        ("postgresql://me:s3/cr%40et@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=s3cret&sslpassword=s3cret", "postgresql://host/db?user=me&password=***&sslpassword=***"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Ds3cret%3B", "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D***%3B"),
        ("https://me:s3c@ret@host:5000/a", "https://me:***@host:5000/a"),
        ("http://:s3cret@host", "http://:***@host"),
        *((url, url) for url in ("http://host:5000/a@b", "https://me@host", "sqlite:////a:b/c@d.db", "sqlite:////100%25/x.db", "", "study.db")),
    ],
)  # fmt: skip
def test_what_is_printed_of_a_url_has_no_password(url, shown):
    assert without_password(url) == shown


def test_what_is_said_of_a_failure_has_no_password():
    error = ConnectionError(
        "GET http://me:s3cret@host/api?token=s3cret of 'postgresql://a:s3cret@b' failed: 10:30 me@host"
    )
    assert reason(error) == "GET http://me:***@host/api?token=*** of 'postgresql://a:***@b' failed: 10:30 me@host"
