"""Poisson: counts of events that come one by one at a rate, such as calls in an hour."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import special
from mdn.distributions.component import parameter
from mdn.distributions.counts import Counts, CountSpec
from mdn.distributions.spec import serializable
from mdn.distributions.value import value


@value
class Poisson(Counts):
    r"""Independent Poisson counts; `log_prob` is a log probability.

    .. math:: P(y) = \prod_d \frac{\lambda_d^{y_d}}{y_d!}\, e^{-\lambda_d}, \quad y_d = 0, 1, 2, \dots

    Args:
        rate: λ > 0, `(*batch, D)`, the mean and the variance. A temperature does not change it.

    Example:
        >>> import mdn
        >>> calls = mdn.Poisson([2.5])
        >>> round(float(calls.prob([2.0])), 4), round(float(calls.cdf([2.0])), 4), float(calls.quantile(0.9)[0])
        (0.2565, 0.5438, 5.0)
    """

    rate: Any = parameter(positive=True)

    def _log_mass(self, k):
        return special.log_poisson(k, self.rate, ops.log(self.rate))

    def _log_tails(self, k):
        upper, lower = special.log_gamma_tails(k + 1.0, self.rate, ops.log(self.rate))
        return lower, upper

    def _mean(self):
        return self.rate

    def _variance(self):
        return self.rate

    def _mode(self):
        return ops.floor(self.rate)

    def _with_temperature(self, component, variance):
        return self


@serializable
class PoissonSpec(CountSpec):
    """Parameters of `Poisson`: `[rate D]`. `adapt` needs whole numbers from 0 on.

    Example:
        >>> import mdn
        >>> mdn.PoissonSpec(2).params_size
        2
    """

    _family = Poisson

    @property
    def block_sizes(self):
        return self.event_size, 0

    def _start(self, loc, scale):
        return (np.exp(loc),)
