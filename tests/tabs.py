"""Tabs without a browser: they ask the pages of a studio by their declared messages, and remember what they are told."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from mdn_studio.folder import Folder
from mdn_studio.messages import text
from mdn_studio.studio import Studio


def run(work):
    """The result of a coroutine, in a loop of a thread of its own: Playwright's loop runs in the thread of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Tab:
    """Stands for a `Session`: what the pages remember for it, and the messages that it got."""

    def __init__(self):
        self.state, self.told = {}, []

    def say(self, kind, **fields):
        self.told.append(json.loads(text(kind, None, fields)))

    async def tell(self, kind, **fields):
        self.say(kind, **fields)

    async def drained(self):
        """It reads at once."""


class Room:
    """A studio with some pages, and a loop in which its tabs ask."""

    def __init__(self, folder, *pages):
        self.loop = asyncio.new_event_loop()  # in a thread of its own: Playwright's runs in that of the tests
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.studio = Studio(Folder(folder), pages)

    def ask(self, tab, kind, **fields):
        """The answer to a message, as it comes to a browser; a refusal is a ValueError."""
        method = self.studio.answers[kind]
        sent = json.loads(json.dumps(fields))  # NaN passes here and not in a message
        asked = method(tab, **method.rule(sent, ""))
        answer = asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)
        return json.loads(text(kind, None, answer))

    def close(self):
        for page in self.studio.pages.values():
            page.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
