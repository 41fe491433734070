"""Downloads, from a server on this machine: what arrives is the published file or nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from zoneout_lab.cache import cache_folder
from zoneout_lab.errors import InputRefusedError, TryAgainError
from zoneout_lab.tasks import download
from zoneout_lab.tasks.char_ptb import PTB
from zoneout_lab.tasks.download import fetch
from zoneout_lab.tasks.files import Source, Sources, find
from zoneout_lab.tasks.pmnist import MNIST
from zoneout_lab.tasks.text8 import TEXT8

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
    leads: dict[str, str] = field(default_factory=dict)  # path → where its redirection leads


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if self.path in state.leads:
                self.send_response(302)
                self.send_header("Location", state.leads[self.path])
                self.end_headers()
                return
            body = state.served.get(self.path)
            if body is None:
                self.send_error(state.code)
                return
            self.send_response(200)
            if state.behaviour == "longer":
                self.end_headers()
                with contextlib.suppress(OSError):  # nobody listens any more
                    for _ in range(10):
                        self.wfile.write(body)
                return
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

    monkeypatch.setattr("urllib.request.OpenerDirector.open", distrust)
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


@pytest.mark.parametrize(
    "place",
    ["http://198.51.100.7/a.txt", "ftp://127.0.0.1/a.txt", "http://127.0.0.1.example/a.txt", "//198.51.100.7/a.txt"],
)
def test_a_redirection_away_from_https_is_not_followed(server: Server, tmp_path: Path, place: str) -> None:
    server.leads["/a.txt"] = place
    with pytest.raises(InputRefusedError, match=r"a\.txt leads to .*, which is not https: .* --data"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


def test_a_redirection_on_this_machine_is_followed(server: Server, tmp_path: Path) -> None:
    server.served["/b.txt"] = CONTENT
    server.leads["/a.txt"] = "/b.txt"
    fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert server.asked == ["/a.txt", "/b.txt"]


def test_a_redirection_from_https_to_this_machine_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server with a certificate that this process trusts; the plain one would serve the very file."""
    server.served["/a.txt"] = CONTENT
    files = [tmp_path / "key.pem", tmp_path / "cert.pem"]
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", files[0], "-out", files[1]],
        capture_output=True,
    ) if shutil.which("openssl") else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("needs openssl to make a certificate")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{server.url}a.txt")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        monkeypatch.setenv("SSL_CERT_FILE", str(files[1]))
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
        with pytest.raises(InputRefusedError, match="which is not https"):
            fetch(f"https://localhost:{httpd.server_address[1]}/a.txt", tmp_path / "to" / "a.txt", SHA)
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
    assert server.asked == []
    assert left_in(tmp_path / "to") == []


def test_only_https_is_asked(tmp_path: Path) -> None:
    for url in ("http://198.51.100.7/a.txt", "file:///etc/passwd", "ftp://198.51.100.7/a.txt"):
        with pytest.raises(InputRefusedError, match="is not https"):
            fetch(url, tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("sources", [PTB, MNIST, TEXT8], ids=lambda sources: sources.subfolder)
def test_every_published_file_is_asked_over_https_with_its_digest(sources: Sources) -> None:
    assert sources.base_url.startswith("https://")
    assert all(len(bytes.fromhex(digest)) == 32 for each in sources.files for digest in (each.sha256, each.content))


@pytest.mark.parametrize("behaviour", ["longer", "whole"])
def test_more_than_any_published_file_has_is_not_received(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    monkeypatch.setattr(download, "LARGEST", 1 << 18)
    server.served["/a.txt"] = CONTENT
    server.behaviour = behaviour
    with pytest.raises(InputRefusedError, match="more than 0 MiB"):
        fetch(server.url + "a.txt", tmp_path / "a.txt", SHA)
    assert left_in(tmp_path) == []
