"""How the answers move with one column of a table: partial dependence, of quantiles."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdn.data.dates import Dates, local
from mdn.data.declared import CATEGORY, DATE, NUMBER
from mdn.numerics import is_whole
from mdn.tabular.columns import named
from mdn.tabular.dates import CYCLES
from mdn.tabular.features import places_of
from mdn.wording import counted

OTHER = "(other)"
"""The level of all texts that training has not seen, or rarely."""
_ENDS = 0.01, 0.99  # a few extreme values would take most of the grid
_SECONDS = 86_400.0
_SMALL, _LARGE = 1e-6, 1e12  # ranges of numbers that are written without an exponent


@dataclasses.dataclass(frozen=True, eq=False)
class Dependence:
    """The mean over rows of the predicted quantiles, where all rows have the same value in one column.

    Attributes:
        column: The name of the column, "x0", "x1", ... where it has none.
        kind: "number", "category" or "date".
        grid: The values of the column, `(G,)`: float64, levels as text, or datetime64, on the clock of the column's time zone.
        levels: The probabilities of the quantiles, `(L,)`.
        quantiles: `(G, L)` or, if the targets of training had columns, `(G, D, L)`; in the units of the targets.
        target_names: The names of the targets.
        rows: How many rows were used.
    """

    column: str
    kind: str
    grid: np.ndarray
    levels: np.ndarray
    quantiles: np.ndarray
    target_names: tuple[str, ...]
    rows: int

    def of_target(self, target: int = 0) -> np.ndarray:
        """The quantiles of one target, `(G, L)`."""
        return self.quantiles if self.quantiles.ndim == 2 else self.quantiles[:, target]

    @property
    def values(self) -> list[str]:
        """The grid as text; dates without a time of day if all of them are midnights."""
        if self.kind == DATE and not np.any(self.grid.astype("int64") % int(_SECONDS)):
            return [str(each) for each in self.grid.astype("datetime64[D]")]
        return _digits(self.grid) if self.kind == NUMBER else [str(each) for each in self.grid]

    def __str__(self) -> str:
        heads = [f"{100.0 * level:g} %" for level in self.levels]
        values = self.values
        width = max(len(self.column), *map(len, values))
        lines = []
        for d, target in enumerate(self.target_names):
            lines += ["  ".join([self.column.ljust(width), *(head.rjust(10) for head in heads), f"({target})"])]
            cells = np.reshape(_digits(self.of_target(d).reshape(-1)), (len(values), -1))
            for value, row in zip(values, cells, strict=True):
                lines.append("  ".join([value.ljust(width), *(each.rjust(10) for each in row)]))
        return "\n".join([*lines, f"(means over {counted(self.rows, 'row')})"])


def _digits(numbers: np.ndarray) -> list[str]:
    """Numbers with as many digits as tell them apart: three or four of their range; whole numbers as such."""
    reach = float(np.ptp(numbers)) or float(np.max(np.abs(numbers)))
    if not _SMALL < reach < _LARGE:
        return [f"{each:.6g}" for each in numbers]
    places = 0 if np.all(numbers == np.round(numbers)) else max(0, 3 - int(np.floor(np.log10(reach))))
    return [f"{each:.{places}f}" for each in numbers]


def dependence_of(regressor, X, column, *, levels, grid: int = 20, rows: int = 500, seed: int = 0) -> Dependence:
    """See `MDNRegressor.partial_dependence`.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        column: The name of a column, or its place from 0 among those that the model uses.
        levels: The probabilities of the quantiles.
        grid: How many values of the column at most.
        rows: How many rows at most.
        seed: The seed for the rows.

    Raises:
        ValueError: if there is no such column, no value is known in it, or a level does not lie between 0 and 1.
    """
    levels = np.atleast_1d(np.asarray(levels, "float64"))
    if levels.ndim != 1 or not len(levels) or not np.all((levels > 0.0) & (levels < 1.0)):
        raise ValueError(f"`levels` must lie between 0 and 1, such as (0.05, 0.5, 0.95), but {levels.tolist()} came.")
    for what, value in (("grid", grid), ("rows", rows)):
        if value < 1:
            raise ValueError(f"`{what}` must be at least 1, but {value!r} came.")
    if regressor.trunk_ is not None:
        raise ValueError(
            "partial dependence needs a table with columns, but this model has a `trunk`: use `importances`."
        )
    x = np.asarray(regressor._features(X))
    name, place = _find(regressor, column)
    kind, values, inputs = _grid(regressor, x, name, place, int(grid))
    if len(x) > rows:
        x = x[np.sort(np.random.default_rng(seed).choice(len(x), rows, replace=False))]
    tables = np.tile(x, (len(values), 1, 1))
    block = tables[:, :, place]
    tables[:, :, place] = np.where(np.isnan(inputs)[:, None], block, inputs[:, None])
    found = _quantiles(regressor, tables.reshape(-1, x.shape[1]), levels)  # (G·N, D, L)
    means = regressor.outcome_.mean_of_quantiles(found.reshape(len(values), len(x), *found.shape[1:]))
    return Dependence(
        column=name,
        kind=kind,
        grid=values,
        levels=levels,
        quantiles=means if regressor.n_targets_ else means[:, 0],
        target_names=tuple(regressor.target_names_),
        rows=len(x),
    )


def _quantiles(regressor, x, levels) -> np.ndarray:
    """`(N, D, L)` of inputs that `_features` returned."""
    nothing = np.zeros((len(x), regressor._event_size))
    found = regressor._ask_inputs(x, lambda mixture, _: regressor._quantiles_of(mixture, levels), nothing)
    return found + regressor.target_origin_[:, None]


def _find(regressor, column) -> tuple[str, np.ndarray]:
    """(the name of a column, its places among the inputs)."""
    places = places_of(regressor)
    if str(column) in places:
        return str(column), places[str(column)]
    if is_whole(column) and 0 <= column < len(places):
        return [*places.items()][column]
    left_out = str(column) in regressor.columns_.left_out
    why = f"{column!r} was left out in training" if left_out else f"the model has no column {column!r}"
    raise ValueError(f"`column` must be a column that the model uses, but {why}. It uses {named([*places])}.")


def _grid(regressor, x, name: str, place: np.ndarray, count: int) -> tuple[str, np.ndarray, np.ndarray]:
    """(the kind of a column, its values on the grid, their inputs `(G, inputs)`, NaN for an input that stays as it is)."""
    columns, width = regressor.columns_, x.shape[1] - len(regressor.indicators_)
    own = place[place < width]
    origin = np.broadcast_to(regressor.feature_origin_, (width,))[own]
    found = x[:, own] + origin
    known = np.zeros((1, len(place) - len(own)))  # no value on the grid is missing

    def moved(inputs):
        return np.concatenate([inputs - origin, np.repeat(known, len(inputs), axis=0)], axis=1)

    if name in columns.dates:
        values, inputs = _dates(columns.dates[name], found, name, count)
        return DATE, values, moved(inputs)
    levels = columns.levels.get(name)
    if levels is not None:
        values = levels[:count] + [OTHER] * bool(found[:, -1].any())
        inputs = np.eye(found.shape[1])[[*range(len(levels[:count])), -1][: len(values)]]
        return CATEGORY, np.array(values, dtype=object), moved(inputs)
    numbers = np.unique(_known(found[:, 0], name))
    if len(numbers) > count:
        ends = np.linspace(*_ENDS, count) if count > 1 else 0.5
        numbers = np.unique(np.quantile(_known(found[:, 0], name), ends, method="nearest"))
    return NUMBER, numbers, moved(numbers[:, None])


def _dates(code, found: np.ndarray, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(dates on a grid, their inputs), where cycles that the grid is too coarse for are NaN."""
    days = np.unique(_known(found[:, 0], name)) + code.origin
    step = 0.0
    if len(days) > count:
        days = np.linspace(days[0], days[-1], count)
        step = float(days[-1] - days[0]) / max(count - 1, 1)
        days = np.unique(np.round(days)) if step > 1.0 else days
    inputs = code.numbers(Dates(days, code.zone))
    for place, cycle in enumerate(code.cycles):
        if CYCLES[cycle] < 2.0 * step:
            inputs[:, 1 + 2 * place : 3 + 2 * place] = np.nan
    clock = local(days, code.zone)
    seconds = _SECONDS * np.round(clock) if step > 1.0 else np.round(_SECONDS * clock)
    return seconds.astype("int64").astype("datetime64[s]"), inputs


def _known(values: np.ndarray, name: str) -> np.ndarray:
    known = values[~np.isnan(values)]
    if not len(known):
        raise ValueError(f"column {name!r} holds no value in these rows: give rows in which it is known.")
    return known
