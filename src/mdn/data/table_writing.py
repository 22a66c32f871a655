"""Writes tables: text with any separator, packed or not, and Parquet."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mdn.data.arrow import pyarrow_there
from mdn.data.endings import PARQUET
from mdn.data.tables import Table, TableError
from mdn.files import replacing

DIGITS = 9
"""Significant digits of a number in text: all that one of float32 has."""
_TABS = (".tsv", ".tab")
_TEXT = (".csv", *_TABS, ".txt", "")  # a name without an ending, such as /dev/stdout, promises nothing else
_KEPT = ";|"  # separators that are written again; a decimal comma goes with no other


class Marks(NamedTuple):
    """How numbers stand in a .csv file.

    Attributes:
        separator: The separator of cells, ",", ";" or "|".
        decimal: The decimal mark, "." or ",".
    """

    separator: str = ","
    decimal: str = "."

    @classmethod
    def of(cls, table: Table, learnt: Mapping[str, str] | None = None, decimal: str | None = None) -> Marks:
        """Those of the file that a table was read from, so that the program that wrote this one opens the other, too.

        A file of commas or spaces is plain CSV, and so is one of tabs, unless the numbers between these have decimal commas: a
        .csv of them has semicolons, as the programs that write such numbers expect.

        Args:
            table: Some rows of a file.
            learnt: The decimal marks of columns in training, for a file that shows none.
            decimal: The decimal mark that the user names, which counts where the file shows none.
        """
        shown = set(table.marks.values()) or ({decimal} if decimal else set((learnt or {}).values()))
        comma = shown == {","} and table.separator not in ("", ",")
        if table.separator in tuple(_KEPT):
            return cls(table.separator, "," if comma else ".")
        return cls(";", ",") if comma else cls()

    def said(self, name: str, table: Table) -> str | None:
        """The sentence that says how a file is written; None if it is CSV as everybody else writes it.

        Args:
            name: The name of the file.
            table: The rows that `of` looked at.
        """
        if self == Marks():
            return None
        if self.separator == table.separator:
            return f"{name} is written as {table.source} is, with {self}."
        return f"{name} is written with {self}, as spreadsheets that write decimal commas expect of a .csv."

    def __str__(self) -> str:
        return f"{self.separator!r} between cells and decimal {'commas' if self.decimal == ',' else 'points'}"


def written_as(path) -> str:
    """The format that the ending of a name stands for: "csv", "tsv" or "parquet".

    Args:
        path: Where a table is to be written.

    Raises:
        TableError: if the ending stands for none of these, such as .xlsx: what is written there would be no such file.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending in PARQUET:
        return "parquet"
    kind = Path(path.stem).suffix.lower() if ending == ".gz" else ending
    if kind not in _TEXT:
        raise TableError(
            f"a table is written as .csv, .tsv or .parquet, by the ending of its name (.csv.gz and .tsv.gz are packed), but "
            f"{path.name!r} came: write {path.stem + '.csv'!r}, which spreadsheets open, too."
        )
    return "tsv" if kind in _TABS else "csv"


@contextmanager
def writing_table(
    path,
    columns: Sequence[str],
    text: Sequence[str] = (),
    *,
    separator: str = ",",
    decimal: str = ".",
    digits: Sequence[int] | None = None,
) -> Iterator[Callable[..., None]]:
    """A block with a function that writes rows, each time it is called: `write(values)`, or `write(values, words)`.

    `values` are numbers `(N, len(columns))`, and `words` the cells of each column of `text`, which is written before them. The
    ending of the name decides the format: .tsv or .tab, .parquet or .pq, else CSV (.csv, .txt, none); text that ends in .gz is
    packed. An earlier file at `path` stays until the block has ended without an error.

    Args:
        path: The path of the file.
        columns: The names of the columns of numbers, which become the header.
        text: The names of columns of text, which stand before those of numbers.
        separator: What separates the cells of CSV; ";" for a spreadsheet that has decimal commas.
        decimal: The decimal mark of CSV, "." or ",".
        digits: How many significant digits the numbers of each column have in text; None for nine, all that float32 has.

    Raises:
        TableError: if the name has another ending, or if the format is Parquet, but pyarrow is not installed.
        ValueError: if `decimal` is the separator, or neither "." nor ",".
    """
    path = Path(path)
    kind = written_as(path)
    if decimal not in (".", ",") or decimal == separator:
        raise ValueError(
            f"`decimal` must be '.' or ',', and another mark than `separator`, but decimal={decimal!r} and "
            f"separator={separator!r} came."
        )
    with replacing(path) as temporary:
        if kind == "parquet":
            arrow, parquet = pyarrow_there()
            kinds = [*((name, arrow.string()) for name in text), *((name, arrow.float64()) for name in columns)]
            with parquet.ParquetWriter(temporary, arrow.schema(kinds)) as file:
                yield lambda values, words=(): file.write_table(
                    arrow.table(
                        [*map(list, words), *map(np.ascontiguousarray, np.asarray(values, "float64").T)],
                        schema=file.schema,
                    )
                )
            return
        mark, point = ("\t", ".") if kind == "tsv" else (separator, decimal)
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(temporary, "wt", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter=mark, lineterminator="\n")
            rows.writerow([*text, *columns])

            formats = [f"%.{count}g" for count in (digits or [DIGITS] * len(columns))]

            def cells(column, form: str) -> list[str]:
                return [(form % value).replace(".", point) for value in column]

            def write(values, words=()) -> None:
                numbers = np.asarray(values, "float64")
                if not text and point == ".":
                    np.savetxt(file, numbers, fmt=formats, delimiter=mark)
                    return
                rows.writerows(zip(*words, *map(cells, numbers.T, formats), strict=True))

            yield write


def write_table(path, columns: Sequence[str], values) -> None:
    """Writes rows of numbers, shape `(N, len(columns))`, as `writing_table` does.

    Args:
        path: The path of the file; the ending of its name decides the format.
        columns: The names of the columns, which become the header.
        values: The rows; Parquet keeps float64, text nine significant digits.

    Raises:
        TableError: if the name has an ending of another format, or the format is Parquet, but pyarrow is not installed.
    """
    with writing_table(path, columns) as write:
        write(values)
