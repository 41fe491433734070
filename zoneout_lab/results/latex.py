"""Text as LaTeX that compiles with any engine: special characters escaped, and the signs that pdfTeX's fonts lack set as mathematics."""

from __future__ import annotations

import re

_GREEK = "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ"
_NAMES = [
    "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau",
    "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
]  # fmt: skip
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{each: f"\\{each}" for each in "&%$#_"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # an upright one is not in every font encoding
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "∂": r"$\partial$",
    "‖": r"$\|$",
    "√": r"$\surd$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "’": "'",
    "\u00a0": "~",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\S{}",
    **{letter: f"$\\{name}$" for letter, name in zip(_GREEK, _NAMES, strict=True)},
}
_RAISED = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))
_LOWERED = dict(zip("₋₀₁₂₃₄₅₆₇₈₉", "-0123456789", strict=True))


def latex(text: str) -> str:
    """Text for LaTeX. Letters of other scripts stay as they are.

    >>> print(latex("50% of c_t"), latex("−2.25 ± 0.1"), latex("1.90 × 10⁻⁶"), latex("z ∈ {0, 1}"))
    50\\% of c\\_t $-$2.25 $\\pm$ 0.1 1.90 $\\times$ 10$^{-6}$ z ∈ \\{0, 1\\}
    """
    text = "".join(_ESCAPED.get(each, each) for each in text)
    for signs, mark in ((_RAISED, "^"), (_LOWERED, "_")):
        parts = re.split(f"([{''.join(signs)}]+)", text)  # every second one is raised, or lowered
        parts[1::2] = [f"${mark}{{{''.join(map(signs.__getitem__, part))}}}$" for part in parts[1::2]]
        text = "".join(parts)
    return text
