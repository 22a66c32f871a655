"""Intervals with a guarantee: levels taken from the ranks of targets that training has not seen.

Let u₁ ≤ … ≤ uₙ be the PITs of the calibration rows: the probability that the model gave to values below each target. If a new
row is exchangeable with these rows, the rank of its own PIT among all n + 1 is uniform, whatever the model. So at most
k / (n + 1) of new targets lie below the predicted quantile of level u₍ₖ₎, and at most as many above the one of u₍ₙ₊₁₋ₖ₎.

Reference:
    Chernozhukov, Wüthrich and Zhu (2021), Distributional conformal prediction; Vovk et al. (2019), Nonparametric predictive
    distributions based on conformal prediction.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_consistent_length, check_random_state

from mdn.data.schema import array
from mdn.tabular.columns import target_numbers
from mdn.tabular.frames import rows_of

FEWEST = 19
"""The fewest rows of a calibration: a 90 % interval, the default, needs them."""
_SHARE, _AT_LEAST, _AT_MOST = 0.2, 50, 0.25  # of the rows, set aside by `calibration="conformal"`
# Of a tail: 0.975 as a float32 is more than 0.975, and would cost a rank; what is promised holds to within this
_ROUNDING = 1e-5
_OUTWARD = 16.0 * float(np.finfo("float32").eps)
_FARTHEST = 1e11  # log odds, 450,000 standard deviations of a normal; float32 finds no quantile ten times as far out
_LARGEST = float(np.finfo("float32").max)
_STREAM = 21  # keeps these draws apart from those that split the rows of a member with the same seed


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """The sorted PITs of each target in rows that training has not seen.

    They are kept as log odds, log P(below) - log P(above), since the PIT of a target far above its median is 1.0 even in
    float64, and the quantile of level 1 is infinite.

    Attributes:
        odds: For each target the log odds, float64, ascending, shape `(n,)`.
        names: The names of the targets, for messages.
    """

    odds: tuple[np.ndarray, ...]
    names: tuple[str, ...]

    @classmethod
    def learn(cls, odds: np.ndarray, names) -> Calibration:
        """From the log odds `(N, D)` of the calibration rows; NaN is missing.

        Raises:
            ValueError: if a target has fewer than `FEWEST` values.
        """
        columns = tuple(np.sort(column[~np.isnan(column)]) for column in np.asarray(odds, "float64").T)
        for name, column in zip(names, columns, strict=True):
            if len(column) < FEWEST:
                raise ValueError(
                    f"at least {FEWEST} rows with a value of {name!r} are needed to calibrate a 90 % interval, but there are "
                    f"{len(column)}. Calibrate on more rows."
                )
        return cls(columns, tuple(names))

    @property
    def rows(self) -> tuple[int, ...]:
        """How many rows calibrate each target."""
        return tuple(len(column) for column in self.odds)

    @property
    def pits(self) -> tuple[np.ndarray, ...]:
        """The PITs of each target, float64, ascending; those very near 1 are rounded to it."""
        return tuple(np.exp(-np.logaddexp(0.0, -column)) for column in self.odds)

    def levels(self, q) -> np.ndarray:
        """The log odds at which quantiles of the model are to be taken, for each target and each probability.

        With a tail of t = min(q, 1 - q) and k = floor((n + 1) t) it is the k-th smallest value where q < 1/2, the k-th
        largest where q > 1/2, and the mean of the two for the median. It never falls as q rises.

        Args:
            q: Probabilities, shape `(L,)`.
        Returns:
            Shape `(D, L)`.
        Raises:
            ValueError: if a `q` does not lie between 0 and 1, or is so far out that these rows promise no finite quantile, or
                if the targets of calibration are beyond all that the model predicts.
        """
        q = np.asarray(q, "float64")
        if not np.all((q > 0.0) & (q < 1.0)):
            raise ValueError(
                "`q` must lie between 0 and 1, both excluded: rows of calibration promise nothing about the ends."
            )
        tail = np.minimum(q, 1.0 - q) * (1.0 + _ROUNDING)
        found = []
        for name, column in zip(self.names, self.odds, strict=True):
            count = len(column)
            rank = np.minimum(np.floor((count + 1) * tail), (count + 1) // 2).astype(int)
            if len(rank) and rank.min() < 1:
                raise ValueError(_too_few(name, count, float(tail.min())))
            below, above = column[rank - 1], column[count - rank]
            found.append(np.where(q < 0.5, below, np.where(q > 0.5, above, 0.5 * below + 0.5 * above)))
            if np.any(np.abs(found[-1]) > _FARTHEST):
                raise ValueError(
                    f"the values of {name!r} in the rows of calibration are more than 450,000 standard deviations from what the "
                    "model predicts, so its quantiles cannot be moved to them. Check their unit, or fit the model to such rows."
                )
        return np.stack(found)

    def pit(self, odds: np.ndarray, seed: int = 0) -> np.ndarray:
        """The calibrated PIT of new targets: their ranks among the calibration rows, spread evenly over each rank.

        Uniform for exchangeable rows. Steps of `levels` are whole ranks, so its intervals hold up to 2 / (n + 1) more than
        these values say.

        Args:
            odds: Log odds `(N, D)` of the targets, NaN where missing.
            seed: Of the draw within a rank.
        """
        drawn = np.random.default_rng([_STREAM, seed]).uniform(size=odds.shape)
        ranks = np.empty(odds.shape)
        for d, column in enumerate(self.odds):
            below, up_to = (np.searchsorted(column, odds[:, d], side) for side in ("left", "right"))
            ranks[:, d] = (below + drawn[:, d] * (1 + up_to - below)) / (len(column) + 1)
        return np.where(np.isnan(odds), np.nan, ranks)

    # ---- files -----------------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a file, by name."""
        return {f"calibration/{d}": column for d, column in enumerate(self.odds)}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], names) -> Calibration:
        """From the arrays of a file.

        Raises:
            ValueError: if they are missing, not finite, not ascending or too few.
        """
        columns = []
        for key in (f"calibration/{d}" for d in range(len(names))):
            column = array(None)(arrays[key], key).astype("float64")
            if len(column) < FEWEST or np.any(np.diff(column) < 0.0):
                raise ValueError(f"`{key}` must be {FEWEST} ascending values or more.")
            columns.append(column)
        return cls(tuple(columns), tuple(names))


def _too_few(name: str, count: int, tail: float) -> str:
    needed = math.ceil(1.0 / tail - 2.0 * _ROUNDING) - 1
    return (
        f"at least {needed} rows of calibration are needed for a {100.0 * (1.0 - 2.0 * tail):.4g} % interval or the quantiles at "
        f"its ends, but {count} have a value of {name!r}: with so few the interval is infinite. Calibrate on more rows, or ask "
        f"for {math.floor(1000.0 * (1.0 - 2.0 / (count + 1))) / 10.0:g} % at most."
    )


def log_odds(lower: np.ndarray, upper: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The log odds of targets that stand for cells, at a place drawn within each cell.

    Args:
        lower: Logs of the probabilities below and above the lower end of each cell, in a last axis of 2.
        upper: The same for the upper end; equal to `lower` where a target is not rounded.
        drawn: Uniform in [0, 1), for each target.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # the log of a draw of 0; NaN where a target is missing
        here, there = np.log1p(-drawn)[..., None], np.log(drawn)[..., None]
        logs = np.logaddexp(here + lower, there + upper)
    return np.clip(logs[..., 0] - logs[..., 1], -_LARGEST, _LARGEST)


def outward(values: np.ndarray, q, least: float = 0.0) -> np.ndarray:
    """Values moved away from the median by a few roundings of float32.

    Many rows may have the same target and the same features. Where it is the end of an interval, an end that is rounded inward
    would lose all of them.

    Args:
        values: Quantiles or log odds; the probabilities are the last axis.
        q: Their probabilities.
        least: The size of a value that is smaller than this.
    """
    return values + _OUTWARD * np.sign(np.asarray(q, "float64") - 0.5) * np.maximum(np.abs(values), least)


def log_tails(odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log P(below), log P(above)) from log odds, without loss in either tail."""
    return -np.logaddexp(0.0, -odds), -np.logaddexp(0.0, odds)


# ---- which rows ------------------------------------------------------------------------------------------------------


def rows_aside(count: int) -> int:
    """How many of `count` rows are set aside to calibrate: a fifth, and at least 50 rows, but never more than a quarter.

    Raises:
        ValueError: if a quarter is fewer than `FEWEST` rows.
    """
    most = int(_AT_MOST * count)
    if most < FEWEST:
        raise ValueError(
            f"at least {math.ceil(FEWEST / _AT_MOST)} rows with a target and a weight are needed, since a quarter of them is set "
            f"aside to calibrate intervals, but there are {count}. Fit without calibration."
        )
    return min(max(round(_SHARE * count), _AT_LEAST), most)


def split_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows at random into (those to learn from, `rows_aside` to calibrate on); indices in ascending order.

    Raises:
        ValueError: if there are too few rows.
    """
    part = rows_aside(count)
    order = np.random.default_rng([_STREAM, seed]).permutation(count)
    return np.sort(order[part:]), np.sort(order[:part])


def set_aside(X, y, sample_weight, random_state):
    """((X, y, sample_weight) to learn from, (X, y) to calibrate on), as tables of the kinds that came.

    The rows are split before anything is learnt from them, column types and medians included: the guarantee asks that training
    treat rows of calibration as it treats new ones. Rows without a target or without weight do not calibrate.
    """
    check_consistent_length(X, y, *(() if np.ndim(sample_weight) == 0 else (sample_weight,)))
    values = np.asarray(target_numbers(y), "float64")
    known = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    weighted = np.ndim(sample_weight) > 0
    if weighted:
        known &= np.asarray(sample_weight, "float64") > 0.0
    places = np.flatnonzero(known)
    _, aside = split_rows(len(places), int(check_random_state(random_state).randint(2**31 - 1)))
    rest = np.setdiff1d(np.arange(len(values)), places[aside])
    weight = np.asarray(sample_weight)[rest] if weighted else sample_weight
    return (_rows(X, rest), _rows(y, rest), weight), (_rows(X, places[aside]), _rows(y, places[aside]))


def _rows(table, rows):
    """Rows of a table, an array, a sparse matrix, which `fit` then refuses, or a series, which keeps its name."""
    by_itself = issparse(table) or (hasattr(table, "name") and not hasattr(table, "iloc"))
    return table[rows] if by_itself else rows_of(table, rows)
