"""What follows for any distribution on the line from its tails and its density: quantiles, HDI, CRPS."""

import math

import numpy as np
from keras import ops

from mdn import backend, numerics, special

_NEWTON_STEPS = 200  # only a bound: bracketing halves the interval at least every second step
_LARGEST_LOG = 40.0  # of 1 / density; differences of logs stay below 1e18, and their product within float32
_HDI_GRID = 129
_HDI_HALVINGS = 28
_CRPS_NODES = 8


def invert(dist, log_lower, log_upper, lower, upper):
    """The x in [lower, upper] with P(Y <= x) = exp(log_lower), P(Y > x) = exp(log_upper).

    Newton's method on the log of the smaller tail, kept within a shrinking bracket (a step that leaves it, or shrinks it
    by less than half, becomes a bisection). The root is found without derivatives; one last Newton step carries them,
    which is the implicit function theorem.

    Args:
        dist: Anything with `_log_tail` and `_log_prob`, taking (..., 1) and giving (...).
        log_lower, log_upper: Both logs of the probability, so that neither tail is rounded; shape (..., 1).
        lower, upper: A bracket, broadcast against them.
    """
    target = ops.minimum(log_lower, log_upper)
    from_below = log_lower <= log_upper

    def tail(x):
        return dist._log_tail(x, from_below)

    def excess(value):
        """Increasing in x, 0 at the root."""
        difference = numerics.no_nan(value - ops.stop_gradient(target)[..., 0], 0.0)  # where both are -inf, a root
        return ops.where(from_below[..., 0], difference, -difference)

    shape = (*ops.shape(dist._log_prob(lower + ops.zeros_like(target))), 1)
    low = ops.stop_gradient(ops.broadcast_to(lower, shape))
    high = ops.stop_gradient(ops.broadcast_to(upper, shape))
    x = 0.5 * low + 0.5 * high

    def unfinished(low, high, x, width, step):
        return ops.any(high - low > 2.0 * numerics.epsilon() * ops.maximum(ops.abs(x), 0.25 * numerics.floor(width)))

    def improve(low, high, x, width, step):
        value = tail(x)
        error = ops.expand_dims(excess(value), -1)
        low, high = ops.where(error <= 0.0, x, low), ops.where(error >= 0.0, x, high)
        slope = ops.expand_dims(ops.exp(dist._log_prob(x) - value), -1)
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
    slope = ops.stop_gradient(dist._log_prob(x) - value)
    edge = ops.logical_not(ops.isfinite(target[..., 0]))  # a quantile of 0 or 1: the end of the support
    difference = ops.where(edge, 0.0, value - ops.where(edge, 0.0, target[..., 0]))
    difference = ops.where(from_below[..., 0], difference, -difference)
    steepness = ops.exp(numerics.cap(-ops.where(ops.isfinite(slope), slope, 0.0), _LARGEST_LOG))
    step = ops.where(ops.isfinite(slope), numerics.finite_z(difference) * steepness, 0.0)
    step = ops.expand_dims(step, -1)
    # the value of that last step is rounding only: it is taken if it stays small, its derivative always
    small = ops.abs(step) <= 8.0 * numerics.epsilon() * ops.abs(x) + numerics.floor(0.0)
    x = x - ops.where(small, step, step - ops.stop_gradient(step))
    # a step of rounding may lead out of the bracket, which is the end of the support of an angle
    return x - ops.stop_gradient(x - numerics.within(x, lower, upper))


def invert_each(make, fields, log_lower, log_upper, lower, upper):
    """`invert` for each of D independent coordinates, of `make(*fields)`, fields and all else of shape (..., D).

    A coordinate becomes a point of the batch, unless it is the only one: TensorFlow counts axes, and has few.
    """
    if fields[0].shape[-1] == 1:
        return invert(make(*fields), log_lower, log_upper, lower, upper)
    apart = [ops.expand_dims(tensor, -1) for tensor in (*fields, log_lower, log_upper, lower, upper)]
    return invert(make(*apart[: len(fields)]), *apart[len(fields) :])[..., 0]


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


def crps_by_quadrature(dist, y, breaks):
    """∫ F² below y plus ∫ (1 - F)² above, by Gauss-Legendre quadrature between break points.

    Args:
        dist: As in `invert`.
        y: Shape (..., 1).
        breaks: Shape (M, ..., 1), points so dense that F is smooth between neighbours, out to where the tails are negligible.
    Returns:
        Shape (...).
    """
    extra = max(len(y.shape) - len(breaks.shape) + 1, 0)  # leading axes that y has beyond the batch
    breaks = ops.reshape(breaks, (breaks.shape[0], *(1,) * extra, *ops.shape(breaks)[1:]))
    # whatever lies beyond the outermost break, y extends the range
    y = y + 0.0 * breaks[0]
    points = ops.sort(ops.concatenate([breaks + 0.0 * y, ops.expand_dims(y, 0)], axis=0), axis=0)
    start, end = points[:-1], points[1:]
    nodes, weights = special.gauss_legendre(_CRPS_NODES)
    shape = (_CRPS_NODES, *(1,) * len(points.shape))
    nodes = ops.reshape(numerics.as_tensor(nodes), shape)
    weights = ops.reshape(numerics.as_tensor(weights), shape)
    # far from y a cell spans orders of magnitude in a heavy tail: there nodes are spaced geometrically in |x - y|
    near, far = ops.minimum(ops.abs(start - y), ops.abs(end - y)), ops.maximum(ops.abs(start - y), ops.abs(end - y))
    wide = ops.logical_and(far > 1.5 * near, near > 0.0)
    log_ratio = ops.log(ops.where(wide, far / ops.where(wide, near, 1.0), 2.0))
    above = start >= y
    fraction = ops.where(above, nodes, 1.0 - nodes)
    distance = ops.where(wide, near, 1.0) * ops.exp(log_ratio * fraction)
    x = ops.where(wide, ops.where(above, y + distance, y - distance), start + (end - start) * nodes)
    jacobian = ops.where(wide, distance * log_ratio, end - start)
    x = ops.stop_gradient(x)
    tail = dist._log_tail(x, ops.logical_not(above))
    cells = ops.sum((weights * jacobian)[..., 0] * ops.exp(2.0 * tail), axis=(0, 1))
    # nodes do not move with y in the gradient; what the moving boundary adds is F² - (1 - F)²
    boundary = 2.0 * ops.exp(ops.stop_gradient(dist._log_tail(y, True))) - 1.0
    beyond = sum(_beyond(dist, ops.stop_gradient(points[end]), ops.stop_gradient(y), end == 0) for end in (0, -1))
    return cells + beyond + boundary * (y - ops.stop_gradient(y))[..., 0]


def _beyond(dist, point, y, below):
    """∫ F² below `point`, or ∫ (1 - F)² above it, of tails that fall as powers of the distance from there on.

    Two that fall by a and b leave their product times the distance by a + b - 1: nothing that is finite, if that is not
    positive, as in the CRPS of a StudentT of df <= 1/2.
    """
    mass, power = dist._power_tails(point, below)
    heavy = power <= 0.5
    power = ops.where(heavy, 1.0, power)
    both = ops.expand_dims(power, -1) + ops.expand_dims(power, -2) - 1.0
    shares = ops.expand_dims(mass, -1) * ops.expand_dims(mass, -2) * ops.abs(point - y)[..., None] / both
    return ops.where(ops.any(heavy, axis=-1), math.inf, ops.sum(shares, axis=(-2, -1)))


def crps_levels():
    """Tail probabilities at which each component is asked for a break point, out to 1e-14."""
    return np.concatenate([10.0 ** np.linspace(-14, -1.25, 18), [0.1, 0.16, 0.23, 0.31, 0.40]])
