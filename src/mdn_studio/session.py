"""One tab of a browser: its WebSocket, its messages in their order, and what pages remember for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from mdn_studio import limits
from mdn_studio.messages import read, text
from mdn_studio.refused import Refused

log = logging.getLogger("mdn.studio")
_MISTAKE = "the studio made a mistake, which its terminal shows; nothing is lost."


class Session:
    """A WebSocket of a page.

    Messages of one turn (`messages.message`) are answered in their order; other turns do not wait for them. What is sent waits
    in an outbox: a tab that does not read holds up nobody else, and is closed when too much waits for it.

    Attributes:
        state: What the pages remember for this tab.
    """

    def __init__(self, socket: WebSocket, answers: dict[str, Any]):
        self._socket = socket
        self._answers = answers
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task] = set()
        self._outbox: deque[str] = deque()
        self._unsent = 0  # characters in the outbox
        self._more, self._drained = asyncio.Event(), asyncio.Event()
        self._running: asyncio.Task | None = None
        self._budget, self._seen = float(limits.MESSAGES), time.monotonic()
        self.state: dict[str, Any] = {}
        self.open = True

    async def run(self) -> None:
        """Answers messages until the socket closes."""
        self._running = asyncio.current_task()
        sending = asyncio.ensure_future(self._sending())
        try:
            while True:
                received = await self._socket.receive()
                if received["type"] == "websocket.disconnect":
                    return
                self._take(received.get("text"))
        except WebSocketDisconnect:
            return
        except asyncio.CancelledError:
            if self.open:
                raise
        finally:
            self.open = False
            self._drained.set()
            sending.cancel()
            for task in self._tasks:
                task.cancel()

    async def tell(self, kind: str, **fields) -> None:
        """As `say`, and lets other work run; never waits for the tab."""
        self.say(kind, **fields)
        await asyncio.sleep(0)

    def say(self, kind: str, **fields) -> None:
        """Puts a message that answers none into the outbox; does nothing if the socket is closed."""
        self._write(text(kind, None, fields))

    async def drained(self) -> None:
        """Waits until the tab has read nearly all that was sent: for pages that send frame after frame."""
        while self.open and self._unsent > limits.UNSENT_FRAMES:
            self._drained.clear()
            await self._drained.wait()

    async def _sending(self) -> None:
        while self.open:
            await self._more.wait()
            self._more.clear()
            while self._outbox:
                said = self._outbox.popleft()
                try:
                    async with asyncio.timeout(limits.SEND_SECONDS):
                        await self._socket.send_text(said)
                except (WebSocketDisconnect, RuntimeError, OSError):  # TimeoutError is an OSError
                    return self._end()
                self._unsent -= len(said)
                self._drained.set()

    def _end(self) -> None:
        """Ends the session of a tab that is gone, or reads nothing."""
        self.open = False
        self._outbox.clear()
        self._drained.set()
        if self._running is not None:
            self._running.cancel()

    def start(self, work) -> asyncio.Task:
        """Runs a coroutine beside the messages; it is cancelled when the socket closes."""
        # the coroutine itself: a wrapper that is cancelled before it began would leave what it wraps behind
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ValueError | OSError):
            self.say("error", sentence=_said(error))
        elif error is not None:
            log.error("a page failed", exc_info=error)
            self.say("error", sentence=_MISTAKE)

    def _take(self, said: str | None) -> None:
        number = None
        try:
            self._pay()
            if said is None:
                raise Refused("a message must be text, but bytes came.")
            kind, number, fields = read(said)
            if kind not in self._answers:
                raise Refused(f"the studio knows no message {kind[:60]!r}.")
            if len(self._tasks) >= limits.WAITING:
                raise Refused(f"{limits.WAITING} messages wait for their answers already; wait for one of them.")
        except Refused as error:
            self._write(text("error", number, {"sentence": str(error)}))
            return
        self.start(self._answer(kind, number, fields))

    def _pay(self) -> None:
        """Takes one message from the budget of this socket, which fills up again by `limits.MESSAGES` a second."""
        now = time.monotonic()
        self._budget = min(float(limits.MESSAGES), self._budget + (now - self._seen) * limits.MESSAGES)
        self._seen = now
        if self._budget < 1.0:
            raise Refused(f"more than {limits.MESSAGES} messages a second came; this one was left out.")
        self._budget -= 1.0

    async def _answer(self, kind: str, number: int | None, fields: dict) -> None:
        method = self._answers[kind]
        turn = self._turns.setdefault(f"{kind.partition('.')[0]} {method.turn}", asyncio.Lock())
        async with turn:
            try:
                answer = await method(self, **method.rule(fields, ""))
            except (ValueError, OSError, ImportError) as error:
                self._write(text("error", number, {"sentence": _said(error)}))
                return
            except Exception:
                log.exception("message %s failed", kind)
                self._write(text("error", number, {"sentence": _MISTAKE}))
                return
        if number is not None:
            self._write(text(kind, number, answer))

    def _write(self, said: str) -> None:
        if not self.open:
            return
        self._outbox.append(said)
        self._unsent += len(said)
        if self._unsent > limits.UNSENT:
            self._end()
        self._more.set()


def _said(error: Exception) -> str:
    """The sentence of an error; the system's own words where it has no sentence of ours, without paths of this machine."""
    if isinstance(error, OSError) and error.errno and error.strerror and str(error).startswith("[Errno"):
        return f"the system refuses: {error.strerror}."
    return str(error)
