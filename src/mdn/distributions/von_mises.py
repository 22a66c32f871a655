"""VonMises: a distribution of angles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from keras import ops

from mdn import initializers, numerics, special
from mdn.distributions import univariate
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value

_NODES = 16  # nodes of the quadrature over a descent, which is then right to 1e-8
_DISTANCE_NODES = 32
_PI_HIGH = float(np.float32(math.pi))
_PI_LOW = math.pi - _PI_HIGH
_SHARPEST = 1e12  # a distance from an angle that is known better is that from its direction
_CUT = 20.0  # an integral starts at its highest point and stops where the integrand has fallen by e^-20


@value
class VonMises(Independent):
    r"""Independent angles in radians.

    .. math:: p(y) = \prod_d \frac{\exp(\kappa_d \cos(y_d - \mu_d))}{2\pi I_0(\kappa_d)}

    The density is periodic. Draws and quantiles lie in [-π, π]; the distribution function, and with it the CRPS, starts at -π.
    `mean` is the mean direction, `variance` the mean square of the angle from it, measured the short way round. An `Interval` is
    the arc from its lower to its upper bound, which may pass π; a bound that is infinite stands for ±π.

    Args:
        loc: Mean direction μ, shape `(*batch, D)`.
        concentration: κ > 0, shape `(*batch, D)`; about 1 / variance when large.

    Example:
        >>> import mdn
        >>> round(float(mdn.VonMises([0.5], [2.0]).mean()[0]), 3)
        0.5
    """

    loc: Any = parameter()
    concentration: Any = parameter(positive=True)

    _circular = True

    def _log_prob_each(self, y):
        half = ops.sin(0.5 * wrap(y - self.loc))
        return -2.0 * self.concentration * ops.square(half) - _log_normalizer(self.concentration)

    def _log_mass(self, start, length):
        """Log probability of an arc; `start` is measured from loc, -2π <= start <= start + length <= 2π."""
        return self._normalized(_log_arc(start, length, self.concentration))

    def _normalized(self, log_mass):
        mass = log_mass - _log_normalizer(self.concentration)
        return ops.where(mass > 0.0, mass - ops.stop_gradient(mass), mass)  # only rounding makes it positive

    def _log_prob_of_sets(self, lower, upper):
        point = lower == upper
        first = ops.where(lower == -math.inf, -math.pi, lower)
        last = ops.where(upper == math.inf, math.pi, upper)
        arc = ops.logical_and(ops.isfinite(first), ops.isfinite(last))
        arc = ops.logical_and(arc, first < last)
        length = numerics.cap(ops.where(arc, last - ops.where(arc, first, 0.0), 1.0), 2.0 * math.pi)
        start = wrap(ops.where(arc, first, 0.0) - self.loc)
        start = ops.where(start + length > 2.0 * math.pi, start - 2.0 * math.pi, start)  # only then, since it rounds
        mass = self._log_mass(start, length)
        return ops.where(point, self._log_prob_each(ops.where(point, lower, 0.0)), ops.where(arc, mass, -math.inf))

    def _log_tail(self, y, below):
        inside, loc = numerics.within(y, -math.pi, math.pi), wrap(self.loc)
        under, over = (-math.pi - loc, _above(inside)), (inside - loc, _above(-inside))
        asked, other = (
            [ops.where(below, a, b) for a, b in zip(*pair, strict=True)] for pair in ((under, over), (over, under))
        )
        # One of the two tails does not cover the half turn from the peak to the point opposite: it is an integral of two pieces
        covers = _covers_half_turn(*asked)
        start, length = (ops.where(covers, b, a) for a, b in zip(asked, other, strict=True))
        mass = self._normalized(_log_short_arc(start, length, self.concentration))
        mass = ops.where(covers, numerics.log1mexp(ops.where(covers, mass, -1.0)), mass)
        return ops.where(ops.where(below, y < -math.pi, y > math.pi), -math.inf, mass)

    def _quantile(self, log_lower, log_upper):
        end = ops.full_like(self.loc, math.pi)
        return univariate.invert(
            lambda dist: (dist._log_tail, dist._log_prob_each), (self,), log_lower, log_upper, -end, end
        )

    def _quantile_bounds(self, log_lower, log_upper):
        end = ops.full_like(self.loc + ops.zeros_like(log_lower), math.pi)
        return -end, end

    def _sample(self, sample_shape, stream):
        # the distance from loc by inversion, which is differentiable and needs no rejection, then a random side
        u = 2.0 * stream.uniform(self._shape(sample_shape)) - 1.0
        size = ops.abs(u)
        logs = numerics.safe_log(size), numerics.safe_log1p(-size)
        bracket = numerics.as_tensor([0.0]), numerics.as_tensor([math.pi])
        distance = univariate.invert(_curves_of_distance, (self.concentration,), *logs, *bracket)
        return wrap(self.loc + ops.sign(u) * distance)

    def _mean(self):
        return wrap(self.loc)

    def _variance(self):
        return self._moments_about(self.loc)[1]

    def _resultant(self):
        # I₁(κ) / I₀(κ)
        total = ops.exp(_log_normalizer(self.concentration))
        return (
            1.0
            - 2.0 * _integral(0.0, math.pi, self.concentration, lambda t: 2.0 * ops.square(ops.sin(0.5 * t))) / total
        )

    def _moments_about(self, center):
        # t is the angle from loc, d that from `center` to loc: the deviation is t + d, minus 2π if t > π - d
        turn = wrap(self.loc - center)
        d = ops.abs(turn)
        kappa, total = self.concentration, ops.exp(_log_normalizer(self.concentration))
        square = 2.0 * _integral(0.0, math.pi, kappa, ops.square) / total + ops.square(d)
        beyond = _integral(math.pi - d, d, kappa, ops.ones_like) / total
        moment = (
            _integral(math.pi - d, d, kappa, lambda t: 4.0 * math.pi * (math.pi - t - ops.expand_dims(d, -1))) / total
        )
        return ops.sign(turn) * (d - 2.0 * math.pi * beyond), square + moment

    def _absolute_deviation(self, y):
        """E|Y - y|, each angle the short way round; so is `_absolute_difference`."""
        kappa = numerics.cap(self.concentration, _SHARPEST)

        def log_density(x):
            return -2.0 * ops.expand_dims(kappa, -1) * ops.square(ops.sin(0.5 * x))

        return _mean_distance(log_density, 0.5 * _CUT / kappa, ops.abs(wrap(y - self.loc)))

    def _absolute_difference(self, other):
        # Y - Y' has the density I₀(ρ), ρ² = κ² + κ'² + 2 κ κ' cos x, about the difference of both directions
        one, two = (numerics.cap(each.concentration, _SHARPEST) for each in (self, other))
        total, four = one + two, 4.0 * one * two

        def log_density(x):
            most, times = ops.expand_dims(total, -1), ops.expand_dims(four, -1)
            rho = ops.sqrt(ops.square(ops.expand_dims(one - two, -1)) + times * ops.square(ops.cos(0.5 * x)))
            fall = times * ops.square(ops.sin(0.5 * x)) / numerics.floor(rho + most)
            return special.log_i0e(rho) - special.log_i0e(most) - fall

        drop = ops.where(total > _CUT, (2.0 * total - _CUT) * _CUT / numerics.floor(four), 1.0)
        return _mean_distance(log_density, drop, ops.abs(wrap(self.loc - other.loc)))

    def _breaks(self):
        # the peak may lie across ±π, so break points are computed for a peak at 0 and turned to loc
        zero = VonMises._new(ops.zeros_like(self.loc), self.concentration)
        ends = ops.stack([ops.full_like(self.loc, -math.pi), ops.full_like(self.loc, math.pi)])
        return ops.concatenate([wrap(super(VonMises, zero)._breaks() + ops.stop_gradient(self.loc)), ends], axis=0)

    def _pull(self, y):
        return self.concentration, self.loc

    def _with_temperature(self, component, variance):
        return self._new(self.loc, self.concentration / numerics.floor(numerics.as_tensor(variance)))


def wrap(angle):
    """The angle modulo 2π, in [-π, π]; an angle in that range is not changed."""
    turns = ops.round(ops.stop_gradient(angle) / (2.0 * math.pi))
    return numerics.within(angle - 2.0 * math.pi * turns, -math.pi, math.pi)


def _mean_distance(log_density, drop, distance):
    """The mean distance, the short way round, of a random angle from an angle.

    Args:
        log_density: The log density of the random angle up to a constant, at most 0 and symmetric about 0, from `(..., nodes)`.
        drop: sin²(x / 2) for the x beyond which the density is negligible, `(...)`.
        distance: The distance of the other angle from 0, in [0, π], `(...)`.
    """
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_DISTANCE_NODES))
    reach = ops.stop_gradient(2.0 * ops.arcsin(ops.sqrt(numerics.cap(drop, 1.0)))) + 0.0 * distance
    held = ops.stop_gradient(distance)
    # The distance bends where x or -x meets the other angle or its opposite: each piece between is smooth
    bends = numerics.cap(held, math.pi - held), numerics.floor(held, math.pi - held)
    edges = [0.0 * reach, *(numerics.cap(bend, reach) for bend in bends), reach]
    d, mass, moment = ops.expand_dims(distance, -1), 0.0, 0.0
    for start, end in itertools.pairwise(edges):
        x = ops.expand_dims(start, -1) + ops.expand_dims(end - start, -1) * nodes
        share = ops.expand_dims(end - start, -1) * weights * ops.exp(log_density(x))
        apart = ops.abs(x - d) + numerics.cap(x + d, 2.0 * math.pi - x - d)
        mass, moment = mass + 2.0 * ops.sum(share, axis=-1), moment + ops.sum(share * apart, axis=-1)
    return moment / mass


def _above(y):
    """y + π for y in [-π, π], exact for small results, because π is added as a float32 and a rest."""
    high = numerics.within(y + _PI_HIGH, 0.0, 7.0)  # `within` keeps XLA from folding both constants into one
    return numerics.floor(high + _PI_LOW, 0.0)


def _curves_of_distance(kappa):
    """(log tails, log density) of the distance of an angle from its mean direction."""
    normalizer = _log_normalizer(kappa) - math.log(2.0)

    def log_tail(t, below):
        start, length = ops.where(below, 0.0, t), ops.where(below, t, math.pi - t)
        return _log_descent(start, length, kappa) - normalizer

    return log_tail, lambda t: -2.0 * kappa * ops.square(ops.sin(0.5 * t)) - normalizer


def _log_normalizer(kappa):
    r"""$\log \int_{-\pi}^{\pi} e^{\kappa(\cos t - 1)} dt$, that is $\log 2\pi I_0(\kappa) - \kappa$."""
    return math.log(2.0) + ops.log(_integral(0.0, math.pi, kappa, ops.ones_like))


def _integral(start, length, kappa, weight):
    r"""$\int w(t) e^{\kappa(\cos t - 1)} dt$ from `start` on, for 0 <= start <= start + length <= π."""
    log_height, length, t, decay, weights = _descent(start, length, kappa)
    return ops.exp(log_height) * length * ops.sum(weights * ops.exp(decay) * weight(t), axis=-1)


def _log_descent(start, length, kappa):
    """log of `_integral` with weight 1, also where the integral underflows; -inf for an empty arc."""
    log_height, length, _, decay, weights = _descent(start, length, kappa)
    return log_height + numerics.safe_log(length * ops.sum(weights * ops.exp(decay), axis=-1))


def _descent(start, length, kappa):
    """Nodes for an integral over a part of the descent from 0 to π, for any concentration.

    The integrand falls from `start` on, and is negligible after an angle δ, where it has fallen by e^-20. δ is computed
    without cancellation: sin²((start+δ)/2) - sin²(start/2) = 10/κ gives δ/2 = asin(c / (p q + s r)), c = 10/κ.
    """
    nodes, weights = (numerics.as_tensor(x) for x in special.gauss_legendre(_NODES))
    start = numerics.as_tensor(start)
    held = ops.stop_gradient(start)
    drop = 0.5 * _CUT / ops.stop_gradient(kappa)
    s, q = ops.sin(0.5 * held), ops.cos(0.5 * held)
    p2 = ops.square(s) + drop
    r2 = 1.0 - p2
    reach = 2.0 * ops.arcsin(
        numerics.within(drop / (ops.sqrt(p2) * q + s * ops.sqrt(numerics.floor(r2, 0.0))), 0.0, 1.0)
    )
    reach = ops.where(r2 > 0.0, reach, 2.0 * math.pi)
    length = ops.where(length > reach, reach, length)
    step = ops.expand_dims(length, -1) * nodes
    first = ops.expand_dims(start, -1)
    decay = -2.0 * ops.expand_dims(kappa, -1) * ops.sin(first + 0.5 * step) * ops.sin(0.5 * step)
    log_height = -2.0 * kappa * ops.square(ops.sin(0.5 * start))
    return log_height, length, first + step, decay, weights


def _log_arc(start, length, kappa):
    r"""$\log \int e^{\kappa(\cos t - 1)} dt$ over an arc within [-2π, 2π], by monotone pieces.

    It subtracts no integrals, and a short arc keeps its `length`, so that an arc far from the peak or close to an end keeps
    its relative precision. Each end lies in one piece only, and that piece alone carries the gradient of the end.
    """
    end = start + length
    pieces = []
    for half in range(-2, 2):
        low, high = half * math.pi, (half + 1) * math.pi
        starts, ends = ops.logical_and(start >= low, start < high), ops.logical_and(end > low, end <= high)
        a = ops.where(starts, start, ops.stop_gradient(numerics.within(start, low, high)))
        b = ops.where(ends, end, ops.stop_gradient(numerics.within(end, low, high)))
        # the distance from the peak, which is the end of this half turn at an even multiple of π
        near = a - low if half % 2 == 0 else high - b
        pieces.append((near, ops.where(ops.logical_and(starts, ends), length, b - a)))
    return _log_sum_of_descents(pieces, kappa)


def _covers_half_turn(start, length):
    """Whether an arc within [-2π, 2π] contains a half turn from the peak to the point opposite, or back."""
    next_one = math.pi * ops.ceil(start / math.pi)
    return start + length >= next_one + math.pi


def _log_short_arc(start, length, kappa):
    """`_log_arc` of an arc that covers no half turn from the peak to the point opposite: it passes one of both at most."""
    half = ops.floor(ops.stop_gradient(start) / math.pi)
    edge, end = math.pi * (half + 1.0), start + length
    falling, passes = ops.equal(half, 2.0 * ops.floor(0.5 * half)), end > edge
    stop = ops.where(passes, edge, end)
    first = ops.where(falling, start - math.pi * half, edge - stop), ops.where(passes, edge - start, length)
    near = ops.where(ops.logical_and(passes, falling), edge + math.pi - end, 0.0)
    second = near, ops.where(passes, end - edge, 0.0)
    return _log_sum_of_descents(
        [tuple(numerics.within(each, 0.0, math.inf) for each in piece) for piece in (first, second)], kappa
    )


def _log_sum_of_descents(pieces, kappa):
    """log of the sum of the integrals over several parts (start, length) of the descent, computed side by side."""
    starts, lengths = (ops.stack(ends, axis=-1) for ends in zip(*pieces, strict=True))
    return numerics.logsumexp(_log_descent(starts, lengths, ops.expand_dims(kappa, -1)))


@serializable
class VonMisesSpec(ComponentSpec):
    """Parameters of `VonMises`: `[loc D | concentration D]`. Angles are not rescaled.

    Example:
        >>> import mdn
        >>> mdn.VonMisesSpec(2).params_size
        4
    """

    _family = VonMises

    _moves = False

    _scales_targets = False

    def constrain(self, raw, shift, spread):
        return super().constrain(raw, None, None)

    def starting_blocks(self, y, count, seed):
        if y is None:
            return super().starting_blocks(y, count, seed)
        y = np.asarray(y, "float64")
        turn = np.angle(np.nansum(np.exp(1j * y), axis=0))  # 0 where all are missing
        apart = initializers.short_way(y - turn)  # few lie about ±π
        start = initializers.starting_directions if self.event_size == 1 else initializers.starting_mixture
        loc, scale, weights = start(apart, count, seed)
        return self._release(*self._start(initializers.short_way(loc + turn), scale)), np.log(weights)

    def _start(self, loc, scale):
        return loc, 1.0 / np.square(np.clip(scale, 0.05, 10.0))
