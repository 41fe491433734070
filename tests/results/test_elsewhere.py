"""Tables of other people's runs: read, paired, refused with the row, and judged as SciPy would."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.results import compare_family
from zoneout_lab.results.edge import near_edge

ABOUT = {"acc": zl.Metric("test accuracy", unit="%", better="higher")}


def table(arms=("full", "none"), seeds=7, gain=1.0, **more):
    rng = np.random.default_rng(0)
    luck = rng.normal(size=seeds)
    rows = [
        {"arm": arm, "seed": seed, "acc": 80 + luck[seed] + gain * k + 0.2 * rng.normal()} | more
        for k, arm in enumerate(arms)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def nested(datasets=3, folds=2):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            (arm, f"d{d}", fold, seed, 80 + 3 * d + (arm == "new") * (1 + 0.1 * rng.normal()))
            for arm in ("old", "new")
            for d, fold, seed in itertools.product(range(datasets), range(folds), range(2))
        ],
        columns=["arm", "dataset", "fold", "seed", "acc"],
    )


def judged(frame, **more):
    return zl.judge(zl.results_from(frame, **({"metrics": ABOUT, "baseline": "full"} | more)))[0].comparison


def test_a_comparison_is_scipys_paired_permutation_test():
    frame = table()
    c = judged(frame)
    x, y = (frame.acc[frame.arm == arm].to_numpy() for arm in ("none", "full"))
    expected = scipy.stats.permutation_test(
        (x, y), lambda a, b, axis: (a - b).mean(axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert c.p == pytest.approx(expected.pvalue)
    assert c.p_wilcoxon == pytest.approx(scipy.stats.wilcoxon(x, y).pvalue)
    assert c.mean_difference == pytest.approx((x - y).mean())


def test_it_is_what_a_study_gives(tmp_path: Path):
    results = zl.results_from(table(), metrics=ABOUT, baseline="full")
    schema.write_tree(results, tmp_path / "study.nc")
    results.to_netcdf(tmp_path / "by_xarray.nc")
    for path in (tmp_path / "study.nc", tmp_path, tmp_path / "by_xarray.nc"):
        assert zl.judge(zl.open_results(path)) == zl.judge(results)
    assert zl.compare(results, "none", "full", metric="acc", direction="higher").verdict == "supported"
    zl.write_index([tmp_path], tmp_path / "index.html")
    assert "(exploratory)" in (tmp_path / "index.html").read_text()


def test_seeds_stay_what_they_are_and_what_is_lost_is_said():
    frame = table()
    frame["seed"] = frame.seed * 10 + 3
    c = judged(frame.drop(index=2))
    assert c.lost == (23,)
    assert "seed 23 is lost" in c.sentence
    assert c.seeds == (3, 13, 33, 43, 53, 63)


def test_nan_and_infinity_are_no_values_and_the_second_is_noted():
    frame = table()
    frame.loc[0, "acc"], frame.loc[8, "acc"] = np.nan, np.inf
    results = zl.results_from(frame, metrics=ABOUT, baseline="full")
    assert zl.judge(results)[0].comparison.lost == (0, 1)
    assert schema.provenance(results, "source")["notes"] == ["1 value of acc is infinite and counts as missing."]


def test_blocks_are_pairs_with_names_and_those_of_one_dataset_may_agree():
    results = zl.results_from(nested(), block=("dataset", "fold", "seed"), metrics=ABOUT, baseline="old")
    c = zl.judge(results)[0].comparison
    assert (c.by, c.groups, len(c.seeds)) == (("dataset", "fold", "seed"), 3, 12)
    assert c.blocks[:3] == ("d0, fold 0, seed 0", "d0, fold 0, seed 1", "d0, fold 1, seed 0")
    assert c.p_groups == 2 / 2**3  # three datasets that all agree
    assert c.sentence.startswith("Over 12 paired blocks (dataset × fold × seed), the test accuracy of new is ")
    assert "blocks of one dataset may agree: with each of the 3 flipped whole, p = 0.25" in c.sentence
    assert "seeds" not in c.sentence.replace("fold × seed", "")


def test_p_of_whole_datasets_is_scipys_of_their_sums():
    frame = nested(datasets=6)
    frame.loc[(frame.arm == "new") & (frame.dataset == "d1"), "acc"] -= 2
    frame = frame.drop(index=[0, 30])  # datasets of several sizes
    c = judged(frame, block=("dataset", "fold", "seed"), baseline="old")
    group = [label.partition(",")[0] for label in c.blocks]
    sums = pd.Series(c.differences).groupby(group).sum().to_numpy()
    expected = scipy.stats.permutation_test(
        (sums, np.zeros(6)),
        lambda a, b, axis: (a - b).sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert c.p_groups == pytest.approx(expected.pvalue)
    assert 2 / 2**6 < c.p_groups < 1


def test_one_group_alone_says_nothing():
    c = judged(nested(datasets=1, folds=4), block=("dataset", "fold", "seed"), baseline="old")
    assert (len(c.seeds), c.groups, c.verdict, near_edge(c)) == (8, 0, "supported", "")
    assert "flipped whole" not in c.sentence


def test_a_verdict_that_whole_datasets_do_not_bear_out_has_a_warning():
    assert near_edge(judged(nested(), block=("dataset", "fold", "seed"), baseline="old")) == (
        "The verdict takes the blocks of one dataset for independent: with each of the 3 flipped whole, p = 0.25, which decides nothing."
    )
    assert near_edge(judged(nested(datasets=8), block=("dataset", "fold", "seed"), baseline="old")) == ""


def test_lost_blocks_are_named():
    c = judged(nested().drop(index=0), block=("dataset", "fold", "seed"), baseline="old")
    assert "block d0, fold 0, seed 0 is lost" in c.sentence


def test_rows_of_one_pair_are_averaged_only_when_asked():
    frame = nested(datasets=6)
    with pytest.raises(
        InputRefusedError,
        match="old has two rows at d0: rows 1 and 2, and there are 35 more such rows",
    ):
        zl.results_from(frame, block="dataset", metrics=ABOUT)
    c = judged(frame, block="dataset", average=True, baseline="old")
    means = frame.groupby(["arm", "dataset"]).acc.mean()
    assert c.differences == pytest.approx((means["new"] - means["old"]).to_numpy())
    assert (len(c.seeds), c.groups) == (6, 0)


def test_one_missing_row_makes_no_average():
    frame = nested(datasets=6)
    frame.loc[0, "acc"] = np.nan
    assert judged(frame, block="dataset", average=True, baseline="old").lost_blocks == ("d0",)


def test_unpaired_only_when_asked_with_the_test_that_fits():
    frame = table(seeds=6).drop(columns="seed").drop(index=[3])
    with pytest.raises(UsageError, match="no column 'seed'"):
        zl.results_from(frame, metrics=ABOUT)
    c = judged(frame, paired=False)
    x, y = (frame.acc[frame.arm == arm].to_numpy() for arm in ("none", "full"))
    expected = scipy.stats.permutation_test(
        (x, y), lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True, n_resamples=np.inf
    )
    assert c.p == pytest.approx(expected.pvalue)
    assert (c.paired, c.seeds, len(c.arm_values), len(c.against_values)) == (False, (), 6, 5)
    assert c.sentence.startswith("Over 6 and 5 runs that are not paired, ")


def test_a_family_is_judged_together():
    results = zl.results_from(table(("full", "a", "b")), metrics=ABOUT, baseline="full")
    ours = [each.comparison for each in zl.judge(results)]
    assert [c.family for c in ours] == [2, 2]
    asked = [zl.results.Question(c.arm, c.against, "acc", "higher") for c in ours]
    assert [c.p_adjusted for c in compare_family(results, asked)] == [c.p_adjusted for c in ours]


def test_counts_fractions_and_percentages_are_shown_as_what_they_are():
    frame = table().assign(steps=np.arange(14) * 10, rate=np.arange(14) / 14)
    about = {
        "steps": zl.Metric("steps to solve", unit="", counts="steps", better="lower"),
        "rate": zl.Metric("solved", better="higher"),
    }
    steps, rate = (each.comparison for each in zl.judge(zl.results_from(frame, metrics=about, baseline="full")))
    assert "70 steps higher" in steps.sentence.replace(".0", "")
    assert "50.0 percentage points higher" in rate.sentence


def test_metrics_have_names_that_a_file_can_hold():
    frame = (
        table()
        .rename(columns={"acc": "val/acc (%)"})
        .assign(**{"test score": np.arange(14.0), "epoch": 3, "text": "x"})
    )
    results = zl.results_from(frame)
    assert set(results["metrics"].data_vars) == {"val_acc", "test_score", "status"}
    notes = " ".join(schema.provenance(results, "source")["notes"])
    assert "val/acc (%) is called val_acc here." in notes
    assert "Not taken for a metric, by its name: epoch." in notes
    assert zl.compare(results, "none", "full", metric="test_score").metric == "test_score"


def test_long_tables_have_one_metric_in_each_row():
    wide = table().assign(loss=np.arange(14.0))
    tall = wide.melt(["arm", "seed"], var_name="what", value_name="how_much").sample(frac=1, random_state=0)
    one, other = (
        zl.results_from(frame, metrics=["acc", "loss"], **more)["metrics"].to_dataset().sortby(["arm", "seed"])
        for frame, more in ((wide, {}), (tall, {"long": ("what", "how_much")}))
    )
    assert one.drop_vars("status").equals(other.drop_vars("status"))
    twice = pd.concat([tall, tall.head(1)])
    with pytest.raises(InputRefusedError, match="has 2 values for arm"):
        zl.results_from(twice, metrics=["acc"], long=("what", "how_much"))


def test_an_export_of_weights_and_biases_leaves_out_what_did_not_finish(tmp_path: Path):
    frame = table(Name="run", State="finished", Created="2026-01-01", Runtime=12)
    frame.loc[3, "State"], frame.loc[12, "State"] = "crashed", "running"
    frame.to_csv(tmp_path / "wandb_export.csv", index=False)
    results = zl.results_from(tmp_path / "wandb_export.csv", metrics=ABOUT, baseline="full")
    assert zl.judge(results)[0].comparison.lost == (3, 5)
    assert schema.provenance(results, "source")["notes"] == [
        "Runs that did not finish are left out: 1 crashed, 1 running."
    ]


@pytest.mark.parametrize("empty", [None, "", float("nan")])
def test_a_state_that_is_not_known_lets_no_crashed_run_in(empty: object):
    frame = table(State="finished").astype({"State": object})
    frame.loc[[3, 4, 12], "State"] = ["crashed", empty, "evicted"]
    results = zl.results_from(frame, metrics=ABOUT, baseline="full")
    assert zl.judge(results)[0].comparison.lost == (3, 4, 5)
    (note,) = schema.provenance(results, "source")["notes"]
    assert note == "Runs that did not finish are left out: 1 without a state, 1 crashed, 1 evicted."


def test_a_column_called_state_may_mean_another():
    frame = table()
    frame["State"] = ["Ohio", "Utah"] * 7
    assert zl.judge(zl.results_from(frame, metrics=ABOUT, baseline="full"))[0].comparison.lost == ()
    frame["State"] = ["finished", "running"] * 7
    results = zl.results_from(frame, block=("State", "seed"), metrics=ABOUT)
    assert results["metrics"].sizes["seed"] == 14


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda frame, path: frame.to_csv(path, index=False)),
        ("semicolons.csv", lambda frame, path: frame.to_csv(path, index=False, sep=";")),
        ("t.tsv", lambda frame, path: frame.to_csv(path, index=False, sep="\t")),
        ("bom.csv", lambda frame, path: frame.to_csv(path, index=False, encoding="utf-8-sig")),
        ("quoted.csv", lambda frame, path: frame.to_csv(path, index=False, quoting=1, lineterminator="\r\n")),
        (
            "t.jsonl",
            lambda frame, path: path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records"))),
        ),
        ("t.parquet", lambda frame, path: frame.to_parquet(path)),
    ],
)
def test_every_format_gives_the_same_bits(tmp_path: Path, name, write):
    frame = table(("full", "None"))  # which pandas would take for a missing value
    write(frame, tmp_path / name)
    read = zl.results_from(tmp_path / name, metrics=ABOUT)
    assert read["metrics"].to_dataset().equals(zl.results_from(frame, metrics=ABOUT)["metrics"].to_dataset())
    assert schema.provenance(read, "source")["sha256"] == schema.digest(tmp_path / name)


def csv(text: str) -> str:
    return "arm,seed,acc\n" + text


GOOD = "a,0,1\na,1,2\nb,0,1\nb,1,2\n"
REFUSED = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (b"arm,seed,acc\n", "has a header and no rows"),
    "text.csv": (csv(GOOD + "b,2,good\n"), "acc in row 5 is 'good', which is no number"),
    "comma.csv": ("arm;seed;acc\na;0;0,85\n", "Write it with a point: 0.85"),
    "percent.csv": (csv("a,0,85%\n"), "give the metric the unit %"),
    "no_seed.csv": (csv(GOOD + "b,,3\n"), "Row 5 has no seed"),
    "inf_seed.jsonl": ('{"arm": "a", "seed": Infinity, "acc": 1}', "The seed of row 1, inf, is not finite"),
    "no_arm.csv": (csv(GOOD + " ,2,3\n"), "Row 5 has no arm"),
    "twice.csv": (csv(GOOD + "b,1,2\n"), "b has two rows at seed 1: rows 4 and 5. They are copies of each other"),
    "two_ways.csv": (csv("a,7,1\na,07,2\n"), "one number written in two ways: 7 and 07"),
    "control.csv": (csv("a\x07b,0,1\n"), "The arm of row 1, 'a�b', has control characters in it"),
    "huge.csv": (csv("x" * 300 + ",0,1\n"), "has 300 letters, and may have 200"),
    "ragged.csv": (csv(GOOD + "b,2,3,4,5\n"), "is no table"),
    "wide.csv": (csv("a,0,1,9\nb,0,2,9\n"), "is no table"),
    "zero.csv": (b"arm,seed,acc\na,0,\x001\n", "is not text: byte 18 is zero"),
    "utf16.csv": (csv(GOOD).encode("utf-16"), "is written in UTF-16"),
    "latin.csv": (csv("a,0,1\n\u00e9,0,2\n").encode("latin-1"), "is not UTF-8"),
    "double.csv": ("arm,seed,acc,acc\na,0,1,2\n", "has 2 columns called 'acc'"),
    "deep.jsonl": ("[" * 5000, "Line 1 of .* is not a row in JSON: it is nested deeper than 64"),
    "list.jsonl": ("[1, 2]", "Line 1 of .* is not an object"),
    "key_twice.jsonl": (
        '{"arm": "a", "seed": 0, "acc": 1}\n{"arm": "a", "seed": 1, "acc": 1, "acc": 2}',
        "Line 2 of .*: the key 'acc' stands twice in it",
    ),
    "nested.jsonl": ('{"arm": ["a"], "seed": 0, "acc": 1}', "is no text and no number"),
    "no.parquet": (b"PAR1 no", "cannot be read as Parquet"),
    "run.pkl": (b"x", "A pickle may run code"),
    "a.json": (b"{}", "one object on each line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_tables_are_refused_in_a_sentence(tmp_path: Path, name: str):
    content, said = REFUSED[name]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else bytes(content))
    with pytest.raises(InputRefusedError, match=said) as refused:
        zl.results_from(tmp_path / name, metrics=["acc"])
    assert str(refused.value).isprintable()


def test_of_two_parquet_columns_with_one_name_neither_is_guessed(tmp_path: Path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"arm": ["a", "b"], "seed": [0, 0], "acc": [1.0, 2.0], "loss": [1.0, 2.0]}
    written = pa.Table.from_arrays(list(map(pa.array, columns.values())), names=["arm", "seed", "acc", "acc"])
    pq.write_table(written, tmp_path / "t.parquet")
    with pytest.raises(InputRefusedError, match="has 2 columns called 'acc'"):
        zl.results_from(tmp_path / "t.parquet", metrics=["acc"])


def test_what_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"no column 'Arm'\. Did you mean 'arm'"):
        zl.results_from(table(), arm="Arm", metrics=["acc"])
    with pytest.raises(UsageError, match="no column 'ac'"):
        zl.results_from(table(), metrics=["ac"])
    with pytest.raises(UsageError, match=r"no arm 'ful'\. Did you mean 'full'"):
        zl.results_from(table(), metrics=["acc"], baseline="ful")
    with pytest.raises(InputRefusedError, match="'status', which means something else"):
        zl.results_from(table().rename(columns={"acc": "status"}), metrics=["status"])
    with pytest.raises(InputRefusedError, match="There is no file"):
        zl.results_from("/nowhere/t.csv", metrics=["acc"])


def test_a_measure_that_the_scale_cannot_hold_stops_no_other():
    frame = table().assign(loss=lambda f: f.acc - 80)
    about = ABOUT | {"loss": zl.Metric("loss", unit="", better="lower", scale="log")}
    first, second = zl.judge(zl.results_from(frame, metrics=about, baseline="full"))
    assert first.comparison.verdict == "supported"
    assert "cannot be compared on the log scale" in second.comparison.sentence


@pytest.mark.slow
def test_a_million_rows_are_read(tmp_path: Path):
    n = 1_000_000
    frame = pd.DataFrame(
        {"arm": np.repeat(["a", "b"], n // 2), "seed": np.tile(np.arange(n // 2), 2), "acc": np.arange(n) / 7}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    results = zl.results_from(tmp_path / "t.csv", metrics={"acc": "higher"}, baseline="a")
    assert zl.judge(results)[0].comparison.verdict == "supported"
