"""A studio in a thread of this process, and Chromium that opens its pages; skipped, and says so, where there is no browser."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
]  # fmt: skip
_WAIT = 60_000  # milliseconds; programs are compiled meanwhile, on a busy machine
SIZES = {"phone": (360, 740), "desk": (1280, 860), "wall": (3840, 2160)}


@contextlib.contextmanager
def open_studio(folder, pages=None, port=0, **options):
    """Yields the address, with its token, of a studio that runs in a thread; its trainings have the priority of others."""
    from mdn_studio import jobs, server

    jobs._PRIORITY = "0"  # on a busy machine they would starve

    lines, listening = [], threading.Event()

    def say(line):
        lines.append(line)
        if line.startswith("http://"):
            listening.set()

    servers = []

    class Kept(server._Server):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            servers.append(self)

    before, server._Server = server._Server, Kept
    try:
        thread = threading.Thread(
            target=server.serve, args=(folder, port), daemon=True,
            kwargs={"browser": False, "say": say, "pages": server.PAGES if pages is None else pages, **options},
        )  # fmt: skip
        thread.start()
        if not listening.wait(30):
            raise RuntimeError("the studio does not listen")
    finally:
        server._Server = before
    try:
        yield lines[-1]
    finally:
        servers[0].should_exit = True
        thread.join(15)


class Visitor:
    """A tab of Chromium, with all that went wrong in it.

    Attributes:
        page: Playwright's.
        faults: Errors of the console and of scripts, refusals by the policy, and answers of 400 and more.
    """

    def __init__(self, page):
        self.page, self.faults = page, []
        page.set_default_timeout(_WAIT)
        page.on("console", lambda said: said.type in ("error", "warning") and self.faults.append(said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("response", lambda one: one.status >= 400 and self.faults.append(f"{one.status} {one.url}"))

    def go(self, address: str, name: str):
        """Opens a page of the studio, and waits until it is there."""
        base, _, token = address.partition("/?")
        self.page.goto(f"{base}/{name}?{token}")
        self.page.wait_for_selector(f"main[data-ready={name or 'home'}]")
        return self.page

    def keep(self, name: str) -> None:
        """Writes a picture of the page to the folder of MDN_PICTURES, or to pytest's cache.

        Those of README.md and docs/studio.md, on a machine with nothing beside:
        `MDN_PICTURES=$PWD/docs/pictures make test ARGS="-k 'studio and (person or visitor or newcomer)'"`.
        """
        folder = Path(os.environ.get("MDN_PICTURES") or Path(__file__).parents[1] / ".pytest_cache" / "studio")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("document.getElementById('notes').replaceChildren()")
        self.page.screenshot(path=folder / f"studio-{name}.png")

    def until(self, script: str, seconds: float = 60.0):
        """Waits until a script in the page returns something true; returns that.

        Playwright's own `wait_for_function` evaluates text within the page, which the page's policy forbids.
        """
        found = []
        wait(lambda: found.append(self.page.evaluate(script)) or found[-1], seconds)
        return found[-1]


@contextlib.contextmanager
def browsing():
    """Yields Chromium; the test is skipped where there is none."""
    if BROWSER is None:
        pytest.skip("needs a browser: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=_FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def tab(browser, size="desk", dark=False, touch=False):
    """Yields a `Visitor` with no history and no cookies; afterwards nothing must have gone wrong in it."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
        has_touch=touch, accept_downloads=True,
    )  # fmt: skip
    visitor = Visitor(context.new_page())
    try:
        yield visitor
        assert not visitor.faults, visitor.faults
    finally:
        context.close()


def wait(done, seconds: float = 30.0):
    """Waits until `done()` is true."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "this took too long"
        time.sleep(0.05)
