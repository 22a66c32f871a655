"""What if: a model of a table, asked about one row whose values a person moves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mdn_studio.refused import Refused

_MIDDLE = (0.25, 0.75)  # the ends of the interval that holds half
_INNER = (
    0.001,
    0.05,
    0.25,
    0.5,
    0.75,
    0.999,
)  # quantiles that are points of the curve: a needle may fall between the others
_FAR = 3.0  # spreads of a feature on each side of its middle, where no table is there to show its range
_MOST_LEVELS = 130
_LARGEST = 1e15


class Model:
    """A trained model, and the rows of its table that were set aside.

    Args:
        path: Of the file of `mdn fit`.
        data: The table that it learnt from, as `mdn fit` asks for it; None if it is not known.
        calibrated: Whether rows of that table were set aside to calibrate.

    Attributes:
        regressor: The model.
        aside: The rows of `data` that were set aside to judge by.

    Raises:
        ValueError: if the file holds no model of a table.
    """

    def __init__(self, path: Path, data=None, calibrated: bool = False):
        from mdn_commands.predictions import regressor_of
        from mdn_commands.shared import listening

        with listening():
            self.regressor = regressor_of(path)
        self.columns, self.targets = self.regressor.columns_, list(self.regressor.target_names_)
        self._data, self.aside = self._rows_of(data, calibrated) if data is not None else (None, [])
        self._kinds = {name: self._kind(name) for name in self.columns.table_names}
        self.features = [self._feature(name) for name in self.columns.table_names]
        self.axes = self._axes()

    def _rows_of(self, data, calibrated: bool):
        """(the table, the rows set aside), or nothing if it is not the table of this model any more."""
        import io

        from rich.console import Console

        from mdn_commands import rows
        from mdn_commands.shared import listening

        if set(self.columns.table_names) - set(data.table.columns) or list(data.roles.target_names) != self.targets:
            return None, []
        with listening():
            known = rows.known_rows(data, Console(file=io.StringIO()))
            parts = rows.deal(data, known, 0.2, self.regressor.validation_fraction, calibrated, 0)
        return data, parts.judge

    def _kind(self, name: str) -> str:
        if name in self.columns.dates:
            return "date"
        return "number" if self.columns.levels[name] is None else "category"

    # ---- what can be moved -------------------------------------------------------------------------------------------

    def _feature(self, name: str) -> dict[str, Any]:
        """A column as a slider or a choice: its range or its levels, and where it begins."""
        from mdn.tabular.dependence import OTHER
        from mdn.tabular.features import places_of

        place = places_of(self.regressor)[name]
        kind, found = self._kinds[name], {"name": name, "missing": bool({*place} & {*self.regressor.indicators_})}
        if kind == "category":
            levels = self.columns.levels[name][:_MOST_LEVELS]
            return {**found, "kind": kind, "levels": [*levels, OTHER], "value": levels[0] if levels else OTHER}
        import numpy as np

        numbers = self._numbers(name)
        known = numbers[np.isfinite(numbers)]
        if not len(known):
            known = self._guessed(name, int(place[0]))
        low, middle, high = np.quantile(known, [0.005, 0.5, 0.995], method="nearest")
        whole = bool(np.all(known == np.round(known))) and high - low >= 1.0
        low, high = (low, high) if low < high else (low - 1.0, high + 1.0)
        return {**found, "kind": kind, "min": low, "max": high, "value": middle, "whole": whole}

    def _numbers(self, name: str):
        """The numbers, or days since 1970, of a column of the table; empty without a table."""
        import numpy as np

        from mdn.tabular.dates import dates_of
        from mdn.tabular.frames import column

        if self._data is None:
            return np.zeros(0)
        if self._kinds[name] == "date":
            return dates_of(column(self._data.table, name, "date"), self.columns.dates[name]).days
        return column(self._data.table, name, "number").values.astype("float64")

    def _guessed(self, name: str, place: int):
        """Values about the middle of training, as the scaling of the first network knows it, within the range of training."""
        import numpy as np

        shift, spread = (float(each[place]) for each in self.regressor.members_[0].layers.features)
        origin = np.ravel(self.regressor.feature_origin_)
        origin = origin[place if len(origin) > 1 else 0]
        if name in self.columns.dates:
            origin = origin + self.columns.dates[name].origin
        values = shift + origin + spread * np.linspace(-_FAR, _FAR, 201)
        reach = next((one.detail.partition(";")[0] for one in self.columns.about if one.name == name), "")
        with suppress(ValueError):  # "0 to 12.5", "2024-01-01 to 2024-07-18"; files of older versions say less
            ends = np.array(reach.split(" to "))
            low, high = ends.astype("datetime64[D]" if name in self.columns.dates else "float64").astype("float64")
            values = np.clip(values, low, high)
        return values

    def _axes(self) -> list[tuple[float, float]]:
        """The axis of each target, so that it stands still while the density moves."""
        import numpy as np

        from mdn.tabular.circular import Circle

        outcome = self.regressor.outcome_
        if isinstance(outcome, Circle):
            return [(outcome.low, outcome.low + outcome.period)]
        if self._data is not None:
            ends = [np.nanquantile(y, [0.005, 0.995]) for y in self._data.y.T]
        else:
            row = self.row({each["name"]: each["value"] for each in self.features})
            found = self.regressor._model_quantiles(row, [0.001, 0.999])[0]
            ends = [middle + 2.0 * (pair - middle) for pair in found for middle in [pair.mean()]]
        low, high = (
            np.clip(side, *outcome.bijection.support)
            for side in zip(*((a - 0.1 * (b - a), b + 0.1 * (b - a)) for a, b in ends), strict=True)
        )
        return [(float(a), float(b) if b > a else float(a) + 1.0) for a, b in zip(low, high, strict=True)]

    # ---- one row -----------------------------------------------------------------------------------------------------

    def row(self, values: Mapping[str, Any]):
        """A table of one row.

        Args:
            values: For each column a number, days since 1970 for a date, a level, or None where it is missing.

        Raises:
            Refused: if a column is not there, or has a value of another kind.
        """
        import numpy as np

        from mdn.data.dates import shown_day
        from mdn.data.notation import Notation
        from mdn.data.tables import Table

        cells: list[Any] = []
        for name in self.columns.table_names:
            value, kind = values.get(name), self._kinds[name]
            if name not in values or (value is not None and isinstance(value, str) != (kind == "category")):
                wanted = "a level as text" if kind == "category" else "a number"
                raise Refused(f"column {name!r} needs {wanted}, but {str(values.get(name, 'nothing'))[:40]!r} came.")
            if kind == "category":
                cells.append((value or "",))
            elif value is not None and abs(value) > _LARGEST:
                raise Refused(f"column {name!r} takes numbers of up to {_LARGEST:g}, but {value:g} came.")
            elif kind == "number":
                cells.append(np.array([np.nan if value is None else value]))
            else:
                day = None if value is None else float(np.clip(value, -700_000.0, 2_900_000.0))  # years 54 to 9909
                zone = "Z" if self.columns.dates[name].zone else ""
                cells.append(("" if day is None else shown_day(day) + zone,))
        units = {name: Notation(unit=unit) for name, unit in (self.columns.units or {}).items()}
        text = frozenset(self.columns.text_names)
        return Table(
            tuple(self.columns.table_names), tuple(cells), np.array([1]), "the row", text=text, notations=units
        )

    def answer(self, values: Mapping[str, Any], target: int, line: float | None, coverage: float) -> dict[str, Any]:
        """What the model says of one row.

        Args:
            values: As in `row`.
            target: The place of the target.
            line: Where to ask for the probability above and below; None for the median.
            coverage: Of the interval.
        """
        import numpy as np

        from mdn.tabular.circular import Circle
        from mdn.tabular.curves import curves_of

        if not 0 <= target < len(self.targets):
            raise Refused(f"there is no target number {target}: there are {len(self.targets)}.")
        regressor, row = self.regressor, self.row(values)
        levels = [0.5 - 0.5 * coverage, _MIDDLE[0], 0.5, _MIDDLE[1], 0.5 + 0.5 * coverage]
        quantiles = np.ravel(regressor.predict_quantile(row, levels)).reshape(len(self.targets), -1)[target]
        axis, circle = self.axes[target], isinstance(regressor.outcome_, Circle)
        if not circle:
            axis = min(axis[0], quantiles[0]), max(axis[1], quantiles[-1])
        line = float(quantiles[2]) if line is None else line
        above, below = (
            np.ravel(regressor.predict_probability(row, **{side: line}))[target] for side in ("above", "below")
        )
        span = np.reshape(axis, (2, 1))
        curve = curves_of(regressor, row, target, np.array(_INNER), span=span)[0]
        shown = (curve.grid >= axis[0]) & (curve.grid <= axis[1])
        bands = [quantiles[[0, -1]], quantiles[[1, -2]]]
        return {
            "grid": curve.grid[shown],
            "height": curve.height[shown],
            "top": curve.top,
            "atoms": curve.atoms,
            "counted": curve.counted,
            "axis": axis,
            "bands": [_pieces(band, axis) if circle else [band] for band in bands],
            "ends": bands,
            "median": regressor.outcome_.in_range(quantiles[2]),
            "line": line,
            "above": above,
            "below": below,
        }

    def seen(self, number: int) -> dict[str, Any]:
        """A row that was set aside: its values, and what was observed.

        Args:
            number: Any whole number from 0; rows are counted round and round.

        Raises:
            Refused: if the table of the model is not known.
        """
        import numpy as np

        from mdn.tabular.dependence import OTHER
        from mdn.tabular.frames import column
        from mdn.tabular.levels import places_of

        if self._data is None or not len(self.aside):
            raise Refused("the table of this model is not in the studio, so there is no row of it to show.")
        place = int(self.aside[number % len(self.aside)])
        row = self._data.table.take(np.array([place]))
        values: dict[str, Any] = {}
        for each in self.features:
            name = each["name"]
            if each["kind"] == "category":
                levels = self.columns.levels[name]
                at = int(places_of(column(row, name, "category"), levels)[0])
                values[name] = None if at < 0 else levels[at] if at < min(len(levels), _MOST_LEVELS) else OTHER
            else:
                value = float(self._numbers(name)[place])
                values[name] = value if np.isfinite(value) else None
        return {"values": values, "observed": self._data.y[place], "line": int(row.lines[0]), "of": len(self.aside)}


def _pieces(band, axis) -> list[tuple[float, float]]:
    """An arc on a circle as the pieces of an axis that it covers."""
    low, width = axis[0], axis[1] - axis[0]
    first = low + (band[0] - low) % width
    last = first + min(band[1] - band[0], width)
    return [(first, min(last, axis[1])), *([(low, last - width)] if last > axis[1] else [])]
