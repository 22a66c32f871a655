"""Numbers that may be codes of missing values, such as -999 beside ages from 0 to 80. They are reported, and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mdn.tabular.wording import plain, share

_OFTEN, _FEWEST = 0.01, 3  # a code stands in this share of the rows, and in so many rows at least
_MOST = 3  # codes on one side, such as -999, -998 and -997
_FEW_VALUES = 3  # a column needs so many other values to show what is far from them
# Codes such as 99 or 999 must be farther off than three gaps of the other values, and a fifth of their range
_NINES, _TIMES, _PART = 99, 3.0, 0.2


class MissingCodes(UserWarning):
    """A number that many rows have lies far from all others, so that it may stand for a missing value."""


def codes_of(values: np.ndarray) -> list[tuple[float, float]]:
    """(value, share of the rows) of the least or greatest values that lie farther from all others than these from each other.

    Of 9s only, such as -99 and 999, a shorter distance is enough.

    Args:
        values: Shape `(N,)`, without missing values.
    """
    levels, counts = np.unique(np.asarray(values, "float64"), return_counts=True)
    often = counts >= max(_FEWEST, _OFTEN * len(values))
    found: list[tuple[float, float]] = []
    for order in (slice(None), slice(None, None, -1)):
        side, many, held = levels[order], often[order], counts[order]
        for last in range(min(_MOST, len(side) - _FEW_VALUES) - 1, -1, -1):
            codes, rest = side[: last + 1], side[last + 1 :]
            if many[: last + 1].all() and _far(codes, rest):
                found += [(float(code), float(count) / len(values)) for code, count in zip(codes, held, strict=False)]
                break
    return found


def _far(codes: np.ndarray, rest: np.ndarray) -> bool:
    """Whether `codes` lie far from the nearest of the other values, which follow them in order."""
    away, reach = abs(rest[0] - codes[-1]), abs(rest[-1] - rest[0])
    nines = all(abs(code) >= _NINES and set(plain(abs(code))) == {"9"} for code in codes)
    least = max(_PART * reach, _TIMES * float(np.abs(np.diff(rest)).max())) if nines else reach
    return bool(away > least)


def sentences(codes: Mapping[str, Sequence[tuple[float, float]]]) -> list[str]:
    """What to say of the codes of each column."""
    return [
        f"{name!r} is exactly {plain(value)} in {share(part)} of the rows, far from all its other values, and is learnt as this "
        "number. If it means that the value is missing, clear these cells (NaN in Python)."
        for name, found in codes.items()
        for value, part in found
    ]
