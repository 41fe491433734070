"""Flags in the help of commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _without_values(params: list[Any]) -> list[Any]:
    """Options as their help shows them: a flag takes no value, and typer would print that it takes a ``<bool>``."""
    for each in params:
        if getattr(each, "is_flag", False):
            each.metavar = ""
    return params


class Command(TyperCommand):
    """A command whose help shows flags without a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_values(super().get_params(ctx))


class Group(TyperGroup):
    """The commands together, whose own help does so too."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_values(super().get_params(ctx))
