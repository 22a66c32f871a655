"""Regions of highest density: the smallest set with a probability, which is several intervals where a density has several peaks.

The region of coverage c is {y: f(y) >= t}, with t such that its probability is c. The line is cut where the density turns, so
that it crosses t once at most in each cell. Edges are found by a search in these cells, and probabilities are differences of
the distribution function: nothing is summed over a grid.

Reference:
    Hyndman (1996), Computing and graphing highest density regions.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import modes
from mdn.distributions.circular import Circular, arcs
from mdn.distributions.component import Component
from mdn.distributions.mixture import Mixture, as_mixture, components_first
from mdn.distributions.spiked import Spiked
from mdn.distributions.transformed import Transformed
from mdn.few_shapes import fitting

_ZOOM = 16  # parts of the range of a turn, of which 2 are left
_ZOOMS = 3  # the height of the turn is then exact to float precision
_HALVINGS = (
    6  # a cell, which holds a 64th of a component, is halved so often; secants between halvings reach float precision
)
_LEVEL_HALVINGS = 6  # the bracket of the log density at the edges, one cell wide, is halved so often, with secants, too
_CLOSE = 2e-7  # probabilities that differ by no more are equal: float32 knows them to 1e-7
_SLIVER = 1e-6  # probability of a gap or an interval that is rounding alone
_PLACES = (
    4,
    16,
    64,
    *(2**power for power in range(7, 21)),
)  # how many places a call computes: each number is compiled once


def highest_density_region(distribution, coverage: float) -> np.ndarray:
    """The smallest set that holds `coverage` of the probability: disjoint intervals, one for each peak that is high enough.

    Of a `Spiked`, atoms come first, the most probable one before the others, as intervals of width 0, since a point is the
    smallest set there is. Of angles, a region that holds ±π is two intervals; of a `Circular` it is one arc, whose
    upper end may lie beyond the range.

    Args:
        distribution: A family, a Mixture, a Transformed, a Spiked or a Circular of one number for each point of the batch.
        coverage: A number in (0, 1): 0.9 for 90 %.
    Returns:
        Shape `(*batch, M, 2)`, NumPy: lower and upper ends in ascending order. M is the largest number of intervals in the
        batch; the rows of the others end in NaN.
    Raises:
        ValueError: if there is no density on the line, D > 1, or `coverage` does not lie between 0 and 1.
    Reference:
        Hyndman (1996), Computing and graphing highest density regions.

    Example:
        >>> import mdn
        >>> mix = mdn.Mixture([0.0, 0.0], mdn.Normal([[-5.0], [5.0]], [[1.0], [1.0]]))
        >>> mdn.highest_density_region(mix, 0.9).round(2).tolist()
        [[-6.64, -3.36], [3.36, 6.64]]
    """
    if not isinstance(coverage, float | np.floating) or not 0.0 < coverage < 1.0:
        raise ValueError(f"`coverage` must be a number between 0 and 1, such as 0.9, but {coverage!r} came.")
    return region(distribution, np.full(distribution.batch_shape, coverage))


def region(distribution, coverage: np.ndarray) -> np.ndarray:
    """`highest_density_region` with a coverage in [0, 1] for each point of the batch, of shape `(*batch,)`."""
    _check_density(distribution)
    if isinstance(distribution, Circular):
        _, turned = distribution._run(distribution._turned)
        return arcs(distribution, region(turned, coverage))
    batch, coverage = distribution.batch_shape, np.asarray(coverage, "float64").reshape(-1)
    spiked = isinstance(distribution, Spiked)
    atoms, weights = _atoms(distribution) if spiked else (np.zeros(0), np.zeros((len(coverage), 0)))
    taken = _above(weights) - weights < coverage[:, None]  # what is more probable does not hold the coverage yet
    left = coverage - np.sum(np.where(taken, weights, 0.0), axis=1)
    profile = Profile(distribution.base if spiked else distribution)
    lower, upper = profile.intervals(profile.threshold(left / (1.0 - weights.sum(axis=1))))
    lower, upper = (np.where(left > 0.0, ends, np.nan) for ends in (lower, upper))
    points = np.where(taken, atoms, np.nan).T
    inside = ((lower[:, None] <= points) & (points <= upper[:, None])).any(axis=0)
    points = np.where(inside, np.nan, points)
    found = np.stack([np.concatenate([lower, points]), np.concatenate([upper, points])], axis=-1)
    found = np.take_along_axis(found, np.argsort(found[..., :1], axis=0), axis=0)  # NaN comes last
    found = found[: max(1, int((~np.isnan(found[..., 0])).sum(axis=0).max(initial=0)))]
    return np.moveaxis(found, 0, 1).reshape(*batch, len(found), 2)


def density_rank(distribution, y: np.ndarray) -> np.ndarray:
    """P(f(Y) >= f(y)): the coverage of the smallest region of highest density that holds `y`.

    Args:
        distribution: As in `highest_density_region`.
        y: Shape `(*batch,)`.
    Returns:
        Shape `(*batch,)`, float64.
    Raises:
        ValueError: as `highest_density_region` does.
    """
    _check_density(distribution)
    if isinstance(distribution, Circular):
        turns = np.asarray(y, "float64") / distribution.period
        return density_rank(distribution.base, 2.0 * np.pi * initializers.short_way(turns, 1.0))
    batch, y = distribution.batch_shape, np.asarray(y, "float64").reshape(-1)
    if not isinstance(distribution, Spiked):
        return Profile(distribution).rank(y).reshape(batch)
    atoms, weights = _atoms(distribution)
    hit, total = y[:, None].astype("float32") == atoms.astype("float32"), weights.sum(axis=1)
    beside = total + (1.0 - total) * Profile(distribution.base).rank(y)
    return np.where(hit.any(axis=1), np.sum(np.where(hit, _above(weights), 0.0), axis=1), beside).reshape(batch)


def has_density(distribution) -> bool:
    """Whether a distribution has a density on the line, beside which it may have atoms: else no region is highest."""
    kinds = Component | Mixture | Transformed | Spiked | Circular
    return isinstance(distribution, kinds) and not distribution._discrete and not distribution._grid


def _check_density(distribution) -> None:
    if not has_density(distribution):
        raise ValueError(
            "highest_density_region() needs a family, a Mixture, a Transformed, a Spiked or a Circular with a density on the "
            f"line, but {distribution._kind()} came."
        )
    distribution._require_line("highest_density_region")


def _atoms(spiked: Spiked) -> tuple[np.ndarray, np.ndarray]:
    """(the atoms, their probabilities `(B, A)`)."""
    weights = np.asarray(ops.convert_to_numpy(spiked.atom_probs), "float64")
    return np.asarray(spiked.atoms, "float64"), weights.reshape(-1, len(spiked.atoms))


def _above(weights: np.ndarray) -> np.ndarray:
    """The probability of all atoms that are as probable as each one, or more, `(B, A)`; of equal ones, the first comes first."""
    order = np.argsort(-weights, axis=1, kind="stable")
    return np.take_along_axis(
        np.cumsum(np.take_along_axis(weights, order, 1), axis=1), np.argsort(order, axis=1, kind="stable"), 1
    )


class Profile:
    """The densities of a batch on cells of the line in which they only rise or only fall.

    Arrays are NumPy, float64, with the whole batch as the last axis: places `(M, B)`, ascending, and log densities there.

    Args:
        distribution: A family, a Mixture or a Transformed of one number.
    """

    def __init__(self, distribution):
        self._distribution = distribution
        x = _numbers(_line_points(distribution))
        ends = _numbers(distribution.quantile(np.array([0.0, 1.0], "float32")))
        height = self._log_density(x)
        x, height = self._with_turns(x, height)
        # A support that ends is held to its end, although a density may have no value there
        low, high = (np.where(np.isfinite(end), end, x[at]) for end, at in zip(ends, (0, -1), strict=True))
        self._x, self._height = np.vstack([low, x, high]), np.vstack([height[:1], height, height[-1:]])

    def _at(self, method, x: np.ndarray) -> np.ndarray:
        """A method of the distribution at places `(n, B)`, padded to few numbers of them, since each is compiled anew."""
        padded = np.resize(x, (fitting(len(x), _PLACES), x.shape[1]))
        points = padded.reshape(-1, *self._distribution.batch_shape, 1).astype(numerics.float_dtype())
        return _numbers(method(points))[: len(x)].reshape(x.shape)

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        return numerics.as_features(self._at(self._distribution.log_prob, x))

    def _with_turns(self, x: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`x` and `height` with the places added where the density turns, found by zooms around those of the points."""
        trend = np.sign(height[1:] - height[:-1])
        last = np.maximum.accumulate(np.where(trend != 0.0, np.arange(len(trend))[:, None], 0), axis=0)
        trend = np.take_along_axis(trend, last, axis=0)  # where points are equal, it goes on
        at, known = _true_places(trend[:-1] * trend[1:] < 0.0)
        if not len(at):
            return x, height
        sign = np.take_along_axis(trend, at, axis=0)
        low = np.take_along_axis(x, np.take_along_axis(last, at, axis=0), axis=0)
        high = np.where(known, np.take_along_axis(x, at + 2, axis=0), low)
        parts = np.linspace(0.0, 1.0, _ZOOM + 1)[:, None, None]
        for _ in range(_ZOOMS):
            places = low + parts * (high - low)
            heights = self._log_density(places.reshape(-1, x.shape[1])).reshape(places.shape)
            best = np.argmax(sign * heights, axis=0)[None]
            low, turn, high = (
                np.take_along_axis(places, np.clip(best + step, 0, _ZOOM), axis=0)[0] for step in (-1, 0, 1)
            )
        x = np.vstack([x, turn])
        order = np.argsort(x, axis=0)
        height = np.vstack([height, np.take_along_axis(heights, best, axis=0)[0]])
        return np.take_along_axis(x, order, axis=0), np.take_along_axis(height, order, axis=0)

    def _edges(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends `(M, B)` of the intervals where the log density is `level` `(B,)` or more; NaN beyond the last."""
        inside = self._height >= level
        outside = np.zeros_like(inside[:1])
        first, known = _true_places(inside & ~np.vstack([outside, inside[:-1]]))
        final, _ = _true_places(inside & ~np.vstack([inside[1:], outside]))
        within = np.vstack([first, final])
        beyond = np.vstack([np.maximum(first - 1, 0), np.minimum(final + 1, len(self._x) - 1)])
        (a, b), (low, high) = (
            [np.take_along_axis(values, side, axis=0) for side in (beyond, within)]
            for values in (self._x, self._height)
        )

        def secant():
            with np.errstate(divide="ignore", invalid="ignore"):
                share = (level - low) / (high - low)
            return a + np.where((low < level) & (high >= level), share, 0.5) * (b - a)

        for step in range(2 * _HALVINGS if len(within) else 0):
            x = secant() if step % 2 else 0.5 * a + 0.5 * b
            found = self._log_density(x)
            holds = found >= level
            a, low = np.where(holds, a, x), np.where(holds, low, found)
            b, high = np.where(holds, x, b), np.where(holds, found, high)
        ends = np.where(np.vstack([known, known]), secant(), np.nan)
        return ends[: len(first)], ends[len(first) :]

    def _masses(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """The probability of each interval, 0 for those that are NaN, `(M, B)`."""
        if not len(lower):
            return np.zeros(lower.shape)
        below, up_to = np.split(self._at(self._distribution.cdf, np.nan_to_num(np.vstack([lower, upper]))), 2)
        return np.where(np.isnan(lower), 0.0, up_to - below)

    def threshold(self, coverage: np.ndarray) -> np.ndarray:
        """The log density at the edges of the regions that hold `coverage` `(B,)`."""
        mass = np.diff(self._at(self._distribution.cdf, self._x), axis=0)
        pair = self._height[:-1], self._height[1:]
        # At a level, cells that lie above it wholly hold no more than the region does, and those that reach it no less
        high = _passed(np.maximum(*pair), mass, coverage)
        low = np.minimum(_passed(np.minimum(*pair), mass, coverage), high)

        def held(level):
            return self._masses(*self._edges(level)).sum(axis=0)

        most, least = held(low), held(high)
        for step in range(2 * _LEVEL_HALVINGS):
            with np.errstate(divide="ignore", invalid="ignore"):
                share = (most - coverage) / (most - least)
            secant = (step % 2 == 1) & (share > 0.0) & (share < 1.0)
            middle = low + np.where(secant, share, 0.5) * (high - low)
            mass = held(middle)
            enough = mass >= coverage
            low, most = np.where(enough, middle, low), np.where(enough, mass, most)
            high, least = np.where(enough, high, middle), np.where(enough, least, mass)
        # Secants may come to the root from one side; a level between a peak and its neighbours has no root at all
        return np.where(least >= coverage - _CLOSE, high, low)

    def intervals(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`_edges` without gaps and intervals that are the rounding of a density that is nearly flat."""
        lower, upper = self._edges(level)
        mass = self._masses(lower, upper)
        small = mass <= _SLIVER * mass.sum(axis=0)
        lower, upper = (np.sort(np.where(small, np.nan, ends), axis=0) for ends in (lower, upper))
        joined = self._masses(upper[:-1], lower[1:]) <= _SLIVER
        joined &= ~np.isnan(lower[1:])
        lower[1:][joined] = upper[:-1][joined] = np.nan
        return np.sort(lower, axis=0), np.sort(upper, axis=0)

    def rank(self, y: np.ndarray) -> np.ndarray:
        """The probability of the region whose edges are as high as the density at `y` `(B,)`; NaN where `y` is."""
        level = self._log_density(np.nan_to_num(y)[None])[0]
        return np.where(np.isnan(y), np.nan, np.minimum(self._masses(*self._edges(level)).sum(axis=0), 1.0))


@backend.compiled
def _line_points(distribution):
    """Quantiles and modes of all components, `(M, *batch, 1)`, ascending."""
    if isinstance(distribution, Transformed):
        points = numerics.finite_place(modes.line_points(distribution._mixture(), components_first))
        return distribution.bijection.forward(points)
    mixture = distribution if isinstance(distribution, Mixture) else as_mixture(distribution)
    return numerics.finite_place(modes.line_points(mixture, components_first))


def _numbers(tensor) -> np.ndarray:
    """`(n, *batch)` or `(n, *batch, 1)` as float64 `(n, B)`."""
    found = np.asarray(ops.convert_to_numpy(tensor), "float64")
    return found.reshape(len(found), -1)


def _true_places(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the row of each true entry, in each column from above, `(P, B)`; whether it is one: columns with fewer end in 0)."""
    counts = mask.sum(axis=0)
    rows = np.nonzero(mask.T)[1]
    known = np.arange(counts.max(initial=0))[:, None] < counts
    places = np.zeros(known.shape, int)
    places.T[known.T] = rows
    return places, known


def _passed(height: np.ndarray, mass: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The height of the cell with which the masses of cells, the highest first, add up to `coverage`, `(B,)`."""
    order = np.argsort(-height, axis=0)
    held = np.cumsum(np.take_along_axis(mass, order, axis=0), axis=0)
    last = np.minimum(np.sum(held < coverage, axis=0), len(height) - 1)
    return np.take_along_axis(np.take_along_axis(height, order, axis=0), last[None], axis=0)[0]
