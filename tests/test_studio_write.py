"""The page "write": ink and what the window reads, recordings and trainings, spoken to by messages and in a browser."""

import base64
import contextlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from browser import open_studio, tab, wait
from mdn.applications import handwriting
from mdn.applications.handwriting import lines as handwriting_lines
from mdn.data import read_handwriting, to_lines
from mdn_studio import limits, recorder
from mdn_studio.pages import write
from tabs import Room, Tab

pytestmark = [pytest.mark.jax, pytest.mark.project]
TYPED = {"network": "handwriting", "text": "Hi", "paper": "", "style": "", "bias": 0.7, "seed": 3, "plain": False}
LINE = {"text": "a b", "writer": "ann", "strokes": [[[0, 0, 0], [5, 3, 8], [9, 1, 12]], [[9, 9, 20], [12, 9, 30]]]}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    opened = Room(tmp_path_factory.mktemp("studio"), "write")
    yield opened
    opened.close()


def test_a_page_shows_the_ink_of_the_chapter_line_by_line_and_what_the_window_read(room):
    text = "Hi you.\n\nOh, so"
    answer = room.ask(Tab(), "write.text", **{**TYPED, "text": text})
    assert [one["text"] for one in answer["lines"]] == ["Hi you.", "", "Oh, so"] and answer["sheets"] == 1
    model, page = handwriting.load(), handwriting.Page(width=165.0, height=None, margin=10.0)
    made = {i: handwriting.write(model, [said], bias=0.7, seed=3 + i) for i, said in ((0, "Hi you."), (2, "Oh, so"))}
    assert answer["height"] == 2 * page.margin + 3 * page.line_height
    for i, one in made.items():
        shown = answer["lines"][i]
        (window,) = handwriting.windows(model, one.events, one.texts)
        seen = np.frombuffer(base64.b64decode(shown["window"]), "uint8").reshape(-1, shown["letters"])
        np.testing.assert_allclose(seen / 255, window.clip(0, 1), atol=0.003)
        mine, theirs = [np.array(line) for line in shown["strokes"]], to_lines(one.lines[0])
        assert list(map(len, mine)) == list(map(len, theirs)) and sum(map(len, mine)) == len(window) + 1
    svg = room.ask(Tab(), "write.svg", **{**TYPED, "text": text, "seconds": 0})["files"]
    paths = [
        np.array(re.findall(r"-?[\d.]+", d), float).reshape(-1, 2)
        for d in re.findall(r'<path d="([^"]+)"', svg[0]["text"])
    ]
    strokes = [np.array(line) for one in answer["lines"] for line in one["strokes"]]
    assert len(svg) == 1 and len(paths) == len(strokes)
    for path, line in zip(paths, strokes, strict=True):
        np.testing.assert_allclose(path[: len(line)], line, atol=0.011)


def test_lines_that_did_not_change_are_not_written_again(room, monkeypatch):
    room.ask(Tab(), "write.text", **{**TYPED, "text": "Hi\nyou"})
    written = []
    monkeypatch.setattr(handwriting, "write", lambda model, texts, **how: written.append(texts) or made)
    made = handwriting.Written(
        [np.array([[0, 0, 0], [1, 1, 1.0]])], ["yes"], np.ones(1, bool), [np.zeros((2, 3), "float32")]
    )
    room.ask(Tab(), "write.text", **{**TYPED, "text": "Hi\nyes"})
    assert written == [["yes"]]


def test_a_paper_with_a_height_has_several_sheets_and_an_animation_moves(room):
    rows = "\n".join("a" for _ in range(20))
    answer = room.ask(Tab(), "write.text", **{**TYPED, "text": rows, "paper": "a5"})
    page = handwriting.Page.of("a5")
    assert answer["sheets"] == -(-20 // page.rows) == 2
    first = np.array(answer["lines"][page.rows]["strokes"][0])
    assert page.height < first[:, 1].min() < page.height + page.margin + page.line_height  # on the second sheet
    files = room.ask(Tab(), "write.svg", **{**TYPED, "text": rows, "paper": "a5", "seconds": 5})["files"]
    assert [one["name"] for one in files] == ["handwriting.svg", "handwriting-2.svg"] and "<animate" in files[1]["text"]


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("text", {"text": "Привет"}, "CYRILLIC CAPITAL LETTER PE"),
        ("text", {"text": "שלום", "plain": True}, "left to right only"),
        ("text", {"text": " \n "}, "at least one letter"),
        ("text", {"text": "x" * (limits.TEXT + 1)}, "written at once"),
        ("text", {"style": "nobody"}, "style is a number or name"),
        ("text", {"bias": float("nan")}, "finite number"),
        ("text", {"paper": "a0"}, "one of"),
        ("text", {"network": "../x"}, "no name for a file"),
        ("about", {"network": "x.keras"}, "no file"),
        ("keep", {"session": "../x", "place": 0, "line": LINE}, "name of a recording"),
        ("keep", {"session": "s", "place": 0, "line": {**LINE, "strokes": [[[1, float("inf"), 0]]]}}, "finite number"),
        ("keep", {"session": "s", "place": 0, "line": {**LINE, "strokes": []}}, "list of 1 value or more"),
        (
            "keep",
            {"session": "s", "place": 0, "line": {**LINE, "strokes": [[[0, 0, 0]] * (limits.POINTS + 1)]}},
            "points",
        ),
        ("keep", {"session": "s", "place": limits.LINES, "line": LINE}, "whole number"),
        ("train", {"session": "s", "title": "x"}, "30 lines are the fewest"),
        ("train", {"session": "s", "title": "a/b"}, "no name for a file"),
    ],
)
def test_bad_input_gets_a_sentence(room, kind, fields, said):
    fields = {**TYPED, **fields} if kind == "text" else fields
    with pytest.raises((ValueError, OSError), match=said):
        room.ask(Tab(), f"write.{kind}", **fields)
    assert not list(room.studio.folder.path.glob("handwriting-s*"))


def test_letters_that_the_hand_lacks_are_written_in_others_if_one_likes(room):
    answer = room.ask(Tab(), "write.text", **{**TYPED, "text": "Zoë", "plain": True})
    assert answer["lines"][0]["text"] == "Zoe"


def test_a_recording_is_what_the_browser_has_and_train_reads_it(tmp_path, monkeypatch):
    room, one = Room(tmp_path, "write"), Tab()
    try:
        for i in range(3):
            line = {**LINE, "text": f"line {i}", "session": "other", "more": 1}
            assert room.ask(one, "write.keep", session="s-1", place=i, line=line)["lines"] == i + 1
        assert room.ask(one, "write.keep", session="s-1", place=9, line=LINE)["lines"] == 3  # those between are missing
        assert room.ask(one, "write.keep", session="s-1", place=1, line={**LINE, "text": "anew"})["lines"] == 2
        assert room.ask(one, "write.recorded", session="s-1")["lines"] == 2
        found = read_handwriting(tmp_path / "handwriting-s-1.json")
        assert found.texts.tolist() == ["line 0", "anew"] and found.writers.tolist() == ["ann"] * 2
        np.testing.assert_array_equal(to_lines(found[0])[1] + LINE["strokes"][0][0][:2], [[9, 9], [12, 9]])
        assert room.ask(one, "write.keep", session="s-1", place=1, line=None)["lines"] == 1
        monkeypatch.setattr(handwriting_lines, "FEWEST", 1)
        with pytest.raises(
            ValueError, match="only 0 of the 1 recorded ones can be learnt from; line 0, 'line 0': few points"
        ):
            room.ask(one, "write.train", session="s-1", title="my hand")
        monkeypatch.setattr("mdn_studio.pages.write._usable", read_handwriting)
        room.ask(one, "write.train", session="s-1", title="my hand")
        (job,) = room.studio.jobs.jobs.values()
        assert job.about["out"] == "my hand.keras" and job.about["command"][-2:] == ["--out", "my hand.keras"]
        with pytest.raises(ValueError, match="already"):
            room.ask(one, "write.train", session="s-1", title="my hand")
        room.ask(one, "write.keep", session="s-1", place=1, line=LINE)
        assert len(json.loads((tmp_path / "my hand lines.json").read_text())) == 1
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(handwriting_lines, "FEWEST", 30)
        ran = CliRunner().invoke(mdn_cli.app, job.about["command"])
        assert ran.exit_code == 2 and "at least 30 lines" in ran.output, ran.output
        (tmp_path / "handwriting-s-2.json").write_text("{")
        with pytest.raises(ValueError, match="is no recording any more"):
            room.ask(one, "write.recorded", session="s-2")
    finally:
        room.close()


def test_the_recorder_of_the_page_is_that_of_mdn_record():
    source = recorder.module()
    page = (recorder.Path(handwriting.__file__).parent / "record.html").read_text()
    assert source.split("\nexport")[0] in page and "class Recording" in source
    if shutil.which("node") is None:
        pytest.skip("there is no Node here")
    said = "const texts = Array.from({ length: 50 }, line); console.log(JSON.stringify([typeof Recording, ...texts]))"
    ran = subprocess.run(
        ["node", "--input-type=module", "-"], input=source + said, capture_output=True, text=True, timeout=60
    )
    kind, *texts = json.loads(ran.stdout)
    known = set(handwriting.load().alphabet.characters)
    assert kind == "function" and all(set(text) <= known and len(text) > 5 for text in texts)


# ---- in a browser --------------------------------------------------------------------------------------------------------


def test_a_person_types_reads_the_window_saves_and_records_a_line(tmp_path, chromium, monkeypatch):
    monkeypatch.setattr(write, "_WARM", ())
    with open_studio(tmp_path, pages=("write",)) as address, tab(chromium) as visitor:
        page = visitor.go(address, "write")
        visitor.until("document.querySelector('.letters').textContent === 'The answer is a mixture.'")
        page.get_by_text("Show all of it").click()
        visitor.until("document.querySelector('.window .small').textContent.includes('of 24')")
        visitor.keep("write")
        page.fill("#write-text", "Hi you")
        visitor.until("document.querySelector('.letters').textContent === 'Hi you'")
        page.get_by_text("Show all of it").click()
        visitor.until("document.querySelector('.window .small').textContent.includes('of 6')")
        assert page.locator(".paper canvas").get_attribute("aria-label") == "Written by hand: Hi you"
        ink = "document.querySelector('.paper canvas').toDataURL().length"
        all_of_it = visitor.until(ink)
        where = page.get_by_label("Where the pen is")
        where.focus()
        page.keyboard.press("Home")
        wait(lambda: page.evaluate(ink) < all_of_it)
        visitor.until("document.querySelector('.window .small').textContent.includes('letter 1 of 6')")

        page.fill("#write-text", "Привет")
        visitor.until("document.querySelector('.fault').textContent.includes('CYRILLIC')")
        assert page.inner_text(".letters") == "Hi you"  # nothing else changed
        page.fill("#write-text", "Hi you")
        visitor.until("document.querySelector('.fault').textContent === ''")
        with page.expect_download() as saved:
            page.get_by_text("Save as SVG").click()
        saved.value.save_as(tmp_path / "saved.svg")
        text = page.locator("details.code pre").first.text_content()
        with contextlib.chdir(tmp_path):
            made: dict = {}
            exec(compile(text, "page", "exec"), made)
        assert made["weights"].shape[1] == 6
        paths = [re.findall(r'<path d="([^"]+)"', (tmp_path / name).read_text()) for name in ("saved.svg", "note.svg")]
        assert len(paths[0]) == len(paths[1]) > 0

        page.locator("canvas.sheet").scroll_into_view_if_needed()
        box = page.locator("canvas.sheet").bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 60, steps=5)
        page.mouse.up()
        words = page.inner_text(".to-write")
        page.get_by_text("Next line").click()
        visitor.until("document.body.textContent.includes('1 line is written, all of them in the folder')")
        (kept,) = tmp_path.glob("handwriting-*.json")
        assert read_handwriting(kept).texts.tolist() == [words]
        page.reload()
        visitor.until("document.body.textContent.includes('1 line is written, all of them in the folder')")
        page.get_by_role("button", name="Undo").click()
        visitor.until("document.body.textContent.includes('Nothing is written yet')")
        wait(lambda: json.loads(kept.read_text()) == [])
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
