"""Live: what playing over OSC and over MIDI share: a clock, the log, sentences said once, and how soon answers are ready."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mdn.applications.jam.session import MOST_WAITING, Session

_TICK = 0.002  # seconds between two looks at what is due
_KEPT = 100_000  # latencies that are remembered
_LONGEST_SAID = 200  # letters


class Log:
    """Lines `timestamp,source,x,y`, as IMPSY writes them; `read_performances` and `mdn train jam` read them.

    A disk that is full does not end the music: that is said once, and touches go on unwritten. A new file to which no touch
    came is removed again by `close`.

    Args:
        path: Of the file; lines are added to what it holds.
        say: Told sentences for the player.
    """

    def __init__(self, path, say: Callable[[str], None] = print):
        self.path, self._say, self._failed = Path(path), say, False
        self._new = not self.path.exists()
        self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()

    def __call__(self, when: float, source: str, x: float, y: float) -> None:
        """Writes one touch."""
        stamp = datetime.datetime.fromtimestamp(when).astimezone().isoformat()  # an hour that comes twice stays two
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
    """A session that is played until `stop`; a way to play says how touches come (`_wait`, `_tick`) and go (`_play`).

    Args:
        session: Who plays.
        say: Told sentences for the player.

    Attributes:
        touches: How many came.
        left_out: How many messages meant nothing.
    """

    def __init__(self, session: Session, say: Callable[[str], None] = print):
        self.session, self._say = session, say
        self._said: set[str] = set()
        self._latencies: list[float] = []
        self.touches = self.left_out = 0
        self._stopped = threading.Event()

    def heard(self, x: float, y: float, now: float) -> None:
        """A touch came; see `Session.heard`."""
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
        """Says a sentence, unless one of its kind was said; what came from outside is said up to `_LONGEST_SAID`."""
        if kind not in self._said:
            self._said.add(kind)
            self._say(f"{kind}{detail[:_LONGEST_SAID]} (said once)")

    def refused(self, error: BaseException) -> None:
        """Leaves out a message that `error` is about; what came, told behind a "but", is no kind of its own."""
        kind, but, came = str(error).partition(", but ")
        self.leave_out(kind or type(error).__name__, but + came)

    def run(self, check: Callable[[], object] = lambda: None) -> None:
        """Plays until `stop` or Ctrl-C, in this thread alone: nobody else holds what hearing or playing needs.

        Args:
            check: Called between any two looks at what is due; what it raises ends the music.
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
        """Seconds from a touch's arrival to the model's answer being ready: this share of them was faster."""
        return float(np.quantile(self._latencies, quantile)) if self._latencies else float("nan")

    def send(self, sending: Callable, *arguments) -> None:
        """Calls `sending`; that a cable is out or a network down is said once, and ends nothing."""
        try:
            sending(*arguments)
        except OSError as error:
            self.say_once("an answer could not be sent", f": {error.strerror or error}")

    # ---- of a way to play --------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """What is done between two ticks."""
        self._stopped.wait(seconds)

    def _tick(self, now: float) -> None:
        for x, y in self.session.due(now):
            self._play(x, y, now)
        if self.session.unanswered:
            self.say_once(f"some touches get no answer, since {MOST_WAITING:,} answers are waiting already")

    def _play(self, x: float, y: float, now: float) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """After the last tick."""
