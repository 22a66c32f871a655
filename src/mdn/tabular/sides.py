"""Which rows of a table that is read in blocks are set aside: the latest ones, or those of some groups."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from mdn.data.tables import Table
from mdn.tabular import conformal, splits
from mdn.tabular.dates import DateCode, dates_of
from mdn.tabular.frames import column


class Split(NamedTuple):
    """The column by which rows are set aside.

    Attributes:
        name: Its name.
        dates: Whether it holds dates; else it holds groups.
    """

    name: str
    dates: bool


@dataclasses.dataclass(frozen=True)
class Sides:
    """Which rows of a table are learnt from; all rows of one group, and of one time, are on one side.

    Attributes:
        split: The column.
        groups: The groups that are set aside, in order; all others are learnt from, those too that the sample did not show.
        first: Rows from this day on are set aside, in days since 1970.
        code: How dates are read.
    """

    split: Split
    groups: tuple[str, ...] = ()
    first: float = np.inf
    code: DateCode | None = None

    def aside(self, table: Table) -> np.ndarray:
        """Which rows of a block are set aside, `(N,)`.

        Raises:
            ValueError: if a cell is no date.
        """
        by = column(table, self.split.name)
        if self.code is not None:
            return self.code.days(dates_of(by, self.code)) >= self.first
        return np.fromiter(map(self._known.__contains__, by.words), bool, len(by.words))

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.groups)


class Aside(NamedTuple):
    """Rows of a sample that are set aside, as ascending indices.

    Attributes:
        judge: To judge by.
        calibrate: To calibrate on.
        stop: To stop the training by.
        said: The sentence that says which rows are judged by.
    """

    judge: np.ndarray
    calibrate: np.ndarray
    stop: np.ndarray
    said: str


def sides_of(table: Table, split: Split, shares: tuple[float, bool, float], seed: int) -> tuple[Sides, Aside]:
    """Deals the dates, or the groups, of a sample of a table.

    Args:
        table: The sample; no cell of the column is missing.
        split: The column.
        shares: The share of all rows that is judged by, whether some are calibrated on, and the share of the others that says
            when to stop.
        seed: For the order of groups.

    Raises:
        splits.TooFew: if there are too few dates or groups.
        ValueError: if a cell is no date.
    """
    by = column(table, split.name)
    judge, calibrate, stop = shares
    dates = dates_of(by) if split.dates else None
    values = np.unique(by.words, return_inverse=True)[1] if dates is None else dates.days
    judged, calibrating, stopping = splits.dealt(
        values, split.dates, judge, conformal.rows_aside if calibrate else None, stop, np.random.default_rng(seed)
    )[1:]
    aside = np.concatenate([judged, calibrating, stopping])
    if dates is None:
        words = np.array(by.words, object)
        said = splits.said_of_groups(split.name, len(set(words[judged])), len(set(words)))
        return Sides(split, tuple(sorted(set(words[aside])))), Aside(judged, calibrating, stopping, said)
    code = DateCode.learn(dates)
    said = splits.said_of_dates(split.name, dates.days[judged].min(), dates.zone)
    return Sides(split, first=float(dates.days[aside].min()), code=code), Aside(judged, calibrating, stopping, said)
