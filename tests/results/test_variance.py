"""Where the variance comes from: every arm's scatter beside what its seeds vary."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_studies import make_spec, make_study

from zoneout_lab.results.variance import sources_of_variance, what_varies
from zoneout_lab.stats.spread import sd_interval, variance_ratio

ARMS = ("every", "init", "data", "other", "both")
VARY = {"init": ["init"], "data": ["data"], "both": ["init", "data"]}
RNG = np.random.default_rng(8)
ERRORS = {
    arm: dict(enumerate(0.5 + scale * RNG.normal(size=9)))
    for arm, scale in zip(ARMS, (0.05, 0.02, 0.03, 0.1, 0.04), strict=True)
}


def spec(**study):
    arms = [{"name": arm, "label": arm, "regularizer": {"kind": "none"}, "change": {}} for arm in ARMS]
    arms[3]["regularizer"] = {"kind": "zoneout"}
    for arm in arms:
        arm |= {"vary": VARY[arm["name"]]} if arm["name"] in VARY else {}
    return make_spec(seeds=9) | {"arms": arms} | study


def of(tree, arm):
    (spread,) = [each for each in sources_of_variance(tree, "valid_error") if each.arm == arm]
    return spread


def test_every_arm_with_its_sd_and_its_share_of_the_widest_trained_alike():
    tree = make_study(ERRORS, spec())
    assert [each.arm for each in sources_of_variance(tree, "valid_error")] == list(ARMS)
    values = {arm: np.array(list(ERRORS[arm].values())) for arm in ARMS}
    for arm in ARMS:
        spread = of(tree, arm)
        assert (spread.n, spread.varies) == (9, tuple(VARY.get(arm, ("init", "data", "masks"))))
        assert (spread.mean, spread.sd) == pytest.approx((values[arm].mean(), values[arm].std(ddof=1)))
        assert spread.sd_interval == pytest.approx(sd_interval(values[arm]))
    for arm in ("init", "data", "both"):
        relative, interval = variance_ratio(values[arm], values["every"])
        spread = of(tree, arm)
        assert (spread.whole, spread.n_both, spread.relative) == ("every", 9, pytest.approx(relative))
        assert spread.relative_interval == pytest.approx(interval)
    for arm in ("every", "other"):  # nothing that is trained alike varies more
        assert (of(tree, arm).whole, of(tree, arm).n_both) == ("", 0)
        assert np.isnan(of(tree, arm).relative)


def test_a_whole_has_all_of_what_the_part_varies():
    """Held masks: an arm that varies data is no part of one that varies initialisation alone."""
    arms = spec()["arms"]
    some = [arms[1], arms[2], arms[4]]
    tree = make_study({arm["name"]: ERRORS[arm["name"]] for arm in some}, spec(arms=some))
    assert {each.arm: each.whole for each in sources_of_variance(tree, "valid_error")} == {
        "init": "both",
        "data": "both",
        "both": "",
    }


def test_an_arm_that_varies_more_but_something_else_is_no_whole():
    arms = [spec()["arms"][1] | {"vary": ["masks"]}, spec()["arms"][4]]
    tree = make_study({arm["name"]: ERRORS[arm["name"]] for arm in arms}, spec(arms=arms))
    assert {each.whole for each in sources_of_variance(tree, "valid_error")} == {""}


def test_the_level_is_that_asked_for():
    spread = sources_of_variance(make_study(ERRORS, spec()), "valid_error", alpha=0.5)[1]
    part, whole = (list(ERRORS[arm].values()) for arm in ("init", "every"))
    assert spread.sd_interval == pytest.approx(sd_interval(part, 0.5))
    assert spread.relative_interval == pytest.approx(variance_ratio(part, whole, 0.5)[1])


def test_lost_runs_are_left_out_of_both():
    tree = make_study(ERRORS, spec(), diverged=(("init", 0), ("every", 3)))
    relative, _ = variance_ratio(
        *(np.array([ERRORS[arm][s] for s in range(9) if s not in (0, 3)]) for arm in ("init", "every"))
    )
    assert (of(tree, "init").n, of(tree, "init").n_both, of(tree, "every").n) == (8, 7, 8)
    assert of(tree, "init").relative == pytest.approx(relative)


def test_none_where_all_arms_vary_the_same():
    arms = [{key: value for key, value in arm.items() if key != "vary"} for arm in spec()["arms"]]
    assert sources_of_variance(make_study(ERRORS, spec(arms=arms)), "valid_error") == ()
    assert sources_of_variance(make_study(ERRORS, spec(arms=arms, vary=["init"])), "valid_error") == ()
    assert sources_of_variance(make_study(ERRORS), "valid_error") == ()


def test_what_varies_is_the_arm_s_else_the_study_s_else_everything():
    arms = [{"name": "a"}, {"name": "b", "vary": ["masks", "data"]}]
    assert what_varies({"arms": arms}) == {"a": ("init", "data", "masks"), "b": ("data", "masks")}
    assert what_varies({"arms": arms, "vary": ["init"]})["a"] == ("init",)
    assert what_varies({}) == {}
