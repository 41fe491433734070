"""A training function goes to a cluster's workers with its file, and gives the numbers there that it gives here; one that fails is one run."""

from __future__ import annotations

import own_functions
from test_own_parts_run import numbers

from zoneout_lab.study.run import run_study


def test_the_numbers_of_this_process(cluster, tmp_path):
    study = own_functions.loaded(tmp_path)
    here = run_study(study, out=tmp_path / "here", workers=1, tracking=None)
    there = run_study(study, out=tmp_path / "there", scheduler=cluster.address, tracking=None)
    assert (there.trained, there.failed) == (12, [])
    assert numbers(there.folder) == numbers(here.folder)


def test_a_function_that_raises_there_is_a_run_that_failed(cluster, tmp_path):
    source = own_functions.PLAIN.replace(
        "    noise =", "    if run.seed == 2 and run.arm == 'full':\n        raise ValueError('plum')\n    noise ="
    )
    study = own_functions.loaded(tmp_path, source)
    found = run_study(study, out=tmp_path / "out", scheduler=cluster.address, tracking=None)
    assert (found.trained, len(found.failed)) == (11, 1)
    (kept,) = (found.folder / "failures").glob("*.txt")
    assert "ValueError: plum" in kept.read_text()
    assert "in train" in kept.read_text()
