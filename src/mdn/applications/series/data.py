"""Recordings: what a model learns from, as read from files, cut into parts, and spread over the cells of rounded values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mdn.applications.series.clocks import ROW, same_time
from mdn.applications.series.readers import read_file, whole
from mdn.data.splits import dealt
from mdn.tabular.targets import grid

_FILES = 10  # from so many recordings on, each is dealt whole; fewer are cut in time
_FEWEST = 50  # a recording that is cut in time needs so many steps
_TEST, _VALID = 0.2, 0.1  # shares of the parts
_LARGEST = 1e30  # larger values are refused: float32 ends at 3e38


class Recordings(list[np.ndarray]):
    """Recordings of the same channels: a list of arrays `(T_i, D)` of float64, NaN where a value is missing.

    Args:
        arrays: The recordings.
        channels: The names of the D channels.
        step: How much time passes from step to step, in `unit`.
        unit: The unit of time; "row" if no file says anything about time.
        cells: For each channel the distance of neighbouring rounded values, 0 if its values are not rounded.
        every: How many rows of a file are averaged to one step.
        notes: A sentence for each thing that was left out or guessed.
        value_units: For each channel the unit of its values, "" if no file says it; without any, none is known.

    Attributes:
        channels, step, unit, cells, every, notes, value_units: The arguments.
    """

    def __init__(
        self,
        arrays: Iterable[np.ndarray],
        channels: Sequence[str],
        step: float = 1.0,
        unit: str = ROW,
        cells: np.ndarray | None = None,
        every: int = 1,
        notes: Sequence[str] = (),
        value_units: Sequence[str] = (),
    ):
        super().__init__(arrays)
        self.channels, self.step, self.unit, self.every = tuple(channels), step, unit, every
        self.cells = np.zeros(len(self.channels)) if cells is None else cells
        self.notes, self.value_units = tuple(notes), tuple(value_units) or ("",) * len(self.channels)

    def of(self, arrays: Iterable[np.ndarray]) -> Recordings:
        """Other recordings of the same channels."""
        return Recordings(
            arrays, self.channels, self.step, self.unit, self.cells, self.every, self.notes, self.value_units
        )

    @property
    def total_steps(self) -> int:
        """How many steps there are in all."""
        return sum(map(len, self))

    @property
    def has_gaps(self) -> bool:
        """Whether a value is missing."""
        return any(np.isnan(one).any() for one in self)

    def spread(self, seed: int) -> Recordings:
        """The recordings with rounded values moved by chance within their cells: else a density would grow a spike at each."""
        rng = np.random.default_rng(seed)
        return self.of([one + self.cells * rng.uniform(-0.5, 0.5, one.shape) for one in self])


def read(sources=None, columns: Sequence[str] | None = None, every: int = 1, raw: bool = False) -> Recordings:
    """The recordings of files: tables with columns over time, .npy, .npz, .wav, .edf and .bdf.

    Args:
        sources: Paths, or one path. All files have the same channels.
        columns: Which channels; None takes all that are numbers and that change.
        every: How many rows are averaged to one step; a rest at the end is left out.
        raw: Whether samples of sound stay the integers of the file; else they are divided by the largest.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if there is no file, one is no recording, or files do not fit each other.
    """
    if not sources:
        raise ValueError("no recordings come with mdn: name files of your own, such as run.csv.")
    if every < 1:
        raise ValueError(f"`every` must be at least 1, but {every} came.")
    paths = [Path(path) for path in dict.fromkeys([sources] if isinstance(sources, str | Path) else sources)]
    files = [read_file(path, columns, raw) for path in paths]
    first, notes = files[0], [note for file in files for note in file.notes]
    for path, file in zip(paths[1:], files[1:], strict=True):
        if file.channels != first.channels:
            raise ValueError(
                f"{path} has the channels {', '.join(file.channels)}, but {paths[0]} has {', '.join(first.channels)}: choose "
                "those of all files by --columns."
            )
        if other := unlike(file.channels, file.value_units, first.value_units):
            raise ValueError(f"{path} has {other[0]} in {other[1]}, but {paths[0]} in {other[2]}: convert one of them.")
        if not same_time(file.step, file.unit, first.step, first.unit):
            raise ValueError(
                f"{path} has steps of {file.step:g} {file.unit}, but {paths[0]} has steps of {first.step:g} {first.unit}: "
                "resample one of them."
            )
    arrays = []
    for path, file in zip(paths, files, strict=True):
        if not 0.0 < file.step < math.inf:
            raise ValueError(
                f"{path} says that {file.step:g} {file.unit} pass from row to row: mend its sampling rate."
            )
        for one in file.arrays:
            _check(path, one, file.channels)
            kept = _averaged(one, every)
            if len(kept) < 2:
                raise ValueError(f"{path} must have 2 steps at least, but a recording in it has {len(kept)}.")
            arrays.append(kept)
    known = [file.cells for file in files if file.cells is not None]
    cells = np.max(known, axis=0) if known else _cells(np.concatenate([one for file in files for one in file.arrays]))
    units = [
        next(filter(None, of), "") for of in zip(*(file.value_units for file in files if file.value_units), strict=True)
    ]
    found = Recordings(arrays, first.channels, first.step * every, first.unit, cells / every, every, notes, units)
    return found if columns is not None else _changing(found, paths[0])


def unlike(channels: Sequence[str], units: Sequence[str], others: Sequence[str]) -> tuple[str, str, str] | None:
    """(a channel, its unit, its other unit) of the first channel whose units differ, None if there is none.

    Args:
        channels: The names of the channels.
        units: Their units, "" where not known.
        others: Their units elsewhere.
    """
    differ = ((name, one, other) for name, one, other in zip(channels, units, others, strict=False) if one and other)
    return next((found for found in differ if found[1] != found[2]), None)


def _check(path: Path, rows: np.ndarray, channels: Sequence[str]) -> None:
    if len(large := np.argwhere(np.abs(rows) > _LARGEST)):
        row, column = large[0]
        raise ValueError(
            f"{path}: row {row + 1} of {channels[column]!r} is {rows[row, column]:g}, but a value must be smaller than "
            f"{_LARGEST:g}: leave it empty, if it is not known."
        )
    if np.isnan(rows).all():
        raise ValueError(f"{path} holds a recording without any value.")


def _averaged(rows: np.ndarray, every: int) -> np.ndarray:
    """Means of the known values of each `every` rows."""
    if every == 1:
        return rows
    blocks = rows[: len(rows) // every * every].reshape(-1, every, rows.shape[1])
    known = ~np.isnan(blocks)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, blocks, 0.0).sum(axis=1) / np.where(count > 0, count, 1), np.nan)


def _cells(rows: np.ndarray) -> np.ndarray:
    """The distance of neighbouring values of each rounded channel, else 0: whole numbers, and values that repeat on a grid."""
    found = np.array([whole(column) for column in rows.T])
    return np.where(found > 0.0, found, grid(rows))


def _changing(recordings: Recordings, path: Path) -> Recordings:
    """The recordings without channels that never change: of such a channel a density grows without bound."""
    rows = np.concatenate(recordings)
    changes = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in rows.T])
    if changes.all():
        return recordings
    names = np.array(recordings.channels, object)
    if not changes.any():
        raise ValueError(f"{path} has no channel that changes, of {', '.join(names)}, so there is nothing to learn.")
    return Recordings(
        [one[:, changes] for one in recordings],
        names[changes].tolist(),
        recordings.step,
        recordings.unit,
        recordings.cells[changes],
        recordings.every,
        [*recordings.notes, f"left out, since they never change: {', '.join(names[~changes])}."],
        np.array(recordings.value_units, object)[changes].tolist(),
    )


def split(recordings: Recordings, seed: int = 0) -> dict[str, Recordings]:
    """Recordings in the parts "train", "valid" (chooses the epoch) and "test" (judges).

    Ten recordings or more are dealt whole, a tenth each to "valid" and "test". Of fewer, the last fifth of each is "test", the
    tenth before it "valid".

    Args:
        recordings: From `read`.
        seed: Deals whole recordings.

    Raises:
        ValueError: if a recording that must be cut has fewer than 50 steps.
    """
    if len(recordings) >= _FILES:
        rows = dealt(len(recordings), seed, "recordings", fewest=_FILES)
        return {
            part: recordings.of([recordings[i] for i in np.sort(rows[part])]) for part in ("train", "valid", "test")
        }
    if (fewest := min(map(len, recordings))) < _FEWEST:
        raise ValueError(
            f"a recording must have {_FEWEST} steps at least, to learn from some and judge by others, but one has {fewest}."
        )
    cuts = [(round(len(one) * (1.0 - _TEST - _VALID)), round(len(one) * (1.0 - _TEST))) for one in recordings]
    parts = zip(*(np.split(one, cut) for one, cut in zip(recordings, cuts, strict=True)), strict=True)
    return {part: recordings.of(arrays) for part, arrays in zip(("train", "valid", "test"), parts, strict=True)}


def pieces(rows: np.ndarray) -> list[slice]:
    """Where a recording `(T, D)` lies between gaps: the longest runs of steps in which some value is known."""
    known = np.concatenate([[False], ~np.isnan(rows).all(axis=1), [False]])
    edges = np.flatnonzero(known[1:] != known[:-1])
    return [slice(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
