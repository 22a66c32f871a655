"""Outcomes on a grid, such as counts: what follows from their tails, which are step functions.

A distribution of such outcomes has `_grid`, the pair (step, least outcome). Functions here speak of an outcome by its whole
number k; the outcome itself is k times the step.
"""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import backend, numerics

_SEARCH_STEPS = 200  # an upper bound only: a bracket is bisected, by orders of magnitude where it spans several
_POINTS, _ROUNDS = 33, 3  # the best of many outcomes is sought among so many points, in so many rounds
_EXACT = 32  # sums take the first outcomes, so many, in cells of 4 ...
_DOUBLINGS = 16  # ... and then double their distance from the least one so often, in two cells each


def least(log_tail, log_lower, log_upper, low, high):
    """The least whole k in (low, high] with P(Y <= k) >= exp(log_lower), that is P(Y > k) <= exp(log_upper).

    The search is exact: it ends at a k whose tail, as float has it, satisfies this, and whose predecessor's does not. The result
    is a step function of everything, so its gradient is 0.

    Args:
        log_tail: `log_tail(k, below)` is log P(Y <= k) where `below` is true, else log P(Y > k).
        log_lower, log_upper: Logs of the probability below and above, so that neither tail is rounded.
        low, high: Whole numbers; k is above `low` and at most `high`.
    """
    log_lower, log_upper, low, high = map(ops.stop_gradient, (log_lower, log_upper, low, high))
    from_below = log_lower <= log_upper
    none = ops.zeros_like(low + high + log_lower + log_upper, dtype=numerics.float_dtype())

    def middle(low, high):
        """The mean; the geometric one of a bracket that spans orders of magnitude."""
        wide = ops.logical_and(low >= -1.0, high > 8.0 * (low + 2.0))
        start = ops.where(wide, low, 0.0) + 2.0
        geometric = ops.sqrt(start) * ops.sqrt(ops.where(wide, high, 0.0) + 2.0) - 2.0
        return ops.floor(ops.where(wide, geometric, 0.5 * low + 0.5 * high))

    def between(low, high):
        at = middle(low, high)
        return ops.logical_and(at > low, at < high)

    def improve(low, high, i):
        at, inside = middle(low, high), between(low, high)
        at = ops.where(inside, at, 0.0)
        tail = log_tail(at, from_below)
        reached = ops.where(from_below, tail >= log_lower, tail <= log_upper)
        low = ops.where(ops.logical_and(inside, ops.logical_not(reached)), at, low)
        return low, ops.where(ops.logical_and(inside, reached), at, high), i + 1

    def unfinished(low, high, i):
        return ops.any(between(low, high))

    start = low + none, high + none, ops.convert_to_tensor(0, "int32")
    _, high, _ = ops.while_loop(unfinished, improve, start, maximum_iterations=_SEARCH_STEPS)
    return ops.stop_gradient(ops.where(log_upper == -math.inf, math.inf, high))


def best(score, low, high):
    """The whole number in [low, high] with the highest score, and what comes with it.

    Up to 33 numbers are all tried; of more, a grid finds the best cell, then a finer one within it, three times.

    Args:
        score: From numbers `(33, ...)` to (scores, what comes with them), each of that shape.
        low, high: Whole numbers of one shape.
    Returns:
        (the number, what comes with it), each of the shape of `low`.
    """
    share = ops.reshape(numerics.as_tensor(np.linspace(0.0, 1.0, _POINTS)), (_POINTS, *(1,) * len(low.shape)))

    def close_in(_, carry):
        low, high, *_ = carry
        points = low + ops.round(share * (high - low))
        scores, others = score(points)
        index = ops.expand_dims(ops.argmax(numerics.no_nan(scores, -math.inf), axis=0), 0)

        def at(values, move=0):
            place = ops.minimum(ops.maximum(index + move, 0), _POINTS - 1)
            return ops.take_along_axis(values, place, axis=0)[0]

        return (at(points, -1), at(points, 1), at(points), at(others)), None

    (_, _, number, other), _ = backend.repeated(_ROUNDS, close_in, (low, high, low, low))
    return ops.stop_gradient(number), ops.stop_gradient(other)


def shortest_interval(dist, coverage):
    """`(lower, upper)`, the shortest set of neighbouring outcomes that holds `coverage`; of several, the most probable."""
    step, _ = dist._grid
    rank = len(dist.batch_shape) + 1
    coverage = ops.reshape(coverage, (*coverage.shape, *(1,) * rank))
    ends = ops.stack([1e-6 * (1.0 - coverage), 1.0 - coverage])
    ends = ops.round(dist._quantile(ops.log(ends), ops.log1p(-ends)) / step)

    def score(lower):
        before = step * (lower - 1.0)
        below, above = ops.exp(dist._log_tail(before, True)), ops.exp(dist._log_tail(before, False))
        upper = dist._quantile(numerics.safe_log(coverage + below), numerics.safe_log(above - coverage)) / step
        upper = ops.round(upper)
        held = ops.exp(dist._log_tail(step * upper, True)) - below
        return 0.5 * held - (upper - lower), upper

    lower, upper = best(score, ends[0], ends[1])
    return step * lower, step * upper


def cells(points):
    r"""(whole numbers, weights), each `(8, M - 1, ...)`: Σ w g(k) is the sum of g over the k from each point to before the next.

    It is exact for cells of up to 4 numbers. A longer one leaves up to 3 single numbers and 4 h more. The trapezoidal rules T
    of steps h, 2h and 4h over these have errors in powers of the square of the step, so that T of step 1, which is the sum, is
    extrapolated from them: exact if g is a polynomial of degree 7, for the sum as for the integral.

    Args:
        points: Ascending whole numbers `(M, ...)`; equal neighbours are a cell of nothing.
    Reference:
        Romberg (1955), Vereinfachte numerische Integration, which extrapolates to a step of 0.
    """
    start, count = points[:-1], points[1:] - points[:-1]
    h = ops.floor(0.25 * count)
    rest = count - 4.0 * h
    first = start + rest
    # Lagrange's polynomials of the squares of steps, at 1; written so that they are 1, 0 and 0 for h = 1, whatever is rounded
    inverse = 1.0 / ops.square(numerics.floor(h, 1.0))
    fine = 1.0 + (inverse - 1.0) * (inverse - 19.0) / 45.0
    double = (1.0 - inverse) * (inverse - 16.0) / 36.0
    coarse = (inverse - 1.0) * (inverse - 4.0) / 180.0
    end, odd, even = h * (0.5 * fine + double + 2.0 * coarse), h * fine, h * (fine + 2.0 * double)
    singles, half = [ops.cast(rest > float(j), start.dtype) for j in range(3)], 0.5 * ops.cast(h > 0.0, start.dtype)
    numbers = [start, start + 1.0, start + 2.0, first, first + h, first + 2.0 * h, first + 3.0 * h, first + 4.0 * h]
    return ops.stack(numbers), ops.stack([*singles, end + half, odd, even, odd, end - half])


def log_mass(log_prob, lower, upper):
    """log of the sum of exp(log_prob(k)) over the whole k with lower < k <= upper, which may be many if it varies slowly."""
    numbers, weights = cells(ops.stack([lower + 1.0, upper + 1.0]))
    parts = [log_prob(numbers[i, 0]) + numerics.safe_log(weights[i, 0]) for i in range(8)]
    return numerics.logsumexp(ops.stack(parts, axis=-1))


def total(dist, centre, breaks, function):
    """Σ function(k, P(Y <= k)) over the outcomes below `centre` plus Σ function(k, P(Y > k)) over the others, `(..., 1)`.

    Between neighbours of `breaks`, of the centre and of numbers that double their distance from the least outcome, where tails
    bend most, a sum is that of `cells`.

    Args:
        dist: A distribution of one coordinate on a grid.
        centre: Whole numbers `(..., 1)`.
        breaks: `(M, *batch, 1)`, so dense that tails are smooth between neighbours, and so wide that little is beyond.
        function: A function of whole numbers and tails, `(M, ..., 1)` each, and of whether numbers are at or above the centre.
    """
    step, least_outcome = dist._grid
    extra = max(len(centre.shape) - len(breaks.shape) + 1, 0)  # leading axes that the centre has beyond the batch
    breaks = ops.reshape(breaks, (breaks.shape[0], *(1,) * extra, *ops.shape(breaks)[1:]))
    points = ops.round(numerics.finite_place(breaks / step)) + 0.0 * centre
    if least_outcome > -math.inf:
        doublings = _EXACT * 2.0 ** (0.5 * np.arange(2 * _DOUBLINGS))
        steps = numerics.as_tensor(
            np.round(np.concatenate([np.arange(0, _EXACT, 4), doublings]) + least_outcome / step)
        )
        steps = ops.reshape(steps, (-1, *(1,) * (len(points.shape) - 1)))
        points = numerics.floor(points, least_outcome / step)
        points = ops.concatenate([points, ops.minimum(steps, ops.max(points, axis=0, keepdims=True))], axis=0)
    points = ops.concatenate([points, ops.expand_dims(centre + 0.0 * points[0], 0)], axis=0)
    points = ops.stop_gradient(ops.sort(points, axis=0))
    numbers, weights = cells(points)
    above = points[:-1] >= centre

    def add(i, found):
        k = numbers[i]
        tails = ops.exp(dist._log_tail(step * k, ops.logical_not(above)))
        return found + ops.sum(weights[i] * function(k, tails, above), axis=0), None

    # a sum of thousands of tails: what their gradients need would fill the memory
    return backend.repeated(8, add, ops.zeros_like(points[0]), again=True)[0]


def crps(dist, y, breaks):
    """∫ (F(x) - 1{x >= y})² dx of a step function F, a sum over outcomes; `y` `(..., 1)` need not be one of them.

    Args:
        dist: A distribution of one coordinate on a grid.
        y: Shape `(..., 1)`.
        breaks: As in `total`.
    Returns:
        Shape `(...)`.
    """
    step, _ = dist._grid
    k, _ = numerics.on_grid(y, step)
    k = ops.stop_gradient(k)
    squares = total(dist, k, breaks, lambda k, tail, above: ops.square(tail))
    part = numerics.within(y / step - k, 0.0, 1.0)  # of the cell that y lies in: F² - (1 - F)² = 2 F - 1
    return step * (squares + part * (2.0 * ops.exp(dist._log_tail(step * k, True)) - 1.0))[..., 0]
