"""Which rows of a table `mdn fit` learns from, stops the training by, calibrates on, and judges by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from mdn_commands.shared import stop, tell

if TYPE_CHECKING:
    import numpy as np

    from mdn.data import Table
    from mdn_commands.columns import Asked

_FEWEST = 10
_FEWEST_SUMMED = 5  # rows: a number is the sum of two others by chance
_END = 20  # rows at the end among which some sum up the others
_TOTALS = {"total", "totals", "subtotal", "sub-total", "summe", "gesamt", "gesamtsumme", "zwischensumme", "insgesamt"}
_MEANS = {"mean", "average", "avg", "sum", "mittelwert", "durchschnitt", "moyenne", "promedio", "gemiddelde"}
_COPIES = 0.05  # of the rows set aside: fewer hardly change the figures
_USED = {"learn": "from", "judge": "by", "calibrate": "on"}


class By(NamedTuple):
    """The column of `--split-by`.

    Attributes:
        name: Its name.
        dates: Whether it is a column of dates; else it holds groups.
        values: For each row days since 1970, or the number of its group; NaN where missing, `(N,)`.
        zone: The time zone of dates, "" if they have none.
    """

    name: str
    dates: bool
    values: np.ndarray
    zone: str = ""


class Parts(NamedTuple):
    """Rows of a table by what they are for, as indices in ascending order.

    Attributes:
        learn: The network learns from them; a part of them stops the training in time where `stop` is empty.
        stop: They stop the training in time, if `--split-by` deals the rows.
        calibrate: Intervals are calibrated on them, with `--calibrate`.
        judge: The figures are made from them.
    """

    learn: np.ndarray
    stop: np.ndarray
    calibrate: np.ndarray
    judge: np.ndarray


def by_column(table: Table, name: str) -> By:
    """The column of `--split-by`, which holds dates if it is declared so or nine of ten cells are dates.

    Raises:
        ValueError: if it holds dates of which one cannot be read, or is declared a column of numbers and holds others.
    """
    import numpy as np

    from mdn.tabular.dates import dates_of, holds_dates
    from mdn.tabular.frames import column

    one = column(table, name)
    if holds_dates(one):
        dates = dates_of(one)
        return By(name, True, dates.days, dates.zone)
    return By(name, False, np.where(one.missing, np.nan, np.unique(one.words, return_inverse=True)[1]))


def known_rows(asked: Asked, console) -> np.ndarray:
    """The rows that can be used; says how many have no target, no weight, or no place in the split."""
    import numpy as np

    from mdn.wording import agreed, counted

    known = np.ones(len(asked.x), bool)
    if (total := said_of_total(asked.table)) is not None:
        tell(total)

    def leave_out(gone, what: str) -> None:
        nonlocal known
        count = int(np.sum(gone & known))
        if count:
            console.print(f"{counted(count, 'row')} {what} {agreed(count, 'is', 'are')} left out.")
        known = known & ~gone

    leave_out(np.isnan(asked.y).all(axis=1), "without a target")
    if asked.weight is not None:
        leave_out(~(asked.weight > 0.0), "without a weight, or of weight 0,")
    if asked.by is not None:
        leave_out(np.isnan(asked.by.values), f"without a {asked.by.name!r}")
    return np.flatnonzero(known)


def deal(asked: Asked, rows: np.ndarray, test_share: float, stop_share: float, calibrate: bool, seed: int) -> Parts:
    """Deals `rows` of a table to the parts of a training; stops with a message if a part has too few of a target.

    Args:
        asked: The table.
        rows: From `known_rows`.
        test_share: The share of the rows that the figures are made from.
        stop_share: The share of the others that stops the training in time, if `--split-by` deals the rows.
        calibrate: Whether intervals are calibrated.
        seed: The seed of the rows, or of the groups, that are drawn.
    """
    import numpy as np

    from mdn import tabular
    from mdn.tabular import conformal, splits

    for target, column in zip(asked.roles.target_names, asked.y[rows].T, strict=True):
        check_target(column[~np.isnan(column)], target)
    by, rng, none = asked.by, np.random.default_rng(seed), rows[:0]
    if by is None:
        rest, judge = (rows[part] for part in tabular.split_rows(len(rows), test_share, seed))
        learn, aside = [rest[part] for part in conformal.split_rows(len(rest), seed)] if calibrate else [rest, none]
        return _checked(asked, Parts(learn, none, aside, judge))

    rows_aside = conformal.rows_aside if calibrate else None
    try:
        found = splits.dealt(by.values[rows], by.dates, test_share, rows_aside, stop_share, rng)
    except splits.TooFew:
        refuse(by.name, by.dates, len(np.unique(by.values[~np.isnan(by.values)])), calibrate)
    learn, judge, aside, stopping = (rows[part] for part in found)
    return _checked(asked, Parts(learn, stopping, aside, judge))


def said_of_split(by: By, parts: Parts) -> str:
    """The sentence that says which rows are set aside to judge by."""
    import numpy as np

    from mdn.tabular import splits

    if by.dates:
        return splits.said_of_dates(by.name, by.values[parts.judge].min(), by.zone)
    aside, every = (len(np.unique(by.values[rows])) for rows in (parts.judge, np.concatenate(parts)))
    return splits.said_of_groups(by.name, aside, every)


def said_of_total(table: Table) -> str | None:
    """The sentence about a last row that sums up the rows above it, by its numbers or by its word; None if none does.

    Rows at the end that hold no number, such as a source, are passed over.

    Args:
        table: The whole table.
    """
    import numpy as np

    numbers = {name: one for name, one in zip(table.columns, table.cells, strict=True) if isinstance(one, np.ndarray)}
    end = [row for row in range(len(table))[-_END:] if any(np.isfinite(cells[row]) for cells in numbers.values())]
    if not end or len(table) < _FEWEST_SUMMED:
        return None
    last = end[-1]
    sums, others = [], 0
    for name, cells in numbers.items():
        if not np.isfinite(cells[last]):
            continue
        above = cells[:last][np.isfinite(cells[:last])]
        # the least number that is a sum of several is greater than each of them; a rare 1 among zeros is none
        if (
            len(above)
            and cells[last] > np.abs(above).max()
            and np.isclose(cells[last], above.sum(), rtol=1e-9, atol=0.0)
        ):
            sums.append(name)
        else:
            others += 1
    if len(sums) > others:
        return (
            f"line {table.lines[last]}: {', '.join(map(repr, sums))} {'is' if len(sums) == 1 else 'are'} the sum of the rows "
            "above. If the line is a total, delete it: it counts as a row like any other."
        )
    for row in end:
        for name, words in zip(table.columns, table.cells, strict=True):
            if name not in numbers and _sums_up(words[row]) and words[row] not in words[:row]:
                return (
                    f"line {table.lines[row]}: column {name!r} has {words[row]!r} there, and in no row above. If the line, or "
                    "one below it, sums up the rows above, delete it: it counts as a row like any other."
                )
    return None


def _sums_up(cell: str) -> bool:
    """Whether a cell is a word for a total or a mean; behind a word for a total more may follow, as in "Total 2024"."""
    words = [word.strip(":.") for word in cell.casefold().removeprefix("grand ").split()]
    return bool(words) and (words[0] in _TOTALS or (len(words) == 1 and words[0] in _MEANS))


def said_of_copies(x: Table, y: np.ndarray, parts: Parts) -> str | None:
    """The sentence about rows set aside that are equal to rows which are learnt from; None where these are few.

    Args:
        x: The features.
        y: The targets `(N, D)`.
        parts: The parts of the table.
    """
    import numpy as np

    from mdn.data.row_hashes import value_hashes
    from mdn.wording import agreed, counted

    found = value_hashes([*x.cells, *np.asarray(y, "float64").T])
    equal = int(np.isin(found[parts.judge], found[np.concatenate(parts[:-1])]).sum())
    if equal < _COPIES * len(parts.judge):
        return None
    are = agreed(equal, "is", "are")
    return (
        f"{equal} of the {counted(len(parts.judge), 'row')} set aside {are} equal to rows that are learnt from. If these are "
        "copies, the figures below are too good: remove the copies, or name the column that they share with --split-by."
    )


def check_calibrated(name: str, features: Sequence[str]) -> None:
    """Stops with a message if the column of `--calibrate-by` is no feature: new rows must have it, too."""
    if name not in features:
        stop(f"--calibrate-by {name}: it must be a feature, one of {', '.join(map(repr, features))}.")


def check_target(y: np.ndarray, target: str) -> None:
    """Stops with a message if known values `(N,)` of a target are too few, or all the same."""
    from mdn.wording import agreed

    if len(y) < _FEWEST:
        are = agreed(len(y), "is", "are")
        stop(f"at least {_FEWEST} rows with a target are needed, but there {are} {len(y)} with {target!r}.")
    if y.min() == y.max():
        stop(f"the target {target!r} is {y[0]:g} in every row: there is nothing to predict.")


def refuse(name: str, dates: bool, count: int, calibrate: bool) -> NoReturn:
    """Stops with a message about the column of `--split-by`, which has only `count` dates or groups."""
    from mdn.wording import counted

    kind = "date" if dates else "group"
    more = ", to calibrate on" if calibrate else ""
    stop(
        f"--split-by {name}: it has {counted(count, kind)}, too few to learn from some, and to set others aside "
        f"to stop the training by{more} and to judge by: name a column of more {kind}s, or lower --test-share."
    )


def _checked(asked: Asked, parts: Parts) -> Parts:
    """Stops with a message if a part has too few values of a target: before the training, not after it."""
    import numpy as np

    from mdn.tabular import conformal
    from mdn.wording import counted

    needed = {"learn": 2, "judge": 1} | ({"calibrate": conformal.FEWEST} if len(parts.calibrate) else {})
    for part, fewest in needed.items():
        for target, column in zip(asked.roles.target_names, asked.y[getattr(parts, part)].T, strict=True):
            found = int(np.sum(~np.isnan(column)))
            if found < fewest:
                stop(
                    f"the target {target!r} has {counted(found, 'value')} among the rows to {part} {_USED[part]}, but needs "
                    f"{fewest}: leave it out, or take more rows."
                )
    return parts
