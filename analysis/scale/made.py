"""A study's results folder, made without training all of it: one run of each arm is trained, and the others are its file with other numbers."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from zoneout_lab import schema, sealed
from zoneout_lab.engines import Checkpoints, train_batches
from zoneout_lab.settings import Run
from zoneout_lab.study import provenance
from zoneout_lab.study.driver import origin
from zoneout_lab.study.of_task import TaskStudy
from zoneout_lab.study.store import CONFIRM, Store, groups_of, only_driver
from zoneout_lab.study.task_means import means

_SEAL = b"\nSHA-256"
_KEPT = ("best_epoch", "epochs_run", "seconds")


def make(study: TaskStudy, out: Path) -> Path:
    """All runs of a study under ``out``, as a driver leaves them that has not come to its end; the numbers are the same each time."""
    study = study.resolved()
    made = means(study, None)
    record = origin(made, "cpu", 1) | {"engine": "fast", "replicas": len(study.arms), "score": study.score.to_json()}
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as place:
        batch = [study.run(arm, 0) for arm in study.arms]
        for _, result in train_batches(
            [batch], made.trainer, device="cpu", workers=1, report=lambda *_: None,
            checkpoints=Checkpoints(Path(place), 1e9), warn=print,
        ):  # fmt: skip
            if isinstance(result, Exception):
                raise result
            for outcome in result:
                schema.write_tree(groups_of(outcome, record), Path(place) / "one.nc")
                content = (Path(place) / "one.nc").read_bytes()
                files[outcome.run.arm] = content[: content.rindex(_SEAL)]
    with only_driver(out, study):
        store = Store.open(
            out, study, data=made.digest, declared=study, overrides=[], command=provenance.command(study.name, [])
        )
        (store.folder / "runs").mkdir(exist_ok=True)
        for run in study.runs():
            content, value = _like(files[run.arm], run, study.score.name)
            file = store.file_of(run, CONFIRM)
            (store.folder / file).write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            store.manifest["runs"][run.id] = {
                "file": file, "sha256": sha256, "arm": run.arm, "seed": run.seed, "phase": CONFIRM, "status": "finished", "score": value,
                "written": record["finished"],
            }  # fmt: skip
        store.save()
    return store.folder


def _like(content: bytes, run: Run, score: str) -> tuple[bytes, float]:
    """A run's file, made of another's: its bytes and its score."""
    rng = np.random.default_rng([run.seed, *run.arm.encode()])
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        opened.attrs.update(run_id=run.id, seed=run.seed)
        opened["provenance"].attrs["spec"] = json.dumps(run.model_dump(mode="json"), sort_keys=True)
        opened["provenance/run_id"][...] = run.id
        for group in ("metrics", "gradients", "dynamics"):
            for name, numbers in opened[group].items():
                if numbers.dtype.kind == "f" and name not in _KEPT:
                    numbers[...] = numbers[...] * (1 + 0.05 * rng.standard_normal(numbers.shape))
        best = int(opened["metrics/best_epoch"][()])
        value = float(opened[f"metrics/valid_{score}"][best - 1])
    return sealed.sealed(file.getvalue()), value
