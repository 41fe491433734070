"""What is quoted from elsewhere (a name, a path, a message of a library) is shown on a terminal and never obeyed."""

from __future__ import annotations

import io
import json
import logging
import shutil
import unicodedata
import warnings

import pytest

from zoneout_lab import cli
from zoneout_lab.cli import console, progress
from zoneout_lab.engines import Progress

# sets the window's title, writes red, writes what follows from right to left, rings, and goes to the start of the line
HOSTILE = "\x1b]0;mine\x07\x1b[31m\u202e\x07\r\x9b2J"


def obeyed(text: str) -> list[str]:
    """Characters that a terminal does not show."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\u2068\u2069"]


@pytest.mark.parametrize(
    "words",
    [
        "{}", "plan {}", "plan ./{}.py", "plan {small} --{}", "plan {small} --seeds {}", "plan {small} --set {}=1", "plan {small} --set training.optimizer={}",
        "plan {small} --set options.{}=1", "plan {small} --task {}", "plan {small} --preset {}", "plan {small} --device {}", "plan {small} --task pmnist --data {}",
        "run {small} --out {out} --storage {}", "run {small} --out {out} --tracking {}", "run {small} --out {small}/{}", "status {}", "verify {}", "export {}",
        "report {}", "across {}", "index {}", "new study {}", "new {} a", "parts {}", "bench {}",
    ],
)  # fmt: skip
def test_what_is_typed_is_shown_and_not_obeyed(command, small_file, tmp_path, words):
    typed = [
        word.replace("{small}", str(small_file)).replace("{out}", str(tmp_path / "out")).replace("{}", HOSTILE)
        for word in words.split()
    ]
    done = command(*typed)
    assert done.code in (2, 5), done
    assert not obeyed(done.output + done.errors)
    assert "Internal" not in done.errors
    assert "mine" in done.errors or words in ("plan {small} --seeds {}", "across {}")  # which do not quote it


def test_paths_of_what_was_written_are_shown_and_not_obeyed(command, finished, tmp_path):
    folder = tmp_path / HOSTILE
    shutil.copytree(finished[0], folder)
    for name in ("report", "export", "status", "verify", "index"):
        target = ["--to", str(folder / f"{name} x")] if name in ("report", "export", "index") else []
        done = command(name, str(folder), *target)
        assert done.code == 0, done.errors
        assert not obeyed(done.output + done.errors), name
        assert "mine" in done.output or name == "verify"
    done = command("new", "study", "hidden_rates", "--out", str(folder))
    assert done.code == 0
    assert not obeyed(done.output + done.errors)
    done = command("plan", str(folder / "hidden_rates.py"), "--json")
    assert done.code == 0
    assert json.loads(done.output)["runs"]


def test_a_manifest_from_elsewhere(command, finished, tmp_path):
    """Titles, tasks and messages in a results folder."""
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    manifest["study"]["title"] = manifest["study"]["task"] = f"A title {HOSTILE}"
    next(iter(manifest["runs"].values()))["status"] = HOSTILE
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    (folder / "spec.json").unlink()
    for name in ("status", "verify", "report", "export"):
        done = command(name, str(folder))
        assert done.code in (0, 4)
        assert not obeyed(done.output + done.errors), name


def test_warnings_and_log_records_are_text(command, monkeypatch, capfd, caplog):
    def shout() -> None:
        warnings.warn(f"a library: {HOSTILE}", UserWarning, stacklevel=1)
        logging.getLogger("a_library").warning("%s", f"logged: {HOSTILE}")
        logging.getLogger("a_library").warning("%d", "no number")

    monkeypatch.setattr("zoneout_lab.cli.catalogue.builtin_studies", shout)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    factory = logging.getLogRecordFactory()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            command("list")
    finally:
        logging.setLogRecordFactory(factory)
    assert "logged: �]0;mine" in caplog.text
    assert not obeyed(caplog.text.replace("\r", ""))


def test_a_librarys_warning_says_where_it_is_from(capsys):
    console._warned(f"careful {HOSTILE}", UserWarning, "/somewhere/library.py", 7)
    console._warned("ours", RuntimeWarning, cli.__file__, 7)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("Warning: careful �]0;mine")
    assert told[0].endswith("(UserWarning, library.py:7)")
    assert told[1] == "Warning: ours"
    assert not obeyed("".join(told))


def test_a_scores_name_in_the_progress_bar_is_shown_and_not_obeyed(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    terminal = console._Console(file=shown, force_terminal=True, width=200, color_system="standard")
    monkeypatch.setattr(progress, "errors", terminal)
    with progress.watching(f"[red]x[/]{HOSTILE}") as watcher:
        watcher.begin(2)
        watcher.progress(0, 1, Progress(epoch=1, epochs=2, done=1, total=2, score=0.5))
    assert "best [red]x[/]" in shown.getvalue()
    assert not {"\x07", "\u202e", "\x9b"} & set(shown.getvalue())
    assert "\x1b]0" not in shown.getvalue()
