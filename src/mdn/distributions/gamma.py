"""Gamma: positive quantities such as waiting times and amounts, down to 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions import univariate
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import PositiveSpec, serializable
from mdn.distributions.value import value


@value
class Gamma(Independent):
    r"""Independent gamma coordinates; the density is 0 for y < 0.

    .. math:: p(y) = \prod_d \frac{\beta_d^{\alpha_d}}{\Gamma(\alpha_d)}\, y_d^{\alpha_d - 1} e^{-\beta_d y_d}

    Args:
        concentration: The shape α > 0, `(*batch, D)`: below 1 the density rises without bound towards 0.
        rate: β > 0, `(*batch, D)`, one over the unit of y. The mean is α / β, the variance α / β².

    Example:
        >>> import mdn
        >>> round(float(mdn.Gamma([1.0], [2.0]).cdf([0.5])), 4)
        0.6321

    Reference:
        Scheuerer and Möller (2015), Probabilistic wind speed forecasting on a grid based on ensemble model output statistics
        (the CRPS, in another form).
    """

    concentration: Any = parameter(positive=True)
    rate: Any = parameter(positive=True)

    _begins = 0.0

    def _kernel(self, y):
        """(whether y >= 0, y where it is and 1 elsewhere, x = β y, log x)."""
        inside = y >= 0.0
        # measurements and draws may be 0, or infinite: the least float and a large one stand for them
        y = numerics.finite_place(numerics.floor(ops.where(inside, y, 1.0)))
        return inside, y, numerics.finite_place(self.rate * y), ops.log(self.rate) + ops.log(y)

    def _log_prob_each(self, y):
        inside, positive, x, log_x = self._kernel(y)
        density = special.log_gamma_kernel(self.concentration, x, log_x) - ops.log(positive)
        return ops.where(inside, density, -math.inf)

    def _log_tail(self, y, below):
        _, _, x, log_x = self._kernel(y)
        lower, upper = special.log_gamma_tails(self.concentration, x, log_x)
        inside = y > 0.0
        return ops.where(below, ops.where(inside, lower, -math.inf), ops.where(inside, upper, 0.0))

    def _bracket(self, log_lower, log_upper):
        """Bounds of log x, from P <= x^a / Γ(a + 1) and from Laurent and Massart (2000), lemma 1."""
        a, over = self.concentration, -log_upper
        low = (log_lower + special.log_gamma_of_one_more(a)) / a
        return low, ops.log(a + over + ops.sqrt(2.0 * a) * ops.sqrt(over))

    def _place(self, u, log_lower, log_upper):
        """y at u = log x; the ends of the support where all probability lies on one side."""
        y = numerics.safe_exp(u - ops.log(self.rate))
        return ops.where(log_lower == -math.inf, 0.0, ops.where(log_upper == -math.inf, math.inf, y))

    def _quantile(self, log_lower, log_upper):
        """Newton's method on u = log x."""
        a, logs = self.concentration, (log_lower, log_upper)
        log_lower, log_upper = (ops.where(log == -math.inf, -1.0, log) for log in logs)
        low, high = self._bracket(log_lower, log_upper)
        u = univariate.invert(
            _curves_of_log, (a,), log_lower, log_upper, low, high, _near_log_quantile(a, log_lower, log_upper, low), least=1.0,
        )  # fmt: skip
        return self._place(u, *logs)

    def _quantile_bounds(self, log_lower, log_upper):
        finite = (ops.where(log == -math.inf, -1.0, log) for log in (log_lower, log_upper))
        return tuple(self._place(u, log_lower, log_upper) for u in self._bracket(*finite))

    def _tail_rate(self):
        return self.rate

    def _mean(self):
        return self.concentration / self.rate

    def _variance(self):
        return self.concentration / self.rate / self.rate

    def _mode(self):
        return numerics.floor(self.concentration - 1.0, 0.0) / self.rate

    def _crps(self, y):
        # with equal parameters, E|Y - Y'| = 2 Γ(α + ½) / (β √π Γ(α)); with others it needs the incomplete beta function
        pairs = ops.exp(special.log_gamma_half_step(self.concentration)) / (self.rate * math.sqrt(math.pi))
        return (self._absolute_deviation(y) - pairs)[..., 0]

    def _absolute_deviation(self, y):
        _, _, x, log_x = self._kernel(y)
        inside = y > 0.0
        lower, upper = special.log_gamma_tails(self.concentration, x, log_x)
        signed = ops.where(lower < upper, 2.0 * ops.exp(lower) - 1.0, 1.0 - 2.0 * ops.exp(upper))
        signed = ops.where(inside, signed, -1.0)
        kernel = ops.where(inside, ops.exp(special.log_gamma_kernel(self.concentration, x, log_x)), 0.0)
        return (y - self._mean()) * signed + 2.0 * kernel / self.rate

    def _breaks(self):
        points = super()._breaks()
        return ops.concatenate([points, ops.zeros_like(points[:1])], axis=0)  # the distribution function bends at 0

    def _pull(self, y):
        # y times the gradient of log p is α - 1 - β y. Outside the support the pull is 0; where α < 1 it is towards 0.
        inside = y > 0.0
        return ops.where(inside, self.rate / numerics.floor(ops.where(inside, y, 1.0)), 0.0), self._mode()

    def _with_temperature(self, component, variance):
        # both parameters are multiplied by one factor, which keeps the mean
        return self._new(*numerics.tempered_together(self.concentration, self.rate, variance))


def _curves_of_log(a):
    return (
        lambda u, below: ops.where(below, *special.log_gamma_tails(a, numerics.safe_exp(u), u)),
        lambda u: special.log_gamma_kernel(a, numerics.safe_exp(u), u),
    )


def _near_log_quantile(a, log_lower, log_upper, low):
    """Near the log of the quantile at rate 1; `low` is where the power of y alone would have it.

    The cube of a normal, by Wilson and Hilferty (1931), The distribution of chi-square; where that fails, near 0, the power.
    """
    root = 1.0 - 1.0 / (9.0 * a) + special.near_ndtri(log_lower, log_upper) / (3.0 * ops.sqrt(a))
    power = numerics.safe_exp(low)
    close = ops.logical_or(root < 0.3, ops.logical_and(a < 1.0, power < 0.5))
    cube = ops.log(a) + 3.0 * ops.log(numerics.floor(root, 0.3))
    return ops.where(close, low + numerics.cap(power, 1.0) / (a + 1.0), cube)


@serializable
class GammaSpec(PositiveSpec):
    """Parameters of `Gamma`: `[concentration D | rate D]`. `adapt` needs positive targets.

    Example:
        >>> import mdn
        >>> mdn.GammaSpec(2).params_size
        4
    """

    _family = Gamma

    def constrain(self, raw, shift, spread):
        concentration, rate = map(numerics.positive, raw)
        return [concentration, rate if spread is None else numerics.safe_scale(rate / spread)]

    def _start(self, loc, scale):
        # log y has the mean ψ(α) - log β and the variance ψ'(α); ψ'(α) is about 1 / α + 1 / (2 α²), ψ(α) about log(α + ½) - 1 / α
        variance = np.square(scale)
        concentration = (1.0 + np.sqrt(1.0 + 2.0 * variance)) / (2.0 * variance)
        return concentration, np.exp(np.log(concentration + 0.5) - 1.0 / concentration - loc)
