"""NormalSpec: one spec for normals with any kind of covariance."""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import initializers, numerics
from mdn.distributions.arguments import check_count
from mdn.distributions.low_rank_normal import LowRankNormal
from mdn.distributions.multivariate_normal import MultivariateNormal
from mdn.distributions.normal import Normal
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.triangular import pack_tril, unpack_tril


@serializable
class NormalSpec(ComponentSpec):
    """Parameters of a normal: `[loc D | scale block]`.

    Args:
        event_size: D.
        covariance: Decides the scale block. "diagonal": D scales; "isotropic": one scale; "full": the lower triangle of the
            Cholesky factor, row by row; an int r: low rank, D scales, then the factor's D·r entries, row by row.

    Example:
        >>> import mdn
        >>> [mdn.NormalSpec(3, covariance).params_size for covariance in ('isotropic', 'diagonal', 'full', 1)]
        [4, 6, 9, 9]
    """

    def __init__(self, event_size: int, covariance: str | int = "diagonal"):
        super().__init__(event_size)
        if isinstance(covariance, str):
            if covariance not in ("diagonal", "isotropic", "full"):
                raise ValueError(
                    f"`covariance` must be 'diagonal', 'isotropic', 'full' or an int (the rank), but {covariance!r} came."
                )
        else:
            covariance = check_count("covariance", covariance)
        self.covariance = covariance
        self._rank = covariance if isinstance(covariance, int) else 0

    @property
    def block_sizes(self):
        size = self.event_size
        if self.covariance == "full":
            return size, size * (size + 1) // 2
        if self.covariance == "isotropic":
            return size, 1
        return size, size if self.covariance == "diagonal" else size * (1 + self._rank)

    def _distribution(self, loc, scale):
        size = self.event_size
        if self.covariance == "full":
            return MultivariateNormal._new(loc, unpack_tril(scale, size))
        if isinstance(self.covariance, int):
            factor = scale[..., size:]
            factor = ops.reshape(factor, (*ops.shape(factor)[:-1], size, self.covariance))
            return LowRankNormal._new(loc, scale[..., :size], factor)
        return Normal._new(loc, scale)

    def _blocks(self, distribution):
        if self.covariance == "full":
            return distribution.loc, pack_tril(distribution.scale_tril, self.event_size)
        if isinstance(self.covariance, int):
            factor = distribution.factor
            flat = ops.reshape(factor, (*ops.shape(factor)[:-2], self.event_size * self.covariance))
            return distribution.loc, ops.concatenate([distribution.scale, flat], axis=-1)
        if self.covariance == "diagonal":
            return distribution.loc, ops.broadcast_to(distribution.scale, ops.shape(distribution.loc))
        return distribution.loc, distribution.scale[..., :1]

    def constrain(self, raw, shift, spread):
        if self.covariance in ("diagonal", "isotropic"):
            if self.covariance == "isotropic" and spread is not None:
                spread = ops.broadcast_to(ops.mean(spread), (1,))  # `scaling` made all of them equal
            return super().constrain(raw, shift, spread)
        loc, scale = raw
        positive, unit = self.layout()
        scale = ops.where(positive, numerics.positive(scale), scale)
        if shift is None:
            return [loc, scale]
        rows = ops.take(spread, unit, axis=-1)
        scaled = rows * scale
        return [shift + spread * loc, ops.where(positive, numerics.safe_scale(scaled), scaled)]

    def layout(self):
        """Whether each entry of the scale block must be positive, and the coordinate whose unit it has."""
        size = self.event_size
        if self.covariance == "full":
            rows, columns = np.tril_indices(size)
            return rows == columns, rows
        if self.covariance == "isotropic":  # `scaling` makes all units equal
            return np.ones(1, bool), np.zeros(1, int)
        unit = np.concatenate([np.arange(size), np.repeat(np.arange(size), self._rank)])
        return np.arange(len(unit)) < size, unit

    def _release(self, loc, scale):
        if self.covariance in ("diagonal", "isotropic"):
            return super()._release(loc, scale)
        positive, _ = self.layout()
        return [loc, np.where(positive, numerics.positive_inverse(np.where(positive, scale, 1.0)), scale)]

    def _start(self, loc, scale):
        if self.covariance == "diagonal":
            return loc, scale
        if self.covariance == "isotropic":
            return loc, np.sqrt(np.mean(scale**2, axis=-1, keepdims=True))
        positive, unit = self.layout()
        if self.covariance == "full":
            return loc, np.where(positive, scale[:, unit], 0.0)
        # a factor of exactly 0 is a saddle: its gradient is 0, so noise is added
        noise = np.random.default_rng(len(unit)).normal(size=(len(loc), len(unit)))
        return loc, np.where(positive, 1.0, 0.1 * noise) * scale[:, unit]

    def starting_blocks(self, y, count, seed):
        if y is None or self.covariance != "full":
            return super().starting_blocks(y, count, seed)
        shift, spread = self.scaling(y)
        scaled = (np.asarray(y, "float64") - shift) / spread
        loc, scale_tril, weights = initializers.correlated_mixture(scaled, count, seed)
        rows, columns = np.tril_indices(self.event_size)
        return self._release(loc, scale_tril[:, rows, columns]), np.log(weights)

    def scaling(self, y):
        shift, spread = super().scaling(y)
        if self.covariance == "isotropic":
            spread = np.full_like(spread, np.sqrt(np.mean(np.square(spread))))
        return shift, spread

    def get_config(self):
        return {"event_size": self.event_size, "covariance": self.covariance}
