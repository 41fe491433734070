"""Numbers as a reader sees them, in sentences, tables and on the terminal: three significant digits, real minus signs, and no rounding
that hides on which side of another number one lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

ABSENT = "–"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimals(values: Iterable[float], digits: int = 3) -> int:
    """Decimal places that give the largest of ``values`` that many significant digits, so that a group lines up.

    >>> decimals([0.0201, -0.004]), decimals([123.4]), decimals([])
    (4, 0, 2)
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0:
        return digits - 1
    return max(0, digits - 1 - math.floor(math.log10(largest)))


def number(value: float | None, places: int | None = None, beside: Iterable[float] = ()) -> str:
    """A number in three significant digits, or in so many decimal places.

    It gets more digits where it would otherwise appear to be equal to, or beyond, one of the numbers ``beside`` it, unless the twelfth
    digit is the first to differ.

    >>> number(-0.01234), number(0.005, 4), number(3.2e-7), number(float("nan")), number(float("-inf"))
    ('−0.0123', '0.0050', '3.20 × 10⁻⁷', '–', '−∞')
    >>> (
    ...     number(-0.004, 2),
    ...     number(-0.004, 2, beside=[0.0]),
    ...     number(0.50001, 2, beside=[0.5]),
    ...     number(0.999999997, 2, beside=[1.0]),
    ... )
    ('0.00', '−0.004', '0.50001', '0.999999997')
    """
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    others = [other for other in beside if math.isfinite(other) and not math.isclose(other, value, rel_tol=1e-12)]
    for text in _texts(value, places):
        if all((float(text) > other) == (value > other) and float(text) != other for other in others):
            break
    return _typeset(text)


def _texts(value: float, places: int | None) -> Iterator[str]:
    """The number as Python writes it, with more and more digits."""
    size = abs(value)
    if not (size and not 1e-4 <= size < 1e6 and (places is None or places > 6 or size >= 1e6)):
        fewest = decimals([value]) if places is None else places
        # thirteen significant digits tell the twelfth apart
        most = max(6, decimals([value], 13)) if size >= 1e-2 else 6
        yield from (f"{value:.{digits}f}" for digits in range(fewest, max(fewest, most) + 1))
    yield from (f"{value:.{digits}e}" for digits in range(2, 17))


def _typeset(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if exponent:
        mantissa += f" × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    elif float(text) == 0:
        mantissa = text.lstrip("-")
    return mantissa.replace("-", "−")


def full(value: float) -> str:
    """A number that was chosen and not measured, such as a margin: three significant digits, or all it has.

    >>> full(0.5), full(100 * 0.0012345), full(2.0)
    ('0.500', '0.12345', '2.00')
    """
    text = number(value)
    return text if _typeset(f"{float(f'{value:.2e}'):.12g}") == _typeset(f"{value:.12g}") else _typeset(f"{value:.12g}")


def p_value(value: float | None, beside: Iterable[float] = ()) -> str:
    """A p value to three significant digits, or more where it would otherwise appear to reach a level ``beside`` it.

    >>> p_value(0.03125), p_value(1.9e-6), p_value(1.0), p_value(float("nan")), p_value(0.04999, beside=[0.05])
    ('0.0312', '1.90 × 10⁻⁶', '1', '–', '0.04999')
    """
    if value is None or math.isnan(value):
        return ABSENT
    if 0 < value < 1e-4:
        return number(value, beside=beside)
    others = [other for other in beside if not math.isclose(other, value, rel_tol=1e-12)]
    texts = (f"{value:.{digits}g}" for digits in range(3, 18))
    return next(t for t in texts if all((float(t) > o) == (value > o) and float(t) != o for o in others))


def percent(alpha: float) -> str:
    """A level of confidence, given its α.

    >>> percent(0.05), percent(0.05 / 3), percent(1e-6)
    ('95%', '98.33%', '99.9999%')
    """
    level = 100 * (1 - alpha)
    texts = (f"{level:.{digits}g}" for digits in range(4, 18))
    return f"{next((t for t in texts if float(t) < 100), '100')}%"


def power(value: float) -> str:
    """A tick on a logarithmic axis.

    >>> power(1e-5), power(0.02), power(2e7)
    ('10⁻⁵', '0.02', '2 × 10⁷')
    """
    if value <= 0 or 1e-3 <= value < 1e4:
        return f"{value:g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10**exponent)
    return f"{f'{factor} × ' if factor != 1 else ''}10{str(exponent).translate(SUPERSCRIPTS)}"
