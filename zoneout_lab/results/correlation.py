"""What pairing buys: how strongly arms agree from seed to seed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from zoneout_lab.results.scalars import scalar

_FEWEST = 3  # seeds: through two points a line always goes


def correlations(tree: xr.DataTree, metric: str) -> xr.DataArray:
    """Pearson's correlation of a metric between every two arms over the seeds that both have, as [arm, other], without unit.

    A paired difference has the variance s₁² + s₂² − 2 r s₁ s₂: pairing helps where r > 0, and costs where r < 0. NaN where two arms have
    fewer than three seeds in common, or one of them is the same at all of these.

    Raises what :func:`~zoneout_lab.results.scalar` raises.

    >>> from zoneout_lab import schema
    >>> def run(arm, seed, error):
    ...     return schema.run_tree(
    ...         run_id=f"{arm}-{seed}",
    ...         arm=arm,
    ...         seed=seed,
    ...         status="finished",
    ...         by_epoch={"valid_error": [error]},
    ...         at_best={},
    ...         best_epoch=1,
    ...         seconds=1.0,
    ...         provenance={},
    ...     )
    >>> errors = {"lstm": [0.1, 0.2, 0.4], "zoneout": [0.3, 0.2, 0.1]}
    >>> runs = [(run(arm, seed, e), "") for arm, values in errors.items() for seed, e in enumerate(values)]
    >>> tree = schema.study_tree(runs, arms=list(errors), seeds=range(3), provenance={})
    >>> correlations(tree, "valid_error").sel(arm="lstm", other="zoneout").round(3).item()
    -0.982
    """
    values = scalar(tree, metric)
    arms = [str(arm) for arm in values["arm"].values]
    found = np.array([[_pearson(one, other) for other in values.values] for one in values.values])
    about = {"long_name": f"correlation of {values.attrs['long_name']} between arms over seeds", "units": "1"}
    return xr.DataArray(
        found, dims=("arm", "other"), coords={"arm": arms, "other": arms}, name="correlation", attrs=about
    )


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    x, y = one[both], other[both]
    if x.size < _FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
