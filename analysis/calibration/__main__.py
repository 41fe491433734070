"""Error rates, coverage and power of every routine of ``zoneout_lab.stats``, by simulation.

    python -m analysis.calibration                       # all of it into reports/calibration; about ten minutes
    python -m analysis.calibration --simulations 200 --out somewhere

Each table comes from a generator of its own, so that one table does not change with another. Writes one CSV for each, ``about.json``, and ``README.md``,
which quotes them.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

from analysis.calibration import boundaries, checks, families, sequential, single, strata
from analysis.calibration.draws import Row
from analysis.calibration.page import page

Table = Callable[[np.random.Generator, int], list[Row]]

#: file → what makes it, and how many simulations of a thousand it takes
TABLES: dict[str, tuple[Table, float]] = {
    "errors": (single.errors, 4),
    "coverage": (single.coverage, 2),
    "equivalence": (single.equivalence, 4),
    "familywise": (families.errors, 4),
    "power": (families.power, 2),
    "promises": (families.promises, 2),
    "boundaries": (boundaries.wrong_verdicts, 2),
    "looks": (sequential.errors, 1),
    "looks_themselves": (sequential.real, 0.6),
    "divergence": (checks.divergence, 2),
    "cautions": (checks.flags, 2),
}

if importlib.util.find_spec("analysis.calibration.profiles"):
    TABLES["profiles"] = (importlib.import_module("analysis.calibration.profiles").profiles_calibration, 1)

TABLES |= {"tasks": (strata.errors, 4), "tasks_opposed": (strata.opposed, 4), "tasks_power": (strata.power, 4)}


def main(words: list[str] | None = None) -> None:
    """Make the tables and write them."""
    parser = argparse.ArgumentParser(description="Error rates, coverage and power of the statistics, by simulation.")
    parser.add_argument("--simulations", type=int, default=1000, help="scales all tables; default 1000")
    parser.add_argument("--out", type=Path, default=Path("reports/calibration"), help="folder to write to")
    parser.add_argument("--only", nargs="*", choices=list(TABLES), help="make only these, and no README")
    options = parser.parse_args(words)
    options.out.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[Row]] = {}
    minutes: dict[str, float] = {}
    for index, (name, (make, thousands)) in enumerate(TABLES.items()):
        if options.only and name not in options.only:
            continue
        started = time.perf_counter()
        tables[name] = make(np.random.default_rng([2026, index]), max(20, int(options.simulations * thousands)))
        minutes[name] = (time.perf_counter() - started) / 60
        print(f"{name}: {len(tables[name])} rows, {minutes[name]:.1f} min", flush=True)
        write_csv(options.out / f"{name}.csv", tables[name])
    if not options.only:
        about = {
            "simulations": options.simulations,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "machine": f"{platform.system()} {platform.machine()}",
            "minutes": round(sum(minutes.values()), 1),
        }
        (options.out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (options.out / "README.md").write_text(page(tables, about), encoding="utf-8")


def write_csv(path: Path, rows: list[Row]) -> None:
    """One table; a column for every name that some row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
