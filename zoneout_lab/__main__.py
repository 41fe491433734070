"""``python -m zoneout_lab`` is ``zoneout-lab``, and where that starts."""

import _signal  # type: ignore[import-not-found]  # the part of signal that Python has loaded already

_signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until main() listens: the shell says 130, and there is no traceback

from zoneout_lab.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
