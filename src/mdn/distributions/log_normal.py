"""LogNormal: positive quantities whose logarithm is normal."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from mdn import numerics, special
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value

_WIDE, _ROOM = 2.0, 4.0  # E X is vast if scale > _WIDE, or log E X is nearer than _ROOM to the log of the largest float
_BEYOND = 1e4  # a standard score that stands for infinity: 2 scales further out, exp gives 0 even if E X is vast


@value
class LogNormal(Independent):
    r"""Independent coordinates whose logarithms are normal; the density is 0 for y <= 0.

    .. math:: p(y) = \prod_d \frac{1}{y_d\,\sigma_d\sqrt{2\pi}} \exp\Big(-\frac{(\log y_d - \mu_d)^2}{2\sigma_d^2}\Big)

    Args:
        loc: Mean μ of log y, shape `(*batch, D)`.
        scale: Standard deviation σ > 0 of log y, shape `(*batch, D)`.

    Example:
        >>> import mdn
        >>> round(float(mdn.LogNormal([0.0], [1.0]).quantile(0.5)[0]), 3)
        1.0
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True)

    _begins = 0.0

    def _inside(self, y):
        """(whether y lies in the support, log y there and 0 elsewhere, the standard score of that log)."""
        inside = y > 0.0
        log_y = ops.log(ops.where(inside, y, 1.0))
        return inside, log_y, numerics.standardize(log_y, self.loc, self.scale)

    def _log_prob_each(self, y):
        inside, log_y, z = self._inside(y)
        return ops.where(inside, special.log_normal_density(z) - ops.log(self.scale) - log_y, -math.inf)

    def _log_tail(self, y, below):
        inside, _, z = self._inside(y)
        outside = ops.where(below, numerics.as_tensor(-math.inf), 0.0)
        return ops.where(inside, special.log_ndtr(ops.where(below, z, -z)), outside)

    def _quantile(self, log_lower, log_upper):
        return ops.exp(self.loc + self.scale * special.ndtri(log_lower, log_upper))

    def _sample(self, sample_shape, stream):
        return ops.exp(self.loc + self.scale * stream.normal(self._shape(sample_shape)))

    def _tail_rate(self):
        return 0.0 * self.loc

    def _mean(self):
        return ops.exp(self.loc + 0.5 * ops.square(self.scale))

    def _variance(self):
        variance = ops.square(self.scale)
        return ops.expm1(variance) * ops.exp(2.0 * self.loc + variance)

    def _mode(self):
        return ops.exp(self.loc - ops.square(self.scale))

    _closed_crps = True

    def _absolute_deviation(self, y):
        inside, _, z = self._inside(y)
        signed = ops.where(inside, _signed(z), -1.0)
        return 2.0 * (
            0.5 * y * signed + self._half_share(ops.where(inside, self.scale - z, 2.0 * self.scale + _BEYOND))
        )

    def _absolute_difference(self, other):
        # E|X - X'| = E(X - X')(1{X > X'} - 1{X < X'}), each term a normal probability after a change of measure
        both = numerics.hypotenuse(self.scale, other.scale)
        gap = self.loc - other.loc
        mine = self._half_share((ops.square(self.scale) + gap) / both)
        return 2.0 * (mine + other._half_share((ops.square(other.scale) - gap) / both))

    def _half_share(self, z):
        """(2 Φ(z) - 1) E X / 2, minus E X / 2 where E X is vast.

        E|X - y| and E|X - X'| are sums of such terms. In a CRPS their means cancel, but overflow long before the CRPS does:
        where E X is vast, both sums leave it out.
        """
        log_mean = self.loc + 0.5 * ops.square(self.scale)
        vast = ops.logical_or(self.scale > _WIDE, log_mean > numerics.log_range()[1] - _ROOM)
        near = 0.5 * ops.exp(ops.where(vast, 0.0, log_mean)) * _signed(z)
        return ops.where(vast, -numerics.safe_exp(ops.where(vast, log_mean + special.log_ndtr(-z), 0.0)), near)

    _modes_of_log = True

    def _pull(self, y):
        # stationary in u = log y: Σ r (loc - u) / scale² - 1 = 0; each component carries its share of the -1
        precision = 1.0 / ops.square(self.scale)
        return precision, self.loc - ops.square(self.scale)

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance))


def _signed(z):
    """2 Φ(z) - 1."""
    return ops.erf(z * math.sqrt(0.5))


@serializable
class LogNormalSpec(ComponentSpec):
    """Parameters of `LogNormal`: `[loc D | scale D]`, both of log y. `adapt` needs positive targets.

    Example:
        >>> import mdn
        >>> mdn.LogNormalSpec(2).params_size
        4
    """

    _family = LogNormal

    _moves = False

    def _start(self, loc, scale):
        return loc, scale

    def _natural(self, y):
        return self._logs(y)
