"""Which line of a table in text names the columns, and what a header means that names too few of them."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mdn.data.notation import is_error, is_missing, is_number, is_stand_in, plain_number
from mdn.data.tables import TableError, shown
from mdn.wording import counted

SAMPLE = 20
"""So many rows show what a header means."""
_FEWEST = 5  # rows that show that numbers rise, or that every row has more cells than the header
_MOST_REMARKS = 1000  # so many lines may begin with '#' before a table
_SHOWN = 5  # names in a note
_YEARS = range(1900, 2101)
_MOST_DIGITS = 18


class Row(NamedTuple):
    """A row of a text file.

    Attributes:
        line: The first of its lines.
        cells: Its cells.
        lines: Its lines, as they stand in a file of text.
        blank: How many blank lines stand right above it.
    """

    line: int
    cells: list[str]
    lines: Sequence[str] = ()
    blank: int = 0

    @property
    def marked(self) -> bool:
        """Whether it begins with '#', so that it may be a remark."""
        return bool(self.lines) and self.lines[0].lstrip().startswith("#") and not is_error(self.lines[0])


class Header(NamedTuple):
    """The line that names the columns.

    Attributes:
        names: The names, None if no line names the columns.
        marked: Whether the line begins with '#'.
        remarks: The lines above it that begin with '#' and have as many cells.
    """

    names: list[str] | None
    marked: bool = False
    remarks: tuple[int, ...] = ()


def find_header(rows: Iterator[Row]) -> tuple[Header, list[Row], Iterator[Row]]:
    """(the header, some rows below it, the rows below these).

    Args:
        rows: The rows of a file, at least one.
    """
    marked: list[Row] = []
    first = None
    for row in rows:
        if not row.marked:
            first = row
            break
        marked.append(row)
        if len(marked) == _MOST_REMARKS:
            break
    below = list(itertools.islice(rows, SAMPLE))
    header, begin = _header(marked, first, below)
    table = [*marked, *([] if first is None else [first]), *below][begin:]
    return header, table[:SAMPLE], itertools.chain(table[SAMPLE:], rows)


def _header(marked: Sequence[Row], first: Row | None, below: Sequence[Row]) -> tuple[Header, int]:
    """(the header, the place of the first row below it).

    Args:
        marked: The rows at the beginning that begin with '#'.
        first: The row below these, None if all rows begin with '#'.
        below: Some rows below that one.
    """
    if first is None:
        width = statistics.mode(len(row.cells) for row in reversed(marked))
    else:
        width = len(first.cells)
        if not marked:
            numbers = all(is_number(cell) or is_missing(cell) for cell in first.cells)
            return (Header(None), 0) if numbers and not number_columns(first.cells, below) else (Header(first.cells), 1)
    fitting = [i for i, row in enumerate(marked) if len(_names(row.cells, width)) == width]
    if first is not None and (_is_header(first, below) or not (fitting or any(map(is_number, first.cells)))):
        return Header(first.cells, False, tuple(marked[i].line for i in fitting)), len(marked) + 1
    words = [i for i in fitting if not any(map(is_number, _names(marked[i].cells, width)))]
    if first is not None and not fitting and all(len(row.cells) == 1 for row in marked):
        return Header(None), len(marked)
    if first is None or not words:
        at = fitting[0] if fitting else 0
    else:
        at = words[0] if _share_cells([marked[i] for i in words], [first, *below]) else words[-1]
    return Header(_names(marked[at].cells, width), True, tuple(marked[i].line for i in fitting if i < at)), at + 1


def _names(cells: list[str], width: int) -> list[str]:
    """The names in a header that begins with '#'. A '#' alone is dropped if the header would else be a cell too long."""
    if not cells[0].strip("#"):
        return cells[1:] if len(cells) == width + 1 else cells
    return [cells[0].lstrip("#").strip(), *cells[1:]]


def _is_header(first: Row, below: Sequence[Row]) -> bool:
    """Whether the words of a row name the columns: numbers stand below one of them, or words that repeat, but not these."""
    if any(map(is_number, first.cells)) or any(map(is_missing, first.cells[1:])):
        return False
    columns = _columns(below, len(first.cells))
    if any(column and all(map(is_number, column)) for column in columns):
        return True
    repeat = any(len(set(column)) < len(column) for column in columns)
    return repeat and not any(cell in column for cell, column in zip(first.cells, columns, strict=True))


def _columns(rows: Sequence[Row], width: int) -> list[list[str]]:
    """For each column its cells in these rows, without missing ones."""
    return [
        [row.cells[i] for row in rows if len(row.cells) >= width and not is_missing(row.cells[i])] for i in range(width)
    ]


def _share_cells(marked: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether a cell of rows that begin with '#' stands in the same column of other rows, so that they are rows, too."""
    return any(
        cell in column for row in marked for cell, column in zip(row.cells, _columns(rows, len(row.cells)), strict=True)
    )


# ---- the names of all columns ----------------------------------------------------------------------------------------


def named(path: Path, header: Header, below: Sequence[Row]) -> tuple[list[str], str, str]:
    """(a name for each column, the one that the reader gave to the first column or "", what the reader guessed).

    Args:
        path: The path of the file, for messages.
        header: From `find_header`.
        below: Some rows below it, at least one.

    Raises:
        TableError: if every row has something in more cells than the header has names, and they are no names of rows.
    """
    width = next((len(row.cells) for row in below if not row.marked), len(header.names or below[0].cells))
    if header.names is None:
        return [str(i) for i in range(width)], "", ""
    names, rows = header.names, [row for row in below if len(row.cells) == width]
    few = f"{path}: its header names {len(names)} of {width} columns"
    if len(names) == width - 1 and not header.marked and _are_row_names(rows):
        return (
            ["row names", *names],
            "row names",
            (
                f"{few}. The first is taken for names of the rows, as R writes them, and called 'row names'; leave it out if it "
                "only numbers the rows."
            ),
        )
    if len(names) < width:
        if not header.marked and len(rows) >= _FEWEST and all(all(row.cells[len(names) :]) for row in rows):
            raise TableError(
                names_below(path, rows)
                or f"{path}: its header names {counted(len(names), 'column')}, but line {rows[0].line} has {width} cells. Either "
                "names are missing in the header, or a number or a word contains the separator of cells, as 4,507 does, or the "
                "first line is no header: write the missing names, put such cells in quotes, or delete that line."
            )
        rest = [str(i) for i in range(len(names), width)]
        return [*names, *rest], "", f"{few}; those on the right are called by number."
    if not names[0]:
        first = name_of_first(names)
        note = (
            f"{path}: its first column has no name and is called {first!r}. Leave it out if it only numbers the rows."
        )
        return [first, *names[1:]], first, note
    return names, "", "" if header.marked else numbers_as_names(path, names, rows)


def name_of_first(names: Sequence[str]) -> str:
    """What a first column without a name is called, so that no other one of `names` is called so."""
    return "row names" if "0" in names else "0"


def names_below(path: Path, rows: Sequence[Row]) -> str:
    """The sentence about a row that has words in every column of numbers, "" if none of the first two has.

    Args:
        path: The path of the file, for messages.
        rows: Some rows below the header.
    """
    for at, row in enumerate(rows[:2], 1):
        others = [other for other in rows[at:] if len(other.cells) >= len(row.cells)]
        filled = [(i, cell) for i, cell in enumerate(row.cells) if not is_missing(cell)]
        words = [(i, cell) for i, cell in filled if not (is_number(cell) or is_stand_in(cell))]
        if len(words) < 2 or any(_has_numbers(i, others) for i, _ in sorted({*filled}.difference(words))):
            continue
        cells = [cell for i, cell in words if _has_numbers(i, others)]
        if len(cells) > 1:
            return (
                f"{path}: line {row.line} has words where numbers stand below: {_listed(cells)}. If they are the names of the "
                "columns, delete the lines above it; if they are units, delete that line."
            )
    return ""


def _has_numbers(place: int, rows: Sequence[Row]) -> bool:
    """Whether all cells of a column in these rows, and enough of them, are numbers."""
    cells = [row.cells[place] for row in rows if not is_missing(row.cells[place])]
    return len(cells) >= _FEWEST and all(map(is_number, cells))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


# ---- numbers as names ------------------------------------------------------------------------------------------------


def number_columns(first: Sequence[str], below: Sequence[Row]) -> bool:
    """Whether whole numbers name columns: years in even steps, or 0, 1, 2 of pandas, above decimals in each.

    Args:
        first: The cells of the first row. The first of them may be empty, above names of the rows.
        below: Some rows below it.
    """
    columns = _columns(below, len(first))
    if not first[0]:
        first, columns = first[1:], columns[1:]
    years = all(_whole(cell) in _YEARS for cell in first) and _in_even_steps(first)
    places = len(first) > 2 and first == [str(i) for i in range(len(first))]
    return (years or places) and all(any(_whole(cell) is None for cell in column) for column in columns)


def numbers_as_names(path: Path, names: Sequence[str], below: Sequence[Row]) -> str:
    """The sentence about names of which most are numbers like those below them, as in a file without names; else "".

    Args:
        path: The path of the file, for messages.
        names: The first row, which is taken for the names.
        below: Some rows below it.
    """
    columns = _columns(below, len(names))
    numbers = [i for i, column in enumerate(columns) if column and all(map(is_number, [names[i], *column]))]
    alike = [i for i in numbers if _whole(names[i]) is None or all(_whole(cell) is not None for cell in columns[i])]
    if 2 * len(alike) <= len(names) or _in_even_steps([names[i] for i in numbers]):
        return ""
    return (
        f"{path}: its first line is taken for the names of the columns: {_listed(names)}. If the file has no names, write a "
        "line of names above it: else this row is lost."
    )


def _whole(cell: str) -> int | None:
    return int(cell) if cell.isdecimal() and len(cell) <= _MOST_DIGITS else None


def _in_even_steps(cells: Sequence[str]) -> bool:
    """Whether cells are two or more whole numbers, each as far from the last as the second from the first, and not equal."""
    numbers = [_whole(cell) for cell in cells]
    steps = {b - a for a, b in itertools.pairwise(numbers) if a is not None and b is not None}
    return None not in numbers and len(steps) == 1 and 0 not in steps


# ---- names of rows ---------------------------------------------------------------------------------------------------


def _are_row_names(rows: Sequence[Row]) -> bool:
    """Whether the first cells only name rows: words, cells in quotes, or numbers that count up or rise."""
    if not any(row.cells[-1] for row in rows):
        return False  # rows end in a separator, and the last column is no column
    first = [row.cells[0] for row in rows]
    quoted = all(row.lines[0].lstrip().startswith('"') for row in rows)
    counting = len(first) > 1 and any(first == [str(i + start) for i in range(len(first))] for start in (0, 1))
    return (
        quoted or counting or _rise(first) or all(plain_number(cell) is None and not is_missing(cell) for cell in first)
    )


def _rise(cells: Sequence[str]) -> bool:
    """Whether cells are whole numbers that rise, as R names the rows that it keeps of a table."""
    numbers = [_whole(cell) for cell in cells]
    return len(numbers) >= _FEWEST and all(
        a is not None and b is not None and a < b for a, b in itertools.pairwise(numbers)
    )
