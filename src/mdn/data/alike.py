"""Parts of one table must have the same columns, which hold the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mdn.data.notation import Notation
from mdn.data.tables import Cells, Table, TableError, shown


class Alike:
    """Gives tables the columns of the first one, and refuses a table that has others, or another unit behind its numbers.

    A table in which a column has no numbers takes over how the tables before wrote them, so that their unit is not forgotten.

    Attributes:
        columns: The names of the columns; None before the first table.
        kinds: Of each column that is known to hold "numbers" or "text", where it showed first.
        marks: The decimal marks of columns, for the next table, which may leave them open.
    """

    def __init__(self) -> None:
        self.columns: tuple[str, ...] | None = None
        self.kinds: dict[str, tuple[str, str]] = {}
        self._first = ""
        self._notations: dict[str, tuple[Notation, str]] = {}  # of each column that has shown numbers, and where
        self.marks: dict[str, str] = {}
        self._undecided: dict[str, str] = {}  # the first table that left the decimal mark of a column open, by column

    def take(self, table: Table, name: str) -> Table:
        """The table with the columns of the first; `name` is that of its part.

        Raises:
            TableError: if it lacks a column or has another one, or if a column changes between numbers and text, or its unit.
        """
        if self.columns is None:
            self.columns, self._first = table.columns, name
        check_names(self.columns, self._first, table.columns, name)
        table = table if table.columns == self.columns else table.select(self.columns)
        cells = tuple(map(self._cells, table.columns, table.cells, [table] * len(table.columns)))
        self._check_marks(table)
        self.marks.update(table.marks)
        return dataclasses.replace(table, cells=cells, notations=self._in_one_unit(table), marks=dict(self.marks))

    def _check_marks(self, table: Table) -> None:
        """Raises a TableError if a table shows that an earlier one, which left a decimal mark open, was read otherwise."""
        for name, mark in table.marks.items():
            if name in table.undecided:
                self._undecided.setdefault(name, table.source)
            elif name in self._undecided and self.marks[name] != mark:
                raise TableError(
                    f"{table.source}: the decimal mark of column {name!r} is {mark!r}, but {self._undecided[name]}, where "
                    f"nothing shows it, was read with {self.marks[name]!r}. Say which mark is decimal: --decimal , or "
                    '--decimal . (in Python decimal="," or decimal=".").'
                )

    def _in_one_unit(self, table: Table) -> dict[str, Notation]:
        """The notations of a table, with those that are known of columns without a number."""
        found = dict(table.notations)
        for name, cells in zip(table.columns, table.cells, strict=True):
            if name in table.text or not isinstance(cells, np.ndarray):
                continue
            if np.isnan(cells).all():
                if name in self._notations:
                    found[name] = self._notations[name][0]
                continue
            now = found.get(name, Notation())
            known, where = self._notations.setdefault(name, (now, table.source))
            if now.money and known.money and now.money != known.money:
                raise TableError(
                    f"{table.source}: column {name!r} has amounts in {now.money}, but {where} has them in {known.money}. Write "
                    "the amounts of all files in one currency."
                )
            if now.money and not known.money:
                self._notations[name] = now, table.source
            if now.unit != known.unit:
                here, there = (repr(one.unit) if one.unit else "no unit" for one in (now, known))
                raise TableError(
                    f"{table.source}: column {name!r} has {here} behind its numbers, but {there} in {where}. Write the numbers "
                    "of all files in one unit."
                )
        return found

    def _cells(self, name: str, cells: Cells, table: Table) -> Cells:
        kind = "numbers" if isinstance(cells, np.ndarray) else "text"
        if kind == "numbers" and np.isnan(cells).all() and name not in table.text:
            return ("",) * len(cells) if self.kinds.get(name, ("",))[0] == "text" else cells
        before, where = self.kinds.setdefault(name, (kind, table.source))
        if before != kind:
            row = table.numbers_and_text(name)[1][:1] if kind == "text" else [0]
            what = f" ({shown(str(cells[row[0]]))} in line {table.lines[row[0]]})" if row else ""
            also = "further up" if table.source == where else f"in {where}"
            raise TableError(
                f"{table.source}: column {name!r} holds {kind}{what}, but {before} {also}. Correct it, or declare what the "
                f"column is: --category or --number {name} (in Python mdn.data.source_of(..., category=[{name!r}]))."
            )
        return cells


def check_names(columns: Sequence[str], first: str, others: Sequence[str], name: str) -> None:
    """Raises a TableError if the part `name` has other columns than the part `first`; their order may differ."""
    gone = [column for column in columns if column not in set(others)]
    if gone:
        raise TableError(
            f"{name} has no column {shown(gone[0])}, which {first} has: all parts of a table need the same columns."
        )
    new = [column for column in others if column not in set(columns)]
    if new:
        raise TableError(
            f"{name} has a column {shown(new[0])}, which {first} lacks: all parts of a table need the same columns."
        )
