"""Many trials at once into Optuna's database, where that is an SQLite file.

Optuna takes seventeen statements for a trial. Here all trials of a piece are inserted in one transaction, as the rows that Optuna makes of
them; which rows those are is known of some of its versions.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoneout_lab.study.sqlite_rows import has_columns, insert, transaction

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: the versions of Optuna whose rows these are, by how their numbers begin
KNOWN = ("5.0.",)
_TABLES = {
    "trials": ("trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"),
    "trial_values": ("trial_value_id", "trial_id", "objective", "value", "value_type"),
    "trial_params": ("param_id", "trial_id", "param_name", "param_value", "distribution_json"),
    "trial_user_attributes": ("trial_user_attribute_id", "trial_id", "key", "value_json"),
}
_OF_STUDY = """
SELECT study_id, (SELECT COUNT(*) FROM trials WHERE trials.study_id = studies.study_id), (SELECT COALESCE(MAX(trial_id), 0) FROM trials)
FROM studies WHERE study_name = ?
"""
_BEFORE = """
SELECT distribution_json FROM trials JOIN trial_params USING (trial_id) WHERE study_id = ? AND param_name = ? LIMIT 1
"""


def inserted(path: Path, study: str, trials: Sequence[FrozenTrial]) -> bool:
    """Have finished trials recorded in a database that has the study; all of them, or none and False: Optuna is to be told of them then.

    Args:
        path: the database.
        study: its name there.
        trials: have one value or none, no steps and no attributes of the system's.
    """
    from optuna import __version__
    from optuna.distributions import distribution_to_json

    if not __version__.startswith(KNOWN):
        return False
    if not all(trial.value is None or math.isfinite(trial.value) for trial in trials):
        return False  # Optuna stores infinity in another way
    spaces = {(name, distribution_to_json(each)) for trial in trials for name, each in trial.distributions.items()}
    texts = dict(spaces)
    if len(texts) != len(spaces):
        return False
    try:
        with transaction(path) as connection:
            if not has_columns(connection, _TABLES):
                return False
            found = connection.execute(_OF_STUDY, (study,)).fetchone()
            # whether what differs from earlier trials is refused is Optuna's to say
            if found is None or any(
                before != text
                for name, text in texts.items()
                for (before,) in connection.execute(_BEFORE, (found[0], name))
            ):
                return False
            study_id, count, last = found
            own = list(enumerate(trials, last + 1))
            rows: dict[str, list[tuple[Any, ...]]] = {
                "trials": [
                    (
                        each_id,
                        number,
                        study_id,
                        each.state.name,
                        _utc(each.datetime_start),
                        _utc(each.datetime_complete),
                    )
                    for number, (each_id, each) in enumerate(own, count)
                ],
                "trial_values": [
                    (None, each_id, 0, each.value, "FINITE") for each_id, each in own if each.value is not None
                ],
                "trial_params": [
                    (None, each_id, name, each.distributions[name].to_internal_repr(value), texts[name])
                    for each_id, each in own
                    for name, value in each.params.items()
                ],
                "trial_user_attributes": [
                    (None, each_id, name, json.dumps(value))
                    for each_id, each in own
                    for name, value in each.user_attrs.items()
                ],
            }
            for table, columns in _TABLES.items():
                insert(connection, table, columns, rows[table])
    except sqlite3.Error:  # locked, or other tables than those that are known
        return False
    return True


def _utc(time: datetime | None) -> str | None:
    """A local time as Optuna keeps it."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
