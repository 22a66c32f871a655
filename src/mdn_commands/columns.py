"""The columns of a table, as `mdn fit`, `mdn predict` and `mdn report` are told of them, and as they show them."""

from __future__ import annotations

import itertools
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mdn_commands.shared import share, stop

if TYPE_CHECKING:
    from mdn.data import Table
    from mdn.tabular.columns import Columns

Ignore = Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")]
Category = Annotated[
    list[str] | None, typer.Option(help="A column of categories, whatever it looks like; may be repeated.")
]
Number = Annotated[list[str] | None, typer.Option(help="A column of numbers; may be repeated.")]
Date = Annotated[list[str] | None, typer.Option(help="A column of dates, such as 20240305; may be repeated.")]
Separator = Annotated[str | None, typer.Option(help="Between cells, such as ';' or tab; found out by default.")]
Decimal = Annotated[str | None, typer.Option(help="The decimal mark of numbers: '.' or ','.")]

_LOOKED_AT = 1_000_000  # rows, for cells such as 01001 in a column of whole numbers; it takes as long as to read them
_TYPED = (".parquet", ".pq")  # files whose numbers are no text
_MOST_ROWS = 200  # of the table of columns on the screen
_UNNAMED = ("0", "row names", "Unnamed: 0")  # names that readers and pandas give to a first column without one
_PADDED = re.compile(r"(?m)^\s*0\d")


class Declared(NamedTuple):
    """What the options of `mdn fit` say of columns."""

    ignore: tuple[str, ...]
    category: tuple[str, ...]
    number: tuple[str, ...]
    date: tuple[str, ...]

    @classmethod
    def of(cls, ignore, category, number, date) -> Declared:
        """From the options, of which those that were not given are None."""
        return cls(*(tuple(dict.fromkeys(each or ())) for each in (ignore, category, number, date)))

    def check(self, table: Table, target: str | None) -> None:
        """Stops with a message if a column is not there, is declared twice, or is the target."""
        named = [(option, name) for option in self._fields for name in getattr(self, option)]
        for option, name in named:
            table.select([name])
            if name == target and option != "number":
                stop(f"--{option} {name}: this is the target, which must be a column of numbers.")
        for (option, name), (other, same) in itertools.combinations(named, 2):
            if name == same:
                stop(f"column {name!r} stands in --{option} and in --{other}: say one of them.")


def reading(separator: str | None, decimal: str | None) -> dict[str, Any]:
    """The arguments of `read_table` and `read_chunks` for `--separator` and `--decimal`; none where they were not given."""
    marks = {"\\t": "tab", "\t": "tab", " ": "space"}
    said = {"separator": marks.get(separator or "", separator), "decimal": decimal}
    return {name: value for name, value in said.items() if value is not None}


def learnt(columns: Columns, options: Mapping[str, Any]) -> dict[str, Any]:
    """The argument of `read_table` and `read_chunks` for the decimal marks of training, which `--decimal` overrules."""
    return {"learnt": columns.decimals} if columns.decimals and "decimal" not in options else {}


def text_names(columns: Columns, path: Path) -> list[str]:
    """The columns of a file that a model reads as text. Codes such as 01001 that Parquet holds as numbers stay numbers, so
    that the model knows that their zeros are lost.
    """
    from mdn.tabular.levels import code_width

    typed = path.suffix.lower() in _TYPED
    return [name for name in columns.text_names if not (typed and code_width(columns.levels[name] or ()))]


@contextmanager
def saying_unknown_levels() -> Iterator[None]:
    """Prints each warning of levels that training did not show once a column, as a sentence."""
    from mdn.tabular.columns import UnknownLevels

    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", UnknownLevels)
        others = warnings.showwarning

        def show_warning(message, category, *place, **more):
            if not issubclass(category, UnknownLevels):
                others(message, category, *place, **more)
                return
            column = str(message).split(": ")[0]
            if column not in said:
                said.add(column)
                typer.secho(f"mdn: {message}", err=True)

        warnings.showwarning = show_warning
        yield


def read(path: Path, console, text=(), **options) -> Table:
    """Reads a table, with a bar, and says what the reader had to guess."""
    from mdn.data import read_table

    with share(console, "reading") as on_share:
        table = read_table(path, text=text, on_share=on_share, **options)
    say_note(table)
    return table


def read_to_learn(path: Path, console, declared: Declared, **options) -> Table:
    """Reads a table whose columns are as declared. Whole numbers of which some begin with 0, such as 01001, are categories."""
    from mdn.data.declared import declare

    text = [*declared.category, *declared.date]
    table = read(path, console, text, **options)
    codes = _codes(path, table, declared, options)
    if codes:
        names = ", ".join(map(repr, codes))
        typer.secho(
            f"mdn: {path}: cells of {names} begin with 0, so they are taken for categories; --number takes them for numbers.",
            err=True,
        )
        with share(console, "reading") as on_share:
            from mdn.data import read_table

            table = read_table(path, text=[*text, *codes], on_share=on_share, **options)
    return declare(table, category=declared.category, number=declared.number, date=declared.date)


def _codes(path: Path, table: Table, declared: Declared, options: dict[str, Any]) -> list[str]:
    """The columns of whole numbers of a text file of which some begin with 0, such as 01001.

    The first million rows are looked at: a column whose only such cells come later is taken for numbers.
    """
    import numpy as np

    from mdn.data import read_chunks
    from mdn.data.tables import is_missing

    def whole(cells) -> bool:
        return isinstance(cells, np.ndarray) and not (np.floor(cells) != cells)[~np.isnan(cells)].any()

    open_names = [] if path.suffix.lower() in _TYPED else [
        name for name, cells in zip(table.columns, table.cells, strict=True) if whole(cells) and name not in declared.number
    ]  # fmt: skip
    padded: set[str] = set()
    rows = 0
    chunks = read_chunks(path, keep=tuple(open_names), **options) if open_names else ()
    for chunk in chunks:
        for name in open_names.copy():
            cells = [str(cell) for cell in chunk.cells[chunk.columns.index(name)]]
            digits = "".join(cells).isdecimal() or all(c.strip().isdecimal() or is_missing(c) for c in cells)
            if not digits:
                open_names.remove(name)
            elif name not in padded and _PADDED.search("\n".join(cells)):
                padded.add(name)
        rows += len(chunk)
        if not open_names or rows >= _LOOKED_AT:
            break
    return [name for name in open_names if name in padded]


class Asked(NamedTuple):
    """A table and what is to be predicted from it.

    Attributes:
        table: The whole table.
        x: The features.
        y: The target, NaN where missing, `(N,)`; None if none is named.
        target: Its name.
        declared: What the options say of columns.
        row_numbers: The name of a first column that only numbers the rows, else "".
    """

    table: Table
    x: Table
    y: Any
    target: str | None
    declared: Declared
    row_numbers: str

    def columns(self, x: Table) -> Columns:
        """What each column of the features `x` is, and those that are ignored."""
        from mdn.tabular.columns import Columns

        columns = Columns.learn(x)
        _complete(columns, self)
        columns.remember(self.table, [*columns.levels, *([] if self.target is None else [self.target])])
        return columns


def asked(data: Path, target: str | None, declared: Declared, console, separator, decimal) -> Asked:
    """Reads a table, and stops with a message if it has no target of this name, or no feature."""
    table = read_to_learn(data, console, declared, **reading(separator, decimal))
    declared.check(table, target)
    y = None if target is None else target_of(table, target)
    gone = declared.ignore if target is None else (target, *declared.ignore)
    x, index = without_index(table.drop(*gone), table, declared)
    if not x.columns:
        stop(f"{str(data)!r} has no column beside {target!r} to predict it from.")
    return Asked(table, x, y, target, declared, index)


def say_note(table: Table) -> None:
    """Prints what the reader had to guess."""
    if table.note:
        typer.secho(f"mdn: {table.note}", err=True)


def target_of(table: Table, target: str):
    """The target as numbers `(N,)`.

    Raises:
        ValueError: if there is no such column, if its numbers can be read in two ways, or if it holds text: then the first
            such cell is shown.
    """
    import numpy as np

    from mdn.data.tables import shown

    numbers, text = table.numbers_and_text(target)
    if not text:
        return numbers
    notation = table.notations.get(target)
    if notation is not None and notation.problem:
        return table.column(target)  # raises the sentence that says so
    cell = table.cells[table.columns.index(target)][text[0]]
    others = [repr(name) for name, each in zip(table.columns, table.cells, strict=True) if isinstance(each, np.ndarray)]
    listed = ", ".join(others[:20]) + (", ..." if len(others) > 20 else "")
    choose = f"Choose a numeric column with --target ({listed})" if others else "Choose a numeric column with --target"
    more = f", and {len(text) - 1} more such cells" if len(text) > 1 else ""
    raise ValueError(
        f"{table.source}: the target {target!r} must hold numbers, but holds text: {shown(cell)} in line "
        f"{table.lines[text[0]]}{more}. {choose}, or correct these cells, or encode them as numbers."
    )


def without_index(x: Table, whole: Table, declared: Declared) -> tuple[Table, str]:
    """(the features without a first column that only numbers the rows, its name or "")."""
    import numpy as np

    name = whole.columns[0]
    unnamed = name == "Unnamed: 0" or (name in _UNNAMED and f"called {name!r}" in whole.note)
    cells = whole.cells[0]
    if name not in x.columns or not unnamed or not isinstance(cells, np.ndarray):
        return x, ""
    if name in {*declared.category, *declared.number, *declared.date}:
        return x, ""
    if not any(np.array_equal(cells, np.arange(len(cells)) + start) for start in (0, 1)):
        return x, ""
    typer.secho(
        f"mdn: the first column has no name and only numbers the rows, so it is left out; --number {shlex.quote(name)} keeps it.",
        err=True,
    )
    return x.drop(name), name


def _complete(columns: Columns, asked: Asked) -> None:
    """Adds the columns that are ignored, and the index, to what is known of columns."""
    from mdn.tabular.columns import IGNORED, INDEX, About

    _, _, _, target, declared, index = asked
    known = {each.name: each for each in columns.about}
    known |= {name: About(name, IGNORED, "--ignore") for name in declared.ignore}
    if index:
        known[index] = About(index, INDEX, "counts the rows")
    columns.about = tuple(known[name] for name in asked.table.columns if name in known and name != target)
    columns.left_out = tuple(
        dict.fromkeys([*columns.left_out, *(n for n in declared.ignore if n != target), *([index] * bool(index))])
    )


def show(console, columns: Columns) -> None:
    """Prints the table of columns, and which of them are left out."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="columns")
    for heading in ("column", "taken for", "in the rows to learn from"):
        table.add_column(heading)
    for about in columns.about[:_MOST_ROWS]:
        table.add_row(*map(escape, about))
    console.print(table)
    if len(columns.about) > _MOST_ROWS:
        console.print(f"... and {len(columns.about) - _MOST_ROWS} more columns")
    if columns.warning:
        typer.secho(f"mdn: {columns.warning}", err=True)
