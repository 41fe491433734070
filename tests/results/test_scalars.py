"""Scalars by name: taken at the best epoch, derived by hand, NaN where a run failed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from tiny_studies import make_gradients, make_run, make_spec

from zoneout_lab import profiles, schema
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.metrics import Score
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.results import compare, scalar

NAN = float("nan")


def study(runs: list[xr.DataTree], seeds: list[int]) -> xr.DataTree:
    return schema.study_tree([(run, "sha") for run in runs], arms=["lstm", "zoneout"], seeds=seeds, provenance={})


def test_a_metric_by_epoch_is_taken_at_the_best_epoch_of_each_run():
    tree = study(
        [
            make_run("lstm", 0, [0.5, 0.2, 0.3]),
            make_run("lstm", 3, [0.4]),
            make_run("zoneout", 0, [0.9, 0.8, 0.7, 0.1]),
            make_run("zoneout", 3, [0.6, 0.7], status="diverged"),
        ],
        [0, 3, 4],
    )
    values = scalar(tree, "valid_error")
    assert values.dims == ("arm", "seed")
    np.testing.assert_array_equal(values, [[0.2, 0.4, NAN], [0.1, NAN, NAN]])
    words = {"long_name": "validation examples classified wrongly", "units": "1"}
    assert values.attrs == words | {"noun": "validation error", "better": "lower", "scale": "linear"}
    np.testing.assert_allclose(scalar(tree, "test_error"), [[0.21, 0.41, NAN], [0.11, NAN, NAN]])
    np.testing.assert_array_equal(scalar(tree, "best_epoch"), [[2, 1, NAN], [4, NAN, NAN]])


def test_a_score_is_that_of_the_study_s_task():
    values = scalar(study([make_run("lstm", 0, [0.5]), make_run("zoneout", 0, [0.25])], [0]), "valid_score")
    assert values.name == "valid_error"
    tree = study([make_run("lstm", 0, [0.5]), make_run("zoneout", 0, [0.25])], [0])
    assert scalar(tree, "test_score").name == "test_error"
    assert compare(tree, "zoneout", "lstm", metric="valid_score") == compare(
        tree, "zoneout", "lstm", metric="valid_error"
    )
    np.testing.assert_array_equal(values, [[0.5], [0.25]])
    with pytest.raises(UsageError, match=r"'valid_store'.*valid_error"):
        scalar(study([make_run("lstm", 0, [0.5])], [0]), "valid_store")


def test_the_loss_of_real_targets_is_in_squared_units_and_that_of_classes_in_nats():
    for score, unit in (("mse", "squared unit"), ("error", "nats")):
        run = schema.run_tree(
            run_id="r",
            arm="lstm",
            seed=0,
            status="finished",
            by_epoch={"valid_loss": [0.5], f"valid_{score}": [0.5], "gradient_norm": [1.0]},
            at_best={},
            best_epoch=1,
            seconds=1.0,
            provenance={},
        )
        tree = study([run], [0])
        assert scalar(tree, "valid_loss").attrs["units"] == tree["metrics"]["valid_loss"].attrs["units"] == unit
        assert scalar(tree, "gradient_norm").attrs["units"] == "unit of the loss"


# seven steps: the first third is the first two
EARLY, LATE = [3.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0]


def test_early_third_mass_by_hand():
    gradients = {0: make_gradients(LATE), 1: make_gradients(EARLY, ("l0",)), 3: make_gradients(LATE)}
    tree = study(
        [
            make_run("lstm", 0, [0.5], gradients=gradients),
            make_run("zoneout", 0, [0.5], gradients={0: make_gradients(EARLY), 1: make_gradients(LATE)}),
        ],
        [0],
    )
    # epoch 3 was measured for one run alone, so epoch 1 is the last that both have; epoch 0, before training, never counts
    expected = {"cell": (4 / 8, 1 / 10), "hidden": (2 / 8, 6 / 10)}
    for state, other in (("cell", "hidden"), ("hidden", "cell")):
        before, after = scalar(tree, f"early_third_mass_{state}"), scalar(tree, f"early_third_mass_{state}_state")
        np.testing.assert_allclose(before.sel(seed=0), expected[state])
        np.testing.assert_allclose(after.sel(seed=0), expected[other])
        np.testing.assert_allclose(
            scalar(tree, f"early_third_mass_{state}_without_noise").sel(seed=0), expected["cell"]
        )
    assert len({made.about.long_name for made in REDUCTIONS.values()}) == len(REDUCTIONS)
    about = scalar(tree, "early_third_mass_cell").attrs
    assert about["long_name"] == REDUCTIONS["early_third_mass_cell"].about.long_name
    assert about["noun"] == "early-third gradient share (cell, candidate)"


def test_what_is_left_of_a_perturbation_by_hand():
    growth = {"lstm": [[0.75, 0.25], [1.0, 0.5]], "zoneout": [[1.0, 0.0], [0.5, 0.25]]}
    runs = [
        make_run(
            arm,
            0,
            [0.5],
            dynamics={
                epoch: profiles.both(
                    *(
                        profiles.perturbation_dataset([each], layers=["l0"], states=["hidden", "cell"])
                        for each in (np.array(values) / epoch, values[::-1])
                    )
                )
                for epoch in (1, 2)
            },
        )
        for arm, values in growth.items()
    ]
    tree = study(runs, [0])
    expected = {"hidden": (0.25, 0.25), "cell": (0.375, 0.1875)}
    for state, values in expected.items():
        np.testing.assert_allclose(scalar(tree, f"perturbation_{state}").sel(seed=0), values)
    np.testing.assert_allclose(scalar(tree, "perturbation_hidden_without_noise").sel(seed=0), (0.75, 0.375))
    with pytest.raises(InputRefusedError, match="needs perturbations, and this study measured none"):
        scalar(study([make_run("lstm", 0, [0.5])], [0]), "perturbation_hidden")


def test_early_third_mass_is_averaged_over_layers():
    norms = np.array([EARLY, LATE])[:, None, None, :].repeat(2, 2)
    gradients = profiles.gradient_dataset(norms, layers=["l0", "l1"], states=["cell"])
    tree = study([make_run("lstm", 0, [0.5], gradients={1: gradients})], [0])
    assert scalar(tree, "early_third_mass_cell").sel(arm="lstm", seed=0) == pytest.approx((4 / 8 + 1 / 10) / 2)


def test_a_run_measured_only_before_training_has_no_early_third_mass():
    tree = study([make_run("lstm", 0, [0.5], gradients={0: make_gradients(EARLY)})], [0])
    assert np.isnan(scalar(tree, "early_third_mass_cell")).all()


def test_an_arm_without_a_state_leaves_the_others_their_values():
    gru = profiles.gradient_dataset(np.array([EARLY, EARLY])[None, None], layers=["l0"], states=["hidden"])
    runs = [
        make_run("lstm", 0, [0.5], gradients={1: make_gradients(EARLY), 2: make_gradients(LATE)}),
        make_run("lstm", 1, [0.5], gradients={1: make_gradients(EARLY)}),
        make_run("zoneout", 0, [0.5], gradients={1: gru, 2: gru}),
    ]
    tree = study(runs, [0, 1])
    np.testing.assert_allclose(scalar(tree, "early_third_mass_cell"), [[4 / 8, 4 / 8], [NAN, NAN]])
    # one run that ended before it was measured is not such an arm: there is no epoch at which all have a value
    tree = study([*runs, make_run("lstm", 2, [0.5])], [0, 1, 2])
    assert scalar(tree, "early_third_mass_cell").isnull().all()


def test_unknown_metrics_are_named_with_the_nearest():
    tree = study([make_run("lstm", 0, [0.5])], [0])
    with pytest.raises(UsageError, match="Did you mean 'valid_error'"):
        scalar(tree, "valid_eror")
    with pytest.raises(UsageError, match="no metric 'status'"):
        scalar(tree, "status")
    with pytest.raises(UsageError, match="no metric 'test_bpc'"):
        scalar(tree, "test_bpc")
    with pytest.raises(InputRefusedError, match="measured none"):
        scalar(tree, "early_third_mass_cell")


def test_a_study_that_measures_at_the_end_takes_each_runs_last_measurement():
    def growth(value: float):
        return profiles.perturbation_dataset([[[value, value]]], layers=["l0"], states=["hidden"])

    runs = [
        make_run("lstm", 0, [0.5], dynamics={0: growth(9.0), 2: growth(0.5)}),
        make_run("zoneout", 0, [0.5], dynamics={0: growth(9.0), 5: growth(0.25)}),
    ]
    ended, common = (
        schema.study_tree(
            [(run, "sha") for run in runs],
            arms=["lstm", "zoneout"],
            seeds=[0],
            provenance={"study": make_spec() | {"gradient_epochs": epochs}},
        )
        for epochs in ([0, -1], [0, 2, 5])
    )
    np.testing.assert_allclose(scalar(ended, "perturbation_hidden").sel(seed=0), (0.5, 0.25))
    assert scalar(common, "perturbation_hidden").isnull().all()


def test_gradients_taken_without_noise_are_asked_for_by_name():
    drawn = make_gradients(EARLY)[["norm", "normalised"]]
    tree = study([make_run("lstm", 0, [0.5], gradients={1: drawn})], [0])
    with pytest.raises(InputRefusedError, match="without noise"):
        scalar(tree, "early_third_mass_hidden_without_noise")


def test_gradients_of_another_state_or_too_few_steps_are_refused():
    hidden_only = make_gradients(EARLY).sel(state=["hidden"])
    tree = study([make_run("lstm", 0, [0.5], gradients={1: hidden_only})], [0])
    with pytest.raises(InputRefusedError, match="'cell'"):
        scalar(tree, "early_third_mass_cell")
    tree = study([make_run("lstm", 0, [0.5], gradients={1: make_gradients([1.0, 2.0])})], [0])
    with pytest.raises(InputRefusedError, match="three timesteps"):
        scalar(tree, "early_third_mass_cell")


@pytest.mark.parametrize("metric", ["valid_error", "test_bpc", *REDUCTIONS])
def test_a_study_without_a_finished_run_is_all_nan(metric):
    for tree in (study([], [0, 1]), study([make_run("lstm", 0, [0.5], status="diverged")], [0, 1])):
        values = scalar(tree, metric)
        assert values.shape == (2, 2)
        assert np.isnan(values).all()


def test_repeated_seeds_and_trees_of_one_run_are_refused():
    tree = study([make_run("lstm", 0, [0.5]), make_run("lstm", 1, [0.5])], [0, 1])
    doubled = xr.DataTree.from_dict({"/metrics": tree["metrics"].to_dataset().isel(seed=[0, 1, 1])})
    doubled.attrs.update(tree.attrs)
    with pytest.raises(InputRefusedError, match="seed appears once; these appear again: 1"):
        scalar(doubled, "valid_error")
    with pytest.raises(InputRefusedError, match="not the results of a study"):
        scalar(make_run("lstm", 0, [0.5]), "valid_error")


def test_repeated_arms_and_trees_without_metrics_are_refused():
    tree = study([make_run("lstm", 0, [0.5]), make_run("zoneout", 0, [0.4])], [0])
    doubled = xr.DataTree.from_dict({"/metrics": tree["metrics"].to_dataset().isel(arm=[0, 1, 1, 0])})
    doubled.attrs.update(tree.attrs)
    with pytest.raises(InputRefusedError, match="so each arm appears once; these appear again: zoneout, lstm"):
        scalar(doubled, "valid_error")
    bare = xr.DataTree()
    bare.attrs["kind"] = "study"
    with pytest.raises(InputRefusedError, match="not the results of a study"):
        scalar(bare, "valid_error")


def test_an_unknown_metric_is_told_apart_from_scores_that_the_study_has():
    tree = study([make_run("lstm", 0, [0.5])], [0])
    with pytest.raises(UsageError, match=r"Did you mean 'test_score'"):
        scalar(tree, "test_scores")
    # no run has a score of the training data
    with pytest.raises(UsageError) as refused:
        scalar(tree, "train_eval_score")
    assert "valid_score" in str(refused.value)
    assert str(refused.value).count("train_eval_score") == 1


def test_a_score_goes_by_what_the_results_record():
    run = schema.run_tree(
        run_id="r", arm="lstm", seed=0, status="finished", by_epoch={"valid_error": [0.5, 0.4], "valid_rate": [0.75, 0.25]}, at_best={}, best_epoch=1,
        seconds=1.0, provenance={},
    )  # fmt: skip
    score = Score("rate", "hit rate", "1", better="higher", scale="logit")
    tree = schema.study_tree([(run, "")], arms=["lstm"], seeds=[0], provenance={"score": [score.to_json()]})
    values = scalar(tree, "valid_score")
    assert (values.name, values.item()) == ("valid_rate", 0.75)
    assert (values.attrs["better"], values.attrs["scale"]) == ("higher", "logit")
    assert "hit rate" in values.attrs["noun"]
