"""One cell of text as a date: which day it is, in each order of day, month and year that is possible."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import unicodedata

from mdn.data.notation import is_missing, is_stand_in

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day first", "month first", "year first"
ORDERS = ("", DAY_FIRST, MONTH_FIRST, YEAR_FIRST)
_LONGEST = 50  # a date has so many characters at most
DAY = 86_400.0  # seconds
EPOCH = datetime.date(1970, 1, 1).toordinal()
_CENTURY = 69  # two-digit years from 69 on belong to the 20th century, as in Python's %y
MONTHS = (
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
    r"(?:(?:T|,?\s+|(?<=[A-Za-z]\d{4}):)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d{1,12})?))?"
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
        r"(?P<day>\d{1,2})(?P<name>[^\W\d_]{3,4})(?P<year>\d{4})",  # as SAS writes it: 05MAR2024:10:30:00
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
        r"(?P<month>\d{1,2})[./](?P<year>\d{4})",
        rf"{_MONTH}[-\s/]{_YEAR}",
    )
]
OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):?(\d{2})?")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one cell says; `year`, `month` and `day` are those of "day first" where `mark` is not empty.

    Attributes:
        year, month, day: Whole numbers.
        seconds: Of the day.
        offset: Minutes from UTC; None if it names no time zone.
        mark: What stands between day and month, if their order is open.
        short: Whether the year has two digits, and may stand first.
        iso: Whether the cell is written as 2024-03-05.
    """

    year: int
    month: int
    day: int
    seconds: float
    offset: int | None
    mark: str = ""
    short: bool = False
    iso: bool = False

    def days(self, order: str) -> float | None:
        """Days since 1970 in UTC, None if there is no such day."""
        date = self.date(order)
        return None if date is None else date.toordinal() - EPOCH + (self.seconds - 60.0 * (self.offset or 0)) / DAY

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
def read_cell(cell: str, declared: bool, short_years: bool) -> Reading | None:
    """What a cell says; None if it is no date.

    Args:
        cell: The cell.
        declared: Whether its column is said to hold dates: then 20240305 and 2024-03 are dates.
        short_years: Whether years of two digits are read, as in 5/3/24.
    """
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
    offset = minutes_of(part["zone"]) if "zone" in part else None
    reading = Reading(year, month, day, seconds, offset, open_order, short, cell[:4].isdecimal() and "month" in part)
    return reading if reading.orders or (not open_order and reading.date("") is not None) else None


def _month(name: str) -> int:
    """The number of a month, from its name in some languages, with accents or without; 0 if it is none."""
    plain = unicodedata.normalize("NFKD", name.lower())
    return _NAMES.get("".join(letter for letter in plain if not unicodedata.combining(letter)), 0)


def is_none(cell: str) -> bool:
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


def minutes_of(zone: str) -> int:
    """The offset of a zone such as +02:00 from UTC; 0 for one that is no offset."""
    found = OFFSET.fullmatch(zone)
    if found is None:
        return 0
    minutes = 60 * int(found[2]) + int(found[3] or 0)
    return -minutes if found[1] == "-" else minutes
