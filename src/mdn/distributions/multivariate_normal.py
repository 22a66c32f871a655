"""MultivariateNormal: correlated coordinates, with a Cholesky factor of their covariance as parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.arguments import broadcast_shapes, check_finite, check_positive
from mdn.distributions.component import parameter
from mdn.distributions.correlated_normal import CorrelatedNormal
from mdn.distributions.triangular import log_diagonal, lower_factor, row_norms, solve_lower
from mdn.distributions.value import value

_SMALL = 4  # up to so many coordinates, unrolled code is faster than a loop over columns


@value
class MultivariateNormal(CorrelatedNormal):
    r"""Normal with covariance Σ = L Lᵀ.

    .. math:: \log p(y) = -\tfrac12 \|L^{-1}(y - \mu)\|^2 - \sum_d \log L_{dd} - \tfrac D2 \log 2\pi

    Orthogonal transformations of the factor give marginals and conditionals. They never form Σ, because squaring would
    lose precision.

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale_tril: L, lower triangular with a positive diagonal, shape `(*batch, D, D)`.

    Example:
        >>> import mdn
        >>> one = mdn.MultivariateNormal([0.0, 0.0], [[1.0, 0.0], [1.0, 1.0]])
        >>> one.covariance().tolist()
        [[1.0, 1.0], [1.0, 2.0]]
    """

    loc: Any = parameter()
    scale_tril: Any = parameter(event_rank=2)

    def __post_init__(self):
        loc, factor = numerics.as_tensor(self.loc), numerics.as_tensor(self.scale_tril)
        if len(loc.shape) < 1 or len(factor.shape) < 2 or tuple(factor.shape[-2:]) != (loc.shape[-1],) * 2:
            raise ValueError(
                "MultivariateNormal needs `loc` of shape (*batch, D) and `scale_tril` of shape (*batch, D, D), "
                f"but {tuple(loc.shape)} and {tuple(factor.shape)} came."
            )
        check_finite("MultivariateNormal", loc=loc, scale_tril=factor)
        numerics.check(
            lambda factor: np.triu(factor, k=1) == 0.0,
            "`scale_tril` must be lower triangular, but entries above the diagonal are not 0. "
            "For a covariance matrix pass np.linalg.cholesky(covariance).",
            factor,
        )
        check_positive("MultivariateNormal (the diagonal)", scale_tril=ops.diagonal(factor, axis1=-2, axis2=-1))
        batch = broadcast_shapes("the batches of `loc` and `scale_tril`", loc.shape[:-1], factor.shape[:-2])
        size = loc.shape[-1]
        self._set(loc=ops.broadcast_to(loc, (*batch, size)), scale_tril=ops.broadcast_to(factor, (*batch, size, size)))

    def _log_prob(self, y):
        return _log_density(y - self.loc, self.scale_tril)

    def _log_prob_observed(self, y, observed):
        # If each row is wholly observed or wholly missing (padding), no new factor is needed. Only the data tell, so the
        # compiled program has a condition.
        known = ops.any(observed, axis=-1)
        simple = ops.all(ops.logical_or(ops.all(observed, axis=-1), ops.logical_not(known)))
        return ops.cond(simple, lambda: self._log_prob_rows(y, known), lambda: self._log_prob_missing(y, observed))

    def _log_prob_rows(self, y, known):
        difference = ops.where(ops.expand_dims(known, -1), y - self.loc, 0.0)
        return ops.where(known, _log_density(difference, self.scale_tril), 0.0)

    def _log_prob_missing(self, y, observed):
        """Missing rows and columns of Σ become those of the identity; the term of 2π counts observed coordinates only."""
        keep = ops.cast(observed, self.dtype)
        count = ops.sum(1.0 - keep, axis=-1)
        factor = lower_factor(self.scale_tril, observed)
        return _log_density(keep * (y - self.loc), factor) + 0.5 * numerics.LOG_2PI * count

    def _covariance(self):
        return ops.matmul(self.scale_tril, ops.swapaxes(self.scale_tril, -1, -2))

    def _standard_deviation(self):
        return row_norms(self.scale_tril)

    def _sample(self, sample_shape, stream):
        noise = stream.normal((*sample_shape, *ops.shape(self.loc)))
        return self.loc + ops.squeeze(ops.matmul(self.scale_tril, ops.expand_dims(noise, -1)), -1)

    def _marginal(self, dims):
        index = ops.convert_to_tensor(dims, "int32")
        rows = ops.take(self.scale_tril, index, axis=-2)
        return MultivariateNormal._new(ops.take(self.loc, index, axis=-1), lower_factor(rows))

    def _given(self, values, free, known):
        index = ops.convert_to_tensor((*known, *free), "int32")
        factor = lower_factor(ops.take(self.scale_tril, index, axis=-2))
        loc = ops.take(self.loc, index, axis=-1)
        k = len(known)
        given = MultivariateNormal._new(loc[..., :k], factor[..., :k, :k])
        z = _whiten(values - given.loc, given.scale_tril)
        shift = ops.squeeze(ops.matmul(factor[..., k:, :k], ops.expand_dims(z, -1)), -1)
        return MultivariateNormal._new(loc[..., k:] + shift, factor[..., k:, k:]), given._log_prob(values)

    def _precision(self):
        eye = ops.broadcast_to(ops.eye(self.event_size, dtype=self.dtype), ops.shape(self.scale_tril))
        inverse = solve_lower(self.scale_tril, eye)
        return ops.matmul(ops.swapaxes(inverse, -1, -2), inverse)

    def _with_temperature(self, component, variance):
        return self._new(self.loc, self.scale_tril * ops.sqrt(numerics.floor(numerics.as_tensor(variance))))


def _whiten(difference, factor):
    """L⁻¹ d; as in `solve_lower`, rows are divided by their diagonal first."""
    size = factor.shape[-1]
    if size <= _SMALL:
        z: list = []
        for i in range(size):
            known = sum(factor[..., i, j] / factor[..., i, i] * z[j] for j in range(i))
            z.append(difference[..., i] / factor[..., i, i] - known)
        return ops.stack(z, axis=-1)
    return ops.squeeze(solve_lower(factor, ops.expand_dims(difference, -1)), -1)


def _log_density(difference, factor):
    """Log density of N(0, L Lᵀ); where the whitened difference overflows, the density is 0."""
    z = _whiten(difference, factor)
    quadratic = numerics.no_nan(ops.sum(numerics.half_square(z), axis=-1), np.inf)
    return -quadratic - log_diagonal(factor) - 0.5 * numerics.LOG_2PI * factor.shape[-1]
