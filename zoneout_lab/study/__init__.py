"""Studies: what is asked, and the one driver that answers it."""

from zoneout_lab.study.catalogue import builtin_studies, load_study
from zoneout_lab.study.declared import Arm, Hypothesis, Tuning
from zoneout_lab.study.on_task import OnTask
from zoneout_lab.study.spec import Study

__all__ = ["Arm", "Hypothesis", "OnTask", "Study", "Tuning", "builtin_studies", "load_study"]
