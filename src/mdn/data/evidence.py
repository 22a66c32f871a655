"""Which notation the columns of a file agree on. A whole column is read in one notation, and one file has one decimal mark."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mdn.data.column_evidence import ColumnEvidence
from mdn.data.notation import DECIMAL, Notation, parse, same_money
from mdn.data.tables import TableError

_DECIMALS = {",": "decimal commas", ".": "decimal points"}
_CALLED = {",": "comma", ".": "point"}
_THOUSANDS = {",": "commas", ".": "points", "'": "apostrophes", " ": "spaces"}
_UNITS = {"%": "numbers in per cent, which stay in per cent", "‰": "numbers in per mille, which stay in per mille"}
_LISTED = 3  # columns in one sentence


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
        learnt_from: str = "training",
    ):
        """Stores what is known before a file is read.

        Args:
            source: The name of the file, for messages.
            decimal: The decimal mark where a column leaves it open, "," or "."; None finds it out from other columns.
            text: Columns that are text, and say nothing.
            settled: Notations that an earlier reading of the file has found.
            learnt: For a column its decimal mark in training, used where this file leaves it open.
            learnt_from: Where that mark was seen.
        """
        self._learnt, self._learnt_from = learnt or {}, learnt_from
        self._source, self._decimal, self._text = source, decimal, frozenset(text)
        self._seen: dict[str, ColumnEvidence] = {}
        self.settled = settled
        self.semicolons = False

    def look(self, columns: Sequence[str], cells: Sequence, lines: np.ndarray) -> None:
        """Takes the cells of some rows as evidence; columns that are arrays of numbers already say nothing."""
        for name, column in zip(columns, cells, strict=True):
            if name not in self._text and not isinstance(column, np.ndarray):
                self._seen.setdefault(name, ColumnEvidence()).look(column, lines)

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

    def undecided(self) -> frozenset[str]:
        """The columns with points that may all stand between thousands, of which nothing says otherwise but Python's notation."""
        marks = self._marks()
        return frozenset(
            name
            for name, one in (self.settled or {}).items()
            if name in self._seen and not one.problem and self._decimal is None and name not in self._learnt
            if self._seen[name].open is not None and len(self._seen[name].decimals) == 2 and len(marks) != 1
        )

    def padded(self) -> frozenset[str]:
        """The columns of numbers of which some cell begins with 0, such as 01001 and 001.1, or all with "+", as telephones."""
        return frozenset(name for name, column in self._seen.items() if column.padded)

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
        read = [self._sentence(said, names) for said, names in sentences.items()]
        others = (say(name) for say in (self._of_dashes, self._of_months) for name in self.settled or {})
        return " ".join([*read, *as_learnt, *filter(None, others)])

    def _of_months(self, name: str) -> str:
        """What is said of a column of numbers that may be months."""
        column, notation = self._seen.get(name), (self.settled or {})[name]
        if column is None or not column.has_mark or not column.months or notation.decimal != ".":
            return ""
        cell, _ = column.first
        return (
            f"{self._source}: column {name!r} may hold months, but {cell!r} is read as the number {float(cell):.15g}: "
            f"--date {shlex.quote(name)} takes it for dates (in Python mdn.data.source_of(..., date=[{name!r}]))."
        )

    def _of_dashes(self, name: str) -> str:
        """What is said of a column in which "-" may be 0."""
        column, notation = self._seen.get(name), (self.settled or {})[name]
        if column is None or column.dash is None or column.other_gaps or notation.problem:
            return ""
        if not (column.money or column.thousands(notation.decimal)):
            return ""
        cell, line = column.dash
        return (
            f"{self._source}: column {name!r}: {cell!r} in line {line} is taken for a missing number, but Excel's formats for "
            "accounts write 0 so: replace it by 0 if it is one."
        )

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
        return f"{self._source}: column {name!r}: as in {self._learnt_from}, the {_CALLED[mark]} in {cell!r} {role}."

    def _marks(self) -> dict[str, str]:
        """The decimal marks of which there is no doubt, each with a column that shows it."""
        marks: dict[str, str] = {}
        for name, column in self._seen.items():
            if column.numeric and column.conflict is None and len(column.decimals) == 1:
                marks.setdefault(column.decimals[0], name)
        return marks

    def _notation(self, name: str, column: ColumnEvidence, marks: dict[str, str]) -> Notation:
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
        readings, unit, money = column.readings & DECIMAL[decimal], column.unit or "", same_money(column.money)
        return Notation(decimal, readings, unit, money, strange, how)

    def _ambiguity(self, name: str, column: ColumnEvidence, marks: dict[str, str]) -> str:
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
