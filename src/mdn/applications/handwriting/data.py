"""Lines as a network sees them: resampled, each in its own frame, as events of an offset and an action of the pen.

A line is stroke-3, an array `(T, 3)` of dx, dy and lift, y downwards, as `mdn.data.read_handwriting` returns it. Its events
are `(T, 3)`: dx and dy in the frame of the line, and what the pen does after the move: 0 goes on, 1 lifts, 2 ends the line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdn.data import from_lines, to_lines
from mdn.data.shapes import evenly

DOWN, LIFT, END = 0, 1, 2
"""What the pen does after a move."""

_PAIRS = 200  # how many low points the slope of a line is measured from, at most
_ROUNDS = 5  # the slant is measured so often: which moves count as upright depends on it


# ---- fewer points ----------------------------------------------------------------------------------------------------


def resampled(line, points: int) -> np.ndarray:
    """The line with about `points` points, at equal distances along the ink; stroke-3 `(T', 3)`.

    Each stroke keeps its two ends, so that no lift is lost or moved; a stroke shorter than a step becomes one step, and a
    stroke without length stays a dot. Repeated points are dropped.

    Args:
        line: Stroke-3 `(T, 3)`.
        points: How many points for the whole line; 15 to 20 for each character of its text work well.

    Raises:
        ValueError: if `points` is less than 2.
    """
    if points < 2:
        raise ValueError(f"`points` must be at least 2, but {points} came.")
    strokes = to_lines(line)
    lengths = np.array([np.sum(np.hypot(*np.diff(stroke, axis=0).T)) for stroke in strokes])
    drawn = int(np.sum(lengths > 0))
    share = lengths / (lengths.sum() or 1.0)
    steps = np.maximum(1, np.round(share * max(points - drawn, 1))).astype(int)
    return from_lines(
        evenly(stroke, step + 1) if length > 0 else stroke[:1]
        for stroke, length, step in zip(strokes, lengths, steps, strict=True)
    )


# ---- frames ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Frame:
    """How a line becomes numbers of about 1 in size, and back: offsets (dx, dy) as a column are multiplied by `matrix`.

    Attributes:
        matrix: Shape `(2, 2)`: a multiple of the identity for a scale alone; a shear and a rotation for `upright` and `level`.
    """

    matrix: np.ndarray

    @cached_property
    def log_jacobian(self) -> float:
        """log |det matrix|: add it to the log density of an event to get that of the offset in the line's own unit."""
        return float(np.linalg.slogdet(self.matrix)[1])

    def apply(self, line) -> np.ndarray:
        """Stroke-3, from the line's own unit into the frame."""
        line = np.asarray(line, "float64")
        return np.column_stack([line[:, :2] @ self.matrix.T, line[:, 2]])

    def undo(self, line) -> np.ndarray:
        """Stroke-3, from the frame back into the line's own unit."""
        return Frame(np.linalg.inv(self.matrix)).apply(line)


def median_step(line) -> float:
    """The median length of moves that draw; moves of length 0 are left out."""
    length = _drawn_lengths(line)
    return float(np.median(length[length > 0]))


def offset_std(line) -> float:
    """The standard deviation of all dx and dy together, those of moves through the air included."""
    return float(np.std(np.asarray(line, "float64")[:, :2]))


def frame_of(
    line, size: Callable[[np.ndarray], float] = median_step, *, upright: bool = False, level: bool = False
) -> Frame:
    """The frame of a line, in which `size(line)` is 1.

    Args:
        line: Stroke-3 `(T, 3)`; dots alone make no line.
        size: `median_step`, `offset_std`, or a function of the line, which is levelled and sheared first.
        upright: Remove the slant, by a shear.
        level: Turn the line so that its base line is level.

    Raises:
        ValueError: if the line has no size: nothing in it is drawn.
    """
    line = np.asarray(line, "float64")
    if not _drawn_lengths(line).any():
        raise ValueError("a line needs at least one stroke with a length, but it has only dots.")
    matrix = np.eye(2)
    if level:
        angle = np.arctan(base_line(line)[0])
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if upright:
        matrix = np.array([[1.0, slant(Frame(matrix).apply(line))], [0.0, 1.0]]) @ matrix
    return Frame(matrix / size(Frame(matrix).apply(line)))


def _drawn_lengths(line) -> np.ndarray:
    """The lengths of moves that draw."""
    line = np.asarray(line, "float64")
    drawn = np.concatenate([[True], line[:-1, 2] <= 0.5])
    return np.hypot(line[drawn, 0], line[drawn, 1])


def slant(line) -> float:
    """How far letters lean to the right: the tangent of the angle of their upright moves; 0 if no move is upright."""
    line = np.asarray(line, "float64")
    drawn = np.concatenate([[True], line[:-1, 2] <= 0.5])
    across, down = line[drawn, 0], line[drawn, 1]
    lean = 0.0
    for _ in range(_ROUNDS):
        straight = np.abs(across + lean * down) < np.abs(down)
        weight = np.sum(down[straight] ** 2)
        if not weight:
            return 0.0
        lean = -float(np.sum(across[straight] * down[straight]) / weight)
    return lean


def base_line(line) -> tuple[float, float, float]:
    """(slope, height, x-height) of the line that letters stand on.

    The line goes through the local low points of strokes. Its slope is the median slope between pairs of them (Theil and Sen),
    which tails below the line do not disturb. `height` is the y of the line at x = 0, downwards from the start of the pen; the
    x-height is how far above the line the local high points are in the median.
    """
    lows, highs = [], []
    for stroke in to_lines(line):
        turns = np.diff(stroke[:, 1])
        rise = np.concatenate([[1.0], turns[turns != 0], [-1.0]])  # both ends of a stroke may be low points
        places = np.concatenate([stroke[:1], stroke[1:][turns != 0]])
        lows.append(places[(rise[:-1] > 0) & (rise[1:] < 0)])
        fall = np.concatenate([[-1.0], turns[turns != 0], [1.0]])
        highs.append(places[(fall[:-1] < 0) & (fall[1:] > 0)])
    low, high = np.concatenate(lows), np.concatenate(highs)
    chosen = low[np.linspace(0, len(low) - 1, min(len(low), _PAIRS)).round().astype(int)]
    apart = chosen[None] - chosen[:, None]
    far = apart[..., 0] > 0.1 * max(float(np.ptp(low[:, 0])), 1.0)
    slope = float(np.median(apart[far, 1] / apart[far, 0])) if far.any() else 0.0
    height = float(np.median(low[:, 1] - slope * low[:, 0]))
    above = height - np.median(high[:, 1] - slope * high[:, 0])
    return slope, height, float(above) if above > 0 else float(np.ptp(np.concatenate(to_lines(line))[:, 1]))


# ---- events ----------------------------------------------------------------------------------------------------------


def events(line, frame: Frame, grid: float = 0.0, rng: np.random.Generator | None = None) -> np.ndarray:
    """Events `(T, 3)` of a line `(T, 3)`, float32; the last one ends it.

    Args:
        line: Stroke-3, in its own unit.
        frame: That of the line, see `frame_of`.
        grid: The step of the grid on which its offsets lie, 1 for integers, 0 for none.
        rng: Spreads offsets over the cells of the grid; without it they stay as they are.
    """
    line = np.array(line, "float64")
    if rng is not None and grid:
        line[:, :2] += rng.uniform(-0.5 * grid, 0.5 * grid, (len(line), 2))
    events = frame.apply(line).astype("float32")
    events[-1:, 2] = END
    return events


def ink(events, frame: Frame) -> np.ndarray:
    """The line `(T, 3)` of events `(T, 3)`; its last point lifts the pen. Without events the line is empty, `(0, 3)`."""
    line = frame.undo(np.asarray(events, "float64").reshape(-1, 3))
    line[:, 2] = line[:, 2] > 0.5
    line[-1:, 2] = 1.0
    return line
