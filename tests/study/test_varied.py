"""Which kinds of randomness differ between seeds: a study, or an arm, may hold some of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import ARMS, HELPS, arrays, run, searching, small

from zoneout_lab import Arm, Study, WeightNoise, Zoneout
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.study.spec import derive
from zoneout_lab.study.varied import check_varied
from zoneout_lab.tasks import load_task, make_task

KINDS = ("init", "data", "masks")


def seeds_of(study: Study, arm: str) -> list[dict[str, int]]:
    return [each.seeds.model_dump() for each in study.runs() if each.arm == arm]


@pytest.mark.parametrize("vary", [("init",), ("data",), ("masks",), ("init", "masks"), KINDS])
def test_what_is_not_varied_is_that_of_seed_zero(vary):
    study = small(seeds=3, vary=vary)
    for arm in study.arms:
        assert seeds_of(study, arm.name) == [
            {kind: derive(0, seed if kind in vary else 0, kind) for kind in KINDS} for seed in range(3)
        ]


def test_an_arm_may_vary_something_else():
    held = Arm(name="held", regularizer=ARMS[1].regularizer, vary=("masks",))
    study = small(seeds=2, arms=(*ARMS, held))
    every, only = seeds_of(study, "zoneout"), seeds_of(study, "held")
    assert every[0] == only[0]
    assert only[1] == every[0] | {"masks": every[1]["masks"]}


def test_trials_hold_what_runs_hold_at_a_draw_of_their_own():
    study = searching(seeds=2, vary=("init", "data"))
    trials = [study.run(study.arms[1], seed, phase="tune/").seeds for seed in range(2)]
    assert trials[0].masks == trials[1].masks != study.runs()[0].seeds.masks
    assert trials[0].init != trials[1].init


def test_one_choice_has_one_hash_and_the_usual_one_that_of_before():
    assert small(vary=("masks", "init")).id == small(vary=("init", "masks", "init")).id != small().id
    assert "vary" not in small(vary=KINDS).to_json()
    assert "vary" not in small().to_json()["arms"][0]
    assert small(vary=["masks"]).to_json()["vary"] == ["masks"]


@pytest.mark.parametrize("vary", [(), ("weights",), "masks"])
def test_at_least_one_known_kind(vary):
    with pytest.raises(InputRefusedError, match="vary"):
        small(vary=vary)


def test_arms_that_vary_different_kinds_are_not_compared():
    arms = (ARMS[0], ARMS[1].model_copy(update={"vary": ("init",)}))
    with pytest.raises(
        InputRefusedError, match=r"'zoneout', whose seeds vary init, with 'lstm', whose seeds vary init, data, masks"
    ):
        small(arms=arms, hypotheses=(HELPS,), seeds=6)
    same = small(arms=arms, vary=("init",), hypotheses=(HELPS,), seeds=6)
    assert same.varied(same.arms[0]) == same.varied(same.arms[1]) == ("init",)


def check(study: Study) -> None:
    task = make_task(study.task, study.setting().options)
    check_varied(study, load_task(task, None))


def test_an_arm_without_masks_has_nothing_else_to_vary(tmp_path: Path):
    study = small(vary=("masks",))
    with pytest.raises(
        InputRefusedError,
        match=r"arm 'lstm': all its runs would be the same.*vary only masks.*draws no masks.*init or data",
    ):
        run(study, tmp_path)
    assert not (tmp_path / study.id / "MANIFEST.json").exists()
    check(small(vary=("masks",), arms=ARMS[1:], baseline="zoneout"))
    check(small(vary=("masks",), arms=(Arm(name="noisy", regularizer=WeightNoise(0.1)),), baseline="noisy"))
    check(small(vary=("data",)))
    check(small(vary=("data", "masks")))


def test_carried_streams_are_not_shuffled(tmp_path: Path):
    (tmp_path / "book.txt").write_text("the cat sat on the mat and the dog sat on the log \n" * 200)
    text = {"options.path": str(tmp_path / "book.txt"), "training.batch": 2, "options.streams": 2, "options.length": 5}
    study = small(text, task="word_text", vary=("data",))
    with pytest.raises(InputRefusedError, match="vary only data, and it draws no order of the data"):
        check(study)


def test_the_kind_that_is_varied_is_what_makes_runs_differ(tmp_path: Path):
    """Seeds of one arm that varies masks alone: the same start, other numbers once masks are drawn."""
    arms = (
        Arm(name="masks", regularizer=Zoneout(0.5, 0.05), vary=("masks",)),
        Arm(name="data", regularizer=Zoneout(0.5, 0.05), vary=("data",)),
    )
    study = small(arms=arms, baseline="masks", gradient_epochs=(0,))
    summary = run(study, tmp_path)
    found = arrays(summary.folder)
    ids = {(each.arm, each.seed): each.id for each in study.runs()}
    one, other = (found[f"{ids['masks', seed]}/metrics/train_loss"] for seed in (0, 1))
    assert (one != other).all()
    for seed in (0, 1):
        flows = [found[f"{ids[arm, seed]}/gradients/norm_without_noise"] for arm in ("masks", "data")]
        assert (flows[0] == flows[1]).all()  # untrained and without noise, all four models are one
    assert (found[f"{ids['masks', 0]}/metrics/train_loss"] == found[f"{ids['data', 0]}/metrics/train_loss"]).all()
