"""What is secret in a URL or in the environment is in nothing that is printed."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from zoneout_lab.passwords import remember, scrubbed

SECRET = "s3cr:t/p@ss&w"
QUOTED = quote(SECRET, safe="")
URLS = [
    f"postgresql://me:{QUOTED}@host:5432/db",
    f"postgresql+psycopg://me:{QUOTED}@[fe80::1]:5432/db?sslmode=require",
    f"postgresql://host/db?user=me&password={QUOTED}",
    f"https://me:{QUOTED}@host:5000/a@b",
    f"https://host:5000/?access_token={QUOTED}",
    f"https://host/?api_key={QUOTED}#x",
    f"https://account.blob/x?sv=1&sig={QUOTED}",
    f"mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D{QUOTED.replace('%', '')}%3B",
]
# as drivers, MLflow, requests and SQLAlchemy have it in their messages
MESSAGES = [
    "{url}",
    "Could not connect to {url}: refused",
    "HTTPConnectionPool(host='host', port=80): Max retries exceeded with url: {url} (Caused by …)",
    "connection string 'host=h password={quoted} user=me'",
    'FATAL: authentication failed for "me" with "{secret}"',
    "secret is {secret}; quoted {quoted}",
    "Traceback …\n    create_engine('{url}')\nValueError: {secret}",
]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("url", URLS)
def test_in_no_message(url, message):
    secret = SECRET if QUOTED in url else QUOTED.replace("%", "")
    remember(url)
    text = scrubbed(message.format(url=url, secret=secret, quoted=quote(secret, safe="")))
    assert "***" in text
    for part in ("s3cr", "p@ss", "ss&w", "ss%26w"):
        assert part not in text


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD"])
def test_what_the_environment_keeps(monkeypatch, name):
    monkeypatch.setenv(name, "hidden-in-here-1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hidden-in-here-2@host")
    assert scrubbed("(hidden-in-here-1), hidden-in-here-2!") == "(***), ***!"
    assert scrubbed("Authorization: Bearer abc.def-123") in ("Authorization: Bearer ***", "Authorization: ***")


@pytest.mark.parametrize(
    "text",
    [
        "http://host:5000/a@b",
        "https://me@host",
        "sqlite:////a:b/c@d.db",
        "10:30 me@host",
        "valid_error at 3",
        "tokens=3 of 5",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert scrubbed(text) == text


def test_a_password_inside_a_longer_word_is_not_taken_for_it():
    remember("postgresql://me:error@host/db")
    assert scrubbed("valid_errors 'error' terror") == "valid_errors '***' terror"
