"""Rows set aside whole: the latest ones, or those of some groups, so that no date and no group stands on both sides."""

from __future__ import annotations

import numpy as np


def latest(times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into (the earlier ones, about `share` of the rows: the latest); indices in ascending order.

    All rows of one time are on one side, so that the second part has as near to `share` of the rows as times allow.

    Args:
        times: Finite numbers `(N,)` that rise with time, at least two of them different.
        share: In (0, 1).
    """
    values, counts = np.unique(times, return_counts=True)
    from_here_on = np.cumsum(counts[::-1])[::-1][1:]
    first = 1 + int(np.argmin(np.abs(from_here_on - share * len(times))))
    aside = times >= values[first]
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def whole_groups(groups: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows at random into (the rest, about `share` of the rows: those of some groups); indices in ascending order.

    Groups are taken in a random order, each if it brings the second part nearer to its share, so that a group of far more rows
    than that is never in it.

    Args:
        groups: What says to which group each row belongs, `(N,)`, at least two of them different.
        share: In (0, 1).
        rng: For the order of the groups.
    """
    _, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    taken: list[int] = []
    rows, wanted = 0, share * len(groups)
    for group in rng.permutation(len(counts)):
        if abs(rows + counts[group] - wanted) < abs(rows - wanted) and len(taken) < len(counts) - 1:
            taken.append(group)
            rows += counts[group]
    aside = np.isin(of_row, taken or [np.argmin(counts)])
    return np.flatnonzero(~aside), np.flatnonzero(aside)
