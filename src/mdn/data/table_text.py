"""Tables in text files: CSV, TSV or white space, packed or not. No row is shifted, and none is dropped silently."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mdn.data import separators
from mdn.data.headers import SAMPLE, Row, find_header, named, names_below
from mdn.data.tables import Cells, NoRows, TableError, misfit, unique
from mdn.data.text_lines import LONGEST, TextLines
from mdn.wording import counted

_PAGE = ("<!doctype html", "<html", "<head", "<body", "<table", "<?xml")
_MOST_COLUMNS = 100_000
_MOST_LINES = 1000  # one row may have so many lines: a cell in quotes may contain line breaks
_AT_ONCE = 1 << 24  # the rows of a chunk have so many characters at most
_SWALLOWED = 6  # a cell with so many separators, as many in each line as in a row, is rows that a stray quote swallowed

WHOLE = 1 << 31  # a table that is read whole has so many bytes at most: characters of text, or 8 a cell of Parquet


class Chunk(NamedTuple):
    """Some rows of a file.

    Attributes:
        columns: The names of the columns.
        cells: For each column its numbers, or its cells as strings.
        lines: The line of each row.
        note: What the reader had to guess.
        share: The share of the file that has been read.
        mark: The separator, "" if none is known.
        unnamed: The name that the reader gave to a first column without one, else "".
    """

    columns: tuple[str, ...]
    cells: tuple[Cells, ...]
    lines: np.ndarray
    note: str
    share: float
    mark: str = ""
    unnamed: str = ""


def read_text(path: Path, rows: int, whole: bool, separator: str | None) -> Iterator[Chunk]:
    """Chunks of a text file, whose cells are strings; see `mdn.data.read_chunks`.

    Args:
        path: The path of the file.
        rows: How many rows a chunk has at most.
        whole: Whether the caller holds all chunks at once, so that the size of the table is limited.
        separator: The separator of cells; None finds it out.
    """
    with open(path, "rb") as raw:
        size = max(path.stat().st_size, 1)
        lines = _Lines(path, TextLines(path, raw), separator)
        body = _Body(path, lines)
        while some := body.take(rows):
            if whole:
                check_whole(path, lines.size)
            numbers, table = zip(*some, strict=True)
            read = raw.tell() / size
            cells = tuple(zip(*table, strict=True))
            yield Chunk(body.columns, cells, np.array(numbers), body.note, read, lines.mark or "", body.unnamed)


def check_whole(path: Path, size: int) -> None:
    """Raises a TableError if a table that is read whole has more than `WHOLE` bytes."""
    if size > WHOLE:
        raise TableError(
            f"{path} holds more than {WHOLE >> 30} GiB, too much to read whole. Learn from it with --memory (in Python "
            'fit(path, target="...")), or read some rows at a time with mdn.data.read_chunks.'
        )


# ---- lines -----------------------------------------------------------------------------------------------------------


def _is_rule(line: str) -> bool:
    """Whether a line is drawn below a header, as in Markdown: |---|---|."""
    return "---" in line and not line.strip("|+:- \t\r\n")


class _Lines:
    """Rows of cells of a text file, each with its lines."""

    def __init__(self, path: Path, lines: TextLines, separator: str | None):
        self._path, self._text = path, lines
        self._asked = separator
        self.mark: str | None = None  # the separator of cells; None is white space
        self._number = 0
        self._lines: list[str] = []  # of the row that is being read
        self._row_size = 0
        self._blank = 0  # lines right above it
        self._ended = False

    @property
    def size(self) -> int:
        """Characters so far."""
        return self._text.size

    @property
    def note(self) -> str:
        """How the text was decoded, if that is a guess."""
        return self._text.note

    def rows(self) -> Iterator[Row]:
        """Each row that is not blank, the header too."""
        lines = iter(self._text)
        sample: list[str] = []
        found: list[str] = []
        said = None
        for line in lines:
            if not sample:
                line = line.lstrip("\ufeff")  # a second byte order mark, which some programs write
            if not sample and said is None and (said := separators.said(line)):
                self._number += 1  # Excel's first line, which is no row
                continue
            sample.append(line)
            if line.strip():
                found.append(line)
            if len(found) == SAMPLE or self.size > LONGEST:
                break
        if not found:
            raise NoRows(f"{self._path} is empty.")
        if found[0].lstrip().lower().startswith(_PAGE):
            raise TableError(f"{self._path} is a page of HTML or XML, not a table. Open it, and save its table as CSV.")
        if self._asked is not None:
            self.mark = separators.asked_for(self._asked)
        elif said:
            self.mark = None if said == " " else said
        else:
            whole = separators.whole_rows(found)
            self.mark = separators.find([row for row in whole if not row.lstrip().startswith("#")] or whole)
        every = self._counted(itertools.chain(sample, lines))
        try:
            for row in self._split(every) if self.mark is None else self._separated(every, self.mark):
                if len(row.cells) > _MOST_COLUMNS:
                    raise TableError(
                        f"{self._path}: line {row.line} has more than {_MOST_COLUMNS} cells; a table has fewer."
                    )
                yield row
        except csv.Error as error:
            if "field limit" in str(error):
                raise self._swallows(f"makes a cell of more than {csv.field_size_limit()} characters") from None
            raise TableError(f"{self._path}: line {self._number} cannot be read: {error}.") from None

    def _counted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._number += 1
            self._lines.append(line)
            self._row_size += len(line)
            if len(self._lines) > _MOST_LINES or self._row_size > LONGEST:
                raise self._swallows(f"goes over more than {len(self._lines) - 1} lines")
            yield line
        self._ended = True

    def _swallows(self, what: str) -> TableError:
        first = self._number - len(self._lines) + 1
        return TableError(
            f"{self._path}: a quote that begins in line {first} {what}. Remove it there, or double it if it belongs to a "
            'quoted cell ("").'
        )

    def _row_done(self, cells: list[str]) -> Row:
        row = Row(self._number - len(self._lines) + 1, cells, self._lines, self._blank)
        self._lines, self._row_size, self._blank = [], 0, 0
        return row

    def _blank_line(self) -> None:
        self._lines, self._row_size, self._blank = [], 0, self._blank + 1

    def _split(self, lines: Iterator[str]) -> Iterator[Row]:
        for line in lines:
            cells = separators.between_spaces(line)
            if cells:
                yield self._row_done(cells)
            else:
                self._blank_line()

    def _separated(self, lines: Iterator[str], mark: str) -> Iterator[Row]:
        reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
        for cells in reader:
            if self._ended:  # within a cell in quotes, the csv reader came to the end of the file
                more = len(self._lines) - 1
                raise self._swallows(
                    "never ends" + (f", and swallows the {counted(more, 'line')} below" if more else "")
                )
            if len(cells) <= 1 and not self._lines[-1].strip():
                self._blank_line()
            else:
                yield self._row_done([cell.strip() for cell in cells])


# ---- header and body -------------------------------------------------------------------------------------------------


class _Body:
    """The names of the columns and the rows below them, each with as many cells as there are columns."""

    columns: tuple[str, ...]
    unnamed: str  # the first column, if only the reader gave it a name

    def __init__(self, path: Path, lines: _Lines):
        self._path, self._lines = path, lines
        self._remarks = self._over_lines = self._blank = 0  # how many; below, where the first of each is
        self._first_remark, self._first_over, self._first_blank = 0, (0, 0), 0
        header, ahead, rest = find_header(lines.rows())
        self._above, self._rule = header.remarks, 0  # lines
        if header.names is not None and ahead and lines.mark in ("|", None) and _is_rule(ahead[0].lines[0]):
            self._rule = ahead.pop(0).line
        if not ahead:
            raise NoRows(f"{path} has no rows below its header.")
        names, self.unnamed, note = named(path, header, ahead)
        self._header_note = " ".join(filter(None, [note, names_below(path, ahead) if header.names else ""]))
        self.columns = unique(names)
        if header.names is None:
            ahead[0] = ahead[0]._replace(blank=0)
        # Where a blank line stands above every row, the ends of lines are doubled, and no cell is missing
        second = ahead[header.names is None :]
        self._blank_counts = len(names) == 1 and not (second and all(row.blank for row in second))
        self._rows = self._fitting(itertools.chain(ahead, rest))

    def take(self, count: int) -> list[tuple[int, list[str]]]:
        """(line, cells) of the next `count` rows; fewer if the rows are long or the file ends."""
        some: list[tuple[int, list[str]]] = []
        enough = self._lines.size + _AT_ONCE
        for row in self._rows:
            some.append(row)
            if len(some) == count or self._lines.size > enough:
                break
        return some

    @property
    def note(self) -> str:
        """What the reader has guessed so far, for the user to know."""
        notes = [note for note in (self._lines.note, self._header_note) if note]
        if self._rule:
            notes.append(f"{self._path}: line {self._rule} is a rule below the header, not a row.")
        if self._above:
            notes.append(
                f"{self._path}: lines above the names of the columns that begin with '#' are remarks, though they have "
                f"{counted(len(self.columns), 'cell')}: {len(self._above)} of them, the first line {self._above[0]}."
            )
        if self._remarks:
            notes.append(
                f"{self._path}: lines that begin with '#' and do not have {counted(len(self.columns), 'cell')} are remarks, not "
                f"rows: {self._remarks} of them, the first line {self._first_remark}."
            )
        if self._blank:
            notes.append(
                f"{self._path}: blank lines between the rows of its one column are missing cells: {self._blank} of them, the "
                f"first line {self._first_blank}."
            )
        if self._over_lines:
            notes.append(
                f"{self._path}: rows that go over several lines, since a cell is quoted: {self._over_lines} of them, the "
                "first from line {} to {}.".format(*self._first_over)
            )
        return " ".join(notes)

    def _fitting(self, rows: Iterable[Row]) -> Iterator[tuple[int, list[str]]]:
        width = len(self.columns)
        for row in rows:
            if len(row.cells) != width:
                if not row.marked:
                    raise misfit(self._path, row.line, len(row.cells), width)
                self._first_remark = self._first_remark or row.line
                self._remarks += 1
                continue
            if len(row.lines) > 1:
                self._check_lines(row)
            if self._blank_counts and row.blank:
                self._first_blank = self._first_blank or row.line - row.blank
                self._blank += row.blank
                yield from ((line, [""]) for line in range(row.line - row.blank, row.line))
            yield row.line, row.cells

    def _check_lines(self, row: Row) -> None:
        first, last = row.line, row.line + len(row.lines) - 1
        inner, marks = row.lines[1:-1], len(self.columns) - 1
        mark = self._lines.mark or ","
        if len(inner) * marks >= _SWALLOWED and all(line.count(mark) == marks for line in inner):
            raise TableError(
                f"{self._path}: a cell that is quoted in line {first} swallows the rows of lines {first + 1} to {last - 1}. "
                "Remove the stray quote."
            )
        self._first_over = self._first_over if self._over_lines else (first, last)
        self._over_lines += 1
