"""Which rows of a table `mdn fit` learns from, stops the training by, calibrates on, and judges by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from mdn_commands.shared import stop

if TYPE_CHECKING:
    import numpy as np

    from mdn.data import Table
    from mdn_commands.columns import Asked

_FEWEST = 10
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

    known = np.ones(len(asked.x), bool)

    def leave_out(gone, what: str) -> None:
        nonlocal known
        count = int(np.sum(gone & known))
        if count:
            console.print(f"{count} rows {what} are left out.")
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
        seed: Of the rows, or of the groups, that are drawn.
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

    def split(rows, share) -> list[np.ndarray]:
        values = by.values[rows]
        if len(np.unique(values)) < 2:
            _refuse(by, calibrate)
        parts = splits.latest(values, share) if by.dates else splits.whole_groups(values, share, rng)
        return [rows[part] for part in parts]

    rest, judge = split(rows, test_share)
    rest, aside = split(rest, conformal.rows_aside(len(rest)) / len(rest)) if calibrate else [rest, none]
    learn, stopping = split(rest, stop_share)
    return _checked(asked, Parts(learn, stopping, aside, judge))


def said_of_split(by: By, parts: Parts) -> str:
    """The sentence that says which rows are set aside to judge by."""
    import numpy as np

    from mdn.data.dates import local, shown_day

    if by.dates:
        first = shown_day(local(by.values[parts.judge], by.zone).min())
        return f"The latest rows are set aside, those from {first} on, by {by.name!r}."
    aside, every = (len(np.unique(by.values[rows])) for rows in (parts.judge, np.concatenate(parts)))
    return f"Whole groups are set aside, {aside} of {every}, by {by.name!r}."


def check_target(y: np.ndarray, target: str) -> None:
    """Stops with a message if known values `(N,)` of a target are too few, or all the same."""
    if len(y) < _FEWEST:
        stop(f"at least {_FEWEST} rows with a target are needed, but there are {len(y)} with {target!r}.")
    if y.min() == y.max():
        stop(f"the target {target!r} is {y[0]:g} in every row: there is nothing to predict.")


def _refuse(by: By, calibrate: bool) -> NoReturn:
    import numpy as np

    kind = "date" if by.dates else "group"
    count = len(np.unique(by.values[~np.isnan(by.values)]))
    more = ", to calibrate on" if calibrate else ""
    stop(
        f"--split-by {by.name}: it has {count} {kind}{'s' * (count != 1)}, too few to learn from some, and to set others aside "
        f"to stop the training by{more} and to judge by: name a column of more {kind}s, or lower --test-share."
    )


def _checked(asked: Asked, parts: Parts) -> Parts:
    """Stops with a message if a part has too few values of a target: before the training, not after it."""
    import numpy as np

    from mdn.tabular import conformal

    needed = {"learn": 2, "judge": 1} | ({"calibrate": conformal.FEWEST} if len(parts.calibrate) else {})
    for part, fewest in needed.items():
        for target, column in zip(asked.roles.target_names, asked.y[getattr(parts, part)].T, strict=True):
            found = int(np.sum(~np.isnan(column)))
            if found < fewest:
                stop(
                    f"the target {target!r} has {found} values among the rows to {part} {_USED[part]}, but needs {fewest}: "
                    "leave it out, or take more rows."
                )
    return parts
