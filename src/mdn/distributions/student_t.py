"""StudentT: tails from a Cauchy's (df = 1) to a normal's (df = ∞)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions import univariate
from mdn.distributions.arguments import check_positive
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable

_CENTRAL_NODES = 20
_TAIL_NODES = 40
_TAIL_END = 5.5  # exp(-5.5²) = 7e-14
_START_DF = 5.0


@dataclass(frozen=True, eq=False, repr=False)
class StudentT(Independent):
    r"""Independent Student-t coordinates.

    .. math:: p(y) = \prod_d \frac{\Gamma(\frac{\nu_d+1}{2})}{\Gamma(\frac{\nu_d}{2})\sqrt{\pi\nu_d}\,s_d}
              \Big(1 + \frac{z_d^2}{\nu_d}\Big)^{-(\nu_d+1)/2}, \quad z_d = (y_d - \mu_d) / s_d

    The mean is NaN where `df <= 1` and the variance inf where `df <= 2`. Distribution functions are integrals by
    quadrature (the incomplete beta function of the backends has no gradient by `df`), to float precision in both tails.

    Args:
        loc: Median μ, shape `(*batch, D)`.
        scale: s > 0, shape `(*batch, D)`; not the standard deviation.
        df: Degrees of freedom ν > 0, shape `(*batch, D)`.
    """

    loc: Any
    scale: Any
    df: Any

    def __post_init__(self):
        self._set_fields(loc=self.loc, scale=self.scale, df=self.df)
        check_positive("StudentT", scale=self.scale, df=self.df)

    def _z(self, y):
        return numerics.standardize(y, self.loc, self.scale)

    def _log_density(self, y):
        return _log_kernel(self._z(y), self.df) + _log_constant(self.df) - ops.log(self.scale)

    def _log_side(self, y, below):
        z = self._z(y)
        return _log_lower(ops.where(below, z, -z), self.df)

    def _invert(self, log_lower, log_upper):
        end = _bracket(self.df)
        u = univariate.invert_each(_Standard, [self.df], log_lower, log_upper, -end, end)
        return self.loc + self.scale * _from_arc(u, self.df)

    def _draw(self, shape, stream):
        # the polar method of Bailey (1994): no rejection, and differentiable in df
        u, angle = stream.uniform(shape), stream.uniform(shape)
        radius = ops.sqrt(self.df * ops.expm1(-2.0 * ops.log(u) / self.df))
        return self.loc + self.scale * radius * ops.cos(2.0 * math.pi * angle)

    def _center(self):
        return ops.where(self.df > 1.0, self.loc, math.nan)

    def _spread(self):
        finite = self.df > 2.0
        return ops.where(finite, ops.square(self.scale) * self.df / ops.where(finite, self.df - 2.0, 1.0), math.inf)

    def _peak(self):
        return self.loc

    def _deviations(self, center):
        first = self.loc - center
        return first, self._spread() + numerics.no_nan(ops.square(first), math.inf)

    def _pull(self, y):
        # a t is a normal whose precision is drawn: its expected precision given y
        return (self.df + 1.0) / (self.df + ops.square(self._z(y))) / ops.square(self.scale), self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance), self.df)


def _log_constant(df):
    return special.log_gamma_half_step(0.5 * df) - 0.5 * ops.log(math.pi * df)


def _log1p_square(z, df):
    """log(1 + z² / df), also where z² leaves float."""
    z = ops.abs(z)
    large = z > 1e15
    moderate = ops.log1p(ops.square(ops.where(large, 1.0, z)) / df)
    return ops.where(large, 2.0 * ops.log(ops.where(large, z, 1.0)) - ops.log(df), moderate)


def _log_kernel(z, df):
    return -0.5 * (df + 1.0) * _log1p_square(z, df)


def _log_lower(z, df):
    """log P(T <= z): by the central integral for |z| < 1, by the tail integral beyond."""
    distance = ops.abs(z)
    central = distance < 1.0
    half = _central(ops.where(central, distance, 0.5), df)
    tail = _log_tail(ops.where(central, 1.0, distance), df)
    log_small = ops.where(central, ops.log(0.5 - half), tail)
    log_large = ops.where(central, ops.log(0.5 + half), ops.log1p(-ops.exp(ops.minimum(tail, -0.5))))
    return ops.where(z < 0.0, log_small, log_large)


def _central(z, df):
    r"""$\int_0^z f$, with $t = \sqrt\nu \sinh u$, in which the density is $c\sqrt\nu\,\cosh(u)^{-\nu}$: smooth for every ν."""
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_CENTRAL_NODES))
    end = ops.arcsinh(z / ops.sqrt(df))
    u = ops.expand_dims(end, -1) * nodes
    # log cosh u = log1p(sinh² u) / 2, exact for the small u of a large df
    values = ops.exp(-0.5 * ops.expand_dims(df, -1) * ops.log1p(ops.square(ops.sinh(u))))
    return ops.exp(_log_constant(df)) * ops.sqrt(df) * end * ops.sum(weights * values, axis=-1)


def _log_tail(z, df):
    r"""log P(T > z) for z >= 1.

    With $w = \nu/(\nu + t^2) = x e^{-2 s^2/\nu}$, $x$ its value at z, the tail is
    $\frac{x^{\nu/2}}{\nu B(\nu/2, 1/2)} \int_0^\infty 2 s\, e^{-s^2} (1 - x e^{-2 s^2 / \nu})^{-1/2} ds$, smooth in s.
    """
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_TAIL_NODES))
    s = _TAIL_END * nodes
    log_x = -_log1p_square(z, df)
    gap = -ops.expm1(ops.expand_dims(log_x, -1) - 2.0 * ops.square(s) / ops.expand_dims(df, -1))
    integral = ops.sum(_TAIL_END * weights * 2.0 * s * ops.exp(-ops.square(s)) / ops.sqrt(gap), axis=-1)
    # ν B(ν/2, 1/2) = ν Γ(ν/2) √π / Γ((ν+1)/2)
    log_beta = 0.5 * math.log(math.pi) - special.log_gamma_half_step(0.5 * df)
    return 0.5 * df * log_x + ops.log(integral) - ops.log(df) - log_beta


def _from_arc(u, df):
    return ops.sqrt(df) * ops.sinh(u)


def _bracket(df):
    """Where |u| of T = √ν sinh u can be: P(|T| > t) falls like e^(-ν u), and no float is below e^-104."""
    return numerics.within(110.0 / df + 3.0, 0.0, 85.0)


class _Standard:
    """The standard t in u = asinh(z / √ν), where heavy tails are straight lines, as `univariate.invert` wants it."""

    def __init__(self, df):
        self.df = df

    def _log_tail(self, u, below):
        return _log_lower(_from_arc(ops.where(below, u, -u), self.df), self.df)[..., 0]

    def _log_prob(self, u):
        z = _from_arc(u, self.df)
        jacobian = 0.5 * (ops.log(self.df) + _log1p_square(z, self.df))
        return (_log_kernel(z, self.df) + _log_constant(self.df) + jacobian)[..., 0]


@serializable
class StudentTSpec(ComponentSpec):
    """Parameters of `StudentT`: `[loc D | scale D, df D]`; a layer keeps df above 0.2."""

    @property
    def block_sizes(self):
        return self.event_size, 2 * self.event_size

    def _distribution(self, loc, scale):
        return StudentT._new(loc, scale[..., : self.event_size], scale[..., self.event_size :])

    def _blocks(self, distribution):
        return distribution.loc, ops.concatenate([distribution.scale, distribution.df], axis=-1)

    def constrain(self, raw, shift, spread):
        loc, scale = super().constrain((raw[0], raw[1][..., : self.event_size]), shift, spread)
        return [loc, ops.concatenate([scale, numerics.degrees_of_freedom(raw[1][..., self.event_size :])], axis=-1)]

    def _release(self, loc, scale):
        size = self.event_size
        df = numerics.degrees_of_freedom_inverse(scale[:, size:])
        return [loc, np.concatenate([numerics.positive_inverse(scale[:, :size]), df], axis=-1)]

    def _start(self, loc, scale):
        # the scale whose t has this standard deviation
        shrink = math.sqrt((_START_DF - 2.0) / _START_DF)
        return loc, np.concatenate([scale * shrink, np.full_like(scale, _START_DF)], axis=-1)
