"""Factorised: coordinates that are independent of one another, each with a mixture of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn.distributions.arguments import check_count
from mdn.distributions.distribution import Distribution
from mdn.distributions.independent import diagonal_covariance
from mdn.distributions.mixture import Mixture
from mdn.distributions.mixture_spec import MixtureSpec
from mdn.distributions.normal_spec import NormalSpec
from mdn.distributions.spec import Spec, serializable
from mdn.distributions.value import value


@value
class Factorised(Distribution):
    r"""Independent coordinates, each with a one-dimensional mixture of its own.

    .. math:: p(y) = \prod_d \sum_k \pi_{dk}\, p_{dk}(y_d)

    It equals a mixture of K^D products of components, in which the component of one coordinate tells nothing of another's.

    Args:
        each: A Mixture of one coordinate with batch `(*batch, D)`.

    Raises:
        ValueError: if `each` is no such Mixture.

    Example:
        >>> import mdn
        >>> each = mdn.Mixture([[0.0, 0.0], [0.0, 0.0]], mdn.Normal([[[-1.0], [1.0]], [[0.0], [5.0]]], [[[0.1], [0.1]]] * 2))
        >>> mdn.Factorised(each).event_size
        2
    """

    each: Any

    def __post_init__(self):
        if not isinstance(self.each, Mixture) or self.each.event_size != 1 or not self.each.batch_shape:
            raise ValueError(
                "`each` of Factorised must be a Mixture of one coordinate with batch (*batch, D), but "
                f"{self.each!r} came."
            )

    @property
    def event_size(self):
        return self.each.batch_shape[-1]

    @property
    def batch_shape(self):
        return self.each.batch_shape[:-1]

    def _tensors(self):
        return self.each._tensors()

    @property
    def _discrete(self):  # type: ignore[override]
        return self.each._discrete

    @property
    def _labels(self):  # type: ignore[override]
        return self.each._labels

    @property
    def _circular(self):  # type: ignore[override]
        return self.each._circular

    def _kind(self):
        return f"a Factorised of {self.each._kind()}"

    def _log_prob(self, y):
        return ops.sum(self.each._log_prob(y[..., None]), axis=-1)

    def _log_prob_observed(self, y, observed):
        return ops.sum(self.each._log_prob_observed(y[..., None], observed[..., None]), axis=-1)

    def _log_prob_set_observed(self, lower, upper, observed):
        return ops.sum(self.each._log_prob_set_observed(*(x[..., None] for x in (lower, upper, observed))), axis=-1)

    def _mean(self):
        return self.each._mean()[..., 0]

    def _variance(self):
        return self.each._variance()[..., 0]

    def _covariance(self):
        return diagonal_covariance(self._mean(), self._variance())

    def _mode(self):
        return self.each._mode()[..., 0]

    def _sample(self, sample_shape, stream):
        return self.each._sample(sample_shape, stream)[..., 0]

    def _log_tail(self, y, below):
        below = below if isinstance(below, bool) else below[..., None]
        return self.each._log_tail(y[..., None], below)[..., 0]

    def _quantile(self, log_lower, log_upper):
        return self.each._quantile(log_lower[..., None], log_upper[..., None])[..., 0]

    def _crps(self, y):
        return self.each._crps(y[..., None])[..., 0]

    def _marginal(self, dims):
        index, axis = ops.convert_to_tensor(dims, "int32"), len(self.batch_shape)
        return self._map(lambda tensor: ops.take(tensor, index, axis=axis))

    def _map(self, function):
        return self._new(self.each._map(function))

    def _with_temperature(self, component, variance):
        return self._new(self.each._with_temperature(component, variance))


@serializable
class FactorisedSpec(Spec):
    """Parameters of a `Factorised`, coordinate by coordinate: `[loc D·K | scale D·K | logits D·K]`.

    Args:
        event_size: D.
        num_components: K, the number of components of each coordinate.

    Example:
        >>> import mdn
        >>> mdn.FactorisedSpec(2, num_components=3).params_size
        18
    """

    def __init__(self, event_size: int, num_components: int):
        self.event_size = check_count("event_size", event_size)
        self.one = MixtureSpec(NormalSpec(1), num_components)

    @property
    def heads(self):
        size = self.event_size * self.one.num_components
        return (("mdn_mus", size), ("mdn_sigmas", size), ("mdn_pi", size))

    def _apart(self, blocks):
        """Blocks (*batch, D·K) as (*batch, D, K)."""
        return [ops.reshape(b, (*ops.shape(b)[:-1], self.event_size, self.one.num_components)) for b in blocks]

    def _together(self, blocks):
        size = self.event_size * self.one.num_components
        return [ops.reshape(b, (*ops.shape(b)[:-2], size)) for b in blocks]

    def _from_blocks(self, blocks):
        return Factorised._new(self.one._from_blocks(self._apart(blocks)))

    def _to_blocks(self, distribution):
        return self._together(self.one._to_blocks(distribution.each))

    @property
    def scaling_size(self):
        return self.event_size

    def constrain(self, raw, shift, spread):
        scaling = (None, None) if shift is None else (shift[:, None], spread[:, None])
        loc, scale = self.one.specs[0].constrain(self._apart(raw[:2]), *scaling)
        return [*self._together([loc, scale]), raw[2]]

    def scaling(self, y):
        parts = [self.one.scaling(column[:, None]) for column in np.transpose(y)]
        return tuple(np.concatenate(side) for side in zip(*parts, strict=True))

    def starting_biases(self, y=None, seed=0):
        columns = [None] * self.event_size if y is None else [column[:, None] for column in np.transpose(y)]
        each = [self.one.starting_biases(column, seed + d) for d, column in enumerate(columns)]
        return [np.concatenate(blocks) for blocks in zip(*each, strict=True)]

    def shift_matrix(self):
        found = np.zeros((self.event_size, self.params_size), "float32")
        found[:, self.slices["mdn_mus"]] = np.repeat(np.eye(self.event_size), self.one.num_components, axis=1)
        return found

    def get_config(self):
        return {"event_size": self.event_size, "num_components": self.one.num_components}
