"""A player in a browser: the loop of `mdn jam`, whose ear and mouth are messages of a page."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mdn.applications.jam.data import TAP
from mdn.applications.jam.live_midi import MidiPlayer
from mdn.applications.jam.session import Live, Session
from mdn.applications.live.log import Log

log = logging.getLogger("mdn.studio")
_AT_ONCE = 256  # messages of the page between two ticks
_STALLED = 0.25  # seconds: an answer that is later than that is played as if it were due now
_SLEEP = 0.05  # seconds between two ticks, at most


class _Wire:
    """Both ends of a MIDI cable that leads to the page, as `MidiPlayer` uses ports."""

    name = "the page"

    def __init__(self) -> None:
        self.came: deque = deque()
        self.gone: list[list[int]] = []

    def iter_pending(self):
        """The messages that came."""
        while self.came:
            yield self.came.popleft()

    def send(self, message) -> None:
        """Keeps the bytes of a message until the page gets them."""
        self.gone.append(message.bytes())

    def taken(self) -> list[list[int]]:
        """The messages for the page, which are then gone."""
        found, self.gone = self.gone, []
        return found


class Player(MidiPlayer):
    """Plays with one tab, in a thread of its own, until `stop`.

    Args:
        jam: The model.
        tell: Called with a kind and fields for the page, from the thread of the player.
        folder: Where logs go.
        settings: Of `Session`.

    Attributes:
        begun: Seconds since 1970 at which the clock of this player was 0: the `at` of its messages, in milliseconds. That of an
            answer is when it was due, not when it was sent, so that the page can sound it in its exact rhythm.
    """

    def __init__(self, jam, tell: Callable[..., None], folder: Path, **settings):
        self._wire, self._tell, self._folder = _Wire(), tell, folder
        self._log: Log | None = None
        session = Session(jam, on_event=self._write, **settings)
        super().__init__(session, self._wire, self._wire, say=lambda said: tell("error", sentence=said))
        self.paused, self.begun, self._due = False, self._clock(), 0.0
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._shown = self._state()
        self._thread = threading.Thread(target=self._run, name="studio-player", daemon=True)
        self._thread.start()

    # ---- called from other threads --------------------------------------------------------------------------------------

    def touch(self, x: float, y: float) -> None:
        """The player touched the pad."""
        self._work.put(lambda: self._touched_at(x, y))

    def midi(self, data: list[int]) -> None:
        """The bytes of one MIDI message came."""
        from mido import Message

        message = Message.from_bytes(data)
        self._work.put(lambda: self._came(message))

    def change(self, **settings) -> None:
        """Sets the mode, the silence, temperatures, or `paused`."""
        self._work.put(lambda: self._change(settings))

    def anew(self) -> None:
        """Keeps the performance, and begins another."""
        self._work.put(self._anew)

    def end(self) -> None:
        """Ends the music, and waits until the log is closed."""
        self.stop()
        self._work.put(lambda: None)
        self._thread.join(5.0)

    # ---- in the thread of the player ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.run()
        except Exception:
            log.exception("a player failed")
            self._tell("error", sentence="the player made a mistake, which the terminal shows; open the page again.")

    def _wait(self, seconds: float) -> None:
        """Until the page says something or an answer is due, so that a silent tab costs next to nothing."""
        now = self._clock()
        wait = _SLEEP if self.paused else self.session.next - now
        if self._voice.sounds:
            wait = min(wait, self._played + TAP - now)
        if self._moved:
            wait = min(wait, seconds)
        try:
            for _ in range(_AT_ONCE):
                self._do(self._work.get(timeout=min(max(wait, 0.0), _SLEEP)))
                wait = 0.0
        except queue.Empty:
            return

    def _do(self, work) -> None:
        try:
            work()
        except ValueError as error:
            self.refused(error)

    def _tick(self, now: float) -> None:
        due = self.session.next
        self._due = due if now - _STALLED < due <= now else now
        if not self.paused:
            super()._tick(now)
        gone = self._wire.taken()
        if gone:
            self._tell("play.lifted", midi=gone, at=self._at(now))
        if self._state() != self._shown:
            self._shown = self._state()
            self._tell("play.state", **self._shown)

    def _touched_at(self, x: float, y: float) -> None:
        if not self.paused:
            Live.heard(self, x, y, self._clock())

    def _came(self, message) -> None:
        if not self.paused:
            self._wire.came.append(message)

    def heard(self, x: float, y: float, now: float) -> None:
        """A touch that MIDI brought: the page hears of it, since it did not make it."""
        super().heard(x, y, now)
        self._tell("play.heard", x=min(max(x, 0.0), 1.0), y=y, at=self._at(now))

    def _release(self, now: float) -> None:
        super()._release(now)
        self._tell("play.released", at=self._at(now))

    def _play(self, x: float, y: float, now: float) -> None:
        begins = not self._voice.sounds
        super()._play(x, y, now)
        self._tell("play.answer", x=x, y=y, begins=begins, midi=self._wire.taken(), at=self._at(self._due))
        self._due = now

    def _at(self, now: float) -> float:
        """Milliseconds on the clock of this player."""
        return round(1e3 * (now - self.begun), 2)

    def _change(self, settings: dict) -> None:
        for name, value in settings.items():
            if name == "paused":
                self.paused = value
                self._send(self._voice.end())
                self.session.reset()
            elif name.endswith("temperature"):
                self.session.set_temperature(name, value)
            else:
                setattr(self.session, name, value)
        self._shown = self._state()

    def _anew(self) -> None:
        self._send(self._voice.end())
        self.session.reset()
        self._close_log()

    def _state(self) -> dict:
        return {name: getattr(self.session, name) for name in ("mode", "component_temperature", "variance_temperature")}

    def _write(self, when: float, source: str, x: float, y: float) -> None:
        if self._log is None:
            if source != "interface":
                return  # a battle without a player is no performance
            try:
                self._log = Log.new(self._folder, 2, self.say_once)
            except OSError as error:
                self.say_once("what is played cannot be kept", f": {error.strerror or error}")
                return
        self._log(when, source, x, y)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _close(self) -> None:
        with suppress(queue.Empty):
            while True:  # what was played before the end is kept, too
                self._do(self._work.get_nowait())
        super()._close()
        self._close_log()
        gone = self._wire.taken()
        if gone:
            self._tell("play.lifted", midi=gone, at=0.0)
