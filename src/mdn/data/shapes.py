"""The shapes of drawings: fewer points, evenly spaced points, distances between shapes, and random changes.

Drawings are stroke-3, as `mdn.data.strokes` says.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mdn.data.strokes import places_of

_VISITS = 5 * 10**7  # visits of points after which `simplify` is no longer exact: 10,000 points never need more


def simplify(drawing, epsilon: float) -> np.ndarray:
    """The drawing with fewer points; no point that is left out is farther than `epsilon` from the remaining line.

    Each stroke is cut where it is farthest from the straight line between its ends, if that is more than `epsilon`, and then
    each half in the same way; ends stay. Distances are to the segment between two points, not to its extension.

    Where that would take very long (more than 10,000 points of a shape that yields one point a cut), the rest is also cut in
    the middle: then more points stay than necessary.

    Args:
        drawing: Stroke-3 `(T, 3)`.
        epsilon: The tolerance, in the unit of the drawing.

    Raises:
        ValueError: if `epsilon` is not positive.

    Example:
        >>> from mdn.data import simplify
        >>> simplify([[1, 0, 0], [1, 0, 0], [0, 2, 1]], 0.1).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 1.0]]

    Reference:
        Ramer (1972), An iterative procedure for the polygonal approximation of plane curves; Douglas and Peucker (1973).
    """
    if not epsilon > 0:
        raise ValueError(f"`epsilon` must be positive, in the unit of the drawing, but {epsilon} came.")
    drawing = np.asarray(drawing, "float64")
    if not len(drawing):
        return drawing
    places = places_of(drawing)
    last = np.flatnonzero(drawing[:, 2] > 0.5) + 1
    first = np.concatenate([[0], last[:-1] + 1])
    kept = _farthest_cuts(places, first, last, epsilon)
    lift = np.zeros(len(places))
    lift[last] = 1.0
    return np.column_stack([np.diff(places[kept], axis=0), lift[kept][1:]])


def _farthest_cuts(places, starts, ends, epsilon) -> np.ndarray:
    """Which points stay. All pieces of one depth are cut at once, so that the number of rounds is the depth."""
    kept = np.zeros(len(places), bool)
    kept[starts] = kept[ends] = True
    visits = 0
    while True:
        long = ends - starts > 1
        starts, ends = starts[long], ends[long]
        if not len(starts):
            return kept
        inside = ends - starts - 1
        begin = np.cumsum(inside) - inside
        point = np.arange(inside.sum()) + np.repeat(starts + 1 - begin, inside)
        distance = _to_segment(places[point], np.repeat(places[starts], inside, 0), np.repeat(places[ends], inside, 0))
        largest = np.maximum.reduceat(distance, begin)
        at_largest = np.flatnonzero(distance == np.repeat(largest, inside))
        cut = point[at_largest[np.searchsorted(at_largest, begin)]]
        far = largest > epsilon
        starts, cut, ends = starts[far], cut[far], ends[far]
        kept[cut] = True
        starts, ends = np.concatenate([starts, cut]), np.concatenate([cut, ends])
        visits += len(point)
        if visits > _VISITS:
            middle = (starts + ends) // 2
            kept[middle] = True
            starts, ends = np.concatenate([starts, middle]), np.concatenate([middle, ends])


def _to_segment(points, start, end) -> np.ndarray:
    along, to = end - start, points - start
    squared = np.sum(along * along, axis=1)
    share = np.divide(np.sum(to * along, axis=1), squared, out=np.zeros(len(points)), where=squared > 0)
    rest = to - np.clip(share, 0.0, 1.0)[:, None] * along
    return np.hypot(rest[:, 0], rest[:, 1])


def resample(drawing, points: int) -> np.ndarray:
    """Places `(points, 2)` at equal distances along the path of the pen.

    The path includes moves through the air: places then change little when strokes become a little longer or shorter,
    while along the ink alone they would jump from one stroke to the next.

    Args:
        drawing: Stroke-3 `(T, 3)`.
        points: How many places.

    Example:
        >>> from mdn.data import resample
        >>> resample([[1, 0, 0], [3, 0, 1]], 3).tolist()
        [[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]
    """
    return evenly(places_of(drawing), points)


def evenly(line, points: int) -> np.ndarray:
    """Places `(points, 2)` at equal distances along a line `(n, 2)`, its ends among them if there are two or more."""
    line = np.asarray(line, "float64")
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0.0, way[-1], points)
    return np.column_stack([np.interp(at, way, line[:, 0]), np.interp(at, way, line[:, 1])])


def shape_distances(drawings: Iterable, others: Iterable, points: int = 64) -> np.ndarray:
    """How far apart the shapes of drawings are, whatever their place and size, shape `(len(drawings), len(others))`.

    Each drawing becomes `points` places at equal distances along the path of its pen, with mean 0 and mean square distance 1
    from there. The distance of two drawings is the root mean square distance of their places: 0 for a copy, about sqrt(2)
    for shapes that have nothing in common, 2 at most.

    Args:
        drawings: Stroke-3 `(T, 3)` each.
        others: Stroke-3 `(T, 3)` each.
        points: How many places each drawing becomes.

    Example:
        >>> from mdn.data import shape_distances
        >>> line, corner = [[2, 0, 0], [2, 0, 1]], [[2, 0, 0], [0, 2, 1]]
        >>> (shape_distances([line], [line, corner]) > 0.01).tolist()
        [[False, True]]
    """
    a, b = _normalised(drawings, points), _normalised(others, points)
    return np.sqrt(np.maximum(2.0 - 2.0 * (a @ b.T), 0.0))


def nearest(drawings: Iterable, others: Iterable, points: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each drawing to the nearest of `others`, as in `shape_distances`, and the index of that one.

    Args:
        drawings: Stroke-3 `(T, 3)` each.
        others: Stroke-3 `(T, 3)` each, at least one.
        points: How many places each drawing becomes.

    Returns:
        `(distances, indices)`, each of shape `(len(drawings),)`.

    Raises:
        ValueError: if there are no others.

    Example:
        >>> from mdn.data import nearest
        >>> line, corner = [[2, 0, 0], [2, 0, 1]], [[2, 0, 0], [0, 2, 1]]
        >>> nearest([line], [corner, line])[0].tolist()
        [0.0]
    """
    a, b = _normalised(drawings, points), _normalised(others, points)
    if not len(b):
        raise ValueError("the nearest drawing needs some to look among, but `others` is empty.")
    places = np.empty(len(a), "int64")
    for i in range(0, len(a), 512):
        places[i : i + 512] = np.argmax(a[i : i + 512] @ b.T, axis=1)
    return np.sqrt(np.mean((a - b[places]) ** 2, axis=1) * a.shape[1]), places


def _normalised(drawings: Iterable, points: int) -> np.ndarray:
    """Shapes as rows of length 1; the product of two rows is the cosine of their shapes."""
    shapes = np.array([resample(one, points) for one in drawings]).reshape(-1, points, 2)
    shapes = (shapes - shapes.mean(axis=1, keepdims=True)).reshape(len(shapes), 2 * points)
    size = np.linalg.norm(shapes, axis=1, keepdims=True)
    return np.divide(shapes, size, out=np.zeros_like(shapes), where=size > 0)


def augmented(
    drawing, rng: np.random.Generator, scale: float = 0.15, drop: float = 0.1, rotation: float = 0.0
) -> np.ndarray:
    """The drawing as another hand might have drawn it, stroke-3 `(T', 3)`.

    Args:
        drawing: Stroke-3 `(T, 3)`.
        rng: The generator of all random numbers.
        scale: Each axis is stretched by a factor from `1 - scale` to `1 + scale`.
        drop: The share of points inside of strokes that are left out; the offset to the next point then starts at the
            point before, so that all other points keep their places. First and last points of strokes stay.
        rotation: In radians; the drawing is turned by an angle from `-rotation` to `rotation`, after it was stretched.

    Example:
        >>> import numpy as np
        >>> from mdn.data import augmented
        >>> augmented([[3.0, 0, 0], [0, 3.0, 1]], np.random.default_rng(0), drop=0.0).shape
        (2, 3)
    """
    drawing = np.asarray(drawing, "float64")
    offsets, lift = drawing[:, :2], drawing[:, 2]
    if drop:
        begins = np.concatenate([[0.0], lift[:-1]]) > 0.5
        kept = (lift > 0.5) | begins | (rng.random(len(drawing)) >= drop)
        offsets, lift = np.diff(np.cumsum(offsets, axis=0)[kept], axis=0, prepend=0.0), lift[kept]
    offsets = offsets * rng.uniform(1.0 - scale, 1.0 + scale, 2)
    if rotation:
        angle = rng.uniform(-rotation, rotation)
        offsets = offsets @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.column_stack([offsets, lift])
