"""The frame of the studio in a real browser: the way to each page, and a server that was gone."""

from __future__ import annotations

import pytest

from browser import SIZES, open_studio, tab
from mdn_studio import server

pytestmark = pytest.mark.project


def test_the_first_page_offers_every_page_at_every_size(chromium, tmp_path):
    with open_studio(tmp_path / "studio", pages=("lecture",)) as address:
        for size in SIZES:
            for dark in (False, True):
                with tab(chromium, size, dark) as visitor:
                    page = visitor.go(address, "")
                    visitor.until("document.querySelectorAll('.card').length === 1")
                    assert page.inner_text("h1") == "One question, several right answers"
                    assert page.url == address.partition("?")[0]  # the token stays in no history
                    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_page_says_that_the_server_is_gone_and_comes_back_by_itself(chromium, tmp_path):
    from urllib.parse import urlsplit

    with tab(chromium) as visitor:
        with open_studio(tmp_path / "studio", pages=("lecture",)) as address:
            page = visitor.go(address, "")
            visitor.until("document.documentElement.dataset.connected === 'true'")
        page.wait_for_selector("#away:not([hidden])")
        assert "does not answer" in page.inner_text("#away")
        visitor.faults.clear()  # the browser tells of each attempt
        with open_studio(tmp_path / "studio", pages=("lecture",), port=urlsplit(address).port) as again:
            assert again == address
            page.wait_for_selector("#away", state="hidden")
            page.click(".card")
            page.wait_for_selector("main[data-ready=lecture]")
            visitor.faults = [one for one in visitor.faults if "ERR_CONNECTION_REFUSED" not in one]


_NEWEST = """async () => {
  const { newest } = await import("/static/socket.js"), waiting = [], shown = [];
  const ask = newest((one) => new Promise((done) => waiting.push(() => done(one))), (answer) => shown.push(answer));
  const next = async () => { waiting.shift()(); await new Promise((done) => setTimeout(done)); };
  ask("a"); ask("b"); ask("c");
  await next(); await next();
  ask("old target"); ask("old target again");
  ask.drop();
  ask("new target");
  await next(); await next();
  return [shown, waiting.length];
}"""
_UPLOAD = """async () => {
  const { upload } = await import("/static/ui.js");
  return upload(new File(["x".repeat(3e6)], "t.csv"), 2 ** 20).catch((error) => error.message);
}"""


def test_the_address_works_as_a_link_on_another_page(chromium, tmp_path):
    """A browser keeps a strict cookie back after such a link, and the page would be refused."""
    with open_studio(tmp_path / "studio", pages=("lecture",)) as address, tab(chromium) as visitor:
        visitor.page.goto(f"data:text/html,<a href='{address}'>the studio</a>")
        visitor.page.click("a")
        visitor.page.wait_for_selector("main[data-ready=home]")


def test_stale_answers_and_files_that_are_too_large_stop_in_the_page(chromium, tmp_path):
    with open_studio(tmp_path / "studio", pages=("lecture",)) as address, tab(chromium) as visitor:
        page = visitor.go(address, "")
        assert page.evaluate(_NEWEST) == [["a", "c", "new target"], 0]
        assert page.evaluate(_UPLOAD).startswith("t.csv has 3 MB, and 1 MB are the most")
        assert not list((tmp_path / "studio").glob("uploads/*"))


def test_the_pages_of_the_frame_are_those_of_the_server():
    names = [path.stem for path in (server.STATIC / "pages").glob("*.js") if "-" not in path.stem]
    assert sorted(names) == sorted(server.PAGES)
    shell = (server.STATIC / "studio.js").read_text()
    assert all(f'["{name}", ' in shell for name in server.PAGES)
