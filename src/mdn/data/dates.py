"""Dates and times, in text or in arrays, as days since 1970-01-01 in UTC."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import unicodedata
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mdn.data.notation import is_missing, is_stand_in
from mdn.data.tables import shown

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day first", "month first", "year first"
ORDERS = ("", DAY_FIRST, MONTH_FIRST, YEAR_FIRST)
_LONGEST = 50  # a date has so many characters at most
_LOOKED_AT = 50  # if none of so many different cells is a date, the column holds none
_SAMPLE = 1000  # so many different cells show whether a column holds dates
_DAY, _HOUR = 86_400.0, 1 / 24
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_CENTURY = 69  # two-digit years from 69 on belong to the 20th century, as in Python's %y
_FULL = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTHS = (  # without accents: English, German, French, Spanish, Italian, Dutch; of other words the first three letters too
    "january januar janner janvier enero gennaio januari jan janv ene gen jaen jaenner",
    "february februar feber fevrier febrero febbraio februari feb fev fevr",
    "march marz mars marzo maart mar mrz mrt maerz maer",
    "april avril abril aprile apr avr abr",
    "may mai mayo maggio mei mag",
    "june juni juin junio giugno jun giu",
    "july juli juillet julio luglio jul juil lug",
    "august aout agosto augustus aug ago",
    "september septembre septiembre setiembre settembre sep sept set sett",
    "october oktober octobre octubre ottobre oct okt ott",
    "november novembre noviembre nov",
    "december dezember decembre diciembre dicembre dec dez dic",
)
_NAMES = {word: i + 1 for i, words in enumerate(_MONTHS) for word in words.split()}
_NOTHING = re.compile(
    r"(?:0000([-/.]?)00\1?00|00([-/.])00\2(?:00)?00)(?:[T ]00:00(?::00(?:\.0+)?)?)?"
)  # as MySQL writes it

_TIME = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d{1,12})?))?"
    r"\s?(?P<half>[AaPp]\.?[Mm]\.?)?\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,?\s)?"
_MONTH = r"(?P<name>[^\W\d_]{3,10})\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_PATTERNS = [
    re.compile(pattern + _TIME)
    for pattern in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<first>\d{1,2})(?P<mark>[-/]|\.\s?)(?P<other>\d{1,2})(?P=mark)(?P<year>\d{4})",
        _WEEKDAY + rf"(?P<day>\d{{1,2}})(?P<mark>[-/]){_MONTH}(?P=mark){_YEAR}",
        _WEEKDAY + rf"(?P<day>\d{{1,2}})(?:\.|st|nd|rd|th|er)?\s(?:de\s)?{_MONTH},?\s(?:de\s)?(?P<year>\d{{4}})",
        _WEEKDAY + rf"{_MONTH}\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>\d{{4}})",
    )
]
_SHORT_YEAR = [re.compile(r"(?P<first>\d{1,2})(?P<mark>[-/]|\.\s?)(?P<other>\d{1,2})(?P=mark)(?P<year>\d{2})" + _TIME)]
_IF_DECLARED = [
    re.compile(pattern + _TIME)
    for pattern in (
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{4})[-/](?P<month>\d{1,2})",
    )
]
_ISO = re.compile(r"(?:(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?)?(?:\n|$))+")
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
        order: The order of day and month that the column showed: "day first", "month first" or, with years of two digits,
            "year first"; "" if it showed none.
        short_years: Whether a date such as 5/3/24 was read, whose year has two digits.
    """

    days: np.ndarray
    zone: str = ""
    order: str = ""
    short_years: bool = False


@dataclasses.dataclass(frozen=True)
class _Reading:
    """What one cell says; `year`, `month` and `day` are those of "day first" where `mark` is not empty."""

    year: int
    month: int
    day: int
    seconds: float
    offset: int | None  # minutes
    mark: str = ""  # between day and month, if their order is open
    short: bool = False  # whether the year has two digits, and may stand first

    def days(self, order: str) -> float | None:
        """Days since 1970 in UTC, None if there is no such day."""
        date = self.date(order)
        return None if date is None else date.toordinal() - _EPOCH + (self.seconds - 60.0 * (self.offset or 0)) / _DAY

    def date(self, order: str) -> datetime.date | None:
        """The day in an order, None if there is no such day."""
        year, month, day = self.year, self.month, self.day
        if self.mark and order == MONTH_FIRST:
            month, day = day, month
        elif self.mark and order == YEAR_FIRST:
            if not self.short:
                return None
            year, day = day, year
        try:
            return datetime.date(_full_year(year) if self.short else year, month, day)
        except ValueError:
            return None

    @functools.cached_property
    def orders(self) -> frozenset[str]:
        """The orders of day, month and year that give a day; empty if it has no order."""
        return frozenset(order for order in ORDERS[1:] if self.mark and self.date(order) is not None)


def _full_year(year: int) -> int:
    return year + (1900 if year >= _CENTURY else 2000) if year < 100 else year


@functools.lru_cache(maxsize=1 << 16)
def _read(cell: str, declared: bool, short_years: bool) -> _Reading | None:
    cell = cell.strip()
    if len(cell) > _LONGEST:
        return None
    patterns = _PATTERNS + (_IF_DECLARED if declared else []) + (_SHORT_YEAR if short_years else [])
    found = next(filter(None, (pattern.fullmatch(cell) for pattern in patterns)), None)
    if found is None:
        return None
    part = {name: value for name, value in found.groupdict().items() if value}
    seconds = _seconds(part)
    open_order = part["mark"].strip() if "first" in part else ""
    short = bool(open_order) and len(part["year"]) == 2
    year = int(part["year"]) if short or len(part["year"]) == 4 else _full_year(int(part["year"]))
    month = _month(part["name"]) if "name" in part else int(part.get("month", part.get("other", 1)))
    day = int(part.get("day", part.get("first", 1)))
    if seconds is None:
        return None
    reading = _Reading(year, month, day, seconds, _minutes(part["zone"]) if "zone" in part else None, open_order, short)
    return reading if reading.orders or (not open_order and reading.date("") is not None) else None


def _month(name: str) -> int:
    """The number of a month, from its name in some languages, with accents or without; 0 if it is none."""
    plain = unicodedata.normalize("NFKD", name.lower())
    return _NAMES.get("".join(letter for letter in plain if not unicodedata.combining(letter)), 0)


def _is_none(cell: str) -> bool:
    """Whether a cell of a column of dates says that there is no date."""
    return is_missing(cell) or is_stand_in(cell) or _NOTHING.fullmatch(cell.strip()) is not None


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
    """The share of cells that are dates, among those that are not missing; at most 1,000 different cells are looked at.

    Args:
        cells: The cells of one column.
        declared: Whether they are said to be dates: then 20240305, 2024-03 and years of two digits count as well.
    """
    counts = Counter(cells)
    there = [cell for cell in counts if not _is_none(cell)]
    some = there[:: -(-len(there) // _SAMPLE) or 1]  # spread over the whole column
    count = found = 0
    for i, cell in enumerate(some):
        if i == _LOOKED_AT and not found:
            return 0.0
        count += counts[cell]
        found += counts[cell] * (_read(cell, declared, declared) is not None)
    return found / count if count else 0.0


def read_dates(
    cells: Sequence[str], *, order: str = "", declared: bool = False, short_years: bool | None = None
) -> Dates:
    """Reads a column of dates in text.

    It reads ISO 8601 (2024-03-05, 2024-03-05T10:30:00.5+02:00) and 2024/03/05, 5 Mar 2024, March 5, 2024, and dates whose order
    of day and month the whole column must show, such as 5/3/2024. Dates with dots between (05.03.2024) are day first, unless the
    column shows the contrary.

    Args:
        cells: The cells; missing ones, and those such as "--" or "0000-00-00", become NaN.
        order: One of `ORDERS`, if it is known; "" asks the column.
        declared: As in `share_of_dates`.
        short_years: Whether years of two digits are read, as in 5/3/24; None reads them if the dates are declared.

    Raises:
        DateError: if a cell is no date, if the order of day and month stays open, or if some cells have a time zone only.
    """
    plain = _read_iso(cells)
    if plain is not None:
        return Dates(plain, "", order)
    short_years = declared if short_years is None else short_years
    known: dict[str, _Reading] = {}  # each different cell with a date
    for cell in dict.fromkeys(cells):
        if _is_none(cell):
            continue
        reading = _read(cell, declared, short_years)
        if reading is None:
            raise DateError(
                cells.index(cell), f"{shown(cell)} is no date that is read; 2024-03-05 and 2024-03-05T10:30 are"
            )
        known[cell] = reading
    order = order or _order(cells, known)
    found: dict[str, float] = {}
    for cell, reading in known.items():
        day = reading.days(order)
        if day is None:
            raise DateError(cells.index(cell), f"{shown(cell)} is no date where others are {order}")
        found[cell] = day
    offsets = {reading.offset for reading in known.values()}
    if None in offsets and len(offsets) > 1:
        cell = next(cell for cell, reading in known.items() if reading.offset is None)
        raise DateError(cells.index(cell), f"{shown(cell)} has no time zone, but other rows have one")
    zones = [_offset_name(minutes) for minutes in offsets if minutes is not None]
    days = np.array([found.get(cell, np.nan) for cell in cells], "float64")
    short = any(reading.short for reading in known.values())
    return Dates(days, zones[0] if len(zones) == 1 else "UTC" if zones else "", order, short)


def _read_iso(cells: Sequence[str]) -> np.ndarray | None:
    """Days of cells such as 2024-03-05 or 2024-03-05 10:30:00, or "", which is many times faster; None if some are not."""
    text = "\n".join(cells)
    if not _ISO.fullmatch(text) or text.count("\n") != len(cells) - 1:
        return None
    try:
        return days_of(np.array([cell or "NaT" for cell in cells], "datetime64[us]"))
    except ValueError:  # such as 2024-02-30, which is named below
        return None


def _order(cells: Sequence[str], known: dict[str, _Reading]) -> str:
    """The order of day, month and year that the dates show or, with dots between, imply; "" if all give the same days."""
    of_order = {cell: reading for cell, reading in known.items() if reading.mark}
    possible, narrowed = frozenset(ORDERS[1:]), ""
    for cell, reading in of_order.items():
        if not possible & reading.orders:
            raise DateError(
                cells.index(cell),
                f"{shown(cell)} contradicts {shown(narrowed)}: day, month and year stand in another order",
            )
        if not possible <= reading.orders:
            possible, narrowed = possible & reading.orders, cell
    if not of_order:
        return ""
    marks = {reading.mark for reading in of_order.values()}
    if len(possible) == 1:
        return next(iter(possible))
    if marks == {"."} and DAY_FIRST in possible:
        return DAY_FIRST
    for cell, reading in of_order.items():
        dates = {reading.date(order): None for order in ORDERS[1:] if order in possible}
        if len(dates) > 1:
            ways = " or ".join(f"{date.day} {_FULL[date.month - 1].title()} {date.year}" for date in dates if date)
            raise DateError(cells.index(cell), f"{shown(cell)} is {ways}, and no row of the column decides")
    return ""


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
    if isinstance(zone, datetime.timezone):  # its name may be any word
        return _offset_name(round(zone.utcoffset(None).total_seconds() / 60))
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
