"""The rows of a table by which a model of `mdn fit` is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdn_commands import columns as table_columns
from mdn_commands.shared import stop
from mdn_commands.targets import bounds_of, targets_of

if TYPE_CHECKING:
    import numpy as np

    from mdn import MDNRegressor
    from mdn.data import Table


def rows_for(regressor: MDNRegressor, data: Path, console, how: dict[str, Any]) -> tuple[Table, np.ndarray]:
    """The features and the targets, as the model takes them, of all rows of a file that have a target.

    Args:
        regressor: The model.
        data: The file.
        console: Shows a bar.
        how: The options of reading, as `columns.reading` returns them.
    """
    import numpy as np

    targets = regressor.target_names_
    how = how | table_columns.learnt(regressor.columns_, how)
    table = table_columns.read(data, console, table_columns.text_names(regressor.columns_, data), **how)
    censored = regressor.columns_.bounds
    regressor.columns_.check_names(table, censored or targets)
    y = bounds_of(table, censored, regressor.censoring) if censored else targets_of(table, targets)
    for target, column in zip(targets, y.T[: len(targets)], strict=True):
        regressor.columns_.check_unit(table, target)
        if np.isnan(column).all():
            stop(f"{str(data)!r} has no row with a {target!r}: there is nothing to judge by.")
    known = np.flatnonzero(~np.isnan(y).all(axis=1))
    return table.select(regressor.columns_.table_names).take(known), y[known]
