"""A hash of each row of a table, from its values alone: the same on every machine, whatever file a row stands in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from mdn.data.tables import Cells, as_words

_FACTOR, _ODD = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x9E3779B97F4A7C15)
_HALF, _SHIFT = np.uint64(32), np.uint64(29)


def row_hashes(cells: Sequence[Cells], seed: int = 0) -> np.ndarray:
    """A hash of 64 bits for each row, uint64 `(N,)`.

    Equal rows would all have one hash, and all stand on one side of a split; where a table has few different rows, that would
    hide some of them from a training. So the second of several equal rows among these gets another hash than the first.

    Args:
        cells: The columns, of equal length: numbers, or strings.
        seed: Another seed gives other hashes.
    """
    found = value_hashes(cells, seed)
    return _mixed(found + _ODD * _times_before(found))


def value_hashes(cells: Sequence[Cells], seed: int = 0) -> np.ndarray:
    """As `row_hashes`, but equal rows have equal hashes, uint64 `(N,)`."""
    found = np.full(len(cells[0]), _mixed(np.array([seed], "uint64"))[0])
    for column in cells:
        found = _mixed(found ^ _bits(column))
    return found


def _bits(column: Cells) -> np.ndarray:
    if isinstance(column, np.ndarray):
        numbers = np.asarray(column, "float64") + 0.0  # -0.0 is 0.0
        bits = numbers.view("uint64")
        missing = np.isnan(numbers)
        return np.where(missing, _ODD, bits) if missing.any() else bits
    column = as_words(column)
    known = {
        text: int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        for text in set(column)
    }
    return np.fromiter(map(known.__getitem__, column), "uint64", len(column))


def _mixed(found: np.ndarray) -> np.ndarray:
    """Every bit of the input changes half of the bits of the output; products wrap around."""
    found = (found ^ (found >> _HALF)) * _FACTOR + _ODD
    found = (found ^ (found >> _SHIFT)) * _FACTOR
    return found ^ (found >> _HALF)


def _times_before(found: np.ndarray) -> np.ndarray:
    """How many rows before each have the same hash, uint64 `(N,)`."""
    order = np.argsort(found, kind="stable")
    ordered, places = found[order], np.arange(len(found))
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    times = np.empty(len(found), "uint64")
    times[order] = places - np.maximum.accumulate(np.where(first, places, 0))
    return times
