"""Normal with independent coordinates: diagonal or isotropic."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from mdn import numerics, special
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.value import value


@value
class Normal(Independent):
    r"""Independent normal coordinates.

    .. math:: p(y) = \prod_d \frac{1}{\sqrt{2\pi}\,\sigma_d} \exp\Big(-\frac{(y_d - \mu_d)^2}{2\sigma_d^2}\Big)

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale: Standard deviations σ > 0, `(*batch, D)`, or `(*batch, 1)` if all coordinates share one (isotropic).

    Example:
        >>> import mdn
        >>> round(float(mdn.Normal([0.0], [1.0]).log_prob([0.0])), 4)
        -0.9189
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True, shared=True)

    def _z(self, y):
        return numerics.standardize(y, self.loc, self.scale)

    def _log_prob_each(self, y):
        return special.log_normal_density(self._z(y)) - ops.log(self.scale)

    def _log_tail(self, y, below):
        z = self._z(y)
        return special.log_ndtr(ops.where(below, z, -z))

    def _quantile(self, log_lower, log_upper):
        return self.loc + self.scale * special.ndtri(log_lower, log_upper)

    def _sample(self, sample_shape, stream):
        return self.loc + self.scale * stream.normal(self._shape(sample_shape))

    def _mean(self):
        return self.loc

    def _variance(self):
        return ops.broadcast_to(ops.square(self.scale), ops.shape(self.loc))

    _closed_crps = True

    def _absolute_deviation(self, y):
        return folded_normal_mean(y - self.loc, self.scale)

    def _absolute_difference(self, other):
        return folded_normal_mean(self.loc - other.loc, numerics.hypotenuse(self.scale, other.scale))

    def _pull(self, y):
        return ops.broadcast_to(1.0 / ops.square(self.scale), ops.shape(self.loc)), self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance))


def folded_normal_mean(difference, scale):
    r"""$E|X|$ for $X \sim N(\text{difference}, \text{scale}^2)$: $d\,(2\Phi(d/s) - 1) + 2 s\,\varphi(d/s)$.

    Reference:
        Grimit et al. (2006), The continuous ranked probability score for circular variables and its application to
        mesoscale forecast ensemble verification.
    """
    z = numerics.finite_z(difference / scale)
    return difference * ops.erf(z * math.sqrt(0.5)) + 2.0 * scale * ops.exp(special.log_normal_density(z))
