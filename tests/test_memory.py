"""A container's or a job's limit counts, and not only what the machine has free."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from zoneout_lab.memory import _left_by_groups, memory_available

GIB = 2**30
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def group(folder: Path, names: tuple[str, str, str], limit: int | str, used: int, files: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, used), strict=False):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\n")


def left(tmp_path: Path, lines: str) -> list[int]:
    groups = tmp_path / "cgroup"
    groups.write_text(lines)
    return _left_by_groups(groups, tmp_path / "sys")


def test_a_jobs_limit_is_on_a_group_above_its_own(tmp_path):
    root = tmp_path / "sys"
    group(root / "slurm/job_7/step_0/task_0", V2, "max", GIB)
    group(root / "slurm/job_7", V2, 8 * GIB, 3 * GIB, files=GIB)
    group(root / "slurm", V2, 64 * GIB, 60 * GIB)
    assert left(tmp_path, "0::/slurm/job_7/step_0/task_0\n") == [6 * GIB, 4 * GIB]


def test_a_container_sees_its_own_group_at_the_root_and_a_path_from_outside(tmp_path):
    group(tmp_path / "sys/memory", V1, 2 * GIB, GIB, files=GIB // 2)
    assert left(tmp_path, "5:cpu:/docker/1f\n4:memory:/docker/1f\n0::/\n") == [GIB + GIB // 2]


def test_full_groups_leave_nothing(tmp_path):
    group(tmp_path / "sys/a", V2, GIB, 2 * GIB)
    assert left(tmp_path, "0::/a") == [0]


@pytest.mark.parametrize("lines", ["", "nonsense", "0::/gone", "4:memory\n", "0::/../../etc\n", "4:cpu,memory:/x\n"])
def test_what_says_nothing_limits_nothing(tmp_path, lines):
    (tmp_path / "sys/x").mkdir(parents=True)
    (tmp_path / "sys/x/memory.max").write_text("many\n")
    assert left(tmp_path, lines) == []


def test_where_there_are_no_groups(tmp_path):
    assert _left_by_groups(tmp_path / "none", tmp_path) == []
    assert 0 < memory_available() <= psutil.virtual_memory().total


def test_a_real_group(tmp_path):
    """Skipped where control groups cannot be made: that takes root, and no container around it."""
    own = Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory").is_dir() else Path("/sys/fs/cgroup")
    limited = own / f"zoneout_lab_test_{os.getpid()}"
    limit = "memory.limit_in_bytes" if own.name == "memory" else "memory.max"
    try:
        limited.mkdir()
        (limited / limit).write_text(str(GIB))
    except OSError as error:
        limited.rmdir() if limited.is_dir() else None
        pytest.skip(f"control groups cannot be made here: {error}")
    code = "import sys; open(sys.argv[1], 'w').write('0'); from zoneout_lab.memory import memory_available as m; print(m())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(limited / "cgroup.procs")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert GIB // 2 < int(done.stdout) <= GIB
    finally:
        limited.rmdir()
