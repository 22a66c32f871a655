"""Counts and CountSpec: the base classes of families of counts 0, 1, 2, ..."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import grid
from mdn.distributions.independent import Independent
from mdn.distributions.spec import PositiveSpec

# breaks for the CRPS: in standard deviations from the mean, and, for the upper tail, in units of its exponential decay
_SPREADS = np.array([0.0, 0.75, 1.5, 2.25, 3.0, 4.0, 5.0, 6.5, 8.0])
_DECAYS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0, 34.0])


class Counts(Independent):
    """Independent counts 0, 1, 2, ...; `log_prob` is a log probability, -inf of what is no count.

    A family writes `_log_mass`, `_log_tails`, `_mean`, `_variance` and `_mode`. Its quantiles are found one by one, so that they
    and draws are counts, and have no gradient. The bracket of this search holds if the variance, under any exponential
    tilt e^(t y), is at most v / (1 - t v / m)², as that of a Poisson or of a negative binomial is (Boucheron, Lugosi and Massart
    2013, Concentration inequalities, section 2.4).
    """

    _grid = (1.0, 0.0)
    _begins = 0.0

    def _log_mass(self, k):
        """log P(Y = k) of counts, `(..., D)`."""
        raise self._lacks("log_prob")

    def _log_tails(self, k):
        """(log P(Y <= k), log P(Y > k)) of counts, `(..., D)` each."""
        raise self._lacks("log_cdf")

    def _log_prob_each(self, y):
        k, whole = numerics.on_grid(y, 1.0)
        inside = ops.logical_and(whole, k >= 0.0)
        return ops.where(inside, self._log_mass(ops.where(inside, k, 0.0)), -math.inf)

    def _log_tail(self, y, below):
        k, _ = numerics.on_grid(y, 1.0)
        inside = k >= 0.0
        lower, upper = self._log_tails(ops.where(inside, k, 0.0))
        return ops.where(below, ops.where(inside, lower, -math.inf), ops.where(inside, upper, 0.0))

    def _quantile_bounds(self, log_lower, log_upper):
        mean, variance = self._mean(), self._variance()
        low = mean - ops.sqrt(2.0 * variance) * ops.sqrt(-log_lower)
        high = mean + ops.sqrt(2.0 * variance) * ops.sqrt(-log_upper) - variance / mean * log_upper
        return numerics.floor(ops.floor(low), 0.0), ops.ceil(high) + 1.0

    def _quantile(self, log_lower, log_upper):
        low, high = self._quantile_bounds(log_lower, log_upper)
        return grid.least(self._log_tail, log_lower, log_upper, low - 1.0, high)

    def _breaks(self):
        mean, variance = self._mean(), self._variance()
        rank = len(mean.shape)
        spreads, decays = (ops.reshape(numerics.as_tensor(x), (-1, *(1,) * rank)) for x in (_SPREADS, _DECAYS))
        spreads = spreads * ops.sqrt(variance)
        return ops.stop_gradient(ops.concatenate([mean - spreads, mean + spreads, mean + variance / mean * decays]))


class CountSpec(PositiveSpec):
    """A spec whose first block is the mean; `adapt` needs whole numbers from 0 on."""

    def constrain(self, raw, shift, spread):
        mean, *others = map(numerics.positive, raw)
        return [mean if spread is None else numerics.safe_scale(mean * spread), *others]

    def _logs(self, y) -> np.ndarray:
        y = np.asarray(y, "float64")
        wrong = y[(y < 0) | (y != np.round(y)) & ~np.isnan(y)]
        if len(wrong):
            raise ValueError(f"targets of {self!r} must be whole numbers from 0 on, but {wrong[0]:g} came: round them.")
        return np.log(y + 0.5)
