"""Touches: performances as they were recorded, and as the network sees them.

A performance is an array `(T, 3)` of touches: x and y in [0, 1] (y grows downwards, as on a screen) and dt, the seconds since the
touch before. The network sees events `(T, 3)`: how far x and y moved, and log dt. Its first event is a move from the corner
(0, 0), so that the moves add up to the place.
"""

from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path

import numpy as np

from mdn.data import read_object_arrays

LONGEST = 5.0  # seconds, of a performance and of a pause
SHORTEST = 0.001
TAP = 0.1  # seconds of pause before a touch that begins a new swipe
PLACE_NOISE, TIME_NOISE = 0.0005, 0.02  # half the width of the cells that recorded values stand for; of log dt
_COLUMNS = ("time", "x", "y")


def read_performances(path) -> list[np.ndarray]:
    """Performances from a file.

    Args:
        path: A .npz file of object arrays of touches (TinyPerformanceArrays.npz), a .csv of one performance as MicroJam writes
            it (a header with time, x and y), or a .log of IMPSY (lines of timestamp, source, values), which is cut where
            nobody played for five seconds; a touch all by itself is left out.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of these; a bad line is named by its number.
    """
    path = Path(path)
    if path.suffix == ".npz":
        found = [one for array in read_object_arrays(path).values() for one in array.flat]
        return [_clipped(one, f"{str(path)!r}: performance {i}: ") for i, one in enumerate(found)]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {str(path)!r}.") from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{str(path)!r} is no text. Performances are a .npz, a .csv of MicroJam or a .log of IMPSY."
        ) from None
    if not any(line.strip() for line in lines):
        raise ValueError(f"{str(path)!r} is empty.")
    if all(name in lines[0] for name in _COLUMNS):
        return [_micro_jam(path, lines)]
    return _impsy(path, lines)


def _micro_jam(path, lines) -> np.ndarray:
    header = [cell.strip() for cell in next(csv.reader(lines[:1]))]
    places = [header.index(name) for name in _COLUMNS]
    rows = []
    for number, cells in enumerate(csv.reader(lines[1:]), start=2):
        if not cells:
            continue
        try:
            rows.append([float(cells[place]) for place in places])
        except (ValueError, IndexError):
            raise ValueError(f"{str(path)!r}: line {number} has no time, x and y: {','.join(cells)!r}.") from None
    if not rows:
        raise ValueError(f"{str(path)!r} has no touch below its header.")
    return _from_times(path, np.array(rows))


def _impsy(path, lines) -> list[np.ndarray]:
    rows = []
    for number, cells in enumerate(csv.reader(lines), start=1):
        if not cells:
            continue
        try:
            when, source, (x, y) = datetime.datetime.fromisoformat(cells[0]), cells[1].strip(), map(float, cells[2:])
        except (ValueError, IndexError):
            raise ValueError(
                f"{str(path)!r}: line {number} is no timestamp, source and two values, such as "
                f"2026-01-31T12:00:00.5,interface,0.25,0.75, but {','.join(cells)!r}. Delete it if the recording broke off there."
            ) from None
        if source not in ("interface", "user", "rnn", "prediction"):
            raise ValueError(f"{str(path)!r}: line {number} names the source {source!r}; known are interface and rnn.")
        if source in ("interface", "user"):
            rows.append([when.timestamp(), x, y])
    if not rows:
        raise ValueError(f"{str(path)!r} holds no event of a player.")
    touches = np.array(rows)
    steps = np.diff(touches[:, 0])
    cuts = np.flatnonzero((steps > LONGEST) | (steps < 0.0)) + 1  # a clock that was set back begins a new one
    return [_from_times(path, part) for part in np.split(touches, cuts) if len(part) > 1]


def _from_times(path, rows: np.ndarray) -> np.ndarray:
    dt = np.diff(rows[:, 0], prepend=rows[0, 0])
    if np.any(dt < 0):
        raise ValueError(f"{str(path)!r}: time goes back at event {int(np.argmax(dt < 0)) + 1}.")
    return _clipped(np.stack([rows[:, 1], rows[:, 2], dt], axis=-1), f"{str(path)!r}: ")


def clipped(touches) -> np.ndarray:
    """Touches `(T, 3)` with x and y in [0, 1] and dt in [0.001, 5].

    Raises:
        ValueError: if the shape is another, or a number is not finite.
    """
    return _clipped(touches, "")


def _clipped(touches, whose: str) -> np.ndarray:
    touches = np.asarray(touches, "float64")
    if touches.ndim != 2 or touches.shape[-1] != 3 or not len(touches):
        raise ValueError(f"{whose}touches must have shape (T, 3): x, y and dt, but {touches.shape} came.")
    if not np.isfinite(touches).all():
        bad = int(np.argmin(np.isfinite(touches).all(axis=1)))
        raise ValueError(f"{whose}touch {bad} holds a number that is not finite.")
    return np.concatenate([np.clip(touches[:, :2], 0.0, 1.0), np.clip(touches[:, 2:], SHORTEST, LONGEST)], axis=-1)


def events(touches, rng: np.random.Generator | None = None) -> np.ndarray:
    """Events `(T, 3)` of touches `(T, 3)`: moves of x and y, and log dt; spread over the cells of rounded values by `rng`."""
    touches = np.asarray(touches, "float64")
    place, time = touches[:, :2], np.log(touches[:, 2:])
    if rng is not None:
        place = place + rng.uniform(-PLACE_NOISE, PLACE_NOISE, place.shape)
        time = time + rng.uniform(-TIME_NOISE, TIME_NOISE, time.shape)
    return np.concatenate([np.diff(place, axis=0, prepend=0.0), time], axis=-1).astype("float32")


def touches(events, start=(0.0, 0.0)) -> np.ndarray:
    """The touches `(T, 3)` that events `(T, 3)` lead to from the place `start`."""
    events = np.asarray(events, "float64")
    places = np.asarray(start) + np.cumsum(events[:, :2], axis=0)
    return clipped(np.concatenate([places, np.exp(np.minimum(events[:, 2:], 9.0))], axis=-1))


def swipes(touches) -> list[np.ndarray]:
    """The touches of each swipe `(T_i, 3)`: a pause of more than 0.1 s begins a new one."""
    touches = np.asarray(touches)
    return np.split(touches, np.flatnonzero(touches[1:, 2] > TAP) + 1)


def read_split(path, count: int) -> dict[str, np.ndarray]:
    """Which of `count` performances are "train", "valid" and "test", by their places in the file.

    Raises:
        ValueError: if the file says anything else.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = {name: np.asarray(found[name], "int64") for name in ("train", "valid", "test")}
        good = all(len(rows) and rows.ndim == 1 and rows.min() >= 0 and rows.max() < count for rows in parts.values())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {str(path)!r}.") from None
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise ValueError(
            f"{str(path)!r} must be JSON with the lists train, valid and test of places from 0 to {count - 1}, none empty."
        )
    return parts
