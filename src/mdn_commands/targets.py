"""The numbers of a table that a model learns to predict, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from mdn.data import Table


def targets_of(table: Table, names: Sequence[str]) -> np.ndarray:
    """The targets `(N, D)`, NaN where one is missing or infinite.

    Raises:
        ValueError: as `numbers_of` does.
    """
    import numpy as np

    y = np.stack([numbers_of(table, name, "target") for name in names], axis=-1) if names else np.zeros((len(table), 0))
    return np.where(np.isfinite(y), y, np.nan)


def bounds_of(table: Table, names: Sequence[str], censoring: str) -> np.ndarray:
    """The two columns of a censored target as `MDNRegressor.fit` takes them, `(N, 2)`; NaN in both where it is missing.

    Args:
        table: The whole table.
        names: The names of the columns.
        censoring: "right" or "interval".

    Raises:
        ValueError: as `numbers_of` does, or if an event is neither 1 nor 0, or a lower bound lies above the upper one.
    """
    import numpy as np

    roles = ("target", "event") if censoring == "right" else ("lower", "upper")
    first = numbers_of(table, names[0], roles[0])
    words: list[str] = []
    if censoring == "right" and table.numbers_and_text(names[1])[1]:
        words = [word.strip().lower() for word in table.words(names[1:])[0]]
    if words and set(words) <= {"true", "false", ""}:
        second = np.array([np.nan if not word else float(word == "true") for word in words])
    else:
        second = numbers_of(table, names[1], roles[1])
    if censoring == "right":
        wrong = np.flatnonzero(~np.isnan(second) & (second != 0.0) & (second != 1.0))
        if len(wrong):
            raise ValueError(
                f"{table.source}: the event {names[1]!r} must be 1 or 0, but is {second[wrong[0]]:g} in line "
                f"{table.lines[wrong[0]]}. Correct it, or choose another column with --event."
            )
        return np.stack([first, second], axis=1)
    missing = np.isnan(first) & np.isnan(second)
    first, second = np.where(np.isnan(first), -np.inf, first), np.where(np.isnan(second), np.inf, second)
    wrong = np.flatnonzero(first > second)
    if len(wrong):
        raise ValueError(
            f"{table.source}: {names[0]!r} must not exceed {names[1]!r}, but {first[wrong[0]]:g} > {second[wrong[0]]:g} in line "
            f"{table.lines[wrong[0]]}. Correct it, or exchange --lower and --upper."
        )
    return np.where(missing[:, None], np.nan, np.stack([first, second], axis=1))


def points_of(bounds: np.ndarray, censoring: str | None) -> np.ndarray:
    """A point within each pair of bounds, `(N, 1)`, NaN where nothing is known."""
    import numpy as np

    if censoring == "right":
        first, second = bounds[:, :1], bounds[:, 1:]
        return np.where(np.isnan(second) | ~np.isfinite(first), np.nan, first)
    from mdn.distributions.intervals import middle

    return middle(bounds)


def weights_of(table: Table, name: str) -> np.ndarray:
    """The weights `(N,)`, NaN where one is missing.

    Raises:
        ValueError: as `numbers_of` does, or if a weight is less than 0 or infinite.
    """
    import numpy as np

    weights = numbers_of(table, name, "weight")
    bad = np.flatnonzero((weights < 0.0) | np.isinf(weights))
    if len(bad):
        raise ValueError(
            f"{table.source}: the weight {name!r} must be a number of at least 0, but is {weights[bad[0]]:g} in line "
            f"{table.lines[bad[0]]}. Correct it, or choose another column with --weight."
        )
    return weights


def numbers_of(table: Table, name: str, role: str) -> np.ndarray:
    """The numbers of a column `(N,)`, NaN where missing.

    Args:
        table: The whole table.
        name: The name of the column.
        role: "target", "weight" or another option, for the message.

    Raises:
        ValueError: if there is no such column, if its numbers can be read in two ways, or if it holds text: then the first
            such cell is shown.
    """
    import numpy as np

    from mdn.data.tables import shown

    numbers, text = table.numbers_and_text(name)
    if not text:
        return numbers
    notation = table.notations.get(name)
    if notation is not None and notation.problem:
        return table.column(name)  # raises the sentence that says so
    cell = table.cells[table.columns.index(name)][text[0]]
    others = [repr(name) for name, each in zip(table.columns, table.cells, strict=True) if isinstance(each, np.ndarray)]
    listed = f" ({', '.join(others[:20])}{', ...' if len(others) > 20 else ''})" if others else ""
    more = f", and {len(text) - 1} more such cells" if len(text) > 1 else ""
    raise ValueError(
        f"{table.source}: the {role} {name!r} must hold numbers, but holds text: {shown(cell)} in line "
        f"{table.lines[text[0]]}{more}. Choose a numeric column with --{role}{listed}, or correct these cells, or encode them "
        "as numbers."
    )
