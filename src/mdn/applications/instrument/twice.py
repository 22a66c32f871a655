"""Performances that two files hold, such as a log and a data set made from it: they would be learnt from and judge as well."""

from __future__ import annotations

import numpy as np

_EVENTS = 8  # that follow each other are compared: so long, two players do not agree to a thousandth in time and values
_FEWEST = 8  # different runs: a loop of a few notes may come in two pieces
_SHARE = 0.5  # of these runs that another file holds: it may be cut elsewhere, and rounded


class Seen:
    """Recognises performances that came before, also if they are cut at other places or rounded otherwise."""

    def __init__(self) -> None:
        self._runs: set[int] = set()

    def knows(self, runs: np.ndarray) -> bool:
        """Whether at least half of the runs of a performance, see `runs_of`, came before; never if they are fewer than 8."""
        return len(runs) >= _FEWEST and sum(run in self._runs for run in runs.tolist()) >= _SHARE * len(runs)

    def add(self, runs: np.ndarray) -> None:
        """Remembers the runs of a performance."""
        self._runs.update(runs.tolist())


def runs_of(performance: np.ndarray) -> np.ndarray:
    """A number for each different 8 events in a row of a performance `(T, 1 + N)`: of their values, and of the times between."""
    count = max(0, len(performance) - _EVENTS + 1)
    rows = np.round(1e3 * performance).astype("int64").view("uint64")
    weights = np.random.default_rng(0).integers(2**64 - 1, size=(_EVENTS, rows.shape[1]), dtype="uint64")
    weights[0, 0] = 0  # the time before the first
    numbers = np.zeros(count, "uint64")
    for place, each in enumerate(weights):
        numbers += (
            rows[place : place + count] @ each
        )  # modulo 2^64: others are equal by chance once in 2^50 pairs or less
    return np.unique(numbers)
