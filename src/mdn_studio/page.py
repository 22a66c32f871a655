"""What all pages share: a name, a thread to compute in, and the studio around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from mdn_studio.messages import message

if TYPE_CHECKING:
    from mdn_studio.studio import Studio

log = logging.getLogger("mdn.studio")


class Page:
    """The server's side of a page; its methods with `messages.message` answer the browser's side.

    Heavy modules (Keras, models) are imported within methods, so that the studio starts at once.

    Attributes:
        name: Of the page, of its module in `static/pages/`, and the first part of the kinds of its messages.
        studio: The studio: its folder, its jobs, its sessions.
    """

    name: ClassVar[str]

    def __init__(self, studio: Studio):
        self.studio = studio
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"studio-{self.name}")
        self._quick = ThreadPoolExecutor(1, thread_name_prefix=f"studio-{self.name}-quick")

    async def compute(self, function, *args, **options) -> Any:
        """`function(*args, **options)` in the one thread of this page, so that the server goes on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **options))

    async def quickly(self, function, *args, **options) -> Any:
        """As `compute`, in a thread for what is done at once, such as keeping a drawing.

        It does not wait for networks that are read and compiled in the thread of `compute`. Its messages need a `turn` of their
        own, too.
        """
        return await asyncio.get_running_loop().run_in_executor(self._quick, lambda: function(*args, **options))

    def in_pieces(self, function, arguments: Iterable[tuple]) -> None:
        """Calls `function(*each)` for each of `arguments` in the thread of this page; visitors who came meanwhile go first.

        A piece that fails is logged, and does not keep the others from their turn.
        """
        todo = iter(arguments)

        def piece():
            for each in todo:
                try:
                    function(*each)
                except Exception:
                    log.exception("the page %s could not warm up", self.name)
                with suppress(RuntimeError):  # the studio ends
                    self._thread.submit(piece)
                return

        piece()

    def warm(self) -> None:
        """Loads and compiles what the first visitor would wait for; called in the thread of this page after the start."""

    @message("leave")
    async def leave(self, session) -> dict:
        """The tab shows another page now."""
        await self.left(session)
        return {}

    async def left(self, session) -> None:
        """Called when a tab is closed, or shows another page."""

    def close(self) -> None:
        """Called when the studio ends."""
        for thread in (self._thread, self._quick):
            thread.shutdown(wait=False, cancel_futures=True)
