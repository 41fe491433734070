"""Before anything is trained: can the study answer what it asks?"""

from __future__ import annotations

import pytest
from small_study import HELPS, run, small, snapshot

from zoneout_lab import Arm
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.study.design import check_design, refuse_unless_forced, seeds_needed
from zoneout_lab.study.design_metrics import check_metrics, metrics_of, shortened


def family(count: int, **fields):
    """A study with so many hypotheses."""
    return small(hypotheses=[HELPS.model_copy(update={"name": f"h{k}"}) for k in range(count)], **fields)


# correction, hypotheses, alpha → seeds n with 2/2ⁿ ≤ α, under Holm ≤ α/m, by hand
NEEDED = [
    *[("holm", *each) for each in ((1, 0.05, 6), (2, 0.05, 7), (4, 0.05, 8), (5, 0.05, 8), (1, 0.01, 8), (7, 0.05, 9))],
    *[("joint", *each) for each in ((1, 0.05, 6), (7, 0.05, 6), (2, 0.01, 8), (1, 0.5, 6))],
]


@pytest.mark.parametrize(("correction", "count", "alpha", "needed"), NEEDED)
def test_a_design_that_cannot_reach_its_alpha_is_refused(correction, count, alpha, needed):
    for seeds in (needed, needed + 1):
        assert check_design(family(count, alpha=alpha, seeds=seeds, family=correction)) is None
    short = family(count, alpha=alpha, seeds=needed - 1, family=correction)
    with pytest.raises(InputRefusedError) as error:
        refuse_unless_forced(short, force=False)
    assert f"--seeds {needed}." in str(error.value)
    assert f"with {needed - 1} paired seeds the smallest" in str(error.value)
    assert ("Holm" in str(error.value)) == (correction == "holm" and count > 1)
    assert f"{refuse_unless_forced(short, force=True)} To go on anyway: --force." == str(error.value)


def test_without_hypotheses_one_seed_will_do():
    assert check_design(small(seeds=1)) is None


def test_run_refuses_it_and_writes_nothing(tmp_path):
    with pytest.raises(InputRefusedError, match="cannot reach a verdict"):
        run(family(1), tmp_path)
    assert not list(tmp_path.iterdir())


def test_metrics_that_are_promised_are_there(ran):
    from zoneout_lab.results import open_results, scalar

    tree = open_results(ran.folder)
    promised = metrics_of(small(gradient_epochs=(1,)))
    assert set(REDUCTIONS) <= set(promised)
    for metric in promised:
        assert scalar(tree, metric).notnull().all(), metric


def test_planning_writes_nothing(ran, capsys):
    from zoneout_lab.cli.plan import show_plan

    out = ran.folder.parent
    before = snapshot(out)
    for study in (small(gradient_epochs=(1,)), small(name="another")):
        show_plan(study, data=None, out=out, device="cpu", workers=1, force=False, as_json=True)
    assert snapshot(out) == before
    assert '"missing": 0' in capsys.readouterr().out


def test_gradient_flow_cannot_be_measured_after_training_has_ended():
    with pytest.raises(InputRefusedError, match=r"after epoch 3, but training ends after 2.*training\.epochs=3"):
        check_metrics(small(gradient_epochs=(1, 3)))


def test_a_cell_is_not_measured_where_there_is_none():
    claim = HELPS.model_copy(update={"metric": "early_third_mass_cell"})
    study = small(
        {"model.cell": "gru"}, gradient_epochs=(1,), arms=(Arm(name="lstm"), Arm(name="zoneout")), hypotheses=(claim,)
    )
    with pytest.raises(UsageError, match="not every arm has a memory cell"):
        check_metrics(study)


def test_a_shortened_study_says_what_is_measured_earlier():
    declared = small({"training.epochs": 5}, gradient_epochs=(5,), measures=("update_activity", "lyapunov"))
    study, words = shortened(declared.model_copy(update={"change": declared.change | {"training.epochs": 3}}), declared)
    assert study.gradient_epochs == (-1,)
    assert words == "update activity and lyapunov measured after the last epoch instead of after epoch 5"


def test_one_claim_of_absence_takes_as_many_seeds_on_each_task_as_one_task_would():
    absent = HELPS.model_copy(update={"name": "absent", "direction": "not lower", "margin": 0.1})
    asked = [small(hypotheses=claims) for claims in ([HELPS], [absent], [HELPS, absent])]
    of_two = [study.model_copy(update={"tasks": ("digits", "adding")}) for study in asked]
    assert [seeds_needed(study) for study in of_two] == [3, 6, 6]
    assert "with 2 paired seeds on each of 2 tasks the smallest" in str(check_design(of_two[0]))


def test_where_one_arm_has_no_memory_cell_only_what_is_of_cells_is_left_out():
    arms = (Arm(name="lstm"), Arm(name="gru", change={"model.cell": "gru"}))
    change = {"gradient_epochs": (1,), "measures": ("gradient_flow", "update_activity")}
    both, one = (set(metrics_of(small(arms=each, **change))) for each in ((arms[0],), arms))
    assert both - one == {name for name in both if REDUCTIONS.get(name) and REDUCTIONS[name].state == "cell"} != set()
