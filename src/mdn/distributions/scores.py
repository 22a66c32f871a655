"""Scores of any distribution: the CRPS from its tails, the energy score from its draws."""

import math

import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions import grid

_CRPS_NODES = 8


def euclidean(x):
    """Norm over the last axis, with gradient 0 at the origin; `x` is scaled first, so that squares do not overflow."""
    largest = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True))
    unit = numerics.floor(largest)
    squares = ops.sum(ops.square(x / unit), axis=-1)
    zero = squares == 0.0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squares))) * unit[..., 0]


def energy_score(draws, y):
    """E‖Y - y‖ - E‖Y - Y'‖ / 2, estimated from draws, with a U-statistic for pairs.

    Args:
        draws: Shape `(n, *batch, D)`.
        y: Shape `(..., *batch, D)`; all its leading axes share the draws.
    Returns:
        Shape `(..., *batch)`.
    """
    count = draws.shape[0]
    to_target = ops.mean(euclidean(over_leading_axes(draws, y) - y), axis=0)
    pairs = ops.sum(euclidean(ops.expand_dims(draws, 0) - ops.expand_dims(draws, 1)), axis=(0, 1))
    return to_target - 0.5 * pairs / (count * (count - 1))


def over_leading_axes(draws, y):
    """`draws` `(n, *batch, D)` with axes of length 1 where `y` `(..., *batch, D)` has leading axes of its own."""
    extra = max(len(y.shape) - len(draws.shape) + 1, 0)
    return ops.reshape(draws, (draws.shape[0], *(1,) * extra, *ops.shape(draws)[1:]))


def crps_by_quadrature(dist, y, breaks):
    """∫ F² below y plus ∫ (1 - F)² above, by Gauss-Legendre quadrature between break points; of counts, by `grid.crps`.

    Args:
        dist: A distribution of one coordinate.
        y: Shape (..., 1).
        breaks: Shape (M, ..., 1), so dense that F is smooth between neighbours, and so wide that the tails beyond are small.
    Returns:
        Shape (...).
    """
    if dist._grid:
        return grid.crps(dist, y, breaks)
    y, points, x, weights, above = _nodes(y, breaks)
    tail = dist._log_tail(x, ops.logical_not(above))
    cells = ops.sum((weights * ops.exp(2.0 * tail))[..., 0], axis=(0, 1))
    # the gradient holds the nodes fixed; the moving boundary at y adds F² - (1 - F)² = 2 F - 1
    at = ops.stop_gradient(y)
    boundary = 2.0 * ops.exp(dist._held()._log_tail(at, True)[..., 0]) - 1.0
    beyond = sum(crps_beyond(dist, ops.stop_gradient(points[end]), at, end == 0) for end in (0, -1))
    return cells + beyond + boundary * (y - at)[..., 0]


def moments_by_quadrature(dist, center, breaks):
    """(E(Y - c), E(Y - c)²) from the tails: ∫ S - ∫ F, and 2 ∫ |x - c| S + 2 ∫ |x - c| F, above and below c.

    Args:
        dist: A distribution of one coordinate.
        center: c, a point amid the distribution, `(*batch, 1)`, which carries no gradient.
        breaks: As in `crps_by_quadrature`.
    Returns:
        Shape `(*batch, 1)` each; inf where the integral of one tail is infinite, NaN where both are and cancel.
    """
    center, points, x, weights, above = _nodes(center, breaks)
    shares = weights * ops.exp(dist._log_tail(x, ops.logical_not(above)))
    first = ops.sum(ops.where(above, shares, -shares), axis=(0, 1))
    second = ops.sum(2.0 * ops.abs(x - center) * shares, axis=(0, 1))
    for end in (0, -1):
        one, two = moments_beyond(dist, ops.stop_gradient(points[end]), center, end == 0)
        first, second = first + one, second + two
    return first, second


def moments_beyond(dist, point, center, below):
    """What the tail below or above `point` adds to (E(Y - c), E(Y - c)²), if it falls as a power of the distance from c.

    Args:
        dist: A distribution of one coordinate.
        point: Shape `(*batch, 1)`, without a gradient.
        center: c, as in `moments_by_quadrature`.
        below: Whether the tail is the lower one.
    Returns:
        Shape `(*batch, 1)` each.
    """
    mass, power, _ = dist._tail_laws(point, below)
    distance = ops.abs(point - center)
    one, two = (ops.where(power <= n, math.inf, mass / ops.where(power <= n, 1.0, power - n)) for n in (1.0, 2.0))
    one, two = (ops.sum(ops.where(mass > 0.0, each, 0.0), axis=-1, keepdims=True) for each in (one, two))
    return (-distance if below else distance) * one, 2.0 * distance * (distance * two)


def _nodes(y, breaks):
    """The nodes of quadratures that meet at y: (y, break points, nodes, their weights, whether each is above y).

    `breaks` `(M, ..., 1)`, and `y` `(..., 1)`, broadcast; break points become `(M + 1, ..., 1)`, nodes `(nodes, M, ..., 1)`.
    """
    extra = max(len(y.shape) - len(breaks.shape) + 1, 0)  # leading axes that y has beyond the batch
    breaks = ops.reshape(breaks, (breaks.shape[0], *(1,) * extra, *ops.shape(breaks)[1:]))
    # a y beyond the outermost break extends the range
    y = y + 0.0 * breaks[0]
    points = ops.sort(ops.concatenate([breaks + 0.0 * y, ops.expand_dims(y, 0)], axis=0), axis=0)
    start, end = points[:-1], points[1:]
    nodes, weights = special.gauss_legendre(_CRPS_NODES)
    shape = (_CRPS_NODES, *(1,) * len(points.shape))
    nodes = ops.reshape(numerics.as_tensor(nodes), shape)
    weights = ops.reshape(numerics.as_tensor(weights), shape)
    # in a heavy tail a cell far from y spans orders of magnitude, so its nodes are spaced geometrically in |x - y|
    near, far = ops.minimum(ops.abs(start - y), ops.abs(end - y)), ops.maximum(ops.abs(start - y), ops.abs(end - y))
    wide = ops.logical_and(far > 1.5 * near, near > 0.0)
    log_ratio = ops.log(ops.where(wide, far / ops.where(wide, near, 1.0), 2.0))
    above = start >= y
    fraction = ops.where(above, nodes, 1.0 - nodes)
    distance = ops.where(wide, near, 1.0) * ops.exp(log_ratio * fraction)
    x = ops.where(wide, ops.where(above, y + distance, y - distance), start + (end - start) * nodes)
    jacobian = ops.where(wide, distance * log_ratio, end - start)
    return y, points, ops.stop_gradient(x), weights * jacobian, above


def crps_beyond(dist, point, y, below):
    """∫ F² below `point`, or ∫ (1 - F)² above it, for tails that fall as powers of the distance from y.

    Two tails that fall by the powers a and b contribute mass · mass · distance / (a + b - 1). The integral is infinite if a
    power is 1/2 or less, as in the CRPS of a StudentT with df <= 1/2.
    """
    mass, power, _ = dist._tail_laws(point, below)
    heavy = power <= 0.5
    power = ops.where(heavy, 1.0, power)
    both = ops.expand_dims(power, -1) + ops.expand_dims(power, -2) - 1.0
    shares = ops.expand_dims(mass, -1) * ops.expand_dims(mass, -2) * ops.abs(point - y)[..., None] / both
    return ops.where(ops.any(heavy, axis=-1), math.inf, ops.sum(shares, axis=(-2, -1)))


def crps_levels():
    """Tail probabilities, down to 1e-14, at which the quantiles of each component become break points."""
    return np.concatenate([10.0 ** np.linspace(-14, -1.25, 18), [0.1, 0.16, 0.23, 0.31, 0.40]])
