"""A study's results as one page of HTML that needs nothing but itself."""

from zoneout_lab.report.across import write_across
from zoneout_lab.report.document import write_report

__all__ = ["write_across", "write_report"]
