"""The paper's printed figures: typed as in the paper, each beside an arm of a built-in study."""

from __future__ import annotations

import dataclasses

from zoneout_lab.ops.cells import CELLS
from zoneout_lab.paper import METRICS, PRINTED
from zoneout_lab.regularizers import REGULARIZERS, to_json
from zoneout_lab.study import builtin_studies, load_study


def test_figures_are_of_regularizers_that_there_are():
    for figures in PRINTED.values():
        for figure in figures:
            kind = REGULARIZERS[figure.regularizer["kind"]]
            assert set(figure.regularizer) - {"kind"} <= {field.name for field in dataclasses.fields(kind)}
            assert figure.cell in ("", *CELLS)


def test_every_figure_stands_beside_an_arm_of_its_study():
    """In the built-in study of its table, or of its cells or normalisation, every figure finds its arm."""
    found = {
        (study.task, arm.name)
        for study in map(load_study, builtin_studies())
        for arm in study.arms
        for figure in PRINTED.get(study.task, ())
        if arm.name == figure.arm and figure.is_of(to_json(arm.regularizer), arm.change)
    }
    assert found == {(task, figure.arm) for task, figures in PRINTED.items() for figure in figures}


def test_the_figures_of_the_sheet():
    assert set(PRINTED) == set(METRICS)
    of = {(task, figure.arm): figure for task, figures in PRINTED.items() for figure in figures}
    assert len(of) == sum(map(len, PRINTED.values()))
    zoneout, lstm = of["char_ptb", "zoneout"], of["char_ptb", "lstm"]
    assert (lstm.valid, lstm.test, zoneout.valid, zoneout.test) == (1.466, 1.356, 1.362, 1.252)
    assert all(
        0.004 <= round(1.356 - (of["char_ptb", arm].test or 0), 3) <= 0.013
        for arm in ("weight_noise", "norm_stabilizer", "stochastic_depth")
    )
    gap = (of["pmnist", "recurrent_batch_norm"].test or 0) - (of["pmnist", "recurrent_batch_norm_zoneout"].test or 0)
    assert round(gap * 10_000) == 50
    assert "2 × 200" in of["word_ptb", "lstm"].doubt
