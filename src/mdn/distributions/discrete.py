"""Categorical and Bernoulli: classes, pens, flags."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.arguments import check_finite
from mdn.distributions.distribution import Distribution
from mdn.distributions.spec import ComponentSpec, check_count, serializable

_MOST_BITS = 16  # modes of mixtures are found by trying all outcomes


class _Discrete(Distribution):
    """Outcomes that are labels or bits, with `logits` of shape `(*batch, n)`."""

    if TYPE_CHECKING:
        logits: Any
    _discrete = True

    def __post_init__(self):
        logits = numerics.as_tensor(self.logits)
        name = type(self).__name__
        if len(logits.shape) == 0:
            raise ValueError(f"`logits` of {name} must have shape (*batch, n), but a scalar came.")
        check_finite(name, logits=logits)
        self._set(logits=logits)

    @property
    def batch_shape(self):
        return tuple(self.logits.shape[:-1])

    def _index(self, index):
        return self._new(self.logits[index])

    def _map(self, function):
        return self._new(function(self.logits))

    def _event_ranks(self):
        return (1,)

    def _with_temperature(self, component, variance):
        return self._new(self._tempered(component))

    def _tempered(self, temperature):
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class Categorical(_Discrete):
    """One of n classes; an outcome is an integer column, shape `(*batch, 1)`.

    Classes have no order and no unit: there is no mean, no quantile, no CRPS.

    Args:
        logits: Log weights up to a constant, shape `(*batch, n)`.
    """

    logits: Any

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
        return numerics.logsumexp(ops.where(y == classes, log_weights, -np.inf))  # a number that is no class: -inf

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

    def _support(self):
        return np.arange(self.num_classes, dtype=self.dtype)[:, None]

    def _tempered(self, temperature):
        return numerics.tempered_logits(self.logits, temperature)


@dataclass(frozen=True, eq=False, repr=False)
class Bernoulli(_Discrete):
    """n independent bits; an outcome is n numbers 0 or 1, shape `(*batch, n)`.

    Args:
        logits: Log odds of 1, shape `(*batch, n)`.
    """

    logits: Any

    @property
    def event_size(self):
        return self.logits.shape[-1]

    def _log_probs(self, y):
        bit = ops.logical_or(y == 0.0, y == 1.0)
        signed = ops.where(y == 1.0, self.logits, -self.logits)
        return ops.where(bit, ops.log_sigmoid(signed), -np.inf)

    def _log_prob(self, y):
        return ops.sum(self._log_probs(y), axis=-1)

    def _log_prob_observed(self, y, observed):
        return ops.sum(ops.where(observed, self._log_probs(y), 0.0), axis=-1)

    @property
    def probs(self):
        """Probability of 1 for each bit, shape `(*batch, n)`."""
        return ops.sigmoid(self.logits)

    def _mean(self):
        return self.probs

    def _variance(self):
        return ops.sigmoid(self.logits) * ops.sigmoid(-self.logits)

    def _covariance(self):
        return ops.expand_dims(self._variance(), -1) * ops.eye(self.event_size, dtype=self.dtype)

    def _deviations(self, center):
        first = self.probs - center
        return first, self._variance() + ops.square(first)

    def _mode(self):
        return ops.cast(self.logits > 0.0, self.dtype)

    def _sample(self, sample_shape, stream):
        u = stream.uniform((*sample_shape, *ops.shape(self.logits)))
        return ops.cast(u < self.probs, self.dtype)

    def _marginal(self, dims):
        return self._new(ops.take(self.logits, ops.convert_to_tensor(dims, "int32"), axis=-1))

    def _condition_given(self, free, known, values):
        return self._marginal(free), self._marginal(known)._log_prob(values)

    def _support(self):
        if self.event_size > _MOST_BITS:
            raise ValueError(
                f"mode() of a mixture tries all outcomes, and 2^{self.event_size} are too many (at most 2^{_MOST_BITS})."
            )
        return np.array(list(itertools.product((0.0, 1.0), repeat=self.event_size)), self.dtype)

    def _tempered(self, temperature):
        if isinstance(temperature, float) and temperature == 1.0:
            return self.logits
        return self.logits / numerics.floor(numerics.as_tensor(temperature), 1e-30)


def draw_index(weights, sample_shape, stream):
    """Indices drawn with chances as `weights` (*batch, K), by inverting the cumulated ones at one uniform.

    Shape `(*sample_shape, *batch)`. The weights need not add up to 1.

    Never out of range, and never a component of weight 0, even where rounding leaves the sum off 1.
    """
    cumulated = ops.cumsum(weights, axis=-1)
    total = cumulated[..., -1:]
    u = stream.uniform((*sample_shape, *ops.shape(weights)[:-1]))
    passed = ops.logical_and(ops.expand_dims(u, -1) * total >= cumulated, cumulated < total)
    return ops.sum(ops.cast(passed, "int32"), axis=-1)


class _DiscreteSpec(ComponentSpec):
    """A spec with one block, the logits, and no scale."""

    _scales_targets = False
    _family: type[_Discrete]

    def __init__(self, n: int):
        self.n = check_count("n", n)
        super().__init__(self._width())

    def _width(self) -> int:
        return self.n

    @property
    def block_sizes(self):
        return self.n, 0

    def _distribution(self, loc):
        return self._family._new(loc)

    def _blocks(self, distribution):
        return (distribution.logits,)

    @property
    def scaling_size(self):
        return 0

    def scaling(self, y):
        return np.zeros(0, "float32"), np.ones(0, "float32")

    def constrain(self, raw, shift, spread):
        return list(raw)

    def _frequencies(self, y) -> np.ndarray:
        raise NotImplementedError

    def starting_blocks(self, y, count, seed):
        logits = np.zeros(self.n) if y is None else self._frequencies(np.asarray(y, "float64"))
        # equal components would stay equal: a little noise lets them part
        noise = np.random.default_rng(seed).normal(scale=0.5, size=(count, self.n)) * (count > 1)
        return [logits + noise], np.full(count, -np.log(count))

    def get_config(self):
        return {"n": self.n}


@serializable
class CategoricalSpec(_DiscreteSpec):
    """Parameters of `Categorical`: `[logits n]`; a target is one integer column."""

    _family = Categorical

    def _width(self):
        return 1

    @property
    def heads(self):
        return (("mdn_logits", self.n),)

    def _frequencies(self, y):
        y = y[~np.isnan(y)]
        if np.any((y < 0) | (y >= self.n) | (y != np.round(y))):
            raise ValueError(f"targets of CategoricalSpec({self.n}) must be integers from 0 to {self.n - 1}.")
        return np.log(np.bincount(y.astype(int).ravel(), minlength=self.n) + 1.0)


@serializable
class BernoulliSpec(_DiscreteSpec):
    """Parameters of `Bernoulli`: `[logits n]`; a target is n columns of 0 and 1."""

    _family = Bernoulli

    @property
    def heads(self):
        return (("mdn_logits", self.n),)

    def _frequencies(self, y):
        seen = np.sum(~np.isnan(y), axis=0)
        return np.log(np.nansum(y, axis=0) + 1.0) - np.log(seen - np.nansum(y, axis=0) + 1.0)
