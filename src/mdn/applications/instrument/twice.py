"""Performances that two files hold, such as a log and a data set made from it: they would be learnt from and judge as well."""

from __future__ import annotations

import numpy as np

_EVENTS = 8  # that follow each other are compared: so long, two players do not agree to a thousandth in time and values
_SHARE = 0.5  # of these runs that another file holds: it may be cut elsewhere, and rounded


class Seen:
    """Recognises performances that came before, also if they are cut at other places or rounded otherwise."""

    def __init__(self) -> None:
        self._runs: set[int] = set()

    def knows(self, performance: np.ndarray) -> bool:
        """Whether at least half of a performance `(T, 1 + N)` came before; never if it has fewer than 8 events."""
        runs = _runs(performance)
        return bool(runs) and sum(run in self._runs for run in runs) >= _SHARE * len(runs)

    def add(self, performance: np.ndarray) -> None:
        """Remembers a performance `(T, 1 + N)`."""
        self._runs.update(_runs(performance))


def _runs(performance: np.ndarray) -> list[int]:
    """A number for each 8 events in a row: of their values, and of the times between them."""
    if len(performance) < _EVENTS:
        return []
    rows = np.round(1e3 * performance).astype("int64")
    runs = np.lib.stride_tricks.sliding_window_view(rows, _EVENTS, axis=0).copy()
    runs[:, 0, 0] = 0  # the time before the first
    return [hash(run.tobytes()) for run in runs]
