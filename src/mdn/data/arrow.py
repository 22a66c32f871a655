"""Columns of Arrow, as Parquet files and Dask frames hold them, as the cells of a `Table`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mdn.data.tables import Cells, NotRead, TableError, unique

BOOLEANS = "booleans"
BUFFER = 1 << 16  # bytes of each column of a Parquet file that are read at once
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name
_UNITS_A_DAY = {"s": 86_400, "ms": 86_400e3, "us": 86_400e6, "ns": 86_400e9}


def columns_of(schema) -> dict[str, int]:
    """The place of each column by its name, without the index of a pandas frame: labels of rows are no data."""
    named = enumerate(unique(schema.names))
    return {name: place for place, name in named if not _INDEX.fullmatch(name)}


def from_arrow(arrow, column, kept: bool) -> Cells:
    """The cells of a column: numbers (durations in days), or strings, "" where missing; `NotRead` if it holds other things.

    Args:
        arrow: The package pyarrow.
        column: An array of Arrow.
        kept: Whether numbers become strings, too.
    """
    kind = column.type
    if arrow.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if arrow.types.is_duration(kind):  # in days, as frames have them, whatever the unit of the file
        numbers = column.cast(arrow.int64()).cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        column = arrow.array(numbers / _UNITS_A_DAY[kind.unit], from_pandas=True)
        kind = column.type
    try:
        if kind_of(arrow, kind) in ("numbers", BOOLEANS, "nothing") and not kept:
            # whole numbers above 2⁵³ lose their last digits, as they do in text
            return column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False).astype("float64")
        if arrow.types.is_nested(kind) or "binary" in str(kind):
            return (NotRead(kind),) * len(column)
        # Arrow writes "true" and "00:05:00.000000", but CSV files of Python "True" and "00:05:00"
        if arrow.types.is_boolean(kind) or arrow.types.is_time(kind):
            return tuple("" if cell is None else str(cell) for cell in column.to_pylist())
        return tuple("" if cell is None else cell for cell in column.cast(arrow.string()).to_pylist())
    except (arrow.ArrowNotImplementedError, arrow.ArrowTypeError):
        return (NotRead(kind),) * len(column)


def kind_of(arrow, kind) -> str:
    """What a type of Arrow holds: "numbers", "booleans", "text", "dates", "categories", "nothing" or "other things".

    A duration is a number, and a time of day is text.
    """
    types = arrow.types
    if types.is_dictionary(kind):
        return "categories"
    if types.is_null(kind):
        return "nothing"
    if types.is_boolean(kind):
        return BOOLEANS
    if types.is_decimal(kind) or types.is_duration(kind):
        return "numbers"
    if types.is_time(kind):
        return "text"
    if types.is_primitive(kind):
        return "dates" if types.is_temporal(kind) else "numbers"
    return "text" if types.is_string(kind) or types.is_large_string(kind) or "string" in str(kind) else "other things"


def parquet_file(source):
    """An open `pyarrow.parquet.ParquetFile` that holds little more than the batches in use, however large row groups are.

    Args:
        source: A path, or a file of Arrow.
    """
    _, parquet = pyarrow_there()
    return parquet.ParquetFile(source, pre_buffer=False, buffer_size=BUFFER)


def fragment_batches(fragment, schema, rows: int) -> Iterator[Any]:
    """The record batches of a part of a dataset, with the columns of its schema.

    Arrow's scanner holds whole row groups, so Parquet is read without it if the columns of the file are those of the dataset,
    apart from those whose value a folder names.

    Args:
        fragment: A fragment of a `pyarrow.dataset.Dataset`.
        schema: The schema of the dataset.
        rows: The most rows of a batch.
    """
    import pyarrow
    from pyarrow import dataset

    values = dataset.get_partition_keys(fragment.partition_expression)
    inside = [field for field in schema if field.name not in values]
    if isinstance(fragment, dataset.ParquetFileFragment):
        with fragment.open() as opened, parquet_file(opened) as file:
            if all(
                field.name in file.schema_arrow.names and file.schema_arrow.field(field.name).type == field.type
                for field in inside
            ):
                groups = [group.id for group in fragment.row_groups]
                for batch in file.iter_batches(rows, groups, [field.name for field in inside]):
                    cells = [
                        pyarrow.repeat(values[field.name], len(batch)).cast(field.type)
                        if field.name in values
                        else batch[field.name]
                        for field in schema
                    ]
                    yield pyarrow.record_batch(cells, schema=schema)
                return
    settings = {"batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
    yield from fragment.to_batches(schema=schema, batch_size=rows, **settings)


def pyarrow_there():
    """(pyarrow, pyarrow.parquet).

    Raises:
        TableError: if pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise TableError("Parquet needs pyarrow: pip install 'mdn[parquet]', or save the table as CSV.") from None
    return pyarrow, pyarrow.parquet
