"""``python -m zoneout_lab`` is ``zoneout-lab``, and where that starts."""

import _signal  # type: ignore[import-not-found]  # the part of signal that Python has loaded already

# until main() listens: the shell says 130, and there is no traceback. What a shell's background job ignores stays ignored
if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from zoneout_lab.cli import main

if __name__ == "__main__":
    main()
