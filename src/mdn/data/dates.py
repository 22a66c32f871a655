"""Dates and times, in text or in arrays, as days since 1970-01-01 in UTC."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import zoneinfo
from collections.abc import Iterable, Sequence

import numpy as np

from mdn.data.tables import is_missing, shown

DAY_FIRST, MONTH_FIRST = "day first", "month first"
ORDERS = ("", DAY_FIRST, MONTH_FIRST)
_LONGEST = 50  # characters of a date
_LOOKED_AT = 50  # different cells: if none of them is a date, the column holds none
_DAY, _HOUR = 86_400.0, 1 / 24
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_CENTURY = 69  # two-digit years from 69 on belong to the 20th century, as in Python's %y
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_NAMES = {word: i + 1 for months in (_MONTHS, _FULL) for i, word in enumerate(months)} | {"sept": 9}

_TIME = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d{1,12})?))?"
    r"\s?(?P<half>[AaPp]\.?[Mm]\.?)?\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WEEKDAY = r"(?:[A-Za-z]{2,9}\.?,?\s)?"
_PATTERNS = [
    re.compile(pattern + _TIME)
    for pattern in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<first>\d{1,2})(?P<mark>[-/]|\.\s?)(?P<other>\d{1,2})(?P=mark)(?P<year>\d{4})",
        _WEEKDAY + r"(?P<day>\d{1,2})(?:\.|st|nd|rd|th)?[\s-](?P<name>[A-Za-z]{3,9})\.?,?[\s-](?P<year>\d{4})",
        _WEEKDAY + r"(?P<name>[A-Za-z]{3,9})\.?\s(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s(?P<year>\d{4})",
    )
]
_IF_DECLARED = [
    re.compile(pattern + _TIME)
    for pattern in (
        r"(?P<first>\d{1,2})(?P<mark>[-/]|\.\s?)(?P<other>\d{1,2})(?P=mark)(?P<year>\d{2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{4})[-/](?P<month>\d{1,2})",
    )
]
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):?(\d{2})?")


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
        order: The order of day and month that the column showed: "day first", "month first", or "" if it needs none.
    """

    days: np.ndarray
    zone: str = ""
    order: str = ""


@dataclasses.dataclass(frozen=True)
class _Reading:
    """What one cell says; `month` and `day` are those of "day first" where `mark` is not empty."""

    year: int
    month: int
    day: int
    seconds: float
    offset: int | None  # minutes
    mark: str = ""  # between day and month, if their order is open

    def days(self, order: str) -> float | None:
        """Days since 1970 in UTC, None if there is no such day."""
        month, day = (self.day, self.month) if self.mark and order == MONTH_FIRST else (self.month, self.day)
        try:
            whole = datetime.date(self.year, month, day).toordinal() - _EPOCH
        except ValueError:
            return None
        return whole + (self.seconds - 60.0 * (self.offset or 0)) / _DAY


@functools.lru_cache(maxsize=1 << 16)
def _read(cell: str, declared: bool) -> _Reading | None:
    cell = cell.strip()
    if len(cell) > _LONGEST:
        return None
    found = next(
        filter(None, (pattern.fullmatch(cell) for pattern in _PATTERNS + (_IF_DECLARED if declared else []))), None
    )
    if found is None:
        return None
    part = {name: value for name, value in found.groupdict().items() if value}
    seconds = _seconds(part)
    year = int(part["year"])
    if len(part["year"]) == 2:
        year += 1900 if year >= _CENTURY else 2000
    month = _NAMES.get(part["name"].lower(), 0) if "name" in part else int(part.get("month", part.get("other", 1)))
    day = int(part.get("day", part.get("first", 1)))
    open_order = part["mark"].strip() if "first" in part else ""
    if seconds is None:
        return None
    reading = _Reading(year, month, day, seconds, _minutes(part["zone"]) if "zone" in part else None, open_order)
    orders = (DAY_FIRST, MONTH_FIRST) if open_order else ("",)
    return reading if any(reading.days(order) is not None for order in orders) else None


def _seconds(part: dict[str, str]) -> float | None:
    hour, minute = int(part.get("hour", 0)), int(part.get("minute", 0))
    second = float(part.get("second", "0").replace(",", "."))
    if "half" in part:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (part["half"][0] in "pP")
    return 3600.0 * hour + 60.0 * minute + second if hour < 24 and minute < 60 and second < 61.0 else None


def _minutes(zone: str) -> int:
    """The offset of a zone such as +02:00 from UTC; 0 for one that is no offset."""
    found = _OFFSET.fullmatch(zone)
    if found is None:
        return 0
    minutes = 60 * int(found[2]) + int(found[3] or 0)
    return -minutes if found[1] == "-" else minutes


def _offset_name(minutes: int) -> str:
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if minutes else "UTC"


# ---- text ------------------------------------------------------------------------------------------------------------


def share_of_dates(cells: Iterable[str], declared: bool = False) -> float:
    """The share of cells that are dates, among those that are not missing.

    Args:
        cells: The cells of one column.
        declared: Whether they are said to be dates: then 20240305, 2024-03 and years of two digits count as well.
    """
    known: dict[str, bool] = {}
    count = found = 0
    for cell in cells:
        if is_missing(cell):
            continue
        if cell not in known:
            if len(known) == _LOOKED_AT and not any(known.values()):
                return 0.0
            known[cell] = _read(cell, declared) is not None
        count += 1
        found += known[cell]
    return found / count if count else 0.0


def read_dates(cells: Sequence[str], *, order: str = "", declared: bool = False) -> Dates:
    """Reads a column of dates in text.

    It reads ISO 8601 (2024-03-05, 2024-03-05T10:30:00.5+02:00) and 2024/03/05, 5 Mar 2024, March 5, 2024, and dates whose order
    of day and month the whole column must show, such as 5/3/2024. Dates with dots between (05.03.2024) are day first, unless the
    column shows the contrary.

    Args:
        cells: The cells; missing ones become NaN.
        order: "day first" or "month first", if it is known; "" asks the column.
        declared: As in `share_of_dates`.

    Raises:
        DateError: if a cell is no date, if the order of day and month stays open, or if some cells have a time zone only.
    """
    readings: list[_Reading | None] = []
    for row, cell in enumerate(cells):
        readings.append(None if is_missing(cell) else _read(cell, declared))
        if readings[-1] is None and not is_missing(cell):
            raise DateError(row, f"{shown(cell)} is no date that is read; 2024-03-05 and 2024-03-05T10:30 are")
    order = order or _order(cells, readings)
    found: dict[_Reading | None, float | None] = {None: np.nan}
    for row, reading in enumerate(readings):
        if reading in found:
            continue
        day = reading.days(order) if reading is not None else None
        if day is None:
            raise DateError(row, f"{shown(cells[row])} is no date where others are {order}")
        found[reading] = day
    offsets = {None if reading is None else reading.offset for reading in set(readings) - {None}}
    if None in offsets and len(offsets) > 1:
        row = next(row for row, one in enumerate(readings) if one is not None and one.offset is None)
        raise DateError(row, f"{shown(cells[row])} has no time zone, but other rows have one")
    zones = [_offset_name(minutes) for minutes in offsets if minutes is not None]
    days = np.array([found[reading] for reading in readings], "float64")
    return Dates(days, zones[0] if len(zones) == 1 else "UTC" if zones else "", order)


def _order(cells: Sequence[str], readings: Sequence[_Reading | None]) -> str:
    """The order of day and month that the column shows, "" if none of its cells needs one."""
    rows: dict[str, int] = {}  # the first row that shows each order
    open_row, marks = None, set()
    for row, reading in enumerate(readings):
        if reading is None or not reading.mark:
            continue
        marks.add(reading.mark)
        if reading.day > 12 or reading.month > 12:
            rows.setdefault(DAY_FIRST if reading.day > 12 else MONTH_FIRST, row)
        elif open_row is None and reading.day != reading.month:
            open_row = row
    if len(rows) == 2:
        one, other = rows[DAY_FIRST], rows[MONTH_FIRST]
        raise DateError(
            max(one, other), f"{shown(cells[max(one, other)])} contradicts {shown(cells[min(one, other)])}: "
            "one begins with the day, the other with the month"
        )  # fmt: skip
    if rows:
        return next(iter(rows))
    if open_row is None or marks == {"."}:
        return DAY_FIRST if marks else ""
    reading = readings[open_row]
    day, month, year = (reading.day, reading.month, reading.year) if reading is not None else (1, 1, 1970)
    raise DateError(
        open_row,
        f"{shown(cells[open_row])} is {day} {_FULL[month - 1].title()} {year} or {month} {_FULL[day - 1].title()} {year}, and "
        "no row of the column decides",
    )


# ---- arrays and objects ----------------------------------------------------------------------------------------------


def days_of(values: np.ndarray) -> np.ndarray:
    """Days since 1970 of an array of datetime64, float64; NaT becomes NaN."""
    micro = values.astype("datetime64[us]")
    return np.where(np.isnat(micro), np.nan, micro.astype("int64") / (1e6 * _DAY))


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
        days[row] = value.toordinal() - _EPOCH + seconds / _DAY
    return Dates(days, zones.pop() if len(zones) == 1 else "UTC" if zones else "")


# ---- clocks ----------------------------------------------------------------------------------------------------------


def zone_name(zone: object) -> str:
    """The name of a time zone of a frame's column, such as "Europe/Berlin", "+02:00" or "UTC"."""
    if zone is None:
        return ""
    found = _OFFSET.fullmatch(str(zone))
    return _offset_name(_minutes(str(zone))) if found else str(getattr(zone, "key", None) or zone)


def local(days: np.ndarray, zone: str) -> np.ndarray:
    """Days since 1970 on the clock of `zone`, from days in UTC.

    Raises:
        ValueError: if this computer does not know the zone.
    """
    if zone in ("", "UTC"):
        return days
    if _OFFSET.fullmatch(zone):
        return days + _minutes(zone) / 1440.0
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
    shifted[known] += np.array([0.0 if one is None else one.total_seconds() / _DAY for one in offsets])[where]
    return shifted


def shown_day(days: float) -> str:
    """A day in ISO 8601, with its time if that is not midnight."""
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(days * _DAY))
    return when.strftime("%Y-%m-%d" if when.time() == datetime.time() else "%Y-%m-%d %H:%M")
