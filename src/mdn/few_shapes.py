"""Few shapes, each compiled once: many rows are answered in blocks of few sizes, the last one filled up with its own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from keras import ops


def powers_of_two(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most` itself."""
    return *(2**power for power in range(max(0, most - 1).bit_length())), most


def fitting(count: int, sizes: Sequence[int]) -> int:
    """The smallest of `sizes`, which ascend, that holds `count` rows; the largest where none does."""
    return next((size for size in sizes if size >= count), sizes[-1])


def blocks(rows, sizes: Sequence[int]) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (indices of a block, how many of them are new), each block of one of `sizes`.

    Args:
        rows: How many there are, or their indices.
        sizes: Ascending. Blocks have the largest of them, until what is left fits into a smaller one; there rows come again.
    """
    rows = np.arange(rows) if isinstance(rows, int) else np.asarray(rows)
    first = 0
    while first < len(rows):
        size = fitting(len(rows) - first, sizes)
        some = rows[first : first + size]
        yield np.resize(some, size), len(some)
        first += size


def in_blocks(function, *arrays, sizes: Sequence[int]):
    """`function(*arrays)` for a function of rows, in NumPy, some rows at a time and in few different shapes.

    Args:
        function: Of arrays `(rows, ...)` to a tensor, or a tuple of tensors, `(rows, ...)`, each row by itself.
        *arrays: As many rows each, at least one.
        sizes: See `blocks`.

    Returns:
        An array, or a tuple of them, as `function` does.
    """
    if not len(arrays[0]):
        raise ValueError("at least one row is needed, but none came.")
    found = []
    for rows, new in blocks(len(arrays[0]), sizes):
        values = function(*(array[rows] for array in arrays))
        several = values if isinstance(values, tuple) else (values,)
        found.append([np.asarray(ops.convert_to_numpy(each))[:new] for each in several])
    columns = tuple(np.concatenate(column) for column in zip(*found, strict=True))
    return columns if isinstance(values, tuple) else columns[0]
