"""StudentT: its tails range from those of a Cauchy (df = 1) to those of a normal (df = ∞), and beyond for df < 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions import univariate
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value

_CENTRAL_NODES = 20
_TAIL_NODES = 40
_TAIL_END = 5.5  # exp(-5.5²) = 7e-14
_START_DF = 5.0
_LARGE = 1e10  # adding 1 to its square changes nothing, and the square fits float32


@value
class StudentT(Independent):
    r"""Independent Student-t coordinates.

    .. math:: p(y) = \prod_d \frac{\Gamma(\frac{\nu_d+1}{2})}{\Gamma(\frac{\nu_d}{2})\sqrt{\pi\nu_d}\,s_d}
              \Big(1 + \frac{z_d^2}{\nu_d}\Big)^{-(\nu_d+1)/2}, \quad z_d = (y_d - \mu_d) / s_d

    The mean is NaN where `df <= 1` and the variance inf where `df <= 2`. Distribution functions are computed
    by quadrature, to float precision in both tails, since no backend has an incomplete beta with a gradient by `df`.

    Args:
        loc: Median μ, shape `(*batch, D)`.
        scale: s > 0, shape `(*batch, D)`; not the standard deviation.
        df: Degrees of freedom ν > 0, shape `(*batch, D)`.

    Example:
        >>> import mdn
        >>> round(float(mdn.StudentT([0.0], [1.0], [4.0]).variance()[0]), 3)
        2.0
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True)
    df: Any = parameter(positive=True)

    def _z(self, y):
        return numerics.standardize(y, self.loc, self.scale)

    def _log_prob_each(self, y):
        return _log_kernel(self._z(y), self.df) + _log_constant(self.df) - ops.log(self.scale)

    def _log_tail(self, y, below):
        z = self._z(y)
        return _log_lower(ops.where(below, z, -z), self.df)

    def _quantile(self, log_lower, log_upper):
        # the search is in u = asinh(z / √ν), of which the log of a heavy tail is a linear function
        end = _bracket(self.df)
        u = univariate.invert(_curves_of_arc, (self.df,), log_lower, log_upper, -end, end)
        return self.loc + self.scale * _from_arc(u, self.df)

    def _tail_power(self):
        return self.df

    def _sample(self, sample_shape, stream):
        # the polar method of Bailey (1994): no rejection, and differentiable in df
        shape = self._shape(sample_shape)
        u, angle = stream.uniform(shape), stream.uniform(shape)
        radius = ops.sqrt(self.df * ops.expm1(-2.0 * ops.log(u) / self.df))
        return self.loc + self.scale * radius * ops.cos(2.0 * math.pi * angle)

    def _mean(self):
        return ops.where(self.df > 1.0, self.loc, math.nan)

    def _variance(self):
        finite = self.df > 2.0
        return ops.where(finite, ops.square(self.scale) * self.df / ops.where(finite, self.df - 2.0, 1.0), math.inf)

    def _mode(self):
        return self.loc

    def _moments_about(self, center):
        first = self.loc - center
        return first, self._variance() + numerics.no_nan(ops.square(first), math.inf)

    def _pull(self, y):
        # a t is a normal with random precision; P is the expected precision given y
        return (self.df + 1.0) / (self.df + ops.square(self._z(y))) / ops.square(self.scale), self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance), self.df)


def _log_constant(df):
    return special.log_gamma_half_step(0.5 * df) - 0.5 * ops.log(math.pi * df)


def _log1p_square(z, df):
    """log(1 + z² / df), also where z² / df overflows."""
    z, root = ops.abs(z), ops.sqrt(df)
    large = z > _LARGE * root  # then the 1 is negligible
    moderate = ops.log1p(ops.square(ops.where(large, root, z) / root))
    return ops.where(large, 2.0 * ops.log(ops.where(large, z, 1.0)) - ops.log(df), moderate)


def _log_kernel(z, df):
    return -0.5 * (df + 1.0) * _log1p_square(z, df)


def _log_lower(z, df):
    """log P(T <= z), by the central integral for |z| < 1, else by the tail integral."""
    distance = _size(z)
    central = distance < 1.0
    arc = ops.arcsinh(ops.where(central, distance, 0.0) / ops.sqrt(df))
    return _log_half(z < 0.0, central, arc, _log1p_square(ops.where(central, 1.0, distance), df), df, _norms(df))


def _log_lower_of_arc(u, df, norms):
    """log P(T <= √ν sinh u), also where sinh u overflows."""
    distance, edge = _size(u), ops.arcsinh(1.0 / ops.sqrt(df))
    central = distance < edge
    spread = 2.0 * special.log_cosh(ops.where(central, edge, distance))
    return _log_half(u < 0.0, central, ops.where(central, distance, 0.0), spread, df, norms)


def _size(z):
    """|z|, with derivative 1 at 0, where that of `ops.abs` is 0 on PyTorch and TensorFlow."""
    return ops.where(z < 0.0, -z, z)


def _curves_of_arc(df):
    norms = _norms(df)
    return (
        lambda u, below: _log_lower_of_arc(ops.where(below, u, -u), df, norms),
        lambda u: norms[0] - 0.5 * math.log(math.pi) - df * special.log_cosh(u),
    )


def _norms(df):
    """What both halves need of ν alone: a search for a quantile computes it once."""
    return special.log_gamma_half_step(0.5 * df), special.log_gamma_half_step_up(0.5 * df)


def _log_half(below, central, arc, spread, df, norms):
    """log P(T <= z), from `arc` = asinh(|z| / √ν) where `central`, else from `spread` = log(1 + z² / ν)."""
    half, tail = _central(arc, df, norms[0]), _log_far_tail(spread, df, norms[1])
    log_small = ops.where(central, ops.log(0.5 - half), tail)
    log_large = ops.where(central, ops.log(0.5 + half), ops.log1p(-ops.exp(numerics.cap(tail, -0.5))))
    return ops.where(below, log_small, log_large)


def _central(arc, df, norm):
    r"""$\int_0^z f$, with $t = \sqrt\nu \sinh u$, in which the density is $c\sqrt\nu\,\cosh(u)^{-\nu}$: smooth for every ν."""
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_CENTRAL_NODES))
    u = ops.expand_dims(arc, -1) * nodes
    values = ops.exp(-ops.expand_dims(df, -1) * special.log_cosh(u))
    # c √ν = Γ((ν+1)/2) / (Γ(ν/2) √π)
    return ops.exp(norm) / math.sqrt(math.pi) * arc * ops.sum(weights * values, axis=-1)


def _log_far_tail(spread, df, norm):
    r"""log P(T > z) for z >= 1.

    With $w = \nu/(\nu + t^2) = x e^{-2 s^2/\nu}$, $x$ its value at z, the tail is
    $\frac{x^{\nu/2}}{\nu B(\nu/2, 1/2)} \int_0^\infty 2 s\, e^{-s^2} (1 - x e^{-2 s^2 / \nu})^{-1/2} ds$, smooth in s.
    `spread` is -log x.
    """
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_TAIL_NODES))
    s = _TAIL_END * nodes
    steep = numerics.floor(ops.expand_dims(df, -1), 1e-12)  # for smaller ν, e^(-2 s² / ν) is 0 at every node
    gap = -ops.expm1(-ops.expand_dims(spread, -1) - 2.0 * ops.square(s) / steep)
    integral = ops.sum(_TAIL_END * weights * 2.0 * s * ops.exp(-ops.square(s)) / ops.sqrt(gap), axis=-1)
    # ν B(ν/2, 1/2) = 2 √π Γ(ν/2 + 1) / Γ((ν+1)/2)
    return -0.5 * df * spread + ops.log(integral) + norm - 0.5 * math.log(4.0 * math.pi)


def _from_arc(u, df):
    """√ν sinh u, infinite only if the product itself overflows."""
    size, root = ops.abs(u), ops.sqrt(df)
    far = size > 20.0
    large = ops.exp(ops.where(far, size, 0.0) + (ops.log(root) - math.log(2.0)))
    return ops.where(far, ops.sign(u) * large, root * ops.sinh(ops.where(far, 0.0, u)))


def _bracket(df):
    """The largest |u| of T = √ν sinh u: beyond it P(|T| > t), which falls like e^(-ν u), underflows, or T overflows."""
    reach, largest = numerics.log_range()
    return numerics.cap(reach / df + 3.0, largest + 2.0 - 0.5 * ops.log(df))


@serializable
class StudentTSpec(ComponentSpec):
    """Parameters of `StudentT`: `[loc D | scale D, df D]`; a layer keeps df above 0.2.

    Example:
        >>> import mdn
        >>> mdn.StudentTSpec(2).params_size
        6
    """

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
        # a t with this scale and df has the standard deviation `scale`
        shrink = math.sqrt((_START_DF - 2.0) / _START_DF)
        return loc, np.concatenate([scale * shrink, np.full_like(scale, _START_DF)], axis=-1)
