"""Session: decides who plays when. It opens no port and reads no clock: the caller passes what was played, and the time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from mdn.applications.live import turns

SHORTEST = 0.001  # seconds between two events, as IMPSY has it
_MIDDLE = 0.5  # where a value stands that nobody has moved yet
_NAMES = {
    "sigmatemp": "variance_temperature",
    "pitemp": "component_temperature",
    "variance_temperature": "variance_temperature",
    "component_temperature": "component_temperature",
    "timescale": "timescale",
}
COMMANDS = (*_NAMES, "mode", "reset", "pause")


class Player(Protocol):
    """What a session asks of a model; `mdn.applications.instrument.voice.Voice` is one."""

    size: int
    component_temperature: float
    variance_temperature: float

    def hear(self, dt: float, values) -> None:
        """Takes an event as having happened.

        Args:
            dt: Seconds since the one before.
            values: `(N,)` in [0, 1].
        """

    def foresee(self) -> tuple[float, np.ndarray]:
        """The event that follows, as (dt, values); the model does not take it as having happened."""

    def take(self) -> None:
        """Takes the event of `foresee` as having happened."""

    def reset(self) -> None:
        """Forgets all events."""


class Session:
    """A performance of a player and a model together, of N values in [0, 1].

    Hearing costs nothing: the model takes an event when `think` is called, and an answer is due as long after the event as
    the model says, not after its thinking. What the model plays it takes as having happened when it plays alone, at the
    moment at which it plays. In a polyphony it reads the player's events only, as in IMPSY.

    Args:
        voice: The model.
        mode: One of `turns.MODES`.
        threshold: In "callresponse", the model answers after so many seconds without an event; 0: at once.
        timescale: The model's pauses are so many times as long as it means them.
        on_event: Called with each event: `(time, source, *values)`, the source "interface" or "rnn".
        on_turn: Called when the player takes over from the model, or the model must be silent: ends its notes.

    Attributes:
        paused: Whether the model is silent until it is False again.
        skipped: How many events the model never took, since `turns.MOST_WAITING` newer ones came before it could.
        values: What all values are now, those that the player moved last.
    """

    def __init__(
        self,
        voice: Player,
        mode: str = "callresponse",
        *,
        threshold: float = 0.1,
        timescale: float = 1.0,
        on_event: Callable[..., None] = lambda *event: None,
        on_turn: Callable[[], None] = lambda: None,
    ):
        self.voice, self.mode, self.threshold, self.timescale = voice, turns.check_mode(mode), threshold, timescale
        self.paused = False
        self._on_event, self._on_turn = on_event, on_turn
        self._waiting = turns.Waiting()
        self._unheard: deque[tuple[float, np.ndarray, bool]] = deque()  # (time, values, whether the model answers)
        self.skipped = 0
        self._playing = False  # whether the model has the turn
        self.values = np.full(voice.size, _MIDDLE)
        self.reset()

    @property
    def unanswered(self) -> int:
        """How many events of a polyphony got no answer, since `turns.MOST_WAITING` answers waited already."""
        return self._waiting.refused

    def heard(self, updates: Mapping[int, float], now: float) -> np.ndarray:
        """The player moved some values; the others stay where they are.

        Args:
            updates: From the index of a value to what it is now.
            now: The time in seconds.

        Returns:
            All N values.

        Raises:
            ValueError: if an update is not a finite number.
        """
        if not all(map(math.isfinite, updates.values())):
            raise ValueError(f"values must be finite numbers, but {[*updates.values()][:16]} came")
        values = self.values.copy()
        for index, number in updates.items():
            values[index] = min(max(number, 0.0), 1.0)
        self.values = values
        self._on_event(now, "interface", *values.tolist())
        if self._playing and self.mode == "callresponse":
            self._playing = False
            self._on_turn()
        if self.mode in ("callresponse", "polyphony"):
            if len(self._unheard) >= turns.MOST_WAITING:
                self._unheard.popleft()
                self.skipped += 1
            self._unheard.append((now, values, self.mode == "polyphony" and not self.paused))
        self._heard = now
        return values

    def think(self) -> float | None:
        """Lets the model take the next event, and answer it in a polyphony; returns when it came, None if there is none."""
        if not self._unheard:
            return None
        when, values, answers = self._unheard.popleft()
        self.voice.hear(self._since(when), values)
        self._last = when
        if answers:
            dt, answer = self.voice.foresee()
            self._waiting.add(when + self._pause(dt), answer)
        return when

    def due(self, now: float) -> list[np.ndarray]:
        """The values `(N,)` that the model plays now: its events that are due since the last call. Call it often.

        Args:
            now: The time in seconds.
        """
        if self.paused or self.mode == "useronly":
            return []
        played = self._waiting.due(now) if self.mode == "polyphony" else self._alone(now)
        for values in played:
            self._on_event(now, "rnn", *values.tolist())
        return played

    @property
    def next(self) -> float:
        """When the model plays next, if the player does nothing; infinity if never, the past if it has to `think`."""
        if self._unheard:
            return -math.inf
        if self.paused or self.mode == "useronly":
            return math.inf
        if self.mode == "polyphony":
            return self._waiting.next
        return self._next[0] if self._playing else self._heard + self.threshold

    def command(self, name: str, value=None) -> None:
        """Changes a setting while the music plays.

        Args:
            name: One of `COMMANDS`: IMPSY's names or ours.
            value: A mode, 1 or 0 for a pause, nothing for a reset, else a number above 0 and at most 100.

        Raises:
            ValueError: if the name or the value means nothing.
        """
        if name == "reset":
            self.reset()
            self._on_turn()
        elif name == "mode":
            self.mode = turns.check_mode(value)
            self._begin_anew()
            self._on_turn()
        elif name == "pause":
            self.paused = bool(value)
            if self.paused:
                self._on_turn()
        elif name in _NAMES:
            if not (isinstance(value, int | float) and 0.0 < value <= 100.0):  # nan is neither
                raise ValueError(f"`{name}` must be a number above 0 and at most 100, but {value!r} came")
            setattr(self if name == "timescale" else self.voice, _NAMES[name], float(value))
        else:
            raise ValueError(f"`name` must be one of {', '.join(COMMANDS)}, but {name!r} came")

    def reset(self) -> None:
        """Lets the model forget all events, and drops the answers that wait."""
        self.voice.reset()
        self._unheard.clear()
        self._last = math.nan  # time of the last event that the model took
        self._heard = math.inf  # time of the player's last event
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._waiting.clear()
        self._playing = False
        self._next = math.inf, self.values  # what it plays then, and when

    def _alone(self, now: float) -> list[np.ndarray]:
        """The events that the model plays by itself: after a silence, or always in a battle."""
        if self.mode == "callresponse" and now - self._heard < self.threshold:
            return []
        if not self._playing:
            self._playing = True
            while self.think() is not None:  # it answers all that was played
                pass
            dt, values = self.voice.foresee()
            # an answer to a call begins at once, however long the player's own pauses are
            self._next = (now if self.mode == "callresponse" else now + self._pause(dt)), values
        if now - self._next[0] > turns.BEHIND:
            self._next = now, self._next[1]
        played: list[np.ndarray] = []
        while self._next[0] <= now and len(played) < turns.MOST_AT_ONCE:
            when, values = self._next
            played.append(values)
            self.voice.take()
            self._last = when
            dt, following = self.voice.foresee()
            # counted from when the last one was due, not from when it was played: lateness does not add up
            self._next = when + self._pause(dt), following
        return played

    def _pause(self, dt: float) -> float:
        return max(float(dt), SHORTEST) * self.timescale

    def _since(self, now: float) -> float:
        return SHORTEST if math.isnan(self._last) else max(now - self._last, SHORTEST)
