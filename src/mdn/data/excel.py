"""Tables in Excel's files. Cells that are numbers stay exactly so; cells of text may be numbers in a local notation."""

from __future__ import annotations

import datetime
import itertools
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data.headers import Row, name_of_first, names_below, number_columns, numbers_as_names
from mdn.data.notation import is_missing, is_number
from mdn.data.table_text import Chunk, check_whole
from mdn.data.tables import Cells, ExactNumber, NoRows, TableError, as_words, misfit, unique
from mdn.data.text_lines import check_packed

_MOST_ROWS = 1 << 20  # of a sheet, as in Excel itself
_SAMPLE = 20  # rows that show how many columns there are
_AT_ONCE = 1 << 20  # cells of a chunk
_NUMBER = 8  # bytes of a number
_DAY = datetime.timedelta(days=1)


def read_excel(path: Path, rows: int, kept: Collection[str], whole: bool) -> Iterator[Chunk]:
    """Chunks of the first sheet that holds anything.

    Args:
        path: The path of the file.
        rows: How many rows a chunk has at most.
        kept: Columns whose cells stay strings, even if all of them are numbers.
        whole: Whether the caller holds all chunks at once, so that the size of the table is limited.

    Raises:
        TableError: if openpyxl is not installed, or if the file is damaged, too large or no table.
    """
    openpyxl = _openpyxl()
    if path.suffix.lower() == ".xls":
        raise TableError(f"{path} is in Excel's format of before 2007. Save it as .xlsx or as CSV.")
    with open(path, "rb") as raw:
        _check_size(path, raw)
        book = openpyxl.load_workbook(raw, read_only=True, data_only=True, keep_links=False)
        try:
            yield from _chunks(path, book, rows, kept, whole)
        finally:
            book.close()


def _check_size(path: Path, raw) -> None:
    try:
        with zipfile.ZipFile(raw) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        raise TableError(f"{path} is no file of Excel (.xlsx), or it is damaged.") from None
    check_packed(path, sum(one.file_size for one in members), sum(one.compress_size for one in members))
    raw.seek(0)


def _chunks(path: Path, book, rows: int, kept: Collection[str], whole: bool) -> Iterator[Chunk]:
    name, sheet, others = _sheet(path, book)
    filled = _filled(path, sheet)
    line, first = next(filled)
    ahead = list(itertools.islice(filled, _SAMPLE))
    if not ahead:
        raise NoRows(f"{path}: sheet {name!r} has no rows below its header.")
    header, width = _words(first), max(len(values) for _, values in [(line, first), *ahead])
    sample = [Row(line, _words(_fitting(path, line, values, width))) for line, values in ahead]
    numbers = all(is_missing(cell) or is_number(cell) for cell in header)
    if numbers and not number_columns(header, sample):
        ahead, header = [(line, first), *ahead], []
    unnamed = name_of_first(header) if header and not header[0] else ""
    columns = unique([unnamed or name for name in header[:1]] + [*header[1:], *map(str, range(len(header), width))])
    notes = []
    if others:
        notes.append(
            f"{path}: the sheet {name!r} is read; others hold something too: {', '.join(map(repr, others[:5]))}."
        )
    if 0 < len(header) < width:
        notes.append(
            f"{path}: its header names {len(header)} of {width} columns; those on the right are called by number."
        )
    elif header:
        notes.append(numbers_as_names(path, header, sample))
    if header:
        notes.append(names_below(path, sample))
    below_header = ahead if header else ahead[1:]
    shares = _of_per_cent(sheet, ahead[0][0], below_header[-1][0] if below_header else line, columns)
    if shares:
        listed = ", ".join(map(repr, shares[:5])) + (f" and {len(shares) - 5} more" if len(shares) > 5 else "")
        notes.append(
            f"{path}: Excel shows {listed} in per cent, but keeps shares: a cell that it shows as 12 % is 0.12 here, though "
            "12 in a text file."
        )
    empty = {i for i in range(width) if all(values[i : i + 1] in ([], [None]) for _, values in below_header)}
    formulas = [columns[i] for i in sorted(_formulas(path, name, below_header, empty) if empty else ())]
    if formulas:
        hold = "hold" if len(formulas) > 1 else "holds"
        notes.append(
            f"{path}: {', '.join(map(repr, formulas[:5]))} {hold} formulas without values: open the file in Excel and save it."
        )
    note = " ".join(filter(None, notes))
    size, total = 0, max(sheet.max_row or 1, 1)
    below = itertools.chain(ahead, filled)
    while some := list(itertools.islice(below, max(1, min(rows, _AT_ONCE // max(width, 1))))):
        lines = np.array([line for line, _ in some])
        size += len(some) * width * _NUMBER
        if whole:
            check_whole(path, size)
        table = [_fitting(path, line, values, width) for line, values in some]
        cells = tuple(
            _column(values, name in kept) for name, values in zip(columns, zip(*table, strict=True), strict=True)
        )
        yield Chunk(columns, cells, lines, note, min(lines[-1] / total, 1.0), unnamed=unnamed)


def _sheet(path: Path, book) -> tuple[str, Any, list[str]]:
    """(name, sheet) of the first sheet that holds anything, and the names of the others that do."""
    filled = [sheet for sheet in book.worksheets if next(_filled(path, sheet), None) is not None]
    if not filled:
        raise NoRows(f"{path} is empty.")
    return filled[0].title, filled[0], [sheet.title for sheet in filled[1:]]


def _filled(path: Path, sheet) -> Iterator[tuple[int, list[Any]]]:
    """(line, values) of each row that is not blank, without the blank cells at its end."""
    if not hasattr(sheet, "reset_dimensions"):
        return  # a sheet that is a chart
    for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if line > _MOST_ROWS:
            raise TableError(
                f"{path}: sheet {sheet.title!r} has more than {_MOST_ROWS} rows, which Excel does not write."
            )
        values = list(row)
        while values and (values[-1] is None or values[-1] == ""):
            values.pop()
        if values:
            yield line, values


def _of_per_cent(sheet, first: int, last: int, columns: Sequence[str]) -> list[str]:
    """The columns that have a number shown in per cent in these lines."""
    found = {
        i
        for row in sheet.iter_rows(min_row=first, max_row=last)
        for i, cell in enumerate(row)
        if isinstance(cell.value, int | float) and "%" in (cell.number_format or "")
    }
    return [name for i, name in enumerate(columns) if i in found]


def _formulas(path: Path, name: str, rows: Sequence[tuple[int, list[Any]]], places: Collection[int]) -> set[int]:
    """Those of some columns that hold formulas in these rows; a program other than Excel may have written no values of them."""
    book = _openpyxl().load_workbook(path, read_only=True, keep_links=False)
    try:
        found = book[name].iter_rows(min_row=rows[0][0], max_row=rows[-1][0])
        return {i for row in found for i, cell in enumerate(row) if i in places and cell.data_type == "f"}
    finally:
        book.close()


def _fitting(path: Path, line: int, values: list[Any], width: int) -> list[Any]:
    if len(values) > width:
        raise misfit(path, line, len(values), width)
    return values + [None] * (width - len(values))


def _column(values: Sequence[Any], kept: bool) -> Cells:
    """The cells of a column; durations, shown as [h]:mm, are numbers of days, as in Parquet."""
    values = [value / _DAY if isinstance(value, datetime.timedelta) else value for value in values]
    if not kept and all(value is None or isinstance(value, int | float) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    return tuple(map(_text, values))


def _words(values: Sequence[Any]) -> list[str]:
    """The cells of a row as a file of text has them."""
    return [*as_words(tuple(map(_text, values)))]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ") if value.time() != datetime.time() else value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ExactNumber(value)
    return str(value).strip()


def _openpyxl():
    try:
        import openpyxl
    except ImportError:
        raise TableError("Files of Excel need openpyxl: pip install 'mdn[excel]', or save the table as CSV.") from None
    return openpyxl
