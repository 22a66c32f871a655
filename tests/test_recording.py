"""The page of `mdn record`: its logic under Node, where there is one, and the files that it saves."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mdn.applications import handwriting
from mdn.data import read_handwriting

pytestmark = pytest.mark.project
PAGE = Path(handwriting.__file__).with_name("record.html")
STORE = """
class Store extends Map {
  getItem(key) { return this.get(key) ?? null; }
  setItem(key, value) { if (this.full) throw new Error("quota"); this.set(key, value); }
  removeItem(key) { this.delete(key); }
}
let clock = 100000, texts = 0, ids = 0;
const store = new Store();
const open = () => new Recording(store, () => `text ${texts++}`, () => `session ${ids++}`, () => clock);
const touch = (pointerId, more = {}) =>
  ({ pointerId, pointerType: "touch", button: 0, buttons: 1, width: 20, height: 20, ...more });
let page = open();
function stroke(x, pointer = touch(1)) {
  page.down(pointer, [x, 1, clock]);
  page.move(pointer, [[x + 1, 2, clock + 8], [x + 2, 3, clock + 16]]);
  clock += 20;
  page.up(pointer);
}
const xs = () => page.strokes.map(one => one.map(point => point[0]));
"""


def under_node(code):
    """What `tell` was called with, in the page's logic with a store of our own."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node here")
    logic = PAGE.read_text(encoding="utf-8").split('<script id="recording">')[1].split("</script>")[0]
    code = (
        f"{logic}{STORE}const told = []; const tell = one => told.push(one);{code};console.log(JSON.stringify(told));"
    )
    ran = subprocess.run(["node", "-"], input=code, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_line_that_is_on_the_paper_is_saved():
    """Fault 14e of issue 18: Save before "Next line" lost the line."""
    (saved,) = under_node("stroke(1); stroke(5); tell(JSON.parse(page.save()))")
    assert [one["text"] for one in saved] == ["text 0"]
    assert saved[0]["strokes"] == [[[1, 1, 0], [2, 2, 8], [3, 3, 16]], [[5, 1, 20], [6, 2, 28], [7, 3, 36]]]
    assert saved[0]["writer"] == "me" and saved[0]["session"] == "session 0" and saved[0]["saved"] == 100_040


def test_a_reload_loses_nothing():
    """Fault 14e of issue 18."""
    before, after, anew = under_node(
        """
        const all = () => [page.session, page.text, page.written, page.strokes, page.saved, page.writer];
        page.writer = "ann"; stroke(1); page.next(); stroke(2); page.save(); stroke(3); page.next(); stroke(4);
        tell(all()); page = open(); tell(all());
        page.begin(); page = open(); tell([page.session, page.written.length, page.strokes.length, page.writer, store.size]);
        """
    )
    assert before == after and len(after[2]) == 3 and after[4] == 2
    assert anew == ["session 1", 0, 0, "ann", 2]


def test_a_store_that_is_full_or_holds_something_else_ends_nothing():
    """Fault 14e of issue 18."""
    kept, lines, session = under_node(
        """
        store.full = true; stroke(1); page.next(); tell(page.kept); tell(JSON.parse(page.save()).length);
        store.full = false; store.set("mdn.session", "[1"); page = open(); tell(page.session);
        """
    )
    assert (kept, lines, session) == (False, 1, "session 1")


def test_undo_takes_back_a_stroke_and_on_empty_paper_brings_back_the_line_before():
    """Fault 14e of issue 18: there was no undo."""
    one, line, left, saved = under_node(
        """
        stroke(1); stroke(5); page.undo(); tell(xs());
        page.save(); page.undo(); tell([page.text, xs(), page.written.length, page.saved]);
        page.undo(); page.undo(); page.undo(); tell(xs());
        stroke(9); tell(JSON.parse(page.save()).map(one => [one.text, one.strokes.length]));
        """
    )
    assert one == [[1, 2, 3]] and line == ["text 0", [[1, 2, 3]], 0, 0] and left == [] and saved == [["text 0", 1]]


def test_one_pointer_at_a_time_writes():
    """Fault 14e of issue 18: a palm beside the finger, a right click, a press that begins outside spoilt lines."""
    found = under_node(
        """
        const finger = touch(1), palm = touch(2, { width: 90, height: 70 });
        const pen = touch(3, { pointerType: "pen", width: 1, height: 1 }), mouse = { ...pen, pointerId: 4, pointerType: "mouse" };
        page.down(finger, [1, 1, clock]); page.down(palm, [500, 1, clock]); page.move(palm, [[501, 1, clock]]);
        page.move(finger, [[2, 1, clock]]); page.up(palm); page.move(finger, [[3, 1, clock]]); page.up(finger);
        tell(xs()); page.again();
        page.down(palm, [500, 1, clock]); page.down(finger, [1, 1, clock]); page.move(palm, [[501, 1, clock]]); page.up(finger);
        tell(xs()); page.again();
        page.down({ ...mouse, button: 2, buttons: 2 }, [7, 7, clock]); page.move({ ...mouse, buttons: 2 }, [[8, 8, clock]]);
        tell(xs());
        page.move(mouse, [[8, 8, clock]]); tell(xs());
        page.down(mouse, [1, 1, clock]); page.move({ ...mouse, buttons: 2 }, [[9, 9, clock]]); page.move(mouse, [[9, 9, clock]]);
        tell(xs()); page.again();
        page.down(palm, [500, 1, clock]); stroke(4, pen); page.down(finger, [300, 1, clock]); tell(xs()); page.again();
        clock += 6000; stroke(5, finger); tell(xs()); page.again();
        page.down(finger, [1, 1, clock]); page.up(finger, true); tell(xs());
        page.down(finger, [1, 1, clock]); page.again(); page.move(finger, [[2, 2, clock]]); tell(xs());
        """
    )
    assert found == [[[1, 2, 3]], [[1]], [], [], [[1]], [[4, 5, 6]], [[5, 6, 7]], [], []]


def test_of_the_saves_of_a_session_the_latest_is_read(tmp_path):
    """Fault 14e of issue 18: a file saved twice in one folder counted twice."""

    def line(text, **more):
        return {"text": text, "writer": "me", "strokes": [[[0, 0, 0], [5, 3, 8]], [[9, 9, 20], [12, 9, 30]]], **more}

    def save(name, texts, **more):
        (tmp_path / name).write_text(json.dumps([line(text, **more) for text in texts]))

    save("handwriting-s (1).json", ["a", "b", "c"], session="s", saved=3)
    save("handwriting-s (2).json", ["a", "b"], session="s", saved=2)
    save("handwriting-s.json", ["a"], session="s", saved=1)
    save("z copy.json", ["a", "b", "c"], session="s", saved=3)
    save("another.json", ["d"], session="t", saved=1)
    save("old.json", ["e"])
    save("odd.json", ["f"], session=["s"], saved="x")
    (tmp_path / "broken.json").write_text('[{"session": "s"')
    found = read_handwriting(tmp_path)
    assert sorted(found.texts.tolist()) == list("abcdef")
    assert len(found.skipped) == 1 and "broken.json" in found.skipped[0]
    assert read_handwriting(tmp_path / "handwriting-s (2).json").texts.tolist() == ["a", "b"]
