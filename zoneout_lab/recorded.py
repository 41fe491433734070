"""The shape of what a results folder records: checked once, so that whoever reads it finds texts where texts are due, and numbers for numbers.

What is not recorded is None: results may be older, or made elsewhere. What else is there is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zoneout_lab.errors import IntegrityError


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Entry(_Read):
    file: str
    sha256: str
    arm: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    phase: str
    status: str


class _Arm(_Read):
    name: str
    label: str | None = None
    regularizer: dict[str, Any] | None = None
    change: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    vary: list[str] | None = None


class _Hypothesis(_Read):
    name: str
    statement: str | None = None
    claims: list[Annotated[int, Field(ge=0, le=10_000)]] | None = None
    arm: str
    against: str
    metric: str
    direction: str | None = None
    margin: Annotated[float, Field(ge=0)] | None = None
    scale: str | None = None
    reason: str | None = None


class _Study(_Read):
    name: str | None = None
    title: str | None = None
    question: str | None = None
    background: str | None = None
    task: str | None = None
    preset: str | None = None
    authors: list[str] | None = None
    baseline: str | None = None
    seed: int | None = None
    hypotheses: list[_Hypothesis] | None = None
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    family: str | None = None
    looks: list[Annotated[int, Field(ge=1, le=100_000)]] | None = None
    gradient_epochs: list[int] | None = None
    measures: list[dict[str, Any]] | None = None
    vary: list[str] | None = None
    setting: dict[str, Any] | None = None
    code: dict[str, str] | None = None
    train: str | None = None
    params: dict[str, Any] | None = None
    metrics: list[dict[str, Any]] | None = None


class _OwnStudy(_Study):
    arms: list[_Arm]
    seeds: Annotated[int, Field(ge=0, le=100_000)]


class _Copy(_Read):
    file: str
    sha256: str


_ENTRIES, _CODE = TypeAdapter(dict[str, _Entry]), TypeAdapter(dict[str, _Copy])


def check_study(study: Any, where: str) -> None:
    """Raise IntegrityError, which names the field, where a recorded study has not the shape of one; ``where`` says what records it.

    Arms and seeds may be written in other ways: whoever made results elsewhere may have done so.

    >>> check_study({"name": "mine", "alpha": 0.05}, "study.nc")
    >>> check_study({"name": "mine", "alpha": "small"}, "study.nc")
    Traceback (most recent call last):
    zoneout_lab.errors.IntegrityError: study.nc is damaged: alpha of its study: Input should be a valid number.
    """
    _check(lambda: _Study.model_validate(study), where, " of its study")


def check_manifest(manifest: Mapping[str, Any], where: str) -> None:
    """Raise IntegrityError where a manifest's study, entries of runs, copies of code or id have another shape than these have."""
    _check(lambda: _OwnStudy.model_validate(manifest.get("study")), where, " of its study")
    _check(lambda: _ENTRIES.validate_python(manifest.get("runs")), where, " of its runs")
    _check(lambda: _CODE.validate_python(manifest.get("code", {})), where, " of its code")
    if "id" in manifest and not is_id(manifest["id"]):
        raise IntegrityError(f"{where} is damaged: its id is not 32 hexadecimal digits.")


def is_id(value: Any) -> bool:
    """True for what a results folder is given to be told from others.

    >>> is_id("0123456789abcdef" * 2), is_id("x"), is_id(None)
    (True, False, False)
    """
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def _check(validate: Any, where: str, of: str) -> None:
    try:
        validate()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part)[:60] for part in first["loc"]) or "the whole"
        raise IntegrityError(f"{where} is damaged: {place}{of}: {first['msg']}.") from None
