"""Circular: numbers on a circle of any circumference, such as directions in degrees and hours of a day."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions.based import Based, BasedSpec
from mdn.distributions.component import Component
from mdn.distributions.mixture import Mixture, as_mixture
from mdn.distributions.spec import Spec, serializable
from mdn.distributions.value import static, value
from mdn.distributions.von_mises import wrap

_ROUNDED = 1e-6  # radians


@value
class Circular(Based):
    r"""The distribution of Y = T·Θ / 2π for an angle Θ: a number for which y and y + T are the same.

    .. math:: p_Y(y) = \frac{2\pi}{T}\, p_\Theta\!\left(\frac{2\pi y}{T}\right)

    Draws, mean and mode lie in [low, low + T), where `mean` is the mean direction. Probabilities below a number are counted from
    the point opposite the mean, so that no half of the probability is torn apart: `cdf` of the mean is about 1/2. Quantiles, and
    with them intervals, ascend from there and lie within half a turn of the mean, so that they may leave the range. `variance`
    is the mean square of the distance from the mean the short way round. An `Interval` is the arc from its lower to its upper
    bound; where one of them is infinite, it is the part of the range above or below the other one. The CRPS is
    E d(Y, y) - E d(Y, Y') / 2 with the distance d the short way round.

    Args:
        base: The distribution of Θ in radians: a VonMises of one angle, or a Mixture of them.
        period: The circumference T, such as 360.
        low: Where the range begins.

    Raises:
        TypeError: if `base` is no distribution of angles.
        ValueError: if it has several coordinates, `period` is not positive or `low` is not finite.

    Example:
        >>> import mdn
        >>> hour = mdn.Circular(mdn.VonMises([0.0], [4.0]), period=24)  # about midnight
        >>> [round(float(end[0]), 2) for end in hour.interval(0.9)]
        [-3.39, 3.39]

    Reference:
        Mardia and Jupp (2000), Directional statistics; Grimit et al. (2006), The continuous ranked probability score for
        circular variables and its application to mesoscale forecast ensemble verification.
    """

    base: Any
    period: Any = static()
    low: Any = static()

    def __init__(self, base, period: float, low: float = 0.0):
        if not isinstance(base, Component | Mixture) or not base._circular:
            raise TypeError(f"`base` of Circular must be a VonMises or a Mixture of them, but {base!r} came.")
        if base.event_size != 1:
            raise ValueError(f"`base` of Circular must be of one angle, but it has {base.event_size}: take a marginal.")
        self._set(base=base if isinstance(base, Mixture) else as_mixture(base), **_checked(period, low))

    # ---- parts ---------------------------------------------------------------------------------------------------------

    def _kind(self):
        return "a Circular, whose outcomes lie on a circle"

    @property
    def _unit(self) -> float:
        """Radians of one unit of y."""
        return 2.0 * math.pi / self.period

    def _turned(self):
        """(the mean direction in radians, `(*batch, 1)`; the base as angles from it)."""
        center = self.base._mean()
        angles = self.base.components
        loc = wrap(angles.loc - ops.expand_dims(center, -2))
        return center, Mixture._new(self.base.logits, angles._new(loc, angles.concentration))

    def _in_range(self, y):
        turns = ops.floor(ops.stop_gradient((y - self.low) / self.period))
        y = numerics.within(y - self.period * turns, self.low, math.inf)
        return ops.where(
            y < self.low + self.period, y, self.low
        )  # rounding may lead to the end, which is the beginning

    # ---- densities -----------------------------------------------------------------------------------------------------

    def _log_prob(self, y):
        return self.base._log_prob(self._unit * y) + math.log(self._unit)

    def _log_prob_observed(self, y, observed):
        slope = ops.where(ops.any(observed, axis=-1), math.log(self._unit), 0.0)
        return self.base._log_prob_observed(self._unit * y, observed) + slope

    def _log_prob_set_observed(self, lower, upper, observed):
        ends = self.low, self.low + self.period
        no_lower, no_upper, point = lower == -math.inf, upper == math.inf, lower == upper
        inside = [numerics.within(bound, *ends) for bound in (lower, upper)]
        in_range = ops.logical_or(no_lower, no_upper)
        first, last = (ops.where(in_range, near, bound) for near, bound in zip(inside, (lower, upper), strict=True))
        parts = self.base._log_prob_set_observed(self._unit * first, self._unit * last, observed)
        empty = ops.logical_and(first == last, ops.logical_not(point))
        slope = ops.where(point, math.log(self._unit), ops.where(empty, -math.inf, 0.0))
        return ops.where(ops.any(observed, axis=-1), parts + slope[..., 0], parts)

    def responsibilities(self, y):
        """P(component k | y), shape `(*batch, K)`; equal where all densities underflow to 0."""
        return self._run(self._responsibilities, self._as_event(y), event_axes=1)

    def _responsibilities(self, y):
        return self.base._responsibilities(self._unit * y)

    # ---- moments -------------------------------------------------------------------------------------------------------

    def _mean(self):
        return self._in_range(self.base._mean() / self._unit)

    def _variance(self):
        return self.base._variance() / self._unit**2

    def _covariance(self):
        return ops.expand_dims(self._variance(), -1)

    def _mode(self):
        return self._in_range(self.base._mode() / self._unit)

    # ---- draws and one dimension ---------------------------------------------------------------------------------------

    def _sample(self, sample_shape, stream):
        return self._in_range(self.base._sample(sample_shape, stream) / self._unit)

    def _log_tail(self, y, below):
        center, turned = self._turned()
        return turned._log_tail(wrap(self._unit * y - center), below)

    def _quantile(self, log_lower, log_upper):
        return self._mean() + self._turned()[1]._quantile(log_lower, log_upper) / self._unit

    def _crps(self, y):
        angles, weights = self.base.components, self.base.weights
        apart = numerics.weighted_sum(weights, angles._absolute_deviation(self._unit * ops.expand_dims(y, -2))[..., 0])
        pairs = angles._with_axis()._absolute_difference(angles._with_axis(1))[..., 0]
        both = ops.expand_dims(weights, -1) * ops.expand_dims(weights, -2)
        return (apart - 0.5 * numerics.weighted_sum(both, pairs, axis=(-2, -1))) / self._unit

    def _energy_score(self, y, key, num_samples, observed=None):
        return self._crps(y)  # both are one, with the distance of the circle

    # ---- other distributions from this one -----------------------------------------------------------------------------

    def _marginal(self, dims):
        return self

    def _with_base(self, base):
        return self._new(base, self.period, self.low)

    def _map(self, function):
        return self._with_base(self.base._map(function))

    def _with_temperature(self, component, variance):
        return self._with_base(self.base._with_temperature(component, variance))


def _checked(period, low) -> dict:
    """`period` and `low` as floats, or an error."""
    if not (math.isfinite(period) and period > 0.0 and math.isfinite(low)):
        raise ValueError(
            f"`period` of Circular must be a positive number and `low` a number, but {period!r} and {low!r} came."
        )
    return {"period": float(period), "low": float(low)}


@serializable
class CircularSpec(BasedSpec):
    """Parameters of a `Circular`: those of its base, in radians. So a network predicts degrees or hours as they are.

    Args:
        spec: The spec of the angles, such as `MixtureSpec(VonMisesSpec(1), 5)`.
        period: The circumference, such as 360.
        low: Where the range of draws begins.

    Raises:
        TypeError: if `spec` is no MixtureSpec of VonMisesSpec.
        ValueError: if it has several coordinates, `period` is not positive or `low` is not finite.

    Example:
        >>> import mdn
        >>> mdn.CircularSpec(mdn.MixtureSpec(mdn.VonMisesSpec(1), 5), period=360).params_size
        15
    """

    def __init__(self, spec: Spec, period: float, low: float = 0.0):
        base = spec(np.ones((1, spec.params_size), "float32")) if isinstance(spec, Spec) else None
        if not isinstance(base, Mixture) or not base._circular:
            raise TypeError(
                "`spec` of CircularSpec must be a mixture of angles such as MixtureSpec(VonMisesSpec(1), 5), "
                f"but {spec!r} came."
            )
        Circular(base, period, low)  # raises the sentences about its arguments
        self.spec = spec
        self.period, self.low = _checked(period, low).values()

    def _from_blocks(self, blocks):
        return Circular._new(self.spec._from_blocks(blocks), self.period, self.low)

    def _angles(self, y) -> np.ndarray:
        """Targets in radians."""
        return 2.0 * np.pi * np.asarray(y, "float64") / self.period

    def scaling(self, y):
        return self.spec.scaling(self._angles(y))

    def starting_biases(self, y=None, seed=0):
        return self.spec.starting_biases(None if y is None else self._angles(y), seed)

    def get_config(self):
        return {"spec": keras.saving.serialize_keras_object(self.spec), "period": self.period, "low": self.low}

    def __repr__(self):
        return f"CircularSpec({self.spec!r}, period={self.period:g}, low={self.low:g})"


def arcs(distribution: Circular, ends: np.ndarray) -> np.ndarray:
    """Disjoint intervals about the mean of a Circular, as arcs of the circle: two that meet opposite the mean become one.

    Args:
        distribution: A distribution of batch `(*batch,)`.
        ends: Angles from the mean, `(*batch, M, 2)`, ascending; NaN beyond the last.
    Returns:
        Numbers `(*batch, up to M, 2)`: lower ends lie in the range, in ascending order, and each upper end above its lower one.
    """
    period, low = distribution.period, distribution.low
    found, first = np.array(ends), ends[..., :1, 0] <= _ROUNDED - math.pi
    last = np.where(np.isnan(ends[..., 1]), -np.inf, ends[..., 1])
    meets = first & (last >= math.pi - _ROUNDED) & (np.arange(ends.shape[-2]) > 0)
    found[..., 1] = np.where(meets, ends[..., :1, 1] + 2.0 * math.pi, found[..., 1])
    found[..., 0, :] = np.where(np.any(meets, axis=-1, keepdims=True), np.nan, found[..., 0, :])
    center = np.asarray(ops.convert_to_numpy(distribution.mean()), "float64")[..., None]
    found = shifted(center + found / distribution._unit, period, low)
    found = np.take_along_axis(found, np.argsort(found[..., :1], axis=-2), axis=-2)
    return found[..., : max(1, int((~np.isnan(found[..., 0])).sum(axis=-1).max(initial=0))), :]


def shifted(ends: np.ndarray, period: float, low: float) -> np.ndarray:
    """Lower and upper ends in a last axis of 2, moved together by whole turns, so that the lower end lies in the range.

    Args:
        ends: Shape `(..., 2)`.
        period: The circumference.
        low: Where the range begins.
    """
    return ends - period * np.floor((ends[..., :1] - low) / period)
