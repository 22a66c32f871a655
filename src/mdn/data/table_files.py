"""Tables in files: CSV, TSV or white space, with a header or without, packed by gzip or not; and Parquet.

A file is read some rows at a time, so that it may be larger than memory.
"""

from __future__ import annotations

import csv
import dataclasses
import difflib
import gzip
import io
import itertools
import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data.files import replacing
from mdn.data.tables import Cells, Table, TableError, is_missing, parse

_ROWS = 65_536  # at a time
_SAMPLE = 20  # lines that tell the separator
_PARQUET = (".parquet", ".pq")
_TABS = (".tsv", ".tab")


def read_table(path, *, text: Collection[str] = (), on_share: Callable[[float], Any] | None = None) -> Table:
    """Reads a table whole.

    Args:
        path: Of the file, and what it may be: see `read_chunks`.
        text: Columns that are text whatever they hold, beside those that are found to be.
        on_share: Told the share of the file that has been read, now and then.

    Raises:
        TableError: if the file is missing, empty, not a table, or if its rows are uneven.
    """
    kept: set[str] = set()
    while True:
        chunks = list(read_chunks(path, text=text, keep=kept, on_share=on_share))
        first = chunks[0]
        mixed = {
            name
            for name, *column in zip(first.columns, *(chunk.cells for chunk in chunks), strict=True)
            if len({isinstance(part, np.ndarray) for part in column}) == 2
        }
        if not mixed:
            break
        kept |= mixed  # numbers at first and text later: read again, since a number forgets how it was written
    cells = tuple(
        np.concatenate(column) if isinstance(column[0], np.ndarray) else tuple(itertools.chain(*column))
        for column in zip(*(chunk.cells for chunk in chunks), strict=True)
    )
    lines = np.concatenate([chunk.lines for chunk in chunks])
    table = Table(first.columns, cells, lines, first.source, first.note, first.text)
    return dataclasses.replace(table, text=table.text_columns())


def read_chunks(
    path,
    *,
    text: Collection[str] = (),
    keep: Collection[str] = (),
    rows: int = _ROWS,
    on_share: Callable[[float], Any] | None = None,
) -> Iterator[Table]:
    """A table, some rows at a time; the separator and the header are found out.

    A first line is a header if one of its cells is no number, or if it begins with '#'. Without one columns are named
    "0", "1", ... and so is what stands right of a header that is too short. Later lines that begin with '#' are comments.
    A file whose name ends in .gz is unpacked; one that ends in .parquet or .pq is Parquet and needs the extra
    `mdn[parquet]`.

    Args:
        path: Of the file.
        text: Columns that are text whatever they hold.
        keep: Columns whose cells stay as they are written, even if all of a chunk are numbers.
        rows: Of a chunk, at most.
        on_share: Told the share of the file that has been read, before each chunk is given.

    Raises:
        TableError: if the file is missing, empty, not a table, or if its rows are uneven.
    """
    path = Path(path)
    _check_there(path)
    text = frozenset(text)
    read = _parquet if path.suffix.lower() in _PARQUET else _text
    nothing = True
    for columns, cells, lines, note, share in read(path, rows, text | set(keep)):
        nothing = False
        if on_share is not None:
            on_share(share)
        yield Table(columns, cells, lines, str(path), note, text)
    if nothing:
        raise TableError(f"{path} has no rows below its header.")


def _check_there(path: Path) -> None:
    if path.is_file():
        return
    folder = path.parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f" Did you mean {str(folder / near[0])!r}?" if near else ""
    raise TableError(f"there is no file {str(path)!r}.{hint}")


# ---- text ------------------------------------------------------------------------------------------------------------

_Chunk = tuple[tuple[str, ...], tuple[Cells, ...], np.ndarray, str, float]


def _text(path: Path, rows: int, kept: frozenset[str]) -> Iterator[_Chunk]:
    with open(path, "rb") as raw:
        size = max(path.stat().st_size, 1)
        unpacked = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        lines = _Lines(path, io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline=None))
        body = lines.cells()
        first = next(body)
        named = first[1][0].startswith("#") or not all(_is_number(cell) for cell in first[1])
        remarks_out = (row for row in body if not row[1][0].startswith("#"))
        if named:
            second = next(remarks_out, None)
            if second is None:
                raise TableError(f"{path} has no rows below its header.")
            header, body = _header(first[1]), itertools.chain([second], remarks_out)
        else:
            second = first
            header, body = [str(i) for i in range(len(first[1]))], itertools.chain([first], remarks_out)
        width, note = len(second[1]), ""
        if len(header) < width:
            note = (
                f"{path}: its header names {len(header)} of {width} columns; those on the right are called by number."
            )
            header = [*header, *map(str, range(len(header), width))]
        columns = _unique(header)
        while some := list(itertools.islice(body, rows)):
            for line, cells in some:
                if len(cells) != len(columns):
                    raise TableError(
                        f"{path}: line {line} has {len(cells)} cells, but there are {len(columns)} columns."
                    )
            numbers, table = zip(*some, strict=True)
            by_column = (
                column if name in kept else _as_numbers(column)
                for name, column in zip(columns, zip(*table, strict=True), strict=True)
            )
            yield columns, tuple(by_column), np.array(numbers), note, raw.tell() / size


class _Lines:
    """Lines of a text file that are not blank, counted."""

    def __init__(self, path: Path, file):
        self._path, self._file, self._number = path, file, 0

    def __iter__(self) -> Iterator[str]:
        try:
            for line in self._file:
                self._number += 1
                if "\0" in line:
                    raise TableError(f"{self._path} is not a text file. Save the table as CSV first.")
                if line.strip():
                    yield line.rstrip("\n")
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError):
            raise TableError(f"{self._path} is not a text file in UTF-8. Save the table as CSV first.") from None

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """(number of its line, its cells) for each row, the header too."""
        lines = iter(self)
        sample, numbers = [], []
        for line in itertools.islice(lines, _SAMPLE):
            sample.append(line)
            numbers.append(self._number)
        if not sample:
            raise TableError(f"{self._path} is empty.")
        mark = _separator([line for line in sample if not line.startswith("#")] or sample)
        number = itertools.chain(numbers, iter(lambda: self._number, None))
        all_lines = itertools.chain(sample, lines)
        if mark is None:
            yield from ((next(number), line.split()) for line in all_lines)
            return
        reader = csv.reader(all_lines, delimiter=mark, skipinitialspace=True)
        read = 0
        for row in reader:
            for _ in range(reader.line_num - read):  # a quoted cell may go over several lines
                line_number = next(number)
            read = reader.line_num
            yield line_number, [cell.strip() for cell in row]


def _separator(sample: list[str]) -> str | None:
    counts = {mark: statistics.median_low(line.count(mark) for line in sample) for mark in ",;\t"}
    mark = max(counts, key=lambda each: counts[each])
    return mark if counts[mark] else None


def _header(cells: list[str]) -> list[str]:
    first = cells[0].lstrip("#").strip()
    return cells[1:] if not first and len(cells) > 1 else [first, *cells[1:]]  # "# a b": the mark stands alone


def _as_numbers(cells: tuple[str, ...]) -> Cells:
    numbers, text = parse(cells)
    return cells if text else numbers


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return is_missing(cell)
    return True


def _unique(header: Sequence[str]) -> tuple[str, ...]:
    """Names without repetition: a second "x" becomes "x.1", an empty name the number of its column."""
    names: list[str] = []
    for i, cell in enumerate(header):
        name = base = cell.strip() or str(i)
        again = 0
        while name in names:
            again += 1
            name = f"{base}.{again}"
        names.append(name)
    return tuple(names)


# ---- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet(path: Path, rows: int, kept: frozenset[str]) -> Iterator[_Chunk]:
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            columns, total, done = _unique(file.schema_arrow.names), max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(batch_size=rows):
                cells = tuple(
                    _from_arrow(arrow, path, name, batch.column(i), name in kept) for i, name in enumerate(columns)
                )
                lines = np.arange(done + 1, done + 1 + batch.num_rows)
                done += batch.num_rows
                if batch.num_rows:
                    yield columns, cells, lines, "", done / total
    except arrow.ArrowException as error:
        raise TableError(f"{path} is no Parquet file, or is damaged: {str(error).splitlines()[0]}") from None


def _from_arrow(arrow, path: Path, name: str, column, kept: bool) -> Cells:
    kind = column.type
    if arrow.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if arrow.types.is_nested(kind) or arrow.types.is_binary(kind):
        raise TableError(
            f"{path}: column {name!r} holds {kind}, but numbers or text are needed. Leave it out of the file."
        )
    numeric = arrow.types.is_boolean(kind) or (arrow.types.is_primitive(kind) and not arrow.types.is_temporal(kind))
    if (numeric or arrow.types.is_decimal(kind) or arrow.types.is_null(kind)) and not kept:
        return column.cast(arrow.float64()).to_numpy(zero_copy_only=False).astype("float64")
    cells = tuple("" if cell is None else cell for cell in column.cast(arrow.string()).to_pylist())
    return cells if kept else _as_numbers(cells)


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TableError("Parquet needs pyarrow: pip install 'mdn[parquet]', or save the table as CSV.") from None
    return pyarrow, pyarrow.parquet


# ---- writing ---------------------------------------------------------------------------------------------------------


@contextmanager
def writing_table(path, columns: Sequence[str]) -> Iterator[Callable[[Any], None]]:
    """Gives a function that writes rows of numbers `(N, len(columns))`, as often as it is called.

    Its name says what a file becomes: .tsv or .tab, .parquet or .pq, else CSV; with .gz at the end it is packed. What
    stood at `path` before stays until the block has ended well.
    """
    path = Path(path)
    with replacing(path) as temporary:
        if path.suffix.lower() in _PARQUET:
            arrow, parquet = _pyarrow()
            schema = arrow.schema([(name, arrow.float64()) for name in columns])
            with parquet.ParquetWriter(temporary, schema) as file:
                yield lambda values: file.write_table(
                    arrow.table(
                        [np.ascontiguousarray(column) for column in np.asarray(values, "float64").T], schema=schema
                    )
                )
            return
        kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
        mark = "\t" if kind.lower() in _TABS else ","
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(temporary, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=mark, lineterminator="\n").writerow(columns)
            yield lambda values: np.savetxt(file, np.asarray(values, "float64"), fmt="%.9g", delimiter=mark)


def write_table(path, columns: Sequence[str], values) -> None:
    """Writes rows of numbers, shape `(N, len(columns))`, as `writing_table` does."""
    with writing_table(path, columns) as write:
        write(values)
