"""A column of dates as numbers: days since the middle of the training dates, and places within the year, week and day."""

from __future__ import annotations

import dataclasses
import shlex

import numpy as np

from mdn.data.dates import DateError, Dates, days_of, local, read_dates, read_objects, share_of_dates, shown_day
from mdn.data.declared import DATE
from mdn.tabular.frames import Column, is_date

YEAR, WEEK, TIME = "time of year", "day of week", "time of day"
CYCLES = {YEAR: 365.2425, WEEK: 7.0, TIME: 1.0}
"""The cycles that a column of dates may have, with their lengths in days."""
_LONG, _WEEKS, _SECOND = 300.0, 14.0, 1.0 / 86_400.0
MONDAY = 3.0  # days since 1970 are whole weeks and a half from a Monday: the first day was a Thursday
_NEARLY = 0.9  # share of the cells of a column that are dates: the others are mistakes


@dataclasses.dataclass(frozen=True)
class DateCode:
    """How a column of dates becomes numbers, as learnt from the training table.

    Attributes:
        origin: The middle of the training dates, in days since 1970 in UTC.
        zone: The time zone on whose clock cycles are counted, "" if the dates have none.
        order: "day first" or "month first" where the order of day and month was open, else "".
        cycles: Some of `CYCLES`.
        short_years: Whether years have two digits, as in 5/3/24; elsewhere such a date is not read.
        marks: The marks between day and month, such as "/", of dates in this order; "" if that is not known, as in files of
            older versions.
    """

    origin: float
    zone: str
    order: str
    cycles: tuple[str, ...]
    short_years: bool = False
    marks: str = ""

    @classmethod
    def learn(cls, dates: Dates) -> DateCode:
        """Chooses the cycles that the training dates show: those that are shorter than their range."""
        clock = local(dates.days, dates.zone)
        clock = clock[np.isfinite(clock)]
        reach, time = np.ptp(clock), clock % 1.0
        shows = {
            YEAR: reach > _LONG,
            WEEK: reach > _WEEKS and np.ptp(np.floor(clock + MONDAY) % 7.0) > 0.0,
            TIME: reach > 1.0 and np.ptp(time) > _SECOND,
        }
        return cls(
            float(np.floor(0.5 * (np.nanmin(dates.days) + np.nanmax(dates.days)))),
            dates.zone,
            dates.order,
            tuple(cycle for cycle, shown in shows.items() if shown),
            dates.short_years,
            dates.marks,
        )

    def names(self, name: str) -> list[str]:
        """The names of the columns of `numbers`."""
        return [name, *(f"{name}: {cycle}, {part}" for cycle in self.cycles for part in ("sine", "cosine"))]

    def days(self, dates: Dates) -> np.ndarray:
        """Days since 1970 in UTC, NaN where missing.

        Raises:
            ValueError: if the dates have a time zone, but those of training had none, or the other way round.
        """
        if bool(dates.zone) != bool(self.zone) and np.isfinite(dates.days).any():
            had, has = ("a", "none") if self.zone else ("no", "one")
            raise ValueError(f"its dates had {had} time zone in training, but {has} here: give both the same.")
        return dates.days

    def numbers(self, dates: Dates) -> np.ndarray:
        """Days since the origin, then sine and cosine of each cycle: `(N, 1 + 2·cycles)`, NaN where missing.

        A date after the last one of training is a larger number.

        Raises:
            ValueError: if the dates have a time zone, but those of training had none, or the other way round.
        """
        days = self.days(dates)
        clock = local(days, self.zone)
        angles = [2.0 * np.pi * ((clock + MONDAY * (cycle == WEEK)) / CYCLES[cycle]) for cycle in self.cycles]
        circles = [turn(angle) for angle in angles for turn in (np.sin, np.cos)]
        return np.stack([days - self.origin, *circles], axis=-1)


def holds_dates(column: Column) -> bool:
    """Whether a column is one of dates: declared, by its type, or since its cells of text are dates."""
    if column.declared:
        return column.declared == DATE
    kind = column.values.dtype.kind
    if kind != "O":
        return kind == "M"
    known = column.values[~column.missing]
    if len(known) and all(map(is_date, known)):
        return True
    return all(isinstance(value, str) for value in known[:1]) and share_of_dates(column.words) >= _NEARLY


def dates_of(column: Column, code: DateCode | None = None) -> Dates:
    """The dates of a column.

    Args:
        column: A column of dates.
        code: What was learnt in training, if it was: then dates in any notation are read.

    Raises:
        ValueError: naming the first cell that is no date, or says two.
    """
    try:
        if column.values.dtype.kind == "M":
            return Dates(days_of(column.values), column.zone)
        known = column.values[~column.missing]
        if len(known) and all(map(is_date, known)):
            return read_objects(column.plain_values)
        declared = column.declared == DATE or code is not None
        order, marks, short_years = (code.order, code.marks, code.short_years) if code else ("", "", None)
        return read_dates(column.words, order=order, marks=marks, declared=declared, short_years=short_years)
    except DateError as error:
        remedy = "Correct the column (2024-03-05 is read in one way only)"
        if code is not None:  # what the column is cannot change any more
            remedy += "."
        elif column.lines is None:
            remedy += ", make it of type category, or leave it out."
        else:
            remedy += (
                f", leave it out with --ignore {shlex.quote(column.name)}, or take it for a category with "
                f"--category {shlex.quote(column.name)}."
            )
        raise ValueError(
            f"column {column.name!r} holds dates, but in {column.place(error.row)} {error.what}. {remedy}"
        ) from None


def described(code: DateCode, days: np.ndarray) -> str:
    """The range of some dates, and what became of them."""
    clock = local(days, code.zone)
    reach = f"{shown_day(np.nanmin(clock))} to {shown_day(np.nanmax(clock))}"
    return reach + (f" ({code.zone})" if code.zone else "") + "; days" + "".join(f", {cycle}" for cycle in code.cycles)
