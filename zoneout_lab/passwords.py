"""Passwords and tokens that come with URLs and environment variables, kept out of everything that is printed or stored."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

# `//user:password@`; the user has no `:`, the password may have any letter up to the last `@` before the host
_BEFORE_HOST = re.compile(r"((?:^|/)[^\s/:@?#]*:)[^\s/?#]*@")
_WORDS = r"pass(?:word|wd|phrase|file)?|pwd|tok(?:en)?|secret|credential|signature|sig|(?:api|access|account|auth|private|shared)[-_]?key|authorization"
# what drivers and servers take in the query, some of them with its `=` and `;` escaped, and libpq's `password='…'`
_IN_QUERY = re.compile(
    rf"((?:{_WORDS})(?:\s*=\s*|%3D))(?:'[^']*'|\"[^\"]*\"|(?:(?!%3B|%26)[^\s&;#'\"])+)", re.IGNORECASE
)
_HEADER = re.compile(r"\b((?:Basic|Bearer) )[A-Za-z0-9+/._~=-]{6,}")
_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_URLS = ("MLFLOW_TRACKING_URI",)
#: shorter ones occur by chance in what is printed
_SHORTEST = 4
_known: set[str] = set()


def remember(url: str | None) -> None:
    """Keep what is secret in a URL out of everything that :func:`scrubbed` is given from now on, in whatever form it comes up there.

    >>> remember("postgresql://me:p%40ss-w0rd@host/db")
    >>> scrubbed('FATAL: authentication of "me" with p@ss-w0rd failed')
    'FATAL: authentication of "me" with *** failed'
    """
    for secret in _secrets(url or ""):
        _remember(secret)


def scrubbed(text: str) -> str:
    """A text without passwords and tokens: those that are remembered, those in the environment, and what looks like one.

    >>> scrubbed("GET http://me:secret@host/api?token=secret failed")
    'GET http://me:***@host/api?token=*** failed'
    >>> scrubbed("postgresql://me:secret@[::1]:5432/db and host=::1 password='two words'")
    'postgresql://me:***@[::1]:5432/db and host=::1 password=***'
    """
    for name in _VARIABLES:
        _remember(os.environ.get(name, ""))
    for name in _URLS:
        remember(os.environ.get(name))
    for secret in sorted(_known, key=len, reverse=True):
        # whole words only: a password may be a word that others contain
        text = re.sub(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", "***", text)
    return _HEADER.sub(r"\1***", _IN_QUERY.sub(r"\1***", _BEFORE_HOST.sub(r"\1***@", text)))


def _secrets(url: str) -> list[str]:
    found = [match.group(0)[len(match.group(1)) : -1] for match in _BEFORE_HOST.finditer(url)]
    # what SQLAlchemy takes for a password may have any letter but @
    found += re.findall(r"://[^\s/:@]*:([^\s@]*)@", url)
    return found + [match.group(0)[len(match.group(1)) :] for match in _IN_QUERY.finditer(url)]


def _remember(secret: str) -> None:
    secret = secret.strip("'\"")
    forms = {secret, unquote(secret), unquote_plus(secret)}
    forms |= {each for form in tuple(forms) for each in (quote(form, safe=""), quote_plus(form), quote(form))}
    _known.update(form for form in forms if len(form) >= _SHORTEST and form != "***")
