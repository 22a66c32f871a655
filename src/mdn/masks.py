"""NumPy's masked arrays, whose hidden cells are missing: `np.asarray` would bring back the numbers behind the mask."""

from __future__ import annotations

import numpy as np


def unmasked(values):
    """A masked array as a plain one: NaN, NaT or, among objects, None stands for each cell that the mask hides; else `values`."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    if values.dtype.kind in "biuf":
        return np.ma.filled(values.astype("float64"), np.nan)
    # As objects, spans in nanoseconds would be plain numbers
    cells = values.data.copy() if values.dtype.kind in "mM" else values.data.astype(object)
    cells[np.ma.getmaskarray(values)] = None
    return cells
