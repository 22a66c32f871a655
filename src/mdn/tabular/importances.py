"""How much the answers need each column of a table: permutation importances, for the density, the median and the spread."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdn import numerics
from mdn.tabular import inputs
from mdn.tabular.features import places_of
from mdn.tabular.wording import plain
from mdn.wording import agreed, counted

LEVELS = np.array([0.05, 0.5, 0.95], "float32")
"""The quantiles that are asked for."""
_ROWS_A_CALL = 32_768  # shuffled tables are predicted in parts, since they take memory
_SHOWN = 20  # columns that `str` shows
_NAME = 40  # characters of a name that it shows


@dataclasses.dataclass(frozen=True, eq=False)
class Importances:
    """What it costs that one column is shuffled among the rows, so that each row is answered with a wrong value there.

    `median` and `spread` have shape `(F,)` or, if the targets of training had columns, `(F, D)`.

    A standard error says how far the mean would move with other rows and with another shuffling. Each row counts twice, since
    it gets the value of another row and lends its own: its share of the mean is the sum of both. The error is a little too large
    if `repeats` is small.

    Attributes:
        names: The columns of the table that the model uses; "x0", "x1", ... where they have no names.
        nll: By how many nats a row the negative log-likelihood grows, `(F,)`. Of several targets it is that of all together.
        nll_error: Its standard error.
        median: By how much the mean absolute error of the median grows, in the unit of the target. A column that tells only how
            uncertain the target is does not count here.
        median_error: Its standard error.
        spread: How much the width of the 90 % interval changes: the mean of the absolute change of its logarithm, so that 0.1 is
            about 10 %. It asks for no target, so it says what the model does, not whether that is right, and is never below 0:
            compare columns with one another.
        spread_error: Its standard error.
        target_names: The names of the targets.
        rows: How many rows were used.
        repeats: How many times each column was shuffled.
    """

    names: tuple[str, ...]
    nll: np.ndarray
    nll_error: np.ndarray
    median: np.ndarray
    median_error: np.ndarray
    spread: np.ndarray
    spread_error: np.ndarray
    target_names: tuple[str, ...]
    rows: int
    repeats: int

    @property
    def order(self) -> np.ndarray:
        """The places of the columns in `names`, the most important by `nll` first."""
        return np.argsort(-np.nan_to_num(self.nll, nan=-np.inf), kind="stable")

    def of_target(self, measure: str, target: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """(a measure, its standard error), each `(F,)`.

        Args:
            measure: "nll", "median" or "spread".
            target: The number of the target, for the median and the spread.

        Raises:
            ValueError: if there is no such measure.
        """
        if measure not in ("nll", "median", "spread"):
            raise ValueError(f'`measure` must be "nll", "median" or "spread", but {measure!r} came.')
        found = getattr(self, measure), getattr(self, f"{measure}_error")
        return found if found[0].ndim == 1 else (found[0][:, target], found[1][:, target])

    def table(self) -> list[tuple[str, ...]]:
        """Rows of text for a table, the names of the columns first, in the order of importance."""
        several = len(self.target_names) > 1
        heads, measures = ["NLL, nats"], [self.of_target("nll")]
        for d, name in enumerate(self.target_names):
            of = f" of {name}" if several else ""
            heads += [f"median{of}", f"spread{of}"]
            measures += [self.of_target("median", d), self.of_target("spread", d)]
        rows = [("column", *heads)]
        for at in self.order:
            rows.append((self.names[at], *(_with_error(values[at], errors[at]) for values, errors in measures)))
        return rows

    def __str__(self) -> str:
        rows = [[each if len(each) <= _NAME else each[:_NAME] + "..." for each in row] for row in self.table()]
        more = len(rows) - 1 - _SHOWN
        rows = rows[: _SHOWN + 1]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in rows
        ]
        lines += [f"and {counted(more, 'more column')}"] if more > 0 else []
        times = "once" if self.repeats == 1 else f"{self.repeats} times"
        return "\n".join([*lines, f"(± standard error; {counted(self.rows, 'row')}, each column shuffled {times})"])


def _with_error(value: float, error: float) -> str:
    """A value and its error, which has two digits."""
    if not np.isfinite(error) or error <= 0.0:
        return f"{plain(value)} ± {plain(error)}"
    places = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{places}f} ± {error:.{places}f}" if places < 8 else f"{value:.2g} ± {error:.2g}"


def importances_of(regressor, X, y, *, repeats: int = 5, seed: int = 0, rows: int = 2000) -> Importances:
    """See `MDNRegressor.importances`.

    Columns are shuffled after they became inputs: rows become inputs one by one, so all inputs of a column, shuffled together,
    are those of the shuffled column.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        y: Targets.
        repeats: How many times each column is shuffled.
        seed: The seed for the rows and the shuffling.
        rows: How many rows at most.

    Raises:
        ValueError: if `repeats` or `rows` is too small, or fewer than 2 rows have a target.
    """
    for what, value, least in (("repeats", repeats, 1), ("rows", rows, 2)):
        if value < least:
            raise ValueError(f"`{what}` must be at least {least}, but {value!r} came.")
    x = regressor._features(X)
    y, bounds = regressor._points(y), regressor._bounds(y)[0]
    inputs.check_rows_of_targets(y, len(x))
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(~np.isnan(bounds).all(axis=1))
    if len(known) < 2:
        raise ValueError(
            f"importances need at least 2 rows with a target, but {len(known)} of {counted(len(y), 'row')} "
            f"{agreed(len(known), 'has', 'have')} one: give more rows, or take those whose target is known."
        )
    if len(known) > rows:
        known = np.sort(rng.choice(known, rows, replace=False))
    size = y.shape[1]
    x, y = (
        x[known],
        np.concatenate([y, bounds], axis=1)[known] - np.tile(regressor.target_origin_, 1 + bounds.shape[1] // size),
    )
    places = places_of(regressor)
    donors = np.stack([[rng.permutation(len(x)) for _ in range(repeats)] for _ in places])  # (F, repeats, N)
    whole = _answers(regressor, x, y)
    changes = np.concatenate(
        [_changes(whole, found) for found in _shuffled(regressor, x, y, [*places.values()], donors)]
    ).reshape(*donors.shape, -1)
    mean, error = (np.stack(each) for each in zip(*map(mean_and_error, changes, donors), strict=True))
    median, spread = slice(1, 1 + size), slice(1 + size, None)

    def of_targets(values):
        return values if regressor.n_targets_ else values[:, 0]

    return Importances(
        names=tuple(places),
        nll=mean[:, 0],
        nll_error=error[:, 0],
        median=of_targets(mean[:, median]),
        median_error=of_targets(error[:, median]),
        spread=of_targets(mean[:, spread]),
        spread_error=of_targets(error[:, spread]),
        target_names=tuple(regressor.target_names_),
        rows=len(x),
        repeats=int(repeats),
    )


def _shuffled(regressor, x, y, places: list[np.ndarray], donors):
    """Yields the answers for shuffled tables, `(tables, N, 1 + 2·D)`, for some columns and repeats at a time."""
    count = len(x)
    jobs = [(column, repeat) for column in range(len(places)) for repeat in range(donors.shape[1])]
    at_once = max(1, _ROWS_A_CALL // count)
    for first in range(0, len(jobs), at_once):
        some = jobs[first : first + at_once]
        tables = np.tile(x, (len(some), 1, 1))
        for table, (column, repeat) in zip(tables, some, strict=True):
            table[:, places[column]] = x[donors[column, repeat]][:, places[column]]
        found = _answers(regressor, tables.reshape(-1, x.shape[1]), np.tile(y, (len(some), 1)))
        yield found.reshape(len(some), count, -1)


def _answers(regressor, x, y) -> np.ndarray:
    """-log density, then the absolute error of each median, then the log of the width of each 90 % interval: `(N, 1 + 2·D)`.

    `y` holds targets minus `target_origin_`, `(N, D)`, and beside them the bounds of the sets that they stand for. The error of
    a missing target is NaN.
    """
    size = regressor._event_size

    def ask(mixture, y):
        return regressor._score(mixture, y[:, size:]), regressor._quantiles_of(mixture, LEVELS)

    (score, quantiles), y = regressor._ask_inputs(x, ask, y), y[:, :size]
    # the ends of a needle far from 0 may be one and the same in float32
    width = np.maximum(quantiles[..., 2] - quantiles[..., 0], numerics.SMALLEST_SCALE)
    error = np.abs(regressor.outcome_.apart(quantiles[..., 1] - y))
    return np.concatenate([-score[:, None], error, np.log(width)], axis=1)


def _changes(whole: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    size = (whole.shape[1] - 1) // 2
    changes = shuffled - whole
    changes[..., 1 + size :] = np.abs(changes[..., 1 + size :])
    return changes


def mean_and_error(changes: np.ndarray, donors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the mean change, its standard error), each `(M,)`.

    The mean is a U-statistic of pairs of rows: row `i` gets the value of row `donors[r, i]`. Its variance is that of the sum of
    what a row adds as the one that gets a value, and as the one that lends it.

    Args:
        changes: By how much a measure changes in each repeat for each row, `(repeats, N, M)`; NaN where it is not known.
        donors: Whose value each row gets, `(repeats, N)`, a permutation in each repeat.

    Reference:
        Hoeffding (1948), A class of statistics with asymptotically normal distribution.
    """
    count = changes.shape[1]
    known = ~np.isnan(changes)
    total = np.sum(known, axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.sum(np.where(known, changes, 0.0), axis=(0, 1)) / total
        apart = np.where(known, changes - mean, 0.0)
        lent = np.take_along_axis(apart, np.argsort(donors, axis=1)[..., None], axis=1)
        share = np.sum(apart + lent, axis=0) * (count / total)
        return mean, np.sqrt(np.sum(share**2, axis=0) / (count * (count - 1.0)))
