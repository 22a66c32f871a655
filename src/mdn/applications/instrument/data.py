"""Recordings of an instrument: logs and data sets of IMPSY, tables, MIDI files and folders of them."""

from __future__ import annotations

import csv
import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from mdn.applications.instrument.events import LONGEST, MOST, clipped
from mdn.applications.instrument.midi import read_named_midi
from mdn.applications.instrument.twice import Seen, runs_of
from mdn.applications.live.log import lines_of, read_log
from mdn.applications.live.seconds import STEPS, TIMES, check_differences, check_seconds
from mdn.data import read_object_arrays, reading
from mdn.data.registry import find_with_split
from mdn.data.splits import Placed, dealt, read_split
from mdn.wording import agreed, counted

FILE = "training-dataset-4d.npz"  # of the data set "impsy"
_MIDI = (".mid", ".midi")
ENDINGS = (".log", ".npz", ".csv", *_MIDI)
_KINDS = "Recordings are a .log of IMPSY, a .csv, a .npz or a .mid."
_SLOWEST = (
    5.0  # seconds: the largest median of dt in a table or a .npz; those of a log and of MIDI are known to be seconds
)
_BACK = 0.01  # of the dt of a file may go back, as a clock does that is set; if more do, they are no seconds
_FEWEST = 10  # performances that can be dealt to three parts
_WORTH_CUTTING = 20  # events of a piece, if fewer performances are cut
_DIMENSION = "a file of the dimension 4, say, has dt and 3 values"


class Performances(Placed):
    """Performances `(T, 1 + N)` of one instrument, dt and N values; None stands for those that are empty or of another N."""


def read(sources=None, split=None, dimension: int | None = None) -> Performances:
    """The performances of files and folders; by default the data set "impsy" with its parts.

    Args:
        sources: Paths, or one path; of a folder, all files with one of `ENDINGS` in it and below.
        split: A .json that says which performances are of which part; places count through all files.
        dimension: 1 + N, as IMPSY counts; None takes the one that most events have.

    Returns:
        Performances of one N; what has another is left out, and so are MIDI files that play other channels or controllers
        than most, and performances of a file that one before it holds: `skipped` names them.

    Raises:
        OSError: if a path cannot be read.
        ValueError: if a file is no recording, or nothing is left.
    """
    if not sources:
        sources, split = find_with_split("impsy", FILE, split)
    paths = _files([sources] if isinstance(sources, str | Path) else sources)
    found = {path: _read(path) for path in paths}
    counts: Counter = Counter()
    of_midi: Counter = Counter()
    for performances, names, _ in found.values():
        for one in performances:
            if one is not None:
                counts[one.shape[1]] += len(one)
                of_midi[names] += len(one) if names and one.shape[1] == (dimension or one.shape[1]) else 0
    chosen = dimension or counts.most_common(1)[0][0]
    if chosen not in counts:
        raise ValueError(
            f"`dimension` is {chosen}, but the recordings have {', '.join(map(str, sorted(counts)))}: {_DIMENSION}."
        )
    usual = max((names for names in of_midi if names and len(names) == chosen - 1), key=of_midi.__getitem__, default=())
    placed, skipped, seen = [], [], Seen()
    for path, (performances, names, notes) in found.items():
        skipped += notes
        mine = [one if one is not None and one.shape[1] == chosen else None for one in performances]
        others = sorted({one.shape[1] for one in performances if one is not None} - {chosen})
        if others:
            skipped.append(f"{path} is of dimension {', '.join(map(str, others))}, not {chosen}, and left out.")
        elif names and names != usual:
            mine = [None] * len(mine)
            skipped.append(f"{path} plays {', '.join(names)}, not {', '.join(usual)}, and is left out.")
        elif empty := sum(one is None for one in mine):
            of_all = counted(len(mine), "performance")
            skipped.append(f"{path}: {empty} of {of_all} {agreed(empty, 'is', 'are')} empty and left out.")
        if len(found) > 1:
            runs = [None if one is None else runs_of(one) for one in mine]
            new = [None if its is None or seen.knows(its) else one for one, its in zip(mine, runs, strict=True)]
            if twice := sum(one is not None for one in mine) - sum(one is not None for one in new):
                of_all = counted(len(mine), "performance")
                skipped.append(
                    f"{path}: {twice} of {of_all} {agreed(twice, 'is', 'are')} in a file before it, and left out: else the "
                    "model would be judged by what it learnt from."
                )
            mine = new
            for one, its in zip(mine, runs, strict=True):
                if one is not None and its is not None:
                    seen.add(its)
        placed += mine
    return Performances(placed, None if split is None else read_split(split, len(placed)), tuple(skipped))


def _files(sources: Iterable) -> list[Path]:
    """The files of paths and folders, each once."""
    found: dict[Path, None] = {}
    for path in map(Path, sources):
        inside = [path]
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in ENDINGS)
            if not inside:
                raise ValueError(f"the folder {str(path)!r} holds no file that ends in {', '.join(ENDINGS)}.")
        found |= dict.fromkeys(inside)
    return list(found)


def split(performances: Performances, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Performances by part: as a file says, else dealt by chance, a tenth each to "valid" and "test", the others to "train".

    Fewer than 10 performances are cut into pieces first: an evening is one long log.

    Args:
        performances: From `read`.
        seed: The seed of the dealing.

    Raises:
        ValueError: if there is too little to deal.
    """
    if performances.parts is not None:
        return performances.by_part
    long = [one for one in performances if len(one) > 1]
    if len(long) < _FEWEST:
        total = sum(map(len, long))
        length = max(_WORTH_CUTTING, total // (2 * _FEWEST))
        long = [piece for one in long for piece in np.array_split(one, max(1, len(one) // length))]
    rows_of = dealt(len(long), seed, f"performances, or pieces of {_WORTH_CUTTING} events,", fewest=_FEWEST)
    return {part: [long[i] for i in rows_of[part]] for part in ("train", "valid", "test")}


def read_performances(path) -> list[np.ndarray | None]:
    """The performances of one file, arrays `(T, 1 + N)`, None for each empty one.

    Args:
        path: A .npz of arrays `(T, 1 + N)`, dt first, such as `perfs` of IMPSY (unpacked as `mdn.data.read_object_arrays` says).
            A log of IMPSY or of `mdn play` (lines of timestamp, source, values), of which the human's events are read. A .csv
            with a header: a column `dt` or `time` (or `timestamp`), in seconds, or `dt_ms` or `time_ms`, and one for each value;
            if several are there, dt counts. A MIDI file: see `read_midi`. A silence of more than a minute begins a new
            performance, except in a .npz, and so does a time or dt that goes back.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of these, has more than 16 values, values beyond [0, 1], or dt of which
            more than a hundredth go back, that rise throughout as a clock does, or are seldom below five seconds; the message
            names a bad line.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[list, tuple[str, ...], list[str]]:
    """The performances of a file, the names of its values if it is a MIDI file, and what the user should know."""
    with reading(path, "performances"):
        if path.suffix.lower() in _MIDI:
            names, rows = read_named_midi(path)
            return _from_times(rows, f"{str(path)!r}"), names, []
        readers: dict[str, Callable[[Path], tuple[list, list[str]]]] = {".npz": _arrays, ".csv": _table}
        found, notes = readers.get(path.suffix.lower(), _log)(path)
        if not any(one is not None for one in found):
            raise ValueError(f"{str(path)!r} holds no performance that is not empty.")
        return found, (), notes


def _checked(performance, whose: str) -> np.ndarray:
    performance = np.asarray(performance, "float64")
    if performance.ndim != 2 or not 2 <= performance.shape[1] <= 1 + MOST:
        raise ValueError(
            f"{whose} must have shape (T, 1 + N): dt and N values, 1 to {MOST}, but {performance.shape} came."
        )
    bad = ~np.isfinite(performance).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"{whose}: event {first} holds a number that is not finite: {performance[first].tolist()}.")
    bad = (np.abs(performance[:, 1:] - 0.5) > 0.51).any(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{whose}: event {first} is {performance[first].tolist()}, but values lie in [0, 1]: divide by their range."
        )
    return clipped(performance)


def _arrays(path: Path) -> tuple[list[np.ndarray | None], list[str]]:
    placed: list[np.ndarray | None] = []
    steps: dict[str, np.ndarray] = {}
    count = 0
    for name, array in read_object_arrays(path).items():
        if array.dtype.kind not in "biufO":
            raise ValueError(f"{str(path)!r}: {name!r} must hold performances, but holds {array.dtype}.")
        for one in array if array.dtype == object or array.ndim == 3 else [array]:
            whose, count = f"{str(path)!r}: performance {count}", count + 1
            if not np.size(one):
                placed.append(None)
                continue
            checked, steps[whose] = _checked(one, whose), np.asarray(one, "float64")[:, 0]
            placed += np.split(checked, 1 + np.flatnonzero(steps[whose][1:] < 0.0))
    notes = _back(path, steps)
    check_differences(f"{str(path)!r}", [*steps.values()])
    check_seconds(f"{str(path)!r}", [*steps.values()], _SLOWEST)
    return placed, notes


def _back(path: Path, steps: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence on the dt of a file that go back, if any do; raises a ValueError if more do than a clock is set."""
    back = {whose: np.flatnonzero(one < 0.0) for whose, one in steps.items()}
    total = sum(map(len, back.values()))
    if total > _BACK * sum(map(len, steps.values())):
        whose = next(whose for whose, events in back.items() if len(events))
        first = back[whose][0]
        raise ValueError(
            f"{whose}: the dt of event {first} is {steps[whose][first]:g}, but dt, the seconds since the event before, is 0 or "
            "more."
        )
    return [f"{path}: dt goes back at {counted(total, 'event')}, where another performance begins."] if total else []


def _log(path: Path) -> tuple[list[np.ndarray], list[str]]:
    return _from_times(read_log(path, lines_of(path, _KINDS)), f"{str(path)!r}"), []


def _table(path: Path) -> tuple[list[np.ndarray], list[str]]:
    notes: list[str] = []
    whose = f"{str(path)!r}"
    header, *lines = csv.reader(lines_of(path, _KINDS))
    names = [cell.strip().lower() for cell in header]
    clocks = [name for name in (*STEPS, *TIMES) if name in names]
    values = [place for place, name in enumerate(names) if name not in clocks]
    if not clocks or not values:
        raise ValueError(
            f"{str(path)!r} needs a header with a column time or dt, in seconds, or time_ms or dt_ms, and one for each value, "
            f"but it begins with {','.join(header)!r}."
        )
    chosen = clocks[0]
    clock, rows = names.index(chosen), []
    for number, cells in enumerate(lines, start=2):
        if not cells:
            continue
        try:
            row = [_seconds(cells[clock]), *(float(cells[place]) for place in values)]
        except (ValueError, IndexError):
            row = []
        if not row or len(cells) != len(names):
            raise ValueError(
                f"{str(path)!r}: line {number} is not {counted(len(names), 'number')}, but {','.join(cells)!r}."
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{str(path)!r} has no event below its header.")
    found = np.array(rows)
    found[:, 0] *= (STEPS | TIMES)[chosen]
    if chosen in STEPS:
        steps = found[:, 0].copy()
        notes = _back(path, {whose: steps})
        check_differences(whose, [steps])
        found[:, 0] = np.cumsum(steps)
    else:
        steps = np.diff(found[:, 0], prepend=found[0, 0])
        if np.sum(steps < 0.0) > len(steps) / 2:
            raise ValueError(f"{whose}: in more than half of its rows time goes back: sort them by time.")
    check_seconds(whose, [steps], _SLOWEST)
    return _from_times(found, whose), notes


def _seconds(cell: str) -> float:
    """A time as a number, or as the timestamp of a log."""
    try:
        return float(cell)
    except ValueError:
        return datetime.datetime.fromisoformat(cell.strip()).timestamp()


def _from_times(rows: np.ndarray, whose: str) -> list[np.ndarray]:
    """Performances of rows of a time and values; a long silence, or a clock that was set back, begins a new one."""
    steps = np.diff(rows[:, 0], prepend=rows[0, 0])
    found = _checked(np.concatenate([steps[:, None], rows[:, 1:]], axis=1), whose)
    return np.split(found, np.flatnonzero((steps > LONGEST) | (steps < 0.0)))
