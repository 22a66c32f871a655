"""Categorical: one of n classes, such as the state of a pen."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.component import parameter
from mdn.distributions.discrete import Discrete, DiscreteSpec, draw_index
from mdn.distributions.spec import serializable
from mdn.distributions.value import value


@value
class Categorical(Discrete):
    """One of n classes; an outcome is an integer column, shape `(*batch, 1)`.

    Classes have no order and no unit: there is no mean, no quantile, no CRPS.

    Args:
        logits: Log weights up to a constant, shape `(*batch, n)`.

    Example:
        >>> import mdn, numpy as np
        >>> round(float(mdn.Categorical(np.log([0.2, 0.8])).prob([1.0])), 2)
        0.8
    """

    logits: Any = parameter()

    _labels = True

    @property
    def event_size(self):
        return 1

    @property
    def num_classes(self) -> int:
        """n."""
        return self.logits.shape[-1]

    def _log_prob(self, y):
        log_weights = numerics.log_softmax(self.logits)
        classes = np.arange(self.num_classes, dtype=self.dtype)
        return numerics.logsumexp(ops.where(y == classes, log_weights, -np.inf))  # -inf if y is not a class

    def _log_prob_observed(self, y, observed):
        return ops.where(observed[..., 0], self._log_prob(y), 0.0)

    @property
    def probs(self):
        """Probabilities of the classes, shape `(*batch, n)`."""
        return ops.exp(numerics.log_softmax(self.logits))

    def _mode(self):
        return ops.cast(ops.expand_dims(ops.argmax(self.logits, axis=-1), -1), self.dtype)

    def _sample(self, sample_shape, stream):
        return ops.cast(ops.expand_dims(draw_index(self.probs, sample_shape, stream), -1), self.dtype)

    def _marginal(self, dims):
        return self

    def _outcomes(self):
        return np.arange(self.num_classes, dtype=self.dtype)[:, None]

    def _tempered(self, temperature):
        return numerics.tempered_logits(self.logits, temperature)


@serializable
class CategoricalSpec(DiscreteSpec):
    """Parameters of `Categorical`: `[logits n]`; a target is one integer column.

    Example:
        >>> import mdn
        >>> mdn.CategoricalSpec(3).params_size
        3
    """

    _family = Categorical
    kind = "class"

    @property
    def encoded_size(self):
        return self.n

    def encode(self, y, scaled):
        # not one_hot: NaN and classes that do not exist must give zeros, and not raise within a compiled step
        return ops.cast(ops.equal(y, ops.arange(self.n, dtype=y.dtype)), y.dtype)

    def _width(self):
        return 1

    def _frequencies(self, y):
        y = y[~np.isnan(y)]
        if np.any((y < 0) | (y >= self.n) | (y != np.round(y))):
            raise ValueError(f"targets of CategoricalSpec({self.n}) must be integers from 0 to {self.n - 1}.")
        return np.log(np.bincount(y.astype(int).ravel(), minlength=self.n) + 1.0)
