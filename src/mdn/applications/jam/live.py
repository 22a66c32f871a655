"""Live: the part of a jam that OSC and MIDI share: touches are heard, answered and measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from mdn.applications.jam.session import Session
from mdn.applications.live import turns
from mdn.applications.live.loop import Loop


class Live(Loop):
    """A session that runs until `stop`; a subclass says how touches come (`_wait`, `_tick`) and go (`_play`).

    Args:
        session: The player and the model.
        say: Called with each sentence for the player.

    Attributes:
        touches: How many touches came.
        left_out: How many messages meant nothing.
    """

    def __init__(self, session: Session, say: Callable[[str], None] = print):
        super().__init__(say)
        self.session, self.touches = session, 0

    def heard(self, x: float, y: float, now: float) -> None:
        """Passes a touch to `Session.heard`, and measures how long the answer takes."""
        start = time.perf_counter()
        self.session.heard(x, y, now)
        self.touches += 1
        self.measured(time.perf_counter() - start)

    def _tick(self, now: float) -> None:
        for x, y in self.session.due(now):
            self._play(x, y, now)
        if self.session.unanswered:
            self.say_once(f"some touches get no answer, since {turns.MOST_WAITING:,} answers are waiting already")

    def _play(self, x: float, y: float, now: float) -> None:
        raise NotImplementedError
