"""Data on stdout, everything else on stderr, at any width, with and without colour, read to the end or not."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import unicodedata

import pytest
from rich.cells import cell_len
from rich.console import Console
from typed import environment, in_this_process, process

from zoneout_lab import cli, schema
from zoneout_lab.cli import console
from zoneout_lab.cli.verdicts import show_judgements
from zoneout_lab.results import judge
from zoneout_lab.study import builtin_studies

ANSI = "\x1b["


@pytest.mark.parametrize("columns", [60, 200])
@pytest.mark.parametrize(
    "words", ["list", "parts", "doctor", "status {out}", "plan {small} --out {out}", "--help", "run --help"]
)
def test_any_width(monkeypatch, capfd, finished, small_file, words, columns):
    typed = words.format(out=finished[0].parent, small=small_file).split()
    done = in_this_process(typed, monkeypatch, capfd, columns=columns)
    assert done.code == 0
    # h̃ is two characters in one column; a path is never broken
    wide = [
        line
        for line in done.output.splitlines()
        if cell_len(line.rstrip()) > columns and not line.startswith("Report: ")
    ]
    assert [line for line in wide if len(max(line.split(), key=len)) < columns - 20] == []
    assert "Traceback" not in done.errors


def test_nothing_is_cut_off_a_narrow_list(monkeypatch, capfd):
    done = in_this_process(["list"], monkeypatch, capfd, columns=60)
    assert "…" not in done.output
    for name in builtin_studies():
        assert name in done.output


def test_paths_are_never_wrapped(monkeypatch, capfd, finished, tmp_path):
    target = tmp_path / ("long" * 30) / "report.html"
    done = in_this_process(["report", str(finished[0]), "--to", str(target)], monkeypatch, capfd, columns=60)
    assert done.output == f"{target}\n"


def test_the_path_of_a_report_is_never_broken(monkeypatch, capfd, finished):
    done = in_this_process(["status", str(finished[0].parent)], monkeypatch, capfd, columns=40)
    assert done.output.splitlines()[-1] == f"Report: {finished[0] / 'report.html'}"


def judged(statement: str, label: str):
    """A study of two arms of which the second is better in every seed."""
    runs = [
        schema.run_tree(
            run_id=f"{arm}{seed}", arm=arm, seed=seed, status="finished", by_epoch={"valid_error": [0.5 - gain + seed / 1000]}, at_best={},
            best_epoch=1, seconds=1.0, provenance={},
        )
        for arm, gain in (("lstm", 0.0), ("zoneout", 0.25))
        for seed in range(8)
    ]  # fmt: skip
    hypothesis = {
        "name": "h",
        "statement": statement,
        "arm": "zoneout",
        "against": "lstm",
        "metric": "valid_error",
        "direction": "lower",
    }
    study = {
        "alpha": 0.05,
        "arms": [{"name": "lstm", "label": label}, {"name": "zoneout"}],
        "hypotheses": [hypothesis],
    }
    return judge(
        schema.study_tree(
            [(run, "") for run in runs], arms=["lstm", "zoneout"], seeds=range(8), provenance={"study": study}
        )
    )


def test_verdicts_wrap_between_words_on_a_terminal_and_never_in_a_pipe(capsys):
    shown = judged("Zoneout has a lower validation error than the plain LSTM, seed by seed and on average.", "LSTM")
    show_judgements(shown, console.errors)
    piped = capsys.readouterr().err.splitlines()
    assert piped == [
        f"supported     {shown[0].statement}",
        f"{' ' * 14}{shown[0].comparison.short}",
    ]
    terminal = Console(file=(written := io.StringIO()), force_terminal=True, width=60, no_color=True, color_system=None)
    show_judgements(shown, terminal)
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) > len(piped)
    assert all(line.startswith(" " * 14) for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(piped).split())


def test_no_escape_sequence_of_a_study_reaches_the_terminal(capsys):
    show_judgements(
        judged("It is \x1b[31mred\x1b[0m [bold]and\x07 bold\ud800.", "the \x1b]0;title\x07 LSTM"), console.errors
    )
    told = capsys.readouterr().err
    assert not [c for c in told if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"]
    assert "It is �[31mred�[0m [bold]and� bold�." in told


def test_an_error_wraps_between_words_and_breaks_no_path(monkeypatch):
    terminal = Console(file=(written := io.StringIO()), force_terminal=True, width=40, no_color=True, color_system=None)
    monkeypatch.setattr(console, "errors", terminal)
    path = "/a/folder/" + "long" * 20 + "/study.nc"
    console.tell(
        "Error", f"There are no results at {path}. \x1b[2JStart some with the command zoneout-lab run quickstart."
    )
    lines = written.getvalue().splitlines()
    assert lines[0] == "Error: There are no results at"
    assert f"{path}." in lines
    assert all(len(line) <= 40 for line in lines if path not in line)
    assert "\x1b" not in written.getvalue()


def on_a_terminal(*words: str, **more: str) -> str:
    """What a terminal shows."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "zoneout_lab", *words],
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm-256color", **more),
    ) as started:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            shown += part
        started.wait(60)
    os.close(ours)
    return shown.decode()


def test_colour_on_a_terminal_unless_it_is_not_wanted():
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", on_a_terminal("plan", "nothing"))
    plain = on_a_terminal("plan", "nothing", NO_COLOR="1")
    assert "There is no study" in plain
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;5;\d+)m", plain)


def test_no_colour_in_a_pipe(finished):
    assert ANSI not in finished[1].output + finished[1].errors


@pytest.mark.parametrize("words", [["list", "--json"], pytest.param(["list"], marks=pytest.mark.slow)])
def test_a_reader_that_has_enough(words):
    """As `zoneout-lab list | head -1`: the pipe is closed before anything is written."""
    read, write = os.pipe()
    started = subprocess.Popen(
        [sys.executable, "-m", "zoneout_lab", *words],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(write)
    os.close(read)
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (0, "")


def test_the_command_is_installed():
    from importlib.metadata import entry_points

    (script,) = [point for point in entry_points(group="console_scripts") if point.name == "zoneout-lab"]
    assert script.value == "zoneout_lab.__main__:main"


def test_width_of_a_process_of_its_own():
    done = process("list", COLUMNS="60")
    assert max(map(len, done.output.splitlines())) == 60
    assert (done.code, done.errors) == (0, "")


@pytest.mark.parametrize(
    "words",
    [["list"], ["list", "--json"], ["plan", "quickstart", "--device", "cuda"], ["plan", "nöthing"], ["run", "--help"]],
)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(monkeypatch, words, encoding):
    """A letter that the terminal lacks is written as its number; whatever else is as it was."""
    codes, shown = [], []
    for each in (encoding, "utf-8"):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=each) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            patch.setattr(sys, "argv", ["zoneout-lab", *words])
            for console_ in (console.output, console.errors):
                patch.setattr(console_, "_width", 2000)
            handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
            with pytest.raises(SystemExit) as stopped:
                cli.main()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        codes.append(stopped.value.code)
        for stream in streams:
            stream.flush()
        shown.append("".join(stream.buffer.getvalue().decode(each) for stream in streams))
    assert codes[0] == codes[1] != 1
    if "--json" in words:
        assert json.loads(shown[0]) == json.loads(shown[1])
    if "--help" not in words and encoding != "utf-8":  # of help rich draws the boxes as it finds the terminal
        assert [legible(line, encoding) for line in shown[1].split()] == shown[0].split()


def legible(text: str, encoding: str) -> str:
    return text.encode(encoding, "backslashreplace").decode(encoding)


def test_a_path_of_any_bytes_is_the_path(finished, tmp_path):
    target = os.fsencode(tmp_path) + b"/\xff\xfc.nc"
    words = [sys.executable, "-m", "zoneout_lab", "export", os.fsencode(finished[0]), "--to", target]
    done = subprocess.run(words, capture_output=True, env=environment(PYTHONIOENCODING="ascii"), timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == target + b"\n"
    assert os.path.exists(target)  # noqa: PTH110 - bytes


def test_a_notebook_is_no_place_to_draw_a_line_again(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(console.errors, "_file", Terminal())
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert console.redraws(console.errors)
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert not console.redraws(console.errors)
    monkeypatch.delenv("JPY_PARENT_PID")
    monkeypatch.setattr(console.errors, "_file", io.StringIO())
    assert not console.redraws(console.errors)
