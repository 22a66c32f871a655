"""NegativeBinomial: counts that vary more than those of a Poisson, such as sales in a day."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions.component import parameter
from mdn.distributions.counts import Counts, CountSpec
from mdn.distributions.spec import serializable
from mdn.distributions.value import value


@value
class NegativeBinomial(Counts):
    r"""Independent negative binomial counts, by their mean; `log_prob` is a log probability.

    .. math:: P(y) = \prod_d \frac{\Gamma(y_d + r_d)}{y_d!\, \Gamma(r_d)}
              \Big(\frac{r_d}{r_d + m_d}\Big)^{r_d} \Big(\frac{m_d}{r_d + m_d}\Big)^{y_d}, \quad y_d = 0, 1, 2, \dots

    It is a Poisson whose rate is a Gamma of concentration r and mean m. The variance is m + m² / r: a Poisson's for r = ∞.
    In SciPy it is `nbinom(n=r, p=r / (r + m))`, in PyTorch `NegativeBinomial(total_count=r, logits=log(m / r))`.

    Args:
        rate: The mean m > 0, `(*batch, D)`.
        concentration: r > 0, `(*batch, D)`. A temperature divides it, which multiplies the part of the variance above the mean.

    Example:
        >>> import mdn
        >>> sales = mdn.NegativeBinomial([2.5], [0.8])
        >>> round(float(sales.prob([2.0])), 4), round(float(sales.cdf([2.0])), 4), float(sales.quantile(0.9)[0])
        (0.133, 0.6499, 7.0)
    """

    rate: Any = parameter(positive=True)
    concentration: Any = parameter(positive=True)

    def _log_mass(self, k):
        return special.log_negative_binomial(k, self.rate, self.concentration)

    def _log_tails(self, k):
        # P(Y <= k) is a regularised incomplete beta function of p = r / (r + m), with both logs exact next to p = 0 and 1
        m, r = self.rate, self.concentration
        none = ops.zeros_like(m + r + k)
        # XLA crashes on the gradient of large arrays of seven axes, and TensorFlow counts axes too
        m, r, b = (ops.reshape(tensor + none, (-1,)) for tensor in (m, r, k + 1.0))
        total, few = m + r, m < r
        ratio = ops.log1p(ops.where(few, m, r) / ops.where(few, r, m))
        log_m, log_r = ops.log(m) - ops.log(total), ops.log(r) - ops.log(total)
        logs = ops.where(few, -ratio, log_r), ops.where(few, log_m, -ratio)
        lower, upper = special.log_beta_tails(r, b, r / total, m / total, *logs)
        return ops.reshape(lower, ops.shape(none)), ops.reshape(upper, ops.shape(none))

    def _mean(self):
        return self.rate

    def _variance(self):
        return self.rate + self.rate / self.concentration * self.rate

    def _mode(self):
        return ops.floor(numerics.floor(self.rate - self.rate / self.concentration, 0.0))

    def _with_temperature(self, component, variance):
        concentration = self.concentration / numerics.floor(numerics.as_tensor(variance))
        return self._new(self.rate, numerics.safe_scale(concentration))


@serializable
class NegativeBinomialSpec(CountSpec):
    """Parameters of `NegativeBinomial`: `[rate D | concentration D]`. `adapt` needs whole numbers from 0 on.

    Example:
        >>> import mdn
        >>> mdn.NegativeBinomialSpec(2).params_size
        4
    """

    _family = NegativeBinomial

    def _start(self, loc, scale):
        # a Gamma of the concentration r has about this variance of its log, and this ratio of its mean to its geometric mean
        variance = np.square(scale)
        return np.exp(loc + 0.5 * np.minimum(variance, 2.0)), (1.0 + np.sqrt(1.0 + 2.0 * variance)) / (2.0 * variance)
