"""The inputs of the file of a regressor: what they are called, how they become features, and rows to try the file on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdn.data.dates import local
from mdn.data.notation import MISSING_WORDS, Notation
from mdn.data.tables import Table
from mdn.exporting.graph import Graph, Node
from mdn.tabular.dates import CYCLES, MONDAY, WEEK, DateCode
from mdn.tabular.frames import Column
from mdn.tabular.levels import level_of, places_of

if TYPE_CHECKING:
    from mdn import MDNRegressor

_WEEKS_OF_A_CENTURY = np.arange(0.0, 36_525.0, 7.0)  # from 1970: no zone changes its clock for less than a week
_SECONDS = 86_400.0
_SPREADS = 2.0  # a file is tried on features with this many times the spread of those of training


def feature_count(regressor: MDNRegressor) -> int:
    """F, how many features the columns of a table become."""
    return len(regressor.columns_.names or range(regressor.n_features_in_))


def described(regressor: MDNRegressor) -> list[dict[str, Any]]:
    """Name, shape, type and meaning of each input."""
    columns = regressor.columns_
    if not columns.levels:
        meaning = "features, in the order of training"
        return [{"name": "X", "shape": ["N", regressor.n_features_in_], "type": "float64", "meaning": meaning}]
    found = []
    for name, levels in columns.levels.items():
        if levels is not None:
            kind, meaning = "string", "a category as text; an empty text where it is missing"
        elif name in columns.dates:
            clock = " in UTC" if columns.dates[name].zone else ""
            kind, meaning = "float64", f"a date, as days since 1970-01-01{clock}"
        else:
            unit = (columns.units or {}).get(name, "")
            kind, meaning = "float64", "a number" + (f" in {unit}" if unit else "")
        found.append({"name": name, "shape": ["N", 1], "type": kind, "meaning": meaning})
    return found


def features(graph: Graph, regressor: MDNRegressor) -> Node:
    """The features `(N, F + indicators)`, float64, minus `feature_origin_`, from inputs that it adds to `graph`.

    Raises:
        ValueError: if the clock of a column of dates changes with the season.
    """
    parts = []
    for one in described(regressor):
        name = one["name"]
        values = graph.input(name, one["type"], one["shape"][1])
        levels = regressor.columns_.levels.get(name)
        if levels is not None:
            values = _one_hot(graph, values, levels)
        elif name in regressor.columns_.dates:
            values = _date(graph, values, regressor.columns_.dates[name], name)
        parts.append(values)
    whole = graph.concatenated(parts, axis=1)
    x = whole - regressor.feature_origin_
    if not regressor.indicators_:
        return x
    missing = whole.op("Gather", np.array(regressor.indicators_), axis=1).op("IsNaN", dtype="bool")
    return graph.concatenated([x, missing.cast("float64")], axis=1)


def _one_hot(graph: Graph, text: Node, levels: list[str]) -> Node:
    """One column for each level and one for all others, as `Columns.numbers` makes them; missing text is 0 in all of them."""
    words = {*levels, *(level_of(level) for level in levels), *MISSING_WORDS}
    words |= {turn(word) for word in words for turn in (str.lower, str.upper, str.title)}
    words |= {f"{word}.0" for word in words if word.lstrip("-").isdecimal()}
    written = sorted(words)
    places = places_of(Column("", np.array(written, dtype=object)), levels)
    known = {word: int(place) for word, place in zip(written, places, strict=True) if place < len(levels)}
    place = graph.op(
        "LabelEncoder",
        text,
        dtype="int64",
        domain="ai.onnx.ml",
        keys_strings=list(known),
        values_int64s=list(known.values()),
        default_int64=len(levels),
    )
    return place.op("Equal", np.arange(len(levels) + 1), dtype="bool").cast("float64")


def _date(graph: Graph, days: Node, code: DateCode, name: str) -> Node:
    """What `DateCode.numbers` makes of days since 1970 in UTC."""
    columns = [days - code.origin]
    if code.cycles:
        clock = days + _offset(code.zone, name)
        for cycle in code.cycles:
            angle = (clock + (MONDAY if cycle == WEEK else 0.0)) * (2.0 * np.pi / CYCLES[cycle])
            columns += [angle.op("Sin"), angle.op("Cos")]
    return graph.concatenated(columns, axis=1)


def _offset(zone: str, name: str) -> float:
    """How far the clock of `zone` is ahead of UTC, in days."""
    ahead = local(_WEEKS_OF_A_CENTURY, zone) - _WEEKS_OF_A_CENTURY
    if np.ptp(ahead) > 0.5 / _SECONDS:
        raise ValueError(
            f"the dates of column {name!r} follow the clock of {zone}, which changes with the season, and an exported file knows "
            "no such clock: give fit() dates in UTC or without a time zone, or leave the column out."
        )
    return round(float(ahead[0]) * _SECONDS) / _SECONDS


# ---- rows to try a file on -------------------------------------------------------------------------------------------


def examples(regressor: MDNRegressor, rows: int, seed: int = 0) -> tuple[Any, dict[str, np.ndarray]]:
    """Rows like those of training and beyond: as the table that the regressor takes, and as the inputs of the file.

    Every tenth number is missing where the regressor takes that; categories are levels of training, others, or missing.
    """
    random, columns = np.random.default_rng(seed), regressor.columns_
    shift, spread = regressor.members_[0].layers.features
    width = feature_count(regressor)
    x = shift[:width] + _SPREADS * spread[:width] * random.normal(size=(rows, width)) + regressor.feature_origin_
    may_lack = np.isin(np.arange(width), regressor.indicators_) | (regressor.missing == "median")
    x[(random.uniform(size=x.shape) < 0.1) & may_lack] = np.nan
    if not columns.levels:
        return x, {"X": x}
    cells: list[Any] = []
    given = {}
    for name, place in columns.places.items():
        levels, values = columns.levels[name], x[:, place.start]
        if levels is not None:
            values = random.choice(np.array([*levels, *levels, "no level of training", ""], dtype=object), rows)
            cells.append(tuple(values))
        elif name in columns.dates:
            seconds = np.round(_SECONDS * (values + columns.dates[name].origin))
            cells.append(tuple(_written(each, bool(columns.dates[name].zone)) for each in seconds))
            values = seconds / _SECONDS
        else:
            cells.append(values)
        given[name] = values[:, None]
    notations = {name: Notation(unit=unit) for name, unit in (columns.units or {}).items()}
    text = frozenset(columns.text_names)
    return Table(tuple(given), tuple(cells), np.arange(rows), "examples", text=text, notations=notations), given


def _written(seconds: float, zoned: bool) -> str:
    """A date in ISO 8601, "" where missing."""
    if np.isnan(seconds):
        return ""
    return str(np.datetime64(int(seconds), "s")) + ("Z" if zoned else "")
