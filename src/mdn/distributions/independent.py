"""Independent: the base class of families with independent coordinates, each by the same formula."""

from __future__ import annotations

import dataclasses

from keras import ops

from mdn import numerics
from mdn.distributions.arguments import broadcast_shapes, check_finite, check_positive
from mdn.distributions.component import Component


class Independent(Component):
    """A product of one-dimensional distributions, each parameter of shape `(*batch, D)`, or `(*batch, 1)` if shared.

    A family writes formulas for one coordinate, all of shape `(..., D)`: `_log_prob_each`, `_log_tail`, `_quantile`, `_mean`,
    `_variance`, `_mode` if it is not the mean, and `_sample` if there is a better way than by `_quantile`.
    """

    def __post_init__(self):
        family = type(self).__name__
        fields = {field.name: field.metadata for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        tensors = {name: numerics.as_tensor(getattr(self, name)) for name in fields}
        for name, tensor in tensors.items():
            if len(tensor.shape) == 0:
                raise ValueError(
                    f"`{name}` of {family} must have shape (*batch, D), but a scalar came. "
                    "One coordinate keeps its axis: [0.0] instead of 0.0."
                )
        check_finite(family, **{name: tensor for name, tensor in tensors.items() if not fields[name]["endless"]})
        shape = broadcast_shapes(f"the parameters of {family}", *(tensor.shape for tensor in tensors.values()))
        for name, tensor in tensors.items():
            one = fields[name]["shared"] and tensor.shape[-1] == 1
            self._set(**{name: ops.broadcast_to(tensor, (*shape[:-1], 1) if one else shape)})
        check_positive(family, **{name: getattr(self, name) for name in fields if fields[name]["positive"]})

    # ---- formulas of one coordinate ------------------------------------------------------------------------------------

    def _log_prob_each(self, y):
        """Log density of each coordinate, `(..., D)`."""
        raise self._lacks("log_prob")

    def _mode(self):
        return self._mean()

    # ---- methods that follow from these formulas -------------------------------------------------------------------------

    def _shape(self, sample_shape: tuple) -> tuple:
        """The shape of draws."""
        return (*sample_shape, *ops.shape(self._tensors()[0]))

    def _sample(self, sample_shape, stream):
        u = stream.uniform(self._shape(sample_shape))
        return self._quantile(ops.log(u), ops.log1p(-u))

    def _log_prob(self, y):
        return ops.sum(self._log_prob_each(y), axis=-1)

    def _log_prob_observed(self, y, observed):
        return ops.sum(ops.where(observed, self._log_prob_each(y), 0.0), axis=-1)

    def _covariance(self):
        return diagonal_covariance(self._mean(), self._variance())

    def _marginal(self, dims):
        size, index = self.event_size, ops.convert_to_tensor(dims, "int32")
        return self._map(lambda t: ops.take(t, index, axis=-1) if t.shape[-1] == size else t)

    def _condition(self, values, free, known):
        return self._marginal(free)

    def _given(self, values, free, known):
        return self._marginal(free), self._marginal(known)._log_prob(values)


def diagonal_covariance(mean, variance):
    """The covariance of independent coordinates, `(*batch, D, D)`: NaN off the diagonal where a coordinate has no mean."""
    none = 0.0 * mean
    apart = ops.expand_dims(none, -1) + ops.expand_dims(none, -2)
    return ops.where(ops.eye(mean.shape[-1]) > 0.0, ops.expand_dims(variance, -1), apart)
