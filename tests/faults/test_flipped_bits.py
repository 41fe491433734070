"""One flipped bit or truncation in any file the product reads, at random places: found by verify, and on open."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import run, small

from zoneout_lab.engines import Progress
from zoneout_lab.errors import IntegrityError
from zoneout_lab.results import open_results
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.verify import verify
from zoneout_lab.tasks.corpus import _kept, characters

SEED = int(os.environ.get("FAULT_SEED", "0"))


def found(folder: Path) -> list[Path]:
    """What verify finds damaged."""
    try:
        return [damage.path for row in verify(folder) for damage in row.damages]
    except IntegrityError:  # what the manifest says of the others is not believed either
        return [folder / "MANIFEST.json"]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One bit flipped, or in one case of four the end cut off."""
    place = int(rng.integers(len(content)))
    if rng.random() < 0.25:
        return content[:place]
    changed = bytearray(content)
    changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with files of all kinds: its runs, and the checkpoints that were made of them."""
    out, study = tmp_path_factory.mktemp("stopped"), small(seeds=1)

    def stop(_batch: int, _runs: int, progress: Progress) -> None:
        if progress.done == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(study, out, watcher=Watcher(progress=stop), checkpoint_every=0)
    assert list((out / study.id).glob("checkpoints/*/*.pt"))
    kept = {path: path.read_bytes() for path in (out / study.id).glob("checkpoints/*/*")}
    run(study, out)
    for path, content in kept.items():  # as a driver leaves them that dies before it sweeps
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (out / "optuna.db").unlink()
    return out / study.id


def test_verify_and_opening_find_every_flipped_bit_and_truncation(stopped):
    """Protected by ``manifest._fault``, ``schema._check_seal``, ``verify._check_spec``, and the digests in ``verify.damaged_runs``,
    ``damage_of_output`` and ``damaged_checkpoints``, and ``mirror_notes.is_damaged``: without any one of them this was seen to fail within the first 20 trials.
    """
    rng = np.random.default_rng(SEED)
    files = [path for path in sorted(stopped.rglob("*")) if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in files} == {".json", ".nc", ".html", ".pt"}
    assert found(stopped) == []
    for number in range(1000):
        path = files[number % len(files)]
        content = path.read_bytes()
        path.write_bytes(damaged(content, rng))
        assert path in found(stopped), (path.name, number)
        read = {"MANIFEST.json": stopped, "study.nc": path}.get(path.name) or (
            stopped if path.parent.name == "runs" else None
        )
        if read is not None:
            with pytest.raises(IntegrityError):
                open_results(read)
        path.write_bytes(content)


def test_codes_of_texts_are_made_again_whatever_bit_is_flipped(tmp_path):
    """Protected by ``corpus._kept``: seen to fail without its comparison of SHA-256."""
    path = tmp_path / "book.txt"
    path.write_text("zone in, zone out\n" * 500, encoding="utf-8")
    right = characters([path], tmp_path).symbols
    (codes,) = (tmp_path / "codes").iterdir()
    rng = np.random.default_rng(SEED)
    for number in range(300):
        file = sorted(codes.iterdir())[number % 3]
        content = file.read_bytes()
        file.write_bytes(damaged(content, rng))
        assert _kept(codes) is None
        if number % 10 == 0:
            assert torch.equal(characters([path], tmp_path).symbols, right)
        file.write_bytes(content)
