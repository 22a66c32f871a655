"""Drawings as a network sees them: events of an offset and a pen, the end of the drawing one of them.

A drawing is stroke-3, an array `(T, 3)` of dx, dy and lift (1 on the last point of a stroke), the pen down at the origin before
it, as `mdn.data.read_drawings` gives it. Its events are `(T + 1, 3)`: dx and dy in the unit of the data set, and the pen, 0 down,
1 lift, 2 end. The last event is the end; it has no offset (NaN: missing), so it is judged by its pen alone.
"""

from __future__ import annotations

import numpy as np

DOWN, LIFT, END = 0, 1, 2
_FAR = 8.0  # a drawing of few long strokes is up to six times as large as the rest of its set


def events(drawing, scale: float, grid: float = 0.0, rng: np.random.Generator | None = None) -> np.ndarray:
    """Events `(T + 1, 3)` of a drawing `(T, 3)`.

    Args:
        drawing: Stroke-3.
        scale: What offsets are divided by.
        grid: The step of the grid on which offsets lie, 1 for integers, 0 for none.
        rng: Spreads offsets over the cells of the grid; without it they stay as they are.
    """
    drawing = np.asarray(drawing, "float64")
    offsets = drawing[:, :2]
    if rng is not None and grid:
        offsets = offsets + rng.uniform(-0.5 * grid, 0.5 * grid, offsets.shape)
    pens = np.where(drawing[:, 2] > 0.5, LIFT, DOWN)
    rows = np.column_stack([offsets / scale, pens])
    return np.concatenate([rows, [[np.nan, np.nan, END]]]).astype("float32")


def drawing(events, scale: float) -> np.ndarray:
    """The drawing `(T, 3)` of events; what comes after the end is left out, and its last point lifts the pen."""
    events = np.asarray(events, "float64")
    ends = np.flatnonzero(events[:, 2] == END)
    points = events[: ends[0]] if len(ends) else events
    lifts = (points[:, 2] == LIFT).astype("float64")
    lifts[-1:] = 1.0
    return np.column_stack([points[:, :2] * scale, lifts])


def check_scale(drawing, scale: float) -> None:
    """Raises a ValueError if offsets are so much larger or smaller than `scale` that the drawing must be in another unit."""
    size = float(np.sqrt(np.mean(np.square(np.asarray(drawing, "float64")[:, :2]))))
    if size and not scale / _FAR < size < scale * _FAR:
        raise ValueError(
            f"offsets of the drawing are {size:.3g} long, those the network learnt from {scale:.3g}: the drawing is in another "
            "unit, or of another data set. Scale it, or take the network of its data set."
        )


def grid_of(drawings) -> float:
    """1 if all offsets are integers, as in files of short integers; else 0."""
    return float(all(np.array_equal(one[:, :2], np.round(one[:, :2])) for one in drawings))
