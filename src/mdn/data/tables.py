"""A table of named columns, as they stand in a file."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from mdn.data.notation import PLAIN_NUMBERS, Notation, foreign_number, is_missing, parse
from mdn.wording import agreed, counted

_MOSTLY = 0.5  # a column is text if more than this share of its cells are
_REPEATED, FEW_LEVELS = 3, 32  # a column of few levels whose words repeat is text, too: "1", "2", "north"
_NEAR = 1000  # the nearest name is sought among so many columns
_SHOWN = 60  # a message shows so many characters of a cell or a name

Cells = np.ndarray | tuple[str, ...]


class TableError(ValueError):
    """A table that cannot be used: one sentence that says where and why.

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import TableError, read_table
        >>> _ = Path('empty.csv').write_text('')
        >>> try:
        ...     read_table('empty.csv')
        ... except TableError:
        ...     print('there is no row in empty.csv')
        there is no row in empty.csv
    """


def misfit(path, line: int, cells: int, columns: int) -> TableError:
    """The error of a line that has another number of cells than the table has columns."""
    are = agreed(columns, "is", "are")
    return TableError(
        f"{path}: line {line} has {counted(cells, 'cell')}, but there {are} {counted(columns, 'column')}."
    )


class NoRows(TableError):
    """A file that is no table because it holds no rows."""


class ExactNumber(str):
    """A cell that is a number in its file, not text: it is written without any mark, so that every notation reads the same.

    Attributes:
        shown: The number as Python writes it, for columns of text.
    """

    shown: str

    def __new__(cls, value: int | float) -> ExactNumber:
        """1.234 is written "1234e-3"."""
        mantissa, _, exponent = repr(value).partition("e")
        whole, _, rest = mantissa.partition(".")
        number = super().__new__(cls, f"{whole}{rest}e{int(exponent or 0) - len(rest)}")
        number.shown = repr(value)
        return number

    @property
    def number(self) -> int | float:
        """The number itself."""
        return int(self.shown) if self.shown.lstrip("-").isdecimal() else float(self.shown)

    def __reduce__(self):
        return ExactNumber, (self.number,)


class Again(str):
    """The name of a column whose own name an earlier column has: "y.1" where both are called "y".

    Attributes:
        own: The name that it has in its file.
    """

    own: str

    def __new__(cls, name: str, own: str) -> Again:
        """A string that is `name`."""
        again = super().__new__(cls, name)
        again.own = own
        return again

    def __reduce__(self):
        return Again, (str(self), self.own)


class NotRead(str):
    """Each cell of a column of lists, bytes or other things that are neither numbers nor text; it says what the column holds."""


def as_words(cells: Cells) -> tuple[str, ...]:
    """The cells of a column of text, in which numbers are written as Python writes them."""
    return tuple(cell.shown if isinstance(cell, ExactNumber) else cell for cell in cells)


@dataclasses.dataclass(frozen=True)
class Table:
    r"""Named columns of one file, or of some rows of it.

    Attributes:
        columns: The names of the columns, in the order of the file.
        cells: For each column its numbers, float64 with NaN where missing; or its cells as strings, if some are text.
        lines: The line of the file that each row stands on, for messages.
        source: The name of the file.
        note: What the reader had to guess, for the user to know; "" if nothing.
        text: Columns to treat as text, even if their cells are numbers.
        notations: How the numbers of the columns are written.
        marks: The decimal mark of the columns in which some cell has a point or a comma.
        padded: The columns of numbers that may be codes: some begin with 0, as 01001 and 001.1, or all with + as telephones.
        unnamed: The name that the reader gave to a first column without one, else "".
        separator: What separates the cells of a file of text; "" for white space, and for files that are no text.
        undecided: The columns whose decimal mark nothing in the file shows: all their points may stand between thousands.

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import read_table
        >>> _ = Path('flats.csv').write_text('size,price\n70,210000\n55,180000\n')
        >>> table = read_table('flats.csv')
        >>> len(table), table.columns
        (2, ('size', 'price'))
    """

    columns: tuple[str, ...]
    cells: tuple[Cells, ...]
    lines: np.ndarray
    source: str
    note: str = ""
    text: frozenset[str] = frozenset()
    notations: Mapping[str, Notation] = dataclasses.field(default_factory=dict)
    marks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    padded: frozenset[str] = frozenset()
    unnamed: str = ""
    separator: str = ""
    undecided: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> np.ndarray:
        """A column as numbers, float64 of shape `(N,)`; missing cells are NaN.

        Raises:
            TableError: if there is no such column (the nearest is named), or if it holds text.
        """
        self.check_read(name)
        return self._numbers(self._find(name))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as numbers or, if it is a column of text, as strings, "" where missing.

        Raises:
            TableError: if there is no such column, or if a column of numbers has a few cells of text.
        """
        self.check_read(name)
        index = self._find(name)
        numbers, text = self._parse(index)
        if self._is_text(index, text):
            return np.array(["" if is_missing(cell) else cell for cell in as_words(self.cells[index])], dtype=object)
        if text:
            self._refuse(index, text)
        return numbers

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), as in a frame."""
        return len(self), len(self.columns)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.values.astype(dtype or "float64", copy=False)

    def take(self, rows) -> Table:
        """The table of the rows with these indices."""
        cells = tuple(
            column[rows] if isinstance(column, np.ndarray) else tuple(column[row] for row in rows)
            for column in self.cells
        )
        return dataclasses.replace(self, cells=cells, lines=self.lines[rows])

    def select(self, names: Sequence[str]) -> Table:
        """The table of some columns, in the order of `names`.

        Raises:
            TableError: if there is no such column.
        """
        found = [self._find(name, names) for name in names]
        return dataclasses.replace(
            self, columns=tuple(self.columns[i] for i in found), cells=tuple(self.cells[i] for i in found)
        )

    def words(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """The cells of some columns of text, as they stand in the file.

        Raises:
            TableError: if there is no such column, or if one holds neither numbers nor text.
        """
        for name in names:
            self.check_read(name)
        return [as_words(self.cells[self._find(name, names)]) for name in names]

    def drop(self, *names: str) -> Table:
        """The table without some columns.

        Raises:
            TableError: if there is no such column.
        """
        gone = {self._find(name, names) for name in names}
        kept = [i for i in range(len(self.columns)) if i not in gone]
        return dataclasses.replace(
            self, columns=tuple(self.columns[i] for i in kept), cells=tuple(self.cells[i] for i in kept)
        )

    def check_read(self, name: str) -> None:
        """Checks that a column can be used; whoever leaves it out can use the others.

        Raises:
            TableError: if it holds neither numbers nor text.
        """
        cell = next(iter(self.cells[self._find(name)]), None)
        if isinstance(cell, NotRead):
            raise TableError(f"{self.source}: column {name!r} holds {cell}, but numbers or text are needed.")

    def numbers_and_text(self, name: str) -> tuple[np.ndarray, list[int]]:
        """(a column as numbers, NaN where missing or text; the rows that hold text)."""
        return self._parse(self._find(name))

    def decimals(self) -> dict[str, str]:
        """The decimal mark, "," or ".", that was used for each column of numbers in which a cell has a point or a comma."""
        return {name: self.marks[name] for name in self.columns if name in self.marks and name not in self.text}

    def money(self) -> dict[str, str]:
        """The currency, such as "USD", of each column in which numbers have a sign of money."""
        known = {name: self.notations[name].money for name in self.columns if name in self.notations}
        return {name: money for name, money in known.items() if money and name not in self.text}

    def units(self) -> dict[str, str]:
        """The unit, "%" or "‰", of each column whose numbers have one."""
        known = {name: self.notations[name].unit for name in self.columns if name in self.notations}
        return {name: unit for name, unit in known.items() if unit and name not in self.text}

    @property
    def values(self) -> np.ndarray:
        """All columns as numbers, float64 of shape `(N, columns)`.

        Raises:
            TableError: if one of them holds text.
        """
        return np.stack([self._numbers(i) for i in range(len(self.columns))], axis=-1)

    def text_columns(self) -> frozenset[str]:
        """The columns of text; a column of numbers with some mistakes is not one of them."""
        return frozenset(name for i, name in enumerate(self.columns) if self._is_text(i, self._parse(i)[1]))

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in reversed(list(enumerate(self.columns)))}

    def _find(self, name: str, asked: Sequence[str] = ()) -> int:
        """The place of a column; `asked` are the names that are asked for beside it, none of which it can be."""
        if name in self._places:
            return self._places[name]
        others = [column for column in self.columns[:_NEAR] if column not in set(asked)]
        lowered = [column[:_SHOWN].lower() for column in others]
        near = difflib.get_close_matches(
            name[:_SHOWN].lower(), lowered, n=1, cutoff=0.0 if len(self.columns) == 1 else 0.4
        )
        hint = f" Did you mean {shown(others[lowered.index(near[0])])}?" if near else ""
        listed = ", ".join(column[:_SHOWN] for column in self.columns[:20]) + (
            ", ..." if len(self.columns) > 20 else ""
        )
        raise TableError(f"{self.source} has no column {shown(name)}.{hint} Its columns: {listed}.")

    def _numbers(self, index: int) -> np.ndarray:
        numbers, text = self._parse(index)
        if text:
            self._refuse(index, text)
        return numbers

    def _parse(self, index: int) -> tuple[np.ndarray, list[int]]:
        """(a column as numbers, NaN where missing or text; the rows that hold text)."""
        cells, name = self.cells[index], self.columns[index]
        if isinstance(cells, np.ndarray):
            return cells, []
        return self.notations[name].parse(cells) if name in self.notations else parse(cells)

    def _is_text(self, index: int, text: list[int]) -> bool:
        """Whether a column is text, and not numbers with some mistakes; `text` are the rows that hold text."""
        if self.columns[index] in self.text or not text:
            return self.columns[index] in self.text
        if self.columns[index] in self.notations and not self.notations[self.columns[index]].plain:
            return False
        cells = [cell for cell in self.cells[index] if not is_missing(cell)]
        if foreign_number(cells) is not None:
            return False
        words = {self.cells[index][row] for row in text}
        return len(text) > _MOSTLY * len(cells) or words_repeat(len(text), len(words), len(set(cells)))

    def _refuse(self, index: int, text: list[int]) -> None:
        name, first = self.columns[index], text[0]
        what = f"{shown(self.cells[index][first])} in line {self.lines[first]}"
        more = f", and {len(text) - 1} more such cells" if len(text) > 1 else ""
        if name not in self.text:
            notation = self.notations.get(name, Notation())
            if notation.problem:
                raise TableError(notation.problem)
            if not notation.plain:
                raise TableError(
                    f"{self.source}: column {name!r} must hold numbers with {notation.how}, but has {what}{more}."
                )
            foreign = foreign_number(cell for cell in self.cells[index] if not is_missing(cell))
            if foreign is not None:
                first = list(self.cells[index]).index(foreign)
                how = "in another notation than in the rows above" if name in self.notations else "in a local notation"
                raise TableError(
                    f"{self.source}: column {name!r} holds numbers {how}: {foreign!r} in line {self.lines[first]}. "
                    f"{PLAIN_NUMBERS}"
                )
        if self._is_text(index, text):
            raise TableError(
                f"{self.source}: column {name!r} holds text ({what}): leave it out, or encode it as numbers."
            )
        raise TableError(f"{self.source}: column {name!r} must hold numbers, but has {what}{more}.")


def joined(tables: Sequence[Table]) -> Table:
    """The rows of several tables of the same columns, with what the last one knows of its file, and the units of all.

    A column that has nothing in one table, where its cells look like missing numbers, may be text in another.

    Args:
        tables: At least one.
    """
    cells = tuple(_joined(column) for column in zip(*(table.cells for table in tables), strict=True))
    marks = {name: mark for table in tables for name, mark in table.marks.items()}
    text = frozenset().union(*(table.text for table in tables))
    padded = frozenset().union(*(table.padded for table in tables))
    units = {name: one for table in tables for name, one in table.notations.items() if one.unit or one.money}
    lines = np.concatenate([table.lines for table in tables])
    return dataclasses.replace(
        tables[-1],
        cells=cells,
        lines=lines,
        marks=marks,
        text=text,
        padded=padded,
        notations={**tables[-1].notations, **units},
    )


def _joined(column: Sequence[Cells]) -> Cells:
    if all(isinstance(part, np.ndarray) for part in column):
        return np.concatenate(column)
    return tuple(itertools.chain(*(("",) * len(part) if isinstance(part, np.ndarray) else part for part in column)))


def words_repeat(count: int, different: int, levels: int) -> bool:
    """Whether words among numbers come again, so that a column holds categories: "1", "2", "north", "north", "north".

    Args:
        count: The number of cells that are words.
        different: How many different words these are.
        levels: How many different cells the column has, words and numbers.
    """
    return count >= _REPEATED * different and levels <= FEW_LEVELS


def shown(text: str) -> str:
    """A cell or a name in quotes, shortened for a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def unique(header: Sequence[str]) -> tuple[str, ...]:
    """Names without repetition: a second "x" becomes "x.1" (`Again`), and an empty name the number of its column."""
    names: dict[str, None] = {}
    again: dict[str, int] = {}  # the last number used behind a name; all lower ones are taken
    for i, cell in enumerate(header):
        name = base = cell.strip() or str(i)
        while name in names:
            again[base] = again.get(base, 0) + 1
            name = f"{base}.{again[base]}"
        names[name if name == base else Again(name, base)] = None
    return tuple(names)
