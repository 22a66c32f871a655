"""Live: the code that OSC and MIDI share: the loop, the log, sentences that are said once, and the latency of answers."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mdn.applications.jam.session import MOST_WAITING, Session

_TICK = 0.002  # seconds between two looks at what is due
_KEPT = 100_000  # so many latencies are kept
_LONGEST_SAID = 200  # characters


class Log:
    """Lines `timestamp,source,x,y`, as IMPSY writes them; `read_performances` and `mdn train jam` read them.

    A full disk does not end the music: the player hears of it once, and later touches may be missing in the file. `close`
    removes a new file that is still empty.

    Args:
        path: Of the file; new lines are appended.
        say: Called with each sentence for the player.
    """

    def __init__(self, path, say: Callable[[str], None] = print):
        self.path, self._say, self._failed = Path(path), say, False
        self._new = not self.path.exists()
        self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()

    def __call__(self, when: float, source: str, x: float, y: float) -> None:
        """Writes one touch."""
        stamp = datetime.datetime.fromtimestamp(when).astimezone().isoformat()  # UTC offset: hours may repeat
        self._trying(lambda: self._file.write(f"{stamp},{source},{x:.6g},{y:.6g}\n"))

    def close(self) -> None:
        """Closes the file."""
        self._trying(self._file.close)
        if self._new and self.path.is_file() and not self.path.stat().st_size:
            self._trying(self.path.unlink)

    def _trying(self, write) -> None:
        try:
            write()
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._say(f"touches are missing in {self.path}: {error.strerror or error} (said once)")


class Live:
    """A session that runs until `stop`; a subclass says how touches come (`_wait`, `_tick`) and go (`_play`).

    Args:
        session: The player and the model.
        say: Called with each sentence for the player.

    Attributes:
        touches: How many touches came.
        left_out: How many messages meant nothing.
    """

    def __init__(self, session: Session, say: Callable[[str], None] = print):
        self.session, self._say = session, say
        self._said: set[str] = set()
        self._latencies: list[float] = []
        self.touches = self.left_out = 0
        self._stopped = threading.Event()

    def heard(self, x: float, y: float, now: float) -> None:
        """Passes a touch to `Session.heard`, and measures how long the answer takes."""
        start = time.perf_counter()
        self.session.heard(x, y, now)
        self.touches += 1
        if len(self._latencies) < _KEPT:
            self._latencies.append(time.perf_counter() - start)

    def leave_out(self, kind: str, detail: str = "") -> None:
        """Counts a message that means nothing; the first of each kind is said."""
        self.left_out += 1
        self.say_once(f"left out: {kind}", detail)

    def say_once(self, kind: str, detail: str = "") -> None:
        """Says a sentence, unless one of its kind was said before; `detail`, from outside, is cut to `_LONGEST_SAID`."""
        if kind not in self._said:
            self._said.add(kind)
            self._say(f"{kind}{detail[:_LONGEST_SAID]} (said once)")

    def refused(self, error: BaseException) -> None:
        """Leaves out the message that caused `error`; its kind is the text up to ", but ", behind which the values stand."""
        kind, but, came = str(error).partition(", but ")
        self.leave_out(kind or type(error).__name__, but + came)

    def run(self, check: Callable[[], object] = lambda: None) -> None:
        """Plays until `stop` or Ctrl-C, in this thread alone, so that hearing and playing wait for no other thread.

        Args:
            check: Called before each tick; an exception from it ends the music.
        """
        try:
            while not self._stopped.is_set():
                check()
                self._wait(_TICK)
                self._tick(time.time())
        finally:
            self._close()

    def stop(self) -> None:
        """Ends `run`, from any thread."""
        self._stopped.set()

    def latency(self, quantile: float) -> float:
        """The `quantile` of the seconds from the arrival of a touch until the model's answer is ready."""
        return float(np.quantile(self._latencies, quantile)) if self._latencies else float("nan")

    def send(self, sending: Callable, *arguments) -> None:
        """Calls `sending`; a failure, such as a network that is down, is said once and does not end the music."""
        try:
            sending(*arguments)
        except OSError as error:
            self.say_once("an answer could not be sent", f": {error.strerror or error}")

    # ---- for a subclass ----------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Waits between two ticks; a subclass may hear messages meanwhile."""
        self._stopped.wait(seconds)

    def _tick(self, now: float) -> None:
        for x, y in self.session.due(now):
            self._play(x, y, now)
        if self.session.unanswered:
            self.say_once(f"some touches get no answer, since {MOST_WAITING:,} answers are waiting already")

    def _play(self, x: float, y: float, now: float) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """Called after the last tick."""
