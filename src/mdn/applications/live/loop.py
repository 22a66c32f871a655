"""The loop: one thread hears, asks the model and plays; whatever comes from outside ends in a sentence, said once."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable

import numpy as np

TICK = 0.002  # seconds between two looks at what is due
_KEPT = 100_000  # only so many latencies are kept
_LONGEST_SAID = 200  # characters
_MOST_SAID = 500  # sentences: whatever strangers send, memory stays bounded


class Remarks:
    """Sentences for the player, each said once, so that a flood of bad messages is a line on the screen and a count.

    Args:
        say: Called with each sentence.

    Attributes:
        left_out: How many messages meant nothing.
    """

    def __init__(self, say: Callable[[str], None] = print):
        self._say = say
        self._said: set[str] = set()
        self.left_out = 0

    def leave_out(self, kind: str, detail: str = "") -> None:
        """Counts a message that means nothing; the first of each kind is said.

        Args:
            kind: The beginning of the sentence; there are few different ones.
            detail: Its end, which may hold anything from outside.
        """
        self.left_out += 1
        self.say_once(f"left out: {kind}", detail)

    def say_once(self, kind: str, detail: str = "") -> None:
        """Says a sentence, unless one of its kind was said before; `detail`, from outside, is cut to 200 characters.

        Args:
            kind, detail: As in `leave_out`.
        """
        if kind not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(kind)
            self._say(f"{kind}{detail[:_LONGEST_SAID]} (said once)")

    def forget(self, kind: str) -> bool:
        """Lets `kind` be said again, and returns whether it was said: a port that came back may be lost once more."""
        was = kind in self._said
        self._said.discard(kind)
        return was

    def refused(self, error: BaseException) -> None:
        """Leaves out the message that caused `error`; its kind is the text up to ", but ", behind which the values stand."""
        kind, but, came = str(error).partition(", but ")
        self.leave_out(kind or type(error).__name__, but + came)

    def send(self, sending: Callable, *arguments) -> None:
        """Calls `sending`; a failure, such as a network that is down, is said once and does not end the music.

        Args:
            sending: A function that may raise an OSError.
            arguments: For it.
        """
        try:
            sending(*arguments)
        except OSError as error:
            self.say_once("an answer could not be sent", f": {error.strerror or error}")


class Loop(Remarks):
    """Runs until `stop`; a subclass says how it waits for messages (`_wait`) and what it does in each turn (`_tick`).

    Args:
        say: Called with each sentence for the player.
        clock: The time in seconds.
    """

    def __init__(self, say: Callable[[str], None] = print, clock: Callable[[], float] = time.time):
        super().__init__(say)
        self._clock = clock
        self._latencies = array("d")
        self._stopped = threading.Event()

    def run(self, check: Callable[[], object] = lambda: None) -> None:
        """Plays until `stop` or Ctrl-C, in this thread alone, so that hearing and playing wait for no other thread.

        Args:
            check: Called before each tick; an exception from it ends the music.
        """
        try:
            while not self._stopped.is_set():
                check()
                self._wait(TICK)
                self._tick(self._clock())
        finally:
            self._close()

    def stop(self) -> None:
        """Ends `run`, from any thread."""
        self._stopped.set()

    def latency(self, quantile: float) -> float:
        """The `quantile` of the seconds from the arrival of an event until the model's answer is ready."""
        return float(np.quantile(self._latencies, quantile)) if self._latencies else float("nan")

    def measured(self, seconds: float) -> None:
        """Keeps one latency."""
        if len(self._latencies) < _KEPT:
            self._latencies.append(seconds)

    # ---- for a subclass ----------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Waits between two ticks; a subclass may hear messages meanwhile."""
        self._stopped.wait(seconds)

    def _tick(self, now: float) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """Called after the last tick."""
