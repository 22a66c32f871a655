"""Interval: a target of which only a lower and an upper bound are known, and the probability of such a set."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from keras import ops

from mdn import backend, numerics, special
from mdn.distributions import grid
from mdn.masks import unmasked

_NODES = 4  # the log density varies little over an interval that is integrated by quadrature
_NARROW, _NARROWEST = 16.0, 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Interval:
    r"""Targets of which only bounds are known: rounded, censored or counted values.

    The likelihood of such a target is :math:`P(a < Y \le b) = F(b) - F(a)`, exact in both tails. Where both bounds are equal,
    the target is a point, and its likelihood is the density, so that one array holds observed and censored targets. Where both
    are NaN, the target is missing.

    Losses and `log_prob` take an Interval, or the array `(*batch, 2 D)` of all lower and then all upper bounds, which is what
    `numpy.asarray(interval)` returns: Keras' `model.fit` takes that array.

    Args:
        lower: Shape `(*batch, D)`, -inf where nothing bounds the target from below.
        upper: The same shape, inf where nothing bounds it from above (right-censored), and at least `lower`.

    Raises:
        ValueError: if shapes differ, a lower bound is above its upper bound, or one of two bounds is NaN.

    Example:
        >>> import mdn
        >>> still_alive_after_3 = mdn.Interval([3.0], [float("inf")])
        >>> round(float(mdn.Gamma([1.0], [0.5]).prob(still_alive_after_3)), 4)
        0.2231

    Reference:
        Klein and Moeschberger (2003), Survival analysis, section 3.5.
    """

    lower: Any
    upper: Any

    def __post_init__(self):
        lower, upper = (_with_shape(bound) for bound in (self.lower, self.upper))
        if tuple(lower.shape) != tuple(upper.shape):
            raise ValueError(
                f"`lower` and `upper` of Interval must have one shape, but {tuple(lower.shape)} and {tuple(upper.shape)} came."
            )
        if len(lower.shape) == 0:
            raise ValueError(
                "`lower` of Interval must have shape (*batch, D), but a scalar came: [0.0] instead of 0.0."
            )
        if backend.is_concrete(lower, upper):
            low, high = np.asarray(ops.convert_to_numpy(lower)), np.asarray(ops.convert_to_numpy(upper))
            if np.any(np.isnan(low) != np.isnan(high)):
                raise ValueError(
                    "one of two bounds of an Interval is NaN: an open end is -inf or inf, a missing target NaN twice."
                )
            if np.any(low > high):
                place = tuple(int(i) for i in np.argwhere(low > high)[0])
                raise ValueError(
                    f"`lower` of Interval must not exceed `upper`, but {low[place]:g} > {high[place]:g} at {place}."
                )
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @property
    def shape(self) -> tuple:
        """The shape of the array that stands for the targets, `(*batch, 2 D)`."""
        return (*self.lower.shape[:-1], 2 * self.lower.shape[-1])

    def __len__(self):
        return self.lower.shape[0]

    def __array__(self, dtype=None, copy=None):
        sides = [np.asarray(ops.convert_to_numpy(bound)) for bound in (self.lower, self.upper)]
        return np.concatenate(sides, axis=-1).astype(dtype or "float32")


def _with_shape(bound):
    bound = unmasked(bound)
    return bound if hasattr(bound, "shape") else np.asarray(bound, "float64")


def as_array(y):
    """`y`, or the array `(*batch, 2 D)` of an Interval."""
    if not isinstance(y, Interval):
        return y
    return ops.concatenate([numerics.as_tensor(y.lower), numerics.as_tensor(y.upper)], axis=-1)


def middle(bounds: np.ndarray) -> np.ndarray:
    """One number for each interval of an array of bounds `(..., 2 D)`: its middle, or its only finite bound, else NaN."""
    lower, upper = np.split(np.asarray(bounds, "float64"), 2, axis=-1)
    open_below, open_above = np.isneginf(lower), np.isposinf(upper)
    low, high = np.where(open_below, upper, lower), np.where(open_above, lower, upper)
    return np.where(open_below & open_above, np.nan, low + 0.5 * (np.where(open_above, low, high) - low))


def split_missing(lower, upper):
    """(lower, upper, whether each coordinate is observed), with 0 in place of NaN."""
    lower, observed = numerics.split_missing(lower)
    return lower, numerics.split_missing(upper)[0], observed


def log_prob_each(dist, lower, upper, log_density):
    """log P(lower < Y <= upper) of each coordinate, the log density where both bounds are equal; `(..., D)`.

    The difference of the tail that is smaller is exact but for narrow intervals, where it cancels: over these the density, which
    hardly varies, is integrated by quadrature, or summed over counts.

    Args:
        dist: A distribution whose `_log_tail` takes `(..., D)`.
        lower, upper: Shape `(..., D)`, without NaN.
        log_density: The log density of each coordinate, `(..., D)` to `(..., D)`.
    """
    point, no_lower, no_upper = lower == upper, lower == -math.inf, upper == math.inf
    a = ops.where(no_lower, ops.where(no_upper, 0.0, upper), lower)
    b = ops.where(ops.logical_or(no_upper, point), a, upper)
    lower_tail = ops.where(no_lower, -math.inf, dist._log_tail(a, True))
    upper_tail = ops.where(no_lower, 0.0, dist._log_tail(a, False))
    below = lower_tail < upper_tail
    end = ops.where(no_upper, ops.where(below, 0.0, -math.inf), dist._log_tail(b, below))
    larger, smaller = ops.where(below, end, upper_tail), ops.where(below, lower_tail, end)
    none = ops.logical_or(larger == -math.inf, point)
    gap = ops.where(none, -1.0, ops.where(none, 0.0, smaller) - ops.where(none, 0.0, larger))
    wide = ops.where(none, -math.inf, larger) + numerics.log1mexp(gap)
    # in a tail its log is rounded coarsely, but is nearly linear in y
    enough = _NARROW * math.sqrt(numerics.epsilon()) * (1.0 - ops.where(none, 0.0, larger))
    closed = ops.logical_not(ops.logical_or(no_lower, no_upper))
    narrow = ops.logical_and(ops.logical_and(closed, -gap < numerics.cap(enough, _NARROWEST)), ops.logical_not(point))
    if dist._grid:
        first, last = (numerics.on_grid(ops.where(narrow, end, 0.0), 1.0)[0] for end in (a, b))
        few = grid.log_mass(log_density, first, last)
    else:
        few = _by_quadrature(log_density, a, b, narrow)
    return ops.where(point, log_density(a), ops.where(narrow, few, wide))


def _by_quadrature(log_density, lower, upper, where):
    """log of the integral of a density over [lower, upper], for each coordinate where `where` is true."""
    nodes, weights = special.gauss_legendre(_NODES)
    width = ops.where(where, upper - lower, 1.0)
    # one node after the other, since TensorFlow limits the number of axes
    parts = [
        log_density(ops.where(where, lower + width * float(node), lower)) + math.log(weight)
        for node, weight in zip(nodes, weights, strict=True)
    ]
    return numerics.logsumexp(ops.stack(parts, axis=-1)) + ops.log(width)
