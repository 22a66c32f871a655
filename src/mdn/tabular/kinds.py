"""What one column of a training table is: numbers, a category, dates, or of no use."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mdn.data.declared import CATEGORY, DATE, NUMBER, DeclaredTable
from mdn.data.notation import plain_number
from mdn.data.tables import Table, foreign_number, is_missing, parse
from mdn.tabular import lookalikes
from mdn.tabular.codes import codes_of
from mdn.tabular.dates import DateCode, dates_of, described, holds_dates
from mdn.tabular.frames import Column, as_numbers, is_number
from mdn.tabular.levels import level_of
from mdn.tabular.wording import plain, share
from mdn.wording import agreed

EMPTY, IDENTIFIER, IGNORED, INDEX = "empty", "identifier", "ignored", "index"
# The kinds of columns to which a user gave another role than that of a feature
ID, WEIGHT, GROUP, BOUND = "id", "weight", "group", "bound"
MOST_LEVELS = 128  # a column keeps so many levels; rarer ones count as "other", like those never seen
_ROWS_A_LEVEL = 5  # a column keeps one level for so many rows at most ...
_FEW_LEVELS = 8  # ... but so many levels however rare they are
_IDENTIFIER, _MANY_LEVELS = 0.5, 100  # a column with more different texts than this share of the rows identifies rows
_NEARLY_ALL, _ENOUGH = 0.9, 20  # and so does one of fewer texts, in at least 20 rows


_CODE = re.compile(r"[-+]?0\d|\+\d{7}")  # what loses zeros, or the sign of a telephone number, as a number
_PANDAS_INDEX = "Unnamed: 0"  # the name that pandas gives to a first column without one


class Numbering:
    """Whether the first column of a file has no name and only numbers the rows, from 0 or 1, in all blocks of a table.

    Such a column says nothing of new rows, and is no feature, unless it is declared a number, a category or a date. Files of one
    table may each begin anew.

    Attributes:
        first, last: The first and the last number so far; None before the first row.
        longest: How many rows in a row were numbered: a table of single rows proves nothing.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.last: float | None = None
        self.longest = 0
        self._name, self._broken = "", False

    @property
    def name(self) -> str:
        """The name of the column, "" if there is none."""
        return self._name if not self._broken and self.first in (0.0, 1.0) and self.longest > 1 else ""

    def look(self, table: Table) -> Numbering:
        """Takes the next block of the table, and returns itself."""
        if len(table) and not self._broken:
            block, (name, cells) = Numbering(), (table.columns[0], table.cells[0])
            declared = isinstance(table, DeclaredTable) and name in table.kinds
            block._broken = True
            if isinstance(cells, np.ndarray) and name in (table.unnamed, _PANDAS_INDEX) and not declared:
                block._broken = not np.array_equal(cells, np.arange(len(cells)) + cells[0])
                block._name, block.longest = name, len(cells)
                block.first, block.last = float(cells[0]), float(cells[-1])
            self.merge(block)
        return self

    def merge(self, other: Numbering) -> None:
        """Takes what is known of the rows that follow."""
        self._broken |= other._broken
        if self._broken or other.first is None:
            return
        goes_on = self.last is not None and other.first == self.last + 1.0
        self._broken = self.last is not None and not goes_on and other.first not in (0.0, 1.0)
        if self.first is None:
            self.first, self._name = other.first, other._name
        self.last, self.longest = other.last, max(self.longest, other.longest, 2 * goes_on)


class About(NamedTuple):
    """One row of the table of columns.

    Attributes:
        name: The name of the column.
        kind: What it was taken for: "number", "category", "date", "empty", "identifier", "ignored", "index", "id",
            "weight" or "group".
        detail: The range of numbers or dates, the levels, the share of missing cells.
    """

    name: str
    kind: str
    detail: str


@dataclasses.dataclass
class Learned:
    """What a column is.

    Attributes:
        about: Its row in the table of columns.
        kept: Whether it is used.
        levels: The levels of a category, most frequent first.
        code: How dates become numbers.
        other: The share of the rows whose level is not kept.
        codes: Numbers that may stand for missing values, with the share of the rows that have each.
        looks: The sentence of `lookalikes` on a column that holds text.
    """

    about: About
    kept: bool = True
    levels: list[str] | None = None
    code: DateCode | None = None
    other: float = 0.0
    codes: Sequence[tuple[float, float]] = ()
    looks: str = ""


class Counted(NamedTuple):
    """How often each word of a column comes in a table of which only a part is at hand.

    Attributes:
        words: The number of rows of each word, "" and words such as "NA" too.
        rows: All rows of the table.
    """

    words: Mapping[str, int]
    rows: int


def learn_column(one: Column, counted: Counted | None = None) -> Learned:
    """What a column of the training table is.

    Args:
        one: The column.
        counted: The words of the whole table, if `one` holds only some of its rows.

    Raises:
        ValueError: if it holds numbers in a notation that is not read, or dates that can be read in two ways.
    """
    missing = one.missing
    gone = f"; {share(float(np.mean(missing)))} missing" if missing.any() else ""
    if missing.all():
        return Learned(About(one.name, EMPTY, "no cell holds anything"), kept=False)
    if holds_dates(one):
        dates = dates_of(one)
        code = DateCode.learn(dates)
        return Learned(About(one.name, DATE, described(code, dates.days) + gone), code=code)
    if one.declared != CATEGORY and _holds_numbers(one):
        numbers = as_numbers(f"column {one.name!r}", one.plain_values)
        _check_finite(one, numbers)
        numbers = numbers[np.isfinite(numbers)]
        reach = f"{plain(numbers.min())} to {plain(numbers.max())}" if len(numbers) else "infinite"
        return Learned(
            About(one.name, NUMBER, reach + gone), codes=codes_of(numbers), looks=lookalikes.numbers_in_text(one)
        )
    text = [word for word in one.words if word]
    if not one.declared:
        _check_notation(one, text)
    known_words = Counter(text) if counted is None else _known_words(one, counted)
    words, counts = _levels(known_words)
    known, rows = (len(text), len(missing)) if counted is None else (int(counts.sum()), counted.rows)
    if not one.declared and _tells_rows_apart(len(words), known, rows):
        numeric = " of numbers as text" if not parse(text)[1] else " of text"
        about = About(one.name, IDENTIFIER, f"{len(words)} levels{numeric} in {rows} rows")
        return Learned(about, kept=False, looks=lookalikes.sentence(one, known_words, "text that tells rows apart"))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    order = order[: max(_FEW_LEVELS, int(np.sum(counts[order] >= _ROWS_A_LEVEL)))]
    other = 1.0 - float(counts[order].sum()) / known
    levels = f"{len(words)} {agreed(len(words), 'level', 'levels')}"
    if other:
        levels = f"{len(order)} of {levels} kept, {share(other)} of the rows are (other)"
    kept = [str(words[at]) for at in order]
    looks = "" if one.declared else lookalikes.sentence(one, known_words, "a category", other)
    return Learned(About(one.name, CATEGORY, levels + gone), levels=kept, other=other * known / rows, looks=looks)


def _known_words(one: Column, counted: Counted) -> dict[str, int]:
    """The words that are not missing, as `Column.words` tells them."""
    levels = one.declared == CATEGORY
    return {word: count for word, count in counted.words.items() if word and (levels or not is_missing(word))}


def _levels(words: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """(the levels in order of their names, how many rows have each)."""
    found: Counter[str] = Counter()
    for word, count in words.items():
        found[level_of(word)] += count
    names = sorted(found)
    return np.array(names), np.array([found[name] for name in names], "int64")


def _holds_numbers(one: Column) -> bool:
    if one.declared == NUMBER or one.values.dtype.kind in "biufm":
        return True
    if one.values.dtype != object:
        return False
    there = one.values[~one.missing]
    return all(map(is_number, there)) or (one.lines is None and _numbers_in_text(there))


def _numbers_in_text(values: Sequence) -> bool:
    """Whether cells of a frame are numbers of which some are text: "1.5" and "2", or 1 and "2", but neither "01" nor "3.10"."""
    text = [value.strip() for value in values if isinstance(value, str)]
    if len(text) + sum(map(is_number, values)) < len(values) or any(plain_number(cell) is None for cell in text):
        return False
    if any(map(_CODE.match, text)):
        return False
    all_text = len(text) == len(values)
    return not all_text or (any("." in cell for cell in text) and not any(map(lookalikes.LOSES_ZERO.fullmatch, text)))


def _check_finite(one: Column, numbers: np.ndarray) -> None:
    """Raises a ValueError that names the first infinite number of a column of a file."""
    if one.lines is None or not np.isinf(numbers).any():
        return
    row = int(np.argmax(np.isinf(numbers)))
    source = f"{one.source}: " if one.source else ""
    raise ValueError(
        f"{source}column {one.name!r} holds infinity in {one.place(row)}. Clear the cell, which means that it is missing, or "
        f"leave the column out with --ignore {shlex.quote(one.name)}."
    )


def _tells_rows_apart(levels: int, known: int, rows: int) -> bool:
    return levels > max(_MANY_LEVELS, _IDENTIFIER * rows) or (known >= _ENOUGH and levels > _NEARLY_ALL * known)


def _check_notation(one: Column, text: list[str]) -> None:
    foreign = foreign_number(text) if one.lines is None else None  # the reader of a file has looked already
    if foreign is not None:
        raise ValueError(
            f"column {one.name!r} holds numbers in a notation that is not read: {foreign!r} in row "
            f"{one.words.index(foreign)}. Make them numbers first (pandas.to_numeric, after str.replace), or a column of type "
            "category if they are none."
        )
