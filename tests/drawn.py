"""Drawings for tests: Hypothesis' own, and scribbles."""

import numpy as np
from hypothesis import strategies as st

from mdn.data.strokes import as_drawing


def drawn(numbers):
    """Hypothesis' drawings: rows of dx, dy and lift, with at least one that moves."""
    row = st.tuples(numbers, numbers, st.sampled_from([0.0, 0.0, 1.0]))
    rows = st.lists(row, min_size=1, max_size=40).filter(lambda rows: any(dx or dy for dx, dy, _ in rows))
    return rows.map(as_drawing)


WHOLE = drawn(st.integers(-300, 300).map(float))
REAL = drawn(st.floats(-1e3, 1e3, allow_subnormal=False))


def scribble(seed=0, rows=30):
    rng = np.random.default_rng(seed)
    return as_drawing(np.column_stack([rng.normal(size=(rows, 2)), rng.random(rows) < 0.2]))
