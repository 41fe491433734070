"""The calibration runs, gives the same numbers every time, and says loudly where a rate is above what is promised."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from analysis.calibration.__main__ import TABLES, main
from analysis.calibration.boundaries import wrong_verdicts
from analysis.calibration.draws import SHAPES, rate
from analysis.calibration.page import page


def test_tables_are_written_and_repeat(tmp_path, capsys):
    for folder in ("one", "two"):
        main(["--simulations", "10", "--out", str(tmp_path / folder), "--only", "errors", "power", "cautions"])
    for name in ("errors", "power", "cautions"):
        text = (tmp_path / "one" / f"{name}.csv").read_bytes()
        assert text == (tmp_path / "two" / f"{name}.csv").read_bytes()
        rows = list(csv.DictReader(text.decode().splitlines()))
        assert all(0 <= float(row["low"]) <= float(row["rate"]) <= float(row["high"]) <= 1 for row in rows)
    assert "errors: 60 rows" in capsys.readouterr().out
    assert not (tmp_path / "one" / "README.md").exists()


def test_rates_are_binomial_and_said_to_be_above():
    row = rate(np.repeat([True, False], [50, 450]), nominal=0.05)
    assert (row["rate"], row["simulations"], row["above"]) == (0.1, 500, True)
    assert row["low"] < 0.1 < row["high"]
    assert not rate(np.repeat([True, False], [30, 470]), nominal=0.05)["above"]


def test_shapes_are_centred():
    rng = np.random.default_rng(0)
    for name in ("normal", "t3", "lognormal"):
        values = SHAPES[name](rng, (1_000_000,))
        assert values.mean() == pytest.approx(0, abs=0.01)
    assert np.median(SHAPES["Cauchy"](rng, (1_000_000,))) == pytest.approx(0, abs=0.01)


@pytest.mark.slow
def test_the_page_names_every_rate_above_its_promise():
    rng = np.random.default_rng(0)
    quick = ("errors", "familywise", "power", "promises", "equivalence", "cautions")
    tables = {name: TABLES[name][0](rng, 20) for name in quick}
    tables["coverage"] = [{"interval": row["test"]} | row for row in tables["errors"]]
    tables["boundaries"] = wrong_verdicts(rng, 4)[:40]
    tables["looks"] = [{"looks": (10, 20), "m": 1, "spending": "pocock"} | rate([True, False], 0.05)]
    tables["divergence"] = [{"lost": 0.1, "n": 8, "judged by": "complete pairs"} | rate([True, False])]
    tables["looks_themselves"] = []
    for rows in tables.values():
        for row in rows:
            row["above"] = False if "above" in row else row.get("above")
    tables = {name: [{k: v for k, v in row.items() if v is not None} for row in rows] for name, rows in tables.items()}
    tables["familywise"][3]["above"] = True
    about = {"simulations": 20, "minutes": 1, "machine": "m", "python": "3", "numpy": "2", "scipy": "1"}
    text = page({**tables, "looks_themselves": tables["looks"]}, about)
    assert "The intervals of 1 lie wholly above it" in text
    assert f"- `familywise`: correction {tables['familywise'][3]['correction']}" in text
    assert "| lower | joint | 1 |" in text
