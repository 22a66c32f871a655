"""Weibull: lifetimes, wind speeds and other positive quantities, with a hazard that rises or falls as a power."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import PositiveSpec, serializable
from mdn.distributions.value import value

_EULER = 0.57721566490153286


@value
class Weibull(Independent):
    r"""Independent Weibull coordinates; the density is 0 for y < 0.

    .. math:: p(y) = \prod_d \frac{k_d}{\lambda_d} \Big(\frac{y_d}{\lambda_d}\Big)^{k_d - 1} e^{-(y_d / \lambda_d)^{k_d}}

    Args:
        concentration: The shape k > 0, `(*batch, D)`: below 1 the hazard falls, and the density rises without bound towards 0.
        scale: λ > 0, `(*batch, D)`, in the unit of y: the quantile at 1 - 1/e, whatever k.

    Example:
        >>> import mdn
        >>> round(float(mdn.Weibull([2.0], [3.0]).cdf([3.0])), 4)
        0.6321

    Reference:
        Johnson, Kotz and Balakrishnan (1994), Continuous univariate distributions, volume 1, chapter 21.
    """

    concentration: Any = parameter(positive=True)
    scale: Any = parameter(positive=True)

    _begins = 0.0

    def _kernel(self, y):
        """(whether y > 0, y where it is and the least float elsewhere, log H, H = (y / λ)^k)."""
        inside = y > 0.0
        y = numerics.floor(ops.where(inside, y, 0.0))
        log_hazard = self.concentration * special.log_ratio(y, self.scale)
        return inside, y, log_hazard, numerics.safe_exp(log_hazard)

    def _log_prob_each(self, y):
        _, positive, log_hazard, hazard = self._kernel(y)
        # the least float stands for 0, which measurements and draws may be
        density = ops.log(self.concentration) + numerics.finite_place(log_hazard) - ops.log(positive) - hazard
        return ops.where(y >= 0.0, density, -math.inf)

    def _log_tail(self, y, below):
        inside, _, log_hazard, hazard = self._kernel(y)
        lower, upper = _log_lower(log_hazard, hazard), -hazard
        return ops.where(below, ops.where(inside, lower, -math.inf), ops.where(inside, upper, 0.0))

    def _quantile(self, log_lower, log_upper):
        none, all_of_it = log_lower == -math.inf, log_upper == -math.inf
        log_lower, log_upper = ops.where(none, -1.0, log_lower), ops.where(all_of_it, -1.0, log_upper)
        below = log_lower < log_upper
        q = ops.exp(numerics.within(log_lower, -20.0, -0.5))  # below e^-20, H = -log(1 - q) is q to float precision
        log_hazard = ops.where(
            below, log_lower + ops.log(-ops.log1p(-q) / q), ops.log(-ops.where(below, -1.0, log_upper))
        )
        half = numerics.safe_exp(0.5 * log_hazard / self.concentration)  # its square may leave float where y does not
        y = self.scale * half * half
        return ops.where(none, 0.0, ops.where(all_of_it, math.inf, y))

    def _tail_rate(self):
        k = self.concentration
        return ops.where(k > 1.0, math.inf, ops.where(k < 1.0, 0.0, 1.0 / self.scale))

    def _mean(self):
        return self.scale * numerics.safe_exp(special.log_gamma_of_one_more(1.0 / self.concentration))

    def _variance(self):
        # (E y)² (Γ(1 + 2/k) / Γ(1 + 1/k)² - 1); the ratio is close to 1 where k is large
        mean = self._mean()
        return mean * (mean * ops.expm1(special.log_gamma_doubling(1.0 / self.concentration)))

    def _mode(self):
        peaked = self.concentration > 1.0
        k = ops.where(peaked, self.concentration, 2.0)
        return ops.where(peaked, self.scale * ops.exp(ops.log1p(-1.0 / k) / k), 0.0)

    def _breaks(self):
        points = super()._breaks()
        return ops.concatenate([points, ops.zeros_like(points[:1])], axis=0)  # the distribution function bends at 0

    def _with_temperature(self, component, variance):
        # log y is a location and 1/k times a standard variable: its scale is tempered, and λ stays
        return self._new(1.0 / numerics.tempered_scale(1.0 / self.concentration, variance), self.scale)


def _log_lower(log_hazard, hazard):
    """log(1 - e^-H), exact also where H underflows."""
    small = hazard < 0.7
    near = numerics.floor(ops.where(small, hazard, 0.7), 1e-18)  # the square in a derivative must not underflow
    from_log = log_hazard + ops.log(-ops.expm1(-near) / near)
    return ops.where(small, from_log, ops.log1p(-ops.exp(-ops.where(small, 0.7, hazard))))


@serializable
class WeibullSpec(PositiveSpec):
    """Parameters of `Weibull`: `[concentration D | scale D]`. `adapt` needs positive targets.

    Example:
        >>> import mdn
        >>> mdn.WeibullSpec(2).params_size
        4
    """

    _family = Weibull

    def constrain(self, raw, shift, spread):
        concentration, scale = map(numerics.positive, raw)
        return [concentration, scale if spread is None else numerics.safe_scale(scale * spread)]

    def _start(self, loc, scale):
        # log y has the mean log λ - γ / k, with Euler's γ, and the standard deviation π / (√6 k)
        concentration = math.pi / (math.sqrt(6.0) * scale)
        return concentration, np.exp(loc + _EULER / concentration)
