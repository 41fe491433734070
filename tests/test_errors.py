"""Each error of the table has its exit code; an unknown name is answered with the nearest."""

from __future__ import annotations

import pytest

from zoneout_lab import errors
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, TryAgainError, UsageError, unknown

CODES = {LabError: 1, UsageError: 2, IntegrityError: 4, InputRefusedError: 5, TryAgainError: 75}


def test_every_error_is_in_the_table_with_its_own_code():
    defined = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, LabError)}
    assert {error: error.exit_code for error in defined} == CODES
    assert all(error.__doc__ for error in defined)
    for code in CODES.values():
        assert f"| {code} |" in (errors.__doc__ or "")


@pytest.mark.parametrize("error", [UsageError, InputRefusedError])
def test_a_wrong_value_is_a_value_error(error: type[LabError]):
    """So that callers who know nothing of this package catch it too."""
    assert issubclass(error, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("zonout", ["zoneout", "none"], "There is no arm 'zonout'. Did you mean 'zoneout'? Known: none, zoneout."),
        ("xyz", ["zoneout", "none"], "There is no arm 'xyz'. Known: none, zoneout."),
        ("xyz", [], "There is no arm 'xyz'. Known: none."),
    ],
)
def test_an_unknown_name_is_answered_with_the_list(name: str, known: list[str], message: str):
    error = unknown("arm", name, iter(known))
    assert isinstance(error, UsageError)
    assert str(error) == message
