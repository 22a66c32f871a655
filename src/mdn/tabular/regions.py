"""Regions of highest density of a regressor's predictions, and the density ranks that calibrate them."""

from __future__ import annotations

import numpy as np

from mdn.distributions import regions
from mdn.few_shapes import blocks
from mdn.tabular.conformal import Calibration

_ROWS_AT_ONCE = (32, 256)  # numbers of rows whose densities are cut into cells together: each is compiled once
_SPARE = 4e-6  # added to a calibrated coverage: a target of the calibration at an edge must not be lost by rounding


def regions_of(regressor, X, coverage: float, groups=None) -> list:
    """See `MDNRegressor.predict_hdi`."""
    if not isinstance(coverage, float | np.floating) or not 0.0 < coverage < 1.0:
        raise ValueError(f"`coverage` must lie between 0 and 1, such as 0.9, but {coverage!r} came.")
    x, calibration = regressor._features(X), ranked(regressor)
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
                intervals = intervals[~np.isnan(intervals[:, 0])]
                recorded = regressor.recorded_[d]
                found[row].append(intervals if recorded is None else recorded.regions(intervals))
    return found if regressor.n_targets_ else [each[0] for each in found]


def ranked(regressor) -> Calibration | None:
    """The calibration of a regressor with its density ranks, which are computed when they are needed first."""
    calibration = regressor.calibration_
    if calibration is not None and calibration.unranked is not None:
        x, edges, _ = calibration.unranked
        regressor.calibration_ = calibration.with_ranks(_ranks(regressor, x, edges))
    return regressor.calibration_


def _ranks(regressor, x, ends: np.ndarray) -> np.ndarray | None:
    """The density ranks of targets, `(N, D)`, NaN where missing; None where a target is a count, which has no density.

    A rounded target is drawn within its cell.

    Args:
        regressor: The regressor.
        x: Features, as `_features` returns them.
        ends: The targets, as `_edges` returns them.
    """
    size = regressor._event_size
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
