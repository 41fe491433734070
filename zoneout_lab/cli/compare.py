"""``compare``: two arms of a study on one metric, in a sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

from zoneout_lab.cli.console import output, plain, print_json
from zoneout_lab.errors import unknown
from zoneout_lab.metrics import Scale
from zoneout_lab.results import compare, open_results
from zoneout_lab.results.edge import near_edge
from zoneout_lab.stats import DIRECTIONS


def show_comparison(
    folder: Path,
    arm: str,
    against: str,
    *,
    metric: str,
    direction: str | None,
    margin: float,
    scale: str | None,
    as_json: bool,
) -> None:
    """Print what came of it. Raises UsageError for unknown names, InputRefusedError for a claim that cannot be tested."""
    if direction is not None and direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    if scale is not None and scale not in get_args(Scale):
        raise unknown("scale", scale, get_args(Scale))
    tree = open_results(folder)
    found = compare(tree, arm, against, metric=metric, direction=direction, margin=margin, scale=scale)  # type: ignore[arg-type]
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    output.print(plain(found.sentence), highlight=False, soft_wrap=True)
    if edge := near_edge(found):
        output.print(plain(edge), highlight=False, soft_wrap=True)
