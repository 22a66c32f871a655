"""Trainings that a tab watches: each runs in threads of this process, and its newest frame goes to that tab alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Run:
    """One training, of one network or of several side by side.

    A frame that was not sent when the next one comes is dropped, apart from its losses, so that a slow tab stays up to date.

    Args:
        session: The tab, whose `tell` sends the frames.
        number: Says which training a frame belongs to; the page counts them.
        works: By the name of each network, what its thread does: `work(run, say)`, where `say(**frame)` passes on a frame. A work
            ends soon after `run.stopped` is set.
        before: The training that this one replaces: it is stopped, and this one begins when it has ended.
    """

    def __init__(self, session, number: int, works: Mapping[str, Callable], before: Run | None = None):
        self.stopped = threading.Event()
        self._session, self._number, self._before = session, number, before
        self._frames: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._errors: list[Exception] = []
        self._learning = len(works)
        self._threads = [
            threading.Thread(target=self._work, args=(name, work), daemon=True, name=f"lecture-{name}")
            for name, work in works.items()
        ]
        if before is not None:
            before.stop()

    @property
    def running(self) -> bool:
        """Whether one of the networks still learns."""
        return self._learning > 0

    def start(self) -> None:
        """Starts the threads, and sends what they say until the last has ended."""
        for thread in self._threads:
            thread.start()
        self._session.start(self._tell())

    def stop(self) -> None:
        """Ends the training after the epochs that run now."""
        self.stopped.set()

    def wait(self) -> None:
        """Returns when the training has ended."""
        for thread in self._threads:
            thread.join()

    def _work(self, name: str, work: Callable) -> None:
        try:
            if self._before is not None:
                self._before.wait()
                self._before = None
            if not self.stopped.is_set():
                work(self, lambda **frame: self._say(name, frame))
        except Exception as error:
            self._errors.append(error)
        finally:
            with self._lock:
                self._learning -= 1
            self._wake()

    def _say(self, name: str, frame: dict) -> None:
        with self._lock:
            unsent = self._frames.get(name, {})
            self._frames[name] = {**frame, "loss": unsent.get("loss", []) + frame.get("loss", [])}
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    async def _tell(self) -> None:
        try:
            over = False
            while not over:
                await self._news.wait()
                self._news.clear()
                over = not self.running
                with self._lock:
                    frames, self._frames = self._frames, {}
                for name, frame in frames.items():
                    await self._session.drained()
                    await self._session.tell("lecture.frame", run=self._number, net=name, **frame)
            await self._session.tell("lecture.ended", run=self._number, stopped=self.stopped.is_set())
            if self._errors:
                raise self._errors[0]
        finally:
            self.stop()


@dataclass
class Bench:
    """What the page remembers for one tab.

    Attributes:
        runs: The newest training of each panel.
        shown: The networks that a panel asks, by their kinds: they learn, or have learnt.
        goal: Where the hand of the arm should be.
        walker: The network that moves a hand.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    goal: list[float] = field(default_factory=lambda: [0.3, 0.9])
    walker: Any = None
