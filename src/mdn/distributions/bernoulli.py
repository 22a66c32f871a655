"""Bernoulli: independent bits, such as flags."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.component import parameter
from mdn.distributions.discrete import Discrete, DiscreteSpec
from mdn.distributions.independent import Independent
from mdn.distributions.spec import serializable
from mdn.distributions.value import value

_MOST_BITS = 16  # the mode of a mixture is found by trying all 2^n outcomes


@value
class Bernoulli(Discrete, Independent):
    """n independent bits; an outcome is n numbers 0 or 1, shape `(*batch, n)`.

    Args:
        logits: Log odds of 1, shape `(*batch, n)`.

    Example:
        >>> import mdn
        >>> mdn.Bernoulli([0.0, 2.0]).mean().shape
        (2,)
        >>> round(float(mdn.Bernoulli([0.0]).prob([1.0])), 2)
        0.5
    """

    logits: Any = parameter()

    def _log_prob_each(self, y):
        bit = ops.logical_or(y == 0.0, y == 1.0)
        signed = ops.where(y == 1.0, self.logits, -self.logits)
        return ops.where(bit, ops.log_sigmoid(signed), -np.inf)

    @property
    def probs(self):
        """Probability of 1 for each bit, shape `(*batch, n)`."""
        return ops.sigmoid(self.logits)

    def _mean(self):
        return self.probs

    def _variance(self):
        return ops.sigmoid(self.logits) * ops.sigmoid(-self.logits)

    def _mode(self):
        return ops.cast(self.logits > 0.0, self.dtype)

    def _sample(self, sample_shape, stream):
        u = stream.uniform(self._shape(sample_shape))
        return ops.cast(u < self.probs, self.dtype)

    def _outcomes(self):
        if self.event_size > _MOST_BITS:
            raise ValueError(
                f"mode() of a mixture tries all outcomes, and 2^{self.event_size} are too many (at most 2^{_MOST_BITS})."
            )
        return np.array(list(itertools.product((0.0, 1.0), repeat=self.event_size)), self.dtype)

    def _tempered(self, temperature):
        if isinstance(temperature, float) and temperature == 1.0:
            return self.logits
        return self.logits / numerics.floor(numerics.as_tensor(temperature), 1e-30)


@serializable
class BernoulliSpec(DiscreteSpec):
    """Parameters of `Bernoulli`: `[logits n]`; a target is n columns of 0 and 1.

    Example:
        >>> import mdn
        >>> mdn.BernoulliSpec(3).params_size
        3
    """

    _family = Bernoulli
    kind = "bit"

    def encode(self, y, scaled):
        return numerics.no_nan(y, 0.0)

    def _frequencies(self, y):
        if not np.all(np.isnan(y) | (y == 0.0) | (y == 1.0)):
            raise ValueError(f"targets of BernoulliSpec({self.n}) must be 0 or 1.")
        seen = np.sum(~np.isnan(y), axis=0)
        return np.log(np.nansum(y, axis=0) + 1.0) - np.log(seen - np.nansum(y, axis=0) + 1.0)
