"""An arm's mark in legends and tables: its line, dash and marker in its colour."""

from __future__ import annotations

from markupsafe import Markup

from zoneout_lab.report.arms import Arm

_SHAPES = {
    "o": '<circle cx="14" cy="7" r="3.6"/>',
    "s": '<path d="M10.6 3.6h6.8v6.8h-6.8z"/>',
    "^": '<path d="M14 2.6l4.2 7.6H9.8z"/>',
    "D": '<path d="M14 2.4L18.6 7 14 11.6 9.4 7z"/>',
    "v": '<path d="M14 11.4L9.8 3.8h8.4z"/>',
    "P": '<path d="M12.4 3h3.2v2.4H18v3.2h-2.4V11h-3.2V8.6H10V5.4h2.4z"/>',
    "X": '<path d="M10 5.2L12.2 3 14 4.8 15.8 3 18 5.2 16.2 7 18 8.8 15.8 11 14 9.2 12.2 11 10 8.8 11.8 7z"/>',
}


def swatch(arm: Arm) -> Markup:
    """A small picture beside the arm's label, hidden from readers who hear the label instead.

    >>> from zoneout_lab.report.arms import Style
    >>> "var(--arm-1)" in swatch(Arm("z", "Zoneout", Style(1)))
    True
    """
    dash = " ".join(f"{length * 1.2:g}" for length in arm.style.dash)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    colour = f"var({arm.style.variable})"
    return Markup(  # noqa: S704 # nosec B704 # numbers and colours of ours
        f'<svg class="swatch" aria-hidden="true" viewBox="0 0 28 14">'
        f'<path d="M1 7h26" style="stroke: {colour}; stroke-width: 2"{dashed}/>'
        f'<g style="fill: {colour}">{_SHAPES[arm.style.marker]}</g></svg>'
    )
