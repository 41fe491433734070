"""What Krueger et al. (2017) claim and print, as data: what hypotheses refer to and what reports show beside measured values.

>>> from zoneout_lab.paper import CLAIMS, PRINTED
>>> CLAIMS[16]
'On permuted sequential MNIST, zoneout improves on the plain LSTM.'
>>> [(figure.arm, figure.test) for figure in PRINTED["pmnist"][:2]]
[('lstm', 0.102), ('zoneout', 0.069)]
"""

from zoneout_lab.paper.claims import CLAIMS, PAPER
from zoneout_lab.paper.printed import METRICS, PRINTED, PrintedFigure

__all__ = ["CLAIMS", "METRICS", "PAPER", "PRINTED", "PrintedFigure"]
