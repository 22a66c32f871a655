"""Columns of a frame as numbers: numbers stay, text becomes categories, dates become days and cycles, and names are kept."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from mdn.data.declared import CATEGORY, DATE, NUMBER
from mdn.data.names import check_one_of_a_name
from mdn.data.tables import Table, TableError
from mdn.tabular.dates import DateCode, dates_of
from mdn.tabular.frames import Column, as_numbers, column, is_frame, selected
from mdn.tabular.kinds import EMPTY, IDENTIFIER, INDEX, About, Counted, learn_column
from mdn.tabular.levels import places_of
from mdn.tabular.wording import share
from mdn.wording import agreed, counted

__all__ = ["About", "Columns", "UnknownLevels"]

_MOST_NAMED = 20  # columns that a message names
# A warning is due if more than this share of the cells, and at least so many, are levels that training did not show ...
_MOSTLY, _FEW = 0.5, 5
_FAR_FEWER = 0.5  # ... unless training had more than this part of that share: then such cells are a habit of the column


class UnknownLevels(UserWarning):
    """Most cells of a column of categories are levels that training did not show, so that they count as "(other)"."""


class Columns:
    """How each column becomes numbers, as learnt from the training table.

    Attributes:
        levels: For each column of text its levels, most frequent first; None for a column of numbers or dates. Empty where the
            table is not a frame.
        dates: How each column of dates becomes numbers.
        left_out: Columns that are not used: empty ones, text that differs in nearly every row, and those that `mdn fit` was
            asked to leave out.
        about: What is known of each column of the training table, those left out too.
        decimals: The decimal mark, "," or ".", of columns of the training file, if that was a file.
        units: The unit behind the numbers of a column of the training file, "%" or "‰"; None if training was not from a file,
            so that units are not known.
        others: The share of the rows of training whose level counts as "(other)", for each column of categories.
        from_file: Whether the training table was read from a file.
        ids: The columns that name the rows (`mdn fit --id`), which `mdn predict` writes beside its predictions.
        bounds: The two columns of a censored target: its bounds, or the time and the event.
        money: The currency of a column of the training file, such as "USD", where its numbers had a sign of money.
        codes: Numbers that may stand for missing values in training, as `codes.codes_of` finds them, by column; not in files.
        looks: A sentence for each column of text that looks like numbers, dates or times; not in files.
    """

    def __init__(
        self,
        levels: dict[str, list[str] | None],
        dates: dict[str, DateCode] | None = None,
        left_out: tuple[str, ...] = (),
        about: tuple[About, ...] = (),
        decimals: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        others: Mapping[str, float] | None = None,
        from_file: bool = False,
        ids: tuple[str, ...] = (),
        bounds: tuple[str, ...] = (),
        money: Mapping[str, str] | None = None,
    ):
        self.levels, self.dates, self.left_out, self.about = levels, dates or {}, tuple(left_out), tuple(about)
        self.decimals, self.units = dict(decimals or {}), None if units is None else dict(units)
        self.others, self.from_file, self.ids = dict(others or {}), from_file, tuple(ids)
        self.bounds, self.codes = tuple(bounds), dict[str, Sequence[tuple[float, float]]]()
        self.money, self.looks = dict(money or {}), tuple[str, ...]()

    @classmethod
    def learn(cls, table, counted: Mapping[str, Counted] | None = None) -> Columns:
        """Learns from a training table what each column is.

        What is declared counts: categories of pandas and polars (those of whole numbers, too), columns of dates, and the kinds of
        a `mdn.data.declared.DeclaredTable`. Text is a category; it is a column of dates if nine of ten cells are dates.

        Args:
            table: The training table, or some of its rows.
            counted: The words of columns of text in all rows, if `table` has only some of them.

        Raises:
            ValueError: if the table has no rows, or no column that says anything of new rows; or if columns hold numbers in a
                notation that is not read, such as decimal commas, or dates that can be read in two ways. All such columns are
                named.
        """
        if not is_frame(table):
            return cls({})
        check_rows(table)
        learned, bad = [], []
        for name in table.columns:
            try:
                _check_code(table, name)
                learned.append(learn_column(column(table, name), (counted or {}).get(str(name))))
            except ValueError as error:
                bad.append((str(name), error))
        _refuse(table, bad)
        left_out = tuple(one.about.name for one in learned if not one.kept)
        if learned and len(left_out) == len(learned):
            why = _left_out([one.about for one in learned], isinstance(table, Table))
            raise ValueError(f"{_called(table)} has no column to learn from: {why}.")
        kept = [one for one in learned if one.kept]
        levels = {one.about.name: one.levels for one in kept}
        dates = {one.about.name: one.code for one in kept if one.code is not None}
        others = {one.about.name: one.other for one in kept if one.levels is not None}
        about = tuple(one.about for one in learned)
        columns = cls(levels, dates, left_out, about, others=others, from_file=isinstance(table, Table))
        columns.remember(table, list(levels))
        columns.codes = {one.about.name: one.codes for one in kept if one.codes}
        columns.looks = tuple(one.looks for one in learned if one.looks)
        return columns

    def leave_out_index(self, name: str) -> None:
        """Notes that the first column of the training file, if it has a `name`, only numbers the rows and is no feature."""
        if name:
            self.about = (About(name, INDEX, "counts the rows"), *self.about)
            self.left_out = (*self.left_out, name)

    def remember(self, table, names: Sequence[str]) -> None:
        """Keeps the decimal marks, the units and the currencies that some columns of the training file have."""
        if hasattr(table, "decimals") and hasattr(table, "units"):
            decimals, units = table.decimals(), table.units()
            self.decimals = {name: decimals[name] for name in names if decimals.get(name)}
            self.units = {name: units[name] for name in names if units.get(name)}
        if hasattr(table, "money"):
            self.money = {name: sign for name, sign in table.money().items() if name in names}

    @property
    def has_text(self) -> bool:
        """Whether any column is text, or dates."""
        return bool(self.text_names)

    @property
    def text_names(self) -> list[str]:
        """The names of the columns of text and of dates: a file is read with `text=` these."""
        return [name for name, levels in self.levels.items() if levels is not None or name in self.dates]

    @property
    def table_names(self) -> list[str]:
        """The names of the columns that a table must have."""
        return list(self.levels)

    @property
    def names(self) -> list[str] | None:
        """The names of the columns of `numbers`; None where the table has no names."""
        if not self.levels:
            return None
        found: list[str] = []
        for name, levels in self.levels.items():
            if name in self.dates:
                found += self.dates[name].names(name)
            else:
                found += [name] if levels is None else [f"{name}={level}" for level in [*levels, "(other)"]]
        return found

    @property
    def places(self) -> dict[str, slice]:
        """Where each column of the table is among the columns of `numbers`; empty where the table has no names."""
        found, first = {}, 0
        for name, levels in self.levels.items():
            count = 1 if levels is None else len(levels) + 1
            if name in self.dates:
                count = len(self.dates[name].names(name))
            found[name] = slice(first, first + count)
            first += count
        return found

    @property
    def warning(self) -> str:
        """The sentence that says which columns are left out; "" if none is."""
        gone = [each for each in self.about if each.name in self.left_out and each.kind in (EMPTY, IDENTIFIER)]
        if not gone:
            return ""
        they, them = ("They are", "them") if len(gone) > 1 else ("It is", "it")
        return f"{_left_out(gone, self.from_file)}. {they} left out, and predictions do not need {them}."

    def kept(self, table):
        """A frame without the columns that are left out, if it has some; anything else as it is."""
        if not self.left_out or not is_frame(table):
            return table
        names = [name for name in table.columns if str(name) not in self.left_out]
        return table if len(names) == len(table.columns) else selected(table, names)

    def numbers(self, table):
        """A frame as float64 `(N, ...)`, with several columns for one of text or dates; anything else as it is.

        A level not seen in training counts as "other"; missing text counts as no level at all.

        Raises:
            ValueError: if a column is missing, or holds something else than in training.
        """
        if not is_frame(table):
            return table
        found = {str(name): name for name in table.columns}
        self.check_names(table)
        names = self.levels or dict.fromkeys(found)
        parts = [self._part(table, found, name) for name in names]
        return np.concatenate(parts, axis=-1) if parts else table

    def missing(self, table) -> dict[str, int]:
        """How many values of each column of numbers or dates are missing in a frame."""
        kinds = {name: DATE if name in self.dates else NUMBER for name, levels in self.levels.items() if levels is None}
        return {name: int(column(table, name, kind).missing.sum()) for name, kind in kinds.items()}

    def check(self, table) -> None:
        """Raises a ValueError that names each column of a frame that cannot become numbers, as `numbers` does for the first."""
        bad = []
        found = {str(name): name for name in table.columns}
        for name in self.levels:
            try:
                self._part(table, found, name)
            except ValueError as error:
                bad.append((name, error))
        _refuse(table, bad)

    def check_names(self, table, others: Sequence[str] = ()) -> None:
        """Raises a ValueError if a `Table` has two columns with the name of a column in use, or of one of `others`.

        A column that was there in training and left out is not mixed up with its twin.
        """
        if isinstance(table, Table):
            wanted = {*self.levels, *(others if self.about else ())}  # old files of models do not say what was left out
            rest = [name for name in table.columns if name not in self.left_out]
            check_one_of_a_name(table, wanted, rest, "leave the other one out of the file")

    def check_unit(self, table, name: str) -> None:
        """Raises a ValueError if a column has another unit behind its numbers than in training, or another currency."""
        paid, pays = self.money.get(name), table.money().get(name) if hasattr(table, "money") else None
        if paid and pays and paid != pays:
            raise ValueError(
                f"{table.source}: column {name!r} had amounts in {paid} in training, but has them in {pays} here. Write them "
                "in the currency that they had in training, or train on a table like this one."
            )
        if self.units is None or not hasattr(table, "units"):
            return
        had, has = self.units.get(name, ""), table.units().get(name, "")
        if had == has or (not has and not np.isfinite(table.column(name)).any()):
            return
        was, now = (repr(unit) if unit else "no unit" for unit in (had, has))
        remedy = f"Write its numbers with {had!r}" if had else f"Write its numbers without {has!r}"
        raise ValueError(
            f"{table.source}: column {name!r} had {was} behind its numbers in training, but has {now} here. {remedy}, in the "
            "unit that they had in training, or train on a table like this one."
        )

    def _part(self, table, found: Mapping, name: str) -> np.ndarray:
        """The columns of `numbers` that one column of a frame becomes; `found` are the columns of the frame by their names."""
        if name not in found:
            if isinstance(table, Table):
                table.select([name])  # raises the sentence about a column that is not there
            raise ValueError(f"X has no column {name!r}, which was there in training.")
        levels = self.levels.get(name)
        kind = DATE if name in self.dates else NUMBER if levels is None else CATEGORY
        one = column(table, found[name], kind)
        if kind == DATE:
            return self._days(one, table)
        if levels is None:
            said = "held numbers in training: it" if self.levels else "is not known from training by its name: it"
            self.check_unit(table, name)
            numbers = as_numbers(f"column {name!r} {said}", one.plain_values)
            _refuse_infinite(table, one, numbers)
            return numbers[:, None]
        places = places_of(one, levels)
        self._warn_of_levels(one, places == len(levels))
        part = np.zeros((len(places), len(levels) + 1))
        known = np.flatnonzero(places >= 0)
        part[known, places[known]] = 1.0
        return part

    def _warn_of_levels(self, one: Column, other: np.ndarray) -> None:
        part, before = float(np.mean(other)), self.others.get(one.name, 0.0)
        if other.sum() < _FEW or part <= _MOSTLY or before > _FAR_FEWER * part:
            return
        row = int(np.argmax(other))
        known = ", ".join(map(repr, (self.levels[one.name] or [])[:3]))
        were = f", but {share(before)} in training," if one.name in self.others else ""
        warnings.warn(
            f"column {one.name!r}: {share(part)} of the rows{were} hold levels that training did not show or had too few "
            f"of, such as {one.texts[row]!r} in {one.place(row)}, and count as (other). Check that they are written as in "
            f"training ({known}).",
            UnknownLevels,
            stacklevel=2,
        )

    def _days(self, one: Column, table) -> np.ndarray:
        code = self.dates[one.name]
        try:
            return code.numbers(dates_of(one, code))
        except ValueError as error:
            said = str(error)
            said = said if said.startswith("column") else f"column {one.name!r}: {said}"
            if isinstance(table, Table):
                raise TableError(f"{table.source}: {said}") from None
            raise ValueError(said) from None


def _refuse_infinite(table, one: Column, numbers: np.ndarray) -> None:
    """Raises a TableError that names the first infinite number of a column of a file; `features` looks at other tables."""
    rows = np.flatnonzero(np.isinf(numbers)) if isinstance(table, Table) else np.array([], int)
    if len(rows):
        more = f", and {counted(len(rows) - 1, 'more such cell')}" if len(rows) > 1 else ""
        first = f"{numbers[rows[0]]:g} in {one.place(int(rows[0]))}"
        raise TableError(
            f"{table.source}: column {one.name!r} holds {first}{more}, but must be finite: an empty cell is a missing one."
        )


def _check_code(table, name: str) -> None:
    """Raises a ValueError if a column of a `Table`, not declared, holds numbers whose cells may have been codes."""
    if name not in getattr(table, "padded", ()) or name in getattr(table, "kinds", {}):
        return
    raise ValueError(
        f"column {name!r} holds numbers, but some of its cells begin with 0 or +, which numbers lose: read it as a category, "
        f"read_table(path, text=[{name!r}]) or source_of(path, category=[{name!r}]), or say that it holds numbers or dates, "
        f"mdn.data.declared.declare(table, number=[{name!r}])."
    )


def check_rows(table) -> None:
    """Raises a ValueError if a frame has no rows."""
    if hasattr(table, "__len__") and not len(table):
        raise ValueError(f"{_called(table)} has no rows: it has 0, and a minimum of 1 is required.")


def _called(table) -> str:
    """What messages call a table."""
    return table.source if isinstance(table, Table) else "X"


# ---- columns in sentences ---------------------------------------------------------------------------------------------


def _left_out(gone: list[About], from_file: bool) -> str:
    """Half a sentence that names columns and says why they are of no use."""
    reasons = []
    for kind, why in (
        (IDENTIFIER, "text that differs in nearly every row, which says nothing of new rows"),
        (EMPTY, "nothing at all"),
    ):
        names = [each.name for each in gone if each.kind == kind]
        if names:
            reasons.append(f"{named(names)} {'hold' if len(names) > 1 else 'holds'} {why}")
    numeric = [each.name for each in gone if "numbers as text" in each.detail]
    if numeric and from_file:
        options = " ".join(f"--number {shlex.quote(name)}" for name in numeric[:_MOST_NAMED])
        reasons.append(f"take {named(numeric)} for numbers with {options} if they are quantities")
    elif numeric:
        reasons.append(f"make {named(numeric)} numbers first (pandas.to_numeric) if they are quantities")
    return "; ".join(reasons)


def named(names: list[str]) -> str:
    """Names of columns in a sentence."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{agreed(len(names), 'column', 'columns')} {', '.join(map(repr, names[:_MOST_NAMED]))}{more}"


def _refuse(table, bad: list[tuple[str, ValueError]]) -> None:
    """Raises the error of the one column that cannot be used, or one that names all of them."""
    if not bad:
        return
    in_file = isinstance(table, Table)
    options = " ".join(f"--ignore {shlex.quote(name)}" for name, _ in bad[:_MOST_NAMED])
    if len(bad) == 1:
        error, said = bad[0][1], str(bad[0][1])
        if not in_file:
            raise error
        if isinstance(error, TableError) and "--ignore" not in said:
            said = f"{said} Correct it, or leave the column out with {options}."
        raise TableError(said if table.source in said else f"{table.source}: {said}")
    remedy = f"leave them out with {options}" if in_file else "leave the columns out"
    cells = "; ".join(f"{name!r} ({_bad_cell(table, name, error)})" for name, error in bad[:_MOST_NAMED])
    source = f"{table.source}: " if in_file else ""
    more = f"; and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    raise ValueError(
        f"{source}{len(bad)} columns cannot be used as they are: {cells}{more}. Correct them, or {remedy}."
    )


def _bad_cell(table, name: str, error: ValueError) -> str:
    if isinstance(table, Table):
        text = table.numbers_and_text(name)[1]
        if text and isinstance(error, TableError):
            return f"{table.cells[table.columns.index(name)][text[0]]!r} in line {table.lines[text[0]]}"
    said = str(error).removeprefix(f"{getattr(table, 'source', '')}: ")
    return said.removeprefix(f"column {name!r} ").split(". ")[0].rstrip(".")
