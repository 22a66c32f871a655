"""Rows set aside whole: the latest ones, or those of some groups, so that no date and no group stands on both sides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdn.data.dates import local, shown_day


class TooFew(ValueError):
    """There are too few dates or groups to set some aside for each purpose."""


def dealt(
    values: np.ndarray,
    dates: bool,
    judge: float,
    calibrate: Callable[[int], int] | None,
    stop: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Deals rows to (those to learn from, to judge by, to calibrate on, to stop the training by); ascending indices.

    Args:
        values: Days, or the number of the group of each row, `(N,)`.
        dates: Whether they are days: then the latest rows are set aside, and of the others the latest again.
        judge: The share to judge by.
        calibrate: From a number of rows to how many of these are calibrated on; None for none.
        stop: The share of the others to stop by; 0 for none.
        rng: For the order of groups.

    Raises:
        TooFew: if there are not two dates, or groups, to divide.
    """

    def split(rows: np.ndarray, share: float) -> list[np.ndarray]:
        there = values[rows]
        if len(np.unique(there)) < 2:
            raise TooFew("there are too few dates or groups to set some of them aside.")
        parts = latest(there, share) if dates else whole_groups(there, share, rng)
        return [rows[part] for part in parts]

    none = np.arange(0)
    rest, judged = split(np.arange(len(values)), judge)
    rest, calibrating = [rest, none] if calibrate is None else split(rest, calibrate(len(rest)) / len(rest))
    learn, stopping = split(rest, stop) if stop else [rest, none]
    return learn, judged, calibrating, stopping


def said_of_dates(name: str, first: float, zone: str) -> str:
    """The sentence that says that the rows from a day on, in UTC, are set aside."""
    return f"The latest rows are set aside, those from {shown_day(local(np.array([first]), zone)[0])} on, by {name!r}."


def said_of_groups(name: str, aside: int, every: int) -> str:
    """The sentence that says how many of all groups are set aside."""
    return f"Whole groups are set aside, {aside} of {every}, by {name!r}."


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
