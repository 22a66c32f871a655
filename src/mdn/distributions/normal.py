"""Normal with independent coordinates: diagonal or isotropic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions.arguments import check_positive
from mdn.distributions.independent import Independent
from mdn.distributions.multivariate_normal import LowRankNormal, MultivariateNormal
from mdn.distributions.spec import ComponentSpec, check_count, serializable
from mdn.distributions.triangular import pack_tril, unpack_tril


@dataclass(frozen=True, eq=False, repr=False)
class Normal(Independent):
    r"""Independent normal coordinates.

    .. math:: p(y) = \prod_d \frac{1}{\sqrt{2\pi}\,\sigma_d} \exp\Big(-\frac{(y_d - \mu_d)^2}{2\sigma_d^2}\Big)

    Args:
        loc: Means μ, shape `(*batch, D)`.
        scale: Standard deviations σ > 0, `(*batch, D)`, or `(*batch, 1)` for one shared by all coordinates (isotropic).

    Example:
        >>> import mdn
        >>> round(float(mdn.Normal([0.0], [1.0]).log_prob([0.0])), 4)
        -0.9189
    """

    loc: Any
    scale: Any

    def __post_init__(self):
        self._set_fields(loc=self.loc, scale=self.scale)
        check_positive("Normal", scale=self.scale)

    def _fit(self, name, tensor, shape):
        shared = name == "scale" and tensor.shape[-1] == 1
        return ops.broadcast_to(tensor, (*shape[:-1], 1) if shared else shape)

    def _z(self, y):
        return numerics.standardize(y, self.loc, self.scale)

    def _log_density(self, y):
        return special.log_normal_density(self._z(y)) - ops.log(self.scale)

    def _log_side(self, y, below):
        z = self._z(y)
        return special.log_ndtr(ops.where(below, z, -z))

    def _invert(self, log_lower, log_upper):
        return self.loc + self.scale * special.ndtri(log_lower, log_upper)

    def _draw(self, shape, stream):
        return self.loc + self.scale * stream.normal(shape)

    def _center(self):
        return self.loc

    def _spread(self):
        return ops.square(self.scale)

    _closed_crps = True

    def _deviation(self, y):
        return folded_normal_mean(y - self.loc, self.scale)

    def _difference(self, other):
        return folded_normal_mean(self.loc - other.loc, hypotenuse(self.scale, other.scale))

    def _pull(self, y):
        return ops.broadcast_to(1.0 / ops.square(self.scale), ops.shape(self.loc)), self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance))


def folded_normal_mean(difference, scale):
    r"""$E|X|$ for $X \sim N(\text{difference}, \text{scale}^2)$: $d\,(2\Phi(d/s) - 1) + 2 s\,\varphi(d/s)$.

    Reference:
        Grimit et al. (2006), The continuous ranked probability score for circular variables and its application to
        mesoscale forecast ensemble verification.
    """
    z = numerics.finite_z(difference / scale)
    return difference * ops.erf(z * math.sqrt(0.5)) + 2.0 * scale * ops.exp(special.log_normal_density(z))


def hypotenuse(a, b):
    """sqrt(a² + b²) without leaving float."""
    largest = ops.maximum(a, b)
    return largest * ops.sqrt(1.0 + ops.square(ops.minimum(a, b) / largest))


@serializable
class NormalSpec(ComponentSpec):
    """Parameters of a normal: `[loc D | scale block]`.

    Args:
        event_size: D.
        covariance: "diagonal": D scales; "isotropic": one; "full": the lower triangle of the Cholesky factor, row by
            row, its diagonal positive; an int r: low rank, D scales, then the factor's D·r entries, row by row.
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
        positive, unit = self._layout()
        scale = ops.where(positive, numerics.positive(scale), scale)
        if shift is None:
            return [loc, scale]
        rows = ops.take(spread, unit, axis=-1)
        scaled = rows * scale
        return [shift + spread * loc, ops.where(positive, numerics.safe_scale(scaled), scaled)]

    def _layout(self):
        """For each entry of the scale block: must it be positive, and in the unit of which coordinate is it?"""
        size = self.event_size
        if self.covariance == "full":
            rows, columns = np.tril_indices(size)
            return rows == columns, rows
        unit = np.concatenate([np.arange(size), np.repeat(np.arange(size), self._rank)])
        return np.arange(len(unit)) < size, unit

    def _release(self, loc, scale):
        if self.covariance in ("diagonal", "isotropic"):
            return super()._release(loc, scale)
        positive, _ = self._layout()
        return [loc, np.where(positive, numerics.positive_inverse(np.where(positive, scale, 1.0)), scale)]

    def _start(self, loc, scale):
        if self.covariance == "diagonal":
            return loc, scale
        if self.covariance == "isotropic":
            return loc, np.sqrt(np.mean(scale**2, axis=-1, keepdims=True))
        positive, unit = self._layout()
        if self.covariance == "full":
            return loc, np.where(positive, scale[:, unit], 0.0)
        # a factor of exactly 0 is a saddle: no gradient would ever move it
        noise = np.random.default_rng(len(unit)).normal(size=(len(loc), len(unit)))
        return loc, np.where(positive, 1.0, 0.1 * noise) * scale[:, unit]

    def scaling(self, y):
        shift, spread = super().scaling(y)
        if self.covariance == "isotropic":
            spread = np.full_like(spread, np.sqrt(np.mean(np.square(spread))))
        return shift, spread

    def get_config(self):
        return {"event_size": self.event_size, "covariance": self.covariance}
