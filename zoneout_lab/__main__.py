"""``python -m zoneout_lab`` is ``zoneout-lab``, and where that starts and ends."""

import _signal  # type: ignore[import-not-found]  # the part of signal that Python has loaded already
import atexit

# until main() listens: the shell says 130, and there is no traceback. What a shell's background job ignores stays ignored
if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


@atexit.register  # first, and so the last that is called
def _all_is_done() -> None:
    """While Python takes itself apart nobody listens any more: a signal that comes then changes neither what was done nor the exit code."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_IGN)


from zoneout_lab.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
