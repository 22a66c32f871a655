"""The page "draw": sheets, ghosts, kept drawings and trainings, spoken to by messages and in a browser."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from browser import open_studio, tab, wait
from mdn.applications import sketch
from mdn.applications.sketch import SketchRNN
from mdn.applications.sketch import data as sketch_data
from mdn.applications.sketch import train as sketch_train
from mdn.data import from_lines, read_drawings, to_lines
from mdn_studio import limits
from mdn_studio.folder import Folder
from mdn_studio.pages import draw, draw_networks, draw_sheets
from mdn_studio.pages.draw_sheets import Sheet, Sheets
from tabs import Room, Tab, run

pytestmark = [pytest.mark.jax, pytest.mark.project]
TEMPERATURES = {"component_temperature": 0.8, "variance_temperature": 0.7}
CIRCLE = [[200 + 60 * np.cos(t), 150 + 60 * np.sin(t), 0.5] for t in np.linspace(0, 6.28, 40)]


def network(**settings):
    """An untrained network that draws, in the unit of sheets."""
    keras.utils.set_random_seed(0)
    model = SketchRNN((8,), 2, encoder_units=4, scale=20.0, grid=1.0, **settings)
    drawings = [from_lines([np.array(CIRCLE)[:, :2]]), from_lines([[[0, 0], [50, 20], [40, 80]], [[9, 9], [12, 60]]])]
    return model.adapt(sketch_train.spread(model, drawings, 0))


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    sketch.save(network(latent_size=3), folder / "mine.keras")
    sketch.save(network(classes=["cat", "dog"]), folder / "words.keras")
    (folder / "broken.keras").write_bytes(b"no archive")
    opened = Room(folder, "draw")
    opened.folder = folder
    yield opened
    opened.close()


@pytest.fixture
def person(room, request):
    """A tab at a sheet of its own."""
    one = Tab()
    room.ask(one, "draw.join", sheet=re.sub(r"\W+", " ", request.node.name)[:50].strip(), by="p")
    return one


@pytest.fixture
def sheet_at():
    """Opens sheets by their paths; they are closed after the test only, as those of a server that is killed."""
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(contextlib.closing(Sheet(path)))


# ---- sheets --------------------------------------------------------------------------------------------------------------


def test_people_at_one_sheet_see_each_others_ink_and_an_undo_takes_back_ones_own(room):
    ann, ben, other = Tab(), Tab(), Tab()
    for one, name, sheet in ((ann, "ann", "shared"), (ben, "ben", "shared"), (other, "eve", "another")):
        answer = room.ask(one, "draw.join", sheet=sheet, by=name)
    assert answer["people"] == 1 and ann.told[-1] == {"kind": "draw.people", "sheet": "shared", "people": 2}
    room.ask(ann, "draw.ink", stroke="a1", start=0, points=[[1, 2, 0.5], [3, 4, 1.0]])
    room.ask(ben, "draw.ink", stroke="b1", start=0, points=[[9, 9, 0.5]])
    ink = {"stroke": "a1", "start": 0, "points": [[1, 2, 0.5], [3, 4, 1.0]]}
    assert ben.told[-1] == {"kind": "draw.inked", "sheet": "shared", **ink}
    assert ann.told[-1]["stroke"] == "b1" and not any(one["kind"] == "draw.inked" for one in other.told)
    room.ask(ann, "draw.undo")
    assert ben.told[-1] == ann.told[-1] == {"kind": "draw.changed", "sheet": "shared", "shown": {"a1": False}}
    room.ask(ben, "draw.clear")
    assert ann.told[-1]["shown"] == {"b1": False}
    room.ask(ben, "draw.undo")
    assert ann.told[-1]["shown"] == {"b1": True}
    late = room.ask(other, "draw.join", sheet="shared", by="eve")["strokes"]
    assert [(one["id"], one["shown"], len(one["points"])) for one in late] == [("a1", False, 2), ("b1", True, 1)]
    room.ask(ann, "draw.leave")
    assert ben.told[-1]["people"] == 2  # Ben and Eve


def test_ink_that_comes_twice_counts_once_and_ink_that_comes_too_early_is_refused(room, person):
    one, two = [[1, 1, 0.5], [2, 2, 0.5]], [[2, 2, 0.5], [3, 3, 0.5]]
    assert room.ask(person, "draw.ink", stroke="s", start=0, points=one) == {"kind": "draw.ink", "have": 2}
    assert room.ask(person, "draw.ink", stroke="s", start=1, points=two)["have"] == 3
    with pytest.raises(ValueError, match="has 3 points so far, but these begin at 5"):
        room.ask(person, "draw.ink", stroke="s", start=5, points=two)
    name = room.studio.pages["draw"].sheets.of(person)[0]
    (stroke,) = room.ask(Tab(), "draw.join", sheet=name, by="q")["strokes"]
    assert [point[0] for point in stroke["points"]] == [1, 2, 3]


def test_ink_for_a_sheet_that_the_tab_has_left_is_refused(room):
    one, ink = Tab(), {"stroke": "s", "start": 0, "points": [[1, 1, 0.5]]}
    room.ask(one, "draw.join", sheet="first", by="p")
    room.ask(one, "draw.ink", sheet="first", **ink)
    room.ask(one, "draw.join", sheet="second", by="p")
    with pytest.raises(ValueError, match="at another sheet now"):
        room.ask(one, "draw.ink", sheet="first", **ink)
    assert room.ask(one, "draw.clear")["changed"] == 0


def test_a_sheet_is_not_opened_while_a_thread_whose_tab_was_closed_still_reads_it(tmp_path, monkeypatch):
    """The thread may write the file anew: ink that goes to the old one is lost."""
    begun, go_on, opened = threading.Event(), threading.Event(), []

    class Slow(Sheet):
        def _read(self):
            opened.append(self)
            begun.set()
            go_on.wait(10)
            super()._read()

    monkeypatch.setattr(draw_sheets, "Sheet", Slow)

    async def opens():
        sheets = Sheets(Folder(tmp_path))
        first = asyncio.ensure_future(sheets.join("closed", "s", "a"))
        await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        second = asyncio.ensure_future(sheets.join("open", "s", "b"))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert len(opened) == 1
        go_on.set()
        sheet, _ = await second
        assert first.cancelled() and opened[0]._file.closed and opened[1] is sheet and not sheet._file.closed
        sheets.close()

    run(opens())


def test_a_sheet_that_was_never_closed_and_whose_last_line_is_cut_goes_on(sheet_at, tmp_path):
    """What a kill -9 leaves: whole lines, at worst a part of one after them."""
    path = tmp_path / "s.jsonl"
    sheet = sheet_at(path)
    sheet.ink("ann", "a", 0, [[1.0, 2.0, 0.5]])
    sheet.ink("ann", "a", 1, [[3.0, 4.0, 0.5], [5.0, 6.0, 0.5]])
    sheet.ink("ben", "b", 0, [[0.0, 0.0, 0.5]], op="together")
    sheet.ink("ben", "c", 0, [[7.0, 7.0, 0.5]], op="together")
    with open(path, "ab") as file:
        file.write(b'{"do":"ink","by":"ann","id":"a","sta')
    again = sheet_at(path)
    assert again.shown[0].points == [[1, 2, 0.5], [3, 4, 0.5], [5, 6, 0.5]]
    assert again.undo("ben") == ["b", "c"] and again.undo("eve") == []
    again.ink("ann", "a", 3, [[8.0, 8.0, 0.5]])
    third = sheet_at(path)
    assert [one.id for one in third.shown] == ["a"] and len(third.strokes["a"].points) == 4


def test_what_nobody_sees_any_more_leaves_the_file_when_it_is_much(sheet_at, tmp_path, monkeypatch):
    monkeypatch.setattr("mdn_studio.pages.draw_sheets._TIDIED", 5)
    path = tmp_path / "s.jsonl"
    sheet = sheet_at(path)
    sheet.ink("a", "gone", 0, [[1.0, 1.0, 0.5]] * 20)
    sheet.clear("a")
    sheet.ink("a", "kept", 0, [[2.0, 2.0, 0.5]] * 3)
    sheet.close()
    size = path.stat().st_size
    again = sheet_at(path)
    assert list(again.strokes) == ["kept"] and len(again.shown[0].points) == 3 and path.stat().st_size < size
    assert sheet_at(path).shown[0].points == again.shown[0].points


def test_a_large_sheet_comes_in_pieces_that_fit_together(sheet_at, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "PIECE", 10)
    sheet = sheet_at(tmp_path / "s.jsonl")
    for name, count in {"a": 3, "b": 34, "c": 1, "d": 6}.items():
        sheet.ink("ann", name, 0, [[float(i), 0.0, 0.5] for i in range(count)])
    found, place, pieces = {}, [0, 0], 0
    while place:
        piece = sheet.piece(*place)
        assert sum(len(one["points"]) for one in piece["strokes"]) <= limits.PIECE
        for one in piece["strokes"]:
            assert one["start"] == len(found.setdefault(one["id"], []))
            found[one["id"]] += one["points"]
        if pieces == 1:
            sheet.ink("ben", "d", 6, [[6.0, 0.0, 0.5]])  # somebody draws meanwhile
        place, pieces = piece["next"], pieces + 1
    assert pieces > 3 and found == {one.id: one.points for one in sheet.shown} and len(found["d"]) == 7


def test_a_full_sheet_says_so(sheet_at, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SHEET_POINTS", 3)
    sheet = sheet_at(tmp_path / "s.jsonl")
    sheet.ink("a", "s", 0, [[1.0, 1.0, 0.5]] * 2)
    with pytest.raises(ValueError, match="this sheet is full"):
        sheet.ink("a", "s", 2, [[1.0, 1.0, 0.5]] * 2)
    assert len(sheet.shown[0].points) == 2


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("join", {"sheet": "../x", "by": "p"}, "no name for a file"),
        ("join", {"sheet": "", "by": "p"}, "1 to 60 characters"),
        ("ink", {"stroke": "s", "start": 0, "points": [[1, 2]]}, "list of 3 values"),
        ("ink", {"stroke": "s", "start": 0, "points": [[1, float("inf"), 0]]}, "finite number"),
        ("ink", {"stroke": "s", "start": 0, "points": [[1e30, 0, 0]]}, "finite number"),
        ("ink", {"stroke": "s", "start": 0, "points": [[0, 0, 0]] * (limits.INK + 1)}, "may bring"),
        ("take", {"ghost": "3"}, "ghost is gone"),
        ("keep", {"word": "dot\n"}, "can be printed"),
        ("keep", {"word": "nothing"}, "at least two points"),
        ("svg", {"what": "ghosts"}, "nothing to save yet"),
        ("forget", {"name": "7"}, "no such drawing"),
        ("way", {"network": "mine.keras", "first": "0", "last": "1", "seed": 0, **TEMPERATURES}, "no such drawing"),
        ("ghosts", {"network": "none.keras", "seed": 0, **TEMPERATURES}, "no file 'none.keras'"),
        ("ghosts", {"network": "broken.keras", "seed": 0, **TEMPERATURES}, "is not a .keras file"),
        ("ghosts", {"network": "words.keras", "word": "cow", "seed": 0, **TEMPERATURES}, "class must be one of"),
        (
            "ghosts",
            {"network": "mine.keras", "seed": 0, "component_temperature": 0, "variance_temperature": 1},
            "at least",
        ),
        ("train", {"title": "x", "latent": False, "classes": False}, "20 drawings are the fewest"),
        ("train", {"title": "mine", "latent": False, "classes": False}, "already"),
    ],
)
def test_bad_input_gets_a_sentence(room, person, kind, fields, said):
    with pytest.raises((ValueError, OSError), match=said):
        room.ask(person, f"draw.{kind}", **fields)
    assert not (room.folder / "drawings.ndjson").exists()
    assert room.ask(person, "draw.clear")["changed"] == 0  # the tab is still at its sheet


# ---- ghosts --------------------------------------------------------------------------------------------------------------


def test_ghosts_begin_where_the_pen_was_lifted_and_are_those_of_the_chapter(room, person):
    room.ask(person, "draw.ink", stroke="s", start=0, points=CIRCLE)
    asked = {"network": "mine.keras", "seed": 5, "freedom": 0.5, **TEMPERATURES}
    ghosts = room.ask(person, "draw.ghosts", **asked)["ghosts"]
    begun = draw_networks.drawn([np.array(CIRCLE)])
    assert len(begun) < len(CIRCLE)  # simplified, as the drawings that networks learn from are
    model = sketch.load(room.folder / "mine.keras")
    drawings, ended = sketch.complete(model, begun, 8, freedom=0.5, most=256 - len(begun), seed=5, **TEMPERATURES)
    for ghost, whole, end in zip(ghosts, drawings, ended, strict=True):
        places = np.cumsum(whole[:, :2], axis=0) + CIRCLE[0][:2]
        mine = np.concatenate([np.array(line).reshape(-1, 2) for line in ghost["lines"]] or [np.empty((0, 2))])
        np.testing.assert_allclose(mine, places[len(begun) :], atol=0.06)
        assert ghost["ended"] == end
    assert ghosts != room.ask(person, "draw.ghosts", **{**asked, "seed": 6})["ghosts"]


def test_freedom_0_is_the_latent_of_the_drawing_and_1_any(room):
    model = room.studio.pages["draw"].networks.of("mine.keras").model
    seen = []
    generate = type(model).generate
    begun = from_lines([np.array(CIRCLE)[:, :2]])
    mean = model.encode([begun])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "generate", lambda *a, **k: seen.append(k["condition"]) or generate(*a, **k))
        for freedom in (0.0, 0.6, 1.0):
            sketch.complete(model, begun, 4, freedom=freedom, seed=3, most=4)
    np.testing.assert_allclose(seen[0], np.repeat(mean, 4, axis=0), rtol=1e-6)
    np.testing.assert_allclose(seen[1], 0.8 * seen[0] + 0.6 * seen[2], rtol=1e-5)
    assert len({tuple(row) for row in seen[2].tolist()}) == 4
    with pytest.raises(ValueError, match="`freedom` must be a number from 0 to 1"):
        sketch.complete(model, begun, freedom=1.5)


def test_few_drawings_are_read_at_few_lengths(room):
    model = room.studio.pages["draw"].networks.of("mine.keras").model
    rng = np.random.default_rng(0)
    ones = [
        np.column_stack([rng.normal(0, 20, (count, 2)), np.zeros(count)]) for count in (3, 9, 12, 15, 15, 15, 14, 13)
    ]
    lengths = []
    read = model.program("read", model._read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "program", lambda name, function: lambda rows: lengths.append(rows.shape[1]) or read(rows))
        alone = np.concatenate([model.encode([one])[0] for one in ones])
        assert set(lengths) == {16}  # each length is a program of its own
        np.testing.assert_allclose(alone, model.encode(ones)[0], atol=1e-5)


def test_a_ghost_that_is_taken_over_is_ink_and_one_undo_takes_it_back(room, person):
    room.ask(person, "draw.ink", stroke="s", start=0, points=CIRCLE)
    ghosts = room.ask(person, "draw.ghosts", network="words.keras", word="dog", seed=1, **TEMPERATURES)["ghosts"]
    which = max(range(8), key=lambda i: len(ghosts[i]["lines"]))
    old = room.ask(person, "draw.ghosts", network="words.keras", word="cat", seed=2, **TEMPERATURES)["ghosts"]
    ghosts = room.ask(person, "draw.ghosts", network="words.keras", word="dog", seed=1, **TEMPERATURES)["ghosts"]
    with pytest.raises(ValueError, match="this ghost is gone"):  # and not the new one in its place
        room.ask(person, "draw.take", ghost=old[which]["name"])
    room.ask(person, "draw.take", ghost=ghosts[which]["name"])
    taken = [one["points"] for one in person.told if one["kind"] == "draw.inked"]
    assert [[point[:2] for point in line] for line in taken] == ghosts[which]["lines"] and len(taken) > 0
    assert room.ask(person, "draw.undo")["changed"] == len(taken)
    text = room.ask(person, "draw.svg", what="sheet")["text"]
    assert text.count("<path") == 1


def test_on_an_empty_sheet_a_network_draws_alone_in_the_middle(room, person):
    ghosts = room.ask(person, "draw.ghosts", network="mine.keras", seed=0, **TEMPERATURES)["ghosts"]
    for ghost in ghosts:
        places = np.concatenate([np.array(line) for line in ghost["lines"]])
        np.testing.assert_allclose((places.min(axis=0) + places.max(axis=0)) / 2, (200, 150), atol=0.11)


def test_networks_of_the_folder_are_in_the_list_and_others_are_not(room, person):
    (room.folder / "odd.keras").write_bytes((room.folder / "mine.keras").read_bytes()[:500])
    names = [one["name"] for one in room.ask(person, "draw.networks")["networks"]]
    assert names[:3] == ["quickdraw34", "kanji", "quickdraw"] and set(names[3:]) == {"mine.keras", "words.keras"}
    assert room.ask(person, "draw.about", network="words.keras")["words"] == ["cat", "dog"]


@pytest.mark.parametrize("name", list(draw_networks.TITLES))
def test_each_network_that_comes_with_mdn_can_be_warmed_up(room, name):
    """One that draws words needs a word."""
    room.studio.pages["draw"]._warm(name, 0)


# ---- what is kept --------------------------------------------------------------------------------------------------------


def test_kept_drawings_are_read_by_show_and_train_and_their_pictures_too(tmp_path, monkeypatch):
    room, one = Room(tmp_path, "draw"), Tab()
    try:
        room.ask(one, "draw.join", sheet="s", by="p")
        room.ask(one, "draw.ink", stroke="s", start=0, points=CIRCLE)
        room.ask(one, "draw.ink", stroke="t", start=0, points=[[10, 10, 0.5], [60.4, 10, 0.5]])
        answer = room.ask(one, "draw.keep", word="ball")
        assert answer["count"] == 1 and answer["kept"][0]["word"] == "ball" and answer["words"] == 1
        kept = read_drawings(tmp_path / "drawings.ndjson")
        places, drawn = to_lines(kept[0]), [np.array(CIRCLE)[:, :2], np.array([[10, 10], [60.4, 10]])]
        shift = places[1][0] - drawn[1][0]
        np.testing.assert_allclose(places[1] - shift, drawn[1], atol=1.0)
        to_ink = [np.min(np.hypot(*(drawn[0] - place).T)) for place in places[0] - shift]
        assert max(to_ink) < 1.5 and np.array_equal(kept[0], np.round(kept[0]))  # integers, as in Quick, Draw!
        monkeypatch.chdir(tmp_path)
        ran = CliRunner().invoke(mdn_cli.app, ["show", "drawings.ndjson", "--out", "sheet.svg"])
        assert ran.exit_code == 0 and "1 of 1 drawing:" in ran.output, ran.output
        assert sketch_data.read("drawings.ndjson").words.tolist() == ["ball"]
        (tmp_path / "drawing.svg").write_text(room.ask(one, "draw.svg", what="sheet")["text"])
        back = to_lines(read_drawings(tmp_path / "drawing.svg", tolerance=0)[0])
        np.testing.assert_allclose(back[0], np.array(CIRCLE)[:, :2] - CIRCLE[0][:2], atol=0.02)
        room.ask(one, "draw.keep", word="ball")
        answer = room.ask(one, "draw.keep", word="moon")
        first, second, moon = (each["name"] for each in reversed(answer["kept"]))
        assert len({first, second, moon}) == 3  # two equal drawings, too
        assert [each["word"] for each in room.ask(one, "draw.forget", name=first)["kept"]] == ["moon", "ball"]
        assert [each["name"] for each in room.ask(one, "draw.forget", name=first)["kept"]] == [moon]
        with pytest.raises(ValueError, match="no such drawing"):  # another tab has taken it out
            room.ask(one, "draw.forget", name=first)
        assert room.ask(one, "draw.forget", name=moon)["count"] == 0
    finally:
        room.close()


def test_drawings_in_files_are_kept_in_the_size_of_a_sheet_and_those_left_out_say_why(tmp_path, monkeypatch):
    room, one = Room(tmp_path, "draw"), Tab()

    def bring(name, content, removed=True):
        place = room.studio.folder.place(name, within="uploads")
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        try:
            return room.ask(one, "draw.bring", file=name)
        finally:
            assert place.exists() is not removed

    try:
        svg = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L0.5 0 L0.5 1"/><path d="M0 1 L0.25 1"/></svg>'
        answer = bring("my house.svg", svg)
        assert (answer["brought"], answer["left_out"], answer["count"]) == (1, 0, 1)
        assert answer["kept"][0]["word"] == "my house"
        assert answer["endings"] == [".npz", ".ndjson", ".svg"]  # the browser offers what the reader reads
        assert answer["kept"][0]["lines"] == [[[0, 0], [95, 0], [95, 190]], [[0, 190], [48, 190]]]
        sheet_size = '{"word": "cat", "drawing": [[[0, 200, 200], [0, 0, 100]]]}\n'
        lone = '{"word": "dot", "drawing": [[[3], [4]]]}\n'
        speck = '{"word": "speck", "drawing": [[[0, 0.3], [0, 0]]]}\n'
        answer = bring("three.ndjson", lone + sheet_size + speck)
        assert (answer["brought"], answer["left_out"]) == (1, 2) and str(tmp_path) not in answer["sentences"][0]
        assert "three.ndjson': line 1" in answer["sentences"][0]
        assert answer["kept"][0]["lines"] == [
            [[0, 0], [200, 0], [200, 100]]
        ]  # as large as drawings on a sheet are: as it is
        for name, content, said in [
            ("broken.svg", "<svg", "broken.svg"),
            ("cut.npz", b"PK\x03\x04", "cut.npz"),
        ]:
            with pytest.raises(ValueError, match=said) as refused:
                bring(name, content)
            assert str(tmp_path) not in str(refused.value)
        with pytest.raises(ValueError, match=r"are read from \.npz, \.ndjson, \.svg, but 'rents.csv' came"):
            bring("rents.csv", "a,b", removed=False)  # of the page of tables
        monkeypatch.setattr(limits, "BROUGHT_POINTS", 2)
        answer = bring("long.ndjson", sheet_size)
        assert answer["brought"] == 0 and "'cat': it has 3 points, and 2 are the most" in answer["sentences"][0]
        monkeypatch.setattr(limits, "DRAWINGS", 3)
        with pytest.raises(ValueError, match="3 drawings are the most that are kept; 2 are there, and 2 more came"):
            bring("many.ndjson", 2 * sheet_size)
        monkeypatch.setattr(limits, "DRAWINGS_BYTES", 100)
        with pytest.raises(ValueError, match="reads any number of drawings"):
            bring("many.ndjson", 2 * sheet_size)
        assert room.ask(one, "draw.networks")["count"] == 2
    finally:
        room.close()


def test_a_training_is_a_command_that_mdn_knows_on_a_copy_of_the_drawings(tmp_path, monkeypatch):
    room, one = Room(tmp_path, "draw"), Tab()
    try:
        room.ask(one, "draw.join", sheet="s", by="p")
        room.ask(one, "draw.ink", stroke="s", start=0, points=CIRCLE)
        monkeypatch.setattr(sketch_data, "FEWEST", 2)
        room.ask(one, "draw.keep", word="ball")
        room.ask(one, "draw.keep", word="moon")
        room.ask(one, "draw.train", title="ours", latent=False, classes=True)
        (job,) = room.studio.jobs.shown()
        assert job["title"] == "ours" and job["out"] == "ours.keras" and job["page"] == "draw"
        command = room.studio.jobs.jobs[job["job"]].about["command"]
        assert (
            command[:6] == ["train", "sketch", "--data", "ours.ndjson", "--out", "ours.keras"]
            and "--classes" in command
        )
        room.ask(one, "draw.keep", word="sun")
        assert read_drawings(tmp_path / "ours.ndjson").words.tolist() == ["ball", "moon"]
        with pytest.raises(ValueError, match="already"):
            room.ask(one, "draw.train", title="ours", latent=False, classes=False)
        monkeypatch.setattr(limits, "JOBS_WAITING", 1)
        with pytest.raises(ValueError, match="1 training waits already"):
            room.ask(one, "draw.train", title="others", latent=False, classes=False)
        assert not list(tmp_path.glob("others*")) and len(list(tmp_path.glob("ours*"))) == 1  # a refusal leaves no copy
        assert read_drawings(tmp_path / "ours.ndjson").words.tolist() == ["ball", "moon"]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sketch_data, "FEWEST", 30)
        ran = CliRunner().invoke(mdn_cli.app, command)
        assert ran.exit_code == 2 and "30" in ran.output and "option" not in ran.output.lower(), ran.output
    finally:
        room.close()


# ---- in a browser --------------------------------------------------------------------------------------------------------


def on_screen(page, points):
    """Places on the sheet, within its border, as pixels of the screen."""
    box = page.locator("canvas.sheet").bounding_box()
    scale = (box["width"] - 2) / 400
    return [(box["x"] + 1 + x * scale, box["y"] + 1 + y * scale) for x, y in points]


def stroke(page, points, lift=True):
    """Draws with the mouse, in the unit of the sheet."""
    places = on_screen(page, points)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    if lift:
        page.mouse.up()


def test_a_person_draws_takes_a_ghost_over_keeps_it_and_finds_all_again(tmp_path, chromium, monkeypatch):
    monkeypatch.setattr(draw, "_WARM", ())
    sketch.save(network(latent_size=3), tmp_path / "mine.keras")
    with (
        open_studio(tmp_path, pages=("draw",)) as address,
        tab(chromium) as visitor,
        tab(chromium, "phone", dark=True) as friend,
    ):
        page = visitor.go(address, "draw")
        visitor.until("[...document.querySelectorAll('select')].some((one) => one.options.length === 4)")
        page.select_option("select", "mine.keras")
        page.get_by_label("Sheet", exact=True).fill("ours")
        page.get_by_label("Sheet", exact=True).press("Enter")
        visitor.until("localStorage.getItem('draw.sheet') === 'ours'")
        stroke(page, [(x, y) for x, y, _ in CIRCLE])
        visitor.until("/Eight ways|of eight/.test(document.querySelector('.said').textContent)")
        visitor.until("document.querySelector('.ghost:enabled')")
        assert page.locator(".ghost").count() == 8

        other = friend.go(address, "draw")
        other.get_by_label("Sheet", exact=True).fill("ours")
        other.get_by_label("Sheet", exact=True).press("Enter")
        friend.until("document.body.textContent.includes('2 tabs are at this sheet')")
        assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")
        kept = tmp_path / ".studio" / "sheets" / "ours.jsonl"

        ghost = page.locator(".ghost:enabled").first
        ghost.focus()
        strokes = int(ghost.get_attribute("aria-label").split(": ")[1].split()[0])
        page.keyboard.press("Enter")  # a ghost is a button
        wait(lambda: kept.read_text().count('"start":0') == 1 + strokes)
        page.keyboard.press("Control+z")
        wait(lambda: '"do":"undo"' in kept.read_text())
        visitor.until("!document.querySelector('.said').textContent.includes('One moment')")

        page.get_by_label("What is it?").fill("ball")
        page.get_by_text("Keep this drawing").click()
        visitor.until("document.querySelector('.gallery figure')")
        assert "needs 19 more" in page.inner_text("main")
        with page.expect_download() as saved:
            page.get_by_text("Save the drawing").click()
        saved.value.save_as(tmp_path / "drawing.svg")
        assert len(to_lines(read_drawings(tmp_path / "drawing.svg")[0])) == 1
        page.get_by_text("Keep this drawing").click()
        visitor.until("document.querySelectorAll('.gallery figure').length === 2")
        for i in range(2):
            page.locator(".gallery figure > button").nth(i).click()
        visitor.until("document.querySelectorAll('.way figure').length === 9")

        house, waves = tmp_path / "house.svg", tmp_path / "waves.svg"
        for path, line in [(house, "M0 0 L9 0 L9 9"), (waves, "M0 0 L3 3 L6 0 L9 3")]:
            path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{line}"/></svg>')
        files = page.locator(".dropzone input")
        assert files.get_attribute("accept") == ".npz,.ndjson,.svg"
        files.set_input_files([house, waves])
        visitor.until("document.querySelectorAll('.gallery figure').length === 4")
        assert page.locator(".gallery .word").all_inner_texts()[:2] == ["waves", "house"]

        text = page.locator("details.code pre").first.text_content()
        with contextlib.chdir(tmp_path):
            exec(compile(text, "page", "exec"), {})
        assert (tmp_path / "ghosts.svg").read_text().count("<path") >= 8

        page.reload()
        visitor.until("/^1 stroke|Eight ways|of eight/.test(document.querySelector('.said')?.textContent ?? '')")
        assert page.get_by_label("Sheet", exact=True).input_value() == "ours"
        page.get_by_text("Clear", exact=True).click()
        friend.until("/^0 strokes|empty/.test(document.querySelector('.said').textContent)")

        page.select_option("select", "quickdraw34")
        page.get_by_label("What it should become").select_option("cat")
        stroke(page, [(x, y) for x, y, _ in CIRCLE])
        visitor.until("document.querySelectorAll('.ghost:enabled').length > 5")
        visitor.keep("draw")


SERVER = """
import sys
from mdn_studio import server
from mdn_studio.pages import draw
draw._WARM = ()
server.serve(sys.argv[1], int(sys.argv[2]), browser=False, say=lambda line: print(line, flush=True), pages=("draw",))
"""


def test_a_kill_of_the_server_in_the_middle_of_a_stroke_loses_nothing(tmp_path, chromium):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def serve(stack):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path), str(port)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.enter_context(process.stdout)
        return process, next(line for line in process.stdout if line.startswith("http")).strip()

    def points():
        lines = [json.loads(line) for line in (tmp_path / ".studio" / "sheets" / "s.jsonl").read_text().splitlines()]
        return [point[:2] for line in lines for point in line["points"]]

    with contextlib.ExitStack() as stack:
        process, address = serve(stack)
        with tab(chromium) as visitor:
            page = visitor.go(address, "draw")
            page.evaluate("localStorage.setItem('draw.sheet', 's')")
            page.reload()
            visitor.until("/empty|stroke/.test(document.querySelector('.said')?.textContent ?? '')")
            way = [(50 + 6 * i, 60 + 40 * np.sin(i / 4)) for i in range(50)]
            stroke(page, way[:25], lift=False)
            wait(lambda: len(points()) >= 25)
            process.send_signal(signal.SIGKILL)
            process.wait()
            visitor.until("document.documentElement.dataset.connected === 'false'")
            for place in on_screen(page, way[25:]):
                page.mouse.move(*place)
            page.mouse.up()
            assert len(points()) == 25
            serve(stack)
            wait(lambda: len(points()) >= 50, 60)
            np.testing.assert_allclose(points()[:50], way, atol=0.4)
            visitor.until("document.documentElement.dataset.connected === 'true'")
            visitor.faults[:] = [one for one in visitor.faults if "ERR_CONNECTION_REFUSED" not in one]
