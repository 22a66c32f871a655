"""Touches: performances as recorded, and as the network sees them.

A performance is an array `(T, 3)` of touches: x and y in [0, 1] (y grows downwards, as on a screen) and dt, the seconds since the
touch before. A finger that leaves the screen stays at its edge. The network sees events `(T, 3)`: how far x and y moved, and
log dt. Its first event is a move from the corner (0, 0), so that the moves add up to the place.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mdn.applications.live.log import lines_of, read_log
from mdn.applications.live.seconds import TIMES, check_differences, check_seconds
from mdn.data import read_object_arrays, reading
from mdn.data.registry import find_with_split
from mdn.data.splits import Placed, dealt, read_split
from mdn.wording import agreed, counted

FILE = "TinyPerformanceArrays.npz"  # of the data set "robojam"
LONGEST = 5.0  # seconds, of a performance and of a pause
SHORTEST = 0.001
TAP = 0.1  # seconds of pause before a touch that begins a new swipe
PLACE_NOISE, TIME_NOISE = 0.0005, 0.02  # half the width of a cell to which values were rounded: of x and y, of log dt
_FARTHEST = 1.0  # screens beside the screen: where fingers of "robojam" slid off it, they came half as far
_OF_IMPSY = "perfs"  # the array that IMPSY writes: dt first, then the values


class Performances(Placed):
    """Performances of files, arrays of touches `(T, 3)`; None stands for empty ones."""

    @property
    def left_out(self) -> int:
        """How many performances of the file are empty."""
        return len(self.placed) - len(self)


def read(sources=None, split=None) -> Performances:
    """The performances of files, see `read_performances`; by default the data set "robojam" with its parts.

    Args:
        sources: Paths, or one path.
        split: A .json that says which performances are of which part, see `read_split`; places count through all files.
    """
    if not sources:
        sources, split = find_with_split("robojam", FILE, split)
    sources = [sources] if isinstance(sources, str | Path) else sources
    placed, skipped = [], []
    for path in dict.fromkeys(sources):  # a path that comes twice is one file
        found = read_performances(path)
        placed += found.placed
        if found.left_out:
            of_all = counted(len(found.placed), "performance")
            skipped.append(
                f"{path}: {found.left_out} of {of_all} {agreed(found.left_out, 'is', 'are')} empty and left out."
            )
    return Performances(placed, None if split is None else read_split(split, len(placed)), tuple(skipped))


def split(performances: Performances, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Performances by part: as a file says, else dealt by chance, a tenth each to "valid" and "test", the others to "train".

    Raises:
        ValueError: if they must be dealt, but fewer than 10 have two touches or more.
    """
    if performances.parts is not None:
        return performances.by_part
    long = [one for one in performances if len(one) > 1]
    rows_of = dealt(len(long), seed, "performances of two touches or more", fewest=10)
    return {part: [long[i] for i in rows_of[part]] for part in ("train", "valid", "test")}


def read_performances(path) -> Performances:
    """Performances from a file, empty ones left out.

    Args:
        path: One of three kinds of file. An .npz of object arrays of touches x, y and dt (TinyPerformanceArrays.npz), or dt, x
            and y in the array `perfs` of IMPSY; it unpacks as `mdn.data.read_object_arrays` says. A .csv of one performance, as
            MicroJam writes it: a header with time (or timestamp, in seconds, or time_ms), x and y, in any case. A .log of IMPSY
            (lines of timestamp, source, values), which is cut at pauses of five seconds; pieces of a single touch are left out.
            A .csv or .log has 128 MiB at most.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of these, or larger, or its touches have other values than x, y and dt, such as
            places in pixels or times in milliseconds; the message names the number of a bad line.
    """
    path = Path(path)
    with reading(path, "performances"):
        return Performances(_arrays(path) if path.suffix.lower() == ".npz" else _text(path))


def _arrays(path: Path) -> list[np.ndarray | None]:
    placed: list[np.ndarray | None] = []
    steps: list[np.ndarray] = []
    for name, array in read_object_arrays(path).items():
        if array.dtype.kind not in "biufO":
            raise ValueError(f"{str(path)!r}: {name!r} must hold touches, but holds {array.dtype}.")
        for one in _each(array):
            whose = f"{str(path)!r}: performance {len(placed)}: "
            if not np.size(one):
                placed.append(None)
            elif name != _OF_IMPSY:
                placed.append(_from_file(one, whose))
            elif np.ndim(one) == 2 and np.shape(one)[1] != 3:
                raise ValueError(
                    f"{str(path)!r} is a file of IMPSY's for {counted(np.shape(one)[1] - 1, 'value')} and a dt, but a jam has "
                    "touches: dt, x and y. Take a file that IMPSY wrote with the dimension 3."
                )
            else:
                placed.append(_from_file(one, whose, from_impsy=True))
            if np.size(one):
                steps.append(np.asarray(one, "float64")[:, 0 if name == _OF_IMPSY else 2])
    check_differences(f"{str(path)!r}", steps)
    check_seconds(f"{str(path)!r}", steps, LONGEST)
    if not any(one is not None for one in placed):
        raise ValueError(f"{str(path)!r} holds no performance that is not empty.")
    return placed


def _each(array: np.ndarray) -> Iterable:
    """The performances of an array; NumPy makes one block of them if all have one length."""
    if array.dtype == object and array.ndim < 3:
        return array.flat
    return array.astype("float64") if array.ndim == 3 else [array]


def _text(path: Path) -> list[np.ndarray]:
    lines = lines_of(path, "Performances are a .npz, a .csv of MicroJam or a .log of IMPSY.")
    columns = [cell.strip().lower() for cell in next(_cells(lines))]
    if {"x", "y"} <= set(columns) and not TIMES.keys().isdisjoint(columns):
        return [_micro_jam(path, lines, columns)]
    if path.suffix.lower() == ".csv" and not _is_time(columns[0]):
        raise ValueError(
            f"{str(path)!r} needs a header with the columns time, x and y (time in seconds, or time_ms), but it begins with "
            f"{lines[0]!r}."
        )
    rows = read_log(path, lines, size=2)
    steps = np.diff(rows[:, 0])
    cuts = np.flatnonzero((steps > LONGEST) | (steps < 0.0)) + 1  # a clock that was set back begins a performance
    return [_from_times(path, part) for part in np.split(rows, cuts) if len(part) > 1]


def _cells(lines: list[str]) -> Iterator[list[str]]:
    """The cells of each line of a table, parted by semicolons if its header is."""
    return csv.reader(lines, delimiter=";" if ";" in lines[0] and "," not in lines[0] else ",")


def _is_time(cell: str) -> bool:
    try:
        datetime.datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _micro_jam(path, lines, columns: list[str]) -> np.ndarray:
    clock = next(name for name in TIMES if name in columns)
    places = [columns.index(name) for name in (clock, "x", "y")]
    table = _cells(lines)
    next(table)
    rows = []
    for number, cells in enumerate(table, start=2):
        if not cells:
            continue
        try:
            rows.append([float(cells[place]) for place in places])
        except (ValueError, IndexError):
            raise ValueError(f"{str(path)!r}: line {number} has no time, x and y: {','.join(cells)!r}.") from None
    if not rows:
        raise ValueError(f"{str(path)!r} has no touch below its header.")
    found = np.array(rows) * [TIMES[clock], 1.0, 1.0]
    check_seconds(f"{str(path)!r}", [np.diff(found[:, 0], prepend=found[0, 0])], LONGEST)
    return _from_times(path, found)


def _from_times(path, rows: np.ndarray) -> np.ndarray:
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise ValueError(f"{str(path)!r}: touch {bad} holds a number that is not finite.")
    dt = np.diff(rows[:, 0], prepend=rows[0, 0])
    if np.any(dt < 0):
        raise ValueError(f"{str(path)!r}: time goes back at event {int(np.argmax(dt < 0)) + 1}.")
    return _from_file(np.stack([rows[:, 1], rows[:, 2], dt], axis=-1), f"{str(path)!r}: ")


def clipped(touches) -> np.ndarray:
    """Touches `(T, 3)` with x and y in [0, 1] and dt in [0.001, 5].

    Raises:
        ValueError: if the shape is another, or a number is not finite.
    """
    touches = _checked(touches, "")
    return np.concatenate([np.clip(touches[:, :2], 0.0, 1.0), np.clip(touches[:, 2:], SHORTEST, LONGEST)], axis=-1)


def _from_file(touches, whose: str, from_impsy: bool = False) -> np.ndarray:
    """`clipped` touches of a file; `from_impsy` says that dt comes first, and `whose` begins the message of an error."""
    touches = _checked(touches, whose)
    if from_impsy:
        touches = touches[:, [1, 2, 0]]
    off = (np.abs(touches[:, :2] - 0.5) > 0.5 + _FARTHEST).any(axis=1)
    if off.any():
        bad = int(np.argmax(off))
        raise ValueError(
            f"{whose}touch {bad} is at {touches[bad, :2].tolist()}, but x and y lie in [0, 1]: divide them by the size of the "
            "screen."
        )
    return clipped(touches)


def _checked(touches, whose: str) -> np.ndarray:
    touches = np.asarray(touches, "float64")
    if touches.ndim != 2 or touches.shape[-1] != 3 or not len(touches):
        raise ValueError(f"{whose}touches must have shape (T, 3): x, y and dt, but {touches.shape} came.")
    if not np.isfinite(touches).all():
        bad = int(np.argmin(np.isfinite(touches).all(axis=1)))
        raise ValueError(f"{whose}touch {bad} holds a number that is not finite.")
    return touches


def events(touches, rng: np.random.Generator | None = None) -> np.ndarray:
    """Events `(T, 3)` of touches `(T, 3)`: moves of x and y, and log dt; `rng` spreads rounded values over their cells."""
    touches = np.asarray(touches, "float64")
    place, time = touches[:, :2], np.log(touches[:, 2:])
    if rng is not None:
        place = place + rng.uniform(-PLACE_NOISE, PLACE_NOISE, place.shape)
        time = time + rng.uniform(-TIME_NOISE, TIME_NOISE, time.shape)
    return np.concatenate([np.diff(place, axis=0, prepend=0.0), time], axis=-1).astype("float32")


def touches(events, start=(0.0, 0.0)) -> np.ndarray:
    """The inverse of `events`: touches `(T, 3)`; `start` is the place before the first one."""
    events = np.asarray(events, "float64")
    places = np.asarray(start) + np.cumsum(events[:, :2], axis=0)
    return clipped(np.concatenate([places, np.exp(np.minimum(events[:, 2:], 9.0))], axis=-1))


def swipes(touches) -> list[np.ndarray]:
    """The touches of each swipe `(T_i, 3)`: a pause of more than 0.1 s begins a new one."""
    touches = np.asarray(touches)
    return np.split(touches, np.flatnonzero(touches[1:, 2] > TAP) + 1)
