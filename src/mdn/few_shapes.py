"""Computes many rows in blocks of few sizes, so that few shapes are compiled; the last block is padded with its own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from keras import ops


def powers_of_two(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most` itself."""
    return *(2**power for power in range(max(0, most - 1).bit_length())), most


def fitting(count: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending `sizes` that holds `count` rows, or the largest if none does."""
    return next((size for size in sizes if size >= count), sizes[-1])


def blocks(rows, sizes: Sequence[int]) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (row indices of a block, how many of them are new); every block has one of `sizes`.

    Args:
        rows: The number of rows, or their indices.
        sizes: Ascending. A block has the smallest size that holds the remaining rows, or, if they fill less than half of it, the
            next smaller one; the last block repeats rows to fill up.
    """
    rows = np.arange(rows) if isinstance(rows, int) else np.asarray(rows)
    first = 0
    while first < len(rows):
        left = len(rows) - first
        size = max([size for size in sizes if size <= 2 * left], default=sizes[0])
        size = min(size, fitting(left, sizes))
        some = rows[first : first + size]
        yield np.resize(some, size), len(some)
        first += size


def in_blocks(function, *arrays, sizes: Sequence[int]):
    """`function(*arrays)` for a function of rows, as NumPy arrays, computed in blocks of few different sizes.

    Args:
        function: Maps arrays `(rows, ...)` to a tensor or a tuple of tensors `(rows, ...)`, each row independently of the others.
        *arrays: All have the same number of rows, at least one.
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
