"""LogNormal: positive quantities whose logarithm is normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions.arguments import check_positive
from mdn.distributions.independent import Independent
from mdn.distributions.normal import hypotenuse
from mdn.distributions.spec import ComponentSpec, serializable


@dataclass(frozen=True, eq=False, repr=False)
class LogNormal(Independent):
    r"""Independent coordinates whose logarithms are normal; the density is 0 for y <= 0.

    .. math:: p(y) = \prod_d \frac{1}{y_d\,\sigma_d\sqrt{2\pi}} \exp\Big(-\frac{(\log y_d - \mu_d)^2}{2\sigma_d^2}\Big)

    Args:
        loc: Mean μ of log y, shape `(*batch, D)`.
        scale: Standard deviation σ > 0 of log y, shape `(*batch, D)`.
    """

    loc: Any
    scale: Any

    def __post_init__(self):
        self._set_fields(loc=self.loc, scale=self.scale)
        check_positive("LogNormal", scale=self.scale)

    def _inside(self, y):
        """(whether y lies in the support, log y there and 0 elsewhere, its standard score)."""
        inside = y > 0.0
        log_y = ops.log(ops.where(inside, y, 1.0))
        return inside, log_y, numerics.standardize(log_y, self.loc, self.scale)

    def _log_density(self, y):
        inside, log_y, z = self._inside(y)
        return ops.where(inside, special.log_normal_density(z) - ops.log(self.scale) - log_y, -math.inf)

    def _log_side(self, y, below):
        inside, _, z = self._inside(y)
        outside = ops.where(below, numerics.as_tensor(-math.inf), 0.0)
        return ops.where(inside, special.log_ndtr(ops.where(below, z, -z)), outside)

    def _invert(self, log_lower, log_upper):
        return ops.exp(self.loc + self.scale * special.ndtri(log_lower, log_upper))

    def _draw(self, shape, stream):
        return ops.exp(self.loc + self.scale * stream.normal(shape))

    def _center(self):
        return ops.exp(self.loc + 0.5 * ops.square(self.scale))

    def _spread(self):
        variance = ops.square(self.scale)
        return ops.expm1(variance) * ops.exp(2.0 * self.loc + variance)

    def _peak(self):
        return ops.exp(self.loc - ops.square(self.scale))

    _closed_crps = True

    def _deviation(self, y):
        inside, _, z = self._inside(y)
        z = ops.where(inside, z, -math.inf)
        return y * _signed(z) - self._center() * _signed(z - self.scale)

    def _difference(self, other):
        # E|X - X'| = E(X - X')(1{X > X'} - 1{X < X'}), each term a normal probability after a change of measure
        both = hypotenuse(self.scale, other.scale)
        gap = self.loc - other.loc
        return self._center() * _signed((gap + ops.square(self.scale)) / both) + other._center() * _signed(
            (ops.square(other.scale) - gap) / both
        )

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
    """Parameters of `LogNormal`: `[loc D | scale D]`, both of log y. Targets must be positive to start from them."""

    def _distribution(self, loc, scale):
        return LogNormal._new(loc, scale)

    def _blocks(self, distribution):
        return distribution.loc, distribution.scale

    def _start(self, loc, scale):
        return loc, scale

    def _natural(self, y):
        if np.any(y <= 0):
            raise ValueError(
                "targets of a LogNormal must be positive, but 0 or less came: shift them or use NormalSpec."
            )
        return np.log(y)
