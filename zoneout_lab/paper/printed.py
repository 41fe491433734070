"""The figures that Krueger et al. (2017) print: single runs. They stand beside measured ones and enter no test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class PrintedFigure(NamedTuple):
    """One arm of the paper at one task.

    ``valid`` and ``test`` are in the units of the task's metrics (bits per character, perplexity, fraction of examples), None where
    the paper gives none. ``setting`` is the paper's own; ``doubt`` says what does not fit. ``regularizer`` are the fields that an arm of
    that name has to have to be compared with it, and ``cell`` is its cell where the task's own is not meant.
    """

    arm: str
    setting: str
    valid: float | None
    test: float | None
    regularizer: Mapping[str, Any]
    doubt: str = ""
    cell: str = ""

    def is_of(self, regularizer: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        """True where an arm has the regularizer and the cell that this figure is for: both as JSON, the cell among the arm's changes."""
        given = change.get("model.cell", "")
        cell = given.get("kind", "") if isinstance(given, Mapping) else given
        return self.regularizer.items() <= regularizer.items() and self.cell in ("", cell)


NONE = {"kind": "none"}
ZONEOUT = {"kind": "zoneout", "share": False, "per": "unit", "resample": "step"}
DEPTH = {"kind": "zoneout", "per": "layer", "resample": "step", "cell": 0.05, "hidden": 0.05}
NOISE = {"kind": "weight_noise", "sigma": 0.075}
STABILIZER = {"kind": "norm_stabilizer", "beta": 50.0}

#: task → (metric that the paper's validation figure is compared with, metric of its test figure, where they are printed)
METRICS: dict[str, tuple[str, str, str]] = {
    "char_ptb": ("valid_bpc", "test_bpc_full", "Table 1 and section 4.1"),
    "text8": ("valid_bpc", "test_bpc_full", "Table 1"),
    "word_ptb": ("valid_ppl", "test_ppl", "Table 1"),
    "pmnist": ("valid_error", "test_error", "Table 2"),
}

#: task → printed figures; an arm of a study is compared with the one of its name
PRINTED: dict[str, tuple[PrintedFigure, ...]] = {
    "char_ptb": (
        PrintedFigure(
            "lstm",
            "1 × 1000",
            1.466,
            1.356,
            NONE,
            "the code validates in chunks and tests on one sequence, so that in every row the two differ by more than generalisation",
        ),
        PrintedFigure(
            "zoneout",
            "cells .5, hidden states .05",
            1.362,
            1.252,
            ZONEOUT | {"cell": 0.5, "hidden": 0.05},
            "section 4.1 says 1.27 where the table says 1.252",
        ),
        PrintedFigure(
            "recurrent_dropout",
            "p = .25",
            1.396,
            1.286,
            {"kind": "recurrent_dropout", "p": 0.25},
            "whether p is kept or dropped is not said",
        ),
        PrintedFigure(
            "weight_noise", "σ = .075", 1.507, 1.344, NOISE, "validation is worse than the LSTM's, test better"
        ),
        PrintedFigure("norm_stabilizer", "β = 50", None, 1.352, STABILIZER),
        PrintedFigure("stochastic_depth", "z = .05", 1.432, 1.343, DEPTH),
        PrintedFigure("gru", "", 1.53, None, NONE),
        PrintedFigure("gru_zoneout", "z from .05 to .25", 1.41, None, ZONEOUT),
        PrintedFigure("rnn", "", 1.67, None, NONE),
        PrintedFigure("rnn_zoneout", "z from .05 to .25", 1.52, None, ZONEOUT),
    ),
    "text8": (
        PrintedFigure("lstm", "1 × 2000", 1.396, 1.408, NONE),
        PrintedFigure(
            "zoneout",
            "cells .5, hidden states .05",
            1.331,
            1.336,
            ZONEOUT | {"cell": 0.5, "hidden": 0.05},
            "the code's README says .2 and .2",
        ),
        PrintedFigure(
            "recurrent_dropout",
            "p = .5",
            1.386,
            1.401,
            {"kind": "recurrent_dropout", "p": 0.5},
            "whether p is kept or dropped is not said",
        ),
        PrintedFigure("weight_noise", "", 1.356, 1.367, NOISE),
        PrintedFigure("norm_stabilizer", "", 1.382, 1.398, STABILIZER),
        PrintedFigure("stochastic_depth", "", 1.337, 1.343, DEPTH),
    ),
    "word_ptb": (
        PrintedFigure(
            "lstm",
            "not said",
            120.7,
            114.5,
            NONE,
            "equals Zaremba et al.'s 2 × 200 model, and all other rows are 2 × 1500: not a baseline for them",
        ),
        PrintedFigure(
            "non_recurrent_dropout", "p = .65, 2 × 1500", 82.2, 78.4, {"kind": "non_recurrent_dropout", "p": 0.65}
        ),
        PrintedFigure(
            "non_recurrent_dropout_zoneout",
            "p = .65, cells .25, hidden states .025",
            81.4,
            77.4,
            {"kind": "combined"},
        ),
        PrintedFigure("recurrent_dropout", "", 91.6, 87.0, {"kind": "recurrent_dropout"}),
    ),
    "pmnist": (
        PrintedFigure("lstm", "1 × 100", 0.092, 0.102, NONE),
        PrintedFigure(
            "zoneout",
            "shared mask, z = .15",
            0.063,
            0.069,
            ZONEOUT | {"share": True, "cell": 0.15, "hidden": 0.15},
        ),
        PrintedFigure(
            "recurrent_dropout",
            "p = .5",
            0.083,
            0.075,
            {"kind": "recurrent_dropout", "p": 0.5},
            "the text says .15; validation is worse than test",
        ),
        PrintedFigure("recurrent_batch_norm", "", None, 0.046, NONE, cell="batch_norm_lstm"),
        PrintedFigure(
            "recurrent_batch_norm_zoneout",
            "shared mask, z = .15",
            0.045,
            0.041,
            ZONEOUT | {"share": True, "cell": 0.15, "hidden": 0.15},
            "50 of 10,000 test images fewer than without zoneout",
            cell="batch_norm_lstm",
        ),
    ),
}
