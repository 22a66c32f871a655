"""Batches from the partitions of a table, which stay where they are: each process has some of them, however many there are.

A batch takes rows of each partition in proportion to its length, so that in one pass every row comes once. Which rows these are
depends on the seed, the epoch and the lengths of the partitions alone, and not on the process that has a partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mdn.data.lanes import Lane
from mdn.wording import counted

_GOLDEN = 0.6180339887498949  # its multiples spread the partitions' odd rows over the steps
_ROWS_A_BLOCK = 1 << 16
_ROWS_AN_EPOCH = 1 << 20  # a longer pass is several epochs: after each a training is judged, and kept on disk
_SHUFFLED = 1 << 20  # rows of all partitions that are shuffled together
_MOST_TOGETHER = 64


class PartitionFeed:
    """Feeds a training from partitions; see `mdn.training.feed.Feed`.

    All processes have the same number of rows a step; those of a process with fewer are filled up with rows that do not count.

    Args:
        held: The partitions of this process by their numbers, as files.
        rows: How many rows each partition has, those of other processes too.
        holders: The numbers of the partitions of each process.
        batch_size: Rows of a step of all processes.
        seed: Seeds the order of rows.
        width: Columns of zeros are added to the features up to this width; 0 adds none.
        devices: The rows of a step are filled up to a multiple of this, the number of devices of a process.
        most: How many rows an epoch may have; a longer pass is dealt to several epochs.

    Attributes:
        rows: Rows of one epoch.
        epochs_a_pass: How many epochs are a pass over all rows.

    Raises:
        ValueError: if a partition has no process, or several.
    """

    def __init__(
        self,
        held: Mapping[int, Lane],
        rows: Sequence[int],
        holders: Sequence[Sequence[int]],
        batch_size: int,
        *,
        seed: int = 0,
        width: int = 0,
        devices: int = 1,
        most: int = _ROWS_AN_EPOCH,
    ):
        if sorted(number for each in holders for number in each) != list(range(len(rows))):
            raise ValueError(
                f"`holders` must hold each of the {counted(len(rows), 'partition')} once, but "
                f"{[list(each) for each in holders]} came."
            )
        self._held, self._lengths, self.batch_size = dict(sorted(held.items())), list(rows), batch_size
        self._seed, self._width = seed, width
        self.epochs_a_pass = max(1, round(sum(rows) / most))
        self.rows = -(-sum(rows) // self.epochs_a_pass)
        self._steps = -(-self.rows // batch_size)
        most_rows = max(
            int(np.sum([self._counts(number) for number in each], axis=0).max()) for each in holders if len(each)
        )
        self._size = -(-most_rows // devices) * devices

    def _counts(self, number: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """How many rows of a partition the steps `first` to `last` of a pass take."""
        steps = self._steps * self.epochs_a_pass
        taken = np.arange(first, (steps if last is None else last) + 1) * self._lengths[number]
        return np.diff((taken + int(_GOLDEN * number % 1.0 * steps)) // steps)

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Blocks (x, y, weight) of the epoch `number`, each `(steps, rows of this process a step, ...)`."""
        done, part = divmod(number, self.epochs_a_pass)
        begin, end = part * self._steps, (part + 1) * self._steps
        widths = next(iter(self._held.values())).widths
        sources = {
            place: _Stream(self._from(place, done, int(self._counts(place, 0, begin).sum())), widths.row)
            for place in self._held
        }
        at_once = max(1, _ROWS_A_BLOCK // self.batch_size)
        for first in range(begin, end, at_once):
            last = min(end, first + at_once)
            shape = last - first, self._size
            x = np.zeros((*shape, max(self._width, widths.x)), "float32")
            y, weight = np.full((*shape, widths.y), np.nan, "float32"), np.zeros(shape, "float32")
            filled = np.zeros(last - first, "int64")
            for place, source in sources.items():
                counts = self._counts(place, first, last)
                rows = source.take(int(counts.sum()))
                step = np.repeat(np.arange(len(counts)), counts)
                slot = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + filled[step]
                x[step, slot, : widths.x] = rows[:, : widths.x]
                y[step, slot], weight[step, slot] = rows[:, widths.x : -1], rows[:, -1]
                filled += counts
            yield x, y, weight

    def _from(self, place: int, done: int, skipped: int) -> Iterator[np.ndarray]:
        """The rows of a partition in the order of a pass, some at a time, without the first `skipped`."""
        lane = self._held[place]
        together = int(np.clip(_SHUFFLED // (lane.segment * len(self._lengths)), 1, _MOST_TOGETHER))
        order = np.random.default_rng([self._seed, done, place]).permutation(lane.segments)
        for first in range(0, len(order), together):
            group = order[first : first + together]
            count = sum(min(lane.segment, lane.rows - lane.segment * int(segment)) for segment in group)
            if skipped >= count:
                skipped -= count
                continue
            shuffle = np.random.default_rng([self._seed, done, place, first]).permutation(count)
            yield lane.read(group)[shuffle[skipped:]]
            skipped = 0


class _Stream:
    """Rows that come some at a time, taken as many at a time as are asked for."""

    def __init__(self, parts: Iterator[np.ndarray], width: int):
        self._parts, self._left = parts, np.empty((0, width), "float32")

    def take(self, count: int) -> np.ndarray:
        found = [self._left[:count]]
        self._left = self._left[count:]
        missing = count - len(found[0])
        while missing:
            part = next(self._parts)
            found.append(part[:missing])
            self._left = part[missing:]
            missing -= len(found[-1])
        return np.concatenate(found)
