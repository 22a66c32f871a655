"""A jam: `Session` decides who plays when, and `Live` plays it, over OSC or MIDI.

A Session opens no socket and no port and reads no clock: its caller passes touches and the time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np

from mdn.applications.jam import data
from mdn.applications.jam.model import Jam, inside
from mdn.applications.live import turns
from mdn.applications.live.loop import Loop


class Session:
    """A performance of a player and a model together.

    Args:
        jam: The model.
        mode: One of `turns.MODES`.
        silence: In "callresponse", the model answers after so many seconds without a touch.
        component_temperature, variance_temperature: As in `MDNRNN.generate`; may be set while it plays.
        on_event: Called with each touch: `(time, source, x, y)`, the source "interface" or "rnn".
        seed: An int for the same answers to the same touches.
    """

    def __init__(
        self,
        jam: Jam,
        mode: str = "callresponse",
        *,
        silence: float = 2.0,
        component_temperature: float = 1.0,
        variance_temperature: float = 1.0,
        on_event: Callable[[float, str, float, float], None] | None = None,
        seed: int | None = None,
    ):
        if not silence > 0.0:
            raise ValueError(f"`silence` must be a positive number of seconds, but {silence!r} came.")
        self.silence = silence
        self.component_temperature = self.variance_temperature = 1.0
        self.set_temperature("component_temperature", component_temperature)
        self.set_temperature("variance_temperature", variance_temperature)
        self._on_event = on_event or (lambda *event: None)
        self.mode, self._waiting = mode, turns.Waiting()
        self._lock = threading.Lock()
        self._stream = jam.model.stream(constrain=inside, seed=seed)
        self._stream.step()  # compiles here, so that the first touch does not wait
        self.reset()

    @property
    def unanswered(self) -> int:
        """How many touches of a polyphony got no answer, since `turns.MOST_WAITING` answers waited already."""
        return self._waiting.refused

    @property
    def mode(self) -> str:
        """One of `turns.MODES`; may be set while it plays."""
        return self._mode

    @mode.setter
    def mode(self, value: str) -> None:
        self._mode = turns.check_mode(value)

    @property
    def next(self) -> float:
        """When the model plays next, as far as it is known now; infinity if it waits for the player."""
        if self._mode == "useronly":
            return math.inf
        if self._mode == "polyphony":
            return self._waiting.next
        if math.isnan(self._last):
            return -math.inf if self._mode == "battle" else self._heard + self.silence
        if self._mode == "callresponse" and self._last <= self._heard:
            return self._heard + self.silence
        return self._next[0]

    def set_temperature(self, name: str, value: float) -> None:
        """Sets "component_temperature" or "variance_temperature", a number above 0 and at most 100."""
        if name not in ("component_temperature", "variance_temperature"):
            raise ValueError(f"`name` must be component_temperature or variance_temperature, but {name!r} came.")
        if not (isinstance(value, int | float) and np.isfinite(value) and 0.0 < value <= 100.0):
            raise ValueError(f"`{name}` must be a number above 0 and at most 100, but {value!r} came.")
        setattr(self, name, float(value))

    def reset(self) -> None:
        """Forgets all touches, and drops the answers that wait."""
        with self._lock:
            self._stream.reset()
            self._place = np.zeros(2)
            self._last = math.nan  # time of the last touch that the stream heard
            self._heard = math.inf  # time of the player's last touch
            self._next = math.inf, self._place  # when the model would play, and where
            self._waiting.clear()

    def heard(self, x: float, y: float, now: float) -> None:
        """The player touched (x, y), in [0, 1], at the time `now` in seconds.

        Raises:
            ValueError: if x or y is not a finite number.
        """
        place = np.array([x, y], "float64")
        if not np.isfinite(place).all():
            raise ValueError(f"x and y must be finite numbers, but {x!r} and {y!r} came.")
        place = np.clip(place, 0.0, 1.0)
        with self._lock:
            self._on_event(now, "interface", *place)
            self._heard = now
            if self._mode == "useronly":
                return
            self._take(place, now)
            if self._mode == "polyphony":
                self._waiting.add(*self._next)

    def due(self, now: float) -> list[tuple[float, float]]:
        """The touches (x, y) that the model plays now: those due since the last call. Call it often."""
        with self._lock:
            if self._mode == "polyphony":
                played = self._waiting.due(now)
            else:
                played = self._alone(now)
            for place in played:
                self._on_event(now, "rnn", *place)
            return [(float(x), float(y)) for x, y in played]

    def _alone(self, now: float) -> list[np.ndarray]:
        """The places that the model touches by itself: after a silence, or always in a battle."""
        silent = now - self._heard >= self.silence
        if self._mode == "useronly" or (self._mode == "callresponse" and not silent):
            return []
        if math.isnan(self._last):  # a battle that begins
            self._predict(None, now)
        played: list[np.ndarray] = []
        begins = self._mode == "callresponse" and self._last <= self._heard
        if (
            begins or now - self._next[0] > data.LONGEST
        ):  # the answer begins now; or `due` was not called for long: no catching up
            self._next = now, self._next[1]
        while self._next[0] <= now and len(played) < turns.MOST_AT_ONCE:
            when, place = self._next
            played.append(place)
            self._take(place, when)
        return played

    def _take(self, place, now: float) -> None:
        """Feeds a touch to the stream, which predicts the next one."""
        dt = data.SHORTEST if math.isnan(self._last) else np.clip(now - self._last, data.SHORTEST, data.LONGEST)
        event = np.concatenate([place - self._place, [np.log(dt)]]).astype("float32")
        self._place = self._place + event[:2]  # as the stream adds it up
        self._predict(event, now)

    def _predict(self, event, now: float) -> None:
        predicted = self._stream.step(
            event,
            component_temperature=self.component_temperature,
            variance_temperature=self.variance_temperature,
        )
        self._last = now
        self._next = now + float(np.exp(predicted[2])), np.clip(self._place + predicted[:2], 0.0, 1.0)


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
