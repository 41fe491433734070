"""Generated specs, options, names and data files, read by the product in a process that watches what they do.

``python fuzzing.py EXAMPLES FOLDER`` generates so many of each kind and ends with 0, or with the first that ended in another way than an
error the product documents, wrote outside the folder, started a program, opened a connection or imported the module in its way. Hypothesis
makes them, the same ones each time, and shrinks what fails.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watched import documented, start

FOLDER = Path()

# names that lead elsewhere, run something, or are obeyed by terminals, pages, formats and file systems
HOSTILE = [
    "", "..", "../../x.nc", "/etc/passwd", "runs/../../../x", "trap:Thing", "./trap.py:Thing", "os:system", "__import__('trap')", "!!python/object/apply:os.system",
    "{0.__class__}", "%s%n", "$(touch x)", "`touch x`", "; touch x", "<script>alert(1)</script>", "\x1b[31m", "\u202e", "\ud800", "\x00", "a\nb", "con", "x" * 5000,
    "nan", "1e999", "-1", "true", "none", "zoneout", "lstm", "digits", "char_text", "images", "laptop", "valid_error", "é" * 300,
]  # fmt: skip
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=12)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=True) | st.sampled_from([0, 1, -1, 2**31, 2**63, 0.5])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
BYTES = st.binary(max_size=400) | st.lists(TEXTS, max_size=5).map(
    lambda texts: " ".join(texts).encode("utf-8", "surrogatepass")
)


def changed(data: st.DataObject, value: Any) -> Any:
    """A JSON value with one to three places replaced, removed or added to."""
    value = copy.deepcopy(value)
    for _ in range(data.draw(st.integers(1, 3))):
        parent, key, here = None, None, value
        while isinstance(here, dict | list) and here and (parent is None or data.draw(st.integers(0, 4))):
            parent = here
            key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            here = here[key]
        if parent is None:
            return data.draw(VALUES)
        how = data.draw(st.integers(0, 5))
        if how == 0:
            del parent[key]
        elif how == 1 and isinstance(parent, dict):
            parent[data.draw(TEXTS)] = data.draw(VALUES)
        else:
            parent[key] = data.draw(VALUES)
    return value


@cache
def builtin(name: str) -> Any:
    """A study that comes with the package, and its JSON."""
    from zoneout_lab.study import load_study

    study = load_study(name)
    return study, study.model_dump(mode="json")


def specs(data: st.DataObject) -> None:
    """A study's JSON, changed, becomes a study, and its runs, or is refused."""
    from pydantic import ValidationError

    from zoneout_lab.study import Study

    _, spec = builtin(data.draw(st.sampled_from(["quickstart", "pmnist_table2"])))
    spec = changed(data, spec)
    if isinstance(spec, dict) and data.draw(st.integers(0, 2)) == 0:  # a part by a name
        part = data.draw(st.sampled_from(["task", "regularizer", "cell", "measures"]))
        name: Any = data.draw(st.sampled_from([each for each in HOSTILE if ":" in each]) | TEXTS)
        arm = (
            {"name": "own", "regularizer": {"kind": name}}
            if part == "regularizer"
            else {"name": "own", "change": {"model.cell": name}}
        )
        spec |= (
            {"task": name}
            if part == "task"
            else {"measures": [{"kind": name}]}
            if part == "measures"
            else {"arms": [arm]}
        )
    with documented(ValidationError):
        study = Study.model_validate(spec).resolved()
        for arm in study.arms[:2]:
            assert study.run(arm, 0).id
        assert study.to_json()


def options(data: st.DataObject) -> None:
    """What is typed after --set, --task, --preset, --seeds and --seed."""
    from zoneout_lab.cli.options import _changed
    from zoneout_lab.settings import Model, Training

    fields = (
        [f"model.{name}" for name in Model.model_fields]
        + [f"training.{name}" for name in Training.model_fields]
        + ["options.permute", "options.path"]
    )
    sets = data.draw(
        st.lists(st.tuples(st.sampled_from(fields) | TEXTS, TEXTS | NUMBERS.map(str)).map("=".join) | TEXTS, max_size=3)
    )
    # a module that is typed is imported: that is what it is for
    sets = [each for each in sets if ":" not in each]
    tasks = st.none() | TEXTS.filter(lambda text: ":" not in text)
    with documented():
        _changed(builtin("quickstart")[0], data.draw(tasks), data.draw(st.none() | TEXTS), data.draw(st.none() | st.integers()), data.draw(st.none() | st.integers()), sets)  # fmt: skip


def folders(data: st.DataObject) -> None:
    """A results folder whose manifest was changed: opened, judged, listed, checked and, one in twenty, reported."""
    from zoneout_lab.cli.status import _count
    from zoneout_lab.report import write_report
    from zoneout_lab.results import judge, open_results
    from zoneout_lab.study.store import check_code, read_manifest

    folder = FOLDER / "results"
    manifest = json.loads((FOLDER / "MANIFEST.json").read_text())
    (folder / "MANIFEST.json").write_text(json.dumps(changed(data, manifest)))
    with documented():
        _count(folder)
    with documented():
        check_code(folder, read_manifest(folder))
    with documented():
        tree = open_results(folder)
        judge(tree)
        if data.draw(st.integers(0, 19)) == 0:
            write_report(tree, folder / "report.html")
            assert "<script>alert" not in (folder / "report.html").read_text(encoding="utf-8")


def texts(data: st.DataObject) -> None:
    """A file as a text, under any name and in any encoding, packed or not."""
    from zoneout_lab.tasks import make_task

    content, kind = data.draw(BYTES), data.draw(st.sampled_from([".txt", ".gz", ".zip", "packed.gz", "packed.zip"]))
    path = FOLDER / "data" / f"text{kind}"
    if kind == "packed.gz":
        content = gzip.compress(content)
    if kind == "packed.zip":
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name in data.draw(
                st.lists(
                    TEXTS.filter(lambda text: text.partition("\0")[0] and "\ud800" not in text), min_size=1, max_size=2
                )
            ):
                archive.writestr(name, content)
        content = made.getvalue()
    path.write_bytes(damaged(data, content))
    task = data.draw(st.sampled_from(["char_text", "word_text"]))
    with documented():
        encoding = data.draw(st.sampled_from(["utf-8", "latin-1", "utf-16", "cp1252", "rot13", "\x00"]))
        made_task = make_task(task, {"path": str(path), "encoding": encoding, "length": data.draw(st.integers(-1, 9))})
        made_task.load()
    shutil.rmtree(FOLDER / "cache", ignore_errors=True)


def arrays(data: st.DataObject) -> None:
    """A file as images: .npy, .npz and IDX, damaged."""
    import numpy as np

    from zoneout_lab.tasks import make_task

    made, name = io.BytesIO(), data.draw(st.sampled_from(["a.npy", "a.npz", "a.idx", "a.gz"]))
    shape = tuple(data.draw(st.lists(st.integers(0, 5), max_size=4)))
    dtype = data.draw(st.sampled_from(["u1", "f4", "i8", "U3", "O", "c16", "?", "f2"]))
    images = np.zeros(shape, dtype)
    if name == "a.npy":
        np.save(made, images)
    elif name == "a.npz":
        np.savez(
            made, **dict.fromkeys(data.draw(st.sampled_from([("x", "y"), ("arr_0", "arr_1"), ("images",)])), images)
        )
    else:
        sizes = data.draw(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 4), max_size=5))
        made.write(
            bytes([0, 0, data.draw(st.integers(0, 255)), len(sizes)])
            + b"".join(size.to_bytes(4, "big") for size in sizes)
            + data.draw(BYTES)
        )
    content = gzip.compress(made.getvalue()) if name == "a.gz" else made.getvalue()
    (FOLDER / "data" / name).write_bytes(damaged(data, content))
    np.save(FOLDER / "data" / "labels.npy", np.zeros(shape[:1], "i8"))
    with documented():
        labels = "" if name == "a.npz" else str(FOLDER / "data" / "labels.npy")
        make_task("images", {"path": str(FOLDER / "data" / name), "labels_path": labels}).load()


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """As it is, cut off, or with some bytes changed."""
    changes = bytearray(content)
    if changes and data.draw(st.booleans()):
        for place in data.draw(st.lists(st.integers(0, len(changes) - 1), max_size=4)):
            changes[place] = data.draw(st.integers(0, 255))
        changes = changes[: data.draw(st.integers(0, len(changes)))] if data.draw(st.booleans()) else changes
    return bytes(changes)


def netcdf(data: st.DataObject) -> None:
    """A study.nc, damaged, or one whose record was changed."""
    from zoneout_lab import schema
    from zoneout_lab.results import judge, open_results

    path = FOLDER / "data" / "study.nc"
    if data.draw(st.booleans()):
        tree = schema.read_tree(FOLDER / "study.nc")
        record = {name: json.loads(text) for name, text in tree["provenance"].attrs.items()}
        tree["provenance"].attrs = (
            {name: json.dumps(value) for name, value in changed(data, record).items()}
            if isinstance(record, dict)
            else {}
        )
        try:
            schema.write_tree(tree, path)
        except Exception:  # noqa: BLE001 - no attribute can be called that
            return
    else:
        path.write_bytes(damaged(data, (FOLDER / "study.nc").read_bytes()))
    with documented():
        judge(open_results(path))


#: kinds of input, each with the share of the examples that it gets
KINDS: dict[Callable[[st.DataObject], None], float] = {
    specs: 0.25,
    options: 0.25,
    folders: 0.1,
    texts: 0.15,
    arrays: 0.2,
    netcdf: 0.05,
}


def prepare() -> None:
    """A small study's results, and a module that leaves a mark where it is imported."""
    import numpy as np

    from zoneout_lab import schema

    spec = {
        "name": "tiny", "title": "A tiny study", "question": "Does it work?", "task": "digits", "preset": "laptop", "baseline": "lstm", "seeds": 2, "seed": 0, "alpha": 0.05,
        "family": "joint", "looks": [], "gradient_epochs": [1], "measures": [{"kind": "gradient_flow"}], "vary": ["init", "data", "masks"], "authors": ["A. Author"],
        "setting": {"options": {}, "model": {"cell": "lstm", "hidden": 4}, "training": {"optimizer": "adam", "lr": 0.01, "epochs": 1}},
        "arms": [{"name": name, "label": name, "regularizer": {"kind": "none"}, "change": {}} for name in ("lstm", "zoneout")],
        "hypotheses": [
            {"name": "helps", "statement": "It helps.", "claims": [16], "arm": "zoneout", "against": "lstm", "metric": "valid_error", "direction": "lower", "margin": 0.0,
             "scale": "linear", "reason": "any gain counts"}
        ],
    }  # fmt: skip
    folder, entries, trees = FOLDER / "results", {}, []
    random = np.random.default_rng(0)
    for arm in ("lstm", "zoneout"):
        for seed in range(2):
            tree = schema.run_tree(
                run_id=f"{arm}-{seed}", arm=arm, seed=seed, status="finished", by_epoch={"valid_error": [random.random()]}, at_best={"test_error": 0.5}, best_epoch=1,
                seconds=1.0, provenance={"versions": {"torch": "2.11"}, "data": {"digest": "0"}, "git": None},
            )  # fmt: skip
            file = f"runs/{arm}-s{seed}.nc"
            digest = schema.write_tree(tree, folder / file)
            entries[f"{arm}-{seed}"] = {
                "file": file,
                "sha256": digest,
                "arm": arm,
                "seed": seed,
                "phase": "confirm",
                "status": "finished",
                "score": 0.5,
            }
            trees.append((tree, digest))
    manifest = {
        "schema": 1,
        "study": spec,
        "declared": spec,
        "data": "0",
        "overrides": ["seeds=2"],
        "command": "zoneout-lab run tiny",
        "runs": entries,
    }
    (FOLDER / "MANIFEST.json").write_text(json.dumps(manifest))
    record = {
        "study": spec,
        "declared": spec,
        "overrides": [],
        "command": "zoneout-lab run tiny",
        "data": [{"digest": "0"}],
    }
    schema.write_tree(
        schema.study_tree(trees, arms=["lstm", "zoneout"], seeds=range(2), provenance=record), FOLDER / "study.nc"
    )
    (FOLDER / "trap.py").write_text("raise SystemExit('the trap was imported')\n")
    (FOLDER / "data").mkdir()
    sys.path.insert(0, str(FOLDER))


def main(examples: int) -> None:
    """Every kind once unwatched, since what is imported late is imported then, and then watched."""
    prepare()
    usual = settings(
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    for warm in (True, False):
        if not warm:
            start(FOLDER)
        for kind, share in KINDS.items():
            count = 0

            def once(data: st.DataObject) -> None:
                nonlocal count
                count += 1
                kind(data)  # noqa: B023 - called in this turn of the loop

            settings(usual, max_examples=3 if warm else max(4, round(examples * share)))(given(st.data())(once))()
            if not warm:
                print(f"{count} {kind.__name__}: documented errors only")  # noqa: T201


def generate(examples: int, folder: Path, timeout: float) -> None:
    """Generate so many in a process of their own; nothing appears beside the folder that they may write to."""
    (folder / "in").mkdir()
    done = subprocess.run(
        [sys.executable, __file__, str(examples), str(folder / "in")],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout.count("documented errors only") == len(KINDS)
    assert [path.name for path in folder.iterdir()] == ["in"]


if __name__ == "__main__":
    FOLDER = Path(sys.argv[2])
    os.environ["XDG_CACHE_HOME"] = str(FOLDER / "cache")
    os.environ["TMPDIR"] = str(FOLDER)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(FOLDER / "hypothesis")
    sys.dont_write_bytecode = True
    os.chdir(FOLDER)
    main(int(sys.argv[1]))
