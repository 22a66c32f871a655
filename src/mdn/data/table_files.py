"""Tables in files: text with any separator, with or without a header, packed or not; Parquet; and Excel.

A file is read some rows at a time, so that it may be larger than memory.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data.arrow import columns_of, from_arrow, parquet_file, pyarrow_there
from mdn.data.endings import EXCEL, PARQUET
from mdn.data.evidence import Notations
from mdn.data.excel import read_excel
from mdn.data.names import said_again
from mdn.data.separators import check_separator
from mdn.data.table_text import Chunk, check_whole, read_text
from mdn.data.tables import NoRows, Table, TableError, as_words
from mdn.data.text_lines import check_packed
from mdn.files import reading

_ROWS = 65_536  # a chunk has so many rows at most
_BYTES = 1 << 24  # the rows of a chunk of Parquet take so many bytes at most
_NUMBER = 8  # bytes of a number


def read_table(
    path,
    *,
    text: Collection[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
    learnt: Mapping[str, str] | None = None,
    on_share: Callable[[float], Any] | None = None,
) -> Table:
    r"""Reads a whole table, which may hold 2 GiB at most.

    Args:
        path: The path of the file; `read_chunks` says which files it reads.
        text: Columns to treat as text, in addition to those that the reader finds to be text.
        separator: The separator of cells: ",", ";", "|", "tab" or "space" (any white space); None finds it out.
        decimal: The decimal mark, "," or ".", of columns that do not show theirs; None finds it out.
        learnt: For a column its decimal mark in training, "," or ".", used where neither its cells nor other columns show
            another: "1,234" is read as in training.
        on_share: Called now and then with the share of the file that has been read.

    Raises:
        TableError: if the file is missing, empty, not a table, damaged or too large, or if its rows are uneven.
        OSError: if the file cannot be read.
        ValueError: if `separator`, `decimal` or a mark in `learnt` is none of these.

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import read_table
        >>> _ = Path('flats.csv').write_text('size,price\n70,210000\n55,180000\n')
        >>> sorted(read_table('flats.csv').columns)
        ['price', 'size']
    """
    _check(separator, decimal, learnt)
    kept: set[str] = set()
    tried: list[tuple[set[str], dict]] = []
    notations = Notations(str(path), decimal, text, learnt=learnt)
    while True:
        chunks = list(_tables(path, text, kept, _ROWS, separator, notations, on_share, whole=True))
        first, last = chunks[0], chunks[-1]
        mixed = {
            name
            for name, *column in zip(first.columns, *(chunk.cells for chunk in chunks), strict=True)
            if len({isinstance(part, np.ndarray) for part in column}) == 2
        }
        if not mixed and notations.stands:
            break
        # Numbers in one chunk, text or another notation in the next: read again, since a number has lost how it was written
        tried.append((kept, {name: one.key for name, one in (notations.settled or {}).items()}))
        kept = kept | mixed
        shown_now = {name: one.key for name, one in notations.shown().items()}
        if (kept, shown_now) in tried:
            raise TableError(
                f"{path}: its columns {', '.join(map(repr, sorted(mixed)))} are numbers and text by turns, and reading again "
                "shows nothing new. Save the table as CSV."
            )
        notations = Notations(str(path), decimal, text, notations.shown(), learnt)
    cells = tuple(
        np.concatenate(column) if isinstance(column[0], np.ndarray) else tuple(itertools.chain(*column))
        for column in zip(*(chunk.cells for chunk in chunks), strict=True)
    )
    lines = np.concatenate([chunk.lines for chunk in chunks])
    table = dataclasses.replace(last, cells=cells, lines=lines)  # only the last chunk knows what all rows show
    words = table.text_columns()
    cells = tuple(
        as_words(column) if name in words else column for name, column in zip(table.columns, cells, strict=True)
    )
    return dataclasses.replace(table, cells=cells, text=words)


def read_chunks(
    path,
    *,
    text: Collection[str] = (),
    keep: Collection[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
    learnt: Mapping[str, str] | None = None,
    rows: int = _ROWS,
    on_share: Callable[[float], Any] | None = None,
) -> Iterator[Table]:
    r"""Reads a table, some rows at a time; the separator, the header and the notation of numbers are found out.

    A first line is a header if one of its cells is no number, if it begins with '#', or if it has years above decimals. Without
    a header, columns are named "0", "1", ... by their place. So is a column whose name is empty, such as the first one that
    pandas and R write, and each column right of a header that is too short, if some of its cells are empty. If a header is one
    cell shorter than its rows and these begin with names, as R writes them, the first column is called "row names"; so is a
    first column without a name beside one that is called "0". Lines with '#' above the header are remarks. Below the header, a
    line with '#' is a row if it has as many cells as the header, else a remark; `note` counts both. Blank lines are left out,
    but between the rows of a single column they are missing cells.

    A column is read in the one notation in which nearly all its cells are numbers: decimal commas, marks between thousands,
    signs of money or per cent. If "1,234" may be 1.234 or 1234, the other columns decide, since one file has one decimal
    mark; if they do not, the column cannot be used without `decimal`. So it is with "1.250" between semicolons, or beside "850".
    The first chunk decides for all, and a later one that contradicts it stops. `note` says what was read how.

    Text is UTF-8, UTF-16 with a byte order mark, or Windows-1252. A file whose name ends in .gz is unpacked, and so is a .zip
    that holds one file; one that ends in .parquet or .pq is Parquet and needs the extra `mdn[parquet]`; the first sheet of an
    .xlsx file needs the extra `mdn[excel]`.

    A row may have 2²⁴ characters, 1,000 lines (in quotes) and 100,000 cells. A packed file that holds more than 64 MiB may
    unpack to 200 times its size at most.

    Args:
        path: The path of the file.
        text: Columns to treat as text, even if their cells are numbers.
        keep: Columns whose cells stay strings, even if all cells of a chunk are numbers.
        separator: The separator of cells: ",", ";", "|", "tab" or "space" (any white space); None finds it out.
        decimal: The decimal mark, "," or ".", of columns that do not show theirs; None finds it out.
        learnt: For a column its decimal mark in training, "," or ".", used where neither its cells nor other columns show
            another: "1,234" is read as in training.
        rows: How many rows a chunk has at most.
        on_share: Called before each chunk with the share of the file that has been read.

    Raises:
        TableError: if the file is missing, empty, not a table, damaged or too large, or if its rows are uneven.
        OSError: if the file cannot be read.
        ValueError: if `separator`, `decimal` or a mark in `learnt` is none of these.

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import read_chunks
        >>> _ = Path('flats.csv').write_text('size,price\n70,210000\n55,180000\n60,190000\n')
        >>> [len(part) for part in read_chunks('flats.csv', rows=2)]
        [2, 1]
    """
    _check(separator, decimal, learnt)
    notations = Notations(str(path), decimal, text, learnt=learnt)
    return _tables(path, text, keep, rows, separator, notations, on_share, whole=False)


def read_part(
    path, *, text, keep, separator, decimal, learnt: Mapping[str, str] | None, rows: int, before: Mapping[str, str]
) -> Iterator[Table]:
    """As `read_chunks`, for a file of several: `before` are the decimal marks of columns in the files before it."""
    _check(separator, decimal, learnt)
    known = {**(learnt or {}), **before}
    notations = Notations(
        str(path), decimal, text, learnt=known, learnt_from="the files before" if before else "training"
    )
    return _tables(path, text, keep, rows, separator, notations, on_share=None, whole=False)


def _check(separator: str | None, decimal: str | None, learnt: Mapping[str, str] | None) -> None:
    check_separator(separator)
    if decimal not in (None, ",", "."):
        raise ValueError(f"`decimal` must be ',' or '.', or None to find it out, but {decimal!r} came.")
    for name, mark in (learnt or {}).items():
        if mark not in (",", "."):
            raise ValueError(f"`learnt` must map columns to ',' or '.', but {mark!r} came for {name!r}.")


def _tables(path, text, keep, rows, separator, notations: Notations, on_share, whole: bool) -> Iterator[Table]:
    path, text = Path(path), frozenset(text)
    kept = text | set(keep)
    yield from tables_of(_chunks(path, rows, kept, whole, separator), str(path), text, kept, notations, on_share, whole)


def tables_of(
    chunks: Iterable[Chunk],
    source: str,
    text: frozenset[str],
    kept: frozenset[str],
    notations: Notations,
    on_share: Callable[[float], Any] | None = None,
    whole: bool = False,
) -> Iterator[Table]:
    """Chunks as tables, whose numbers are read in the notation that the first chunk shows.

    Args:
        chunks: The chunks of one file.
        source: The name of the file.
        text: Columns that are text.
        kept: Columns whose cells stay strings, those of `text` too. A number in them is an `ExactNumber`: a code may have lost
            its zeros.
        notations: Of this file; it looks at every chunk.
        on_share: Called before each table with the share of the file that has been read.
        whole: Whether the caller reads again where a later chunk shows another notation; else that is an error.

    Raises:
        TableError: if a later chunk contradicts the notation of the first.
    """
    for columns, cells, lines, note, share, mark, unnamed in chunks:
        again = said_again(columns)
        if on_share is not None:
            on_share(share)
        notations.semicolons = mark == ";"
        notations.look(columns, cells, lines)
        notations.settle()
        if not whole:
            notations.check()
        cells = tuple(
            column if name in kept or isinstance(column, np.ndarray) else notations.convert(name, column)
            for name, column in zip(columns, cells, strict=True)
        )
        yield Table(
            columns,
            cells,
            lines,
            source=source,
            note=" ".join(filter(None, [note, again and f"{source}: {again}", notations.note])),
            text=text,
            notations=notations.settled or {},
            marks=notations.decimals(),
            padded=notations.padded(),
            undecided=notations.undecided(),
            unnamed=unnamed,
            separator=mark,
        )


def _chunks(path: Path, rows: int, kept: frozenset[str], whole: bool, separator: str | None) -> Iterator[Chunk]:
    with _reading(path):
        _check_there(path)
        nothing = True
        ending = path.suffix.lower()
        if ending in PARQUET:
            chunks = _parquet(path, rows, kept, whole)
        elif ending in EXCEL:
            chunks = read_excel(path, rows, kept, whole)
        else:
            chunks = read_text(path, rows, whole, separator)
        for chunk in chunks:
            nothing = False
            yield chunk
        if nothing:
            raise NoRows(f"{path} has no rows below its header.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """As `mdn.data.reading`, but raises a TableError in place of a ValueError."""
    try:
        with reading(path, "a table"):
            yield
    except TableError:
        raise
    except ValueError as error:
        raise TableError(str(error)) from None


def _check_there(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise TableError(f"{str(path)!r} is a folder; name a file in it.")
    folder = path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f" Did you mean {str(folder / near[0])!r}?" if near else ""
    raise TableError(f"there is no file {str(path)!r}.{hint}")


# ---- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet(path: Path, rows: int, kept: frozenset[str], whole: bool) -> Iterator[Chunk]:
    arrow, _ = pyarrow_there()
    with open(path, "rb"):
        pass  # here an OSError comes from the system; below, pyarrow raises one for anything that it cannot parse
    try:
        with parquet_file(path) as file:
            places, total, done = columns_of(file.schema_arrow), max(file.metadata.num_rows, 1), 0
            columns = tuple(places)
            size = max(total * len(columns) * _NUMBER, _unpacked(file.metadata))
            check_packed(path, size, path.stat().st_size)
            if whole:
                check_whole(path, size)
            rows = max(1, min(rows, _BYTES * total // max(size, 1)))
            for batch in file.iter_batches(batch_size=rows):
                cells = tuple(from_arrow(arrow, batch.column(at), name in kept) for name, at in places.items())
                lines = np.arange(done + 1, done + 1 + batch.num_rows)
                done += batch.num_rows
                if batch.num_rows:
                    yield Chunk(columns, cells, lines, "", min(done / total, 1.0))
    except (arrow.ArrowException, OSError) as error:
        raise TableError(f"{path} is no Parquet file, or is damaged: {str(error).splitlines()[0]}") from None


def _unpacked(metadata) -> int:
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
