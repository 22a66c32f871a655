"""Normals with correlated coordinates: by a Cholesky factor, and by a low-rank factor beside a diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.arguments import broadcast_shapes, check_finite, check_positive
from mdn.distributions.distribution import Distribution
from mdn.distributions.normal_scores import NormalScores
from mdn.distributions.triangular import lower_factor, row_norms, solve_lower, solve_upper

_SMALL = (
    4  # coordinates up to which a triangle is solved by writing it out, which is faster than a loop over its columns
)


@dataclass(frozen=True, eq=False, repr=False)
class MultivariateNormal(NormalScores, Distribution):
    r"""Normal with covariance $\Sigma = L L^\top$.

    .. math:: \log p(y) = -\tfrac12 \|L^{-1}(y - \mu)\|^2 - \sum_d \log L_{dd} - \tfrac D2 \log 2\pi

    Marginals and conditionals are found from the factor by orthogonal transformations; Σ is never formed, so that
    no precision is lost to squaring.

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale_tril: L, lower triangular with a positive diagonal, shape `(*batch, D, D)`.
    """

    loc: Any
    scale_tril: Any

    def __post_init__(self):
        loc, factor = numerics.as_tensor(self.loc), numerics.as_tensor(self.scale_tril)
        if len(loc.shape) < 1 or len(factor.shape) < 2 or tuple(factor.shape[-2:]) != (loc.shape[-1],) * 2:
            raise ValueError(
                "MultivariateNormal needs `loc` of shape (*batch, D) and `scale_tril` of shape (*batch, D, D), "
                f"but {tuple(loc.shape)} and {tuple(factor.shape)} came."
            )
        check_finite("MultivariateNormal", loc=loc, scale_tril=factor)
        numerics.check(
            lambda: ops.triu(factor, k=1) == 0.0,
            "`scale_tril` must be lower triangular, but entries above the diagonal are not 0. "
            "For a covariance matrix pass np.linalg.cholesky(covariance).",
            factor,
        )
        check_positive("MultivariateNormal (the diagonal)", scale_tril=ops.diagonal(factor, axis1=-2, axis2=-1))
        batch = broadcast_shapes("the batches of `loc` and `scale_tril`", loc.shape[:-1], factor.shape[:-2])
        size = loc.shape[-1]
        self._set(loc=ops.broadcast_to(loc, (*batch, size)), scale_tril=ops.broadcast_to(factor, (*batch, size, size)))

    @property
    def event_size(self):
        return self.loc.shape[-1]

    @property
    def batch_shape(self):
        return tuple(self.loc.shape[:-1])

    def _log_prob(self, y):
        return _log_density(y - self.loc, self.scale_tril)

    def _log_prob_observed(self, y, observed):
        # Where each row is whole or, as padding is, wholly missing, nothing has to be refactored; a compiled program can only
        # learn that from the data.
        known = ops.any(observed, axis=-1)
        simple = ops.all(ops.logical_or(ops.all(observed, axis=-1), ops.logical_not(known)))
        return ops.cond(simple, lambda: self._log_prob_rows(y, known), lambda: self._log_prob_missing(y, observed))

    def _log_prob_rows(self, y, known):
        difference = ops.where(ops.expand_dims(known, -1), y - self.loc, 0.0)
        return ops.where(known, _log_density(difference, self.scale_tril), 0.0)

    def _log_prob_missing(self, y, observed):
        """Missing rows and columns of Σ become identity; 2π is counted for what is observed only."""
        keep = ops.cast(observed, self.dtype)
        count = ops.sum(1.0 - keep, axis=-1)
        factor = lower_factor(self.scale_tril, observed)
        return _log_density(keep * (y - self.loc), factor) + 0.5 * numerics.LOG_2PI * count

    def _mean(self):
        return self.loc

    def _covariance(self):
        return ops.matmul(self.scale_tril, ops.swapaxes(self.scale_tril, -1, -2))

    def _scale(self):
        return row_norms(self.scale_tril)

    def _sample(self, sample_shape, stream):
        noise = stream.normal((*sample_shape, *ops.shape(self.loc)))
        return self.loc + ops.squeeze(ops.matmul(self.scale_tril, ops.expand_dims(noise, -1)), -1)

    def _marginal(self, dims):
        index = ops.convert_to_tensor(dims, "int32")
        rows = ops.take(self.scale_tril, index, axis=-2)
        return MultivariateNormal._new(ops.take(self.loc, index, axis=-1), lower_factor(rows))

    def _condition(self, values, free, known):
        return self._condition_given(free, known, values)[0]

    def _condition_given(self, free, known, values):
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

    def _index(self, index):
        return self._new(self.loc[index], self.scale_tril[index])

    def _map(self, function):
        return self._new(function(self.loc), function(self.scale_tril))

    def _event_ranks(self):
        return 1, 2

    def _with_temperature(self, component, variance):
        return self._new(self.loc, self.scale_tril * ops.sqrt(numerics.floor(numerics.as_tensor(variance))))


@dataclass(frozen=True, eq=False, repr=False)
class LowRankNormal(NormalScores, Distribution):
    r"""Normal with covariance $\Sigma = \mathrm{diag}(s^2) + W W^\top$, for many coordinates with few common causes.

    With $A = W / s$ and $z = (y - \mu) / s$ the quadratic form is the residual of a ridge regression,
    $\min_w \|z - A w\|^2 + \|w\|^2$, a sum of squares with nothing to cancel (unlike Woodbury's formula), and
    $\log|\Sigma| = 2 \sum \log s + \log|I + A^\top A|$: the cost is D·r², not D³.

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale: s > 0, shape `(*batch, D)`, the standard deviation that is each coordinate's own.
        factor: W, shape `(*batch, D, r)`.
    """

    loc: Any
    scale: Any
    factor: Any

    def __post_init__(self):
        loc, scale, factor = (numerics.as_tensor(x) for x in (self.loc, self.scale, self.factor))
        if len(factor.shape) < 2 or len(loc.shape) < 1 or len(scale.shape) < 1 or factor.shape[-2] != loc.shape[-1]:
            raise ValueError(
                "LowRankNormal needs `loc` and `scale` of shape (*batch, D) and `factor` of shape (*batch, D, r), "
                f"but {tuple(loc.shape)}, {tuple(scale.shape)} and {tuple(factor.shape)} came."
            )
        check_finite("LowRankNormal", loc=loc, scale=scale, factor=factor)
        check_positive("LowRankNormal", scale=scale)
        shape = broadcast_shapes("the parameters of LowRankNormal", loc.shape, scale.shape, factor.shape[:-1])
        self._set(
            loc=ops.broadcast_to(loc, shape),
            scale=ops.broadcast_to(scale, shape),
            factor=ops.broadcast_to(factor, (*shape, factor.shape[-1])),
        )

    @property
    def event_size(self):
        return self.loc.shape[-1]

    @property
    def batch_shape(self):
        return tuple(self.loc.shape[:-1])

    def _log_prob(self, y):
        return self._log_prob_observed(y, ops.ones_like(y, dtype="bool"))

    def _log_prob_observed(self, y, observed):
        keep = ops.cast(observed, self.dtype)
        z = keep * numerics.standardize(y, self.loc, self.scale)
        loading = ops.expand_dims(keep, -1) * (self.factor / ops.expand_dims(self.scale, -1))
        inner = _inner_factor(loading)
        w = _ridge(inner, loading, z)
        residual = z - ops.squeeze(ops.matmul(loading, ops.expand_dims(w, -1)), -1)
        quadratic = ops.sum(ops.square(residual), axis=-1) + ops.sum(ops.square(w), axis=-1)
        log_det = ops.sum(keep * ops.log(self.scale), axis=-1) + _log_diagonal(inner)
        value = -0.5 * quadratic - log_det - 0.5 * numerics.LOG_2PI * ops.sum(keep, axis=-1)
        return numerics.no_nan(value, -np.inf)

    def _mean(self):
        return self.loc

    def _covariance(self):
        common = ops.matmul(self.factor, ops.swapaxes(self.factor, -1, -2))
        return common + ops.expand_dims(ops.square(self.scale), -1) * ops.eye(self.event_size, dtype=self.dtype)

    def _scale(self):
        return row_norms(ops.concatenate([ops.expand_dims(self.scale, -1), self.factor], axis=-1))

    def _sample(self, sample_shape, stream):
        shape = (*sample_shape, *ops.shape(self.loc))
        common = stream.normal((*shape[:-1], self.factor.shape[-1]))
        shared = ops.squeeze(ops.matmul(self.factor, ops.expand_dims(common, -1)), -1)
        return self.loc + self.scale * stream.normal(shape) + shared

    def _marginal(self, dims):
        index = ops.convert_to_tensor(dims, "int32")
        return LowRankNormal._new(
            ops.take(self.loc, index, axis=-1),
            ops.take(self.scale, index, axis=-1),
            ops.take(self.factor, index, axis=-2),
        )

    def _condition(self, values, free, known):
        return self._condition_given(free, known, values)[0]

    def _condition_given(self, free, known, values):
        """The common causes given the known coordinates are normal with covariance (I + AᵀA)⁻¹: low rank stays low rank."""
        given, rest = self._marginal(known), self._marginal(free)
        loading = given.factor / ops.expand_dims(given.scale, -1)
        inner = _inner_factor(loading)
        w = _ridge(inner, loading, numerics.standardize(values, given.loc, given.scale))
        loc = rest.loc + ops.squeeze(ops.matmul(rest.factor, ops.expand_dims(w, -1)), -1)
        # W C⁻ᵀ with C Cᵀ = I + AᵀA
        factor = ops.swapaxes(solve_lower(inner, ops.swapaxes(rest.factor, -1, -2)), -1, -2)
        return LowRankNormal._new(loc, rest.scale, factor), given._log_prob(values)

    def _precision(self):
        loading = self.factor / ops.expand_dims(self.scale, -1)
        half = solve_lower(_inner_factor(loading), ops.swapaxes(loading, -1, -2))
        inner = ops.eye(self.event_size, dtype=self.dtype) - ops.matmul(ops.swapaxes(half, -1, -2), half)
        return inner / (ops.expand_dims(self.scale, -1) * ops.expand_dims(self.scale, -2))

    def _index(self, index):
        return self._map(lambda t: t[index])

    def _map(self, function):
        return self._new(function(self.loc), function(self.scale), function(self.factor))

    def _event_ranks(self):
        return 1, 1, 2

    def _with_temperature(self, component, variance):
        root = ops.sqrt(numerics.floor(numerics.as_tensor(variance)))
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance), self.factor * root)


# ---- linear algebra --------------------------------------------------------------------------------------------------


def _whiten(difference, factor):
    """L⁻¹ d; as `solve_lower`, rows are divided by their diagonal first."""
    size = factor.shape[-1]
    if size <= _SMALL:
        z: list = []
        for i in range(size):
            known = sum(factor[..., i, j] / factor[..., i, i] * z[j] for j in range(i))
            z.append(difference[..., i] / factor[..., i, i] - known)
        return ops.stack(z, axis=-1)
    return ops.squeeze(solve_lower(factor, ops.expand_dims(difference, -1)), -1)


def _log_diagonal(factor):
    return ops.sum(ops.log(ops.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


def _log_density(difference, factor):
    """Log density of N(0, L Lᵀ): an overflow in the whitened difference is a density of 0."""
    z = _whiten(difference, factor)
    quadratic = numerics.no_nan(ops.sum(numerics.half_square(z), axis=-1), np.inf)
    return -quadratic - _log_diagonal(factor) - 0.5 * numerics.LOG_2PI * factor.shape[-1]


def _inner_factor(loading):
    """The lower C with C Cᵀ = I + AᵀA, for A of shape (..., D, r)."""
    rank = loading.shape[-1]
    eye = ops.eye(rank, dtype=numerics.float_dtype())
    transposed = ops.swapaxes(loading, -1, -2)
    eye = ops.broadcast_to(eye, (*ops.shape(transposed)[:-2], rank, rank))
    return lower_factor(ops.concatenate([transposed, eye], axis=-1))


def _ridge(inner, loading, z):
    """argmin ‖z - A w‖² + ‖w‖²."""
    right = ops.matmul(ops.swapaxes(loading, -1, -2), ops.expand_dims(z, -1))
    return ops.squeeze(solve_upper(inner, solve_lower(inner, right)), -1)
