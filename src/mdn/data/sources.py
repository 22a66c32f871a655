"""Tables that lie in parts (files, a folder, a dataset of Arrow, partitions of Dask), read some rows at a time."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data.alike import Alike, check_names
from mdn.data.arrow import BOOLEANS, columns_of, fragment_batches, from_arrow, kind_of, pyarrow_there
from mdn.data.declared import declare
from mdn.data.endings import PARQUET
from mdn.data.evidence import Notations
from mdn.data.source_files import files_of
from mdn.data.table_files import read_part, tables_of
from mdn.data.table_text import Chunk
from mdn.data.tables import NoRows, Table, TableError
from mdn.files import reading, sentence

ROWS = 1 << 16
"""Rows of a block at most."""
_NOTHING: Mapping[str, tuple[str, ...]] = {"category": (), "number": (), "date": ()}


@dataclasses.dataclass(frozen=True)
class Part:
    """One file of a table, or one partition.

    Attributes:
        name: What messages call it.
        read: From the most rows that a table may have, and the decimal marks of columns in the parts before, to its tables, in
            order.
        rows: How many rows it has; None if only reading it tells.
        kinds: What its columns hold, by name, where that is known before it is read.
    """

    name: str
    read: Callable[[int, Mapping[str, str]], Iterator[Table]]
    rows: int | None = None
    kinds: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    r"""A table in parts, which is read as often as it is needed and never held whole.

    Attributes:
        parts: Its parts; those without rows are left out as they are met.
        name: What messages call the whole.
        made: Makes this source again, with what further arguments of `source_of` say; None if nobody knows how it was made.

    Example:
        >>> import mdn.data, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "t.csv").write_text("x,y\n1,2\n3,4\n5,6")
        ...     [block.shape for block in mdn.data.source_of(f"{folder}/t.csv").blocks(rows=2)]
        [(2, 2), (1, 2)]
    """

    parts: tuple[Part, ...]
    name: str
    made: Callable[..., Source] | None = None

    @property
    def rows(self) -> int | None:
        """How many rows it has; None if only reading it tells."""
        known = [part.rows for part in self.parts if part.rows is not None]
        return sum(known) if len(known) == len(self.parts) else None

    def only(self, places: Sequence[int]) -> Source:
        """The source of some of the parts."""
        return dataclasses.replace(self, parts=tuple(self.parts[place] for place in places), made=None)

    def blocks(self, rows: int = ROWS, on_share: Callable[[float], Any] | None = None) -> Iterator[Table]:
        """Tables of at most `rows` rows, all with the same columns in the same order.

        Args:
            rows: The most rows of a table.
            on_share: Called before each part with the share of the parts that have been read.

        Raises:
            TableError: naming the part that cannot be read, or that has other columns than the first; or if no part has rows.
            OSError: if a file cannot be read.
        """
        alike = Alike()
        for place, part in enumerate(self.parts):
            if on_share is not None:
                on_share(place / len(self.parts))
            try:
                for table in part.read(rows, alike.marks):
                    if len(table):
                        yield alike.take(table, part.name)
            except NoRows:
                continue  # an empty part says nothing
        if alike.columns is None:
            raise NoRows(f"{self.name} has no rows.")
        if on_share is not None:
            on_share(1.0)


def check_kinds(parts: Sequence[Part]) -> None:
    """Raises a TableError if parts that say so before they are read differ in their columns, or in what these hold."""
    known = [part for part in parts if part.kinds is not None]
    found: dict[str, tuple[str, str]] = {}
    for part in known:
        check_names(list(known[0].kinds or {}), known[0].name, list(part.kinds or {}), part.name)
        for column, kind in (part.kinds or {}).items():
            before, first = found.setdefault(column, (kind, part.name)) if kind != "nothing" else (kind, "")
            if kind != before:
                raise TableError(
                    f"{part.name}: column {column!r} holds {kind}, but {before} in {first}. Write all files with one schema."
                )


def is_source(thing) -> bool:
    """Whether `source_of` takes a thing for a table in parts: a path, several, a dataset of Arrow, or a frame of Dask."""
    if isinstance(thing, list | tuple):
        return bool(thing) and all(isinstance(each, str | os.PathLike) for each in thing)
    return isinstance(thing, Source | str | os.PathLike) or _is_dataset(thing) or _is_dask(thing)


def _is_dataset(thing) -> bool:
    return hasattr(thing, "get_fragments") and hasattr(thing, "schema")


def _is_dask(thing) -> bool:
    return hasattr(thing, "npartitions") and hasattr(thing, "get_partition") and hasattr(thing, "columns")


def source_of(
    thing,
    *,
    category: Collection[str] = (),
    number: Collection[str] = (),
    date: Collection[str] = (),
    text: Collection[str] = (),
    keep: Collection[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
    learnt: Mapping[str, str] | None = None,
) -> Source:
    r"""A table that lies in parts, which `MDNRegressor.fit` and `predict` read some rows at a time.

    Text files are read as `mdn.data.read_chunks` reads them, each for itself: its first 65,536 rows decide how its numbers are
    written. The footers of Parquet files are read at once, so that a damaged file, or one with other columns, is named first.

    Args:
        thing: The path of a file or of a folder, a pattern such as "data/*.parquet", several of these (a file that is named
            twice is read once), a `pyarrow.dataset.Dataset`, or a Dask DataFrame, whose partitions are computed one after
            another. Or a `Source`: what it knows counts, and what follows is added.
        category: Columns whose cells are categories, even if they look like numbers.
        number: Columns whose cells are numbers.
        date: Columns whose cells are dates, such as 20240305.
        text: Columns to read as text, unless Parquet says that they are numbers, or Arrow that they are whole ones (False and
            True are words then).
        keep: Columns whose cells stay strings. This and what follows counts for files only; see `read_chunks`.
        separator: The separator of cells.
        decimal: The decimal mark of columns that do not show theirs.
        learnt: For a column its decimal mark in training.

    Raises:
        TableError: if there is no such file, a Parquet file is damaged, files of Parquet differ in their columns, or folders
            hold the value of a column in their names, such as year=2024.
        ValueError: if it is nothing of all this.

    Example:
        >>> import mdn.data, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for year in (2023, 2024):
        ...         _ = pathlib.Path(folder, f"{year}.csv").write_text(f"year,y\n{year},1.5")
        ...     source = mdn.data.source_of(f"{folder}/*.csv")
        ...     [len(block) for block in source.blocks()]
        [1, 1]
    """
    columns = {"category": category, "number": number, "date": date, "text": text, "keep": keep}
    marks = {"separator": separator, "decimal": decimal}
    if isinstance(thing, Source):
        more = {name: each for name, each in (columns | marks | {"learnt": learnt}).items() if each}
        return thing.made(**more) if more and thing.made is not None else thing

    def made(**more: Any) -> Source:
        both: dict[str, Any] = {name: [*each, *more.get(name, ())] for name, each in columns.items()}
        both |= {name: mark or more.get(name) for name, mark in marks.items()}
        again = source_of(files or thing, **both, learnt={**more.get("learnt", {}), **(learnt or {})})
        return dataclasses.replace(again, name=name, made=made)

    files: list[Path] = []  # those of now: a file that comes into a folder later is none of this source

    declared = {"category": tuple(category), "number": tuple(number), "date": tuple(date)}
    text = frozenset([*text, *category, *date])
    if _is_dataset(thing):
        found = _dataset_parts(thing, text, declared), "the dataset"
    elif _is_dask(thing):
        found = _dask_parts(thing, text, declared), "the Dask frame"
    elif is_source(thing):
        several = list(thing) if isinstance(thing, list | tuple) else [thing]
        options = {"text": text, "keep": keep, "separator": separator, "decimal": decimal, "learnt": learnt}
        files = files_of(several)
        found = (
            [_file_part(path, options, declared) for path in files],
            " and ".join(repr(str(each)) for each in several[:3]),
        )
    else:
        raise ValueError(
            "a source must be the path of a file or a folder, a pattern, several of these, a pyarrow.dataset.Dataset or a Dask "
            f"DataFrame, but {type(thing).__name__} came."
        )
    parts, name = found
    check_kinds(parts)
    return Source(tuple(part for part in parts if part.rows != 0), name, made)


# ---- files -----------------------------------------------------------------------------------------------------------


def _file_part(path: Path, options: Mapping[str, Any], declared: Mapping[str, tuple[str, ...]]) -> Part:
    rows, kinds = None, None
    if path.suffix.lower() in PARQUET and path.is_file():
        rows, kinds = _footer(path)
        options, declared = _declared(options, declared, kinds)
        # Files may hold False and True, or 0 and 1; only the former are words where a column is read as text
        kinds = {name: "numbers" if kind == BOOLEANS else kind for name, kind in kinds.items()}

    def read(most: int, before: Mapping[str, str]) -> Iterator[Table]:
        for table in read_part(path, rows=most, before=before, **options):
            yield _as_declared(table, declared)

    return Part(str(path), read, rows, kinds)


def _declared(options: Mapping[str, Any], declared: Mapping[str, tuple[str, ...]], kinds: Mapping[str, str]):
    """(options of reading, what is declared), by what a schema says of columns that the user has not declared otherwise.

    Its categories are declared. Its numbers are not read as text, so that codes whose zeros they have lost are known as such.
    """
    said = {name for names in declared.values() for name in names}
    free = {name: kind for name, kind in kinds.items() if name not in said}
    categories = [name for name, kind in free.items() if kind == "categories"]
    numbers = {name for name, kind in free.items() if kind == "numbers"}
    return (
        {**options, "text": (frozenset(options["text"]) - numbers).union(categories)},
        {**declared, "category": (*declared["category"], *categories)},
    )


def _is_fraction(arrow, kind) -> bool:
    return arrow.types.is_floating(kind) or arrow.types.is_decimal(kind)


def _as_declared(table: Table, declared: Mapping[str, tuple[str, ...]]) -> Table:
    return declare(table, **declared) if any(declared.values()) else table


def declared_categories(path: Path) -> list[str]:
    """The columns that a file of Parquet declares categories; none of any other file, or of one that is not there."""
    if path.suffix.lower() not in PARQUET or not path.is_file():
        return []
    return [name for name, kind in _footer(path)[1].items() if kind == "categories"]


def _footer(path: Path) -> tuple[int, dict[str, str]]:
    """(the number of rows, what each column holds) of a Parquet file."""
    arrow, parquet = pyarrow_there()
    with open(path, "rb"):
        pass  # an OSError of the system, not one of pyarrow
    try:
        with parquet.ParquetFile(path) as file:
            return file.metadata.num_rows, _kinds(arrow, file.schema_arrow)
    except (arrow.ArrowException, OSError) as error:
        raise TableError(f"{path} is no Parquet file, or is damaged: {sentence(error)}") from None


def _kinds(arrow, schema) -> dict[str, str]:
    return {name: kind_of(arrow, schema.field(at).type) for name, at in columns_of(schema).items()}


# ---- Arrow and Dask --------------------------------------------------------------------------------------------------


def _dataset_parts(dataset, text, declared) -> list[Part]:
    def part(fragment) -> Part:
        name = getattr(fragment, "path", None) or "a table in memory"

        def read(most: int, _) -> Iterator[Table]:
            with reading(name, "a table"):
                yield from arrow_tables(fragment_batches(fragment, dataset.schema, most), name, most, text, declared)

        return Part(name, read)

    return [part(fragment) for fragment in dataset.get_fragments()]


def _dask_parts(frame, text, declared) -> list[Part]:
    arrow, _ = pyarrow_there()

    def part(place: int) -> Part:
        name = f"partition {place} of the Dask frame"

        def read(most: int, _) -> Iterator[Table]:
            with reading(name, "a table"):
                frame_there = frame.get_partition(place).compute()
                table = arrow.Table.from_pandas(frame_there, preserve_index=False)
                yield from arrow_tables(table.to_batches(max_chunksize=most), name, most, text, declared)

        return Part(name, read)

    return [part(place) for place in range(frame.npartitions)]


def arrow_tables(
    batches: Iterable[Any],
    name: str,
    rows: int = ROWS,
    text: frozenset[str] = frozenset(),
    declared: Mapping[str, tuple[str, ...]] = _NOTHING,
) -> Iterator[Table]:
    """Record batches of Arrow, all of one schema, as tables.

    Args:
        batches: The record batches.
        name: What messages call them.
        rows: The most rows of a table.
        text: Columns to read as text, unless they are whole numbers.
        declared: The columns that are declared a "category", a "number" or a "date".
    """
    arrow, _ = pyarrow_there()
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    places, kinds = columns_of(first.schema), _kinds(arrow, first.schema)
    # a float in a column of text, such as 0.1, is a level as it is written
    kinds |= {each: "written" for each, at in places.items() if _is_fraction(arrow, first.schema.field(at).type)}
    options, declared = _declared({"text": text}, declared, kinds)
    text = options["text"]

    def chunks() -> Iterator[Chunk]:
        done = 0
        for batch in itertools.chain([first], batches):
            for start in range(0, batch.num_rows, rows):
                some = batch.slice(start, rows)
                cells = tuple(from_arrow(arrow, some.column(at), column in text) for column, at in places.items())
                yield Chunk(tuple(places), cells, np.arange(done + 1, done + 1 + some.num_rows), "", 0.0)
                done += some.num_rows

    for table in tables_of(chunks(), name, text, text, Notations(name, None, text)):
        yield _as_declared(table, declared)
