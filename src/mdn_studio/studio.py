"""The studio itself: its folder, its pages, its jobs and the tabs that are open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib import import_module

from mdn_studio import limits
from mdn_studio.folder import Folder
from mdn_studio.jobs import Jobs
from mdn_studio.messages import handlers
from mdn_studio.page import Page
from mdn_studio.session import Session

log = logging.getLogger("mdn.studio")


class Studio:
    """All that pages share.

    Args:
        folder: Of the files that the studio reads and writes.
        pages: The names of the pages.

    Attributes:
        folder: The same.
        jobs: The trainings, a `Jobs`.
        sessions: The tabs that are open.
    """

    def __init__(self, folder: Folder, pages: Sequence[str]):
        self.folder = folder
        self.sessions: set[Session] = set()
        self.jobs = Jobs(self)
        self.pages: dict[str, Page] = {}
        for name in pages:
            self.pages[name] = import_module(f"mdn_studio.pages.{name}").page(self)
        self.answers = {}
        for page in [self.jobs, *self.pages.values()]:
            self.answers.update(handlers(page))

    async def visit(self, socket) -> None:
        """Answers the messages of one tab until it closes."""
        await socket.accept()
        if len(self.sessions) >= limits.SOCKETS:
            await socket.close(4429, f"{limits.SOCKETS} tabs are open already; close one of them.")
            return
        session = Session(socket, self.answers)
        self.sessions.add(session)
        try:
            session.say("studio.hello", pages=list(self.pages), jobs=self.jobs.shown(), upload=limits.UPLOAD_BYTES)
            await session.run()
        finally:
            self.sessions.discard(session)
            await asyncio.gather(*(page.left(session) for page in self.pages.values()), return_exceptions=True)

    async def tell_all(self, kind: str, **fields) -> None:
        """Sends a message to every open tab."""
        for session in list(self.sessions):
            await session.tell(kind, **fields)

    async def begin(self) -> None:
        """Goes on with the jobs that an earlier server left, and warms the pages up, one after the other."""
        await self.jobs.begin()
        for page in self.pages.values():
            try:
                await page.compute(page.warm)
            except Exception:  # the page may still work, and others must not stay cold
                log.exception("the page %s could not warm up", page.name)

    async def end(self) -> None:
        """Leaves trainings running; the next server finds them again."""
        await self.jobs.end()
        for page in self.pages.values():
            page.close()
