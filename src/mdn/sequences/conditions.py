"""Arrays that come with sequences: a condition, which holds for all steps, and a context, which is read step by step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdn.masks import unmasked


def as_conditions(condition, context, rows: int, size: int, context_size: int) -> tuple[np.ndarray, ...]:
    """Checks condition and context: returns arrays `(rows, size)` and `(rows, U, context_size)`; one of size 0 is left out.

    Args:
        condition: Shape `(rows, size)`, or None.
        context: A list of `rows` arrays `(U_i, context_size)`, or None; the shorter ones are padded with zeros.
        rows: How many sequences there are.
        size: The width of the condition, 0 for none.
        context_size: The width of each place of a context, 0 for none.

    Raises:
        ValueError: if one is missing, is passed although its size is 0, has another shape, or is not finite.
    """
    found = []
    if condition is not None or size:
        if condition is None or np.shape(condition) != (rows, size):
            came = "none came" if condition is None else f"{np.shape(condition)} came"
            raise ValueError(f"`condition` must have shape ({rows}, {size}), but {came}.")
        found.append(_finite("condition", condition))
    if context is not None or context_size:
        found.append(_contexts(context, rows, context_size))
    return tuple(found)


def for_all(condition, context, count: int) -> tuple[Any, Any]:
    """(condition, context) for `count` sequences; one vector, or one array `(U, S)`, is repeated for all."""
    if condition is not None and np.ndim(condition) == 1:
        condition = np.tile(condition, (count, 1))
    if context is not None and hasattr(context, "ndim") and context.ndim == 2:
        context = [context] * count
    return condition, context


def _contexts(context, rows: int, size: int) -> np.ndarray:
    wanted = f"`context` must be a list of {rows} arrays (U, {size}), U at least 1"
    if not size:
        raise ValueError("a context came, but this model was made with context_size=0.")
    if context is None or len(context) != rows:
        raise ValueError(f"{wanted}, but {'none' if context is None else len(context)} came.")
    shapes = [np.shape(one) for one in context]
    bad = next((s for s in shapes if len(s) != 2 or s[1] != size or s[0] == 0), None)
    if bad is not None:
        raise ValueError(f"{wanted}, but one has shape {bad}.")
    # Places of zeros add nothing to what a window shows, so contexts are padded; to few lengths, since each is compiled
    longest = 16 * math.ceil(max(s[0] for s in shapes) / 16)
    filled = np.zeros((rows, longest, size), "float32")
    for row, one in zip(filled, context, strict=True):
        row[: len(one)] = _finite("context", one)
    return filled


def _finite(name: str, values) -> np.ndarray:
    array = np.asarray(unmasked(values), "float32")
    if not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` must hold finite numbers, but NaN, infinity or a masked cell came. Fill in what is missing, or leave "
            "those sequences out."
        )
    return array
