"""What all families of independent coordinates share: fields of shape (*batch, D), one formula a coordinate."""

from __future__ import annotations

from keras import ops

from mdn import numerics
from mdn.distributions import univariate
from mdn.distributions.arguments import broadcast_shapes, check_finite
from mdn.distributions.distribution import Distribution


class Independent(Distribution):
    """A product of one-dimensional distributions, each field of shape `(*batch, D)`, or `(*batch, 1)` where shared.

    A family writes formulas for one coordinate: `_log_density`, `_log_side` (the log of either tail),
    `_invert` (quantile from the logs of both), `_draw`, `_center`, `_spread` (mean and variance), `_peak` (mode).
    """

    def _set_fields(self, **fields) -> None:
        """Converts and checks the constructor's arguments, broadcast to one shape (*batch, D)."""
        family = type(self).__name__
        tensors = {name: numerics.as_tensor(value) for name, value in fields.items()}
        for name, tensor in tensors.items():
            if len(tensor.shape) == 0:
                raise ValueError(
                    f"`{name}` of {family} must have shape (*batch, D), but a scalar came. "
                    "One coordinate keeps its axis: [0.0] instead of 0.0."
                )
        check_finite(family, **tensors)
        shape = broadcast_shapes(f"the parameters of {family}", *(tensor.shape for tensor in tensors.values()))
        self._set(**{name: self._fit(name, tensor, shape) for name, tensor in tensors.items()})

    def _fit(self, name, tensor, shape):
        return ops.broadcast_to(tensor, shape)

    @property
    def event_size(self):
        return self._tensors()[0].shape[-1]

    @property
    def batch_shape(self):
        return tuple(self._tensors()[0].shape[:-1])

    # ---- formulas of one coordinate, on (..., D) ------------------------------------------------------------------

    def _log_density(self, y):
        raise NotImplementedError

    def _log_side(self, y, below):
        """log P(Y <= y) where `below`, log P(Y > y) elsewhere."""
        raise NotImplementedError

    def _invert(self, log_lower, log_upper):
        raise NotImplementedError

    def _draw(self, shape, stream):
        raise NotImplementedError

    def _center(self):
        raise NotImplementedError

    def _spread(self):
        raise NotImplementedError

    def _peak(self):
        return self._center()

    def _deviation(self, y):
        """E|Y - y| where the family has it in closed form."""
        raise NotImplementedError

    def _difference(self, other):
        """E|Y - Y'| for an independent Y' from `other`, of the same family."""
        raise NotImplementedError

    _closed_crps = False

    # ---- the contract ---------------------------------------------------------------------------------------------

    def _log_prob(self, y):
        return ops.sum(self._log_density(y), axis=-1)

    def _log_prob_observed(self, y, observed):
        return ops.sum(ops.where(observed, self._log_density(y), 0.0), axis=-1)

    def _log_tail(self, y, below):
        return self._log_side(y, below)[..., 0]

    def _quantile(self, log_lower, log_upper):
        return self._invert(log_lower, log_upper)

    def _bounds(self, log_lower, log_upper):
        """A lower and an upper bound of the quantile, for a mixture to search between."""
        quantile = self._invert(log_lower, log_upper)
        return quantile, quantile

    def _crps(self, y):
        if self._closed_crps:
            return (self._deviation(y) - 0.5 * self._difference(self))[..., 0]
        return univariate.crps_by_quadrature(self, y, self._breaks())

    def _breaks(self):
        """Points that cut the line where this distribution changes, (M, *batch, 1), for quadrature."""
        levels = numerics.as_tensor(univariate.crps_levels())
        tail = ops.reshape(levels, (-1, *(1,) * (len(self.batch_shape) + 1)))
        points = ops.concatenate(univariate.two_quantiles(self, tail, tail), axis=0)
        return ops.stop_gradient(numerics.finite_place(points))

    def _mean(self):
        return self._center()

    def _variance(self):
        return ops.broadcast_to(self._spread(), ops.shape(self._tensors()[0]))

    def _covariance(self):
        none = 0.0 * self._mean()  # NaN where there is no mean, hence no covariance
        apart = ops.expand_dims(none, -1) + ops.expand_dims(none, -2)
        return ops.where(ops.eye(self.event_size) > 0.0, ops.expand_dims(self._variance(), -1), apart)

    def _mode(self):
        return self._peak()

    def _sample(self, sample_shape, stream):
        return self._draw((*sample_shape, *ops.shape(self._tensors()[0])), stream)

    def _deviations(self, center):
        """First and second moments of the deviation of each coordinate from `center`."""
        first = self._center() - center
        return first, self._spread() + ops.square(first)

    # ---- rearrangements --------------------------------------------------------------------------------------------

    def _map(self, function):
        return self._new(*(function(tensor) for tensor in self._tensors()))

    def _marginal(self, dims):
        size = self.event_size
        index = ops.convert_to_tensor(dims, "int32")
        return self._map(lambda t: ops.take(t, index, axis=-1) if t.shape[-1] == size else t)

    def _condition_given(self, free, known, values):
        """(distribution of the free coordinates, log density of the known ones): one pass for mixtures."""
        return self._marginal(free), self._marginal(known)._log_prob(values)

    def _index(self, index):
        return self._map(lambda t: t[index])

    def _event_ranks(self):
        """How many trailing axes of each field belong to the event."""
        return tuple(1 for _ in self._tensors())

    def _with_temperature(self, component, variance):
        raise NotImplementedError
