"""Which rows a model learnt from: checksums of some of them, so that a report says when it judges rows of training."""

from __future__ import annotations

import numpy as np

_KEPT = 1024  # checksums: 8 KiB in the file of a model, and a share that is known to about 3 %
_ROWS_AT_ONCE = 1024
_FEWEST = 5  # rows of a report that can be looked up; fewer show nothing
_DISTINCT = 0.99  # of the rows: where more are equal to each other, new rows are equal to rows of training by chance
_FACTOR, _ODD = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x9E3779B97F4A7C15)


def checksums(*columns) -> np.ndarray:
    """A checksum of 32 bits for each row of arrays `(N, any)` or `SparseRows`, which are compared as float32."""
    if not isinstance(columns[0], np.ndarray):  # sparse rows, which must not be dense all at once
        parts = range(0, len(columns[0]), _ROWS_AT_ONCE)
        return np.concatenate(
            [checksums(*(each[first : first + _ROWS_AT_ONCE] for each in columns)) for first in parts]
        )
    table = np.concatenate([np.asarray(each, "float32") for each in columns], axis=1) + np.float32(0.0)  # -0.0 is 0.0
    table = np.where(np.isnan(table), np.float32(np.nan), table).astype("float32")
    found = np.zeros(len(table), "uint64")
    for column in np.ascontiguousarray(table.T).view("uint32"):
        found = (found ^ column.astype("uint64")) * _FACTOR + _ODD  # wraps around
        found ^= found >> np.uint64(29)
    return (found >> np.uint64(32)).astype("int64")


def smallest(found: np.ndarray) -> list[int]:
    """The checksums that a model keeps of its rows of training: the smallest, each once, in ascending order."""
    return [int(each) for each in np.unique(found)[:_KEPT]]


def rows_seen(kept: list[int], found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(of which rows it is known whether training saw them, which rows are equal to one that it saw), booleans `(N,)` each.

    Args:
        kept: What `smallest` returned for the rows of training.
        found: The checksums of the rows in question.
    """
    known = np.full(len(found), bool(kept)) if len(kept) < _KEPT else found <= kept[-1]
    return known, np.isin(found, kept)


def are_distinct(found: np.ndarray) -> bool:
    """Whether nearly all rows, by their checksums, are unlike each other: only then an equal row is one that training saw."""
    return len(np.unique(found)) >= _DISTINCT * len(found)


def share_seen(kept: list[int], found: np.ndarray) -> float | None:
    """The share of rows that training saw; arguments as in `rows_seen`.

    None if it is not known: there are too few checksums, or the rows are equal to each other, so that new rows of the same kind
    would be equal to rows of training, too.
    """
    known, equal = rows_seen(kept, found)
    if not kept or not len(found) or np.sum(known) < min(_FEWEST, len(found)) or not are_distinct(found):
        return None
    return float(np.mean(equal[known]))


def count_of(kept: list[int]) -> int:
    """About how many different rows training had, by what `smallest` returned, to 3 % where there were many; 0 if unknown.

    Reference:
        Bar-Yossef et al. (2002), Counting distinct elements in a data stream.
    """
    return len(kept) if len(kept) < _KEPT else round((_KEPT - 1) * 2.0**32 / kept[-1])


def seen_of(regressor, X, y) -> float | None:
    """The share of rows, with features X and targets as in `fit`, that a regressor learnt from; None if it is not known."""
    found = checksums(regressor._features(X), regressor._checked_targets(y))
    return share_seen(getattr(regressor, "seen_", []), found)
