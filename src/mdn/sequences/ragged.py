"""Batches of sequences of different lengths, as training reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from mdn import backend
from mdn.sequences.inputs import as_sequences
from mdn.sequences.together import share

_GRAIN, _LEVELS = 8, 64  # lengths of batches are multiples of a grain, `_LEVELS` different ones at most
_FEW = 8  # sequences


def lengths_of(sequences) -> np.ndarray:
    """The number of steps of each sequence, `(N,)`: of a list, or of sequences that know their `lengths`."""
    known = getattr(sequences, "lengths", None)
    return np.array([len(one) for one in sequences]) if known is None else known


def width_of(sequences) -> int:
    """D, the width of an event: of a list, or of sequences that know their `width`."""
    return sequences[0].shape[-1] if (known := getattr(sequences, "width", None)) is None else known


def padded(sequences: Sequence[np.ndarray], length: int) -> np.ndarray:
    """`(N, length, size)`, NaN behind the end of each."""
    batch = np.full((len(sequences), length, sequences[0].shape[-1]), np.nan, "float32")
    for row, one in zip(batch, sequences, strict=True):
        row[: len(one)] = one
    return batch


def shifted(batch: np.ndarray) -> np.ndarray:
    """The event before each step of `(N, T, size)`; NaN before the first."""
    return np.concatenate([np.full_like(batch[:, :1], np.nan), batch[:, :-1]], axis=1)


def bucket_lengths(lengths, buckets: int, batch_size: int = 1) -> np.ndarray:
    """The batch length for each sequence length: at most `buckets` different ones, chosen for the least padding."""
    grain = max(_GRAIN, math.ceil(max(lengths) / _LEVELS / _GRAIN) * _GRAIN)
    lengths = np.ceil(np.asarray(lengths) / grain).astype(int) * grain
    levels, counts = np.unique(lengths, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])

    def cost(first, last):  # steps, padding included, of levels first to last in batches as long as the last
        return math.ceil((below[last + 1] - below[first]) / batch_size) * batch_size * int(levels[last])

    # best[i]: the least cost of levels 0 to i with the buckets so far; begins: at which level the last bucket begins
    best = [cost(0, last) for last in range(len(levels))]
    begins = [[0] * len(levels)]
    for _ in range(min(buckets, len(levels)) - 1):
        found = [
            min(
                (best[first - 1] + cost(first, last), first) if first else (cost(0, last), 0)
                for first in range(last + 1)
            )
            for last in range(len(levels))
        ]
        best = [value for value, _ in found]
        begins.append([first for _, first in found])
    edges: list[int] = []
    last = len(levels) - 1
    for begin in reversed(begins):
        if last < 0:
            break
        edges.append(levels[last])
        last = begin[last] - 1
    chosen = np.array(edges[::-1])
    return chosen[np.searchsorted(chosen, lengths)]


def reading_lengths(lengths) -> np.ndarray:
    """The batch length for each sequence that a network only reads: of fewer than `_FEW` sequences, powers of two.

    A page that asks after each stroke of a pen comes with another length each time; each length is compiled once.
    """
    few = [1 << max(one - 1, _GRAIN).bit_length() for one in lengths] if len(lengths) < _FEW else lengths
    return bucket_lengths(few, 4)


class _Dealt(keras.utils.PyDataset):
    """Batches that are dealt anew for each epoch; everything random comes from one generator."""

    def __init__(self, sequences, conditions, batch_size, given, encode, seed):
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self._sequences, self._conditions, self._size = sequences, conditions, batch_size
        self._given, self._encode = given, encode
        self._width = width_of(sequences)

    def _encoded(self, row: int) -> np.ndarray:
        """The sequence of a row as it is in this epoch."""
        if self._encode is None:
            return self._sequences[row]
        return as_sequences([self._encode(row, self._rng)], self._width, f"encode(item {row}, generator)")[0]

    def _dealt_out(self, before, rows, targets):
        """This process's share of a batch: the events before each step, with the conditions of its rows, and the targets."""
        before, rows = share(before), share(rows)
        return (before, *(part[rows] for part in self._conditions)) if self._conditions else before, share(targets)

    def on_epoch_end(self):
        """Deals the batches of the next epoch."""
        self._began = dict(self._rng.bit_generator.state)
        self._deal()

    def _deal(self) -> None:
        raise NotImplementedError

    @property
    def state(self) -> dict:
        """The state of the generator before the batches of this epoch were dealt, as JSON allows it."""
        return self._began

    def go_on_from(self, state: dict) -> None:
        """Deals the batches of the epoch that had this `state`."""
        self._rng.bit_generator.state = state
        self.on_epoch_end()


class Batches(_Dealt):
    """Shuffled batches of sequences of similar length: inputs are the events before each step, targets the events; NaN pads.

    Args:
        sequences: As `as_sequences` returns them.
        conditions: Arrays of N rows each, which come with the sequences.
        batch_size: Sequences a batch; the last batch of a length is filled up with sequences of the same length.
        given: How many events at the start of each sequence are no targets.
        buckets: How many different lengths at most; each is compiled once.
        encode: A function of a row's index and a NumPy generator that returns the row's sequence, called anew each epoch. A
            bucket leaves room for 8 steps more; a batch with a sequence still longer gets the length of the next bucket, or, if
            there is none, a length of its own.
        seed: Seeds the order and what `encode` draws.
    """

    def __init__(self, sequences, conditions=(), *, batch_size=32, given=0, buckets=4, encode=None, seed=0):
        super().__init__(sequences, conditions, batch_size, given, encode, seed)
        spare = 0 if encode is None else _GRAIN
        lengths = bucket_lengths(lengths_of(sequences) + spare, buckets, batch_size)
        # Without `encode` all lengths are known when batches are dealt, so that the first two can be chosen
        self._must_vary = encode is not None and backend.FIXES_EQUAL_AXES
        self._first_length = 0  # the length of batch 0, when it was asked for last
        self._bucket, self._groups = lengths, np.unique(lengths).tolist()
        self._plan: list[tuple[int, np.ndarray]] = []
        self.on_epoch_end()

    def __len__(self):
        return len(self._plan)

    def __getitem__(self, index):
        length, rows = self._plan[index]
        chosen = [self._encoded(row) for row in rows]
        batch = padded(chosen, self._length(index, length, max(map(len, chosen))))
        before = shifted(batch)
        batch[:, : self._given] = np.nan
        return self._dealt_out(before, rows, batch)

    def _length(self, index: int, length: int, longest: int) -> int:
        """The length of batch `index`: that of its bucket, or of the first longer one that holds the longest sequence."""
        if longest > length:
            length = min(
                (each for each in self._groups if each >= longest), default=math.ceil(longest / _GRAIN) * _GRAIN
            )
        if self._must_vary:
            if index == 0:
                self._first_length = length
            elif index == 1 and length == self._first_length:
                length += _GRAIN
        return length

    def _deal(self):
        self._plan = self._batches_of(np.arange(len(self._bucket)))[0]
        self._let_lengths_differ()

    def _batches_of(self, rows: np.ndarray, left: dict | None = None, last: bool = True) -> tuple[list, dict]:
        """Batches of rows, in any order, and the rows of each length that fill no batch.

        Args:
            rows: Ascending.
            left: The rows of each length that are left from before.
            last: Whether these are the last rows of the epoch: then no row is left, and batches are filled up.
        """
        plan, rest = [], {}
        for length in self._groups:
            order = self._rng.permutation(rows[self._bucket[rows] == length])
            order = order if left is None else np.concatenate([left[length], order])
            count = math.ceil(len(order) / self._size) if last else len(order) // self._size
            rest[length] = order[count * self._size :]
            plan += [(length, part) for part in np.resize(order, (count, self._size))]
        return [plan[i] for i in self._rng.permutation(len(plan))], rest

    def _let_lengths_differ(self, most: int | None = None) -> None:
        # See `backend.FIXES_EQUAL_AXES`: the first two batches differ in length if any two do
        first = self._plan[:most]
        other = next((i for i, (length, _) in enumerate(first) if length != first[0][0]), 0)
        if other:
            self._plan.insert(1, self._plan.pop(other))
        if self._must_vary and len(self._plan) == 1:
            length, rows = self._plan[0]
            self._plan = [(length, part) for part in np.array_split(np.resize(rows, max(2, len(rows))), 2)]


class Windows(_Dealt):
    """Windows of long sequences, for truncated backpropagation: row b of a batch continues row b of the batch before.

    The inputs of a window begin with the event before it; NaN there means that a new sequence begins. Keras must not shuffle
    the batches, since each continues the one before.

    Args:
        sequences: As `as_sequences` returns them.
        conditions: Arrays of N rows each, which come with the sequences.
        batch_size: B, how many rows run side by side.
        given: How many events at the start of each sequence are no targets.
        window: Steps a window.
        cut: Whether to cut sequences that have more windows than a row should, so that a few long ones fill all rows. A part
            begins as a new sequence would, one window early: the events of that window are read, but are no targets.
        encode: As in `Batches`; all sequences are encoded before the first batch of an epoch.
        seed: Seeds the order of the sequences and what `encode` draws.
    """

    def __init__(self, sequences, conditions=(), *, batch_size=32, given=0, window=100, cut=False, encode=None, seed=0):
        super().__init__(sequences, conditions, batch_size, given, encode, seed)
        self._window, self._cut = window, cut
        self._count = 0  # how many batches an epoch has
        self.on_epoch_end()

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        length, size = self._window, self._width
        before = np.full((self._size, length, size), np.nan, "float32")
        batch = np.full((self._size, length, size), np.nan, "float32")
        rows = np.zeros(self._size, int)
        for i, piece in enumerate(self._pieces(index)):
            if piece is None:
                continue
            rows[i], first, begins = piece
            part = self._sequences[rows[i]][first : first + length]
            batch[i, : len(part)] = part
            before[i, 1 : len(part)] = part[:-1]
            batch[i, : max(0, self._given - first)] = np.nan
            if first and begins:
                batch[i] = np.nan
            elif first:
                before[i, 0] = self._sequences[rows[i]][first - 1]
        return self._dealt_out(before, rows, batch)

    def _pieces(self, index: int) -> list[tuple[int, int, bool] | None]:
        """For each row of a batch (sequence, first step, whether a part begins there), or None if nothing is left for it."""
        return self._plan[index]

    def _deal(self):
        # Deals the parts of this epoch, longest first, each to the row of the batch that has the fewest windows so far
        self._sequences = [self._encoded(row) for row in range(len(self._sequences))]
        parts = self._parts()
        dealt: list[list[int]] = [[] for _ in range(self._size)]
        steps = np.zeros(self._size)
        order = self._rng.permutation(len(parts))
        for place in sorted(order, key=lambda place: -self._windows(parts[place])):
            shortest = int(np.argmin(steps))
            dealt[shortest].append(place)
            steps[shortest] += self._windows(parts[place])
        # Within a row they are shuffled again: else each epoch would end with short sequences only
        streams = [
            [
                (row, at, at == first)
                for row, first, end in (parts[place] for place in self._rng.permutation(places))
                for at in range(first, end, self._window)
            ]
            for places in dealt
        ]
        # A row that has ended begins anew, so no step is wasted. Keras needs the same number of batches in each epoch,
        # although `encode` may change the lengths
        self._count = self._count or max(map(len, streams))
        self._plan = [[stream[i % len(stream)] if stream else None for stream in streams] for i in range(self._count)]

    def _windows(self, part: tuple[int, int, int]) -> int:
        return math.ceil((part[2] - part[1]) / self._window)

    def _parts(self) -> list[tuple[int, int, int]]:
        """(row, first step, last step + 1) of each sequence, or of the parts that it is cut into."""
        whole = [(row, 0, len(one)) for row, one in enumerate(self._sequences)]
        if not self._cut:
            return whole
        return self._divided(whole, math.ceil(sum(map(self._windows, whole)) / self._size) * self._window)

    def _divided(self, whole, most: int) -> list[tuple[int, int, int]]:
        """`whole` sequences cut into parts of `most` steps; each but the first begins one window early."""
        return [
            (row, max(0, first - self._window), min(first + most, length))
            for row, _, length in whole
            for first in range(0, length, most)
        ]
