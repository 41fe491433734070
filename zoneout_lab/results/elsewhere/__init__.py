"""Results that were not made here: tables of anybody's runs, read, checked and made the same results that a study has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoneout_lab.lazily import imported

if TYPE_CHECKING:
    from zoneout_lab.results.elsewhere.claims import read_claims
    from zoneout_lab.results.elsewhere.table import results_from

__getattr__ = imported(__name__, {"claims": ("read_claims",), "table": ("results_from",)})

__all__ = ["read_claims", "results_from"]


def __dir__() -> list[str]:
    return sorted(__all__)
