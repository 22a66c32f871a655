"""Columns of a frame as numbers: numbers stay, text becomes categories, and names are kept."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from mdn.data.tables import Table, foreign_number

_MOST_LEVELS = 32  # of one column; rarer levels count as "other", like those never seen
_IDENTIFIER = 0.5  # a column with more different texts than this share of the rows identifies rows
_FEW = 100


class Columns:
    """How each column becomes numbers, as learnt from the training table.

    Attributes:
        levels: For each column of text its levels, most frequent first; None for a column of numbers. Empty where the
            table is not a frame.
    """

    def __init__(self, levels: dict[str, list[str] | None]):
        self.levels = levels

    @classmethod
    def learn(cls, table) -> Columns:
        """Learns the levels from a training table.

        Raises:
            ValueError: if a column of text differs in nearly every row, or holds numbers in a notation that is not read,
                such as decimal commas. A frame's column of type category may hold such numbers.
        """
        if not _is_frame(table):
            return cls({})
        found = _columns(table)
        if len(found) < len(table.columns):
            return cls({})  # two columns of one name: columns are then known by their places only
        declared = [_is_declared(table, name) for name in table.columns]
        return cls({name: _levels(name, found[name], said) for name, said in zip(found, declared, strict=True)})

    @property
    def has_text(self) -> bool:
        """Whether any column is text."""
        return bool(self.text_names)

    @property
    def text_names(self) -> list[str]:
        """The names of the columns of text."""
        return [name for name, levels in self.levels.items() if levels is not None]

    @property
    def table_names(self) -> list[str]:
        """The names of the columns that a table must have."""
        return list(self.levels)

    @property
    def names(self) -> list[str] | None:
        """The names of the columns of `numbers`; None where the table has no names."""
        if not self.levels:
            return None
        return [
            name if levels is None else f"{name}={level}"
            for name, levels in self.levels.items()
            for level in ([""] if levels is None else [*levels, "(other)"])
        ]

    def numbers(self, table):
        """A frame as float64 `(N, ...)`, with one column for each level of a column of text; anything else as it is.

        A level not seen in training counts as "other"; missing text counts as no level at all.

        Raises:
            ValueError: if a column is missing, or holds text instead of numbers.
        """
        if not _is_frame(table):
            return table
        parts, found = [], _columns(table)
        if len(found) < len(table.columns):
            return table
        for name, levels in (self.levels or dict.fromkeys(found)).items():
            if name not in found:
                raise ValueError(f"X has no column {name!r}, which was there in training.")
            values = found[name]
            if levels is None:
                parts.append(as_numbers(f"column {name!r} held numbers in training: it", values)[:, None])
                continue
            text = np.array([_text(value) for value in values], dtype=object)
            known = np.stack([text == level for level in levels], axis=-1).reshape(len(text), len(levels))
            other = ~known.any(axis=-1) & (text != "")
            parts.append(np.concatenate([known, other[:, None]], axis=-1).astype("float64"))
        return np.concatenate(parts, axis=-1) if parts else table


def target_numbers(y):
    """Targets with NaN where one is missing in the notation of a frame, a series or a list, such as None or NA.

    Raises:
        ValueError: if a column of a frame holds text.
    """
    found = _columns(y) if _is_frame(y) else {}
    if not found or len(found) < len(y.columns):
        return with_nan(y)
    return np.stack([as_numbers(f"the target {name!r}", values) for name, values in found.items()], axis=-1)


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
        column = int(np.argmax(bad.any(axis=0)))
        name = repr(str(names[column])) if names is not None else str(column)
        others = int(bad.any(axis=0).sum()) - 1
        also = f", and {others} more columns hold some" if others else ""
        raise ValueError(
            f"Input X contains {what}: {int(bad[:, column].sum())} of {len(x)} rows in column {name}{also}. "
            "Leave those rows out, or fill them first (sklearn.impute.SimpleImputer)."
        )


def _is_frame(table) -> bool:
    return hasattr(table, "columns") and hasattr(table, "__getitem__")


def _columns(table) -> dict[str, np.ndarray]:
    return {str(name): np.asarray(table[name]) for name in table.columns}


def _is_declared(table, name) -> bool:
    """Whether the type of a column is declared: a `Table`, whose reader has checked it, or a category of a frame."""
    return isinstance(table, Table) or any(kind in str(table[name].dtype).lower() for kind in ("categor", "enum"))


def is_na(value) -> bool:
    """Whether a cell of a frame is missing: None, NaN, NaT, and the NA of pandas."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # the NA of pandas: NA != NA is NA, which has no truth value
        return True


def _text(value) -> str:
    return "" if is_na(value) else str(value)


def _levels(name: str, values: np.ndarray, declared: bool) -> list[str] | None:
    if values.dtype.kind in "biuf":
        return None
    text = [_text(value) for value in values]
    if values.dtype == object and all(not word or _is_number(value) for word, value in zip(text, values, strict=True)):
        return None  # numbers and None
    foreign = None if declared else foreign_number(word for word in text if word)
    if foreign is not None:
        raise ValueError(
            f"column {name!r} holds numbers in a notation that is not read: {foreign!r} in row {text.index(foreign)}. Make "
            "them numbers first (pandas.to_numeric, after str.replace), or a column of type category if they are none."
        )
    words, counts = np.unique([word for word in text if word], return_counts=True)
    if len(words) > max(_FEW, _IDENTIFIER * len(values)):
        raise ValueError(
            f"column {name!r} holds text that differs in nearly every row ({len(words)} levels in {len(values)} rows): it "
            "tells rows apart but says nothing of new ones. Leave it out."
        )
    return [str(word) for word in words[np.argsort(-counts, kind="stable")][:_MOST_LEVELS]]


def _is_number(value) -> bool:
    return isinstance(value, int | float | Decimal | np.number | np.bool_)


def as_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """A column as float64, NaN where missing.

    Args:
        name: The name of the column, for the message.
        values: An array of any type.

    Raises:
        ValueError: if it holds text.
    """
    if values.dtype.kind in "biuf":
        return values.astype("float64")
    try:
        return np.array([np.nan if _text(value) == "" else float(value) for value in values], "float64")
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers, but holds text.") from None
