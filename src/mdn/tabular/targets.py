"""Targets before training: whether they lie on a grid or are constant, and how rows are split."""

from __future__ import annotations

import numpy as np

_TIES = 0.5  # a grid matters where more than this share of the values are ties
_FINE = 1e-3  # a step below this share of the standard deviation is no grid: no network resolves it
_ATOM, _ATOM_TIMES = 0.03, 10  # share of the rows with an atom; how many times more often than its neighbours it comes
_FEW_VALUES, _MOST_ATOMS = 30, 5  # atoms need so many different values beside them; there are so many atoms at most
_OFF = 1e-3  # values may lie off the grid by this share of its step, since files in float32 round them


def grid(y: np.ndarray) -> np.ndarray:
    """The step of the grid on which each target lies, 0 where it lies on none that matters; shape `(D,)`.

    On rounded targets (integers, marks, tenths) a density could grow without bound, with a spike on each value.

    Args:
        y: Shape `(N, D)`; NaN is missing.
    """
    return np.array([_step(column[~np.isnan(column)]) for column in np.asarray(y, "float64").T])


def _step(values: np.ndarray) -> float:
    levels = np.unique(values)
    if len(levels) < 2 or len(levels) > (1.0 - _TIES) * len(values):
        return 0.0
    gaps = np.diff(levels)
    step = float(gaps.min())
    places = (levels - levels[0]) / step
    if step < _FINE * float(np.std(values)) or np.max(np.abs(places - np.round(places))) > _OFF * max(
        1.0, places[-1] / 1e4
    ):
        return 0.0
    return step


def cells(y: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Lower and upper bounds of the cell of the grid that each rounded value stands for, `(N, 2 D)`; y without a grid."""
    return np.concatenate([y - 0.5 * steps, y + 0.5 * steps], axis=1)


def drawn(bounds: np.ndarray, size: int, seed: int) -> np.ndarray:
    """One point `(N, D)` for each target: the target itself, or a uniform draw between its bounds, or its only finite bound.

    Args:
        bounds: Points `(N, D)`, or lower and then upper bounds `(N, 2 D)`.
        size: D.
        seed: The seed for the draws.
    """
    return within(bounds, size, np.random.default_rng(seed).uniform(size=(len(bounds), size)))


def within(bounds: np.ndarray, size: int, share: np.ndarray) -> np.ndarray:
    """The point at `share` `(N, D)` of the way between the bounds of each target, or its only finite bound; see `drawn`."""
    if bounds.shape[1] == size:
        return bounds
    lower, upper = bounds[:, :size], bounds[:, size:]
    lower, upper = np.where(np.isinf(lower), upper, lower), np.where(np.isinf(upper), lower, upper)
    width = np.where(lower == upper, 0.0, upper - np.where(np.isinf(lower), 0.0, lower))
    lower = np.where(np.isinf(lower), np.nan, lower)
    return lower + width * share


def atoms(y: np.ndarray) -> list[tuple[float, float]]:
    """(value, share of the rows) of values that a target has again and again, most frequent first.

    A density has no place for them: where half of the amounts are exactly 0, it grows without bound there. A value is one if
    more than three in a hundred rows have it, at least ten times as many as have one of the values next to it. Where there are
    few values, such as counts, none is. `codes.codes_of` finds values that lie far from all others.

    Args:
        y: Shape `(N,)`, without missing values.
    """
    values, counts = np.unique(np.asarray(y, "float64"), return_counts=True)
    if len(values) < _FEW_VALUES:
        return []
    often = [
        at
        for at in np.flatnonzero(counts > _ATOM * len(y))
        if counts[at] >= _ATOM_TIMES * np.median(np.delete(counts[max(at - 3, 0) : at + 4], min(int(at), 3)))
    ]
    often.sort(key=lambda at: -counts[at])
    return [(float(values[at]), float(counts[at]) / len(y)) for at in often[:_MOST_ATOMS]]


def constant(y: np.ndarray) -> np.ndarray:
    """Whether each target is the same in every row, shape `(D,)`."""
    return np.nanmin(y, axis=0) == np.nanmax(y, axis=0)


def split_rows(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows at random into (the rest, `share` of the rows, at least one); indices in ascending order.

    Example:
        >>> from mdn.tabular import split_rows
        >>> [len(part) for part in split_rows(100, 0.2, 0)]
        [80, 20]
    """
    order = np.random.default_rng(seed).permutation(count)
    part = min(max(1, round(share * count)), count - 1)
    return np.sort(order[part:]), np.sort(order[:part])
