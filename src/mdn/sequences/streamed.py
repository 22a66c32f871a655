"""Batches of sequences that pass through memory: planned by their lengths, read shard by shard, dropped after their last use."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import numpy as np

from mdn import backend
from mdn.sequences.ragged import _GRAIN, Batches, Windows
from mdn.sequences.shards import Shards
from mdn.wording import counted

_PEEKED = 2  # batches that Keras reads before an epoch begins, to learn their shapes
_PARTS, _PART = (
    16,
    16,
)  # parts that a row of a batch reads, and windows of a part, at least: one of them is read, not learned


class Passing:
    """The sequences of `Shards` by their number, of which only those of some blocks are in memory.

    Args:
        shards: Where they are.
        size: The width of an event.
        places: Shape `(N, 2)`: the shard of each sequence, and its place there; ascending.
        lengths: Shape `(N,)`: how many steps of each are read.
        whole: Shape `(N,)`: how many steps each has.
    """

    def __init__(self, shards: Shards, size: int, places: np.ndarray, lengths: np.ndarray, whole: np.ndarray):
        self.width, self.lengths, self._whole = size, lengths, whole
        self._shards, self._places = shards, places
        self._firsts = np.searchsorted(places[:, 0], np.arange(len(shards) + 1))
        self._held: dict[int, np.ndarray] = {}
        self._used: list[int] = []  # rows that are dropped as soon as Keras has looked at the first batches
        self._order, self._until = np.zeros(0, int), np.zeros(0, int)
        self._reading: Iterator[tuple[int, np.ndarray]] = iter(())
        self._dropped = False

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        """Reads on until it comes to the sequence; those of this epoch that it passes are kept."""
        while row not in self._held:
            found, one = next(self._reading)
            if self._until[found] >= 0:
                self._held[found] = one
        return self._held[row]

    def blocks(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Deals the shards in random order, and returns the rows as they come, in blocks that half of the buffer holds.

        The first block is smaller by chance, so that the same sequences do not meet in each epoch.
        """
        self._order = rng.permutation(len(self._shards))
        rows = np.concatenate([np.arange(self._firsts[one], self._firsts[one + 1]) for one in self._order])
        most = max(1, self._shards.memory // 8 // self.width)  # events of 4 bytes a number
        ends = np.cumsum(self.lengths[rows]) + int(rng.uniform(0.0, 0.5) * most)
        return [np.sort(part) for part in np.split(rows, np.flatnonzero(np.diff(ends // most)) + 1)]

    def begin(self, until: np.ndarray) -> None:
        """Begins an epoch in the order that `blocks` dealt.

        Args:
            until: Shape `(N,)`: the last batch that each row is in; -1 for none.
        """
        self._until = until
        self._reading = self._read()
        self._held, self._used, self._dropped = {}, [], False

    def before(self, index: int) -> None:
        """Makes ready for batch `index`; at 0, after an epoch that was left early, reads from the start."""
        if index == 0 and self._dropped:
            self.begin(self._until)

    def after(self, index: int, rows) -> None:
        """Drops those `rows` of batch `index` that no later one needs."""
        self._used += [int(row) for row in set(rows) if self._until[row] == index]
        if index >= _PEEKED:
            for row in self._used:
                self._held.pop(row, None)
            self._used, self._dropped = [], True

    def in_order(self) -> Iterator[tuple[int, np.ndarray]]:
        """(row, sequence) of all, shard by shard; each is dropped at once."""
        self._order = np.arange(len(self._shards))
        return self._read()

    def _read(self) -> Iterator[tuple[int, np.ndarray]]:
        for shard in self._order.tolist():
            first, end = self._firsts[shard : shard + 2].tolist()
            row = first
            for place, one in self._shards.read(shard, self.width):
                if row < end and place == self._places[row, 1]:
                    if len(one) != self._whole[row]:
                        self._changed(
                            shard, f"sequence {place} had {counted(self._whole[row], 'step')}, and now {len(one)}"
                        )
                    yield (
                        row,
                        np.array(one[: self.lengths[row]]),
                    )  # a copy, so that nothing else stays in memory with it
                    row += 1
            if row < end:
                self._changed(shard, f"there was a sequence {self._places[row, 1]}, which is missing now")

    def _changed(self, shard: int, how: str) -> None:
        raise ValueError(
            f"`{self._shards.names[shard]}` has changed since `fit` began: {how}. Each epoch reads it again, and must find "
            "sequences of the same lengths."
        )


class PassingBatches(Batches):
    """`Batches` of sequences that are `Passing`: each block is dealt by itself; rows that fill no batch wait for the next one."""

    _sequences: Passing

    def __getitem__(self, index):
        self._sequences.before(index)
        found = super().__getitem__(index)
        self._sequences.after(index, self._plan[index][1])
        return found

    def _deal(self):
        blocks = self._sequences.blocks(self._rng)
        self._plan, left, seen = [], {length: np.zeros(0, int) for length in self._groups}, 0
        for block in blocks:
            found, left = self._batches_of(block, left, last=block is blocks[-1])
            self._plan += found
            seen = seen or len(self._plan)
        self._let_lengths_differ(seen)
        if (
            backend.NAME == "tensorflow"
            and len(self._groups) > 1
            and len({length for length, _ in self._plan[:2]}) == 1
        ):
            length, rows = self._plan[1]
            self._plan[1] = length + _GRAIN, rows  # else Keras would fix the length
        until = np.full(len(self._sequences), -1)
        for index, (_, rows) in enumerate(self._plan):
            until[rows] = index
        self._sequences.begin(until)


class PassingWindows(Windows):
    """`Windows` of sequences that are `Passing`: each row of a batch takes the next part of the block as it ends one."""

    _sequences: Passing

    def __getitem__(self, index):
        self._sequences.before(index)
        found = super().__getitem__(index)
        self._sequences.after(index, [piece[0] for piece in self._pieces(index) if piece is not None])
        return found

    def _pieces(self, index):
        return [None if part is None else self._piece(index, *part) for part in self._parts_at(index)]

    def _parts_at(self, index: int) -> list:
        """For each row of batch `index` (batch in which its part begins, part), or None behind the last one."""
        places = [bisect.bisect_right(begins, index) - 1 for begins in self._begins]
        found = [
            (begins[place], parts[place]) if place >= 0 else None
            for place, begins, parts in zip(places, self._begins, self._dealt, strict=True)
        ]
        return [one if one and index < one[0] + self._windows(one[1]) else None for one in found]

    def _piece(self, index: int, begins: int, part: tuple[int, int, int]) -> tuple[int, int, bool]:
        row, first, _ = part
        return row, first + (index - begins) * self._window, index == begins

    def _deal(self):
        passing, length = self._sequences, self._window
        blocks = passing.blocks(self._rng)
        self._begins: list[list[int]] = [[] for _ in range(self._size)]
        self._dealt: list[list[tuple[int, int, int]]] = [[] for _ in range(self._size)]
        ends = np.zeros(self._size, int)
        until = np.full(len(passing), -1)
        most = int(np.sum(-(-passing.lengths // length))) // self._size // _PARTS * length
        for block in blocks:
            parts = [(row, 0, int(passing.lengths[row])) for row in block.tolist()]
            if self._cut:
                parts = self._divided(parts, max(_PART * length, most))
            order = self._rng.permutation(len(parts)).tolist()
            if block is blocks[-1]:  # longest first, so that all rows end at about the same time
                order = sorted(order, key=lambda place: -self._windows(parts[place]))
            for part in (parts[place] for place in order):
                shortest = int(np.argmin(ends))
                self._begins[shortest].append(int(ends[shortest]))
                self._dealt[shortest].append(part)
                ends[shortest] += self._windows(part)
                until[part[0]] = max(until[part[0]], ends[shortest] - 1)
        # Keras needs the same number of batches in each epoch
        self._count = self._count or int(ends.max())
        passing.begin(np.minimum(until, self._count - 1))
