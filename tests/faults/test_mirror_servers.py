"""PostgreSQL and MLflow's server, started for real: stopped, hanging, back, and lost, while studies run."""

from __future__ import annotations

import gc
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from small_study import listening, run, small

from zoneout_lab.study.mirror import Mirror, mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind, update
from zoneout_lab.study.patience import PATIENCE
from zoneout_lab.study.repair import repair
from zoneout_lab.study.verify import verify

# of a connection whose server is gone, psycopg says that nobody closed it
UNCLOSED = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", *UNCLOSED)]


@pytest.fixture(autouse=True)
def what_was_left_open_is_told_here() -> Iterator[None]:
    """Connections that outages cost are found by this file's tests, which expect them, and not by those of another."""
    yield
    gc.collect()


@dataclass
class Server:
    """A process that listens, on a port that stays its own."""

    port: int
    start: Callable[[], subprocess.Popen]
    ready: Callable[[], bool]
    process: subprocess.Popen | None = None
    late: threading.Timer | None = None

    def up(self) -> None:
        self.process = self.start()
        until = time.monotonic() + 300
        while not self.ready():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)

    def signal(self, number: int) -> None:
        """To it and to the processes that it started, each of which may have left its group, as PostgreSQL's do."""
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def hang(self) -> None:
        """Stop answering until :meth:`wake`, or for longer than any caller waits."""
        self.signal(signal.SIGSTOP)
        self.late = threading.Timer(90, self.signal, [signal.SIGCONT])
        self.late.start()

    def wake(self) -> None:
        assert self.late is not None
        self.late.cancel()
        self.signal(signal.SIGCONT)

    def down(self) -> None:
        if self.late is not None:
            self.late.cancel()
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return found + [each for child in found for each in descendants(child)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def binary(name: str) -> str | None:
    found = shutil.which(name)
    return found or next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with databases optuna and mlflow, for user ``me`` with a password."""
    initdb, postgres, createdb = map(binary, ("initdb", "postgres", "createdb"))
    if not (initdb and postgres and createdb):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if find_spec("psycopg") is None:
        pytest.skip("the driver of PostgreSQL is not installed: the extra [postgresql]")
    folder, port = tmp_path_factory.mktemp("pg"), free_port()
    other: dict = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody")
        folder = Path("/tmp") / f"zoneout-lab-pg-{os.getpid()}-{port}"  # where other users may go
        folder.mkdir(mode=0o755)
        os.chown(folder, user.pw_uid, user.pw_gid)
        other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    word = folder / "word"
    word.write_text("s3cret-word\n")
    word.chmod(0o644)
    made = [initdb, "-D", str(folder / "data"), "-U", "me", "-A", "scram-sha-256", "--pwfile", str(word), "--no-sync"]
    subprocess.run(made, check=True, **quietly, **other)
    command = [
        postgres,
        "-D",
        str(folder / "data"),
        "-p",
        str(port),
        "-k",
        str(folder),
        "-c",
        "fsync=off",
        "-h",
        "127.0.0.1",
    ]

    def ready() -> bool:
        import psycopg

        try:
            psycopg.connect(f"postgresql://me:s3cret-word@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    server = Server(port, lambda: subprocess.Popen(command, start_new_session=True, **quietly, **other), ready)
    try:
        server.up()
        for name in ("optuna", "mlflow"):
            subprocess.run(
                [createdb, "-h", "127.0.0.1", "-p", str(port), "-U", "me", name],
                check=True,
                env={**os.environ, "PGPASSWORD": "s3cret-word"},
            )
        yield server
    finally:
        server.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[Server]:
    """MLflow's own server on an SQLite file, which keeps artifacts."""
    folder, port = tmp_path / "server", free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ready() -> bool:
        try:
            with opener.open(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    log = (folder / "log").open("w")
    server = Server(
        port, lambda: subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True), ready
    )
    try:
        server.up()
        yield server
    finally:
        server.down()
        log.close()


def assert_in(folder: Path, *mirrors: Mirror) -> None:
    for mirror in mirrors:
        found = (in_optuna if mirror.name == "Optuna" else in_mlflow)(folder, mirror.url)
        assert found.agrees, (mirror.name, found)
    places = {"Optuna": "storage", "MLflow": "tracking"}
    rows = verify(folder, **{places[mirror.name]: mirror.url for mirror in mirrors})
    for mirror in mirrors:
        (row,) = (row for row in rows if row.what == f"{mirror.name}'s database")
        assert (row.count, row.damages, row.note, row.unknown) == (1, (), "", None)
    assert behind(folder) == []


@pytest.mark.parametrize("how", ["hangs", "gone"])
def test_postgresql_stops_in_the_middle_and_comes_back(postgresql, tmp_path, how):
    """Protected by `patience.with_patience`, where it hangs, and by `Mirrors._give_up`."""
    url = f"postgresql://me:s3cret-word@127.0.0.1:{postgresql.port}"
    places = {"storage": f"{url}/optuna", "tracking": f"{url}/mlflow"}
    mirrors = optuna_mirror(tmp_path, places["storage"]), mlflow_mirror(tmp_path, places["tracking"])
    watcher, heard = listening()
    summary = run(small(seeds=1), tmp_path, watcher=watcher, **places)
    assert (summary.behind, heard) == ([], [])
    assert_in(summary.folder, *mirrors)
    assert list((tmp_path / "mlartifacts").rglob("report.html"))
    assert not Path("mlruns").exists()
    (name,) = optuna.get_all_study_names(mirrors[0].url)
    kept = optuna.load_study(study_name=name, storage=mirrors[0].url)
    kept.add_trial(kept.trials[0])
    said: list[str] = []
    repair(summary.folder, said.append, said.append, **places)
    assert said == [f"Brought Optuna at {mirrors[0].shown} up to date with the files."]
    assert_in(summary.folder, *mirrors)

    study = small(seeds=3)
    begun = []

    def stop(_many: int) -> None:
        begun.append(time.monotonic())
        postgresql.hang() if how == "hangs" else postgresql.down()

    watcher.begin = stop
    summary = run(study, tmp_path, watcher=watcher, **places)
    # while it trains ten seconds, and in the end ten for each mirror
    assert time.monotonic() - begun[0] < 45
    assert summary.failed == []
    assert len(summary.behind) == 2
    assert behind(summary.folder) == ["Optuna (" + mirrors[0].shown + ")", "MLflow (" + mirrors[1].shown + ")"]
    assert len(heard) == 2
    assert "s3cret" not in "".join(heard)

    postgresql.wake() if how == "hangs" else postgresql.up()
    watcher.begin = lambda _: None
    summary = run(study, tmp_path, watcher=watcher, **places)
    assert (summary.trained, summary.behind, len(heard)) == (0, [], 2)
    assert_in(summary.folder, *mirrors)


def test_mlflows_server_stops_hangs_and_loses_everything(mlflow_server, tmp_path):
    """Protected by `patience.with_patience`, and by comparing with what is there at each run: seen to fail without `tracking._there`."""
    out, study = tmp_path / "out", small(seeds=2)
    mirror = mlflow_mirror(out, f"http://127.0.0.1:{mlflow_server.port}")
    watcher, heard = listening()
    mlflow_server.hang()
    began = time.monotonic()
    summary = run(study, out, tracking=mirror.url, watcher=watcher)
    assert len(summary.behind) == 1
    assert time.monotonic() - began < 40
    assert f"no answer in {PATIENCE:g} s" in heard[0]
    mlflow_server.wake()
    assert run(study, out, tracking=mirror.url).behind == []
    assert_in(summary.folder, mirror)

    mlflow_server.down()
    next((summary.folder / "runs").glob("*.nc")).unlink()
    summary = run(study, out, tracking=mirror.url)
    assert (summary.trained, len(summary.behind)) == (1, 1)
    for lost in tmp_path.glob("server/mlflow.db*"):
        lost.unlink()
    mlflow_server.up()
    assert run(study, out, tracking=mirror.url).behind == []
    assert_in(summary.folder, mirror)


def test_two_drivers_publish_to_one_server_at_once(mlflow_server, tmp_path):
    """The same study from copies of its folder, so that no lock keeps them apart. Protected by `tracking._only_one_each`; seen to fail where
    it deletes none, and where what all three record of the data is tried once (`tracking._parent`)."""
    first = run(small(seeds=3), tmp_path / "0").folder
    copies = [first]
    for k in (1, 2):
        shutil.copytree(tmp_path / "0", tmp_path / str(k))
        copies.append(tmp_path / str(k) / first.name)
    uri = f"http://127.0.0.1:{mlflow_server.port}"
    script = "import sys; from pathlib import Path; from zoneout_lab.study.tracking import publish; publish(Path(sys.argv[1]), sys.argv[2])"
    drivers = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, str(copy), uri]) for copy in copies]
    assert [driver.wait() for driver in drivers] == [0, 0, 0]
    assert update(mlflow_mirror(tmp_path / "0", uri), first, print) is None
    assert_in(first, mlflow_mirror(tmp_path / "0", uri))
