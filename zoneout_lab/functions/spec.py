"""One run of a training function, as a value."""

from __future__ import annotations

from zoneout_lab.frozen import AnyRun, Params


class FunctionRun(AnyRun):
    """One arm × seed of a study with a training function: everything that the function is given.

    >>> from zoneout_lab.frozen import Seeds
    >>> run = FunctionRun(
    ...     arm="full", seed=0, seeds=Seeds(init=1, data=2, masks=3), train="./mine.py:train", params={"lr": 0.1}
    ... )
    >>> len(run.id)
    16
    """

    train: str
    params: Params
