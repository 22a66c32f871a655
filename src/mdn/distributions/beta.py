"""Beta: shares, rates and other numbers between 0 and 1, with one hump, a slope, or two heaps at the ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from mdn import initializers, numerics, special
from mdn.distributions import univariate
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value

_LEAST_MEAN = 1e-3  # a component starts at least this far from 0 and 1
_LEAST_TOTAL = 0.1  # a component starts with at least this sum of its concentrations
_RESOLUTION = 4.0  # log odds are found to the spacing of a float of this size: more digits would be noise of the tail


@value
class Beta(Independent):
    r"""Independent beta coordinates; the density is 0 outside [0, 1].

    .. math:: p(y) = \prod_d \frac{y_d^{a_d - 1} (1 - y_d)^{b_d - 1}}{B(a_d, b_d)}

    float32 resolves numbers down to 1e-37 near 0, but no closer to 1 than 6e-8: let the rarer outcome be the one near 0.

    Args:
        concentration1: a > 0, `(*batch, D)`: below 1 the density rises without bound towards 0. The mean is a / (a + b).
        concentration0: b > 0, `(*batch, D)`: below 1 the density rises without bound towards 1.

    Example:
        >>> import mdn
        >>> round(float(mdn.Beta([2.0], [1.0]).cdf([0.5])), 4)
        0.25

    Reference:
        Taillardat et al. (2016), Calibrated ensemble forecasts using quantile regression forests and ensemble model output
        statistics (the CRPS, in another form).
    """

    concentration1: Any = parameter(positive=True)
    concentration0: Any = parameter(positive=True)

    _begins = 0.0

    def _shapes(self):
        return self.concentration1, self.concentration0

    def _places(self, y):
        """(y, 1 - y, log y, log(1 - y)); the least float stands for 0, half a spacing of floats for 1 - 1."""
        y = numerics.floor(numerics.cap(y, 1.0))
        rest = numerics.floor(1.0 - y, 0.5 * numerics.epsilon())
        low = y < 0.5
        return y, rest, ops.log(y), ops.where(low, ops.log1p(-ops.where(low, y, 0.0)), ops.log(rest))

    def _log_prob_each(self, y):
        places = self._places(y)
        density = special.log_beta_kernel(*self._shapes(), *places) - places[2] - places[3]
        return ops.where(ops.logical_and(y >= 0.0, y <= 1.0), density, -math.inf)

    def _log_tail(self, y, below):
        lower, upper = special.log_beta_tails(*self._shapes(), *self._places(y))
        lower = ops.where(y > 0.0, ops.where(y < 1.0, lower, 0.0), -math.inf)
        return ops.where(below, lower, ops.where(y < 1.0, ops.where(y > 0.0, upper, 0.0), -math.inf))

    def _quantile(self, log_lower, log_upper):
        """Newton's method on u, the log odds of y: the logs of both tails are concave in u."""
        none, all_of_it = log_lower == -math.inf, log_upper == -math.inf
        log_lower, log_upper = ops.where(none, -1.0, log_lower), ops.where(all_of_it, -1.0, log_upper)
        low, high = -numerics.log_range()[0], 2.0 - math.log(numerics.epsilon())  # beyond them, y is 0 or 1 in float
        a, b = self._shapes()
        u = univariate.invert(
            _curves_of_log_odds, (a, b), log_lower, log_upper, ops.full_like(a, low), ops.full_like(a, high),
            self._near_log_odds(log_lower, log_upper, low, high), least=_RESOLUTION,
        )  # fmt: skip
        y = ops.where(u < 0.0, ops.exp(numerics.cap(u, 0.0)), 1.0) / (1.0 + ops.exp(-ops.abs(u)))
        return ops.where(none, 0.0, ops.where(all_of_it, 1.0, y))

    def _quantile_bounds(self, log_lower, log_upper):
        # no search of its own for each component; the least float stands for 0, so that the bracket is halved in the logs
        some = ops.zeros_like(self.concentration1 + log_lower)
        low = ops.where(log_lower == -math.inf, some, ops.where(log_upper == -math.inf, 1.0, numerics.floor(some)))
        return low, ops.where(log_lower == -math.inf, some, 1.0)

    def _near_log_odds(self, log_lower, log_upper, low, high):
        """Near the log odds of the quantile, by Abramowitz and Stegun (1964), 26.5.22.

        Where a or b is below 1, it is the end of the bracket from which Newton's method never overshoots.
        """
        a, b = self.concentration1, self.concentration0
        z = special.near_ndtri(log_lower, log_upper)
        one, other = (1.0 / numerics.floor(2.0 * shape - 1.0, 1.0) for shape in (a, b))
        h, bend = 2.0 / (one + other), (ops.square(z) - 3.0) / 6.0
        w = z * ops.sqrt(h + bend) / h - (one - other) * (bend + 5.0 / 6.0 - 2.0 / (3.0 * h))
        far = ops.where(log_lower <= log_upper, low, high)
        return ops.where(ops.minimum(a, b) > 1.0, ops.log(a) - ops.log(b) + 2.0 * w, far)

    def _total(self):
        return self.concentration1 + self.concentration0

    def _mean(self):
        return self.concentration1 / self._total()

    def _variance(self):
        total = self._total()
        return (self.concentration1 / total) * (self.concentration0 / total) / (total + 1.0)

    def _mode(self):
        over1, over0 = (numerics.floor(shape - 1.0, 0.0) for shape in (self.concentration1, self.concentration0))
        humped = over1 + over0 > 0.0
        # without a hump the density is highest at the end of the smaller concentration
        end = ops.where(self.concentration1 <= self.concentration0, 0.0, 1.0)
        return ops.where(humped, over1 / ops.where(humped, over1 + over0, 1.0), end)

    def _crps(self, y):
        # E|Y - y| = (y - m)(2 F - 1) + 2 K / (a + b) with K = y^a (1 - y)^b / B(a, b);
        # E|Y - Y'| / 2 = 2 B(2a, 2b) / (B(a, b)² (a + b)), by the values of K for (a, b) and (2a, 2b) at the mean
        places, mean, total = (*self._shapes(), *self._places(y)), self._mean(), self._total()
        lower, upper = special.log_beta_tails(*places)
        kernel = ops.exp(special.log_beta_kernel(*places))
        inside = ops.logical_and(y > 0.0, y < 1.0)
        signed = ops.where(lower < upper, 2.0 * ops.exp(lower) - 1.0, 1.0 - 2.0 * ops.exp(upper))
        signed = ops.where(inside, signed, ops.where(y > 0.0, 1.0, -1.0))
        deviation = (y - mean) * signed + 2.0 * ops.where(inside, kernel, 0.0) / total
        shapes = (ops.stack([shape, 2.0 * shape]) for shape in (self.concentration1, self.concentration0))
        shares = self.concentration1 / total, self.concentration0 / total
        pairs = special.log_beta_kernel(*shapes, *(ops.stack([x, x]) for x in (*shares, *map(ops.log, shares))))
        return (deviation - 2.0 * ops.exp(2.0 * pairs[0] - pairs[1]) / total)[..., 0]

    def _breaks(self):
        points = super()._breaks()
        ends = ops.zeros_like(points[:1])  # the distribution function bends at 0 and 1
        return ops.concatenate([points, ends, ends + 1.0], axis=0)

    def _with_temperature(self, component, variance):
        # both parameters are divided by one factor, which keeps the mean
        return self._new(*numerics.tempered_together(self.concentration1, self.concentration0, variance))


def _curves_of_log_odds(a, b):
    norm = special.log_beta_norm(a, b)
    return (
        lambda u, below: ops.where(below, *special.log_beta_tails(a, b, *_of_log_odds(u), norm=norm)),
        lambda u: special.log_beta_kernel(a, b, *_of_log_odds(u), norm=norm),
    )


def _of_log_odds(u) -> tuple[Any, Any, Any, Any]:
    """(y, 1 - y, log y, log(1 - y)) at log odds u."""
    less = ops.exp(-ops.abs(u))
    log_most = -ops.log1p(less)
    least, most, log_least = less / (1.0 + less), 1.0 / (1.0 + less), log_most - ops.abs(u)
    low = u < 0.0
    y, rest = ops.where(low, least, most), ops.where(low, most, least)
    return y, rest, ops.where(low, log_least, log_most), ops.where(low, log_most, log_least)


@serializable
class BetaSpec(ComponentSpec):
    """Parameters of `Beta`: `[concentration1 D | concentration0 D]`. `adapt` needs targets in [0, 1].

    Example:
        >>> import mdn
        >>> mdn.BetaSpec(2).params_size
        4
    """

    _family = Beta

    _moves = False
    _scales_targets = False
    _first_is_free = False

    def constrain(self, raw, shift, spread):
        return [numerics.positive(block) for block in raw]

    def starting_blocks(self, y, count, seed):
        if y is None:
            loc, _, weights = initializers.spread_mixture(self.event_size, count)
            mean = 1.0 / (1.0 + np.exp(-loc))
            return self._release(*self._start(mean, np.sqrt(mean * (1.0 - mean) / 3.0))), np.log(weights)
        y = np.asarray(y, "float64")
        if np.any((y < 0.0) | (y > 1.0)):
            raise ValueError(
                "targets of a Beta must lie in [0, 1], but others came: divide them by their largest possible value."
            )
        middle, spread = initializers.robust_scaling(y)
        loc, scale, weights = initializers.starting_mixture((y - middle) / spread, count, seed)
        return self._release(*self._start(middle + spread * loc, spread * scale)), np.log(weights)

    def _start(self, loc, scale):
        # by moments: the variance is m (1 - m) / (a + b + 1)
        mean = np.clip(loc, _LEAST_MEAN, 1.0 - _LEAST_MEAN)
        total = np.maximum(mean * (1.0 - mean) / np.square(scale) - 1.0, _LEAST_TOTAL)
        return mean * total, (1.0 - mean) * total
