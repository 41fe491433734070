"""Where a study with declared looks stopped: at the first at which every hypothesis had a verdict, as its manifest has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: verdicts that decide nothing: more seeds may
OPEN = ("inconclusive", "underpowered")


def open_in(look: Mapping[str, Any]) -> list[str]:
    """Names of the hypotheses without a verdict.

    >>> open_in({"hypotheses": [{"name": "a", "verdict": "supported"}, {"name": "b", "verdict": "inconclusive"}]})
    ['b']
    """
    return [str(each["name"]) for each in look["hypotheses"] if each["verdict"] in OPEN]


def stopped_at(manifest: Mapping[str, Any]) -> int | None:
    """The number of seeds at which a study with looks stopped, short of its last: every hypothesis has a verdict. None: it goes on.

    >>> look = {"seeds": 6, "hypotheses": [{"name": "a", "verdict": "supported"}]}
    >>> stopped_at({"reached": 6, "looks": [look], "study": {"seeds": 20}}), stopped_at({"study": {"seeds": 20}})
    (6, None)
    """
    reached = manifest.get("reached")
    last = [look for look in manifest.get("looks", ()) if look["seeds"] == reached]
    decided = bool(last) and not open_in(last[-1])
    return int(reached) if reached is not None and decided and reached < manifest["study"]["seeds"] else None
