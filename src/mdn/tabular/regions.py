"""Regions of highest density of a regressor's predictions, and the density ranks that calibrate them."""

from __future__ import annotations

import numpy as np

from mdn.distributions import regions
from mdn.few_shapes import blocks

_ROWS_AT_ONCE = (32, 256)  # numbers of rows whose densities are cut into cells together: each is compiled once
_SPARE = 4e-6  # added to a calibrated coverage: a target of the calibration at an edge must not be lost by rounding


def regions_of(regressor, X, coverage: float, groups=None) -> list:
    """See `MDNRegressor.predict_hdi`."""
    if not isinstance(coverage, float | np.floating) or not 0.0 < coverage < 1.0:
        raise ValueError(f"`coverage` must lie between 0 and 1, such as 0.9, but {coverage!r} came.")
    x, calibration = regressor._features(X), regressor.calibration_
    asked = np.full((len(x), regressor._event_size), coverage)
    if calibration is not None:
        for rows, one in calibration.parts(X, groups):
            asked[rows] = one.coverages(coverage) + _SPARE
    found: list[list[np.ndarray]] = [[] for _ in range(len(x))]
    for rows, new in blocks(len(x), _ROWS_AT_ONCE):
        marginals = regressor._marginals(regressor._distribution(x[rows]))
        for d, marginal in enumerate(marginals):
            ends = regions.region(marginal, asked[rows, d]) + regressor.target_origin_[d]
            for row, intervals in zip(rows[:new], ends[:new], strict=True):
                found[row].append(intervals[~np.isnan(intervals[:, 0])])
    return found if regressor.n_targets_ else [each[0] for each in found]


def ranks_of(regressor, X, y) -> np.ndarray | None:
    """The density ranks of targets, `(N, D)`, NaN where missing; None where a target is a count or censored.

    A rounded target is drawn within its cell. A count has no density, and the density of a censored target is not known.
    """
    if regressor.censoring:
        return None
    x, size = regressor._features(X), regressor._event_size
    ends = regressor._edges(y)
    lower, upper = ends[:, :size], ends[:, -size:]
    drawn = lower + np.random.default_rng(2).uniform(size=upper.shape) * (upper - lower)
    drawn = np.where(np.isin(upper, regressor.outcome_.atoms), upper, drawn) - regressor.target_origin_
    found = np.empty(drawn.shape)
    for rows, new in blocks(len(x), _ROWS_AT_ONCE):
        marginals = regressor._marginals(regressor._distribution(x[rows]))
        if not all(regions.has_density(marginal) for marginal in marginals):
            return None
        each = [regions.density_rank(marginal, drawn[rows, d]) for d, marginal in enumerate(marginals)]
        found[rows[:new]] = np.stack(each, axis=1)[:new]
    return found
