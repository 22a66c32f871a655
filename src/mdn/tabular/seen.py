"""Which rows a model learnt from: checksums of some of them, so that a report says when it judges rows of training."""

from __future__ import annotations

import numpy as np

_KEPT = 1024  # checksums: 8 KiB in the file of a model, and a share that is known to about 3 %
_ROWS_AT_ONCE = 1024
_FEWEST = 5  # rows of a report that can be looked up; fewer show nothing
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


def share_seen(kept: list[int], found: np.ndarray) -> float | None:
    """The share of rows that are equal to rows of training; None if that is not known.

    Args:
        kept: What `smallest` returned for the rows of training.
        found: The checksums of the rows in question.
    """
    if not kept:
        return None
    known = found if len(kept) < _KEPT else found[found <= kept[-1]]
    return float(np.mean(np.isin(known, kept))) if len(known) >= min(_FEWEST, len(found)) else None


def seen_of(regressor, X, y) -> float | None:
    """The share of rows, with features X and targets as in `fit`, that a regressor learnt from; None if it is not known."""
    found = checksums(regressor._features(X), regressor._checked_targets(y))
    return share_seen(getattr(regressor, "seen_", []), found)
