"""``python -m zoneout_lab`` is ``zoneout-lab``."""

from zoneout_lab.cli import main

main()
