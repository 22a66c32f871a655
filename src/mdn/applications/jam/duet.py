"""A log of a jam read as what it was: a player and a model, touch by touch, to be heard again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdn.applications.jam.data import LONGEST, SHORTEST
from mdn.applications.live.log import lines_of, read_both
from mdn.data import reading


@dataclass(frozen=True)
class Duet:
    """The touches of a log in the order of time.

    Attributes:
        times: Seconds since the first one, `(T,)`; longer pauses than five seconds last five.
        by_model: Whether the model touched, `(T,)`.
        places: x and y, in [0, 1], `(T, 2)`.
    """

    times: np.ndarray
    by_model: np.ndarray
    places: np.ndarray

    def parts(self) -> list[np.ndarray]:
        """The performances of the player and of the model, touches `(T, 3)` each, from one beginning; who is silent has none."""
        found = []
        for who in (False, True):
            mine = self.by_model == who
            dt = np.maximum(np.diff(self.times[mine], prepend=0.0), SHORTEST)
            found.append(np.concatenate([self.places[mine], dt[:, None]], axis=1))
        return [part for part in found if len(part)]


def read_duet(path) -> Duet:
    """Reads a log that `live.log.Log` wrote during a jam.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such log, or holds no touch.
    """
    with reading(path, "a log of a jam"):
        rows, by_model = read_both(path, lines_of(path, "A log of a jam has a line for each touch."), size=2)
    if not np.isfinite(rows).all():
        raise ValueError(f"{str(path)!r} holds a touch that is not finite.")
    steps = np.clip(np.diff(rows[:, 0], prepend=rows[0, 0]), 0.0, LONGEST)
    return Duet(np.cumsum(steps), by_model, np.clip(rows[:, 1:], 0.0, 1.0))
