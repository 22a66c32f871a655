"""What follows for any distribution on the line from its tails and its density: quantiles and shortest intervals."""

import math

import numpy as np
from keras import ops

from mdn import backend, numerics

_NEWTON_STEPS = 200  # only a bound: bracketing halves the interval at least every second step
_LARGEST_LOG = 40.0  # of 1 / density; differences of logs stay below 1e18, and their product within float32
_HDI_GRID = 129
_HDI_HALVINGS = 28


def invert(log_tail, log_density, log_lower, log_upper, lower, upper):
    """The x in [lower, upper] with P(Y <= x) = exp(log_lower), P(Y > x) = exp(log_upper).

    Newton's method on the log of the smaller tail, kept within a shrinking bracket (a step that leaves it, or shrinks it
    by less than half, becomes a bisection). The root is found without derivatives; one last Newton step carries them,
    which is the implicit function theorem.

    Args:
        log_tail: `log_tail(x, below)` is log P(Y <= x) where `below` and log P(Y > x) elsewhere.
        log_density: `log_density(x)` is the log density of Y.
        log_lower, log_upper: Both logs of the probability, so that neither tail is rounded.
        lower, upper: A bracket, broadcast against them.
    """
    target = ops.minimum(log_lower, log_upper)
    from_below = log_lower <= log_upper

    def tail(x):
        return log_tail(x, from_below)

    def excess(value):
        """Increasing in x, 0 at the root."""
        difference = numerics.no_nan(value - ops.stop_gradient(target), 0.0)  # where both are -inf, a root
        return ops.where(from_below, difference, -difference)

    shape = ops.shape(log_density(lower + ops.zeros_like(target)))
    low = ops.stop_gradient(ops.broadcast_to(lower, shape))
    high = ops.stop_gradient(ops.broadcast_to(upper, shape))
    x = 0.5 * low + 0.5 * high

    def unfinished(low, high, x, width, step):
        return ops.any(high - low > 2.0 * numerics.epsilon() * ops.maximum(ops.abs(x), 0.25 * numerics.floor(width)))

    def improve(low, high, x, width, step):
        value = tail(x)
        error = excess(value)
        low, high = ops.where(error <= 0.0, x, low), ops.where(error >= 0.0, x, high)
        slope = ops.exp(log_density(x) - value)
        newton = x - error / numerics.floor(slope)
        # Newton creeps up from one side; a nudge past the root closes the bracket from the other
        newton = newton + 0.5 * numerics.epsilon() * ops.abs(newton) * ops.sign(newton - x)
        inside = ops.logical_and(newton > low, newton < high)
        good = ops.logical_and(inside, ops.abs(newton - x) < 0.5 * width)
        middle = 0.5 * low + 0.5 * high
        new = ops.where(good, newton, middle)
        return low, high, ops.where(error == 0.0, x, new), ops.where(good, ops.abs(newton - x), high - low), step + 1

    _, _, x, _, _ = ops.while_loop(
        unfinished,
        improve,
        (low, high, x, high - low, ops.convert_to_tensor(0, "int32")),
        maximum_iterations=_NEWTON_STEPS,
    )
    x = ops.stop_gradient(x)
    value = tail(x)
    slope = ops.stop_gradient(log_density(x) - value)
    edge = ops.logical_not(ops.isfinite(target))  # a quantile of 0 or 1: the end of the support
    difference = ops.where(edge, 0.0, value - ops.where(edge, 0.0, target))
    difference = ops.where(from_below, difference, -difference)
    steepness = ops.exp(numerics.cap(-ops.where(ops.isfinite(slope), slope, 0.0), _LARGEST_LOG))
    step = ops.where(ops.isfinite(slope), numerics.finite_z(difference) * steepness, 0.0)
    # the value of that last step is rounding only: it is taken if it stays small, its derivative always
    small = ops.abs(step) <= 8.0 * numerics.epsilon() * ops.abs(x) + numerics.floor(0.0)
    x = x - ops.where(small, step, step - ops.stop_gradient(step))
    # a step of rounding may lead out of the bracket, which is the end of the support of an angle
    return x - ops.stop_gradient(x - numerics.within(x, lower, upper))


def two_quantiles(dist, below, above):
    """(the quantile with probability `below` under it, that with `above` over it), found together: one program, not two."""
    below, above = ops.broadcast_to(below, ops.shape(below + above)), ops.broadcast_to(above, ops.shape(below + above))
    if len(below.shape) == len(dist.batch_shape) + 1:
        below, above = ops.expand_dims(below, 0), ops.expand_dims(above, 0)
        return tuple(found[0] for found in two_quantiles(dist, below, above))
    found = dist._quantile(
        ops.concatenate([numerics.safe_log(below), numerics.safe_log1p(-above)]),
        ops.concatenate([numerics.safe_log1p(-below), numerics.safe_log(above)]),
    )
    return found[: below.shape[0]], found[below.shape[0] :]


def shortest_interval(dist, coverage):
    """`(lower, upper)` of the shortest interval that holds `coverage`; both densities are equal there.

    A grid over the probability below finds the best basin; the sign of f(lower) - f(upper), which is that of the
    width's derivative, then bisects to the stationary point.
    """
    rank = len(dist.batch_shape) + 1
    coverage = ops.reshape(coverage, (*coverage.shape, *(1,) * rank))
    free = 1.0 - coverage

    def ends(below):
        return two_quantiles(dist, below, free - below)

    grid = ops.reshape(
        ops.convert_to_tensor(np.linspace(0.0, 1.0, _HDI_GRID), numerics.float_dtype()),
        (_HDI_GRID, *(1,) * len(coverage.shape)),
    )
    lower, upper = ends(grid * free)
    width = numerics.no_nan(upper - lower, math.inf)
    best = ops.cast(ops.argmin(width, axis=0), numerics.float_dtype())
    step = free / (_HDI_GRID - 1)
    low, high = ops.maximum(best - 1.0, 0.0) * step, ops.minimum((best + 1.0) * step, free)

    def halve(low, high, i):
        middle = 0.5 * (low + high)
        lower, upper = ends(middle)
        growing = ops.expand_dims(
            dist._log_prob(lower) >= dist._log_prob(upper), -1
        )  # then the width grows to the right
        return ops.where(growing, low, middle), ops.where(growing, middle, high), i + 1

    @backend.graph
    def halved(low, high):
        start = low, high, ops.convert_to_tensor(0, "int32")
        return ops.while_loop(lambda low, high, i: i < _HDI_HALVINGS, halve, start)[:2]

    low, high = halved(low, high)
    return ends(ops.stop_gradient(0.5 * (low + high)))
