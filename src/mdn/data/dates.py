"""Dates and times, in text or in arrays, as days since 1970-01-01 in UTC."""

from __future__ import annotations

import dataclasses
import datetime
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mdn.data.date_cells import (
    DAY,
    DAY_FIRST,
    EPOCH,
    MONTHS,
    OFFSET,
    ORDERS,
    Reading,
    is_none,
    minutes_of,
    read_cell,
)
from mdn.data.tables import shown

_LOOKED_AT = 50  # if none of so many different cells is a date, the column holds none
_HOUR = 1 / 24
_SEVERAL = 3  # so many different days of the month, all of the 1st to the 12th, are no chance
_SAMPLE = 1000  # so many different cells show whether a column holds dates
_ISO = re.compile(r"(?:(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)?(?:\n|$))+")


class DateError(ValueError):
    """A column whose dates cannot be read: the row, and what is wrong there.

    Attributes:
        row: The first row that is wrong, counted from 0.
        what: Half a sentence that begins with the cell.
    """

    def __init__(self, row: int, what: str):
        super().__init__(f"{what} (row {row})")
        self.row, self.what = row, what


@dataclasses.dataclass(frozen=True)
class Dates:
    """A column of dates.

    Attributes:
        days: Days since 1970-01-01 in UTC, or on the clock of dates without a time zone; float64, NaN where missing.
        zone: The time zone that all rows share, such as "+02:00" or "Europe/Berlin"; "UTC" if rows have several, "" if they
            have none.
        order: The order of day and month that the column showed: "day first", "month first" or, with years of two digits,
            "year first"; "" if it showed none.
        marks: The marks between day and month, such as "./", of the dates that have this order.
        short_years: Whether a date such as 5/3/24 was read, whose year has two digits.
    """

    days: np.ndarray
    zone: str = ""
    order: str = ""
    short_years: bool = False
    marks: str = ""


# ---- text ------------------------------------------------------------------------------------------------------------


def share_of_dates(cells: Iterable[str], declared: bool = False) -> float:
    """The share of cells that are dates, among those that are not missing; at most 1,000 different cells are looked at.

    Args:
        cells: The cells of one column.
        declared: Whether they are said to be dates: then 20240305, 2024-03 and years of two digits count as well.
    """
    counts = Counter(cells)
    there = [cell for cell in counts if not is_none(cell)]
    some = there[:: -(-len(there) // _SAMPLE) or 1]  # spread over the whole column
    count = found = 0
    for i, cell in enumerate(some):
        if i == _LOOKED_AT and not found:
            return 0.0
        count += counts[cell]
        found += counts[cell] * (read_cell(cell, declared, declared) is not None)
    return found / count if count else 0.0


def read_dates(
    cells: Sequence[str],
    *,
    order: str = "",
    marks: str = "",
    declared: bool = False,
    short_years: bool | None = None,
) -> Dates:
    """Reads a column of dates in text.

    It reads ISO 8601 (2024-03-05, 2024-03-05T10:30:00.5+02:00) and 2024/03/05, 5 Mar 2024, March 5, 2024, and dates whose order
    of day and month the whole column must show, such as 5/3/2024. Dates with dots between (05.03.2024) are day first, unless the
    column shows the contrary.

    Args:
        cells: The cells; missing ones, and those such as "--" or "0000-00-00", become NaN.
        order: One of `ORDERS`, if it is known; "" asks the column.
        marks: The marks between day and month of dates in this order, such as "/"; "" for all marks. Dates with other marks show
            their own.
        declared: As in `share_of_dates`.
        short_years: Whether years of two digits are read, as in 5/3/24; None reads them if the dates are declared.

    Raises:
        DateError: if a cell is no date, if the order of day and month stays open, or if some cells have a time zone only.
    """
    plain = _read_iso(cells)
    if plain is not None:
        return Dates(plain, "", order, marks=marks)
    short_years = declared if short_years is None else short_years
    known: dict[str, Reading] = {}  # each different cell with a date
    for cell in dict.fromkeys(cells):
        if is_none(cell):
            continue
        reading = read_cell(cell, declared, short_years)
        if reading is None:
            raise DateError(
                cells.index(cell), f"{shown(cell)} is no date that is read; 2024-03-05 and 2024-03-05T10:30 are"
            )
        known[cell] = reading
    _check_swapped(cells, known)
    if not order:
        _possible_orders(cells, {cell: reading for cell, reading in known.items() if reading.mark})
    orders = {mark: order if order and mark in (marks or mark) else "" for mark in _marks(known)}
    for mark, said in orders.items():
        orders[mark] = said or _order(cells, {cell: one for cell, one in known.items() if one.mark == mark}, mark)
    _check_one_order(cells, known, orders)
    found: dict[str, float] = {}
    for cell, reading in known.items():
        day = reading.days(orders.get(reading.mark, ""))
        if day is None:
            said = f"{shown(cell)} is no date where others are {orders[reading.mark]}"
            raise DateError(cells.index(cell), said)
        found[cell] = day
    offsets = {reading.offset for reading in known.values()}
    if None in offsets and len(offsets) > 1:
        cell = next(cell for cell, reading in known.items() if reading.offset is None)
        raise DateError(cells.index(cell), f"{shown(cell)} has no time zone, but other rows have one")
    zones = [_offset_name(minutes) for minutes in offsets if minutes is not None]
    days = np.array([found.get(cell, np.nan) for cell in cells], "float64")
    short = any(reading.short for reading in known.values())
    if not order:
        marks = "".join(mark for mark, said in orders.items() if said)
        order = next(filter(None, orders.values()), "")
    return Dates(days, zones[0] if len(zones) == 1 else "UTC" if zones else "", order, short, marks)


def _marks(known: dict[str, Reading]) -> list[str]:
    """The marks between day and month of the dates whose order is open."""
    return sorted({reading.mark for reading in known.values() if reading.mark})


def _check_one_order(cells: Sequence[str], known: dict[str, Reading], orders: dict[str, str]) -> None:
    """Raises a DateError if dates with one mark have another order than those with another."""
    first: dict[str, str] = {}
    for cell, reading in known.items():
        said = orders.get(reading.mark, "")
        if said:
            first.setdefault(said, cell)
    if len(first) > 1:
        (one, cell), (other, other_cell) = list(first.items())[:2]
        raise DateError(cells.index(other_cell), f"{shown(other_cell)} is {other}, but {shown(cell)} further up {one}")


def _check_swapped(cells: Sequence[str], known: dict[str, Reading]) -> None:
    """Raises a DateError if Excel seems to have taken the days of some dates for their months.

    An Excel of the United States that opens 5/3/2024 and 26/7/2024, day first, makes a date of the former, 2024-05-03, and leaves
    the latter as text: then no date has a day after the 12th, and each text has one.
    """
    days = {reading.day for reading in known.values() if reading.iso}
    text = [(cell, reading) for cell, reading in known.items() if reading.mark in ("/", "-") and not reading.short]
    if len(days) < _SEVERAL or not text or max(days) > 12:
        return
    if all(len(reading.orders) == 1 for _, reading in text):
        cell, reading = text[0]
        raise DateError(
            cells.index(cell),
            f"{shown(cell)} stayed text, and none of the other dates has a day after the 12th: Excel seems to have swapped day "
            f"and month in them. Export the file again, with dates such as {reading.date(*reading.orders)}",
        )


def _read_iso(cells: Sequence[str]) -> np.ndarray | None:
    """Days of cells such as 2024-03-05 or 2024-03-05 10:30:00, or "", which is many times faster; None if some are not."""
    text = "\n".join(cells)
    if not _ISO.fullmatch(text) or text.count("\n") != len(cells) - 1:
        return None
    try:
        return days_of(np.array([cell or "NaT" for cell in cells], "datetime64[us]"))
    except ValueError:  # such as 2024-02-30, which is named below
        return None


def _possible_orders(cells: Sequence[str], of_order: dict[str, Reading]) -> frozenset[str]:
    """The orders of day, month and year that suit all dates; a DateError where there is none."""
    possible, narrowed = frozenset(ORDERS[1:]), ""
    for cell, reading in of_order.items():
        if not possible & reading.orders:
            raise DateError(
                cells.index(cell),
                f"{shown(cell)} contradicts {shown(narrowed)}: day, month and year stand in another order",
            )
        if not possible <= reading.orders:
            possible, narrowed = possible & reading.orders, cell
    return possible


def _order(cells: Sequence[str], of_order: dict[str, Reading], mark: str) -> str:
    """The order of day, month and year that dates with one mark show or, with dots, imply; "" if all give the same days."""
    possible = _possible_orders(cells, of_order)
    if len(possible) == 1:
        return next(iter(possible))
    if mark == "." and DAY_FIRST in possible:
        return DAY_FIRST
    for cell, reading in of_order.items():
        dates = {reading.date(order): None for order in ORDERS[1:] if order in possible}
        if len(dates) > 1:
            ways = " or ".join(f"{date.day} {MONTHS[date.month - 1].title()} {date.year}" for date in dates if date)
            raise DateError(cells.index(cell), f"{shown(cell)} is {ways}, and no row of the column decides")
    return ""


# ---- arrays and objects ----------------------------------------------------------------------------------------------


def days_of(values: np.ndarray) -> np.ndarray:
    """Days since 1970 of an array of datetime64, float64; NaT becomes NaN."""
    micro = values.astype("datetime64[us]")
    return np.where(np.isnat(micro), np.nan, micro.astype("int64") / (1e6 * DAY))


def read_objects(values: Sequence | np.ndarray) -> Dates:
    """Reads a column of `datetime.date` and `datetime.datetime`, or of classes made from them; NaN where the value is no date.

    Raises:
        DateError: if some have a time zone only.
    """
    days, zones = np.full(len(values), np.nan), set()
    for row, value in enumerate(values):
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[us]").item()
        if not isinstance(value, datetime.date) or value != value:  # NaT is a datetime that differs from itself
            continue
        seconds, zone = 0.0, ""
        if isinstance(value, datetime.datetime):
            shift = value.utcoffset()
            zone = (
                ""
                if shift is None
                else getattr(value.tzinfo, "key", None) or _offset_name(round(shift.total_seconds() / 60))
            )
            seconds = 3600.0 * value.hour + 60.0 * value.minute + value.second + 1e-6 * value.microsecond
            seconds -= 0.0 if shift is None else shift.total_seconds()
        zones.add(zone)
        if "" in zones and len(zones) > 1:
            raise DateError(row, f"{value} and other rows must all have a time zone, or none")
        days[row] = value.toordinal() - EPOCH + seconds / DAY
    return Dates(days, zones.pop() if len(zones) == 1 else "UTC" if zones else "")


# ---- clocks ----------------------------------------------------------------------------------------------------------


def _offset_name(minutes: int) -> str:
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if minutes else "UTC"


def zone_name(zone: object) -> str:
    """The name of a time zone of a frame's column, such as "Europe/Berlin", "+02:00" or "UTC"."""
    if zone is None:
        return ""
    if isinstance(zone, datetime.timezone):  # its name may be any word
        return _offset_name(round(zone.utcoffset(None).total_seconds() / 60))
    found = OFFSET.fullmatch(str(zone))
    return _offset_name(minutes_of(str(zone))) if found else str(getattr(zone, "key", None) or zone)


def local(days: np.ndarray, zone: str) -> np.ndarray:
    """Days since 1970 on the clock of `zone`, from days in UTC.

    Raises:
        ValueError: if this computer does not know the zone.
    """
    if zone in ("", "UTC"):
        return days
    if OFFSET.fullmatch(zone):
        return days + minutes_of(zone) / 1440.0
    try:
        place = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"the time zone {zone!r} is not known here: pip install tzdata brings the known ones."
        ) from None
    shifted = days.copy()
    known = np.isfinite(days)
    hours, where = np.unique(np.floor(days[known] / _HOUR), return_inverse=True)  # offsets change at full hours in UTC
    utc = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    offsets = [(utc + datetime.timedelta(hours=hour)).astimezone(place).utcoffset() for hour in hours]
    shifted[known] += np.array([0.0 if one is None else one.total_seconds() / DAY for one in offsets])[where]
    return shifted


def shown_day(days: float) -> str:
    """A day in ISO 8601, with its time if that is not midnight."""
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(days * DAY))
    return when.strftime("%Y-%m-%d" if when.time() == datetime.time() else "%Y-%m-%d %H:%M")
