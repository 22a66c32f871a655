"""One pass over a table that may be larger than memory: a fair sample of its rows, and what a sample cannot know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mdn.data.declared import DeclaredTable
from mdn.data.names import LEAVE_OUT, check_one_of_a_name
from mdn.data.row_hashes import row_hashes
from mdn.data.sources import ROWS, Source
from mdn.data.tables import Table, TableError, as_words, joined, shown
from mdn.tabular import inputs
from mdn.tabular.frames import column
from mdn.tabular.kinds import MOST_LEVELS, Counted, Numbering
from mdn.tabular.sides import Sides
from mdn.training.feed import fetched_ahead

SAMPLED = 200_000
"""Rows of a sample: the median of a column is known to 0.0011 of its rank, one standard error, whatever the table's length."""
_BYTES_A_NUMBER = 60  # that learning in memory takes for each number of a table: copies in float64 and float32
_BYTES_A_WORD, _BYTES_A_CHARACTER = 300, 4
_FEWEST = 2000  # rows of a sample, however little memory there is
_MOST_WORDS = 100_000  # different ones of a column, which are counted


class Wanted(NamedTuple):
    """What is learnt from which columns.

    Attributes:
        target: The columns to predict; with `censoring` the two of its bounds.
        weight: The column of weights, or None.
        censoring: As in `MDNRegressor`.
        seed: Of the hashes of rows.
        ignore: Columns that are neither.
        split_by: The column by which rows are set aside; a row that lacks it is left out.
        sides: Which rows are learnt from; None: not only these are wanted.
    """

    target: tuple[str, ...]
    weight: str | None = None
    censoring: str | None = None
    seed: int = 0
    ignore: tuple[str, ...] = ()
    split_by: str | None = None
    sides: Sides | None = None

    @property
    def no_features(self) -> tuple[str, ...]:
        """The columns that are no features."""
        return (*self.target, *(() if self.weight is None else (self.weight,)), *self.ignore)


class Rows(NamedTuple):
    """Rows of a table that can be used.

    Attributes:
        table: All their columns.
        y: Targets `(N, D)`, NaN where missing.
        weight: Shape `(N,)`, above 0.
        hashes: As `row_hashes` returns them.
    """

    table: Table
    y: np.ndarray
    weight: np.ndarray
    hashes: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """The rows with these indices."""
        return Rows(self.table.take(rows), self.y[rows], self.weight[rows], self.hashes[rows])


def rows_of(table: Table, wanted: Wanted) -> Rows:
    """The rows of a block that have a target and a weight above 0, and are on the side that is wanted.

    Raises:
        TableError: if a target or a weight is text, infinite or, for a weight, below 0; it names the file and the line.
    """
    y = np.stack([_numbers(table, name, "target") for name in wanted.target], axis=1)
    if wanted.censoring != "interval":
        _refuse(table, wanted.target, np.isinf(y), "target", "finite")
    known = ~np.isnan(inputs.bounds(y, wanted.censoring) if wanted.censoring else y).all(axis=1)
    weight = np.ones(len(table))
    if wanted.weight is not None:
        weight = _numbers(table, wanted.weight, "weight")
        _refuse(
            table, [wanted.weight], ((weight < 0.0) | np.isinf(weight))[:, None], "weight", "a number of at least 0"
        )
        known &= weight > 0.0
    if wanted.split_by is not None:
        known &= ~column(table, wanted.split_by).missing
    if wanted.sides is not None:
        known &= ~wanted.sides.aside(table)
    hashes = row_hashes(table.cells, wanted.seed)
    if known.all():
        return Rows(table, y, weight, hashes)
    kept = np.flatnonzero(known)
    return Rows(table.take(kept), y[kept], weight[kept], hashes[kept])


def _numbers(table: Table, name: str, role: str) -> np.ndarray:
    table.select([name])  # raises the sentence about a column that is not there
    numbers, text = table.numbers_and_text(name)
    if text:
        cell = table.cells[table.columns.index(name)][text[0]]
        raise TableError(
            f"{table.source}: the {role} {name!r} must hold numbers, but holds text: {shown(str(cell))} in line "
            f"{table.lines[text[0]]}. Choose a numeric column, or correct the file."
        )
    return numbers


def _refuse(table: Table, names: Sequence[str], bad: np.ndarray, role: str, what: str) -> None:
    if bad.any():
        row, place = np.argwhere(bad)[0]
        cell = table.column(names[place])[row]
        raise TableError(
            f"{table.source}: the {role} {names[place]!r} must be {what}, but is {cell:g} in line {table.lines[row]}. Correct it."
        )


class Survey:
    """What a pass over a table learns; surveys of parts of a table can be merged.

    It keeps all rows while they fit into memory. Beyond that it keeps a sample, the rows with the least hashes, and witnesses:
    rows that hold the least or the greatest number of a column, its first missing cell, a target that is no whole number, or the
    widest bounds of a censored one. So ranges, supports and missing values are known exactly, the levels of categories and their
    numbers of rows too, and quantiles as well as a sample of so many rows knows them.

    Args:
        wanted: The columns.
        memory: Bytes that the table may take while it is learnt from in memory.

    Attributes:
        rows: How many rows can be used.
        left_out: How many rows lack a target or a weight.
        weight: The sum of the weights of the rows that can be used.
        checksum: Of all rows that can be used, in any order: the sum of their hashes modulo 2⁶⁴.
        columns: The columns of the table.
        padded: The columns, not declared numbers, that may be codes, since some cells begin with 0 (01001, 001.1) or all with +
            (telephones).
        notes: What the reader had to guess, by the name of the file.
    """

    def __init__(self, wanted: Wanted, memory: float):
        self._wanted, self._memory = wanted, memory
        self.rows, self.left_out, self.weight, self.checksum = 0, 0, 0.0, 0
        self._kept: list[Rows] = []
        self._whole = True
        self._least = np.uint64(0)
        self.columns: tuple[str, ...] = ()
        self.padded: frozenset[str] = frozenset()
        self.notes: dict[str, str] = {}
        self._numbering = Numbering()
        self._words: dict[str, Counter[str] | None] = {}
        self._lengths: dict[str, float] = {}  # of words, on average in the first block
        self._witnesses: dict[tuple[str, str], tuple[float, Rows]] = {}

    def look(self, table: Table) -> None:
        """Takes a block of the table.

        Raises:
            TableError: as `rows_of` does.
        """
        others = [name for name in table.columns if name not in self._wanted.no_features]
        check_one_of_a_name(table, self._wanted.target, others, LEAVE_OUT)
        found = rows_of(table, self._wanted)
        self._numbering.look(table)
        declared = table.kinds if isinstance(table, DeclaredTable) else {}
        self.columns, self.padded = table.columns, self.padded | table.padded.difference(declared)
        if table.note:
            self.notes[table.source] = table.note  # that of the last block covers all rows of a file
        self.rows += len(found.hashes)
        self.left_out += len(table) - len(found.hashes)
        self.weight += float(found.weight.sum())
        self._add(int(np.add.reduce(found.hashes)))
        if not len(found.hashes):
            return
        for name, cells in zip(found.table.columns, found.table.cells, strict=True):
            if isinstance(cells, np.ndarray):
                self._witness(name, cells, found)
            else:
                self._count(name, Counter(as_words(cells)))
                self._lengths.setdefault(name, sum(map(len, cells)) / len(cells))
        if self._wanted.censoring is not None:
            self._witness_of_sets(found)
        self._keep([found])

    def merge(self, other: Survey) -> None:
        """Takes what a survey of another part of the table has learnt."""
        self.rows += other.rows
        self.left_out += other.left_out
        self.weight += other.weight
        self._add(other.checksum)
        self._whole &= other._whole
        self.columns, self.padded = self.columns or other.columns, self.padded | other.padded
        self.notes |= other.notes
        self._numbering.merge(other._numbering)
        for name, words in other._words.items():
            self._count(name, words)
        self._lengths = other._lengths | self._lengths
        for key, (value, row) in other._witnesses.items():
            if self._beats(key, value):
                self._witnesses[key] = value, row
        self._keep(other._kept)

    # ---- what is learnt ----------------------------------------------------------------------------------------------

    @property
    def index(self) -> str:
        """The name of a first column that only numbers the rows of the whole table, "" if there is none."""
        name = self._numbering.name
        return "" if name in (*self._wanted.no_features, self._wanted.split_by) else name

    @property
    def wanted(self) -> Wanted:
        """The columns; `index` is ignored."""
        return self._wanted._replace(ignore=(*self._wanted.ignore, self.index)) if self.index else self._wanted

    @property
    def codes(self) -> list[str]:
        """The features that were read as numbers and are rather codes, since some of their cells begin with 0, or all with +."""
        return [name for name in self.columns if name in self.padded and name not in self._wanted.no_features]

    @property
    def whole(self) -> bool:
        """Whether all rows are kept."""
        return self._whole

    @property
    def counted(self) -> dict[str, Counted]:
        """How often each word of each column of text comes."""
        return {name: Counted(words, self.rows) for name, words in self._words.items() if words is not None}

    def all(self) -> Rows:
        """All rows, in their order, if they are kept."""
        return joined_rows(self._kept)

    def sample(self) -> Rows:
        """The sample, the rows with the least hashes first."""
        self._cut()
        found = joined_rows(self._kept)
        return found.take(np.argsort(found.hashes, kind="stable"))

    def witnesses(self) -> Rows:
        """The witnesses, each once."""
        found = joined_rows([row for _, row in self._witnesses.values()])
        return found.take(np.unique(found.hashes, return_index=True)[1])

    def _add(self, checksum: int) -> None:
        self.checksum = (self.checksum + checksum) % 2**64

    # ---- rows --------------------------------------------------------------------------------------------------------

    @property
    def _fits(self) -> int:
        """How many rows fit into memory."""
        table = self._kept[0].table
        size = 0.0
        for name, cells in zip(table.columns, table.cells, strict=True):
            words = self._words.get(name)
            levels = (
                0 if isinstance(cells, np.ndarray) else MOST_LEVELS if words is None else min(len(words), MOST_LEVELS)
            )
            word = _BYTES_A_WORD + _BYTES_A_CHARACTER * self._lengths.get(name, 0.0)
            size += _BYTES_A_NUMBER * (1 + levels) + (word if levels else 0)
        return max(_FEWEST, int(self._memory / size))

    def _keep(self, found: list[Rows]) -> None:
        if not found:
            return
        if self._whole or self._least == 0:
            self._kept += found
        else:
            self._kept += [
                some for one in found if len((some := one.take(np.flatnonzero(one.hashes <= self._least))).hashes)
            ]
        count = sum(len(one.hashes) for one in self._kept)
        if self._whole and count > self._fits:
            self._whole = False
        if not self._whole and count > 2 * min(SAMPLED, self._fits):
            self._cut()

    def _cut(self) -> None:
        """Leaves no more rows than the sample has."""
        most = min(SAMPLED, self._fits)
        if sum(len(one.hashes) for one in self._kept) <= most:
            return
        self._whole = False
        every = np.concatenate([one.hashes for one in self._kept])
        self._least = np.partition(every, most - 1)[most - 1]
        self._kept = [joined_rows([one.take(np.flatnonzero(one.hashes <= self._least)) for one in self._kept])]

    # ---- what a sample cannot know -----------------------------------------------------------------------------------

    def _witness(self, name: str, cells: np.ndarray, found: Rows) -> None:
        for what, ranked in (("least", cells), ("greatest", -cells)):
            least = float(np.fmin.reduce(ranked))
            if self._beats((name, what), least):
                self._witnesses[name, what] = least, found.take(np.array([np.nanargmin(ranked)]))
        missing = np.isnan(cells)
        marks = {"missing": missing}
        if name in self._wanted.target:
            marks["broken"] = ~missing & (np.round(cells) != cells)
        for what, mark in marks.items():
            if self._beats((name, what), 0.0) and mark.any():
                self._witnesses[name, what] = 0.0, found.take(np.array([np.argmax(mark)]))

    def _witness_of_sets(self, found: Rows) -> None:
        """The row with the widest bounds: one set among points makes a network learn all targets as sets."""
        lower, upper = inputs.bounds(found.y, str(self._wanted.censoring)).T
        with np.errstate(invalid="ignore"):
            narrowness = np.where(lower < upper, lower - upper, np.nan)
        widest = float(np.fmin.reduce(narrowness))
        if self._beats(("bounds", "widest"), widest):
            self._witnesses["bounds", "widest"] = widest, found.take(np.array([np.nanargmin(narrowness)]))

    def _beats(self, key: tuple[str, str], value: float) -> bool:
        """Whether a row of this value takes the place of the witness that is known, if one is."""
        return not np.isnan(value) and (key not in self._witnesses or value < self._witnesses[key][0])

    def _count(self, name: str, words: Counter[str] | None) -> None:
        known = self._words.setdefault(name, Counter())
        if known is None or words is None:
            self._words[name] = None
            return
        known.update(words)
        if len(known) > _MOST_WORDS:
            self._words[name] = None  # nobody needs to know how often each of so many comes


def joined_rows(several: Sequence[Rows]) -> Rows:
    """The rows of several, at least one."""
    return Rows(
        joined([one.table for one in several]),
        *(np.concatenate([getattr(one, name) for one in several]) for name in ("y", "weight", "hashes")),
    )


def survey_of(source: Source, wanted: Wanted, memory: float, on_share: Callable[[float], Any] | None = None) -> Survey:
    """The survey of a whole source.

    Args:
        source: The table.
        wanted: The columns.
        memory: As in `Survey`.
        on_share: As in `Source.blocks`.

    Raises:
        TableError: if a part cannot be read, differs from the first, or holds a target that is no number; it names the part.
    """
    survey = Survey(wanted, memory)
    for block in fetched_ahead(source.blocks(ROWS, on_share)):
        survey.look(block)
    return survey
