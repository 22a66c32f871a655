"""One column of a frame of pandas or polars, or of a `Table`, as an array, with what is declared of its type."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from scipy.sparse import issparse

from mdn.data.dates import zone_name
from mdn.data.declared import CATEGORY, DATE, NUMBER, DeclaredTable
from mdn.data.endings import PARQUET
from mdn.data.notation import plain_number
from mdn.data.tables import ExactNumber, Table, TableError, is_missing
from mdn.masks import unmasked

_NESTED = ("List(", "Array(", "Struct(", "Object")  # types of polars
_LONG = ("Int128", "UInt128")  # types of polars that NumPy does not have
_SEVERAL = (list, tuple, dict, set, frozenset, np.ndarray, complex, np.complexfloating)
_SHOWN = 40  # characters of a cell on a page
_MOST_SHOWN = 4  # features of a row on a page
_DAYS = 86_400e6  # microseconds


@dataclasses.dataclass
class Column:
    """A column as it came.

    Attributes:
        name: Its name.
        values: Numbers, datetime64, or objects, where text that is missing may be "" or None.
        declared: "category", "number" or "date" if the type is declared, else "".
        zone: The time zone of values of datetime64, which are in UTC; "" if none.
        lines: The line of the file for each row, None for a frame.
        source: The name of the file.
    """

    name: str
    values: np.ndarray
    declared: str = ""
    zone: str = ""
    lines: np.ndarray | None = None
    source: str = ""

    @functools.cached_property
    def texts(self) -> list[str]:
        """The cells as text, "" where nothing stands; whole numbers without a decimal point."""
        return [text_of(value) for value in self.values]

    @functools.cached_property
    def words(self) -> list[str]:
        """`texts`, where words such as "NA" are "", too, unless the column is declared a category: then they are levels."""
        if self.declared == CATEGORY or self.values.dtype != object:
            return self.texts
        gone = {text: "" if is_missing(text) else text for text in set(self.texts)}
        return [gone[text] for text in self.texts]

    @functools.cached_property
    def missing(self) -> np.ndarray:
        """Whether each cell is missing, `(N,)`."""
        if self.values.dtype.kind in "fc":
            return np.isnan(self.values)
        if self.values.dtype.kind in "mM":
            return np.isnat(self.values)
        if self.values.dtype.kind != "O":
            return np.zeros(len(self.values), bool)
        return np.array([word == "" for word in self.words], bool)

    @property
    def plain_values(self) -> np.ndarray:
        """The values, with None for words such as "NA"."""
        if self.values.dtype != object or not self.missing.any():
            return self.values
        values = self.values.copy()
        values[self.missing] = None
        return values

    @property
    def numeric(self) -> list[bool]:
        """Whether each cell is a number, and not text of digits."""
        if self.values.dtype != object:
            return [self.values.dtype.kind in "iuf"] * len(self.values)
        return [is_number(value) for value in self.values]

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"


def in_memory(table):
    """A table as it came, a masked array as a plain one.

    Raises:
        ValueError: if it is not yet a table: a LazyFrame, a record array, or rows or columns of Python; or if two columns of a
            frame have one name.
    """
    table = unmasked(table)
    kind, remedy = type(table).__name__, ""
    if kind == "LazyFrame":
        kind, remedy = "a LazyFrame", "collect() it first"
    elif isinstance(table, dict) or (isinstance(table, list | tuple) and len(table) and isinstance(table[0], dict)):
        kind, remedy = f"a {kind}" if isinstance(table, dict) else f"a {kind} of dicts", "pass pandas.DataFrame(X)"
    elif isinstance(table, np.ndarray) and table.dtype.names:
        kind, remedy = "a record array", "pass pandas.DataFrame(X)"
    if remedy:
        raise ValueError(
            f"X must be a frame of pandas or polars, an array or a sparse matrix, but {kind} came: {remedy}."
        )
    if is_frame(table):
        twice = [name for name, times in Counter(map(str, table.columns)).items() if times > 1]
        if twice:
            raise ValueError(f"two columns of X are called {twice[0]!r}: give each a name of its own.")
    return table


def is_frame(table) -> bool:
    """Whether a table has columns with names."""
    return hasattr(table, "columns") and hasattr(table, "__getitem__")


def selected(table, names: Sequence):
    """A frame with some of its columns, in the order of `names`."""
    return table.select(names) if hasattr(table, "select") else table[names]


def column(table, name, learned: str = "") -> Column:
    """A column of a frame.

    Args:
        table: A frame.
        name: The name of a column as it stands in the frame.
        learned: What the column was taken for in training, if it was learnt before.

    Raises:
        ValueError: if a column of numbers in a `Table` has cells of text.
    """
    if isinstance(table, Table):
        return _of_table(table, name, learned)
    series = table[name]
    kind, zone = _declared(series), ""
    if hasattr(series, "cat") and hasattr(
        series.cat, "codes"
    ):  # categories of pandas; NaN would make whole numbers floats
        cells = np.empty(len(series.cat.categories) + 1, dtype=object)
        cells[:-1] = list(series.cat.categories)
        return Column(str(name), cells[np.asarray(series.cat.codes)], CATEGORY)
    if str(series.dtype).startswith("period"):  # of pandas: a month counts from its first day
        series = series.dt.to_timestamp()
    if kind == DATE:
        zone = zone_name(getattr(series.dtype, "tz", None) or getattr(series.dtype, "time_zone", None))
        if zone and hasattr(series.dt, "tz_convert"):
            series = series.dt.tz_convert(None)
        elif zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if str(series.dtype) in _LONG:
        raise ValueError(
            f"column {str(name)!r} holds {series.dtype}, which NumPy does not have: cast it to Int64 or Float64."
        )
    if str(series.dtype).startswith(_NESTED):
        raise _not_single(name, str(series.dtype))
    values = np.asarray(series)
    values = values if values.dtype.kind in "biufmM" else values.astype(object)
    if values.dtype == object and (several := [each for each in set(map(type, values)) if issubclass(each, _SEVERAL)]):
        row, cell = next((row, cell) for row, cell in enumerate(values) if isinstance(cell, tuple(several)))
        raise _not_single(name, f"a cell of type {type(cell).__name__} in row {row}")
    return Column(str(name), values, kind, zone)


def _not_single(name, what: str) -> ValueError:
    return ValueError(
        f"column {str(name)!r} holds {what}, but each cell must be one number, word or date. Make columns of its parts, make it "
        "numbers or text, or leave it out."
    )


def _of_table(table: Table, name: str, learned: str) -> Column:
    declared = table.kinds.get(name, "") if isinstance(table, DeclaredTable) else ""
    table.check_read(name)
    cells = table.cells[table.columns.index(name)]
    kind = learned or declared
    if kind == NUMBER and (declared or name in table.text or table.select([name]).text_columns()):
        values, text = table.numbers_and_text(name)
        if text:
            was = "held numbers in training" if learned else "is declared a column of numbers"
            raise TableError(
                f"{table.source}: column {name!r} {was}, but has {cells[text[0]]!r} in line {table.lines[text[0]]}."
            )
    elif kind == NUMBER:
        values = table.column(name)
    elif not kind:
        values = table[name]
    elif isinstance(cells, np.ndarray):
        values = cells
    else:  # a word such as "NA" may be a level of training
        known = ("" if learned != CATEGORY and is_missing(cell) else cell for cell in cells)
        values = np.array([cell.number if isinstance(cell, ExactNumber) else cell for cell in known], dtype=object)
    return Column(name, values, declared, lines=table.lines, source=table.source)


def _declared(series) -> str:
    kind = str(getattr(series, "dtype", "")).lower()
    if "categor" in kind or kind.startswith("enum"):
        return CATEGORY
    return DATE if kind.startswith(("date", "timestamp", "period")) else ""


def is_na(value) -> bool:
    """Whether a cell of a frame is missing: None, NaN, NaT, and the NA of pandas."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # the NA of pandas: NA != NA is NA, which has no truth value
        return True


def text_of(value) -> str:
    """A cell as text, "" where missing. 5.0 is "5", since a missing value beside whole numbers makes them floats."""
    if is_na(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def is_number(value) -> bool:
    """Whether a value is a number or a truth value."""
    return isinstance(value, int | float | Decimal | np.number | np.bool_)


def is_date(value) -> bool:
    """Whether a value is a date."""
    return isinstance(value, datetime.date | np.datetime64)


def as_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """A column as float64, NaN where missing; spans of time in days.

    Args:
        name: The name of the column, for the message.
        values: An array of any type.

    Raises:
        ValueError: if it holds text or dates.
    """
    if values.dtype.kind in "biuf":
        return values.astype("float64")
    if values.dtype.kind == "m":
        return np.where(np.isnat(values), np.nan, values.astype("timedelta64[us]").astype("int64") / _DAYS)
    if values.dtype.kind == "M" or any(map(is_date, values)):
        raise ValueError(f"{name} must hold numbers, but holds dates.")
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if text_of(value) == "":
            continue
        try:
            number = plain_number(value) if isinstance(value, str) else float(_in_days(value))
        except (TypeError, ValueError):
            number = None
        if number is None:
            raise ValueError(f"{name} must hold numbers, but holds text: {text_of(value)!r} in row {row}.")
        numbers[row] = number
    return numbers


def with_nan(values):
    """An array of objects with NaN in place of missing ones, spans of time in days; any other value as it is."""
    if not isinstance(values, list | tuple | np.ndarray) and not hasattr(values, "to_numpy"):
        return values
    array = np.asarray(values)
    if array.dtype.kind == "m":
        return as_numbers("", array)
    if array.dtype != object or array.ndim not in (1, 2):
        return values
    return np.array([np.nan if is_na(value) else _in_days(value) for value in array.flat], object).reshape(array.shape)


def _in_days(value):
    """A span of time in days; any other value as it is."""
    if isinstance(value, datetime.timedelta):
        return value / datetime.timedelta(days=1)
    return value / np.timedelta64(1, "D") if isinstance(value, np.timedelta64) else value


# ---- rows ------------------------------------------------------------------------------------------------------------


def arrays_of(table) -> list:
    """The arrays of several inputs, in a dict or a list; of any other table a list of the table alone.

    A list of arrays of rank 2 or more is several inputs: rows of a table are never of that rank.
    """
    if isinstance(table, dict):
        return list(table.values())
    if (
        isinstance(table, list | tuple)
        and table
        and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in table)
    ):
        return list(table)
    return [table]


def row_count(table) -> int:
    """How many rows a table has, or each of several inputs."""
    first = arrays_of(table)[0]
    return first.shape[0] if hasattr(first, "shape") else len(first)


def rows_of(table, rows: np.ndarray):
    """The table of the rows with these indices."""
    table = unmasked(table)
    if isinstance(table, dict):
        return {name: np.asarray(unmasked(part))[rows] for name, part in table.items()}
    if len(arrays_of(table)) > 1:
        return [part[rows] for part in table]
    if issparse(table):
        return table.tocsr()[rows]
    if hasattr(table, "iloc"):
        return table.iloc[rows]
    if isinstance(table, Table):
        return table.take(rows)
    return table[rows] if is_frame(table) else np.asarray(table)[rows]


def row_names(table, rows: np.ndarray) -> tuple[str, list[str]]:
    """(what the names of rows are, the name of each of `rows`): lines of a file, labels of an index, or numbers from 0."""
    if isinstance(table, Table):
        what = "row" if table.source.lower().endswith(PARQUET) else "line"
        return f"{what} of {table.source}", [str(table.lines[row]) for row in rows]
    if hasattr(table, "index") and hasattr(table, "iloc"):
        return "index", [str(table.index[row]) for row in rows]
    return "row, from 0", [str(row) for row in rows]


def features_shown(table, row: int, names: Sequence[str] | None = None) -> str:
    """Some features of a row, as name=value.

    Args:
        table: A frame or an array.
        row: The index of the row.
        names: The columns to show, if not all; the first few are taken.
    """
    if is_frame(table):
        known = {str(name): name for name in table.columns}
        chosen = [name for name in names or known if name in known][:_MOST_SHOWN]
        if isinstance(table, Table):
            cells = [(name, table.cells[table.columns.index(name)][row]) for name in chosen]
        else:
            one = rows_of(table, np.array([row]))
            cells = [(name, np.asarray(one[known[name]])[0]) for name in chosen]
    else:
        first = rows_of(arrays_of(table)[0], np.array([row]))
        values = np.asarray(first.toarray() if issparse(first) else first).reshape(-1)
        cells = [(f"x{place}", value) for place, value in enumerate(values[:_MOST_SHOWN])]
    return ", ".join(f"{name}={_cell(value)}" for name, value in cells)


def _cell(value) -> str:
    value = value.shown if isinstance(value, ExactNumber) else value
    text = f"{float(value):.6g}" if is_number(value) and not is_na(value) else text_of(value) or "missing"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
