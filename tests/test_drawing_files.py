"""Drawings in files: sketch-rnn, QuickDraw, SVG, KanjiVG, bad ones of each kind; and as pictures."""

import json
import os
import pickle
import re
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from drawn import REAL, scribble
from mdn.data import Drawings, from_lines, read_drawings, to_lines, write_drawings
from mdn.data.svg import kanjivg_files
from mdn.drawing.sheets import INK, MADE, write_animation, write_drawing, write_sheet

pytestmark = pytest.mark.jax

TWO = [[3.0, 0.0, 0.0], [0.0, 4.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -5.0, 1.0]]


def svg(body, path="a.svg", view='viewBox="0 0 100 100"'):
    Path(path).write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {view}>\n{body}\n</svg>\n', encoding="utf-8")
    return path


def objects(drawings):
    array = np.empty(len(drawings), object)
    array[:] = [np.array(one) for one in drawings]
    return array


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- there and back --------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(REAL, min_size=1, max_size=4), st.integers(0, 10))
def test_an_npz_gives_drawings_words_and_parts_back_to_the_bit(drawings, seed):
    rng = np.random.default_rng(seed)
    words, parts = rng.choice(["", "cat", "猫"], len(drawings)), rng.choice(["", "train", "test"], len(drawings))
    with tempfile.TemporaryDirectory() as folder:
        write_drawings(Path(folder) / "d.npz", Drawings(drawings, words, parts))
        found = read_drawings(Path(folder) / "d.npz")
    for one, other in zip(found, drawings, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.words.tolist() == words.tolist() and found.parts.tolist() == parts.tolist()


@settings(max_examples=25, deadline=None)
@given(st.lists(REAL.filter(lambda one: np.abs(one[:, :2]).max() > 1e-3), min_size=1, max_size=4))
def test_an_ndjson_gives_drawings_back_to_a_millionth(drawings):
    with tempfile.TemporaryDirectory() as folder:
        write_drawings(Path(folder) / "d.ndjson", Drawings(drawings, ["cat"] * len(drawings)))
        found = read_drawings(Path(folder) / "d.ndjson")
    for one, other in zip(found, drawings, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    assert set(found.words.tolist()) == {"cat"}


@settings(max_examples=25, deadline=None)
@given(REAL)
def test_an_svg_gives_its_drawing_back_to_six_digits(drawing):
    places = np.concatenate(to_lines(drawing))
    with tempfile.TemporaryDirectory() as folder:
        write_drawing(Path(folder) / "d.svg", drawing)
        found = read_drawings(Path(folder) / "d.svg", tolerance=0)[0]
    if len(to_lines(drawing)[0]) == len(to_lines(found)[0]):  # elsewhere a dot comes back as a line to itself
        lines = [line if len(line) > 1 else np.repeat(line, 2, axis=0) for line in to_lines(drawing)]
        np.testing.assert_allclose(
            np.concatenate(to_lines(found)), np.concatenate(lines), atol=1e-5 * np.abs(places).max()
        )


def test_whole_numbers_are_written_as_such():
    write_drawings("d.ndjson", Drawings([TWO], ["t"], ["train"]))
    assert json.loads(Path("d.ndjson").read_text()) == {
        "word": "t",
        "part": "train",
        "drawing": [[[0, 3, 3], [1, 1, 5]], [[2, 2], [5, 0]]],
    }
    assert read_drawings("d.ndjson").parts.tolist() == ["train"]
    write_drawings("d.npz", [TWO])
    with np.load("d.npz") as file:
        assert file["points"].dtype == np.int16 and file["format"] == 1
    with pytest.raises(ValueError, match=r"written to \.npz or \.ndjson, but 'd\.txt'"):
        write_drawings("d.txt", [TWO])
    with pytest.raises(ValueError, match="not finite"):
        write_drawings("d.npz", [[[np.nan, 0, 0]]])
    assert len(read_drawings("d.npz")) == 1  # what stood there stays


# ---- .npz ------------------------------------------------------------------------------------------------------------


def test_files_of_sketch_rnn_have_parts_and_are_called_by_their_class():
    short = [np.array(TWO, "int16"), np.array(TWO[:2], "int16")]
    np.savez("sketchrnn_cat.full.npz", valid=objects(short[1:]), train=objects(short), std=np.ones(2))
    found = read_drawings("sketchrnn_cat.full.npz")
    assert found.parts.tolist() == ["train", "train", "valid"] and set(found.words.tolist()) == {"cat"}
    np.testing.assert_array_equal(found[0], TWO)


def test_parts_of_drawings_of_one_length_are_read_and_not_lost():
    """NumPy makes one block of numbers of them, which was passed over."""
    block = np.array([TWO, TWO], "int16")
    np.savez("d.npz", train=objects([TWO, TWO[:2]]), valid=block, test=block.astype(object))
    found = read_drawings("d.npz")
    assert found.parts.tolist() == ["train", "train", "valid", "valid", "test", "test"]
    np.testing.assert_array_equal(found[5], TWO)
    np.savez("d.npz", train=objects([TWO]), valid=np.ones((4, 2)))
    with pytest.raises(
        ValueError, match=r"'d\.npz': 'valid' must hold drawings \(T, 3\) each, but it is float64 of shape"
    ):
        read_drawings("d.npz")


def test_the_start_that_others_write_as_a_row_is_not_read_as_a_move():
    np.savez("f.npz", points=np.array([[0, 0, 0], *TWO, [0, 0, 1], *TWO], "int16"), offsets=[0, 5, 10], word=["a", "b"])
    found = read_drawings("f.npz")
    np.testing.assert_array_equal(found[0], TWO)
    assert len(found[1]) == 5  # here the pen is lifted at the start: a dot
    assert found.words.tolist() == ["a", "b"]


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_bad_npz_files_are_named():
    np.savez("n.npz", train=objects([TWO, np.full((3, 3), np.nan), [[0, 0, 1]]]))
    with pytest.raises(ValueError, match=r"'n\.npz': drawing 1 of 'train': row 0 of 3 .* not finite"):
        read_drawings("n.npz")
    found = read_drawings("n.npz", go_on=True)
    assert len(found) == 1 and "drawing 2 of 'train': a drawing needs at least two points" in found.skipped[1]
    content = Path("n.npz").read_bytes()
    Path("cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"'cut\.npz' is no file of arrays"):
        read_drawings("cut.npz")
    np.savez_compressed("z.npz", points=np.tile(TWO, (500, 1)), offsets=[0, 2000])
    damaged = bytearray(Path("z.npz").read_bytes())
    damaged[60:100] = bytes(40)
    Path("z.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"'z\.npz' is no file of arrays"):
        read_drawings("z.npz")
    np.savez("a.npz", X=np.ones(3))
    with pytest.raises(ValueError, match=r"'a\.npz' must hold train, valid and test .* holds X"):
        read_drawings("a.npz")
    np.savez("o.npz", points=np.array(TWO), offsets=[0, 9])
    with pytest.raises(ValueError, match=r"'o\.npz': `offsets` must rise from 0 to the 4 points"):
        read_drawings("o.npz")
    np.savez("p.npz", points=np.ones(4), offsets=[0, 4])
    with pytest.raises(ValueError, match=r"'p\.npz': `points` must be \(N, 3\)"):
        read_drawings("p.npz")
    np.savez("new.npz", points=np.array(TWO), offsets=[0, 4], format=2)
    with pytest.raises(ValueError, match="newer version"):
        read_drawings("new.npz")
    np.savez("none.npz", train=objects([]))
    with pytest.raises(ValueError, match="holds no drawing"):
        read_drawings("none.npz")
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        read_drawings("missing.npz")


def test_a_pickle_that_carries_code_is_refused():
    np.savez("good.npz", train=objects([TWO]))
    with zipfile.ZipFile("good.npz") as archive:
        head = archive.read("train.npy").split(b"\n")[0] + b"\n"
    with zipfile.ZipFile("evil.npz", "w") as archive:
        archive.writestr("train.npy", head + pickle.dumps([Evil()]))
    with pytest.raises(ValueError, match=r"'evil\.npz' is no file of arrays that can be trusted.*system"):
        read_drawings("evil.npz")
    assert not Path("evil").exists()


@pytest.mark.data
def test_drawings_of_google_come_as_they_were_drawn(data_folder):
    words = read_drawings(data_folder / "quickdraw/quickdraw_9570_stroke3.npz")
    assert len(words) == 9570 and len(set(words.words.tolist())) == 345
    with np.load(data_folder / "quickdraw/quickdraw_9570_stroke3.npz") as file:
        offsets, points = file["offsets"], file["points"]
    np.testing.assert_array_equal(
        np.cumsum(words[7][:, :2], axis=0), np.cumsum(points[offsets[7] + 1 : offsets[8], :2], 0)
    )
    monkeys = read_drawings(data_folder / "quickdraw/monkey.ndjson")
    assert len(monkeys) == 1000 and set(monkeys.words.tolist()) == {"monkey"}
    first = json.loads((data_folder / "quickdraw/monkey.ndjson").read_text().splitlines()[0])["drawing"]
    for line, stroke in zip(to_lines(monkeys[0]), first, strict=True):
        np.testing.assert_array_equal(line.T, np.array(stroke) - np.array(first[0])[:, :1])


# ---- .ndjson ---------------------------------------------------------------------------------------------------------


def test_raw_drawings_come_as_google_simplifies_them():
    angle = np.linspace(0, 2 * np.pi, 2001)
    circle = [(400 * np.cos(angle)).tolist(), (400 * np.sin(angle)).tolist(), (angle * 100).tolist()]
    Path("raw.ndjson").write_text(json.dumps({"word": "circle", "drawing": [circle]}) + "\n\n")
    places = np.concatenate(to_lines(read_drawings("raw.ndjson")[0]))
    assert np.ptp(places, axis=0).max() == pytest.approx(255)
    assert 10 < len(places) < 40
    chords = (places[1:] + places[:-1]) / 2 - (places.max(axis=0) + places.min(axis=0)) / 2
    assert np.abs(np.hypot(*chords.T) - 127.5).max() <= 2.01
    assert len(read_drawings("raw.ndjson", tolerance=0)[0]) == 2000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"word":"cat","drawing":[[[1,2],[3', "it is cut off"),
        ("cat", "it is no JSON: 'cat'"),
        ("[1, 2]", "it has no `drawing`"),
        ('{"word":"cat"}', "it has no `drawing`"),
        ('{"drawing":[[[1,2],[3]]]}', "stroke 0 must be lists of numbers of one length"),
        ('{"drawing":[[[1,2],[3,4]],[["a"],[3]]]}', "stroke 1 must be lists of numbers"),
        ('{"drawing":[[[1,2]]]}', "stroke 0 must be two or three lists"),
        ('{"drawing":[[[1],[2]]]}', "at least two points"),
        ('{"drawing":[[[1,1,1],[2,2,2]]]}', "at least two points, in different places"),
        ('{"drawing":[[[1,1,1],[2,2,2],[0,1,2]]]}', "at least two points, in different places"),
        ('{"drawing":[[[1,NaN],[2,3]]]}', "not finite"),
        ('{"drawing":[]}', "at least two points"),
        ("[" * 5000, "it is no JSON"),
    ],
)
def test_a_bad_line_of_an_ndjson_is_named(line, message):
    good = '{"drawing":[[[1,2],[3,4]],[[9,9],[9,9]],[[],[]]]}'  # a dot and a stroke of nothing are fine
    Path("d.ndjson").write_text(f"{good}\n\n{line}\n{good}\n")
    with pytest.raises(ValueError, match=rf"'d\.ndjson': line 3: .*{message}"):
        read_drawings("d.ndjson")
    found = read_drawings("d.ndjson", go_on=True)
    assert len(found) == 2 and message in found.skipped[0]
    Path("d.ndjson").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=rf"'d\.ndjson': line 1: .*{message}"):
        read_drawings("d.ndjson", go_on=True)


def test_a_byte_order_mark_before_an_ndjson_is_no_part_of_it():
    Path("d.ndjson").write_text('{"word": "a", "drawing": [[[0, 1], [0, 1]]]}\n', encoding="utf-8-sig")
    assert read_drawings("d.ndjson").words.tolist() == ["a"]


def test_an_ndjson_that_is_no_text_is_named():
    Path("d.ndjson").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"'d\.ndjson' is no text"):
        read_drawings("d.ndjson")
    with pytest.raises(ValueError, match=r"read from \.npz, \.ndjson, \.svg, a folder .* but 'd\.doc' came"):
        read_drawings("d.doc")
    with pytest.raises(ValueError, match="`tolerance` is a share"):
        read_drawings("d.ndjson", tolerance=2.0)


def test_a_million_points_are_read_in_bounded_time():
    places = np.random.default_rng(0).integers(-3, 4, (2, 10**6)).cumsum(axis=1)
    Path("d.ndjson").write_text(json.dumps({"drawing": [places.tolist()]}))
    start = time.process_time()
    assert len(read_drawings("d.ndjson")[0]) == 10**6 - 1
    assert time.process_time() - start < 30  # 1 s on a quiet machine


# ---- .svg ------------------------------------------------------------------------------------------------------------


def lines_of(body, **options):
    return to_lines(read_drawings(svg(body), tolerance=0, **options)[0])


def test_all_kinds_of_paths_become_lines_in_the_order_of_the_file():
    found = lines_of(
        '<title>t</title><rect width="100" height="100"/><defs><path d="M1 1L9 9"/></defs>'
        '<path d="M10,20h5v-5l1 1zm0 5-3,3"/><line x1="1" y1="2" x2="3" y2="4"/><polyline points="0,0 5,0 5,5"/>'
        '<polygon points="0 0 4 0 4 4" stroke="red"/><polygon points="0 0 4 0 4 4"/>'
        '<g style="display: none"><path d="M0 0L1 1"/></g>'
        '<g stroke="red"><rect x="1" y="1" width="2" height="3"/><rect stroke="none" width="2" height="3"/></g><text>no</text>'
    )
    expected = [
        [[10, 20], [15, 20], [15, 15], [16, 16], [10, 20]],
        [[10, 25], [7, 28]],
        [[1, 2], [3, 4]],
        [[0, 0], [5, 0], [5, 5]],
        [[0, 0], [4, 0], [4, 4], [0, 0]],
    ]
    for line, places in zip(found, expected, strict=False):
        np.testing.assert_allclose(line, np.array(places) - (10, 20), atol=1e-12)
    assert len(found) == 6 and np.ptp(found[5], axis=0).tolist() == [2, 3]


SHEET = """<defs><style type="text/css"><![CDATA[
/* of Illustrator */ .st0{fill:none;stroke:#000;} .st1, .st2 { display: none !important } polygon.st3{visibility:hidden}
line{stroke:none} g > .st4{display:none} .st7{stroke:none}.st8{stroke:#000}]]></style></defs>"""


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ('<polygon class="st0" points="0,0 10,0 10,10"/>', 1),
        ('<g class="a st0"><circle cx="50" cy="50" r="5"/></g>', 1),
        ('<path class="st2" style="display:inline" d="M0 0L9 3"/>', 0),
        ('<polygon class="st3 st0" points="0,0 10,0 10,10"/>', 0),
        ('<path class="st4 st9" d="M0 0L9 3"/>', 1),
        ('<polygon class="st8 st7" points="0,0 10,0 10,10"/>', 1),
        ('<polygon class="st7 st8" points="0,0 10,0 10,10"/>', 1),
        ('<path class="st1" style="display: inline !important" d="M0 0L9 3"/>', 1),
        ('<polygon class="st0" style="stroke:none" points="0,0 10,0 10,10"/>', 0),
        ('<path visibility="hidden" d="M0 0L0 50"/>', 0),
        ('<g style="visibility:hidden"><path d="M0 0L0 50"/><path visibility="visible" d="M0 0L0 50"/></g>', 1),
        ('<path style="display:none !important" d="M0 0L0 50"/>', 0),
        ('<switch><g><path d="M0 0L0 50"/></g><g><path d="M0 0L9 9"/></g></switch>', 1),
        ('<switch><foreignObject requiredExtensions="x"><path d="M0 0L9 9"/></foreignObject><path d="M0 0L0 5"/></switch>', 1),
        ('<foreignObject><path d="M0 0L9 9"/></foreignObject>', 0),
        ('<path d="none"/>', 0),
    ],
)  # fmt: skip
def test_shapes_are_drawn_or_hidden_as_style_sheets_and_switches_say(body, count):
    """Shapes with the stroke of a class were lost without a word, and hidden ones were drawn."""
    assert len(lines_of(SHEET + '<path d="M0 0L100 0"/>' + body)) == 1 + count


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("M10 10a5 5 0 1 1 0 0l3 4", [[10, 10], [13, 14]]),
        ("m10 10 l1 1 a5 5 0 01 0 0a5 5 0 110 0 l3 4", [[10, 10], [11, 11], [14, 15]]),
        ("M1 1H7A2 2 0 0 0 7 1V4Zl2 2A5 5 0 0 1 3 3L0 0", [[1, 1], [7, 1], [7, 4], [1, 1], [3, 3], [0, 0]]),
    ],
)
def test_an_arc_that_ends_where_it_starts_is_left_out_as_the_standard_says(path, expected):
    _, line = lines_of(f'<path d="M0 0L1 0"/><path d="{path}"/>')
    np.testing.assert_allclose(line, expected, atol=1e-12)
    both = lines_of(f'<path d="M0 0L1 0"/><path d="{path}A30 30 0 0 1 50 50"/>')[1]
    np.testing.assert_allclose(both[: len(line)], expected, atol=1e-12)
    assert len(both) > len(line) + 5 and both[-1].tolist() == [50, 50]


def test_a_style_sheet_that_never_ends_is_read_in_bounded_time():
    for sheet in ("/*" * 500_000, "a " * 500_000, ".a{" * 300_000):
        assert len(lines_of(f'<style>{sheet}</style><path class="a" d="M0 0L100 0"/>')) == 1


def test_lengths_with_units_and_transformations_without_spaces_are_read():
    line, other, turned = lines_of(
        '<line x1="0" y1="0" x2="25.4mm" y2="10px"/><rect stroke="red" width="1in" height="3pt"/>'
        '<path transform="translate(10-5)scale(2,3)" d="M0 0L1 1"/>'
    )
    np.testing.assert_allclose(line[-1], [96, 10])
    np.testing.assert_allclose(np.ptp(other, axis=0), [96, 4])
    np.testing.assert_allclose(turned, [[10, -5], [12, -2]])
    body = (
        '<g stroke="red"><filter x="-20%" width="140%"/><linearGradient x1="0%"/><image width="100%"/>'
        '<path x="auto" d="M0 0L1 1"/><ellipse r="auto" rx="1" ry="2"/><circle r="1" width="50%"/></g>'
    )
    assert len(lines_of(body)) == 3, "only lengths that a shape reads are lengths"
    with pytest.raises(ValueError, match=r"line 2: cx must be a number, or one with px, pt, .* but '50%' came"):
        read_drawings(svg('<circle stroke="red" cx="50%" cy="50" r="1"/>'))


@pytest.mark.parametrize("tolerance", [0.02, 0.001])
def test_curves_become_lines_within_the_tolerance(tolerance):
    control = np.array([[5, 5], [90, 0], [-40, 80], [60, 95]], "float64")
    path = "M{} {}C{} {} {} {} {} {}".format(*control.ravel())
    line = to_lines(read_drawings(svg(f'<path d="{path}"/>'), tolerance=tolerance)[0])[0] + control[0]
    t = np.linspace(0, 1, 2001)[:, None]
    points = control[None].repeat(len(t), 0)
    while points.shape[1] > 1:  # de Casteljau
        points = points[:, :-1] * (1 - t[:, None]) + points[:, 1:] * t[:, None]
    start, along = line[:-1, None], np.diff(line, axis=0)[:, None]
    share = np.clip(np.sum((points[:, 0] - start) * along, -1) / np.sum(along**2, -1), 0, 1)
    distance = np.linalg.norm(points[:, 0] - start - share[..., None] * along, axis=-1).min(axis=0)
    assert 0.1 * tolerance * 100 < distance.max() <= tolerance * 100
    smooth = f'<path d="{path}S100 100 10 90"/><path d="M0 0Q50 100 100 0T200 0"/>'
    assert [len(one) > 5 for one in to_lines(read_drawings(svg(smooth))[0])] == [True, True]


def test_arcs_and_transformations_are_those_of_the_standard():
    (line,) = lines_of(
        '<g transform="translate(3 4) rotate(30)"><circle r="2" stroke="red" transform="scale(3 -1)"/></g>'
    )
    line = line - (line.max(axis=0) + line.min(axis=0)) / 2
    turned = line @ np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
    np.testing.assert_allclose((turned[:, 0] / 6) ** 2 + (turned[:, 1] / 2) ** 2, 1.0, atol=2e-3)
    _, second = lines_of('<path d="M0 0L1 0"/><path d="M0 0L1 0" transform="matrix(2 1 -1 3 10 20)"/>')
    np.testing.assert_allclose(second, [[10, 20], [12, 21]])
    half = lines_of('<path d="M0 0A5 5 0 0 1 10 0"/>')[0]  # y grows downwards: with sweep the upper half
    np.testing.assert_allclose(np.hypot(half[:, 0] - 5, half[:, 1]), 5.0, rtol=1e-3)
    assert half[:, 1].min() == pytest.approx(-5, rel=1e-3) and len(half) > 20
    assert [len(line) for line in lines_of('<path d="M0 0A0 5 0 0 1 10 0"/>')] == [2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<text>only text</text>", r"'a\.svg' has no path"),
        ('<path d=""/>', "has no path"),
        ("\n<script>alert(1)</script>", r"'a\.svg': line 3: the SVG has a script"),
        ('<path onload="x()" d="M0 0L1 1"/>', r"line 2: the SVG has a script \(onload\)"),
        ('<use href="#a"/>', "draws a copy with <use>"),
        ('<svg><path d="M0 0L1 1"/></svg>', "comes within it"),
        ('<path d="M0 0L1"/>', r"line 2: a path cannot be read: 'M0 0L1'"),
        ('<path d="M0 0L1 nan"/>', "holds 'n', which is no part of one"),
        ('<path d="L1 1"/>', "begins with a move"),
        ('<path d="M0 0L1e999 1"/>', "not finite"),
        ('<path d="M5 5l0 0"/>', "at least two points"),
        ('<path d="M5 5A5 5 0 0 1 5 5"/>', "has no path"),
        ('<path d="M0 0L1 1" transform="twist(3)"/>', "line 2: .*twist"),
        ('<circle cx="2mm" stroke="red"/>', "line 2: "),
        ('<path d="M0 0L1 1"', "line 3: no SVG: not well-formed"),
    ],
)
def test_bad_svgs_are_named_with_their_line(body, message):
    with pytest.raises(ValueError, match=message):
        read_drawings(svg(body))


def test_an_svg_that_is_a_trap_is_refused_at_once():
    bomb = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    Path("a.svg").write_text(f'<!DOCTYPE svg [<!ENTITY l0 "lol">{bomb}]>\n<svg><text>&l9;</text></svg>')
    with pytest.raises(ValueError, match=r"'a\.svg': line 1: the SVG declares an entity"):
        read_drawings("a.svg")
    Path("a.svg").write_text('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<svg><text>&x;</text></svg>')
    with pytest.raises(ValueError, match="declares an entity"):
        read_drawings("a.svg")
    Path("a.svg").write_text("<html><svg/></html>")
    with pytest.raises(ValueError, match="<html> is first"):
        read_drawings("a.svg")
    with pytest.raises(FileNotFoundError, match=r"b\.svg"):
        read_drawings("b.svg")


def test_a_hundred_thousand_points_of_a_path_are_read_in_bounded_time():
    places = np.random.default_rng(0).normal(size=(10**5, 2)).cumsum(axis=0)
    start = time.process_time()
    found = lines_of(f'<path d="M{" ".join(f"{x:.3f},{y:.3f}" for x, y in places)}"/>')
    np.testing.assert_allclose(found[0], places - places[0], atol=2e-3)
    assert time.process_time() - start < 30  # 1 s on a quiet machine


def test_without_the_library_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "svgpathtools", None)
    with pytest.raises(ImportError, match=r"pip install 'mdn\[sketch\]'"):
        read_drawings(svg('<path d="M0 0L1 1"/>'))


# ---- KanjiVG ---------------------------------------------------------------------------------------------------------


def test_characters_of_kanjivg_have_as_many_strokes_as_their_numbers_say(folder):
    files = kanjivg_files()
    assert len(files) > 6000
    for file in files[::60]:
        (folder / file.name).write_bytes(file.read_bytes())
    found = read_drawings(folder, go_on=False)
    for drawing, word, file in zip(found, found.words, files[::60], strict=True):
        text = file.read_text(encoding="utf-8")
        assert len(to_lines(drawing)) == len(re.findall("<text", text))
        assert word == (chr(int(file.stem, 16)) if "kvg:element" in text else file.stem)
        start = np.array(re.search(r'<path[^>]* d="M\s*([\d.]+)[, ]([\d.]+)', text).groups(), "float64")
        places = np.concatenate(to_lines(drawing)) + start
        assert places.min() > -5 and places.max() < 114  # the view is 109 wide and high
    assert 25 < np.mean([len(one) for one in found]) < 60


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_with_one_bad_file_of_a_thousand_goes_on_and_tells_of_it():
    for name in ("cat", "dog"):
        Path(name).mkdir()
        for i in range(500):
            svg(f'<path d="M0 0L{i} 1"/>', Path(name) / f"{i:03d}.svg")
    svg("<script/>", "dog/250.svg")
    write_drawings("more.ndjson", Drawings([TWO], ["pig"]))
    Path("notes.txt").write_text("no drawing")
    found = read_drawings(".")
    assert len(found) == 1000 and len(found.of("cat")) == 500 and len(found.of("pig")) == 1
    assert len(found.skipped) == 1 and "250.svg" in found.skipped[0] and "has a script" in found.skipped[0]
    with pytest.raises(ValueError, match=r"250\.svg.*has a script"):
        read_drawings(".", go_on=False)
    Path("none").mkdir()
    with pytest.raises(ValueError, match="'none' holds no drawing"):
        read_drawings("none")


# ---- pictures --------------------------------------------------------------------------------------------------------


def elements(path, tag):
    return ElementTree.parse(path).getroot().findall(f".//{{http://www.w3.org/2000/svg}}{tag}")


def test_a_sheet_shows_each_drawing_in_its_cell_with_its_label():
    drawings = [scribble(i) * (10.0**i, 10.0**i, 1.0) for i in range(5)]
    write_sheet("s.svg", drawings, ["a", "<b>", "", "d", "e"], columns=3)
    assert [one.text for one in elements("s.svg", "text")] == ["a", "<b>", "d", "e"]
    cells = [
        [float(one.get(name)) for name in ("x", "y", "width")] for one in elements("s.svg", "rect")[1:]
    ]  # the first is the paper
    groups = [one for one in elements("s.svg", "g") if one.get("stroke") == INK]
    assert len(cells) == len(groups) == 5
    for (x, y, side), group, drawing in zip(cells, groups, drawings, strict=True):
        lines = [
            np.array(re.findall(r"[-\d.]+", path.get("d")), "float64").reshape(-1, 2)
            for path in group.iter("{http://www.w3.org/2000/svg}path")
        ]
        places, expected = np.concatenate(lines), to_lines(drawing)
        assert len(lines) == len(expected)
        assert places.min(axis=0)[0] > x and places.max(axis=0)[1] < y + side
        assert np.ptp(places, axis=0).max() == pytest.approx(side - 20, abs=0.02)
        scale = np.ptp(places, axis=0).max() / np.ptp(np.concatenate(expected), axis=0).max()
        np.testing.assert_allclose(lines[0] - lines[0][0], expected[0] * scale, atol=0.02)


def test_what_was_made_after_what_was_given_has_another_colour():
    write_sheet("s.svg", [TWO] * 4, given=[0, 1, 3, 4])
    for group, (ink, made) in zip(
        [one for one in elements("s.svg", "g") if one.get("stroke") == INK],
        [(0, 2), (1, 2), (2, 1), (2, 0)],
        strict=True,
    ):
        paths = list(group.iter("{http://www.w3.org/2000/svg}path"))
        assert [path.get("stroke") for path in paths] == [None] * ink + [MADE] * made


def test_an_animation_draws_strokes_one_after_another_and_stands_complete_where_nothing_moves():
    dotted = from_lines([*to_lines(TWO), [[9, 9]]])
    write_animation("a.svg", [dotted], seconds=4.0)
    moves = elements("a.svg", "animate")
    assert [one.get("attributeName") for one in moves] == ["stroke-dashoffset", "stroke-dashoffset", "opacity"]
    times = np.array([[float(time) for time in one.get("keyTimes").split(";")] for one in moves])
    assert np.all(np.diff(times, axis=1) >= 0) and times[:, 0].max() == 0 and times[:, -1].min() == 1
    assert np.all(times[1:, 1] > times[:-1, 2]) and times[-1, 2] == pytest.approx(0.75)
    length = np.hypot(*(np.diff(to_lines(dotted)[0], axis=0).T)).sum()
    way = np.hypot(*(dotted[:, :2].T)).sum()
    assert times[0, 2] == pytest.approx(0.75 * length / way, abs=1e-3)
    for path, move in zip(elements("a.svg", "path")[:2], moves, strict=False):
        dash, gap = map(float, path.get("stroke-dasharray").split())
        drawn = np.array(re.findall(r"[-\d.]+", path.get("d")), "float64").reshape(-1, 2)
        ink = np.hypot(*np.diff(drawn, axis=0).T).sum()
        assert path.get("stroke-dashoffset") is None and dash > ink  # as it stands, all of it is seen
        offset = [float(value) for value in move.get("values").split(";")]
        assert offset[2:] == [0, 0] and dash < offset[0] < dash + gap - ink  # and at first nothing
    assert not elements("a.svg", "script") and "on" not in {name[:2] for one in moves for name in one.attrib}
    with pytest.raises(ValueError, match=r"ends in \.svg, but 'a\.png'"):
        write_animation("a.png", [TWO])


def test_a_picture_in_pixels_has_ink_where_the_drawing_is(folder):
    corner = from_lines([[[0, 0], [10, 0], [10, 10]]])  # along the top, then down the right
    write_sheet("s.png", [corner, np.empty((0, 3))], ["$猫", ""], columns=2)
    picture = imread("s.png")[..., :3].mean(axis=-1)
    assert picture.shape == (2 * 127, 2 * 216)
    cell = picture[32:192, 32:192] < 0.5  # the cell without most of its margin; two pixels each
    assert cell[:8].sum() > 250 and cell[:, -8:].sum() > 250 and cell[10:, :-10].sum() == 0
    assert (picture[20:204, 230:400] > 0.9).all()
    write_drawing("one.png", from_lines([*to_lines(corner), [[0, 10]]]))
    dot = imread("one.png")[..., :3].mean(axis=-1)[32:192, 32:192] < 0.5
    assert 6 < dot[-12:, :12].sum() < 20 and dot[12:-12, :12].sum() == 0
    assert sorted(one.name for one in folder.iterdir()) == ["one.png", "s.png"]


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match=r"ends in \.svg, \.png or \.pdf, but 's\.jpg'"):
        write_sheet("s.jpg", [TWO])
    with pytest.raises(ValueError, match="`labels` must be as many as the drawings, 1, but there are 2"):
        write_sheet("s.svg", [TWO], ["a", "b"])
    with pytest.raises(ValueError, match="at least one drawing"):
        write_sheet("s.svg", [])


# ---- `mdn show` ------------------------------------------------------------------------------------------------------


def test_mdn_show_makes_a_sheet_tells_of_bad_drawings_and_converts():
    from typer.testing import CliRunner

    from mdn_cli import app

    def run(*arguments):
        return CliRunner().invoke(app, ["show", *arguments])

    write_drawings("d.ndjson", Drawings([TWO] * 3, ["cat", "dog", "cat"], ["train", "test", "train"]))
    with open("d.ndjson", "a") as file:
        file.write('{"word":"cat","dra')
    ran = run("d.ndjson")
    assert ran.exit_code == 0 and "3 of 3 drawings: sheet.svg" in ran.output
    assert "left out: 'd.ndjson': line 4: it is cut off" in ran.stderr
    assert [one.text for one in elements("sheet.svg", "text")] == ["cat", "dog", "cat"]
    assert run("d.ndjson", "--word", "cat", "--part", "train", "--animate").exit_code == 0
    assert len(elements("sheet.svg", "animate")) == 4
    assert run("d.ndjson", "--out", "d.npz").exit_code == 0
    assert read_drawings("d.npz").words.tolist() == ["cat", "dog", "cat"]
    for arguments, message in (
        (["d.ndjson", "--word", "pig"], "no drawing of 'pig'; there are 'cat', 'dog'"),
        (["d.ndjson", "--part", "valid"], "of the part 'valid'"),
        (["d.ndjson", "--out", "d.jpg"], "--out ends in"),
        (["d.npz", "--out", "no/d.svg"], "no folder 'no'"),
        (["e.ndjson"], "no file 'e.ndjson'"),
    ):
        ran = run(*arguments)
        assert ran.exit_code == 2 and message in ran.stderr
