"""LowRankNormal: coordinates that a few common causes correlate, each with noise of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.arguments import broadcast_shapes, check_finite, check_positive
from mdn.distributions.component import parameter
from mdn.distributions.correlated_normal import CorrelatedNormal
from mdn.distributions.triangular import log_diagonal, lower_factor, row_norms, solve_lower, solve_upper
from mdn.distributions.value import value


@value
class LowRankNormal(CorrelatedNormal):
    r"""Normal with covariance Σ = diag(s²) + W Wᵀ, for many coordinates with few common causes.

    With $A = W / s$ and $z = (y - \mu) / s$ the quadratic form is the residual of a ridge regression,
    $\min_w \|z - A w\|^2 + \|w\|^2$, a sum of squares with nothing to cancel (unlike Woodbury's formula), and
    $\log|\Sigma| = 2 \sum \log s + \log|I + A^\top A|$: the cost is D·r², not D³.

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale: s > 0, shape `(*batch, D)`, the standard deviation of each coordinate's own noise.
        factor: W, shape `(*batch, D, r)`.

    Example:
        >>> import mdn
        >>> one = mdn.LowRankNormal([0.0, 0.0], [1.0, 1.0], [[1.0], [1.0]])
        >>> one.covariance().tolist()
        [[2.0, 1.0], [1.0, 2.0]]
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True)
    factor: Any = parameter(event_rank=2)

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
        log_det = ops.sum(keep * ops.log(self.scale), axis=-1) + log_diagonal(inner)
        value = -0.5 * quadratic - log_det - 0.5 * numerics.LOG_2PI * ops.sum(keep, axis=-1)
        return numerics.no_nan(value, -np.inf)

    def _covariance(self):
        common = ops.matmul(self.factor, ops.swapaxes(self.factor, -1, -2))
        return common + ops.expand_dims(ops.square(self.scale), -1) * ops.eye(self.event_size, dtype=self.dtype)

    def _standard_deviation(self):
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

    def _given(self, values, free, known):
        """Given the known coordinates, the common causes have covariance (I + AᵀA)⁻¹, so the result has the same rank r."""
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

    def _with_temperature(self, component, variance):
        root = ops.sqrt(numerics.floor(numerics.as_tensor(variance)))
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance), self.factor * root)


def _inner_factor(loading):
    """The lower C with C Cᵀ = I + AᵀA, for A of shape (..., D, r)."""
    rank = loading.shape[-1]
    eye = ops.eye(rank, dtype=numerics.float_dtype())
    transposed = ops.swapaxes(loading, -1, -2)
    eye = ops.broadcast_to(eye, (*ops.shape(transposed)[:-2], rank, rank))
    return lower_factor(ops.concatenate([transposed, eye], axis=-1))


def _ridge(inner, loading, z):
    """The w that minimizes ‖z - A w‖² + ‖w‖²."""
    right = ops.matmul(ops.swapaxes(loading, -1, -2), ops.expand_dims(z, -1))
    return ops.squeeze(solve_upper(inner, solve_lower(inner, right)), -1)
