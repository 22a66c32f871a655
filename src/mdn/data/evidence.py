"""Which notation the columns of a file agree on. A whole column is read in one notation, and one file has one decimal mark."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mdn.data.notation import (
    ANY,
    DECIMAL,
    Look,
    Notation,
    is_missing,
    is_stand_in,
    look_at,
    parse,
    same_money,
    telling,
)
from mdn.data.tables import FEW_LEVELS, TableError, words_repeat

_DECIMALS = {",": "decimal commas", ".": "decimal points"}
_CALLED = {",": "comma", ".": "point"}
_THOUSANDS = {",": "commas", ".": "points", "'": "apostrophes", " ": "spaces"}
_UNITS = {"%": "numbers in per cent, which stay in per cent", "‰": "numbers in per mille, which stay in per mille"}
_LISTED = 3  # columns in one sentence
_LONG = re.compile(r"(?m)^[-+]?\d{4,}$")  # a whole number that would have a mark between thousands, if others had one
_SHORT = re.compile(r"(?m)^[-+]?\d{1,3}$")
_PADDED = re.compile(r"(?m)^0\d")
_ROUND = re.compile(r"(?m)\.\d*0$")  # a decimal that Python would write without its last digit
_Where = tuple[str, int]  # a cell and its line


class Notations:
    """The notations of the columns of one file.

    Call `look` with some rows, `settle` once, and `convert` for every column; more rows may follow.

    Attributes:
        settled: For each column of numbers its notation; None before `settle`.
        semicolons: Whether cells stand between semicolons, as where commas are decimal and points stand between thousands.
    """

    def __init__(
        self,
        source: str,
        decimal: str | None = None,
        text: Collection[str] = (),
        settled: dict[str, Notation] | None = None,
        learnt: Mapping[str, str] | None = None,
    ):
        """Stores what is known before a file is read.

        Args:
            source: The name of the file, for messages.
            decimal: The decimal mark where a column leaves it open, "," or "."; None finds it out from other columns.
            text: Columns that are text, and say nothing.
            settled: Notations that an earlier reading of the file has found.
            learnt: For a column its decimal mark in training, used where this file leaves it open.
        """
        self._learnt = learnt or {}
        self._source, self._decimal, self._text = source, decimal, frozenset(text)
        self._seen: dict[str, _Column] = {}
        self.settled = settled
        self.semicolons = False

    def look(self, columns: Sequence[str], cells: Sequence, lines: np.ndarray) -> None:
        """Takes the cells of some rows as evidence; columns that are arrays of numbers already say nothing."""
        for name, column in zip(columns, cells, strict=True):
            if name not in self._text and not isinstance(column, np.ndarray):
                self._seen.setdefault(name, _Column()).look(column, lines)

    def settle(self) -> None:
        """Keeps the notations that the rows so far show, unless they were known before."""
        if self.settled is None:
            self.settled = self.shown()

    @property
    def stands(self) -> bool:
        """Whether the rows that came after `settle` show the same notations."""
        return {name: one.key for name, one in (self.settled or {}).items()} == {
            name: one.key for name, one in self.shown().items()
        }

    def check(self) -> None:
        """Raises a TableError if rows that came after `settle` show that an open column was read in a wrong notation."""
        for name, now in self.shown().items():
            column, then = self._seen[name], (self.settled or {}).get(name, Notation())
            if column.open is None or len(column.decimals) < 2 or then.problem or column.conflict is not None:
                continue
            if now.problem or now.decimal != then.decimal:
                cell, line = column.open
                others = [f"{other!r} has {_DECIMALS[mark]}" for mark, other in self._marks().items()]
                why = " and ".join(others) or "all its points may stand between thousands"
                raise TableError(
                    f"{self._source}: column {name!r} is read with {_DECIMALS[then.decimal]}, as its first rows show, but its "
                    f"{cell!r} in line {line} is open, and further down {why}. Say which mark is decimal: --decimal , or "
                    '--decimal . (in Python decimal="," or decimal=".").'
                )

    def convert(self, name: str, cells: tuple[str, ...]) -> np.ndarray | tuple[str, ...]:
        """A column as numbers if all its cells are numbers in the notation of the column, or missing; else unchanged."""
        notation = (self.settled or {}).get(name)
        numbers, text = parse(cells) if notation is None else notation.parse(cells)
        return cells if text else numbers

    def shown(self) -> dict[str, Notation]:
        """The notation of each column of numbers, as far as the rows so far show it."""
        marks = self._marks()
        return {name: self._notation(name, column, marks) for name, column in self._seen.items() if column.numeric}

    def decimals(self) -> dict[str, str]:
        """The decimal mark of each column of numbers in which some cell has a point or a comma."""
        return {
            name: one.decimal
            for name, one in (self.settled or {}).items()
            if not one.problem and name in self._seen and self._seen[name].has_mark
        }

    def padded(self) -> frozenset[str]:
        """The columns of whole numbers of which some cell begins with 0, such as 01001."""
        return frozenset(name for name, column in self._seen.items() if column.digits_only and column.padded)

    @property
    def note(self) -> str:
        """Which columns were read in a notation of their own, and how, for the user to know."""
        sentences: dict[tuple[str, ...], list[str]] = {}
        as_learnt = []
        for name, notation in (self.settled or {}).items():
            if notation.problem or name not in self._seen:
                continue
            if self._as_learnt(name, notation):
                as_learnt.append(self._as_in_training(name, notation))
            elif said := self._said(name, notation):
                sentences.setdefault(said, []).append(name)
        return " ".join([*(self._sentence(said, names) for said, names in sentences.items()), *as_learnt])

    def _as_learnt(self, name: str, notation: Notation) -> bool:
        """Whether only the decimal mark in training decides how a column is read, and Python would read it otherwise."""
        column = self._seen[name]
        if (
            column.open is None
            or len(column.decimals) < 2
            or self._decimal
            or self._learnt.get(name) != notation.decimal
        ):
            return False
        return len(self._marks()) != 1 and (notation.decimal == "," or not column.open_is_plain)

    def _as_in_training(self, name: str, notation: Notation) -> str:
        cell, _ = self._seen[name].open or ("", 0)
        mark = "," if "," in cell else "."
        role = "is decimal" if mark == notation.decimal else "stands between thousands"
        return f"{self._source}: column {name!r}: as in training, the {_CALLED[mark]} in {cell!r} {role}."

    def _marks(self) -> dict[str, str]:
        """The decimal marks of which there is no doubt, each with a column that shows it."""
        marks: dict[str, str] = {}
        for name, column in self._seen.items():
            if column.numeric and column.conflict is None and len(column.decimals) == 1:
                marks.setdefault(column.decimals[0], name)
        return marks

    def _notation(self, name: str, column: _Column, marks: dict[str, str]) -> Notation:
        if column.conflict is not None:
            (one, line), (other, other_line) = column.conflict
            return _problem(
                f"{self._source}: column {name!r} mixes two notations of numbers: {one!r} in line {line}, but {other!r} in "
                f"line {other_line}. Write all its numbers in one notation, leave the column out (--ignore), or declare it as "
                "text (read_table(path, text=[...]))."
            )
        decimals = column.decimals
        common = self._decimal or (next(iter(marks)) if len(marks) == 1 else self._learnt.get(name))
        if len(decimals) == 1:
            decimal = decimals[0]
        elif common is not None:
            decimal = common
        elif column.open is not None and (marks or not column.open_is_plain or column.like_thousands(self.semicolons)):
            return _problem(self._ambiguity(name, column, marks))
        else:
            decimal = "."
        strange = column.strange is not None or (decimal == "," and column.open is not None)
        group = column.thousands(decimal)
        how = _DECIMALS[decimal] + (f" and {_THOUSANDS[group]} between thousands" if group else "")
        how += f" and the sign {column.unit!r}" if column.unit else ""
        return Notation(decimal, column.readings & DECIMAL[decimal], column.unit or "", strange, how)

    def _ambiguity(self, name: str, column: _Column, marks: dict[str, str]) -> str:
        cell, line = column.open or ("", 0)
        mark, other = (",", ".") if "," in cell else (".", ",")
        as_decimal = Notation(mark, unit=column.unit or "").number(cell)
        as_thousands = Notation(other, unit=column.unit or "").number(cell)
        both = (
            f"Column {marks[',']!r} has decimal commas, but {marks['.']!r} decimal points. " if len(marks) == 2 else ""
        )
        return (
            f"{self._source}: column {name!r} can be read in two ways: {cell!r} in line {line} is {as_decimal:.15g} if its "
            f"{_CALLED[mark]} is decimal, and {as_thousands:.15g} if it stands between thousands. {both}Say which mark is "
            'decimal: --decimal , or --decimal . (in Python decimal="," or decimal=".").'
        )

    def _said(self, name: str, notation: Notation) -> tuple[str, ...]:
        """What is said of a column: why, and what is unusual; () if it holds plain numbers."""
        column = self._seen[name]
        if not notation.strange and not notation.unit:
            return ()
        decided = column.open is not None and len(column.decimals) == 2
        said = []
        if (notation.decimal == "," and column.marked) or (decided and column.open_group == notation.decimal):
            said.append(_DECIMALS[notation.decimal])
        group = column.thousands(notation.decimal)
        said += [f"{_THOUSANDS[group]} between thousands"] if group else []
        said += [_UNITS[notation.unit]] if notation.unit else []
        said += [f"signs of money ({column.money}), which are left out"] if column.money else []
        said += column.habits
        if decided:
            others = [other for other, one in self._seen.items() if one.numeric and one.decimals == (notation.decimal,)]
            if self._decimal is not None:
                said.append(f"since decimal={self._decimal!r} was asked for")
            elif others:
                said.append(f"since column {others[0]!r} has {_DECIMALS[notation.decimal]}")
        return tuple(said)

    def _sentence(self, said: tuple[str, ...], names: list[str]) -> str:
        first = names[0]
        cell, _ = self._seen[first].strange or self._seen[first].open or ("", 0)
        value = (self.settled or {})[first].number(cell)
        listed = ", ".join(map(repr, names[:_LISTED])) + (
            f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        )
        example = f", so {cell!r} is {value:.15g}" if value is not None else ""
        return f"{self._source}: {'columns' if len(names) > 1 else 'column'} {listed}: {', '.join(said)}{example}."


def _problem(sentence: str) -> Notation:
    return dataclasses.replace(Notation(strange=True), problem=sentence)


class _Column:
    """What the cells of one column say about their notation."""

    def __init__(self):
        self.readings, self.unit, self.money, self.group = ANY, None, "", ""
        self.habits: list[str] = []
        self.strange: _Where | None = None  # the first cell that Python does not read
        self.open: _Where | None = None  # the first cell whose value depends on the decimal mark
        self.open_is_plain, self.open_group = True, ""
        self.marked = False  # whether a cell has a decimal comma
        self.has_mark = False  # whether a cell has a point or a comma
        self.conflict: tuple[_Where, _Where] | None = None
        self.digits_only, self.padded = True, False  # whether all cells are digits; whether one of them is like 01001
        self._words = self._numbers = 0
        self._levels: set[str] = set()  # different cells, and words, as long as they are few
        self._different: set[str] = set()
        self._long = self._short = self._round = False  # whether some cell matches `_LONG`, ...
        self._first: _Where = ("", 0)  # the first number
        self._narrowed: _Where | None = None  # the last cell that ruled a reading out
        self._of_money: _Where = ("", 0)

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers, perhaps with mistakes; a column without any cell may hold numbers further down."""
        if not self._words:
            return True
        return self._numbers > self._words and not words_repeat(self._words, len(self._different), len(self._levels))

    def like_thousands(self, semicolons: bool) -> bool:
        """Whether all points may stand between thousands, and the file is such that this is likely.

        Between semicolons it is. Elsewhere it is if smaller numbers have no point, but 1.250 ends in 0: as a decimal it would
        be written 1.25, unless all cells had three digits behind their point.
        """
        return not self._long and (semicolons or (self._short and self._round))

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
        there = [cell for cell in counts if not is_missing(cell) and not is_stand_in(cell)]
        few = telling(there)
        looks = {cell: look_at(cell) for cell in few}
        unlike = [cell for one, look in looks.items() if look is None for cell in few[one]]
        words = sum(counts[cell] for cell in unlike)
        self._words += words
        if len(self._levels) <= FEW_LEVELS:
            self._levels.update(there[: FEW_LEVELS + 1])
            self._different.update(unlike[: FEW_LEVELS + 1])
        if self.digits_only and there:
            self.digits_only = "".join(there).isdecimal()
            self.padded = self.padded or _PADDED.search("\n".join(there)) is not None
        if len(self.decimals) == 2:
            text = "\n".join(there)
            self._long = self._long or _LONG.search(text) is not None
            self._short = self._short or _SHORT.search(text) is not None
            self._round = self._round or _ROUND.search(text) is not None
        self._numbers += sum(counts[cell] for cell in there) - words
        for cell, look in looks.items():
            if look is not None:
                self._take(look, cell, cells, lines)

    def _take(self, look: Look, cell: str, cells: Sequence[str], lines: np.ndarray) -> None:
        def where() -> _Where:
            return cell, int(lines[cells.index(cell)])

        if self.unit is None:
            self.unit, self._first = look.unit, where()
        left = self.readings & look.readings
        if self.conflict is None:
            if look.unit != self.unit:
                self.conflict = (self._first, where())
            elif not left:
                self.conflict = (self._narrowed or self._first, where())
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
