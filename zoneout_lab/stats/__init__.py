"""Statistics that hold at 3–20 seeds: numpy arrays in, frozen dataclasses out; nothing here knows of arms or files."""

from zoneout_lab.stats.aggregates import (
    interquartile_mean,
    normalised,
    performance_profile,
    probability_of_improvement,
)
from zoneout_lab.stats.cautions import Caution, cautions
from zoneout_lab.stats.clusters import Cluster, CurveClusters, cluster_test
from zoneout_lab.stats.common_grid import common_grid, stretches
from zoneout_lab.stats.curves import MINIMUM_BAND_SEEDS, Band, CurveTest, curves_look_skewed, max_t, simultaneous_band
from zoneout_lab.stats.design import MINIMUM_SEEDS, can_decide, seeds_needed, smallest_adjusted_p, smallest_p
from zoneout_lab.stats.families import Family, holm, holm_levels
from zoneout_lab.stats.looks import Spending, decide_at_looks, spent
from zoneout_lab.stats.many import decide_many
from zoneout_lab.stats.median import median_interval, sign_test
from zoneout_lab.stats.paired import (
    PairedEffect,
    effect_size,
    hodges_lehmann,
    paired_effect,
    t_interval,
    wilcoxon_p,
)
from zoneout_lab.stats.power import Design, chance, seeds_to_decide, shared_baseline, true_verdict, upper_sd
from zoneout_lab.stats.scales import UNDERFLOW, Scaled, back, margin_on, named_or_own, scaled
from zoneout_lab.stats.signflip import EXACT_UP_TO, Alternative, SignFlip, sign_flip
from zoneout_lab.stats.strata import OverTasks, decide_over_tasks, standardised
from zoneout_lab.stats.strata_power import chance_over_tasks, decide_many_over_tasks, smallest_over_tasks
from zoneout_lab.stats.two_samples import (
    MINIMUM_APART,
    Apart,
    ApartEffect,
    apart_effect,
    cautions_apart,
    decide_apart,
    exchange,
    scaled_apart,
)
from zoneout_lab.stats.verdict import (
    DIRECTIONS,
    VERDICTS,
    Absence,
    Claim,
    Decision,
    Direction,
    Verdict,
    can_reach,
    decide,
    needs_margin,
)
from zoneout_lab.stats.worst import worst_ranks

__all__ = [
    "DIRECTIONS",
    "EXACT_UP_TO",
    "MINIMUM_APART",
    "MINIMUM_BAND_SEEDS",
    "MINIMUM_SEEDS",
    "UNDERFLOW",
    "VERDICTS",
    "Absence",
    "Alternative",
    "Apart",
    "ApartEffect",
    "Band",
    "Caution",
    "Claim",
    "Cluster",
    "CurveClusters",
    "CurveTest",
    "Decision",
    "Design",
    "Direction",
    "Family",
    "OverTasks",
    "PairedEffect",
    "Scaled",
    "SignFlip",
    "Spending",
    "Verdict",
    "apart_effect",
    "back",
    "can_decide",
    "can_reach",
    "cautions",
    "cautions_apart",
    "chance",
    "chance_over_tasks",
    "cluster_test",
    "common_grid",
    "curves_look_skewed",
    "decide",
    "decide_apart",
    "decide_at_looks",
    "decide_many",
    "decide_many_over_tasks",
    "decide_over_tasks",
    "effect_size",
    "exchange",
    "hodges_lehmann",
    "holm",
    "holm_levels",
    "interquartile_mean",
    "margin_on",
    "max_t",
    "median_interval",
    "named_or_own",
    "needs_margin",
    "normalised",
    "paired_effect",
    "performance_profile",
    "probability_of_improvement",
    "scaled",
    "scaled_apart",
    "seeds_needed",
    "seeds_to_decide",
    "shared_baseline",
    "sign_flip",
    "sign_test",
    "simultaneous_band",
    "smallest_adjusted_p",
    "smallest_over_tasks",
    "smallest_p",
    "spent",
    "standardised",
    "stretches",
    "t_interval",
    "true_verdict",
    "upper_sd",
    "wilcoxon_p",
    "worst_ranks",
]
