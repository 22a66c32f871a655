"""The predicted density of a row as points of a curve, which a picture draws: with peaks, atoms and counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from keras import ops

POINTS = 400  # of a density
LEVELS = np.linspace(
    0.001, 0.999, 40
)  # quantiles where a density is drawn as well: a needle may fall between the points
_BESIDE = np.float32(1e-30)  # smaller floats count as 0
_WIDE, _TIMES = 0.97, 3.0  # a peak on less than 3 % of the axis is cut where it is 3 times as high as all the rest


class Curve(NamedTuple):
    """What one row's target may be.

    Attributes:
        grid: Values of the target, ascending, `(P,)`.
        height: The density at each of them, or the probability of a count, `(P,)`.
        top: The height of the axis: the peak, unless that is a needle that would flatten all the rest.
        atoms: Values with a probability of their own, each with it.
        counted: Whether heights are probabilities of counts.
    """

    grid: np.ndarray
    height: np.ndarray
    top: float
    atoms: tuple[tuple[float, float], ...] = ()
    counted: bool = False


def curves_of(regressor, X, target: int = 0, levels=LEVELS, seen=None, span=None) -> list[Curve]:
    """The curve of one target for each row, of the predicted distribution, which no calibration changes.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        target: The place of the target.
        levels: Probabilities, ascending; the quantiles there are points of the curve, too.
        seen: Values `(N,)` that the axis must hold, such as what was observed.
        span: The first and the last value of each row, `(2, N)`; by default what holds the quantiles and `seen`.
    """
    belief = regressor._marginals(regressor._centred(X))[target]  # without the origin, which float32 would not hold
    inner = regressor._model_quantiles(X, levels)[:, target]
    seen = inner[:, 0] if seen is None else seen
    if regressor.outcome_.counted:
        return _counts(belief, inner, seen)
    if span is None:
        left, right = np.minimum(inner[:, 0], seen), np.maximum(inner[:, -1], seen)
        margin = 0.05 * (right - left)
        span = left - margin, right + margin
    return _densities(belief, inner, regressor.target_origin_[target], regressor.outcome_.atoms, span)


def _counts(belief, inner, seen) -> list[Curve]:
    first = np.floor(np.minimum(np.min(inner[:, 0]), np.min(seen)))
    values = np.arange(first, np.ceil(np.maximum(np.max(inner[:, -1]), np.max(seen))) + 1.0)
    values = values[:: 1 + len(values) // POINTS]
    points = np.broadcast_to(values[:, None, None], (len(values), len(seen), 1))
    probabilities = ops.convert_to_numpy(belief.prob(points.astype("float32")))
    found = []
    for row, value in enumerate(seen):
        shown = (values >= min(inner[row, 0], value) - 1) & (values <= max(inner[row, -1], value) + 1)
        height = probabilities[shown, row]
        found.append(Curve(values[shown], height, float(np.max(height)), counted=True))
    return found


def _densities(belief, inner, origin, atoms, span) -> list[Curve]:
    """The densities of a belief minus `origin`, whose quantiles are `inner` `(N, levels)`."""
    left, right = span
    even = np.linspace(left, right, POINTS)  # (points, rows)
    grids = np.concatenate([even, inner.T])
    points = (grids - origin).astype("float32")
    for atom in np.asarray(atoms, "float32"):  # a probability is no height of a density
        points = np.where(points == atom, np.maximum(np.nextafter(atom, np.float32("inf")), atom + _BESIDE), points)
    densities = ops.convert_to_numpy(belief.prob(points[..., None]))
    pins = [ops.convert_to_numpy(belief.prob(np.full((1,), atom, "float32"))) for atom in atoms]
    found = []
    for row in range(grids.shape[1]):
        order = np.argsort(grids[:, row], kind="stable")
        within = (even[:, row] >= inner[row, 0]) & (even[:, row] <= inner[row, -1])
        top = top_of(densities[:, row], densities[:POINTS, row][within])
        pinned = tuple((float(atom), float(pin[row])) for atom, pin in zip(atoms, pins, strict=True))
        found.append(Curve(grids[order, row], densities[order, row], top, pinned))
    return found


def top_of(density, even) -> float:
    """The height of the axis for a density.

    Args:
        density: Its values at all points.
        even: Its values at even points of the region that holds nearly all of the probability.
    """
    peak = float(np.max(density))
    rest = _TIMES * float(np.quantile(even, _WIDE)) if len(even) else peak
    return min(peak, rest) if rest > 0.0 else peak
