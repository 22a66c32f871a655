"""Intervals with a guarantee: levels taken from the ranks of targets that training has not seen.

Let u₁ ≤ … ≤ uₙ be the PITs of the calibration rows: the probability that the model gave to values below each target. If a new
row is exchangeable with these rows, the rank of its own PIT among all n + 1 is uniform, whatever the model. So at most
k / (n + 1) of new targets lie below the predicted quantile of level u₍ₖ₎, and at most as many above the one of u₍ₙ₊₁₋ₖ₎.

The same holds of any other score that depends on a row alone, such as the density rank P(f(Y) >= f(y)): at least k / (n + 1) of
new targets lie in the regions of highest density with the coverage of the k-th smallest rank. And it holds within a group of
rows, if the ranks are those of rows of this group.

Reference:
    Chernozhukov et al. (2021), Distributional conformal prediction; Vovk et al. (2019), Nonparametric predictive distributions
    based on conformal prediction; Izbicki et al. (2022), CD-split and HPD-split; Vovk et al. (2003), Mondrian confidence machine.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_random_state

from mdn.data.schema import array
from mdn.masks import unmasked
from mdn.tabular import groups as row_groups
from mdn.tabular.frames import arrays_of, rows_of
from mdn.tabular.inputs import target_numbers
from mdn.wording import agreed

FEWEST = 19
"""The fewest rows of a calibration: a 90 % interval, the default, needs them."""
# `calibration="conformal"` sets this share of the rows aside, so many at least, and this share at most
_SHARE, _AT_LEAST, _AT_MOST = 0.2, 50, 0.25
# The guarantee holds to within this share of a tail: 0.975 in float32 exceeds 0.975, and would cost a rank
_ROUNDING = 1e-5
_OUTWARD = 16.0 * float(np.finfo("float32").eps)
_FARTHEST = 1e11  # log odds, 450,000 standard deviations of a normal; float32 finds no quantile ten times as far out
_WHOLE = 1.0 - 1e-6  # a larger density rank is 1 for float32, and its region the whole line
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
        ranks: For each target the density ranks, ascending, shape `(n,)`; empty where targets have no density, or are `unranked`.
        groups: The calibration of each group that has one of its own, by its label; None without groups.
        column: The column of features that holds the labels, None if they are passed by themselves.
        unranked: The rows of calibration, (features, edges of targets, labels or None), until somebody needs their density ranks,
            which cost far more time than the rest; None afterwards.
    """

    odds: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    ranks: tuple[np.ndarray, ...] = ()
    groups: dict[str, Calibration] | None = None
    column: str | None = None
    unranked: tuple | None = None

    @classmethod
    def learn(cls, odds: np.ndarray, names) -> Calibration:
        """Learns from the log odds of the calibration rows, without groups.

        Args:
            odds: Shape `(N, D)`; NaN is missing.
            names: The names of the targets.

        Raises:
            ValueError: if a target has fewer than `FEWEST` values.
        """
        columns = _sorted(odds)
        for name, column in zip(names, columns, strict=True):
            if len(column) < FEWEST:
                raise ValueError(
                    f"at least {FEWEST} rows with a value of {name!r} are needed to calibrate a 90 % interval, but there "
                    f"{agreed(len(column), 'is', 'are')} {len(column)}. Calibrate on more rows."
                )
        return cls(columns, tuple(names))

    def with_groups(self, odds: np.ndarray, labels: np.ndarray, groups) -> Calibration:
        """This calibration of all rows, and beside it one for each group in which every target has `FEWEST` values.

        Args:
            odds: As in `learn`.
            labels: Those of the same rows, as `groups.labels_of` returns them, shape `(N,)`.
            groups: As in `groups.labels_of`.
        """
        own, small = {}, {}
        for label in sorted(set(labels) - {""}):
            rows = labels == label
            count = int((~np.isnan(odds[rows])).sum(axis=0).min())
            if count < FEWEST:
                small[label] = count
                continue
            names = [f"{name} (group {label})" for name in self.names]
            own[label] = Calibration.learn(odds[rows], names)
        row_groups.warn_of_small(groups, small, FEWEST)
        return dataclasses.replace(self, groups=own, column=groups if isinstance(groups, str) else None)

    def with_ranks(self, ranks: np.ndarray | None) -> Calibration:
        """This calibration with the density ranks `(N, D)` of the `unranked` rows, NaN where missing; None without a density."""
        if self.unranked is None or ranks is None:
            return dataclasses.replace(self, unranked=None)
        *_, labels = self.unranked
        groups = self.groups and {
            label: dataclasses.replace(one, ranks=_sorted(ranks[labels == label])) for label, one in self.groups.items()
        }
        return dataclasses.replace(self, ranks=_sorted(ranks), groups=groups, unranked=None)

    def parts(self, X, groups=None) -> Iterator[tuple[Any, Calibration]]:
        """Yields (rows of X as an index, the calibration that these rows share), until all rows have come.

        Args:
            X: Features.
            groups: As in `groups.labels_of`; None for the column that the calibration knows, and without one for all rows.

        Raises:
            ValueError: if rows have groups, but the calibration has none, or if labels are missing or do not fit X.
        """
        groups = self.column if groups is None else groups
        if self.groups is None:
            refuse_groups(groups)
        if groups is None or self.groups is None:
            yield slice(None), self
            return
        labels = row_groups.labels_of(X, groups)
        row_groups.warn_of_unknown(groups, labels, self.groups)
        which = np.array([label if label in self.groups else "" for label in labels], dtype=object)
        for label in sorted(set(which)):
            yield np.flatnonzero(which == label), self.groups.get(label, self)

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

    def coverages(self, coverage: float) -> np.ndarray:
        """The coverages of the model's regions of highest density that hold `coverage` of new targets at least, `(D,)`.

        They are the k-th smallest density ranks, k = ceil((n + 1) coverage).

        Raises:
            ValueError: if there are no ranks, too few of them, or targets where the model has next to no probability.
        """
        if not self.ranks:
            raise ValueError(
                "the calibration of this model holds no density ranks, which regions of highest density need: calibrate a model "
                "whose targets have a density, with this version of mdn, or ask for predict_interval."
            )
        found = []
        for name, column in zip(self.names, self.ranks, strict=True):
            count = len(column)
            rank = math.ceil((count + 1) * coverage * (1.0 - _ROUNDING))
            if rank > count:
                raise ValueError(_too_few(name, count, 0.5 - 0.5 * coverage, sides=1))
            if column[rank - 1] > _WHOLE:
                raise ValueError(
                    f"the values of {name!r} in the rows of calibration lie where the model has less than a millionth of its "
                    f"probability, so that a region with {coverage:.4g} of them is the whole line. Ask for predict_interval, or "
                    "fit the model to such rows."
                )
            found.append(column[rank - 1])
        return np.array(found)

    def pit(self, odds: np.ndarray, seed: int = 0, X=None) -> np.ndarray:
        """The calibrated PIT of new targets: their ranks among the calibration rows, spread evenly over each rank.

        Uniform for exchangeable rows. Steps of `levels` are whole ranks, so its intervals hold up to 2 / (n + 1) more than
        these values say.

        Args:
            odds: Log odds `(N, D)` of the targets, NaN where missing.
            seed: The seed of the draw within a rank.
            X: The features of these rows, in which a calibration by groups finds the column of its groups.
        """
        drawn = np.random.default_rng([_STREAM, seed]).uniform(size=odds.shape)
        ranks = np.empty(odds.shape)
        for rows, one in self.parts(X):
            for d, column in enumerate(one.odds):
                below, up_to = (np.searchsorted(column, odds[rows, d], side) for side in ("left", "right"))
                ranks[rows, d] = (below + drawn[rows, d] * (1 + up_to - below)) / (len(column) + 1)
        return np.where(np.isnan(odds), np.nan, ranks)

    # ---- files -----------------------------------------------------------------------------------------------------

    def arrays(self, folder: str = "calibration") -> dict[str, np.ndarray]:
        """The arrays of a file, by name; those of groups in folders of their own."""
        found = {f"{folder}/{d}": column for d, column in enumerate(self.odds)}
        found |= {f"{folder}/rank/{d}": column for d, column in enumerate(self.ranks)}
        for place, one in enumerate((self.groups or {}).values()):
            found |= one.arrays(f"{folder}/group/{place}")
        return found

    @property
    def description(self) -> dict[str, Any]:
        """What a file says of the groups."""
        return {"column": self.column, "labels": list(self.groups or {})}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], names, groups: dict[str, Any] | None = None) -> Calibration:
        """From the arrays of a file, and the `description` of the groups, if it has some.

        Raises:
            ValueError: if they are missing, not finite, not ascending or too few.
        """
        whole = cls._of(arrays, names, "calibration")
        if groups is None:
            return whole
        own = {
            label: cls._of(arrays, [f"{name} (group {label})" for name in names], f"calibration/group/{place}")
            for place, label in enumerate(groups["labels"])
        }
        return dataclasses.replace(whole, groups=own, column=groups["column"])

    @classmethod
    def _of(cls, arrays, names, folder: str) -> Calibration:
        def columns(where: str) -> tuple[np.ndarray, ...]:
            found = []
            for key in (f"{where}/{d}" for d in range(len(names))):
                column = array(None)(arrays[key], key).astype("float64")
                if len(column) < FEWEST or np.any(np.diff(column) < 0.0):
                    raise ValueError(f"`{key}` must be {FEWEST} ascending values or more.")
                found.append(column)
            return tuple(found)

        ranks = columns(f"{folder}/rank") if f"{folder}/rank/0" in arrays else ()
        if any(column[0] < 0.0 or column[-1] > 1.0 for column in ranks):
            raise ValueError(f"`{folder}/rank` must lie between 0 and 1.")
        return cls(columns(folder), tuple(names), ranks)


def refuse_groups(groups) -> None:
    """Raises a ValueError if rows have groups, since the model is not calibrated by groups."""
    if groups is not None:
        raise ValueError(
            "`groups` needs a model that is calibrated by groups, but this one is not: call calibrate(X, y, groups=...) first."
        )


def _sorted(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """The columns of `(N, D)` in ascending order, without NaN."""
    return tuple(np.sort(column[~np.isnan(column)]) for column in np.asarray(values, "float64").T)


def _too_few(name: str, count: int, tail: float, sides: int = 2) -> str:
    """The sentence about too few rows for a set that leaves out `tail` on each of two sides, or twice that in all."""
    share = tail * 2.0 / sides  # of the rows beyond an end
    needed = math.ceil(1.0 / share - 2.0 * _ROUNDING) - 1
    most = math.floor(1000.0 * (1.0 - sides / (count + 1))) / 10.0
    what = "interval or the quantiles at its ends" if sides == 2 else "region"
    return (
        f"at least {needed} rows of calibration are needed for a {100.0 * (1.0 - 2.0 * tail):.4g} % {what}, but {count} have a "
        f"value of {name!r}: with so few it is infinite. Calibrate on more rows, or ask for {most:g} % at most."
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


def on_one_side(lower: np.ndarray, upper: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`lower` and `upper` as in `log_odds`; of a cell of the circle that holds the point from which it is counted, one side.

    Such a cell has more below its lower end than below its upper one.
    """
    torn = (np.exp(lower[..., 0]) > np.exp(upper[..., 0]) + 0.5)[..., None]
    first = torn & (drawn < 0.5)[..., None]
    return np.where(first, [-np.inf, 0.0], lower), np.where(torn & ~first, [0.0, -np.inf], upper)


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
            f"aside to calibrate intervals, but there {agreed(count, 'is', 'are')} {count}. Fit without calibration."
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
    check_consistent_length(*arrays_of(X), y, *(() if np.ndim(sample_weight) == 0 else (sample_weight,)))
    values = np.asarray(target_numbers(y), "float64")
    known = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    weighted, sample_weight = np.ndim(sample_weight) > 0, unmasked(sample_weight)
    if weighted:
        known &= np.asarray(sample_weight, "float64") > 0.0
    places = np.flatnonzero(known)
    _, aside = split_rows(len(places), int(check_random_state(random_state).randint(2**31 - 1)))
    rest = np.setdiff1d(np.arange(len(values)), places[aside])
    weight = np.asarray(sample_weight)[rest] if weighted else sample_weight
    return (_rows(X, rest), _rows(y, rest), weight), (_rows(X, places[aside]), _rows(y, places[aside]))


def _rows(table, rows):
    """Rows of a table of any kind, or of a series, which keeps its name."""
    return table[rows] if hasattr(table, "name") and not hasattr(table, "iloc") else rows_of(table, rows)
