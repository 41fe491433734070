"""Files to start from run as they are; what there is, is listed."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from zoneout_lab.cli.options import Kind
from zoneout_lab.measures import MEASURES
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.regularizers import REGULARIZERS
from zoneout_lab.study import load_study
from zoneout_lab.study.means import means_of
from zoneout_lab.tasks import TASKS

TINY = [
    "--set",
    "training.epochs=1",
    "--set",
    "training.batch=256",
    "--set",
    "model.hidden=4",
    "--seeds",
    "2",
    "--force",
]

TINY_FUNCTION = ["--set", "epochs=1", "--seeds", "2", "--force"]
#: kinds of files in which no class is written
WITHOUT_PARTS = ("study", "function")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ("cell", "task", "measure"))) for kind in Kind]
)
def test_a_file_to_start_from_runs_as_it_is(command, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    done = command("new", kind, "my_own", "--out", "mine")
    assert (done.code, done.output) == (0, "mine/my_own.py\n")
    assert "zoneout-lab run ./mine/my_own.py" in done.errors
    text = (tmp_path / "mine" / "my_own.py").read_text()
    assert ast.get_docstring(ast.parse(text)).startswith("My own: ")
    assert "start" not in text.lower().replace("started", "")
    assert text.count("    # ") >= 3
    planned = json.loads(command("plan", "./mine/my_own.py", "--json").output)
    assert planned["missing"] == planned["runs"] >= 16
    ran = command(
        "run",
        "./mine/my_own.py",
        "--out",
        "o",
        "--no-tracking",
        "--workers",
        "2" if kind == "cell" else "1",
        *(TINY_FUNCTION if kind == "function" else TINY),
    )
    assert ran.code == 0, ran.errors
    (folder,) = Path("o").glob("my_own-*")
    kept = [] if kind == "study" else ["my_own.py"]
    assert [path.name for path in folder.glob("code/*")] == kept
    assert command("verify", str(folder)).code == 0
    listed = command("parts", "./mine/my_own.py", "--json")
    own = [part for part in json.loads(listed.output) if part["own"]]
    assert [(part["kind"], part["name"]) for part in own] == (
        [] if kind in WITHOUT_PARTS else [(kind, "./my_own.py:MyOwn")]
    )
    assert all("`zoneout-lab parts ./my_own.py` shows it." in part["about"] for part in own)


def test_nothing_is_overwritten(command, tmp_path):
    assert command("new", "task", "mine", "--out", str(tmp_path)).code == 0
    (tmp_path / "mine.py").write_text("mine")
    done = command("new", "study", "mine", "--out", str(tmp_path))
    assert done.code == 5
    assert "mine.py already" in done.errors
    assert (tmp_path / "mine.py").read_text() == "mine"
    done = command("new", "cell", "other", "--out", str(tmp_path / "my own"))
    assert f"zoneout-lab run '{tmp_path}/my own/other.py'" in done.errors
    done = command("new", "study", "other", "--out", str(tmp_path / "mine.py"))
    assert done.code == 5
    assert "Cannot write to" in done.errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("study My-Study", "for example my_study"),
        ("cell MinGRU", "for example min_gru"),
        ("cell half.py", "for example half"),
        ("task 1st", "for example half_zoneout"),
        ("task _x", "for example x"),
        ("task ../x", "lower-case letters"),
        ("task class", "something else in Python"),
        ("task random", "Python has a module random"),
        ("task torch", "Python has a module torch"),
        ("regularizer zoneout", "comes with one"),
        ("study quickstart", "comes with one"),
        ("cell layer_norm_lstm", "comes with one"),
        ("task char_text", "comes with one"),
        ("layer mine", "layer"),
        ("task", "NAME"),
        ("task in\u00edcio", "for example inicio"),
        ("task \u540d", "for example half_zoneout"),
        (f"measure {'x' * 60}", "at most 59 in all"),
        ("study true", "something else in Python"),
        ("measure buffer_error", "something else in Python"),
        ("measure xarray", "Python has a module xarray"),
        ("task pandas", "Python has a module pandas"),
        ("cell triton", "Python has a module triton"),
        ("measure provenance", "which holds where runs come from"),
        ("measure seed", "is a dimension of every study"),
        ("measure mean_without_noise", "not ending in _without_noise"),
        (f"task {'x' * 65}", "cannot be used"),
    ],
)
def test_names_and_kinds_that_cannot_be(command, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = command("new", *words.split())
    assert done.code == 2
    assert said in done.errors
    assert not list(tmp_path.iterdir())


IN_USE = {
    Kind.regularizer: ["study", "mask_spec", "regularizer", "mapping"],
    Kind.cell: ["arm", "tensor", "masks", "class_var"],
    Kind.task: ["examples", "data", "path", "study"],
    Kind.measure: ["gradient_flow", "metric", "batch", "sequence"],
}


@pytest.mark.parametrize("kind", IN_USE)
def test_names_that_the_file_needs_for_something_else(command, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    for name in IN_USE[kind]:
        done = command("new", kind, name)
        assert done.code == 2
        assert f"a {kind} needs " in done.errors or "zoneout-lab comes with one" in done.errors, done.errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["start_here", "x", "q" * 59, "match", "list", "l_s_t_m_2", "label", "step", "mine", "zone_out", "xr"]
)
@pytest.mark.parametrize("kind", list(Kind))
def test_a_file_of_any_other_name_works(command, tmp_path, monkeypatch, kind, name):
    """Up to the first run, its parts made again as in another process. Nothing else is left of trying it."""
    monkeypatch.chdir(tmp_path)
    assert command("new", kind, name).code == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.py"]
    study = load_study(Path(f"{name}.py")).resolved()
    with study.code.in_use():
        assert means_of(study).check() == []
        assert len(study.runs()) >= 16
    assert list(study.code.digests()) == ([] if kind == "study" else [f"./{name}.py"])


def test_all_there_is_is_listed_with_a_line_each(command):
    listed = json.loads(command("parts", "--json").output)
    built_in = {"regularizer": REGULARIZERS, "cell": CELLS, "task": TASKS, "measure": MEASURES}
    names = {kind: [part["name"] for part in listed if part["kind"] == kind] for kind in built_in}
    assert names == {kind: list(classes) for kind, classes in built_in.items()}
    assert all(part["about"] and "``" not in part["about"] and ":class:" not in part["about"] for part in listed)
    assert not any(part["own"] for part in listed)
    shown = command("parts").output
    assert all(part["name"] in shown for part in listed)
    assert "quickstart" not in shown
    assert command("parts", "quickstart", "--json").output == command("parts", "--json").output
    done = command("parts", "absent.py")
    assert done.code == 5
    assert "no study file at absent.py" in done.errors
