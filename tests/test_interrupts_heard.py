"""Signals are noted at once, and acted on where the running code says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from zoneout_lab import interrupts

# sends itself a signal at the {at}-th line of that function
AT_A_LINE = """
import os, signal, sys, time
from zoneout_lab import interrupts
lines = {at}
def trace(frame, event, _):
    global lines
    if frame.f_code.co_filename == interrupts.__file__ and frame.f_code.co_name == "{function}" and event == "line":
        lines -= 1
        if lines == 0:
            os.kill(os.getpid(), signal.SIGTERM)
    return trace
sys.settrace(trace)
interrupts.{call}
sys.settrace(None)
time.sleep(20 if lines <= 0 else 0)
sys.exit(7)  # it has fewer lines
"""


@pytest.mark.parametrize("call", ["listen()", "listen_quietly(interrupts.leave)"])
def test_no_signal_is_lost_while_handlers_are_set(call):
    """At whatever line it comes, the process ends by it: at once, or as soon as it listens."""
    for at in range(1, 100):
        words = AT_A_LINE.format(at=at, call=call, function=call.partition("(")[0])
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, timeout=60)
        if done.returncode == 7:
            break
        assert done.returncode in (-signal.SIGTERM, 143), (at, done.stderr.decode())
    assert at > 8


AS_IT_STARTS = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "zoneout_lab.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from zoneout_lab.__main__ import main
"""


def test_ctrl_c_before_anything_listens_prints_no_traceback():
    """As the installed command starts; before its first line it is Python's own start that is interrupted."""
    done = subprocess.run([sys.executable, "-c", AS_IT_STARTS], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


IGNORED = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for a job in the background, before the command starts
from zoneout_lab import interrupts
from zoneout_lab.__main__ import main
interrupts.listen()
os.kill(os.getpid(), signal.SIGINT)
print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""


def test_what_is_ignored_stays_ignored():
    done = subprocess.run([sys.executable, "-c", IGNORED], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"True\n"), done.stderr


def test_in_a_callers_process_ctrl_c_is_put_off_and_comes_in_the_end():
    done = []

    def work():
        with interrupts.careful():
            signal.raise_signal(signal.SIGINT)
            assert interrupts.asked() == signal.SIGINT
            with interrupts.careful():
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inner", "outer"]
    assert interrupts.asked() is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    interrupts.check()


def test_a_second_ctrl_c_comes_at_once():
    def work():
        with interrupts.careful():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it was put off too")

    with pytest.raises(KeyboardInterrupt) as raised:
        work()
    assert not isinstance(raised.value, interrupts.Stopped)
    assert interrupts.asked() is None


PROCESS = """
import gc, sys, time, weakref
from zoneout_lab import interrupts
interrupts.PATIENCE = 0.5
interrupts.listen()
def busy():
    print("busy", flush=True)
    time.sleep(30)
{body}
"""
CALLBACK = """
class A: pass
a = A()
w = weakref.finalize(a, busy)  # what is raised in here is swallowed
del a
print("went on")
"""
CAREFUL = """
interrupts.and_then = "It is kept."
with interrupts.careful():
    print("busy", flush=True)
    while not interrupts.asked():
        time.sleep(0.01)
    print("saved", flush=True)
print("not reached")
"""
STUBBORN = """
with interrupts.careful():
    busy()
"""
FOREIGN = """
import ctypes
print("busy", flush=True)
while True:  # C code that does not return to Python when a signal comes
    ctypes.CDLL(None).sleep(30)
"""


@pytest.mark.parametrize(
    ("body", "output", "errors"),
    [
        ("busy()", "busy\n", "Stopped.\n"),
        (CALLBACK, "busy\n", "Stopped.\n"),
        (FOREIGN, "busy\n", "Stopped.\n"),
        (STUBBORN, "busy\n", "Stopping.\nStopped.\n"),
    ],
    ids=["anywhere", "in a callback that swallows", "in foreign code", "in careful code that does not look"],
)
@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_signal_ends_the_process_with_its_code(body, output, errors, number):
    """Protected by the thread that reads the pipe; a handler that raises, and a flag alone, were seen to fail in each case."""
    assert started(body, number) == (128 + number, output, errors)


def test_careful_code_is_not_ended_in_the_middle():
    code, output, errors = started(CAREFUL, signal.SIGTERM)
    assert output == "busy\nsaved\n"
    assert code == 1  # a Stopped that nothing caught; the command line's main() does
    assert errors.startswith("Stopping; what is being trained is saved. Once more stops at once.\n")


def test_a_second_signal_ends_it_at_once():
    child = begun("interrupts.PATIENCE = 60" + STUBBORN)
    try:
        os.kill(child.pid, signal.SIGTERM)
        assert child.stderr.readline() == "Stopping.\n"
        os.kill(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=5)
    finally:
        child.kill()
    assert (child.returncode, errors) == (143, "Stopped.\n")


def test_ignored_signals_stay_ignored():
    """As under nohup."""
    child = subprocess.run(
        [sys.executable, "-c", PROCESS.format(body="print(interrupts.signal.getsignal(1))")],
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        capture_output=True,
        text=True,
    )
    assert child.stdout == "1\n" or "SIG_IGN" in child.stdout


def heard() -> None:
    """No signal is ignored, as one is below nohup."""
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def begun(body: str) -> subprocess.Popen[str]:
    """A process that runs the body, once it is busy."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROCESS.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heard,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "busy\n"
    time.sleep(0.1)
    return child


def started(body: str, number: int) -> tuple[int, str, str]:
    child = begun(body)
    try:
        os.kill(child.pid, number)
        output, errors = child.communicate(timeout=20)
    finally:
        child.kill()
    return child.returncode, "busy\n" + output, errors
