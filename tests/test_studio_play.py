"""The page Play: a loop of `mdn jam` for each tab, what is kept, and the page in a real browser."""

import asyncio
import base64
import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from browser import open_studio, tab, wait
from mdn.applications.ecg import model as ecg_model
from mdn.applications.jam import chapter as jam_chapter
from mdn.applications.jam import model as jam_model
from mdn.applications.live.log import Log
from mdn_studio import limits
from mdn_studio.pages.play import FOLDER, SHIPPED
from tabs import Room, Tab

pytestmark = pytest.mark.project

SETTINGS = {
    "model": SHIPPED, "mode": "callresponse", "silence": 0.05, "component_temperature": 1.0, "variance_temperature": 1.0,
}  # fmt: skip


class Playing:
    """The page class and one tab that plays."""

    def __init__(self, folder):
        self.room, self.tab = Room(folder, "play"), Tab()
        self.page, self.folder = self.room.studio.pages["play"], self.room.studio.folder.path

    def ask(self, kind, **fields):
        return self.room.ask(self.tab, f"play.{kind}", **fields)

    def begin(self, **settings):
        return self.ask("begin", **{**SETTINGS, **settings})

    def heard(self, kind):
        return [one for one in self.tab.told if one["kind"] == f"play.{kind}"]

    def until(self, kind, count=1):
        """Waits until `count` messages of a kind came."""
        wait(lambda: len(self.heard(kind)) >= count)
        return self.heard(kind)

    def leave(self):
        asyncio.run_coroutine_threadsafe(self.page.left(self.tab), self.room.loop).result(30)


@pytest.fixture(name="one")
def _one(tmp_path):
    one = Playing(tmp_path)
    yield one
    one.leave()
    one.room.close()


def test_a_call_is_answered_kept_heard_again_and_exported(one):
    mido = pytest.importorskip("mido")
    about = one.begin()
    assert len(about["notes"]) == 15 and about["tap"] == 0.1
    for x in (0.2, 0.3, 0.4):
        one.ask("touch", x=x, y=0.5)
    answers = one.until("answer", 3)
    assert all(0.0 <= each["x"] <= 1.0 and 0.0 <= each["y"] <= 1.0 for each in answers)
    assert answers[0]["begins"] and answers[0]["midi"][-1][0] == 0x90  # its note begins
    assert [each["at"] for each in answers] == sorted(each["at"] for each in answers)
    one.leave()
    assert one.heard("lifted")[-1]["midi"][-1][0] == 0x80  # no note hangs
    kept = one.ask("kept")["performances"]
    assert [each["touches"] for each in kept] == [3] and kept[0]["answers"] >= 3
    touches = one.ask("replay", name=kept[0]["name"])["touches"]
    assert [touch[2] for touch in touches[:3]] == [0.2, 0.3, 0.4] and [touch[1] for touch in touches[:4]] == [
        0,
        0,
        0,
        1,
    ]
    assert [touch[0] for touch in touches] == sorted(touch[0] for touch in touches)
    exported = one.ask("export", name=kept[0]["name"])
    path = one.folder / "a.mid"
    path.write_bytes(base64.b64decode(exported["base64"]))
    assert exported["name"].endswith(".mid") and len(mido.MidiFile(path).tracks) == 2
    assert one.ask("remove", name=kept[0]["name"])["performances"] == []


def test_midi_of_the_browser_plays_and_turns_the_knobs(one):
    one.begin(mode="polyphony")
    one.ask("midi", data=[0x90, 60, 100])
    heard = one.until("heard")
    assert 0.0 < heard[0]["x"] < 1.0
    one.until("answer")
    one.ask("midi", data=[0x80, 60, 0])
    one.until("released")
    one.ask("midi", data=[0xB0, 22, 127])
    assert one.until("state")[0]["mode"] == "useronly"
    one.ask("midi", data=[0xB0, 20, 64])
    with pytest.raises(ValueError, match="byte"):
        one.ask("midi", data=[0x90, 200, 100])


def test_the_modes_decide_who_plays_and_pause_stops_both(one):
    one.begin(mode="battle")
    one.until("answer", 2)
    assert one.page._names() == []  # nobody played with it: nothing is kept
    one.ask("set", mode="useronly")
    (player,) = one.page._players.values()
    wait(lambda: player.session.mode == "useronly")
    time.sleep(0.2)  # an answer of before may be on its way
    before = len(one.heard("answer"))
    one.ask("touch", x=0.5, y=0.5)
    time.sleep(0.3)
    assert len(one.heard("answer")) == before
    one.ask("set", mode="polyphony", paused=True)
    wait(lambda: player.paused)
    one.ask("touch", x=0.6, y=0.5)
    time.sleep(0.2)
    assert len(one.heard("answer")) == before
    one.ask("set", paused=False)
    one.ask("touch", x=0.7, y=0.5)
    one.until("answer", before + 1)
    one.leave()
    assert [each["touches"] for each in one.ask("kept")["performances"]] == [2]  # none of the pause


def test_begin_anew_keeps_the_performance_and_begins_another(one):
    one.begin(mode="useronly")
    for count in (1, 2):
        for _ in range(count + 1):
            one.ask("touch", x=0.5, y=0.5)
        one.ask("anew")
    one.leave()  # what was sent before is kept, though nobody waited for it
    assert sorted(each["touches"] for each in one.ask("kept")["performances"]) == [2, 3]


def test_what_makes_no_sense_is_a_sentence_and_changes_nothing(one):
    with pytest.raises(ValueError, match="nobody plays here yet"):
        one.ask("touch", x=0.5, y=0.5)
    one.begin(mode="useronly")
    wrong = [
        ("touch", {"x": float("nan"), "y": 0.5}), ("touch", {"x": 1e300, "y": 0.5}), ("touch", {"x": 0.5}),
        ("set", {"mode": "loud"}), ("set", {"variance_temperature": 0.0}), ("set", {"component_temperature": 1e9}),
        ("set", {"silence": -1}), ("midi", {"data": []}), ("midi", {"data": [0xF0] * 50}),
        ("replay", {"name": "../../etc/passwd"}), ("export", {"name": "none.log"}), ("remove", {"name": ""}),
    ]  # fmt: skip
    for kind, fields in wrong:
        with pytest.raises(ValueError, match=r"\w+.*\w+.*[.]$"):
            one.ask(kind, **fields)
    for model in ("nothing.keras", "../secret.keras"):
        with pytest.raises(ValueError, match=r"no file|no name"):
            one.begin(model=model)
    (one.folder / "jam of none.keras").write_text("no model")
    with pytest.raises(ValueError, match=r"jam of none\.keras"):
        one.begin(model="jam of none.keras")
    assert one.page._names() == [] and one.tab.told == []


def test_more_players_than_there_is_room_for_are_told_so(one):
    one.page._players = {number: None for number in range(limits.PLAYERS)}
    with pytest.raises(ValueError, match="people play here already"):
        one.begin()
    one.page._players = {}


def test_a_training_on_what_was_kept_is_a_command_that_mdn_takes(one, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no performance to learn from yet"):
        one.ask("train")
    rng = np.random.default_rng(0)

    def log():
        written, now = Log.new(tmp_path / FOLDER, 2), 1000.0
        for x, y, dt in rng.uniform(0.01, 1.0, (8, 3)):
            now += dt
            written(now, "interface", x, y)
        written.close()

    log()
    with pytest.raises(ValueError, match="10"):
        one.ask("train")
    for _ in range(11):
        log()
    assert one.ask("train")["out"] == "jam of mine.keras"
    (job,) = one.room.studio.jobs.jobs.values()
    parts = {}

    class Learnt(Exception):
        pass

    def train(given, **_):
        parts.update(given)
        raise Learnt

    monkeypatch.setattr(jam_chapter, "CHAPTER", dataclasses.replace(jam_chapter.CHAPTER, train=train))
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(mdn_cli.app, job.about["command"])
    assert isinstance(ran.exception, Learnt), ran.output
    assert sum(map(len, parts.values())) == 12
    shutil.copy(jam_model.SHIPPED, "my duet.keras")  # whatever its name is; and no model of another chapter
    shutil.copy(ecg_model.SHIPPED, "jam of hearts.keras")
    assert [each["name"] for each in one.ask("kept")["networks"]] == [SHIPPED, "my duet.keras"]


# ---- in a browser ---------------------------------------------------------------------------------------------------------

_HOOKS = """
window.levels = []; window.sent = [];
for (const name of ["AudioContext"]) {
  const made = window[name].prototype.createDynamicsCompressor;
  window[name].prototype.createDynamicsCompressor = function () {
    const one = made.call(this), ear = this.createAnalyser(), data = new Float32Array(2048);
    one.connect(ear);
    window.level = () => { ear.getFloatTimeDomainData(data); return Math.max(...data.map(Math.abs)); };
    return one;
  };
}
const input = { id: "in", name: "Keys", onmidimessage: null };
window.strike = (...data) => input.onmidimessage({ data: new Uint8Array(data) });
const output = { id: "out", name: "Synth", send: (data) => window.sent.push([...data]) };
navigator.requestMIDIAccess = async () => ({ inputs: new Map([["in", input]]), outputs: new Map([["out", output]]) });
"""


def _drag(page, visitor):
    page.locator("canvas.pad").scroll_into_view_if_needed()
    box = page.locator("canvas.pad").bounding_box()
    for swipe in range(3):
        x, y = box["x"] + box["width"] * (0.12 + 0.26 * swipe), box["y"] + box["height"] * (0.35 + 0.12 * swipe)
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(14):
            page.mouse.move(x + 10 * step, y + 40 * np.sin(step / 3))
            page.wait_for_timeout(10)
        if swipe < 2:
            page.mouse.up()
            page.wait_for_timeout(120)
    loud = visitor.until("window.level && window.level() > 0.001")
    page.mouse.up()
    return loud


def _model_shows(visitor):
    """Waits until the orange of the model is on the score."""
    visitor.until(
        """(() => { const c = document.querySelector('.score canvas'), k = document.createElement('canvas');
        [k.width, k.height] = [c.width, c.height];
        const copy = k.getContext('2d', { willReadFrequently: true });
        copy.drawImage(c, 0, 0);
        const d = copy.getImageData(0, 0, k.width, k.height).data;
        for (let i = 0; i < d.length; i += 4) if (d[i] > d[i + 2] + 60 && d[i + 3] > 200) return true; return false; })()"""
    )


def test_a_visitor_plays_and_hears_an_answer_keeps_it_and_leaves_in_silence(chromium, tmp_path, monkeypatch):
    folder = tmp_path / "studio"
    with open_studio(folder, pages=("play", "lecture")) as address, tab(chromium) as visitor:
        visitor.page.add_init_script(_HOOKS)
        page = visitor.go(address, "play")
        said = page.locator(".said")
        visitor.until("document.querySelector('.said').textContent.includes('Play something')")
        page.click("text=Use MIDI")
        page.select_option("label:text-is('Keyboard') + select", "in")
        page.select_option("label:text-is('Synthesiser') + select", "out")
        assert _drag(page, visitor)
        visitor.until("document.querySelector('.said').textContent.includes('model')")
        _model_shows(visitor)
        visitor.until("window.sent.some(([kind]) => kind === 0x90)")  # the synthesiser plays the answer
        page.wait_for_timeout(700)
        visitor.keep("play")

        page.click("text=You alone")
        page.keyboard.press("KeyG")
        page.evaluate("window.strike(0x90, 64, 90); window.strike(0x80, 64, 0)")
        page.click("text=Begin anew")
        row = page.locator("tbody tr").first
        row.wait_for()
        assert int(row.locator("td").nth(2).inner_text()) >= 3 and int(row.locator("td").nth(3).inner_text()) >= 1
        row.locator("text=Hear").click()
        _model_shows(visitor)
        page.click("text=Stop")
        with page.expect_download() as download:
            row.locator("text=MIDI").click()
        assert Path(download.value.path()).read_bytes().startswith(b"MThd")
        page.click("text=Train a model on them")
        page.wait_for_selector(".note.error")
        assert "10" in page.inner_text(".note.error")
        page.click(".note.error button")

        page.click("text=Battle")
        visitor.until("document.querySelector('.said').textContent.includes('model plays')")
        page.click("text=Pause")
        assert said.inner_text().startswith("Paused")
        page.click("text=Go on")
        page.evaluate("window.sent.length = 0")
        page.click("a[data-page=lecture]")
        visitor.until("window.sent.some(([kind, controller]) => kind === 0xb0 && controller === 123)")
        page.wait_for_selector("main[data-ready=lecture]")
        page.go_back()
        page.wait_for_selector("main[data-ready=play] tbody tr")
        row = page.locator("tbody tr").first
        row.locator("text=Remove").click()
        row.locator("text=Really?").click()
        visitor.until("document.querySelectorAll('tbody tr').length === 0")

        snippet = page.text_content("details.code pre")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "the page", "exec"), {})  # what the page offers to copy is true
    assert Path("answer.mid").read_bytes().startswith(b"MThd")
    from mdn.applications.jam import live_midi

    def no_ports(*_):
        raise OSError("no ports here")

    monkeypatch.setattr(live_midi, "open_ports", no_ports)
    command = snippet.splitlines()[-1].removeprefix("# mdn ").split()
    ran = CliRunner().invoke(mdn_cli.app, command)
    assert ran.exit_code and "no ports here" in ran.output, ran.output


def test_a_browser_without_midi_and_audio_says_so_and_still_shows_the_music(chromium, tmp_path):
    with open_studio(tmp_path / "studio", pages=("play",)) as address, tab(chromium, "phone", dark=True) as visitor:
        visitor.page.add_init_script(
            "delete window.AudioContext; delete window.webkitAudioContext; delete Navigator.prototype.requestMIDIAccess;"
        )
        page = visitor.go(address, "play")
        visitor.until("document.querySelector('.said').textContent.includes('Play something')")
        assert "has no WebAudio" in page.inner_text("main") and "has no WebMIDI" in page.inner_text("main")
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.keyboard.press("KeyA")
        page.keyboard.press("KeyK")
        _model_shows(visitor)
        assert json.loads(page.evaluate("JSON.stringify(document.querySelectorAll('canvas').length)")) == 2
