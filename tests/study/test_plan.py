"""Before anything is trained: can the design answer, and in which batches would it train."""

from __future__ import annotations

import pytest
import torch
from small_study import ARMS, HELPS, run, small, snapshot

from zoneout_lab import Arm, Study, Zoneout
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.study import plan
from zoneout_lab.study.plan import check_metrics
from zoneout_lab.tasks import make_task


def family(count: int, **fields):
    """A study with so many hypotheses."""
    return small(hypotheses=[HELPS.model_copy(update={"name": f"h{k}"}) for k in range(count)], **fields)


# hypotheses, alpha → seeds n with 2/2ⁿ ≤ α/m, by hand
NEEDED = [(1, 0.05, 6), (2, 0.05, 7), (4, 0.05, 8), (5, 0.05, 8), (1, 0.5, 6), (1, 0.01, 8), (7, 0.05, 9)]


@pytest.mark.parametrize(("count", "alpha", "needed"), NEEDED)
def test_a_design_that_cannot_reach_its_alpha_is_refused(count, alpha, needed):
    assert plan.check_design(family(count, alpha=alpha, seeds=needed)) is None
    short = family(count, alpha=alpha, seeds=needed - 1)
    with pytest.raises(InputRefusedError) as error:
        plan.refuse_unless_forced(short, force=False)
    assert f"--seeds {needed}." in str(error.value)
    assert f"with {needed - 1} paired seeds" in str(error.value)
    assert plan.refuse_unless_forced(short, force=True) == str(error.value)


def test_without_hypotheses_one_seed_will_do():
    assert plan.check_design(small(seeds=1)) is None


def test_run_refuses_it_and_writes_nothing(tmp_path):
    with pytest.raises(InputRefusedError, match="cannot reach a verdict"):
        run(family(1), tmp_path)
    assert not list(tmp_path.iterdir())


def shapes_of_three(seeds=6):
    arms = (*ARMS, Arm(name="longer", change={"training.epochs": 3}), Arm(name="wide", change={"model.hidden": 8}))
    return small(arms=arms, seeds=seeds)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("memory", [None, 1, 10**7, 10**12])
def test_batches(workers, memory):
    runs = shapes_of_three().runs()
    work = plan.batches(runs, 64, workers=workers, memory=memory)
    assert sorted(r.id for batch in work for r in batch) == sorted(r.id for r in runs)  # each once
    for shape in {r.shape for r in runs}:
        group = [r for batch in work for r in batch if r.shape == shape]
        assert group == [r for r in runs if r.shape == shape]  # in the order they came in
        sizes = [len(batch) for batch in work if batch[0].shape == shape]
        assert max(sizes) - min(sizes[:-1] or sizes) == 0  # even: only the last may be smaller
        assert max(sizes) - sizes[-1] < len(sizes) + max(sizes) / 2
    for batch in work:
        assert len({r.shape for r in batch}) == 1
        together = workers * len(batch) * plan.bytes_per_replica(batch[0], 64)
        assert len(batch) == 1 or together <= (memory or 10**12)


def test_batches_keep_every_worker_busy():
    runs = small(seeds=8).runs()  # 16 of one shape
    assert [len(batch) for batch in plan.batches(runs, 64, workers=2)] == [8, 8]
    assert [len(batch) for batch in plan.batches(runs, 64, workers=4)] == [4, 4, 4, 4]
    assert [len(batch) for batch in plan.batches(runs, 64, workers=1, memory=10**12)] == [16]
    one = plan.bytes_per_replica(runs[0], 64)
    assert [len(batch) for batch in plan.batches(runs, 64, workers=1, memory=5 * one)] == [4, 4, 4, 4]
    assert [len(batch) for batch in plan.batches(runs, 64, workers=1, memory=one - 1)] == [1] * 16
    assert plan.batches([], 64) == []


def test_five_arms_of_ten_seeds_on_pmnist_are_one_model_on_a_gpu():
    arms = [Arm(name=f"z{k}", regularizer=Zoneout(cell=k / 10)) for k in range(5)]
    study = Study(name="big", title="", question="", arms=arms, baseline="z0", task="pmnist", preset="paper", seeds=10)
    memory = 80 * 2**30  # of one H100
    (model,) = plan.batches(study.runs(), 784, memory=memory, device="cuda:0")
    assert len(model) == 50


def test_cost_grows_with_the_work_and_shrinks_with_workers():
    study = small(seeds=4)
    task = make_task("digits")
    data = task.load()
    runs = study.runs()
    one = plan.cost(plan.batches(runs, 64), task, data)
    longer = [run.model_copy(update={"setting": small({"training.epochs": 40}).setting()}) for run in runs]
    assert plan.cost([longer], task, data).seconds > 5 * one.seconds > 0
    # side by side: half the time for the same batches
    halves = [runs[:4], runs[4:]]
    assert plan.cost(halves, task, data, workers=2).memory == 8 * plan.bytes_per_replica(runs[0], 64)
    assert plan.cost(halves, task, data, workers=1).memory == 4 * plan.bytes_per_replica(runs[0], 64)
    assert plan.cost([], task, data) == plan.Cost(0, 0)


def test_an_estimate_leaves_the_process_as_it_was():
    study, task = small(seeds=1), make_task("digits")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.set_flush_denormal(False)
        plan.cost(plan.batches(study.runs(), 64), task, task.load())
        assert torch.get_num_threads() == 2
        assert (torch.tensor(1e-40) * 1).item() > 0
    finally:
        torch.set_num_threads(before)


def test_metrics_that_are_promised_are_there(ran):
    from zoneout_lab.profiles import REDUCTIONS
    from zoneout_lab.results import open_results, scalar

    tree = open_results(ran.folder)
    promised = plan.metrics_of(small(gradient_epochs=(1,)))
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
    with pytest.raises(InputRefusedError, match=r"after epoch 3, and training ends after 2.*training\.epochs=3"):
        check_metrics(small(gradient_epochs=(1, 3)))


def test_a_cell_is_not_measured_where_there_is_none():
    claim = HELPS.model_copy(update={"metric": "early_third_mass_cell"})
    study = small(
        {"model.cell": "gru"}, gradient_epochs=(1,), arms=(Arm(name="lstm"), Arm(name="zoneout")), hypotheses=(claim,)
    )
    with pytest.raises(UsageError, match="not every arm has a memory cell"):
        check_metrics(study)


def test_memory_grows_with_the_vocabulary_and_the_embedding():
    """By hand, in float32 numbers: eight for each parameter beyond the recurrence, and what stands for each timestep."""

    def needed(**change: int) -> int:
        study = small({"model.hidden": 100, **change}, task="char_ptb", gradient_epochs=())
        return plan.bytes_per_replica(study.runs()[0], 99)

    batch, plain = small(task="char_ptb").setting().training.batch, needed()
    of_table, of_inputs = 8 * 50 * 80, batch * 99 * (80 - 50)
    assert needed(**{"model.embedding": 80}) - plain == 4 * (of_table + of_inputs)
    wide = 8 * (50 * 200 + 4 * 100 * (200 - 100)) + batch * 99 * (200 - 50)
    assert needed(**{"model.embedding": 200}) - plain == 4 * wide


def test_cost_grows_with_the_passes_that_are_averaged():
    runs = {}
    for how in ("sampled", "monte_carlo"):
        study = small({"training.evaluation": how, "training.samples": 7})
        runs[how] = study.runs()[0]
    data = make_task("digits").load()
    (updates, one), (same, seven) = (plan._amount(runs[how], data) for how in ("sampled", "monte_carlo"))
    assert updates == same
    assert seven == pytest.approx(7 * one)
