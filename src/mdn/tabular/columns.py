"""Columns of a frame as numbers: numbers stay, text becomes categories, dates become days and cycles, and names are kept."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from mdn.data.declared import CATEGORY, DATE, NUMBER
from mdn.data.tables import Table, TableError, foreign_number, parse
from mdn.tabular.dates import DateCode, dates_of, described, holds_dates
from mdn.tabular.frames import Column, as_numbers, column, is_frame, is_na, is_number
from mdn.tabular.wording import plain, share

EMPTY, IDENTIFIER, IGNORED, INDEX = "empty", "identifier", "ignored", "index"
_MOST_LEVELS = 128  # of one column; rarer levels count as "other", like those never seen
_ROWS_A_LEVEL = 5  # at least, so that a column never has more levels than a fifth of the rows
_FEW_LEVELS = 8  # but so many are kept however rare they are
_IDENTIFIER, _MANY_LEVELS = 0.5, 100  # a column with more different texts than this share of the rows identifies rows
_NEARLY_ALL, _ENOUGH = 0.9, 20  # and so does one of fewer texts, in at least 20 rows
_MOST_NAMED = 20  # columns that a message names


class About(NamedTuple):
    """One row of the table of columns.

    Attributes:
        name: The name of the column.
        kind: What it was taken for: "number", "category", "date", "empty", "identifier", "ignored" or "index".
        detail: The range of numbers or dates, the levels, the share of missing cells.
    """

    name: str
    kind: str
    detail: str


class Columns:
    """How each column becomes numbers, as learnt from the training table.

    Attributes:
        levels: For each column of text its levels, most frequent first; None for a column of numbers or dates. Empty where the
            table is not a frame.
        dates: How each column of dates becomes numbers.
        left_out: Columns that are not used: empty ones, and text that differs in nearly every row.
        about: What is known of each column of the training table, those left out too.
    """

    def __init__(
        self,
        levels: dict[str, list[str] | None],
        dates: dict[str, DateCode] | None = None,
        left_out: tuple[str, ...] = (),
        about: tuple[About, ...] = (),
    ):
        self.levels, self.dates, self.left_out, self.about = levels, dates or {}, tuple(left_out), tuple(about)

    @classmethod
    def learn(cls, table) -> Columns:
        """Learns from a training table what each column is.

        What is declared counts: categories of pandas and polars (those of whole numbers, too), columns of dates, and the kinds of
        a `mdn.data.declared.DeclaredTable`. Text is a category; it is a column of dates if nine of ten cells are dates.

        Raises:
            ValueError: if the table has no rows, or no column that says anything of new rows; or if columns hold numbers in a
                notation that is not read, such as decimal commas, or dates that can be read in two ways. All such columns are
                named.
        """
        if not is_frame(table):
            return cls({})
        names = [str(name) for name in table.columns]
        if len(set(names)) < len(names):
            return cls({})  # two columns of one name: columns are then known by their places only
        check_rows(table)
        learned, bad = [], []
        for name in table.columns:
            try:
                learned.append(_learn(column(table, name)))
            except ValueError as error:
                bad.append((str(name), error))
        _refuse(table, bad)
        left_out = tuple(one.about.name for one in learned if not one.kept)
        if learned and len(left_out) == len(learned):
            raise ValueError(f"X has no column to learn from: {_left_out([one.about for one in learned])}.")
        kept = [one for one in learned if one.kept]
        levels = {one.about.name: one.levels for one in kept}
        dates = {one.about.name: one.code for one in kept if one.code is not None}
        return cls(levels, dates, left_out, tuple(one.about for one in learned))

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
        return f"{_left_out(gone)}. {they} left out, and predictions do not need {them}."

    def kept(self, table):
        """A frame without the columns that are left out, if it has some; anything else as it is."""
        if not self.left_out or not is_frame(table):
            return table
        names = [name for name in table.columns if str(name) not in self.left_out]
        if len(names) == len(table.columns):
            return table
        return table.select(names) if hasattr(table, "select") else table[names]

    def numbers(self, table):
        """A frame as float64 `(N, ...)`, with several columns for one of text or dates; anything else as it is.

        A level not seen in training counts as "other"; missing text counts as no level at all.

        Raises:
            ValueError: if a column is missing, or holds something else than in training.
        """
        if not is_frame(table):
            return table
        found = {str(name): name for name in table.columns}
        if len(found) < len(table.columns):
            return table
        parts = []
        for name, levels in (self.levels or dict.fromkeys(found)).items():
            if name not in found:
                raise ValueError(f"X has no column {name!r}, which was there in training.")
            kind = DATE if name in self.dates else NUMBER if levels is None else CATEGORY
            one = column(table, found[name], kind)
            if kind == DATE:
                parts.append(self._days(one))
            elif levels is None:
                said = "held numbers in training: it" if self.levels else "is not known from training by its name: it"
                parts.append(as_numbers(f"column {name!r} {said}", one.values)[:, None])
            else:
                text = np.array(one.words, dtype=object)
                known = np.stack([text == level for level in levels], axis=-1).reshape(len(text), len(levels))
                other = ~known.any(axis=-1) & (text != "")
                parts.append(np.concatenate([known, other[:, None]], axis=-1).astype("float64"))
        return np.concatenate(parts, axis=-1) if parts else table

    def _days(self, one: Column) -> np.ndarray:
        code = self.dates[one.name]
        try:
            return code.numbers(dates_of(one, code))
        except ValueError as error:
            said = str(error)
            raise ValueError(said if said.startswith("column") else f"column {one.name!r}: {said}") from None


def check_rows(table) -> None:
    """Raises a ValueError if a frame has no rows."""
    if hasattr(table, "__len__") and not len(table):
        raise ValueError("X has no rows: it has 0, and a minimum of 1 is required.")


def target_numbers(y):
    """Targets with NaN where one is missing in the notation of a frame, a series or a list, such as None or NA.

    Raises:
        ValueError: if a target is text, or a date.
    """
    found = {str(name): y[name] for name in y.columns} if is_frame(y) else {}
    if not found or len(found) < len(y.columns):
        _check_target(y)
        return with_nan(y)
    return np.stack([_target(f"the target {name!r}", np.asarray(values)) for name, values in found.items()], axis=-1)


def _check_target(y) -> None:
    """Raises a ValueError if an array, a series or a list of targets holds dates or text."""
    if not isinstance(y, list | tuple | np.ndarray) and not hasattr(y, "to_numpy"):
        return
    try:
        array = np.asarray(y)
    except ValueError:  # lists of different lengths, of which scikit-learn speaks
        return
    if array.ndim in (1, 2) and (array.dtype.kind in "MUm" or array.dtype == object):
        name = getattr(y, "name", None)
        for values in array.reshape(len(array), -1).T:
            _target("the target" if name in (None, "") else f"the target {str(name)!r}", values)


def _target(name: str, values: np.ndarray) -> np.ndarray:
    try:
        return as_numbers(name, values)
    except ValueError as error:
        remedy = (
            "Make it a number first, such as the days since some day."
            if "holds dates" in str(error)
            else "Choose a numeric column, or encode its words as numbers; for classes take a classifier."
        )
        raise ValueError(f"{str(error).rstrip('.')}. {remedy}") from None


def with_nan(values):
    """An array of objects with NaN in place of missing ones; any other value as it is."""
    if not isinstance(values, list | tuple | np.ndarray) and not hasattr(values, "to_numpy"):
        return values
    array = np.asarray(values)
    if array.dtype != object or array.ndim not in (1, 2):
        return values
    return np.array([np.nan if is_na(value) else value for value in array.flat], object).reshape(array.shape)


def check_finite(x: np.ndarray, names=None, missing_too: bool = True) -> None:
    """Raises a ValueError if features are infinite, or NaN if `missing_too`; it names the column and counts the rows."""
    for bad, what in ((np.isnan(x), "NaN"), (np.isinf(x), "infinity")):
        if not bad.any() or (what == "NaN" and not missing_too):
            continue
        place = int(np.argmax(bad.any(axis=0)))
        name = repr(str(names[place])) if names is not None else str(place)
        others = int(bad.any(axis=0).sum()) - 1
        also = f", and {others} more columns hold some" if others else ""
        raise ValueError(
            f"Input X contains {what}: {int(bad[:, place].sum())} of {len(x)} rows in column {name}{also}. "
            "Leave those rows out, or fill them first (sklearn.impute.SimpleImputer)."
        )


# ---- what a column is ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Learned:
    about: About
    kept: bool = True
    levels: list[str] | None = None
    code: DateCode | None = None


def _learn(one: Column) -> _Learned:
    missing = one.missing
    gone = f"; {share(float(np.mean(missing)))} missing" if missing.any() else ""
    if missing.all():
        return _Learned(About(one.name, EMPTY, "no cell holds anything"), kept=False)
    if holds_dates(one):
        dates = dates_of(one)
        code = DateCode.learn(dates)
        return _Learned(About(one.name, DATE, described(code, dates.days) + gone), code=code)
    if one.declared != CATEGORY and _holds_numbers(one):
        numbers = as_numbers(f"column {one.name!r}", one.values)
        numbers = numbers[np.isfinite(numbers)]
        reach = f"{plain(numbers.min())} to {plain(numbers.max())}" if len(numbers) else "infinite"
        return _Learned(About(one.name, NUMBER, reach + gone))
    text = [word for word in one.words if word]
    words, counts = np.unique(text, return_counts=True)
    if not one.declared:
        _check_notation(one, text)
        if _tells_rows_apart(len(words), len(text), len(missing)):
            numeric = " of numbers as text" if not parse(text)[1] else " of text"
            return _Learned(
                About(one.name, IDENTIFIER, f"{len(words)} levels{numeric} in {len(missing)} rows"), kept=False
            )
    order = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    order = order[: max(_FEW_LEVELS, int(np.sum(counts[order] >= _ROWS_A_LEVEL)))]
    other = 1.0 - float(counts[order].sum()) / len(text)
    levels = f"{len(words)} level{'s' * (len(words) > 1)}"
    if other:
        levels = f"{len(order)} of {levels} kept, {share(other)} of the rows are (other)"
    return _Learned(About(one.name, CATEGORY, levels + gone), levels=[str(words[at]) for at in order])


def _holds_numbers(one: Column) -> bool:
    if one.declared == NUMBER or one.values.dtype.kind in "biufm":
        return True
    return one.values.dtype == object and all(map(is_number, one.values[~one.missing]))


def _tells_rows_apart(levels: int, known: int, rows: int) -> bool:
    return levels > max(_MANY_LEVELS, _IDENTIFIER * rows) or (known >= _ENOUGH and levels > _NEARLY_ALL * known)


def _check_notation(one: Column, text: list[str]) -> None:
    foreign = foreign_number(text) if one.lines is None else None  # the reader of a file has looked already
    if foreign is not None:
        raise ValueError(
            f"column {one.name!r} holds numbers in a notation that is not read: {foreign!r} in row "
            f"{one.words.index(foreign)}. Make them numbers first (pandas.to_numeric, after str.replace), or a column of type "
            "category if they are none."
        )


def _left_out(gone: list[About]) -> str:
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
    if numeric:
        reasons.append(f"make {named(numeric)} numbers first (pandas.to_numeric) if they are quantities")
    return "; ".join(reasons)


def named(names: list[str]) -> str:
    """Names of columns in a sentence."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"column{'s' * (len(names) > 1)} {', '.join(map(repr, names[:_MOST_NAMED]))}{more}"


def _refuse(table, bad: list[tuple[str, ValueError]]) -> None:
    """Raises the error of the one column that cannot be used, or one that names all of them."""
    if not bad:
        return
    in_file = isinstance(table, Table)
    options = " ".join(f"--ignore {name}" for name, _ in bad[:_MOST_NAMED])
    if len(bad) == 1:
        said = str(bad[0][1])
        if not isinstance(bad[0][1], TableError) or "--ignore" in said:
            raise bad[0][1]
        raise TableError(f"{said} Correct it, or leave the column out with {options}.")
    remedy = f"leave them out with {options}" if in_file else "leave the columns out"
    cells = "; ".join(f"{name!r} ({_bad_cell(table, name, error)})" for name, error in bad[:_MOST_NAMED])
    source = f"{table.source}: " if in_file else ""
    more = f"; and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    raise ValueError(
        f"{source}{len(bad)} columns cannot be used as they are: {cells}{more}. Correct them, or {remedy}."
    )


def _bad_cell(table, name: str, error: ValueError) -> str:
    if isinstance(table, Table):
        one = table.select([name])
        text = one._parse(0)[1]
        if text and isinstance(error, TableError):
            return f"{one.cells[0][text[0]]!r} in line {table.lines[text[0]]}"
    said = str(error)
    return said.removeprefix(f"column {name!r} ").split(". ")[0].rstrip(".")
