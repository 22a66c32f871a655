"""Quantiles and shortest intervals of any one-dimensional distribution, from its tails and its density."""

import math

import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions import grid
from mdn.distributions.value import Value

_NEWTON_STEPS = 200  # an upper bound only: the bracket is halved at least every second step
_LARGEST_LOG = 40.0  # the largest log of 1 / density: its product with a difference of logs, at most 1e18, fits float32
_HDI_GRID = 129  # the shortest interval is sought first among so many ...
_HDI_HALVINGS = 28  # ... and then by so many halvings


def invert(curves, parameters, log_lower, log_upper, lower, upper, start=None, least=0.0):
    """The x in [lower, upper] with P(Y <= x) = exp(log_lower), P(Y > x) = exp(log_upper).

    Newton's method runs on the log of the smaller tail within a shrinking bracket; a step that leaves the bracket, or is not
    shorter than half of the last one, becomes a bisection. The search has no derivatives: one last Newton step carries them,
    by the implicit function theorem.

    Args:
        curves: From the parameters to a pair of functions, `log_tail(x, below)`, which is log P(Y <= x) where `below` is true,
            else log P(Y > x), and `log_density(x)`, the log density of Y.
        parameters: Tensors and distributions, all that the curves depend on; the search takes them without their gradients.
        log_lower, log_upper: Logs of the probability below and above x, so that neither tail is rounded.
        lower, upper: A bracket, which broadcasts with these logs to the shape of x.
        start: Where the search begins, which saves most of its steps if it is close; the middle of the bracket if None.
        least: x is found to the precision of a float of this size at least.
    """
    from_below = log_lower <= log_upper
    target = ops.where(from_below, log_lower, log_upper)  # not the smaller of them, whose derivative at 1/2 is 0
    held = ops.stop_gradient(target)
    noise = 2.0 * numerics.epsilon() * ops.where(ops.isfinite(held), ops.abs(held), 0.0)

    log_tail, log_density = curves(*map(_without_gradient, parameters))

    def excess(value):
        """Increasing in x, 0 at the root, and where the tail differs from its own by a rounding."""
        difference = numerics.no_nan(value - held, 0.0)  # -inf minus -inf is NaN, and a root
        # without this, one search in a hundred takes twice as many steps, for digits that are noise, and all wait for it
        difference = ops.where(ops.abs(difference) <= noise, 0.0, difference)
        return ops.where(from_below, difference, -difference)

    none = ops.zeros_like(lower + upper + target)
    low, high = ops.stop_gradient(lower) + none, ops.stop_gradient(upper) + none
    x = _middle(low, high)
    if start is not None:
        x = ops.stop_gradient(numerics.floor(numerics.cap(numerics.no_nan(start, 0.0) + ops.zeros_like(x), high), low))

    def unfinished(low, high, x, width, step):
        size = numerics.floor(numerics.floor(ops.abs(x), least), 0.25 * numerics.floor(width))
        return ops.any(high - low > 2.0 * numerics.epsilon() * size)

    def improve(low, high, x, width, step):
        value = log_tail(x, from_below)
        error = excess(value)
        low, high = ops.where(error <= 0.0, x, low), ops.where(error >= 0.0, x, high)
        slope = ops.exp(log_density(x) - value)
        newton = x - error / numerics.floor(slope)
        # Newton approaches from one side only: a tiny step past the root moves the other end of the bracket too. It is longer
        # than a rounding of x, and where the root is an end of the bracket but for rounding, it leads inside again.
        tiny = 1.5 * numerics.epsilon() * numerics.floor(ops.abs(newton), least)
        inside = ops.logical_and(newton > low - 4.0 * tiny, newton < high + 4.0 * tiny)
        newton = numerics.cap(numerics.floor(newton - tiny * ops.sign(error), low + tiny), high - tiny)
        good = ops.logical_and(inside, ops.abs(newton - x) < 0.5 * width)
        new = ops.where(good, newton, _middle(low, high))
        return low, high, ops.where(error == 0.0, x, new), ops.where(good, ops.abs(newton - x), high - low), step + 1

    _, _, x, _, _ = ops.while_loop(
        unfinished,
        improve,
        (low, high, x, high - low, ops.convert_to_tensor(0, "int32")),
        maximum_iterations=_NEWTON_STEPS,
    )
    x = ops.stop_gradient(x)
    slope = log_density(x)
    log_tail, _ = curves(*parameters)
    value = log_tail(x, from_below)
    slope = slope - ops.stop_gradient(value)
    edge = ops.logical_not(ops.isfinite(target))  # probability 0 or 1: x is an end of the support
    difference = ops.where(edge, 0.0, value - ops.where(edge, 0.0, target))
    difference = ops.where(from_below, difference, -difference)
    steepness = ops.exp(numerics.cap(-ops.where(ops.isfinite(slope), slope, 0.0), _LARGEST_LOG))
    step = ops.where(ops.isfinite(slope), numerics.finite_z(difference) * steepness, 0.0)
    # the last step is only rounding: its value is used if it is small, its derivative always
    small = ops.abs(step) <= 8.0 * numerics.epsilon() * ops.abs(x) + numerics.floor(0.0)
    x = x - ops.where(small, step, step - ops.stop_gradient(step))
    # rounding may lead out of the bracket, whose ends are those of the support of an angle
    return x - ops.stop_gradient(x - numerics.within(x, lower, upper))


def _without_gradient(parameter):
    return parameter._held() if isinstance(parameter, Value) else ops.stop_gradient(parameter)


def _middle(low, high):
    """The mean of two ends; the geometric one where they are of one sign, but of different orders of magnitude."""
    near, far = numerics.cap(ops.abs(low), ops.abs(high)), numerics.floor(ops.abs(low), ops.abs(high))
    apart = ops.logical_and(low * ops.sign(high) > 0.0, far > 8.0 * near)
    return ops.where(apart, ops.sign(low) * ops.sqrt(near) * ops.sqrt(far), 0.5 * low + 0.5 * high)


def two_quantiles(dist, below, above):
    """(the quantile with probability `below` under it, the one with `above` over it), found by one search instead of two."""
    below, above = ops.broadcast_to(below, ops.shape(below + above)), ops.broadcast_to(above, ops.shape(below + above))
    if len(below.shape) == len(dist.batch_shape) + 1:
        below, above = ops.expand_dims(below, 0), ops.expand_dims(above, 0)
        return tuple(found[0] for found in two_quantiles(dist, below, above))
    found = dist._quantile(
        ops.concatenate([numerics.safe_log(below), numerics.safe_log1p(-above)]),
        ops.concatenate([numerics.safe_log1p(-below), numerics.safe_log(above)]),
    )
    return ops.split(found, 2)


def shortest_interval(dist, coverage, log_density):
    """`(lower, upper)` of the shortest interval that holds `coverage`; the densities at both ends are equal.

    A grid over the probability below the interval finds the best cell. A bisection then finds the stationary point of the
    width, whose derivative has the sign of f(lower) - f(upper). Counts are searched one by one (`grid.shortest_interval`).

    Args:
        dist: A distribution of one coordinate.
        coverage: A number in (0, 1), any shape.
        log_density: log f, from `(..., *batch, 1)` to `(..., *batch)`; inf at a point of positive probability.
    """
    if dist._grid:
        return grid.shortest_interval(dist, coverage)
    rank = len(dist.batch_shape) + 1
    coverage = ops.reshape(coverage, (*coverage.shape, *(1,) * rank))
    free = 1.0 - coverage

    @backend.graph(any_length=True)
    def ends(below):
        return two_quantiles(dist, below, free - below)

    shares = ops.reshape(
        ops.convert_to_tensor(np.linspace(0.0, 1.0, _HDI_GRID), numerics.float_dtype()),
        (_HDI_GRID, *(1,) * len(coverage.shape)),
    )
    one = ops.ones((*dist.batch_shape, 1), numerics.float_dtype())
    lower, upper = ends(shares * free * one)
    width = numerics.no_nan(upper - lower, math.inf)
    best = ops.cast(ops.argmin(width, axis=0, keepdims=True), numerics.float_dtype())
    step = free / (_HDI_GRID - 1)
    low, high = numerics.floor(best - 1.0, 0.0) * step, ops.minimum((best + 1.0) * step, free)

    def halve(low, high, i):
        middle = 0.5 * (low + high)
        lower, upper = ends(middle)
        growing = ops.expand_dims(log_density(lower) >= log_density(upper), -1)  # then the width grows to the right
        return ops.where(growing, low, middle), ops.where(growing, middle, high), i + 1

    @backend.graph
    def halved(low, high):
        start = low, high, ops.convert_to_tensor(0, "int32")
        return ops.while_loop(lambda low, high, i: i < _HDI_HALVINGS, halve, start)[:2]

    low, high = halved(low, high)
    lower, upper = ends(ops.stop_gradient(0.5 * (low + high)))
    return lower[0], upper[0]
