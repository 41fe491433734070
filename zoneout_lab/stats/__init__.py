"""Statistics that hold at 3–20 seeds: numpy arrays in, frozen dataclasses out; nothing here knows of arms or files."""

from zoneout_lab.stats.clusters import Cluster, CurveClusters, cluster_test
from zoneout_lab.stats.common_grid import SMALLEST_NORMAL, common_grid, stretches
from zoneout_lab.stats.curves import MINIMUM_BAND_SEEDS, Band, CurveTest, curves_look_skewed, max_t, simultaneous_band
from zoneout_lab.stats.design import MINIMUM_SEEDS, can_decide, seeds_needed, smallest_adjusted_p, smallest_p
from zoneout_lab.stats.families import holm, holm_levels
from zoneout_lab.stats.paired import (
    PairedEffect,
    effect_size,
    hodges_lehmann,
    looks_skewed,
    paired_effect,
    t_interval,
    wilcoxon_p,
)
from zoneout_lab.stats.power import detectable_effect, equivalence_power, power, seeds_for, seeds_for_equivalence
from zoneout_lab.stats.signflip import EXACT_UP_TO, Alternative, SignFlip, sign_flip
from zoneout_lab.stats.verdict import VERDICTS, Claim, Decision, Direction, Verdict, decide

__all__ = [
    "EXACT_UP_TO",
    "MINIMUM_BAND_SEEDS",
    "MINIMUM_SEEDS",
    "SMALLEST_NORMAL",
    "VERDICTS",
    "Alternative",
    "Band",
    "Claim",
    "Cluster",
    "CurveClusters",
    "CurveTest",
    "Decision",
    "Direction",
    "PairedEffect",
    "SignFlip",
    "Verdict",
    "can_decide",
    "cluster_test",
    "common_grid",
    "curves_look_skewed",
    "decide",
    "detectable_effect",
    "effect_size",
    "equivalence_power",
    "hodges_lehmann",
    "holm",
    "holm_levels",
    "looks_skewed",
    "max_t",
    "paired_effect",
    "power",
    "seeds_for",
    "seeds_for_equivalence",
    "seeds_needed",
    "sign_flip",
    "simultaneous_band",
    "smallest_adjusted_p",
    "smallest_p",
    "stretches",
    "t_interval",
    "wilcoxon_p",
]
