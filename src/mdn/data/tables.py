"""Tables from text files: CSV (comma, semicolon, tab) or white space, with a header or without."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdn.data.files import replacing

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
_MOSTLY = 0.5  # a column with more numbers than this is a column of numbers with mistakes in it


class TableError(ValueError):
    """A table that cannot be used: one sentence that says where and why."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Named columns of one file.

    Attributes:
        columns: Their names, in the order of the file.
        cells: One list of strings a column.
        lines: The line of the file that each row stands on, for messages.
        source: The name of the file.
        note: What the reader had to guess, for the user to know; "" if nothing.
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    source: str
    note: str = ""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> np.ndarray:
        """A column as numbers, float64 of shape `(N,)`; missing cells are NaN.

        Raises:
            TableError: if there is no such column (the nearest is named), or if it holds text.
        """
        return self._numbers(self._find(name))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column as numbers or, where most cells are text, as it stands: strings, "" where missing.

        Raises:
            TableError: if there is no such column, or if a column of numbers has a few cells of text.
        """
        index = self._find(name)
        numbers, text = self._parse(index)
        if self._mostly_text(index, text):
            return np.array(["" if _is_missing(cell) else cell for cell in self.cells[index]], dtype=object)
        if text:
            self._refuse(index, text)
        return numbers

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), as a frame says it."""
        return len(self), len(self.columns)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.values.astype(dtype or "float64", copy=False)

    def take(self, rows) -> Table:
        """The table of some rows, by their indices."""
        cells = tuple(tuple(column[row] for row in rows) for column in self.cells)
        return dataclasses.replace(self, cells=cells, lines=tuple(self.lines[row] for row in rows))

    def select(self, names: Sequence[str]) -> Table:
        """The table of some columns, in the order of `names`.

        Raises:
            TableError: if there is no such column.
        """
        found = [self._find(name) for name in names]
        return dataclasses.replace(self, columns=tuple(names), cells=tuple(self.cells[i] for i in found))

    def drop(self, *names: str) -> Table:
        """The table without some columns.

        Raises:
            TableError: if there is no such column.
        """
        gone = {self._find(name) for name in names}
        kept = [i for i in range(len(self.columns)) if i not in gone]
        return dataclasses.replace(
            self, columns=tuple(self.columns[i] for i in kept), cells=tuple(self.cells[i] for i in kept)
        )

    @property
    def values(self) -> np.ndarray:
        """All columns as numbers, float64 of shape `(N, columns)`.

        Raises:
            TableError: if one of them holds text.
        """
        return np.stack([self._numbers(i) for i in range(len(self.columns))], axis=-1)

    def _find(self, name: str) -> int:
        if name in self.columns:
            return self.columns.index(name)
        lowered = [column.lower() for column in self.columns]
        near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.0 if len(self.columns) == 1 else 0.4)
        hint = f" Did you mean {self.columns[lowered.index(near[0])]!r}?" if near else ""
        listed = ", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")
        raise TableError(f"{self.source} has no column {name!r}.{hint} Its columns: {listed}.")

    def _numbers(self, index: int) -> np.ndarray:
        numbers, text = self._parse(index)
        if text:
            self._refuse(index, text)
        return numbers

    def _parse(self, index: int) -> tuple[np.ndarray, list[int]]:
        """A column as numbers, NaN where missing or text, and the rows that hold text."""
        cells = self.cells[index]
        try:
            return np.array(cells, "float64"), []
        except ValueError:
            pass
        numbers = np.full(len(cells), np.nan)
        text = []
        for row, cell in enumerate(cells):
            if _is_missing(cell):
                continue
            try:
                numbers[row] = float(cell)
            except ValueError:
                text.append(row)
        return numbers, text

    def _mostly_text(self, index: int, text: list[int]) -> bool:
        return len(text) > _MOSTLY * sum(not _is_missing(cell) for cell in self.cells[index])

    def _refuse(self, index: int, text: list[int]) -> None:
        name, first = self.columns[index], text[0]
        what = f"{self.cells[index][first]!r} in line {self.lines[first]}"
        if self._mostly_text(index, text):
            raise TableError(
                f"{self.source}: column {name!r} holds text ({what}): leave it out with --ignore {name}, "
                "or encode it as numbers."
            )
        more = f", and {len(text) - 1} more such cells" if len(text) > 1 else ""
        raise TableError(f"{self.source}: column {name!r} must hold numbers, but has {what}{more}.")


def read_table(path) -> Table:
    """Reads a table; the separator and the header are found out.

    A first line is a header if one of its cells is no number, or if it begins with '#'. Without one columns are named
    "0", "1", ... and so is what stands right of a header that is too short. Later lines that begin with '#' are comments.
    A file whose name ends in .gz is unpacked.

    Args:
        path: Of the file.

    Raises:
        TableError: if the file is missing, empty, no text, or if its rows are uneven.
    """
    path = Path(path)
    rows = _split(path, _lines(path))
    (_, header), body = rows[0], rows[1:]
    named = header[0].startswith("#") or not all(_is_number(cell) for cell in header)
    if named:
        header[0] = header[0].lstrip("#").strip()
        if not header[0] and len(header) > 1:  # "# a b": the mark stands alone
            header = header[1:]
        columns = _unique(header)
    else:
        body = rows
        columns = tuple(str(i) for i in range(len(header)))
    body = [(line, cells) for line, cells in body if not cells[0].startswith("#")]
    if not body:
        raise TableError(f"{path} has no rows{' below its header' if named else ''}.")
    width, note = len(body[0][1]), ""
    if len(columns) < width:
        note = f"{path}: its header names {len(columns)} of {width} columns; those on the right are called by number."
        columns = _unique([*columns, *map(str, range(len(columns), width))])
    for line, cells in body:
        if len(cells) != len(columns):
            raise TableError(f"{path}: line {line} has {len(cells)} cells, but there are {len(columns)} columns.")
    lines, rows_of_cells = zip(*body, strict=True)
    return Table(columns, tuple(zip(*rows_of_cells, strict=True)), tuple(lines), str(path), note)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        folder = path.parent
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f" Did you mean {str(folder / near[0])!r}?" if near else ""
        raise TableError(f"there is no file {str(path)!r}.{hint}")
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            text = file.read()
    except (UnicodeDecodeError, gzip.BadGzipFile):
        raise TableError(f"{path} is not a text file in UTF-8. Save the table as CSV first.") from None
    if "\0" in text:
        raise TableError(f"{path} is not a text file. Save the table as CSV first.")
    return text.splitlines()


def _split(path: Path, lines: list[str]) -> list[tuple[int, list[str]]]:
    """(number of the line, its cells) for each line that is not blank."""
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise TableError(f"{path} is empty.")
    sample = [line for _, line in numbered[:20] if not line.startswith("#")] or [line for _, line in numbered]
    counts = {mark: min(line.count(mark) for line in sample) for mark in ",;\t"}
    mark = max(counts, key=lambda each: counts[each])
    if counts[mark] == 0:
        return [(number, line.split()) for number, line in numbered]
    cells = csv.reader((line for _, line in numbered), delimiter=mark, skipinitialspace=True)
    return [(number, [cell.strip() for cell in row]) for (number, _), row in zip(numbered, cells, strict=False)]


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return _is_missing(cell)
    return True


def _unique(header: list[str]) -> tuple[str, ...]:
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


def write_table(path, columns: Sequence[str], values) -> None:
    """Writes a CSV of numbers; what stood there before stays until the new file is complete.

    Args:
        path: Of the file.
        columns: Names.
        values: Shape `(N, len(columns))`.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{value:.9g}" for value in row] for row in np.asarray(values))
