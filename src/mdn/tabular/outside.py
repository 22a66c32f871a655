"""Rows of a table that lie outside of what was learnt, where a model extrapolates."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from mdn.data.dates import local
from mdn.data.declared import DATE, NUMBER
from mdn.tabular.columns import Columns
from mdn.tabular.wording import rounding
from mdn.wording import agreed, counted

_REACH = re.compile(r"(\S+)(?: \d\d:\d\d)? to ([^\s;]+)")


class Outside:
    """Counts, block after block, the rows of a table in which a column lies outside of the rows that were learnt from.

    The range of a column is that in the table of columns, which the file of a model keeps. A value beyond it by less
    than the rounding of what is written there counts as inside.

    Args:
        columns: What is known of the columns.
    """

    def __init__(self, columns: Columns):
        self._columns, self._counts, self._rows = columns, Counter[str](), 0
        self._places = columns.places
        self._reach = {}
        for about in columns.about:
            found = _REACH.match(about.detail) if about.kind in (NUMBER, DATE) else None
            if found and about.name in columns.levels:
                self._reach[about.name] = found[1], found[2]

    def look(self, numbers: np.ndarray) -> None:
        """Counts the rows of a block, whose columns `Columns.numbers` has made numbers, `(N, F)`."""
        self._rows += len(numbers)
        for name, levels in self._columns.levels.items():
            place = self._places[name]
            if levels is not None:
                self._counts[name] += int(numbers[:, place.stop - 1].sum())  # "(other)"
            elif name in self._reach:
                self._counts[name] += int(self._beyond(numbers[:, place.start], name).sum())

    def sentences(self) -> dict[str, str]:
        """For each column with such rows, how many they are and what becomes of them."""
        return {name: self._sentence(name, count) for name, count in self._counts.items() if count}

    def is_category(self, name: str) -> bool:
        """Whether a column is one of categories."""
        return self._columns.levels[name] is not None

    def _sentence(self, name: str, count: int) -> str:
        if self._columns.levels[name] is None:
            low, high = self._reach[name]
            what = agreed(count, "lies", "lie")
            return (
                f"{name}: {count} of {counted(self._rows, 'row')} {what} outside of {low} to {high}, the range of training, so "
                f"that the answers there are extrapolated."
            )
        holds = agreed(count, "holds", "hold")
        also = " or had too few of" if self._columns.others.get(name) else ""
        return (
            f"{name}: {count} of {counted(self._rows, 'row')} {holds} a category that training did not show{also}, so that the "
            "answers there are extrapolated."
        )

    def _beyond(self, values: np.ndarray, name: str) -> np.ndarray:
        low, high = self._reach[name]
        if name in self._columns.dates:
            code = self._columns.dates[name]
            days = np.floor(local(values + code.origin, code.zone))
            first, last = (float(np.datetime64(day, "D").astype("int64")) for day in (low[:10], high[:10]))
            return (days < first) | (days > last)
        return (values < float(low) - rounding(low)) | (values > float(high) + rounding(high))
