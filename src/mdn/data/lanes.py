"""Rows on disk in lanes, from which a training reads them in a new random order in each pass, with bounded memory.

A batch takes as many rows from each lane. So the rows of a batch depend on the seed, the epoch and the lanes only, and not on
how many processes share the lanes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from mdn.wording import counted

LANES = 8
SEGMENT = 1024  # rows that are dealt to a lane together, and read together
TOGETHER = 64  # segments of a lane that are shuffled together
_ROWS_A_BLOCK = 1 << 16  # of all lanes
_ROWS_AN_EPOCH = 1 << 20  # a longer pass is several epochs: after each a training is judged, and kept on disk
_FLOAT = np.dtype("<f4")


class Widths(NamedTuple):
    """How many numbers of a row are features, and how many belong to its targets; its weight follows."""

    x: int
    y: int

    @property
    def row(self) -> int:
        """Numbers in a row."""
        return self.x + self.y + 1


@dataclasses.dataclass(frozen=True)
class Lane:
    """A file of rows of float32: features, targets, weight.

    Attributes:
        path: The path of the file.
        rows: How many rows it has.
        widths: What stands in a row.
        segment: Rows that are read together.
    """

    path: Path
    rows: int
    widths: Widths
    segment: int = SEGMENT

    @property
    def segments(self) -> int:
        """How many segments the lane has; the last one may be shorter."""
        return -(-self.rows // self.segment)

    def read(self, segments: Sequence[int] | np.ndarray) -> np.ndarray:
        """The rows of some segments, `(rows, widths.row)`.

        Raises:
            OSError: if the file is gone, or shorter than it was.
        """
        size = self.widths.row
        counts = [min(self.segment, self.rows - self.segment * int(place)) for place in segments]
        found = np.empty((sum(counts), size), _FLOAT)
        with open(self.path, "rb", buffering=0) as file:
            first = 0
            for place, count in zip(segments, counts, strict=True):
                file.seek(int(place) * self.segment * size * _FLOAT.itemsize)
                wanted = found[first : first + count].data.cast("B")
                while wanted:
                    read = file.readinto(wanted)
                    if not read:
                        raise OSError(f"{self.path} is shorter than it was: begin the training anew.")
                    wanted = wanted[read:]
                first += count
        return found


class LaneWriter:
    """Deals rows to the lanes of a folder, a segment to each lane in turn.

    Args:
        folder: Where the files of the lanes lie; it must exist. Files of an earlier writer are replaced.
        widths: What stands in a row.
        lanes: The numbers of the lanes among which rows are dealt.
        segment: Rows that are dealt to a lane together; take fewer for a table of few rows.
        written: The numbers of the lanes that have files here; the rows of the others are counted only. None writes all.

    Example:
        >>> import numpy as np, tempfile
        >>> from mdn.data.lanes import LaneWriter, Widths
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with LaneWriter(folder, Widths(2, 1), range(2)) as writer:
        ...         writer.write(np.zeros((3000, 2)), np.ones((3000, 1)), np.ones(3000))
        ...     [lane.rows for lane in writer.lanes]
        [1976, 1024]
    """

    def __init__(
        self,
        folder,
        widths: Widths,
        lanes: Sequence[int] = range(LANES),
        segment: int = SEGMENT,
        written: Container[int] | None = None,
    ):
        self.widths, self._segment = widths, segment
        self._paths = [Path(folder) / f"lane-{number}.rows" for number in lanes]
        self._rows = [0] * len(self._paths)
        self._next, self._left = 0, np.empty((0, widths.row), _FLOAT)
        self._open = ExitStack()
        self._files = [
            self._open.enter_context(path.open("wb")) if written is None or number in written else None
            for number, path in zip(lanes, self._paths, strict=True)
        ]

    def write(self, x, y, weight) -> None:
        """Takes rows: features `(N, widths.x)`, targets `(N, widths.y)` and weights `(N,)`."""
        rows = np.empty((len(x), self.widths.row), _FLOAT)
        rows[:, : self.widths.x], rows[:, self.widths.x : -1], rows[:, -1] = x, y, weight
        rows = np.concatenate([self._left, rows]) if len(self._left) else rows
        whole = len(rows) // self._segment * self._segment
        for first in range(0, whole, self._segment):
            self._deal(rows[first : first + self._segment])
        self._left = rows[whole:].copy()

    def _deal(self, rows: np.ndarray) -> None:
        file = self._files[self._next]
        if file is not None:
            file.write(np.ascontiguousarray(rows).tobytes())
        self._rows[self._next] += len(rows)
        self._next = (self._next + 1) % len(self._files)

    @property
    def lanes(self) -> list[Lane]:
        """The lanes, once the writer is closed; those that are not written, too."""
        return [
            Lane(path, rows, self.widths, self._segment) for path, rows in zip(self._paths, self._rows, strict=True)
        ]

    def close(self) -> None:
        """Writes the last rows."""
        if len(self._left):
            self._deal(self._left)
            self._left = self._left[:0]
        self._open.close()

    def __enter__(self) -> LaneWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self._open.close()


class LaneFeed:
    """Feeds a training from lanes; see `mdn.training.feed.Feed`.

    In each pass over the lanes, the segments of a lane come in a random order of (seed, pass, lane), and the rows of many
    segments are shuffled together. A long pass is dealt to several epochs.

    Args:
        held: The lanes of this process: those with the numbers `process`, `process + processes`, ...
        rows: How many rows each lane has, those of other processes too.
        batch_size: Rows of a step of all processes; a multiple of the number of lanes.
        seed: Seeds the order of rows.
        width: Columns of zeros are added to the features up to this width; 0 adds none.
        process: The number of this process.
        processes: How many processes there are; they must divide the lanes.
        together: How many segments of a lane are shuffled together: more memory, and a better order of sorted rows.
        most: How many rows an epoch may have; a longer pass is dealt to several epochs.

    Attributes:
        rows: Rows of one epoch.
        epochs_a_pass: How many epochs are a pass over all rows.
    """

    def __init__(
        self,
        held: Sequence[Lane],
        rows: Sequence[int],
        batch_size: int,
        *,
        seed: int = 0,
        width: int = 0,
        process: int = 0,
        processes: int = 1,
        together: int = TOGETHER,
        most: int = _ROWS_AN_EPOCH,
    ):
        lanes = len(rows)
        if lanes % processes or batch_size % lanes or not 0 <= process < processes:
            raise ValueError(
                f"`processes` must divide the {counted(lanes, 'lane')}, and these `batch_size`, but "
                f"{counted(processes, 'process', 'processes')} and batches of {counted(batch_size, 'row')} came."
            )
        if [lane.rows for lane in held] != list(rows[process::processes]) or not all(rows):
            raise ValueError(
                f"`held` must be the lanes {process}, {process + processes}, ... with the rows that `rows` says, at least one "
                f"each, but they have {[lane.rows for lane in held]} of {list(rows)}."
            )
        self._held, self.batch_size = list(held), batch_size
        self._numbers = list(range(process, lanes, processes))
        self._seed, self._width, self._together = seed, width, together
        # no epoch may be without a segment of the shortest lane
        self.epochs_a_pass = max(1, min(round(sum(rows) / most), *(lane.segments for lane in held)))
        self.rows = -(-sum(rows) // self.epochs_a_pass)
        self._share = batch_size // lanes

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Blocks (x, y, weight) of the epoch `number`, each `(steps, rows of this process a step, ...)`."""
        steps = -(-self.rows // self.batch_size)
        at_once = max(1, min(steps, _ROWS_A_BLOCK // self.batch_size))
        sources = [
            _Shuffled(self._order(place, number), lane) for place, lane in zip(self._numbers, self._held, strict=True)
        ]
        widths = self._held[0].widths
        width = max(self._width, widths.x)
        for first in range(0, steps, at_once):
            count = min(at_once, steps - first)
            shape = count, self._share * len(sources)
            x = np.zeros((*shape, width), "float32")
            y, weight = np.empty((*shape, widths.y), "float32"), np.empty(shape, "float32")
            for at, source in enumerate(sources):
                rows = source.take(count * self._share).reshape(count, self._share, widths.row)
                here = slice(at * self._share, (at + 1) * self._share)
                x[:, here, : widths.x] = rows[..., : widths.x]
                y[:, here], weight[:, here] = rows[..., widths.x : -1], rows[..., -1]
            yield x, y, weight

    def _order(self, lane: int, number: int) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
        """Groups of segments of a lane that are shuffled together, each with the generator that does it; it never ends."""
        done, part = divmod(number, self.epochs_a_pass)
        segments = self._held[self._numbers.index(lane)].segments
        ends = [segments * each // self.epochs_a_pass for each in (part, part + 1)]
        order = np.random.default_rng([self._seed, done, lane]).permutation(segments)[slice(*ends)]
        while True:
            for first in range(0, len(order), self._together):
                yield order[first : first + self._together], np.random.default_rng([self._seed, number, lane, first])


class _Shuffled:
    """The rows of a lane in the order of an epoch, as many at a time as are asked for."""

    def __init__(self, order: Iterator[tuple[np.ndarray, np.random.Generator]], lane: Lane):
        self._order, self._lane = order, lane
        self._ready = np.empty((0, lane.widths.row), _FLOAT)

    def take(self, count: int) -> np.ndarray:
        parts, found = [], 0
        while found < count:
            if not len(self._ready):
                segments, rng = next(self._order)
                rows = self._lane.read(segments)
                self._ready = rows[rng.permutation(len(rows))]
            part = self._ready[: count - found]
            self._ready = self._ready[len(part) :]
            parts.append(part)
            found += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
