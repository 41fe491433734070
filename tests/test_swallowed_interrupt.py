"""An interrupt is raised where it comes, and again by whoever asks later."""

import signal

import pytest

from zoneout_lab import interrupts


def test_an_interrupt_that_was_swallowed_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_asked", False)
    interrupts.check()
    with pytest.raises(KeyboardInterrupt):
        interrupts.handle(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
