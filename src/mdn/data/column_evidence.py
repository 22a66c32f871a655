"""What the cells of one column say about the notation of its numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mdn.data.notation import ANY, DECIMAL, Look, is_dash, is_missing, is_stand_in, look_at, same_money, telling
from mdn.data.tables import FEW_LEVELS, ExactNumber, as_words, words_repeat

_LONG = re.compile(r"(?m)^[-+]?\d{4,}$")  # a whole number that would have a mark between thousands, if others had one
_SHORT = re.compile(r"(?m)^[-+]?\d{1,3}$")
_CODE = re.compile(r"\n0\d+\n")  # 01001
_CODE_WITH_POINT = re.compile(r"\n00\d+\.")  # 001.1
_CODE_AS_FLOAT = re.compile(r"\n0\d{3,}\.0+\n")  # 01001.0
_FRACTION = re.compile(r"\.\d*[1-9]")
_DIGITS = re.compile(r"[\d.\n]+")
_CALLS = re.compile(r"(?:\+\d{7,15}(?:\n|$))+")  # numbers of telephones
_MONTHS = re.compile(r"(?:(?:0?[1-9]|1[0-2])\.(?:19|20)\d\d(?:\n|$))+")  # such as 03.2024
_ROUND = re.compile(r"(?m)\.\d*0$")  # a decimal that Python would write without its last digit
_SEVERAL = 3  # so many different cells that are like months are no chance
Where = tuple[str, int]  # a cell and its line


class ColumnEvidence:
    """What the cells of one column say about their notation."""

    def __init__(self):
        self.readings, self.unit, self.money, self.group = ANY, None, "", ""
        self.habits: list[str] = []
        self.strange: Where | None = None  # the first cell that Python does not read
        self.open: Where | None = None  # the first cell whose value depends on the decimal mark
        self.open_is_plain, self.open_group = True, ""
        self.marked = False  # whether a cell has a decimal comma
        self.has_mark = False  # whether a cell has a point or a comma
        self.conflict: tuple[Where, Where] | None = None
        self._digits = True  # whether all cells are digits and points
        self._fractions = False  # whether some cell has a decimal other than 0
        self._zeros: set[re.Pattern[str]] = set()  # patterns of codes that some cell has
        self._decimals: set[int] = set()  # how many decimals cells have, as long as these are the same
        self._calls, self._months = True, True  # whether all cells are like +49171234567, and whether like 03.2024
        self._words = self._numbers = 0
        self._levels: set[str] = set()  # different cells, and words, as long as they are few
        self._different: set[str] = set()
        self._long = self._short = self._round = False  # whether some cell matches `_LONG`, ...
        self._exact = False  # whether some cell is a number in its file, not text
        self.dash: Where | None = None  # the first cell that is "-", perhaps with a sign of money
        self.other_gaps = False  # whether some cell is missing in another way
        self.first: Where = ("", 0)  # the first number
        self._narrowed: Where | None = None  # the last cell that ruled a reading out
        self._of_money: Where = ("", 0)

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers, perhaps with mistakes; a column without any cell may hold numbers further down."""
        if not self._words:
            return True
        return self._numbers > self._words and not words_repeat(self._words, len(self._different), len(self._levels))

    @property
    def padded(self) -> bool:
        """Whether the cells may be codes, which lose zeros or a sign as numbers.

        Numbers with equally many decimals, such as 005.2 and 123.4, are quantities that were written with a fixed width.
        """
        if not self._levels or not self.numeric:
            return False
        if self._calls or not self._digits or not self._zeros:
            return self._calls
        whole = _CODE in self._zeros or (_CODE_AS_FLOAT in self._zeros and not self._fractions)
        return whole or len(self._decimals) > 1

    @property
    def months(self) -> bool:
        """Whether the cells may be months, such as 03.2024."""
        return self._months and len(self._levels) >= _SEVERAL

    def like_thousands(self, semicolons: bool) -> bool:
        """Whether all points may stand between thousands, and the file is such that this is likely.

        Between semicolons it is, and in a sheet of Excel whose other cells are numbers: Excel kept these as text, since it read
        no number there. Elsewhere it is if smaller numbers have no point, but 1.250 ends in 0: as a decimal it would be written
        1.25, unless all cells had three digits behind their point.
        """
        return not self._long and (semicolons or self._exact or (self._short and self._round))

    @property
    def decimals(self) -> tuple[str, ...]:
        """The decimal marks that are possible."""
        return tuple(mark for mark, bits in DECIMAL.items() if self.readings & bits)

    def thousands(self, decimal: str) -> str:
        """The mark between thousands, if the decimal mark is this one; "" if no cell has any."""
        return self.group or (self.open_group if self.open is not None and self.open_group != decimal else "")

    def look(self, cells: Sequence[str], lines: np.ndarray) -> None:
        """Takes cells as evidence."""
        counts = Counter(cells)
        gaps = [cell for cell in counts if is_missing(cell) or is_stand_in(cell)]
        dashes = [cell for cell in gaps if is_dash(cell)]
        self.other_gaps = self.other_gaps or len(gaps) > len(dashes)
        if dashes and self.dash is None:
            self.dash = dashes[0], int(lines[cells.index(dashes[0])])
        nothing = set(gaps)
        there = [cell for cell in counts if cell not in nothing]
        few = telling(there)
        looks = {cell: look_at(cell) for cell in few}
        unlike = [cell for one, look in looks.items() if look is None for cell in few[one]]
        words = sum(counts[cell] for cell in unlike)
        self._words += words
        if len(self._levels) <= FEW_LEVELS:
            self._levels.update(there[: FEW_LEVELS + 1])
            self._different.update(unlike[: FEW_LEVELS + 1])
        if there:
            exact = any(isinstance(cell, ExactNumber) for cell in there)
            self._exact = self._exact or exact
            text = "\n".join(as_words(tuple(there)) if exact else there)
            self._digits = self._digits and _DIGITS.fullmatch(text) is not None
            if self._digits:
                patterns = (_CODE, _CODE_WITH_POINT, _CODE_AS_FLOAT)
                self._zeros.update(one for one in patterns if one.search(f"\n{text}\n"))
                self._fractions = self._fractions or _FRACTION.search(text) is not None
                if len(self._decimals) < 2:
                    self._decimals.update(len(cell.partition(".")[2]) for cell in text.split("\n"))
            self._calls = self._calls and _CALLS.fullmatch(text) is not None
            self._months = self._months and _MONTHS.fullmatch(text) is not None
        if len(self.decimals) == 2:
            text = "\n".join(cell for cell in there if not isinstance(cell, ExactNumber))
            self._long = self._long or _LONG.search(text) is not None
            self._short = self._short or _SHORT.search(text) is not None
            self._round = self._round or _ROUND.search(text) is not None
        self._numbers += sum(counts[cell] for cell in there) - words
        for cell, look in looks.items():
            if look is not None:
                self._take(look, cell, cells, lines)

    def _take(self, look: Look, cell: str, cells: Sequence[str], lines: np.ndarray) -> None:
        def where() -> Where:
            return cell, int(lines[cells.index(cell)])

        if self.unit is None:
            self.unit, self.first = look.unit, where()
        left = self.readings & look.readings
        if self.conflict is None:
            if look.unit != self.unit:
                self.conflict = (self.first, where())
            elif not left:
                self.conflict = (self._narrowed or self.first, where())
            elif look.money and self.money and same_money(look.money) != same_money(self.money):
                self.conflict = (self._of_money, where())
        if look.money and not self.money:
            self.money, self._of_money = look.money, where()
        if left and left != self.readings:
            self.readings, self._narrowed = left, where()
        if look.open and (self.open is None or (self.open_is_plain and not look.plain)):
            self.open, self.open_is_plain = where(), look.plain
            self.open_group = "," if "," in cell else "."
        if not look.plain and self.strange is None:
            self.strange = where()
        self.group = self.group or look.group
        self.has_mark = self.has_mark or "," in cell or "." in cell
        self.marked = self.marked or (not look.plain and "," in cell and look.group != ",")
        self.habits += [habit for habit in look.habits if habit not in self.habits]
