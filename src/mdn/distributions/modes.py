"""Modes of mixtures: of discrete ones, in one dimension, and in several."""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions import grid
from mdn.distributions.triangular import solve_positive

_LINE_LEVELS = 64  # a mode on a line is sought first at so many quantiles of each component ...
_LINE_STEPS = 60  # ... and then in so many steps of the golden section
_SPACE_STEPS = 400  # a mode in space takes so many fixed-point iterations at most
_GOLDEN = 0.6180339887498949


def of_support(dist, outcomes):
    """The most probable of `outcomes` (S, D), found by trying all of them."""
    rank = len(dist.batch_shape)
    points = ops.convert_to_tensor(outcomes.reshape(len(outcomes), *(1,) * rank, outcomes.shape[-1]))
    return _best(dist, ops.broadcast_to(points, (len(outcomes), *dist.batch_shape, outcomes.shape[-1])))


def _best(dist, points):
    """The points of highest density, (*batch, D), among `points` (S, *batch, D)."""
    return _highest(dist._log_prob, points)


def _highest(log_density, points):
    return _take(points, ops.argmax(numerics.no_nan(log_density(points), -np.inf), axis=0))


def _take(points, index):
    index = ops.expand_dims(ops.expand_dims(index, 0), -1)
    return ops.take_along_axis(points, ops.broadcast_to(index, (1, *ops.shape(points)[1:])), axis=0)[0]


def on_line(dist, components_first):
    """The highest point of a mixture in one dimension, by a grid over every component, then a golden-section search."""
    points = line_points(dist, components_first)
    return on_grid(dist, points) if dist._grid else climb(dist._log_prob, points)


def line_points(dist, components_first, deepest: int = 0):
    """Quantiles and modes of all components of a mixture in one dimension, (M, *batch, 1), ascending.

    Args:
        dist: The Mixture.
        components_first: The function of that name in `mixture`.
        deepest: The quantiles at probabilities exp(-32), exp(-64), ... exp(-2^deepest) of both tails are added.
    """
    levels = (np.arange(_LINE_LEVELS) + 0.5) / _LINE_LEVELS
    levels = np.concatenate([10.0 ** -np.arange(8.0, 2.0, -1.0), levels, 1.0 - 10.0 ** -np.arange(3.0, 7.0)])
    levels = numerics.as_tensor(np.log(levels))
    levels = ops.reshape(levels, (-1, *(1,) * (len(dist.batch_shape) + 2)))
    rest = numerics.log1mexp(levels)
    if deepest:
        deep = ops.reshape(numerics.as_tensor(-(2.0 ** np.arange(deepest, 4, -1))), (-1, *levels.shape[1:]))
        levels, rest = ops.concatenate([deep, levels, 0.0 * deep]), ops.concatenate([0.0 * deep, rest, deep])
    grid = dist._each(lambda group: group._quantile(levels, rest), axis=-2)
    peaks = ops.expand_dims(dist._each(lambda group: group._mode(), axis=-2), 0)
    points = ops.stop_gradient(ops.concatenate([grid, peaks], axis=0))  # (M, *batch, K, 1)
    return ops.sort(components_first(points), axis=0)


def climb(log_density, points):
    """The highest point of a density in one dimension, `(*batch, 1)`, by a golden-section search around the best of `points`.

    Args:
        log_density: A function from `(..., *batch, 1)` to `(..., *batch)`.
        points: Shape `(M, *batch, 1)`.
    """
    start = _highest(log_density, points)
    # the neighbours are other points: those of equal components come several times
    low = ops.max(ops.where(points < start, points, ops.min(points, axis=0)), axis=0)
    high = ops.min(ops.where(points > start, points, ops.max(points, axis=0)), axis=0)

    def narrow(low, high, i):
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        left = ops.expand_dims(log_density(a) >= log_density(b), -1)
        return ops.where(left, low, a), ops.where(left, b, high), i + 1

    @backend.graph
    def narrowed(low, high):
        ends = low, high, ops.convert_to_tensor(0, "int32")
        return ops.while_loop(lambda low, high, i: i < _LINE_STEPS, narrow, ends)[:2]

    low, high = narrowed(low, high)
    return _highest(log_density, ops.stack([start, 0.5 * (low + high)]))


def on_grid(dist, points):
    """The most probable outcome of a distribution on a grid, next to the most probable of `points` (M, *batch, 1), ascending."""
    step, _ = dist._grid
    points = ops.round(points / step)

    def log_prob(k):
        return ops.expand_dims(dist._log_prob(step * k), -1)

    index = ops.argmax(dist._log_prob(step * points), axis=0)
    last = points.shape[0] - 1
    low, high = _take(points, ops.maximum(index - 1, 0)), _take(points, ops.minimum(index + 1, last))
    found, _ = grid.best(lambda k: (log_prob(k), k), low, high)
    return _best(dist, step * ops.stack([_take(points, index), found]))


def in_space(dist):
    """The best mode that x ← (Σ r_k P_k)⁻¹ Σ r_k P_k μ_k reaches from the components' modes; r: responsibilities at x.

    `_pull` gives P_k and μ_k: the precision and the mean of a normal; for a family that is a normal of random precision, the
    expected precision given x. Each step raises the density (it is an EM step).
    """
    if dist._circular:
        step, out = _turn, lambda x: x
        x = dist._each(lambda group: group._mode(), axis=-2)
    else:
        logs = [group._modes_of_log for group in dist._groups]
        if any(logs) and not all(logs):
            name = type(dist._groups[logs.index(True)]).__name__
            raise ValueError(
                f"mode() of a mixture of {name} and other families needs event_size=1. Take a marginal first."
            )
        into, out = (ops.log, ops.exp) if any(logs) else (lambda x: x, lambda x: x)
        x = into(dist._each(lambda group: group._mode(), axis=-2))
        step = _pull_step
    x = ops.stop_gradient(ops.moveaxis(x, -2, 0))  # (K starts, *batch, D)
    starts = x

    def moving(x, before, i):
        return ops.any(ops.abs(x - before) > numerics.epsilon() * (ops.abs(x) + numerics.floor(0.0)))

    def move(x, before, i):
        return step(dist, x, out(x)), x, i + 1

    @backend.graph
    def moved(x):
        start = move(x, x, ops.convert_to_tensor(-1, "int32"))
        return ops.while_loop(moving, move, start, maximum_iterations=_SPACE_STEPS)[0]

    x = moved(x)
    return _best(dist, out(ops.concatenate([starts, x], axis=0)))


def _pull_step(dist, x, y):
    shares = ops.expand_dims(numerics.posterior(dist._log_joint(y)), -1)
    pulls = [(*group._pull(ops.expand_dims(y, -2)), group._pulls_by_matrix) for group in dist._groups]
    if not any(by_matrix for *_, by_matrix in pulls):
        precision = ops.concatenate(
            [ops.broadcast_to(p, (*ops.shape(y)[:-1], *p.shape[-2:])) for p, _, _ in pulls], axis=-2
        )
        loc = ops.concatenate(
            [ops.broadcast_to(loc, (*ops.shape(y)[:-1], *loc.shape[-2:])) for _, loc, _ in pulls], axis=-2
        )
        precision = precision * shares
        return ops.sum(precision * loc, axis=-2) / numerics.floor(ops.sum(precision, axis=-2))
    eye = ops.eye(dist.event_size, dtype=dist.dtype)
    total, pull, first = 0.0, 0.0, 0
    for p, loc, by_matrix in pulls:
        matrix = p if by_matrix else ops.expand_dims(p, -1) * eye
        share = shares[..., first : first + loc.shape[-2], :]
        first += loc.shape[-2]
        total = total + ops.sum(ops.expand_dims(share, -1) * matrix, axis=-3)
        pulled = ops.squeeze(ops.matmul(matrix, ops.expand_dims(loc, -1)), -1)
        pull = pull + ops.sum(share * pulled, axis=-2)
    return solve_positive(total, pull)


def _turn(dist, x, y):
    concentration, loc = dist.components._pull(ops.expand_dims(y, -2))
    pull = ops.expand_dims(numerics.posterior(dist._log_joint(y)), -1) * concentration
    return ops.arctan2(ops.sum(pull * ops.sin(loc), axis=-2), ops.sum(pull * ops.cos(loc), axis=-2))
