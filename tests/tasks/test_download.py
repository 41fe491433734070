"""Downloads, from a server on this machine: what arrives is the published file or nothing."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from zoneout_lab.cache import cache_folder
from zoneout_lab.errors import InputRefusedError, TryAgainError
from zoneout_lab.tasks.download import fetch
from zoneout_lab.tasks.files import Source, Sources, find

CONTENT = b"zoneout\n" * 40_000
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What is served under each path, how it is served, and what was asked for."""

    url: str
    served: dict[str, bytes] = field(default_factory=dict)
    behaviour: str = "whole"
    code: int = 404  # for what is not served
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = state.served.get(self.path)
            if body is None:
                self.send_error(state.code)
                return
            self.send_response(200)
            if state.behaviour != "unannounced":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.behaviour == "stalled":
                self.wfile.write(body[:1000])
                self.wfile.flush()
                released.wait(10)
                return
            self.wfile.write(body[: len(body) // 2] if state.behaviour in ("truncated", "unannounced") else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    released = threading.Event()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{httpd.server_address[1]}/")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    released.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def sources(server: Server, *names: str) -> Sources:
    return Sources("small", server.url, tuple(Source(name, name, SHA, SHA) for name in names))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_arrives_whole_and_says_so_on_stderr(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.served["/a.txt"] = CONTENT
    fetch(server.url + "a.txt", tmp_path / "new" / "folder" / "a.txt", SHA)
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["a.txt"]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"Downloading {server.url}a.txt" in shown.err


def test_the_cache_is_filled_once(server: Server) -> None:
    server.served = {"/a.txt": CONTENT, "/b.txt": CONTENT}
    wanted = sources(server, "a.txt", "b.txt")
    first = find(wanted)
    assert first == {name: cache_folder() / "small" / name for name in ("a.txt", "b.txt")}
    assert find(wanted) == first
    assert server.asked == ["/a.txt", "/b.txt"]


def test_a_damaged_cached_file_is_replaced(server: Server) -> None:
    server.served["/a.txt"] = CONTENT
    path = find(sources(server, "a.txt"))["a.txt"]
    path.write_bytes(CONTENT[:100])
    assert find(sources(server, "a.txt"))["a.txt"].read_bytes() == CONTENT
    assert server.asked == ["/a.txt", "/a.txt"]


def test_a_damaged_cached_file_is_kept_until_a_good_one_is_there(server: Server) -> None:
    path = cache_folder() / "small" / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(InputRefusedError):
        find(sources(server, "a.txt"))
    assert path.read_bytes() == b"mine"


def test_a_truncated_transfer_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.served["/a.txt"] = CONTENT
    server.behaviour = "truncated"
    with pytest.raises(TryAgainError, match=r"broke off after 160,000 of 320,000 bytes.*--data"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


def test_a_truncated_transfer_of_unknown_length_is_caught_by_its_digest(server: Server, tmp_path: Path) -> None:
    server.served["/a.txt"] = CONTENT
    server.behaviour = "unannounced"
    with pytest.raises(InputRefusedError, match="not the published file"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


def test_another_file_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.served["/a.txt"] = b"<html>Please log in</html>"
    with pytest.raises(InputRefusedError, match="login page") as refused:
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert SHA in str(refused.value)
    assert hashlib.sha256(server.served["/a.txt"]).hexdigest() in str(refused.value)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_of_the_server_is_not_called_passing(server: Server, tmp_path: Path, code: int) -> None:
    server.code = code
    with pytest.raises(InputRefusedError, match=rf"{code}.*Trying again will not help.*--data") as refused:
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert "later" not in str(refused.value)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_busy_server_may_be_asked_again(server: Server, tmp_path: Path, code: int) -> None:
    server.code = code
    with pytest.raises(TryAgainError, match=rf"{code}.*Try again later.*--data"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)


def test_an_untrusted_certificate_is_a_permanent_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def distrust(*_: object, **__: object) -> None:
        raise URLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))

    monkeypatch.setattr("urllib.request.urlopen", distrust)
    with pytest.raises(InputRefusedError, match="certificate verify failed"):
        fetch("https://127.0.0.1/a.txt", tmp_path / "a.txt", SHA)


def test_a_server_that_is_down(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(TryAgainError, match=r"cannot be downloaded.*name their folder with --data"):
        fetch(f"http://127.0.0.1:{port}/a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


def test_a_server_that_falls_silent(server: Server, tmp_path: Path) -> None:
    server.served["/a.txt"] = CONTENT
    server.behaviour = "stalled"
    with pytest.raises(TryAgainError, match="timed out"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA, timeout=0.2)
    assert left_in(tmp_path) == []


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputRefusedError, match="XDG_CACHE_HOME"):
        fetch(server.url + "a.txt", tmp_path / "file" / "a.txt", SHA)


def test_a_full_disk_may_pass(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    server.served["/a.txt"] = CONTENT
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TryAgainError, match="Free some space"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


def test_several_at_once_all_succeed(server: Server, tmp_path: Path) -> None:
    server.served["/a.txt"] = CONTENT
    errors: list[Exception] = []

    def once() -> None:
        try:
            fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            errors.append(error)

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "a.txt").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["a.txt"]
