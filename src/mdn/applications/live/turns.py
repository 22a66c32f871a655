"""Who plays when: the modes, and the answers that wait for their time."""

from __future__ import annotations

import heapq
import math
from typing import Any

MODES = {
    "callresponse": "the model answers when the player has been silent for a while",
    "polyphony": "the model plays an event of its own to each of the player's",
    "battle": "the model plays on and on, whatever the player does",
    "useronly": "the model is silent; what is played is logged",
}
MOST_WAITING = 10_000  # answers: those to two thousand events a second for five seconds
MOST_AT_ONCE = 64  # events that the model plays by itself in one tick
BEHIND = 5.0  # seconds after which the model goes on from now: a computer that slept does not catch up


def check_mode(mode: str) -> str:
    """Returns `mode`.

    Raises:
        ValueError: if it is none of `MODES`.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}, but {mode!r} came.")
    return mode


class Waiting:
    """Answers that wait for their time, the earliest first; `MOST_WAITING` at most.

    Attributes:
        refused: How many did not fit.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Any]] = []
        self._count = self.refused = 0

    def add(self, when: float, answer) -> None:
        """Adds an answer that is due at the time `when`; one that does not fit is counted as refused.

        Args:
            when: In seconds, on the clock of `due`.
            answer: Anything.
        """
        if len(self._heap) >= MOST_WAITING:
            self.refused += 1
            return
        self._count += 1  # answers of the same time are never compared
        heapq.heappush(self._heap, (when, self._count, answer))

    def due(self, now: float) -> list:
        """The answers that are due, which no longer wait."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    @property
    def next(self) -> float:
        """When the next answer is due; infinity if none waits."""
        return self._heap[0][0] if self._heap else math.inf

    def clear(self) -> None:
        """Forgets the answers that wait; `refused` stays."""
        self._heap.clear()
