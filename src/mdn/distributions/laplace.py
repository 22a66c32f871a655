"""Laplace: its log density falls with the absolute error, and its tails are heavier than the normal's."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from mdn import numerics
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value


@value
class Laplace(Independent):
    r"""Independent Laplace coordinates.

    .. math:: p(y) = \prod_d \frac{1}{2 b_d} \exp(-|y_d - \mu_d| / b_d)

    Args:
        loc: Medians μ, shape `(*batch, D)`.
        scale: b > 0, shape `(*batch, D)`; the standard deviation is √2 b.

    Example:
        >>> import mdn
        >>> round(float(mdn.Laplace([0.0], [2.0]).prob([0.0])), 3)
        0.25
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True)

    def _z(self, y):
        return numerics.standardize(y, self.loc, self.scale)

    def _log_prob_each(self, y):
        return -ops.abs(self._z(y)) - ops.log(2.0 * self.scale)

    def _log_tail(self, y, below):
        z = self._z(y)
        return _log_lower(ops.where(below, z, -z))

    def _quantile(self, log_lower, log_upper):
        lower = log_lower <= log_upper
        distance = -math.log(2.0) - ops.where(lower, log_lower, log_upper)
        return self.loc + self.scale * ops.where(lower, -distance, distance)

    def _tail_rate(self):
        return 1.0 / self.scale

    def _mean(self):
        return self.loc

    def _variance(self):
        return 2.0 * ops.square(self.scale)

    _closed_crps = True

    def _absolute_deviation(self, y):
        distance = ops.abs(y - self.loc)
        return distance + self.scale * ops.exp(-distance / self.scale)

    def _absolute_difference(self, other):
        # E|X - X'| = d + (a³ e^{-d/a} - b³ e^{-d/b}) / (a² - b²), rewritten so that nothing cancels as a -> b
        distance = ops.abs(self.loc - other.loc)
        a, b = ops.maximum(self.scale, other.scale), ops.minimum(self.scale, other.scale)
        gap = (1.0 - b / a) * (distance / b)
        small = gap < 1e-3
        ratio = ops.where(small, 1.0 - 0.5 * gap, -ops.expm1(-gap) / ops.where(small, 1.0, gap))
        r = b / a
        bracket = a * (1.0 + r + r * r) / (1.0 + r) + r * distance / (1.0 + r) * ratio * r
        return distance + ops.exp(-distance / a) * bracket

    def _pull(self, y):
        z = self._z(y)
        return 1.0 / (numerics.floor(ops.abs(z), 1e-6) * ops.square(self.scale)), self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance))


def _log_lower(z):
    below = z <= 0.0
    return ops.where(below, z - math.log(2.0), ops.log1p(-0.5 * ops.exp(ops.where(below, z, -z))))


@serializable
class LaplaceSpec(ComponentSpec):
    """Parameters of `Laplace`: `[loc D | scale D]`.

    Example:
        >>> import mdn
        >>> mdn.LaplaceSpec(2).params_size
        4
    """

    _family = Laplace

    def _start(self, loc, scale):
        return loc, scale * math.sqrt(0.5)
