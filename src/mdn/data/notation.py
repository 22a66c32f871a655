"""How numbers are written in text: decimal commas, marks between thousands, signs of money and of per cent.

A text such as "1,234" can be read in several ways. `look_at` says in which, as bits of `Look.readings`; `evidence` finds the
reading that all cells of a column share; and a `Notation` is that reading: it turns the cells into numbers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

_ERRORS = (  # as Excel writes them in English, German, French, Spanish, Italian and Dutch
    *("#n/a", "#value!", "#div/0!", "#ref!", "#name?", "#null!", "#num!", "#nv", "#wert!", "#bezug!", "#zahl!", "#n/d"),
    *("#valeur!", "#nom?", "#nul!", "#nombre!", "#¡valor!", "#¡ref!", "#¿nombre?", "#¡div/0!", "#¡num!", "#valore!"),
    *("#rif!", "#nome?", "#n/b", "#waarde!", "#verw!", "#naam?", "#getal!"),
)
_ERROR = re.compile(rf"(?:{'|'.join(map(re.escape, _ERRORS))})(?!\w)")
MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "<na>", "nat", "\\n", "(null)", *_ERRORS})
_STAND_IN = frozenset(  # missing among numbers, else a word
    {".", "..", "...", "--", "---", "\u2013", "\u2014", ":", "missing", "n.a.", "k.a.", "not available"}
)
MOSTLY_NUMBERS = 0.9  # share of the cells: a column with so many numbers in any notation is no text
_LONGEST_NUMBER = 40

# ---- one cell --------------------------------------------------------------------------------------------------------

_MINUS = "\\-\u2010-\u2013\u2212\ufe63\uff0d"  # within [ ]
_KINDS = {",": ",", ".": ".", "'": "'\u2019\u02bc", " ": " \u00a0\u2007\u2009\u202f"}  # of marks within a number
_KIND = {mark: kind for kind, marks in _KINDS.items() for mark in marks}
_MARKS = "".join(_KIND)
_SIGN = r"US\$|R\$|[$€£¥₹₽₩₺₪]"
_MONEY = rf"(?:{_SIGN}|USD|EUR|GBP|CHF|JPY|INR|CNY|CAD|AUD|BRL|SEK|NOK|DKK|PLN)"  # before or after a number
_CODES = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "R$": "BRL"}
_SPACE = "[ \u00a0\u2009\u202f]?"
_NUMBER = re.compile(
    rf"(?P<open>\()?{_SPACE}(?P<outer>{_MONEY})?{_SPACE}(?P<sign>[+{_MINUS}])?{_SPACE}(?P<inner>{_MONEY})?{_SPACE}"
    rf"(?P<body>\d+(?:[{_MARKS}]\d+)*[.,]?|[.,]\d+)"
    rf"(?P<exponent>[eE][+{_MINUS}]?\d+|[dD][+{_MINUS}]\d+)?"  # the second as Fortran writes it: 1.5D+03
    rf"{_SPACE}(?P<unit>[%‰])?(?P<after>{_MONEY})?(?P<trailing>[{_MINUS}])?{_SPACE}(?P<close>\))?"
)
_DASH = re.compile(rf"(?:{_SIGN})?\s*-|-\s*(?:{_SIGN})")  # 0 in Excel's formats for accounts, else a missing number
_OTHER_MINUS = re.compile(f"(?!-)[{_MINUS}]")
_DIGITS = str.maketrans("23456789", "11111111")
_ZERO_WITHIN = re.compile(r"(?<=\d)0")
_NO_DIGIT = re.compile(r"\D")
_NO_GROUP = {  # numbers whose mark must be decimal, since it cannot stand before thousands
    mark: re.compile(rf"(?m)^(?![-+]?[1-9]\d{{0,2}}[{mark}]\d{{3}}$).*[{mark}].*$") for mark in ",."
}
_GROUPED = {  # cells with groups of thousands, for each decimal mark and mark between thousands, or "nan"
    (mark, kind): re.compile(rf"(?:(?:[-+]?(?:[1-9]\d{{0,2}}(?:[{marks}]\d{{3}})+|\d+)(?:[{mark}]\d+)?|nan)(?:\n|$))+")
    for mark in ",."
    for kind, marks in _KINDS.items()
    if kind != mark
}
_PLAIN_COMMA = re.compile(r"[-+0-9,eE\nna]*")  # with "nan"

_READINGS = [
    (",", "."),
    (",", "'"),
    (",", " "),
    (".", ","),
    (".", "'"),
    (".", " "),
]  # (decimal mark, mark of thousands)
ANY = (1 << len(_READINGS)) - 1


def _bits(decimal: str = "", group: str = "") -> int:
    return sum(1 << i for i, (d, g) in enumerate(_READINGS) if decimal in ("", d) and group in ("", g))


DECIMAL = {",": _bits(","), ".": _bits(".")}
"""The readings in which a comma, or a point, is the decimal mark."""
_GROUP = {kind: _bits(group=kind) for kind in _KINDS}


class Look(NamedTuple):
    """What one cell says about its notation.

    Attributes:
        readings: The bits of the readings that are possible.
        open: Whether its value depends on the decimal mark, and it does not show which that is: "1,234".
        plain: Whether Python reads it as it stands.
        group: The mark between its thousands, if there can be no doubt; else "".
        money: The sign of money, or "".
        unit: "%", "‰" or "".
        habits: What else is unusual, in words.
    """

    readings: int
    open: bool = False
    plain: bool = False
    group: str = ""
    money: str = ""
    unit: str = ""
    habits: tuple[str, ...] = ()


def look_at(cell: str) -> Look | None:
    """What a cell says about its notation; None if it is no number in any notation."""
    if plain_number(cell) is not None:
        if "." not in cell:
            return Look(ANY, plain=True)
        if _NO_GROUP["."].fullmatch(cell.strip()):
            return Look(DECIMAL["."], plain=True)
        return Look(DECIMAL["."] | _GROUP["."], open=True, plain=True)
    found = _match(cell)
    if found is None:
        return None
    readings = _readings(found["body"], bool(found["exponent"]))
    if not readings:
        return None
    kinds = {_KIND[mark] for mark in _NO_DIGIT.findall(found["body"])}
    both = all(readings & bits for bits in DECIMAL.values())
    groups = [kind for kind in kinds if readings and not readings & ~_GROUP[kind]]
    said = {
        "parentheses for minus": bool(found["open"]),
        "a minus behind the number": bool(found["trailing"]),
        "a typographic minus": bool(_OTHER_MINUS.search(cell)),
        "exponents as Fortran writes them": (found["exponent"] or "e")[0] in "dD",
    }
    habits = tuple(habit for habit, so in said.items() if so)
    money = found["outer"] or found["inner"] or found["after"] or ""
    return Look(readings, both and bool(kinds & {",", "."}), False, "".join(groups), money, found["unit"] or "", habits)


def _match(cell: str) -> re.Match[str] | None:
    """The parts of a number in any notation, whose signs fit together."""
    found = _NUMBER.fullmatch(cell.strip()) if len(cell) <= _LONGEST_NUMBER else None
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [found["open"], found["sign"], found["trailing"]]
    money = [found["outer"], found["inner"], found["after"]]
    few = sum(map(bool, signs)) <= 1 and sum(map(bool, money)) <= 1 and not (found["unit"] and any(money))
    return found if few else None


def _readings(body: str, exponent: bool) -> int:
    """The bits of the readings of digits with marks between them."""
    marks = [_KIND[mark] for mark in _NO_DIGIT.findall(body)]
    if not marks:
        return ANY
    pieces, last, before = _NO_DIGIT.split(body), marks[-1], set(marks[:-1])
    readings = 0
    if last in DECIMAL and not before:
        readings = DECIMAL[last]
    elif last in DECIMAL and len(before) == 1 and last not in before and _grouped(pieces[:-1], *before):
        readings = DECIMAL[last] & _GROUP[before.pop()]
    if len(set(marks)) == 1 and not exponent and _grouped(pieces, last):
        readings |= _GROUP[last]
    return readings


def _grouped(pieces: list[str], kind: str) -> bool:
    """Whether digits are in groups of thousands; with commas also as in India: 1,00,000."""
    first, middle, last = pieces[0], pieces[1:-1], pieces[-1]
    sizes = (2, 3) if kind == "," else (3,)
    return 1 <= len(first) <= 3 and first[0] != "0" and len(last) == 3 and all(len(piece) in sizes for piece in middle)


def same_money(sign: str) -> str:
    """One name for the signs of one currency, "€" and "EUR"."""
    return _CODES.get(sign, sign)


def telling(cells: Sequence[str]) -> dict[str, list[str]]:
    """Cells that say as much about their notation as all of them do, each with the cells that say the same as it does.

    Cells of one shape say the same: all digits are alike but for zeros at the front. Where all cells are plain numbers, or
    numbers with decimal commas and nothing else that is unusual, the rest of them is left out, which is faster.
    """
    text = "\n".join(cells)
    mark = "," if "," in text else "."
    if not cells or (mark == "," and not _PLAIN_COMMA.fullmatch(text)) or _with_points(cells, text) is None:
        shapes = _ZERO_WITHIN.sub("1", text.translate(_DIGITS)).split("\n")
        alike: dict[str, list[str]] = {}
        for cell, shape in zip(cells, shapes if len(shapes) == len(cells) else cells, strict=True):
            alike.setdefault(shape, []).append(cell)
        return {some[0]: some for some in alike.values()}
    first = next((cell for cell in cells if mark in cell), cells[0])
    decides = _NO_GROUP[mark].search(text)
    return {cell: [cell] for cell in (cells[0], first, decides.group() if decides else first)}


def _with_points(cells: Sequence[str], text: str) -> np.ndarray | None:
    """Cells with decimal points or commas as numbers, if all of them are numbers and none goes over several lines."""
    if "_" in text:
        return None
    try:
        numbers = np.array(text.replace(",", ".").split("\n"), "float64")
    except ValueError:
        return None
    return numbers if len(numbers) == len(cells) else None


def is_missing(cell: str) -> bool:
    """Whether a cell says that its value is missing, such as "", "NA" or "#DIV/0!"."""
    return cell.strip().lower() in MISSING_WORDS


def is_stand_in(cell: str) -> bool:
    """Whether a cell stands for a missing value in a column of numbers, such as "." or "--", but may be a word elsewhere."""
    return cell.strip().lower() in _STAND_IN or ("-" in cell and is_dash(cell))


def is_dash(cell: str) -> bool:
    """Whether a cell is "-", perhaps with a sign of money, as Excel's formats for accounts write 0."""
    return _DASH.fullmatch(cell.strip()) is not None


def is_error(cell: str) -> bool:
    """Whether a cell begins with an error value of Excel, such as "#N/A", which is no remark although it begins with '#'."""
    return _ERROR.match(cell.lstrip(' "').lower()) is not None


def plain_number(cell: str) -> float | None:
    """The number in a cell as Python reads it; None if Python does not, or if it has a "_", which Python leaves out."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


# ---- one column ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Notation:
    """How the numbers of one column are written.

    Attributes:
        decimal: The decimal mark, "." or ",".
        readings: The bits of the readings that its cells allow.
        unit: "%" or "‰" behind each number, else "". The unit is kept: "12%" is 12.
        money: The currency, as `same_money` calls it; "" if no number has a sign of money.
        strange: Whether some cells are not as Python writes numbers.
        how: The notation in words, for messages.
        problem: Why the column cannot be read, in one sentence; "" if it can.
    """

    decimal: str = "."
    readings: int = ANY
    unit: str = ""
    money: str = ""
    strange: bool = False
    how: str = "decimal points"
    problem: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What the values of the numbers depend on: two notations of one key read a column in the same way."""
        return self.decimal, self.unit, self.problem

    @property
    def plain(self) -> bool:
        """Whether Python reads all numbers of the column as they stand."""
        return not (self.strange or self.unit or self.problem)

    def parse(self, cells: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """(cells as numbers, NaN where missing or text; the rows that hold text, or numbers in another notation)."""
        if self.problem:
            return np.full(len(cells), np.nan), list(range(len(cells)))
        if self.decimal == "." and self.plain:
            return parse(cells, numeric=True)
        quick = self._parse_at_once(cells)
        if quick is not None:
            return quick, []
        numbers = np.full(len(cells), np.nan)
        text = []
        known: dict[str, float | None] = {}
        for row, cell in enumerate(cells):
            if cell not in known:
                known[cell] = np.nan if is_missing(cell) or is_stand_in(cell) else self.number(cell)
            value = known[cell]
            if value is None:
                text.append(row)
            else:
                numbers[row] = value
        return numbers, text

    def number(self, cell: str) -> float | None:
        """The number in a cell; None if it is text, or a number in another notation."""
        plain = plain_number(cell)
        if plain is not None and (self.decimal == "." or "." not in cell):
            return None if self.unit else plain
        found = _match(cell)
        if found is None or (found["unit"] or "") != self.unit:
            return None
        if not _readings(found["body"], bool(found["exponent"])) & self.readings & DECIMAL[self.decimal]:
            return None
        body = "".join(
            mark if mark.isdecimal() else "." if mark == self.decimal else "" for mark in found["body"]
        )  # marks of thousands go
        exponent = re.sub(f"[{_MINUS}]", "-", found["exponent"] or "").replace("d", "e").replace("D", "e")
        value = float(body + exponent)
        negative = found["open"] or found["trailing"] or found["sign"] not in (None, "+")
        return -value if negative else value

    def _parse_at_once(self, cells: Sequence[str]) -> np.ndarray | None:
        """Numbers with decimal commas or marks between thousands, and nothing else, which is many times faster; else None."""
        text = "\n".join(cell or "nan" for cell in cells)
        if self.unit:
            return None
        if self.decimal == "," and _PLAIN_COMMA.fullmatch(text):
            return _with_points(cells, text)
        for (mark, kind), grouped in _GROUPED.items():
            possible = self.readings & _bits(mark, kind)
            if mark == self.decimal and possible and grouped.fullmatch(text):
                for one in _KINDS[kind]:
                    text = text.replace(one, "")
                return _with_points(cells, text)
        return None


def parse(cells: Sequence[str], numeric: bool = False) -> tuple[np.ndarray, list[int]]:
    """Plain numbers: (cells as numbers, NaN where missing or text; the rows that hold text).

    Args:
        cells: The cells of one column.
        numeric: Whether the column is known to hold numbers, so that "." or "--" is a missing number. Otherwise this is so
            if more cells are numbers than words.
    """
    if "_" not in "".join(cells):
        try:
            return np.array(cells, "float64"), []
        except ValueError:
            pass
    numbers = np.full(len(cells), np.nan)
    count = 0
    text: list[int] = []
    stand_ins: list[int] = []
    for row, cell in enumerate(cells):
        if is_missing(cell):
            continue
        try:
            numbers[row] = float("" if "_" in cell else cell)  # as in `plain_number`, without a call for each cell
            count += 1
        except ValueError:
            (stand_ins if is_stand_in(cell) else text).append(row)
    return numbers, text if numeric or count > len(text) else sorted(text + stand_ins)


PLAIN_NUMBERS = (
    "Write plain numbers, such as -1234.5: a decimal point, nothing between thousands, no sign of per cent or money. Or "
    "leave the column out (--ignore), or declare it as text (read_table(path, text=[...]))."
)


def foreign_number(cells: Iterable[str]) -> str | None:
    """The first number that Python cannot read, in a column where nearly all cells are numbers in some notation.

    Such numbers have decimal commas, marks between thousands, a typographic minus, or signs of per cent or money; without this
    check they would count as words. Returns None if no cell is such a number, or if too many cells are words.

    Args:
        cells: The cells of one column that are not missing.
    """
    count = numbers = 0
    first = None
    known: dict[str, Look | None] = {}
    for cell in cells:
        if cell not in known:
            known[cell] = look_at(cell)
        look = known[cell]
        count += 1
        numbers += look is not None
        if first is None and look is not None and not look.plain:
            first = cell
    return first if numbers >= MOSTLY_NUMBERS * count else None


def is_number(cell: str) -> bool:
    """Whether a cell is a number, in any notation."""
    return look_at(cell) is not None
