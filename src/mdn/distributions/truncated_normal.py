"""TruncatedNormal: a normal of which only the part between two ends is left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions import scores, univariate
from mdn.distributions.component import parameter
from mdn.distributions.independent import Independent
from mdn.distributions.spec import ComponentSpec, serializable
from mdn.distributions.value import value

_NODES = 12, 32  # nodes of the quadrature in float32 and in float64
_CUT = 20.0, 40.0  # an integrand is cut off where its log has fallen by this much
_RESOLUTION = (
    4.0  # t, in widths, is found to the spacing of a float of this size: more digits would be noise of the tail
)


@value
class TruncatedNormal(Independent):
    r"""Independent normal coordinates, each given that it lies in [low, high].

    .. math:: p(y) = \prod_d \frac{\varphi(z_d)}{\sigma_d Z_d}, \quad z_d = \frac{y_d - \mu_d}{\sigma_d}, \quad
              Z_d = \Phi\Big(\frac{h_d - \mu_d}{\sigma_d}\Big) - \Phi\Big(\frac{l_d - \mu_d}{\sigma_d}\Big)

    All numbers are measured from the point of [low, high] that is nearest to μ, so that nothing underflows or cancels, however
    many scales μ lies outside, and however narrow the interval is.

    Args:
        loc: Mean μ of the whole normal, `(*batch, D)`, inside or outside of the interval.
        scale: Standard deviation σ > 0 of the whole normal, `(*batch, D)`.
        low: Lower end, a number or `(*batch, D)`; -inf if there is none.
        high: Upper end, above `low`; inf if there is none.

    Example:
        >>> import mdn
        >>> round(float(mdn.TruncatedNormal([0.0], [1.0], 0.0, float("inf")).mean()[0]), 4)
        0.7979
    """

    loc: Any = parameter()
    scale: Any = parameter(positive=True)
    low: Any = parameter(endless=True)
    high: Any = parameter(endless=True)

    _begins = property(lambda self: self.low)

    def __post_init__(self):
        ends = {name: numerics.as_tensor(getattr(self, name)) for name in ("low", "high")}
        self._set(**{name: end if len(end.shape) else ops.reshape(end, (1,)) for name, end in ends.items()})
        super().__post_init__()
        numerics.check(
            np.less,
            "`low` of TruncatedNormal must be less than `high`, but an entry is not: exchange them or move them apart.",
            self.low,
            self.high,
        )

    # ---- places in scales, from the point nearest to loc -----------------------------------------------------------------

    def _anchor(self):
        """The point of the interval that is nearest to loc; a constant, since nothing depends on where one measures from."""
        return ops.stop_gradient(self._mode())

    def _room(self, lower, upper):
        """upper - lower in scales; 1e18 if one of them is infinite."""
        finite = ops.logical_and(ops.isfinite(lower), ops.isfinite(upper))
        room = numerics.standardize(ops.where(finite, upper, 0.0), ops.where(finite, lower, 0.0), self.scale)
        return numerics.finite_z(ops.where(finite, room, math.inf))

    def _geometry(self):
        """(anchor n, slope (n - loc) / scale, room below and above n in scales)."""
        anchor = self._anchor()
        slope = numerics.finite_z(numerics.standardize(anchor, self.loc, self.scale))
        return anchor, slope, self._room(self.low, anchor), self._room(anchor, self.high)

    def _mass(self, power=0):
        """(slope p, ∫ t^power e^(-p t - t²/2) dt below the anchor and above it, |t| in place of t), t in scales."""
        _, slope, below, above = self._geometry()
        return slope, _integral(-slope, below, power), _integral(slope, above, power)

    def _scores(self, y):
        """(y within the interval, the same in scales from the anchor)."""
        inside = numerics.within(y, self.low, self.high)
        return inside, numerics.finite_z(numerics.standardize(inside, self._anchor(), self.scale))

    # ---- formulas of one coordinate -----------------------------------------------------------------------------------

    def _log_prob_each(self, y):
        slope, below, above = self._mass()
        _, t = self._scores(y)
        density = -t * (slope + 0.5 * t) - ops.log(below + above) - ops.log(self.scale)
        return ops.where(ops.logical_and(y >= self.low, y <= self.high), density, -math.inf)

    def _log_tail(self, y, below):
        y, t = self._scores(y)
        room = ops.where(t < 0.0, self._room(self.low, y), self._room(y, self.high))
        return _log_tail_of(t, below, room, *self._mass())

    def _bracket(self, log_lower, log_upper):
        """Bounds of t: a tail beyond t is less than e^(-p t - t²/2)."""
        log_lower, log_upper = (ops.where(log == -math.inf, -1.0, log) for log in (log_lower, log_upper))
        _, slope, below, above = self._geometry()
        return -ops.minimum(below, _reach(-slope, -log_lower)), ops.minimum(above, _reach(slope, -log_upper))

    def _place(self, t, log_lower, log_upper):
        """y at t; the ends of the interval where all probability lies on one side."""
        y = numerics.within(self._anchor() + self.scale * t, self.low, self.high)
        return ops.where(log_lower == -math.inf, self.low, ops.where(log_upper == -math.inf, self.high, y))

    def _quantile(self, log_lower, log_upper):
        """Newton's method on t, from where the smaller tail would end with the density of the end of the bracket beside it."""
        logs = log_lower, log_upper
        low, high = self._bracket(*logs)
        log_lower, log_upper = (ops.where(log == -math.inf, -1.0, log) for log in logs)
        _, _, below, above = self._geometry()
        slope, *mass = self._mass()
        _, log_density = _curves(slope, below, above, *mass)
        from_low = low + numerics.safe_exp(log_lower - log_density(low))
        from_high = high - numerics.safe_exp(log_upper - log_density(high))
        t = univariate.invert(
            _curves, (slope, below, above, *mass), log_lower, log_upper, low, high,
            ops.where(log_lower <= log_upper, from_low, from_high),
            least=_RESOLUTION * ops.minimum(below + above, _reach(ops.abs(slope), numerics.as_tensor(1.0))),
        )  # fmt: skip
        return self._place(t, *logs)

    def _quantile_bounds(self, log_lower, log_upper):
        return tuple(self._place(t, log_lower, log_upper) for t in self._bracket(log_lower, log_upper))

    def _moments(self):
        """(mean, mean square) of t."""
        (_, *mass), (_, *first), (_, *second) = (self._mass(power) for power in range(3))
        return (first[1] - first[0]) / sum(mass), sum(second) / sum(mass)

    def _mean(self):
        return self._anchor() + self.scale * self._moments()[0]

    def _variance(self):
        mean, square = self._moments()
        return ops.square(self.scale) * (square - ops.square(mean))

    def _mode(self):
        return numerics.within(self.loc, self.low, self.high)

    def _breaks(self):
        # where bounds of the tails have the levels: as dense as quantiles, and without a search
        logs = numerics.as_tensor(np.log(scores.crps_levels()))
        logs = ops.reshape(logs, (-1, *(1,) * len(self.low.shape)))
        points = ops.concatenate(self._quantile_bounds(logs, logs), axis=0)
        anchor = ops.expand_dims(self._anchor(), 0)
        ends = (ops.where(ops.isfinite(end), end, anchor) for end in (self.low, self.high))
        points = ops.concatenate([points, *ends], axis=0)  # the distribution function bends at the ends
        return ops.stop_gradient(numerics.finite_place(points))

    def _with_temperature(self, component, variance):
        # of the whole normal, whose loc stays
        return self._new(self.loc, numerics.tempered_scale(self.scale, variance), self.low, self.high)


def _curves(slope, below, above, mass_below, mass_above):
    """(log tails, log density) of t, from what `_geometry` and `_mass` say."""
    log_total = ops.log(mass_below + mass_above)

    def log_tail(t, is_below):
        room = numerics.floor(ops.where(t < 0.0, below + t, above - t), 0.0)
        return _log_tail_of(t, is_below, room, slope, mass_below, mass_above)

    return log_tail, lambda t: -t * (slope + 0.5 * t) - log_total


def _log_tail_of(t, below, room, slope, mass_below, mass_above):
    """The log of the tail below or above t, where the interval ends `room` beyond t, away from the anchor; all in scales.

    Both tails are integrals that start at their highest points. The greater one is 1 minus the other, so that its log keeps
    its digits, and its derivatives, where it is close to 0.
    """
    left = t < 0.0
    # not abs(t), whose derivative at 0 is 0 on two backends
    away, slope = ops.where(left, -t, t), ops.where(left, -slope, slope)
    pieces = _integral(ops.stack([slope + away, slope + 0.0 * away]), ops.stack([room, away]))
    beyond, between = pieces[0], pieces[1]  # TensorFlow cannot unpack a tensor of a graph
    log_total = ops.log(mass_below + mass_above)
    outer = numerics.safe_log(beyond) - away * (slope + 0.5 * away) - log_total
    inner = numerics.safe_log(between + ops.where(left, mass_above, mass_below)) - log_total
    asked, other = (ops.where(ops.equal(below, left), *pair) for pair in ((outer, inner), (inner, outer)))
    small = asked <= other
    log_tail = ops.where(small, asked, numerics.log1mexp(ops.where(small, -1.0, other)))
    return numerics.within(log_tail, -math.inf, 0.0)


def _reach(slope, fall):
    """The t > 0 at which slope · t + t²/2 is `fall`, for a slope >= 0; where it is below 0, nothing lies that way."""
    slope, fall = numerics.floor(slope, 0.0), numerics.floor(fall)  # the log of a tail may be rounded to 0
    return 2.0 * fall / (slope + numerics.hypotenuse(slope, ops.sqrt(2.0 * fall)))


def _integral(slope, length, power=0):
    r"""$\int_0^{length} s^{power} e^{-slope\,s - s^2/2} ds$, of an integrand that falls; 0 if the length is 0."""
    double = numerics.float_dtype() == "float64"
    nodes, weights = map(numerics.as_tensor, special.gauss_legendre(_NODES[double]))
    far = ops.stop_gradient(_reach(slope, numerics.as_tensor(_CUT[double])))
    end = ops.where(length < far, length, far)
    s = ops.expand_dims(end, -1) * nodes
    heights = ops.exp(-s * (ops.expand_dims(slope, -1) + 0.5 * s))
    for _ in range(power):  # a power of 0 has no derivative at 0 on TensorFlow
        heights = heights * s
    return end * ops.sum(weights * heights, axis=-1)


@serializable
class TruncatedNormalSpec(ComponentSpec):
    """Parameters of `TruncatedNormal`: `[loc D | scale D]`. `adapt` needs targets in [low, high].

    Args:
        event_size: D, the number of coordinates.
        low: Lower end of all coordinates; -inf if there is none.
        high: Upper end of all coordinates, above `low`; inf if there is none.

    Raises:
        ValueError: if `low` is not less than `high`.

    Example:
        >>> import mdn
        >>> mdn.TruncatedNormalSpec(1, 0.0, 100.0).params_size
        2
    """

    _moves = False

    def __init__(self, event_size: int, low: float, high: float):
        super().__init__(event_size)
        self.low, self.high = float(low), float(high)
        if not self.low < self.high:
            raise ValueError(
                f"`low` must be less than `high`, but {low} and {high} came: exchange them or move them apart."
            )

    def _distribution(self, loc, scale):
        return TruncatedNormal._new(loc, scale, ops.full_like(loc, self.low), ops.full_like(loc, self.high))

    def _blocks(self, distribution):
        return distribution.loc, distribution.scale

    def _natural(self, y):
        in_float = np.float32(y)  # as networks compute, in which a target at an end is that end
        if np.any((in_float < np.float32(self.low)) | (in_float > np.float32(self.high))):
            raise ValueError(
                f"targets of a TruncatedNormal must lie in [{self.low:g}, {self.high:g}], but others came: widen the interval."
            )
        return y

    def _start(self, loc, scale):
        return loc, scale

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
