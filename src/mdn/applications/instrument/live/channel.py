"""The one shape of all channels: open, hear, play, fall silent, close."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from mdn.applications.live.loop import Remarks

AT_ONCE = 0.005  # seconds that one channel is heard at most, before the others are, and the model plays


class Stage(Protocol):
    """Where a channel brings what it hears; `play.Play` is one."""

    @property
    def remarks(self) -> Remarks:
        """Counts and says what is left out."""

    def heard(self, updates: Mapping[int, float]) -> np.ndarray:
        """The player moved some values; returns all of them."""

    def command(self, name: str, value: Any = None) -> None:
        """The player changed a setting.

        Args:
            name, value: As in `Session.command`.
        """


class Channel(ABC):
    """One wire between a musician and the model.

    A channel that needs a device which is not there says so once and tries again at each `open`: a stage calls it every
    second. Nothing that comes from outside raises an exception beyond `poll`, and `send` waits for nobody.

    Args:
        stage: Where it brings what it hears.

    Attributes:
        name: Its section of the configuration.
    """

    name = ""

    def __init__(self, stage: Stage):
        self.stage, self.remarks = stage, stage.remarks

    @abstractmethod
    def open(self) -> None:
        """Opens what is not open yet, or was lost.

        Raises:
            OSError: if that cannot succeed later either, since the address is wrong or taken.
            ImportError: if a package is missing.
        """

    def files(self) -> list:
        """What `select` can wait for; a channel without any is looked at in each turn."""
        return []

    @abstractmethod
    def poll(self) -> None:
        """Hears what has come, and brings it to the stage."""

    @abstractmethod
    def send(self, values) -> None:
        """Plays values `(N,)` in [0, 1]."""

    def silence(self) -> None:
        """Ends the notes that sound."""
        return

    @abstractmethod
    def close(self) -> None:
        """Ends all notes and gives the wire back; `open` may follow."""

    def each(self, messages: Iterable, hear: Callable[[Any], object]) -> None:
        """Calls `hear` with each message; one that fails is left out, and a flood is heard for `AT_ONCE` only.

        Args:
            messages: An iterator that takes a message away only when it is asked for it.
            hear: A function of a message.
        """
        end = time.perf_counter() + AT_ONCE
        for message in messages:
            try:
                hear(message)
            except Exception as error:  # whatever this message did, the next one is heard
                self.remarks.refused(error)
            if time.perf_counter() > end:
                return


def drained(waiting: deque) -> Iterator:
    """Takes the messages from `waiting` one by one, so that those that `each` has no time for stay there."""
    while waiting:
        yield waiting.popleft()
