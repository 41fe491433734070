"""zoneout_lab: does this way of regularizing a recurrent network do what it is said to do, and why?

Every name is imported when it is first used: layers and regularizers need torch alone, results and reports do without it.
"""

from __future__ import annotations

from importlib import import_module

from zoneout_lab.lazily import imported

TYPE_CHECKING = False  # as in typing, whose import takes longer than everything else here
if TYPE_CHECKING:
    from typing import Any

    from zoneout_lab import plot
    from zoneout_lab.functions import Running
    from zoneout_lab.layers import GRU, LSTM, RNN, Recurrent
    from zoneout_lab.measures import (
        EffectiveCarry,
        LyapunovExponents,
        Measure,
        PerturbationGrowth,
        UpdateActivity,
        perturbation_growth,
        probe,
    )
    from zoneout_lab.measures.gradient_flow import GradientFlow, gradient_flow
    from zoneout_lab.metrics import Metric, Score
    from zoneout_lab.ops import cells
    from zoneout_lab.ops.cells import Cell
    from zoneout_lab.ops.masks import MaskSpec
    from zoneout_lab.regularizers import (
        CellDropout,
        CellShift,
        HiddenDropout,
        InputMask,
        LayerNorm,
        NonRecurrentDropout,
        NoRegularizer,
        NormStabilizer,
        RecurrentBatchNorm,
        RecurrentDropout,
        Regularizer,
        RnnDrop,
        VariationalDropout,
        WeightNoise,
        Zoneout,
    )
    from zoneout_lab.report import write_across, write_index, write_report, write_side_by_side
    from zoneout_lab.results import (
        Comparison,
        Judgement,
        Question,
        across,
        compare,
        compare_family,
        judge,
        open_results,
        results_from,
        stack,
    )
    from zoneout_lab.settings import Model, Setting, Training
    from zoneout_lab.study import Arm, Hypothesis, OnTask, Study, Tuning, load_study
    from zoneout_lab.study.elsewhere_mlflow import results_from_mlflow
    from zoneout_lab.study.elsewhere_optuna import results_from_optuna
    from zoneout_lab.study.run import Summary, run_study
    from zoneout_lab.study.run_tasks import run_tasks
    from zoneout_lab.tasks import Carried, Data, Examples, Stream, Task

_FROM = {
    "functions": ("Running",),
    "layers": ("GRU", "LSTM", "RNN", "Recurrent"),
    "measures": (
        "EffectiveCarry",
        "GradientFlow",
        "LyapunovExponents",
        "Measure",
        "PerturbationGrowth",
        "UpdateActivity",
        "gradient_flow",
        "perturbation_growth",
        "probe",
    ),
    "metrics": ("Metric", "Score"),
    "ops.cells": ("Cell",),
    "ops.masks": ("MaskSpec",),
    "regularizers": (
        "CellDropout",
        "CellShift",
        "HiddenDropout",
        "InputMask",
        "LayerNorm",
        "NoRegularizer",
        "NonRecurrentDropout",
        "NormStabilizer",
        "RecurrentBatchNorm",
        "RecurrentDropout",
        "Regularizer",
        "RnnDrop",
        "VariationalDropout",
        "WeightNoise",
        "Zoneout",
    ),
    "report": ("write_across", "write_index", "write_report", "write_side_by_side"),
    "results": (
        "Comparison",
        "Judgement",
        "Question",
        "across",
        "compare",
        "compare_family",
        "judge",
        "open_results",
        "results_from",
        "stack",
    ),
    "settings": ("Model", "Setting", "Training"),
    "study": ("Arm", "Hypothesis", "OnTask", "Study", "Tuning", "load_study"),
    "study.elsewhere_mlflow": ("results_from_mlflow",),
    "study.elsewhere_optuna": ("results_from_optuna",),
    "study.run": ("Summary", "run_study"),
    "study.run_tasks": ("run_tasks",),
    "tasks": ("Carried", "Data", "Examples", "Stream", "Task"),
}
_MODULES = {"cells": "ops.cells", "plot": "plot"}
_imported = imported(__name__, _FROM)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Arm",
    "Carried",
    "Cell",
    "CellDropout",
    "CellShift",
    "Comparison",
    "Data",
    "EffectiveCarry",
    "Examples",
    "GradientFlow",
    "HiddenDropout",
    "Hypothesis",
    "InputMask",
    "Judgement",
    "LayerNorm",
    "LyapunovExponents",
    "MaskSpec",
    "Measure",
    "Metric",
    "Model",
    "NoRegularizer",
    "NonRecurrentDropout",
    "NormStabilizer",
    "OnTask",
    "PerturbationGrowth",
    "Question",
    "Recurrent",
    "RecurrentBatchNorm",
    "RecurrentDropout",
    "Regularizer",
    "RnnDrop",
    "Running",
    "Score",
    "Setting",
    "Stream",
    "Study",
    "Summary",
    "Task",
    "Training",
    "Tuning",
    "UpdateActivity",
    "VariationalDropout",
    "WeightNoise",
    "Zoneout",
    "across",
    "cells",
    "compare",
    "compare_family",
    "gradient_flow",
    "judge",
    "load_study",
    "open_results",
    "perturbation_growth",
    "plot",
    "probe",
    "results_from",
    "results_from_mlflow",
    "results_from_optuna",
    "run_study",
    "run_tasks",
    "stack",
    "write_across",
    "write_index",
    "write_report",
    "write_side_by_side",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        metadata = import_module("importlib.metadata")
        try:
            return metadata.version(__name__)
        except metadata.PackageNotFoundError:
            raise AttributeError(
                "zoneout_lab has no version here: it is imported from a folder and not installed."
            ) from None
    if name == "watch":
        import_module("warnings").warn("zoneout_lab.watch is now called probe.", DeprecationWarning, stacklevel=2)
        name = "probe"
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    return _imported(name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
