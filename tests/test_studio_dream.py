"""The page Dream: two walks for each tab, and the page in a real browser."""

import asyncio
import base64
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from browser import open_studio, tab, wait
from mdn_studio import limits
from mdn_studio.pages import dream as page_of_dreams
from mdn_studio.pages.dream_parts import Loaded, Wheel
from tabs import Room, Tab

pytest.importorskip("Box2D", reason="needs Box2D: pip install 'gymnasium[box2d]'")
pytest.importorskip("gymnasium")
pytestmark = pytest.mark.project

SETTINGS = {"world": "cartpole", "who": "c", "variance_temperature": 1.0, "speed": 1.0, "runs": True, "seed": 3}


@pytest.fixture(scope="module", name="loaded")
def _loaded():
    return Loaded("cartpole")


class Sleeper(Tab):
    """A tab whose page may start work beside the messages."""

    def start(self, work):
        return asyncio.ensure_future(work)


class Dreaming:
    """The page class and one tab; the small world is loaded already."""

    def __init__(self, folder, loaded):
        self.room, self.tab = Room(folder, "dream"), Sleeper()
        self.page = self.room.studio.pages["dream"]
        self.page._loaded["cartpole"] = loaded

    def ask(self, kind, **fields):
        return self.room.ask(self.tab, f"dream.{kind}", **fields)

    def leave(self):
        asyncio.run_coroutine_threadsafe(self.page.left(self.tab), self.room.loop).result(30)


@pytest.fixture(name="one")
def _one(tmp_path, loaded):
    one = Dreaming(tmp_path, loaded)
    yield one
    one.leave()
    one.room.close()


def test_frames_of_both_worlds_come_until_a_pause_and_go_on_after_it(one):
    about = one.ask("begin", **SETTINGS)
    assert (about["height"], about["width"], about["channels"], about["missing"]) == (32, 32, 1, "")
    wait(lambda: len(one.tab.told) >= 20)
    first, last = one.tab.told[0], one.tab.told[19]
    for side in ("real", "dream"):
        assert len(base64.b64decode(first[side]["frame"])) == len(base64.b64decode(first[side]["fog"])) == 32 * 32
        assert len(first[side]["cloud"]) == 48 and all(len(place) == 2 for place in first[side]["cloud"])
    assert last["real"]["score"] == last["real"]["frames"] == 20  # C keeps the pole up, one point a frame
    one.ask("run", runs=False)
    count = len(one.tab.told)
    time.sleep(0.4)  # 20 frames, if they came
    assert len(one.tab.told) <= count + 1  # one was on its way
    count = len(one.tab.told)
    one.ask("run", runs=True)
    wait(lambda: len(one.tab.told) > count)
    one.ask("anew", which="real")
    wait(lambda: one.tab.told[-1]["real"]["frames"] < 15)
    one.ask("leave")
    assert not one.page._seats


def test_the_same_keys_steer_both_worlds(loaded):
    wheel = Wheel(loaded, 1.0, 1)
    wheel.held = frozenset({"left"})
    assert [one["action"] for one in wheel.tick().values()] == [[1.0, 0.0]] * len(wheel.walks)
    wheel.held = frozenset({"right", "up"})
    assert [one["action"] for one in wheel.tick().values()] == [[0.0, 1.0]] * len(wheel.walks)
    wheel.held = frozenset()
    pushes = [wheel.tick()["dream"]["action"] for _ in range(4)]
    assert pushes == [[1.0, 0.0], [0.0, 1.0]] * 2  # they take turns
    wheel.close()


def test_an_episode_that_ended_stays_in_sight_and_begins_anew(loaded):
    wheel = Wheel(loaded, 1.0, 1)
    wheel.held = frozenset({"left"})
    shown = [wheel.tick()["dream"] for _ in range(150)]
    ended = [one["ended"] for one in shown]
    assert any(ended) and not all(ended[ended.index(True) :])
    wheel.close()


def test_heat_changes_the_dream_that_is_under_way(loaded):
    wheel = Wheel(loaded, 1.0, 1)
    spreads = []
    for heat in (0.0, 9.0):
        wheel.heat(heat)
        wheel.begin("dream")
        wheel.tick()
        spreads.append(wheel.dreamt.cloud.std(axis=0).mean())
    assert spreads[1] > 2.0 * spreads[0]
    wheel.close()


def test_without_gymnasium_the_page_says_what_to_install_and_still_dreams(one, monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    about = one.ask("begin", **SETTINGS)
    assert "pip install 'mdn[world]'" in about["missing"]
    wait(lambda: len(one.tab.told) >= 3)
    assert all(set(fields) == {"kind", "dream"} for fields in one.tab.told)
    with pytest.raises(ValueError, match="pip install"):
        one.ask("anew", which="here")


def test_what_makes_no_sense_is_a_sentence(one):
    with pytest.raises(ValueError, match="choose a world first"):
        one.ask("keys", held=["left"])
    wrong = [
        {"world": "moon"},
        {"who": "nobody"},
        {"speed": 0.0},
        {"variance_temperature": float("nan")},
        {"variance_temperature": -1},
    ]
    for change in (*wrong, {"speed": 1e9}, {"seed": -1}, {"seed": 0.5}, {"more": 1}):
        with pytest.raises(ValueError, match=r"`\w+`"):
            one.ask("begin", **{**SETTINGS, **change})
    one.ask("begin", **SETTINGS)
    for fields in ({"held": ["fire"]}, {"held": "left"}, {}):
        with pytest.raises(ValueError, match="`held"):
            one.ask("keys", **fields)
    one.leave()
    one.page._seats = {number: None for number in range(limits.DREAMERS)}
    with pytest.raises(ValueError, match="people dream here already"):
        one.ask("begin", **SETTINGS)
    one.page._seats = {}


# ---- in a browser ---------------------------------------------------------------------------------------------------------

_PIXELS = """[...document.querySelectorAll('canvas.view')].map((c) => {
  const k = document.createElement('canvas');
  k.width = k.height = 24;
  const copy = k.getContext('2d', { willReadFrequently: true });
  copy.drawImage(c, 0, 0, 24, 24);
  return [...copy.getImageData(0, 0, 24, 24).data].join();
})"""


def test_a_visitor_watches_c_takes_the_wheel_and_dreams_from_here(chromium, tmp_path, loaded, monkeypatch):
    monkeypatch.setattr(page_of_dreams.Dream, "warm", lambda page: page._loaded.setdefault("cartpole", loaded))
    with open_studio(tmp_path / "studio", pages=("dream",)) as address:
        with tab(chromium) as visitor:
            page = visitor.go(address, "dream")
            visitor.until("document.querySelector('.rate').textContent.includes('frames a second')")  # of the car
            before = page.evaluate(_PIXELS)
            wait(lambda: all(one != other for one, other in zip(before, page.evaluate(_PIXELS), strict=True)))
            greens = [np.array(one.split(","), int).reshape(-1, 4).mean(axis=0) for one in page.evaluate(_PIXELS)]
            assert all(green > red and green > blue for red, green, blue, _ in greens)  # the grass
            visitor.until(
                "[...document.querySelectorAll('.world .state')].every((one) => parseInt(one.textContent.slice(14)) >= 4)"
            )
            visitor.keep("dream")
            page.keyboard.down("ArrowRight")
            assert page.get_by_role("button", name="You", exact=True).get_attribute("aria-pressed") == "true"
            assert "held" in page.get_attribute("[data-key=right]", "class")
            page.keyboard.up("ArrowRight")
            assert "held" not in page.get_attribute("[data-key=right]", "class")

            page.select_option("label:text-is('World') + select", "cartpole")
            visitor.until("document.querySelector('[data-key=up]').disabled")
            page.get_by_role("button", name="The network", exact=True).click()
            visitor.until(
                "[...document.querySelectorAll('.world small')].every((one) => parseInt(one.textContent.slice(6)) > 5)"
            )
            greys = np.array(page.evaluate(_PIXELS)[1].split(","), int).reshape(-1, 4)
            assert (greys[:, 0] == greys[:, 1]).all()
            page.click("text=Dream from here")
            page.locator("[data-key=left]").dispatch_event("pointerdown", {"pointerId": 5})
            assert "You steer both worlds" in page.inner_text("main")
            page.locator("[data-key=left]").dispatch_event("pointerup", {"pointerId": 5})
            slider = page.locator("input[type=range]").first
            slider.focus()
            page.keyboard.press("ArrowRight")  # moves the slider, not the cart
            assert page.inner_text(".slider output") != "1.0" and "held" not in (
                page.get_attribute("[data-key=right]", "class")
            )
            page.click("text=Pause")
            page.wait_for_timeout(200)
            before = page.evaluate(_PIXELS)
            page.wait_for_timeout(300)
            assert page.evaluate(_PIXELS) == before
            snippet = page.text_content("details.code pre")
        with tab(chromium, "phone", dark=True) as visitor:
            page = visitor.go(address, "dream")
            visitor.until(
                "document.querySelector('[data-key=left]').getBoundingClientRect().bottom <= innerHeight"
            )  # in reach
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "the page", "exec"), {})  # what the page offers to copy is true
    ran = CliRunner().invoke(mdn_cli.app, snippet.splitlines()[-1].removeprefix("# mdn ").split())
    assert ran.exit_code == 0 and Path("dream.gif").exists(), ran.output
