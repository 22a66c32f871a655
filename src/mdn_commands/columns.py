"""The columns of a table: what the options of `mdn fit`, `mdn predict` and `mdn report` say of them, and how they are shown."""

from __future__ import annotations

import itertools
import shlex
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mdn_commands.rows import By, by_column
from mdn_commands.shared import share, stop, tell
from mdn_commands.targets import bounds_of, points_of, targets_of, weights_of

if TYPE_CHECKING:
    import numpy as np

    from mdn.data import Table
    from mdn.tabular.columns import Columns
    from mdn.tabular.outside import Outside


_MOST_ROWS = 200  # of the table of columns on the screen
KEEP_NUMBERS = "--number takes them for numbers."
_TOGETHER = [
    *({role, "number"} for role in ("target", "weight", "event", "lower", "upper")),
    *({"split_by", other} for other in ("ignore", "category", "number", "date", "id")),
]  # fmt: skip


class Roles(NamedTuple):
    """What the options of `mdn fit` say of columns: for each option the names of its columns."""

    target: tuple[str, ...]
    ignore: tuple[str, ...]
    category: tuple[str, ...]
    number: tuple[str, ...]
    date: tuple[str, ...]
    id: tuple[str, ...]
    weight: tuple[str, ...]
    split_by: tuple[str, ...]
    event: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, target, ignore, category, number, date, id_, weight, split_by, event=None, lower=None, upper=None
    ) -> Roles:
        """From the options, of which those that were not given are None; stops with a message if they exclude each other."""
        alone = [[] if name is None else [name] for name in (weight, split_by, event, lower, upper)]
        options = (target, ignore, category, number, date, id_, *alone)
        roles = cls(*(tuple(dict.fromkeys(each or ())) for each in options))
        if len(roles.lower) != len(roles.upper):
            stop("--lower and --upper belong together: name both columns.")
        if roles.lower and (roles.target or roles.event):
            stop("--lower and --upper take the place of --target and --event: name either pair.")
        if roles.event and len(roles.target) != 1:
            stop(f"--event belongs to one --target, the time, but {len(roles.target)} came.")
        return roles

    @property
    def censoring(self) -> str | None:
        """As in `MDNRegressor`."""
        return "right" if self.event else "interval" if self.lower else None

    @property
    def bounds(self) -> tuple[str, ...]:
        """The two columns of a censored target."""
        return (*self.target, *self.event) if self.event else (*self.lower, *self.upper)

    @property
    def target_names(self) -> list[str]:
        """The names of what is predicted; of a target between two bounds, both names with "-" between."""
        return [f"{self.lower[0]}-{self.upper[0]}"] if self.lower else list(self.target)

    @property
    def _named(self) -> list[tuple[str, str]]:
        return [(option, name) for option in self._fields for name in getattr(self, option)]

    @property
    def text(self) -> list[str]:
        """The columns whose cells are read as they are written."""
        return [*self.category, *self.date, *self.id, *(name for name in self.split_by if name not in self.number)]

    @property
    def options(self) -> str:
        """The options as they are written in a shell."""
        return " ".join(f"{_written(option)} {shlex.quote(name)}" for option, name in self._named)

    def check(self, table: Table) -> None:
        """Stops with a message if a column is not there, or has two roles that exclude each other."""
        table.select([name for _, name in self._named])
        for (option, name), (other, same) in itertools.combinations(self._named, 2):
            if name != same or {option, other} in _TOGETHER:
                continue
            if option == "target":
                stop(f"{_written(other)} {name}: this is the target, a column of numbers that has no other role.")
            stop(f"column {name!r} stands in {_written(option)} and in {_written(other)}: say one of them.")


def _written(option: str) -> str:
    return "--" + option.replace("_", "-")


def reading(separator: str | None, decimal: str | None) -> dict[str, Any]:
    """The arguments of `read_table` and `read_chunks` for `--separator` and `--decimal`; none where they were not given."""
    marks = {"\\t": "tab", "\t": "tab", " ": "space"}
    said = {"separator": marks.get(separator or "", separator), "decimal": decimal}
    return {name: value for name, value in said.items() if value is not None}


def learnt(columns: Columns, options: Mapping[str, Any]) -> dict[str, Any]:
    """The argument of `read_table` and `read_chunks` for the decimal marks of training, which `--decimal` overrules."""
    return {"learnt": columns.decimals} if columns.decimals and "decimal" not in options else {}


def text_names(columns: Columns, path: Path) -> list[str]:
    """The columns of a file that a model reads as text. Codes such as 01001 that Parquet or Excel holds as numbers stay
    numbers, so that the model knows that their zeros are lost.
    """
    from mdn.data.endings import EXCEL, PARQUET
    from mdn.tabular.levels import code_width

    typed = path.suffix.lower() in (*PARQUET, *EXCEL)  # their numbers are no text
    return [name for name in columns.text_names if not (typed and code_width(columns.levels[name] or ()))]


@contextmanager
def saying_unknown_levels() -> Iterator[set[str]]:
    """Prints each warning of levels that training did not show, or of missing values that it did not, as a sentence, once.

    Yields what the sentences are about, such as "column 'size'".
    """
    from mdn.tabular.columns import UnknownLevels
    from mdn.tabular.features import NewlyMissing

    said: set[str] = set()
    with warnings.catch_warnings():
        for kind in (UnknownLevels, NewlyMissing):
            warnings.simplefilter("always", kind)
        others = warnings.showwarning

        def show_warning(message, category, *place, **more):
            if not issubclass(category, UnknownLevels | NewlyMissing):
                others(message, category, *place, **more)
                return
            column = str(message).split(": ")[0]
            if column not in said:
                said.add(column)
                tell(str(message))

        warnings.showwarning = show_warning
        yield said


def say_outside(outside: Outside, said: Collection[str]) -> None:
    """Prints how many rows lie outside of what was learnt, a sentence a column, unless a warning has `said` so."""
    for name, sentence in outside.sentences().items():
        if not (outside.is_category(name) and f"column {name!r}" in said):
            tell(sentence)


def read(path: Path, console, text=(), **options) -> Table:
    """Reads a table, with a bar, and says what the reader had to guess."""
    from mdn.data import read_table

    with share(console, "reading") as on_share:
        table = read_table(path, text=text, on_share=on_share, **options)
    say_note(table)
    return table


def read_to_learn(path: Path, console, roles: Roles, **options) -> Table:
    """Reads a table whose columns are as declared, by the options or, where these say nothing, by a file of Parquet.

    Codes, some of which begin with 0, such as 01001, are categories.
    """
    from mdn.data import read_table
    from mdn.data.declared import declare
    from mdn.data.sources import declared_categories
    from mdn.tabular import wording

    declared = {name for _, name in roles._named}
    categories = [*roles.category, *(name for name in declared_categories(path) if name not in declared)]
    words = [*roles.text, *categories]
    table = read(path, console, words, **options)
    said = {*roles.number, *roles.target, *roles.weight, *roles.ignore}
    codes = [name for name in table.columns if name in table.padded and name not in said]
    if codes:
        tell(f"{path}: {wording.codes(codes, KEEP_NUMBERS)}")
        with share(console, "reading") as on_share:  # again, since a number has lost how it was written
            table = read_table(path, text=[*words, *codes], on_share=on_share, **options)
    return declare(table, category=categories, number=roles.number, date=roles.date)


class Asked(NamedTuple):
    """A table and what is to be predicted from it.

    Attributes:
        table: The whole table.
        x: The features.
        y: The targets, NaN where missing, `(N, D)`; of a censored one a point within its bounds.
        bounds: What `MDNRegressor.fit` takes for a censored target, `(N, 2)`; None if there is none.
        weight: The weight of each row, NaN where missing, `(N,)`; None if all count alike.
        by: What says which rows are set aside; None if chance does.
        roles: What the options say of columns.
        row_numbers: The name of a first column that only numbers the rows, else "".
    """

    table: Table
    x: Table
    y: np.ndarray
    bounds: np.ndarray | None
    weight: np.ndarray | None
    by: By | None
    roles: Roles
    row_numbers: str

    @property
    def learnt(self) -> np.ndarray:
        """The targets in the form that `MDNRegressor.fit` takes."""
        if self.bounds is not None:
            return self.bounds
        return self.y if self.y.shape[1] > 1 else self.y[:, 0]

    def columns(self, x: Table) -> Columns:
        """What each column of the features `x` is, and the columns that are no features."""
        from mdn.tabular.columns import Columns

        columns = Columns.learn(x)
        complete(columns, self.roles, self.table.columns, self.row_numbers)
        columns.remember(self.table, [*columns.levels, *self.roles.target])
        return columns


def asked(data: Path, roles: Roles, console, separator, decimal) -> Asked:
    """Reads a table, and stops with a message if its columns do not have these roles, or if no feature is left."""
    return asked_of(read_to_learn(data, console, roles, **reading(separator, decimal)), roles)


def asked_of(table: Table, roles: Roles, index: str | None = None) -> Asked:
    """What is to be predicted from a table; stops with a message as `asked` does.

    Args:
        table: The table, or those of its rows that can be used.
        roles: What the options say of columns.
        index: As `Numbering` finds it in the whole table; None to look for it in this one.
    """
    from mdn.data.names import LEAVE_OUT, check_one_of_a_name
    from mdn.tabular.kinds import Numbering

    roles.check(table)
    bounds = bounds_of(table, roles.bounds, roles.censoring) if roles.censoring else None
    y = targets_of(table, roles.target) if bounds is None else points_of(bounds, roles.censoring)
    weight = weights_of(table, roles.weight[0]) if roles.weight else None
    by = by_column(table, roles.split_by[0]) if roles.split_by else None
    gone = {*roles.target, *roles.bounds, *roles.ignore, *roles.id, *roles.weight}
    if by is not None and not by.dates and by.name not in gone.union(roles.category, roles.number):
        gone.add(by.name)
        say_groups(by.name)
    x, index = without_index(table.drop(*gone), Numbering().look(table).name if index is None else index)
    check_one_of_a_name(table, {*roles.target, *roles.bounds}, x.columns, LEAVE_OUT)
    if not x.columns:
        names = " and ".join(map(repr, roles.target or roles.bounds))
        stop(f"{table.source!r} has no column {f'beside {names} ' if names else ''}to predict from.")
    return Asked(table, x, y, bounds, weight, by, roles, index)


def say_groups(name: str) -> None:
    """Prints that a column of groups is no feature."""
    tell(
        f"{name!r} holds groups, and new rows are of new groups, so it is no feature; --category {shlex.quote(name)} keeps it."
    )


def say_note(table: Table) -> None:
    """Prints what the reader had to guess."""
    if table.note:
        tell(table.note)


def say_notes(notes: Mapping[str, str]) -> None:
    """Prints what the reader had to guess of several files, by their names."""
    from mdn.tabular import wording

    for note in wording.notes(notes):
        tell(note)


def without_index(x: Table, index: str) -> tuple[Table, str]:
    """(the features without a first column that only numbers the rows, its name or "")."""
    if index not in x.columns:
        return x, ""
    say_index(index)
    return x.drop(index), index


def say_index(name: str) -> None:
    """Prints that a first column is no feature."""
    from mdn.tabular import wording

    tell(wording.numbering(f"--number {shlex.quote(name)} keeps it."))


def complete(columns: Columns, roles: Roles, names: Sequence[str], index: str) -> None:
    """Adds the columns that are no features to what is known of columns.

    Args:
        columns: What is known of the features.
        roles: What the options say of columns.
        names: The columns of the whole table.
        index: The first column, if it only numbers the rows, else "".
    """
    from mdn.tabular.kinds import BOUND, GROUP, ID, IGNORED, INDEX, WEIGHT, About

    features = {each.name: each for each in columns.about}
    known = {name: About(name, GROUP, "--split-by") for name in roles.split_by}
    known |= {name: About(name, IGNORED, "--ignore") for name in roles.ignore}
    known |= {name: About(name, ID, "--id: carried into predictions") for name in roles.id}
    known |= {name: About(name, BOUND, "of the target") for name in roles.bounds if name not in roles.target}
    known |= {name: About(name, WEIGHT, "--weight: counts in training only") for name in roles.weight}
    known |= {index: About(index, INDEX, "counts the rows")} if index else {}
    known |= features
    columns.about = tuple(known[name] for name in names if name in known)
    columns.left_out += tuple(name for name in known if name not in features)
    columns.ids, columns.bounds = roles.id, roles.bounds


def troubles(columns: Columns) -> list[str]:
    """What is wrong with columns, a sentence each."""
    from mdn.tabular import codes

    return [*([columns.warning] if columns.warning else []), *columns.looks, *codes.sentences(columns.codes)]


def show(console, columns: Columns, learnt_from: Table) -> None:
    """Prints the table of columns, which of them are left out, and how many values are missing in the rows to learn from."""
    from rich.markup import escape
    from rich.table import Table

    from mdn.tabular import wording
    from mdn.wording import counted

    table = Table(title="columns")
    for heading in ("column", "taken for", "in the rows to learn from"):
        table.add_column(heading)
    for about in columns.about[:_MOST_ROWS]:
        table.add_row(*map(escape, about))
    console.print(table)
    if len(columns.about) > _MOST_ROWS:
        console.print(f"... and {counted(len(columns.about) - _MOST_ROWS, 'more column')}")
    for sentence in troubles(columns):
        tell(sentence)
    if said := wording.missing(columns.missing(learnt_from), len(learnt_from)):
        console.print(said)
