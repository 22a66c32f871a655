"""Events: a performance as recorded, and as the network sees it.

A performance is an array `(T, 1 + N)`: dt, the seconds since the event before, and N values in [0, 1]. The network sees which
values moved, how far (NaN for those that did not), and log dt. Its first event is a move of all values from 0, so that the moves
add up to the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST = 16
"""Values of an instrument."""
SHORTEST, LONGEST = 0.0004, 60.0
"""Seconds between two events: shorter and longer times are held to these."""
FINEST = 1024
"""Steps from 0 to 1 of values on which no coarser grid is found."""
PIECE = 400
"""Events: longer performances are cut, so that a network also learns to begin."""
PATTERNS_UP_TO = 4
"""Up to so many values, what moved is one of 2^N patterns; with more values, N bits."""
_GRIDS = (100, 127, 128, 255, 256, 1000, 1023)  # steps of decimals, and of numbers of 7, 8 and 10 bits
_NEAR = 0.01  # of a step: how far rounding moves a value of float32


def clipped(performance) -> np.ndarray:
    """A performance with dt in [0.0004, 60] and values in [0, 1]."""
    kept = np.array(performance, "float64")
    for part, least, most in ((kept[:, :1], SHORTEST, LONGEST), (kept[:, 1:], 0.0, 1.0)):
        # np.clip takes ten times as long for a single event, of which a live instrument has thousands a second
        np.minimum(np.maximum(part, least, out=part), most, out=part)
    return kept


def cut(performances: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Performances in pieces of `PIECE` events at most, of about one length."""
    return [piece for one in performances for piece in np.array_split(one, -(-len(one) // PIECE))]


def grid(performances: Sequence[np.ndarray]) -> list[int]:
    """How many steps each value has from 0 to 1: 127 for MIDI, 128 for IMPSY; `FINEST` where no grid is found.

    Args:
        performances: Arrays `(T, 1 + N)`.
    """
    values = np.concatenate([one[:, 1:] for one in performances])
    return [_steps(np.unique(column)) for column in values.T]


def _steps(values: np.ndarray) -> int:
    for steps in _GRIDS:
        if np.abs(values * steps - np.round(values * steps)).max() < _NEAR:
            return steps
    return FINEST


def as_events(
    performance, steps: Sequence[int] | np.ndarray, rng: np.random.Generator | None = None, before=None
) -> np.ndarray:
    """Events `(T, moved + N + 1)` of a performance `(T, 1 + N)`: what moved, how far, and log dt.

    Args:
        performance: dt and values.
        steps: From `grid`; a value that stays within its step has not moved.
        rng: Spreads each value that moved uniformly over its step, since a density of values on a grid would rise without bound.
        before: The values before the first event; if there are none, all values move at the first event, from 0.
    """
    performance = clipped(performance)
    places = np.rint(performance[:, 1:] * steps)
    moves = places.copy()
    moves[1:] -= places[:-1]
    if before is not None:
        moves[0] -= np.rint(before * np.asarray(steps))
    moved = moves != 0.0
    moved[0] |= before is None
    if rng is not None:
        moves = moves + rng.uniform(-0.5, 0.5, moves.shape)
    found = [as_code(moved.astype("float64")), np.where(moved, moves / steps, np.nan), np.log(performance[:, :1])]
    return np.concatenate(found, axis=1).astype("float32")


def as_performance(events, steps: Sequence[int] | np.ndarray, before=None) -> np.ndarray:
    """The inverse of `as_events`, to the step.

    Args:
        events: `(T, moved + N + 1)`.
        steps: From `grid`.
        before: The values before the first event; 0 if there are none.
    """
    events = np.asarray(events, "float64")
    steps = np.asarray(steps)
    before = np.zeros(len(steps)) if before is None else np.asarray(before, "float64")
    moves = events[:, -1 - len(steps) : -1]
    moves = np.rint(np.where(np.isnan(moves), 0.0, moves) * steps)
    values = (np.rint(before * steps) + np.cumsum(moves, axis=0)) / steps
    return clipped(np.concatenate([np.exp(np.minimum(events[:, -1:], 99.0)), values], axis=1))


def as_code(moved, matmul=np.matmul):
    """What moved, as the network predicts it: bits `(T, N)`, or for few values the number of the pattern `(T, 1)`.

    Args:
        moved: Whether each value moved, `(T, N)`; tensors of 0 and 1, too.
        matmul: `keras.ops.matmul` for tensors.
    """
    size = moved.shape[-1]
    if size > PATTERNS_UP_TO:
        return moved
    return matmul(moved, (2.0 ** np.arange(size)[:, None]).astype("float32"))


def as_moved(events, size: int, concatenate=np.concatenate):
    """The inverse of `as_code`: whether each value moved, `(..., N)`.

    Args:
        events: `(..., moved + N + 1)`; tensors, too.
        size: N.
        concatenate: `keras.ops.concatenate` for tensors.
    """
    if size > PATTERNS_UP_TO:
        return events[..., :size] > 0.5
    return concatenate([events[..., :1] // 2.0**bit % 2.0 > 0.5 for bit in range(size)], axis=-1)
