"""Handwriting before any network: lines from files and fonts, frames, alphabets, faults, pages, and the memoryless floor."""

import json
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy.stats import multivariate_normal

import mdn
from drawn import REAL, scribble
from mdn.applications.handwriting import Alphabet, data, faults, pictures, train, usable, wrapped
from mdn.applications.handwriting.text import tidied
from mdn.data import Handwriting, from_lines, read_handwriting, to_lines, write_handwriting
from mdn.drawing.hershey import FONTS, Hand, hershey, hershey_lines, random_texts
from mdn.sequences.baselines import memoryless

pytestmark = pytest.mark.jax

HELLO = {"text": "Hi", "writer": "me", "strokes": [[[10, 20], [11, 25]], [[30, 20, 1], [31, 25, 2], [31, 25, 3]]]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(*texts, seed=0, **settings):
    return hershey_lines(texts, seed, **settings)


# ---- the value -------------------------------------------------------------------------------------------------------


def test_lines_keep_who_wrote_what_through_choosing_and_adding():
    lines = Handwriting([scribble(i) for i in range(4)], ["a", "b", "c", "a"], writers=list("xyxy"), sources=["s"] * 4)
    some = lines[lines.writers == "x"] + lines[3:]
    assert isinstance(some, Handwriting) and some.texts.tolist() == ["a", "c", "a"]
    assert some.writers.tolist() == ["x", "x", "y"] and some.sources.tolist() == ["s"] * 3
    assert "3 lines, 2 writers, 1 source," in repr(some)
    assert lines.of("a").writers.tolist() == ["x", "y"]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=20, max_size=60), st.integers(0, 5))
def test_no_text_is_in_two_parts(texts, seed):
    lines = Handwriting([scribble()] * len(texts), texts)
    parts = lines.divided(seed, valid=0.2, test=0.2).parts
    where = {text: set(parts[np.array(texts) == text].tolist()) for text in texts}
    assert all(len(found) == 1 for found in where.values()) and "train" in parts
    kept = Handwriting([scribble()] * 2, ["a", "b"], ["test", ""]).divided(valid=0.0)
    assert kept.parts.tolist() == ["test", "train"]
    with pytest.raises(ValueError, match="less than 1 together"):
        lines.divided(valid=0.5, test=0.5)


# ---- files -----------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.lists(REAL, min_size=1, max_size=3))
def test_lines_come_back_as_they_were_written(drawings):
    count = len(drawings)
    lines = Handwriting(drawings, ["é “x”"] * count, ["valid"] * count, writers=["w"] * count, sources=["s"] * count)
    with tempfile.TemporaryDirectory() as folder:
        write_handwriting(Path(folder) / "l.npz", lines)
        found = read_handwriting(Path(folder) / "l.npz")
    for one, other in zip(found, lines, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in Handwriting.labels:
        assert getattr(found, name).tolist() == getattr(lines, name).tolist()


def test_lines_of_unipen_are_turned_so_that_y_grows_downwards():
    rows = np.array([[0, 0, 0], [3, 4, 0], [0, -5, 1], [0, 0, 0], [1, 1, 1]], "int16")
    np.savez("u.npz", stroke3=rows, offsets=[0, 3, 5], text=["a", "b"], writer=["x", "y"], source=["lex", "lex"])
    found = read_handwriting("u.npz")
    np.testing.assert_array_equal(found[0], [[3, -4, 0], [0, 5, 1]])
    assert found.texts.tolist() == ["a", "b"] and found.writers.tolist() == ["x", "y"]
    np.savez("t.npz", stroke3=rows, offsets=[0, 3, 5])
    with pytest.raises(ValueError, match=r"must hold points \(or stroke3\), offsets and text"):
        read_handwriting("t.npz")
    np.savez("s.npz", stroke3=rows, offsets=[0, 3, 5], text=["a"])
    with pytest.raises(ValueError, match="`text` must be one for each of 2 lines"):
        read_handwriting("s.npz")
    np.savez("s.npz", stroke3=rows, offsets=[0, 5], text=["a", "b"])
    with pytest.raises(ValueError, match="`text` must be one for the only line, but"):
        read_handwriting("s.npz")
    with pytest.raises(ValueError, match=r"read from \.npz, \.xml, \.json.*'a\.pdf'"):
        read_handwriting("a.pdf")
    with pytest.raises(ValueError, match=r"written to \.npz"):
        write_handwriting("a.json", found)


def test_what_a_tablet_writes_is_read_as_one_object_as_a_list_and_by_lines():
    second = {**HELLO, "text": "Ho", "source": "shop", "part": "test"}
    Path("one.json").write_text(json.dumps(HELLO))
    Path("list.json").write_text(json.dumps([HELLO, second], indent=1))
    for name in ("rows.jsonl", "rows.json"):
        Path(name).write_text(f"{json.dumps(HELLO)}\n\n{json.dumps(second)}\n")
    one = read_handwriting("one.json")
    np.testing.assert_array_equal(one[0], [[1, 5, 1], [19, -5, 0], [1, 5, 0], [0, 0, 1]])  # times left out, points kept
    assert (one.texts[0], one.writers[0], one.sources[0]) == ("Hi", "me", "one")
    for name in ("list.json", "rows.jsonl", "rows.json"):
        found = read_handwriting(name)
        assert found.texts.tolist() == ["Hi", "Ho"] and found.sources[1] == "shop" and found.parts[1] == "test"
        np.testing.assert_array_equal(found[0], one[0])
    assert len(read_handwriting(".")) == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", r"'b\.json' is no JSON: '\[1'"),
        ("[" * 100_000, "is no JSON"),
        ("3", "line 0: it has no `strokes`"),
        ({"strokes": [[[1, 2], [3, 4]]]}, "it has no text"),
        ({"text": "  ", "strokes": [[[1, 2], [3, 4]]]}, "it has no text"),
        ({"text": "a", "strokes": []}, "at least two points"),
        ({"text": "a", "strokes": [[[1, 2]]]}, "at least two points"),
        ({"text": "a", "strokes": [[[1, 2], [1, 2]]]}, "in different places"),
        ({"text": "a", "strokes": [[[1, 2], [3]]]}, "stroke 0 must be a list of points"),
        ({"text": "a", "strokes": [[[1, 2], [3, 4]], [{"x": 1}]]}, "stroke 1 must be a list of points"),
        ({"text": "a", "strokes": [[1, 2]]}, r"stroke 0 must be a list of points.*\(2,\)"),
        (
            {"text": "a", "strokes": [[[1, 2], [3, float("nan")]]]},
            "point 1 of stroke 0 holds a number that is not finite",
        ),
    ],
)
def test_bad_recordings_say_what_is_wrong(content, message):
    Path("b.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_handwriting("b.json")
    if not isinstance(content, str):
        Path("many.json").write_text(json.dumps([content, HELLO]))
        found = read_handwriting("many.json", go_on=True)
        assert len(found) == 1 and "line 0" in found.skipped[0]


def test_files_that_are_missing_or_no_text_are_named():
    with pytest.raises(FileNotFoundError, match=r"no file 'm\.json'"):
        read_handwriting("m.json")
    Path("l.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        read_handwriting("l.json")
    Path("rows.jsonl").write_text(f"{json.dumps(HELLO)}\n{{oh\n")
    with pytest.raises(ValueError, match=r"'rows\.jsonl': line 2: it is no JSON"):
        read_handwriting("rows.jsonl")


# ---- IAM-OnDB --------------------------------------------------------------------------------------------------------


def session(path, strokes, more=""):
    points = ""
    for stroke in strokes:
        inside = "".join(f'<Point x="{x}" y="{y}" time="1.5"/>' for x, y in stroke)
        points += f'<Stroke colour="black" start_time="1" end_time="2">{inside}</Stroke>'
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<WhiteboardCaptureSession>{more}<WhiteboardDescription>'
        f'<SensorLocation corner="top_left"/></WhiteboardDescription>\n<StrokeSet>{points}</StrokeSet>'
        "</WhiteboardCaptureSession>\n",
        encoding="latin1",
    )


def iam():
    """A database of two forms: one with a transcript, whose writer forms.txt knows, one with the XML of its form."""
    for number in (1, 2):
        session(f"lineStrokes/a01/a01-000/a01-000u-0{number}.xml", [[(10, 20), (12, 27)], [(number, 5)]])
    Path("ascii/a01/a01-000").mkdir(parents=True)
    Path("ascii/a01/a01-000/a01-000u.txt").write_text("OCR:\n\nA M0VE\nt0\n\nCSR:\n\nA MOVE to stop\nMr. Gaitskell\n\n")
    Path("forms.txt").write_text("# form writer\na01-000u 10056\n")
    form = (
        '<General><Form id="b02-001" writerID="7"/></General><Transcription>'
        '<TextLine id="b02-001-01" text="&quot;Oh&quot; &amp; no"/></Transcription>'
    )
    session("original/b02/b02-001/strokes.xml", [[(1, 2), (3, 4)]], form)
    session("lineStrokes/b02/b02-001/b02-001-01.xml", [[(0, 0), (5, 1)]])


def test_a_folder_of_iam_ondb_has_texts_and_writers_from_the_files_beside_its_lines():
    iam()
    session("lineStrokes/c03/c03-000-01.xml", [[(1, 2), (3, 4)]])
    session("lineStrokes/a01/a01-000/a01-000u-03.xml", [[(1, 2), (3, 4)]])
    found = read_handwriting(".")
    assert found.texts.tolist() == ["A MOVE to stop", "Mr. Gaitskell", '"Oh" & no']
    assert found.writers.tolist() == ["10056", "10056", "7"] and set(found.sources.tolist()) == {"iam"}
    np.testing.assert_array_equal(found[0], [[2, 7, 1], [-11, -22, 1]])  # y grows downwards there, too
    assert len(found.skipped) == 2 and all("its text is not known" in one for one in found.skipped)


def test_one_line_of_iam_ondb_finds_its_transcript():
    iam()
    found = read_handwriting("lineStrokes/a01/a01-000/a01-000u-02.xml")
    assert found.texts.tolist() == ["Mr. Gaitskell"]
    Path("a01-000u.txt").write_text("CSR:\n\nelsewhere")
    session("a01-000u-01.xml", [[(1, 2), (3, 4)]])
    assert read_handwriting("a01-000u-01.xml").texts.tolist() == ["elsewhere"]
    with pytest.raises(ValueError, match=r"'notes\.xml': a line of IAM-OnDB is called FORM-NN\.xml"):
        read_handwriting("notes.xml")


BOMB = '<!DOCTYPE b [<!ENTITY a "{}"><!ENTITY b "{}">]><WhiteboardCaptureSession>&b;</WhiteboardCaptureSession>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<WhiteboardCaptureSession><StrokeSet>", "no XML: no element found"),
        ("", "no XML"),
        ("<svg/>", "line 1: IAM-OnDB is a <WhiteboardCaptureSession>, but <svg>"),
        (BOMB.format("ha" * 50_000, "&a;" * 50_000), "declares an entity"),
        ("<WhiteboardCaptureSession>\n<Point x='1' y='2'/></WhiteboardCaptureSession>", "line 2: a <Point> is outside"),
        (
            "<WhiteboardCaptureSession><Stroke><Point x='1' y='oh'/></Stroke></WhiteboardCaptureSession>",
            "numbers x and y",
        ),
        ("<WhiteboardCaptureSession>" + "<a>" * 200_000, "no XML"),
    ],
)
def test_xml_that_is_broken_or_a_bomb_is_refused_at_once(content, message):
    Path("a-01.xml").write_text(content)
    Path("a.txt").write_text("CSR:\ntext")
    start = time.process_time()
    with pytest.raises(ValueError, match=message) as error:
        read_handwriting("a-01.xml")
    assert time.process_time() - start < 5 and "a-01.xml" in str(error.value)
    session("b/b-01.xml", [[(1, 2), (3, 4)]])
    Path("b/b.txt").write_text("CSR:\nfine")
    found = read_handwriting(".")
    assert found.texts.tolist() == ["fine"] and len(found.skipped) == 1


def test_a_line_with_a_point_that_is_not_finite_or_without_points_is_skipped():
    session("a-01.xml", [[(1, 2), ("nan", 4)]])
    session("a-02.xml", [])
    session("a-03.xml", [[(1, 2)], [(5, 5), (5, 5), (6, 7)]])
    Path("a.txt").write_text("CSR:\none\ntwo\nthree")
    found = read_handwriting(".")
    assert found.texts.tolist() == ["three"] and len(found.skipped) == 2
    assert "not finite" in found.skipped[0] and "at least two points" in found.skipped[1]


# ---- Hershey ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("font", FONTS)
def test_an_even_hand_draws_what_the_package_itself_draws(font):
    from HersheyFonts import HersheyFonts

    fonts = HersheyFonts()
    fonts.load_default_font(font)
    text = "Quick, (42) foxes!"
    expected = np.concatenate([np.array(stroke, "float64") for stroke in fonts.strokes_for_text(text)])
    drawn = np.concatenate(to_lines(hershey(text, font)))
    expected = expected - expected[0]
    distance = np.min(np.linalg.norm(expected[:, None] - drawn[None], axis=-1), axis=1)
    assert (
        distance.max() < 1.0
    )  # a point each unit, so that none of the package's is farther than half of one, or a corner
    np.testing.assert_allclose(drawn.max(axis=0), expected.max(axis=0), atol=0.5)
    np.testing.assert_allclose(drawn.min(axis=0), expected.min(axis=0), atol=0.5)


def test_hands_differ_and_a_seed_gives_the_same_ink():
    once, again = lines_of("Same text", "Same text"), lines_of("Same text", "Same text")
    np.testing.assert_array_equal(once[1], again[1])
    assert once[0].shape != once[1].shape or not np.allclose(once[0], once[1])
    people = lines_of(*["ab"] * 40, hands=3)
    assert len(set(people.writers.tolist())) == 3
    lean = [data.slant(hershey("HHHH", Hand(slant=slant))) for slant in (-0.2, 0.0, 0.4)]
    np.testing.assert_allclose(lean, [-0.2, 0.0, 0.4], atol=0.01)
    with pytest.raises(ValueError, match=r"the font 'futural' has no 'é', '€'"):
        hershey("é€")
    with pytest.raises(ValueError, match="nothing to draw"):
        hershey("   ")
    with pytest.raises(ValueError, match=r"no font 'comic'.*futural"):
        hershey("a", "comic")


def test_random_texts_use_every_character():
    texts = random_texts(300, " abcXYZ1.", np.random.default_rng(0), longest=20)
    assert set("".join(texts)) == set(" abcXYZ1.") and max(map(len, texts)) <= 20 and min(map(len, texts)) > 0
    assert all(text == text.strip() for text in texts)


# ---- resampling ------------------------------------------------------------------------------------------------------


def distance_to_path(place, path):
    start, along = path[:-1], np.diff(path, axis=0)
    squared = np.sum(along**2, axis=1)
    share = np.clip(np.sum((place - start) * along, axis=1) / np.where(squared > 0, squared, 1.0), 0.0, 1.0)
    return np.min(np.linalg.norm(start + share[:, None] * along - place, axis=1))


@settings(deadline=None)
@given(REAL, st.integers(2, 200))
def test_resampling_keeps_both_ends_of_every_stroke_and_stays_on_the_ink(line, points):
    before, after = to_lines(line), to_lines(data.resampled(line, points))
    size = np.ptp(np.concatenate(before), axis=0).max()
    after = [stroke + (before[0][0] - after[0][0]) for stroke in after]
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new[[0, -1]], old[[0, -1]], atol=1e-9 * size)
        assert len(old) == 1 or max(distance_to_path(place, old) for place in new) <= 1e-9 * size


def test_points_lie_at_equal_distances_along_the_ink_and_are_as_many_as_asked_for():
    line = hershey("Equal steps, all of them", "scripts")
    for each in (15, 20):
        found = data.resampled(line, each * 24)
        assert abs(len(found) - each * 24) < 0.02 * each * 24
    straight = from_lines([[[0, 0], [1, 0], [1, 0], [10, 0]], [[0, 5], [20, 5]], [[3, 3]]])
    found = to_lines(data.resampled(straight, 32))
    np.testing.assert_allclose([np.ptp(np.diff(stroke[:, 0])) for stroke in found[:2]], 0, atol=1e-12)
    assert [len(stroke) for stroke in found] == [11, 21, 1]
    with pytest.raises(ValueError, match="at least 2"):
        data.resampled(line, 1)


# ---- frames ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 50), st.sampled_from([data.median_step, data.offset_std]), st.booleans(), st.booleans())
def test_a_frame_has_its_inverse_and_its_size_is_1(seed, size, upright, level):
    line = 7.0 * scribble(seed) * (1, 1, 1 / 7)
    frame = data.frame_of(line, size, upright=upright, level=level)
    np.testing.assert_allclose(frame.undo(frame.apply(line)), line, atol=1e-9)
    assert size(frame.apply(line)) == pytest.approx(1.0)


@given(st.floats(-0.5, 0.8), st.floats(-0.3, 0.3), st.floats(0.1, 50.0))
@settings(max_examples=20, deadline=None)
def test_slant_and_slope_are_found_again_and_taken_out(slant, angle, size):
    line = hershey("Him HER little mill", Hand(slant=slant, size=size))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = np.column_stack([line[:, :2] @ turn.T, line[:, 2]])
    slope, _, x_height = data.base_line(turned)
    assert np.arctan(slope) == pytest.approx(angle, abs=0.02)
    flat = data.frame_of(turned, upright=True, level=True).apply(turned)
    assert data.slant(flat) == pytest.approx(0.0, abs=0.03)
    assert data.base_line(flat)[0] == pytest.approx(0.0, abs=0.02)
    assert 10 * size < x_height * np.cos(angle) < 23 * size  # between an x and a capital


def test_the_base_line_is_where_letters_stand():
    _, height, x_height = data.base_line(hershey("xxgxxpxxyxx"))
    start = -14.0  # an x of this font starts at its upper left corner, and is 14 high
    assert height == pytest.approx(-start, abs=0.5) and x_height == pytest.approx(14.0, abs=0.5)


def test_the_jacobian_turns_a_density_in_the_frame_into_that_of_the_line():
    line = hershey("Jacobian", Hand(slant=0.3, size=3.0))
    frame = data.frame_of(line, upright=True, level=True)
    offsets = line[:, :2]
    within = multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 2.0]])
    inverse = np.linalg.inv(frame.matrix)
    outside = multivariate_normal([0, 0], inverse @ within.cov @ inverse.T)
    np.testing.assert_allclose(
        within.logpdf(frame.apply(line)[:, :2]) + frame.log_jacobian, outside.logpdf(offsets), rtol=1e-9
    )


def test_events_are_ink_in_the_frame_and_noise_stays_in_the_cells():
    line = np.round(hershey("There and back", "cursive") * (5, 5, 1))
    frame = data.frame_of(line)
    events = data.events(line, frame)
    assert events.dtype == np.float32 and set(events[:, 2].tolist()) == {0.0, 1.0, 2.0} and events[-1, 2] == data.END
    np.testing.assert_allclose(data.ink(events, frame), line, atol=1e-4)
    spread = data.ink(data.events(line, frame, 1.0, np.random.default_rng(0)), frame)
    away = (spread - line)[:, :2]
    assert 0.4 < np.abs(away).max() <= 0.5 + 1e-4 and np.std(away) == pytest.approx(12**-0.5, rel=0.1)
    assert data.ink(np.empty((0, 3)), frame).shape == (0, 3)
    with pytest.raises(ValueError, match="only dots"):
        data.frame_of(from_lines([[[0, 0]], [[3, 4]]]))


# ---- text ------------------------------------------------------------------------------------------------------------

ALPHABET = Alphabet.of(["Hello, world!", "abc-() \"xyz'e"])


@given(st.text(ALPHABET.characters, min_size=1).filter(str.strip))
def test_a_text_comes_back_from_its_rows_and_from_rows_filled_up_with_zeros(text):
    rows = ALPHABET.encode(text)
    assert rows.shape == (len(text), ALPHABET.size) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows.sum(axis=1), 1)
    assert ALPHABET.decode(np.concatenate([rows, np.zeros((3, ALPHABET.size))])) == text
    assert ALPHABET.transliterate(text) == text


def test_an_alphabet_is_what_texts_use_often_enough():
    assert Alphabet.of(["abba", "a c"], least=2).characters == "ab"
    with pytest.raises(ValueError, match="each of them once"):
        Alphabet("aa")
    with pytest.raises(ValueError, match=r"shape \(U, \d+\)"):
        ALPHABET.decode(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("x" * 10_000, "at most 500 characters, but 10000 came: cut it"),
        ("héllo", r"no 'h' .*, 'é' \(LATIN SMALL LETTER E WITH ACUTE\); it has .* Transliterate"),
        ("a\nb", r"no '\\n' \(U\+000A\)"),
        ("שלום", "HEBREW LETTER SHIN.* It writes from left to right only"),
        ("😀", "GRINNING FACE"),
        ("".join(map(chr, range(0x4E00, 0x4E40))), "and 54 more"),
    ],
)
def test_texts_that_cannot_be_written_say_why(text, message):
    with pytest.raises(ValueError, match=message) as error:
        ALPHABET.encode(text)
    assert len(str(error.value)) < 900


def test_transliteration_finds_what_stands_for_a_character_or_says_that_nothing_does():
    all_ = Alphabet("".join(map(chr, range(32, 127))))
    assert all_.transliterate("“Straße” – é, ñ…\tÆ ﬁ ²") == '"Strasse" - e, n... AE fi 2'
    assert all_.transliterate("naïve café") == "naive cafe"
    assert all_.transliterate("e\u0301\u200d!") == "e!"
    assert ALPHABET.transliterate("[a]") == "(a)" and all_.transliterate("[a]") == "[a]"
    for text, name in (("ok 👍🏽", "THUMBS UP SIGN"), ("مرحبا", "ARABIC LETTER MEEM"), ("漢", "CJK UNIFIED")):
        with pytest.raises(ValueError, match=f"{name}.*Nothing stands for them"):
            all_.transliterate(text)


@settings(deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=30), st.integers(1, 15))
def test_wrapping_keeps_all_words_in_order_and_cuts_only_those_that_are_too_long(words, width):
    lines = wrapped(" ".join(words), width)
    assert max(map(len, lines)) <= width
    assert "".join(lines).replace(" ", "") == "".join(words)
    if max(map(len, words)) <= width:
        assert " ".join(lines) == " ".join(words)


def test_paragraphs_keep_their_empty_lines_and_long_texts_take_no_time():
    assert wrapped("Dear A,\n\nthank you\n", 20) == ["Dear A,", "", "thank you"]
    assert wrapped("well-known", 6) == ["well-k", "nown"]
    start = time.process_time()
    assert len(wrapped("x" * 10_000, 40)) == 250 and len(wrapped("word " * 20_000, 40)) == 2500
    assert time.process_time() - start < 2
    for bad, message in ((("a", 0), "at least 1"), (("\n", 5), "it is empty")):
        with pytest.raises(ValueError, match=message):
            wrapped(*bad)
    assert tidied(" Well , yes .  No ? 5 . ") == "Well, yes. No? 5."


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_faults_are_found_where_they_were_made_and_nowhere_else():
    texts = random_texts(60, " abcdefghijklmnopqrstuvwxyz", np.random.default_rng(1), longest=28)
    texts = [text if " " in text else f"{text} and" for text in texts]
    lines = lines_of(*texts, fonts=("futural",), hands=3)
    strokes = list(lines)
    half = len(strokes[3]) // 2
    strokes[3] = strokes[3][:half]
    strokes[8] = strokes[8][::20]
    strokes[12] = np.column_stack([strokes[12][:, :2], np.zeros(len(strokes[12]))])
    strokes[12][-1, 2] = 1
    width = np.sum(strokes[20][:, 0])
    strokes[20] = np.concatenate([strokes[20], [[-width, 30, 0]], strokes[20]])
    middle = np.flatnonzero(strokes[25][:, 2] == 0)[50]
    strokes[25] = np.insert(strokes[25], middle + 1, [[0, 300, 0], [0, -300, 0]], axis=0)
    strokes[30] = np.concatenate([strokes[30], [[10, 0, 0]], strokes[30], [[10, 0, 0]], strokes[30]])
    rough = np.round(np.cumsum(strokes[40][:, :2], axis=0) / 4)
    strokes[40] = np.column_stack([np.diff(rough, axis=0, prepend=0), strokes[40][:, 2]])
    spoilt = Handwriting(strokes, lines.words, writers=lines.writers)
    made = {
        3: "cut off",
        8: "few points",
        12: "never lifted",
        20: "goes back",
        25: "jumps",
        30: "too long",
        40: "coarse",
    }
    assert {i: fault for i, fault in enumerate(faults(spoilt).tolist()) if fault} == made
    left = usable(spoilt)
    assert len(left) == 60 - len(made) and len(left.skipped) == len(made)
    assert left.skipped[0] == f"line 3, {texts[3]!r}: cut off"


def test_a_single_line_is_compared_with_itself_and_dots_do_not_stop_anything():
    assert faults(lines_of("One line only")).tolist() == [""]
    dots = Handwriting([from_lines([[[0, 0]], [[5, 0]]])], ["."])
    assert faults(dots).tolist() == ["only dots"]


# ---- pictures --------------------------------------------------------------------------------------------------------


def paths(file):
    found = []
    for one in ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}path"):
        numbers = one.attrib["d"].replace("M", "").replace("L", " ").split()
        found.append((np.array(numbers, "float64").reshape(-1, 2), one))
    return found


def test_lines_stand_on_their_base_lines_between_the_margins_of_as_many_pages_as_they_need():
    page = pictures.Page(width=100, height=90, margin=10, line_height=14)
    assert page.rows == 5
    turned = hershey("leaning line nn")
    turned[:, 1] += 0.2 * turned[:, 0]
    lines = [hershey("no nun runs in vain more"), np.empty((0, 3)), *[hershey("nun")] * 4, turned]
    assert pictures.write_page("p.svg", lines, page) == [Path("p.svg"), Path("p-2.svg")]
    first = np.concatenate([places for places, _ in paths("p.svg")])
    assert first[:, 0].min() == pytest.approx(10, abs=0.02) and first[:, 0].max() <= 90.02
    stands = 10 + 14 * (np.arange(5) + 0.68)
    lowest = [places[:, 1].max() for places, _ in paths("p.svg")]
    assert {int(np.argmin(np.abs(stands - low))) for low in lowest} == {0, 2, 3, 4}
    assert np.quantile([np.min(np.abs(stands - low)) for low in lowest], 0.7) < 0.1
    second = [places[:, 1].max() for places, _ in paths("p-2.svg") if len(places) > 10]
    assert np.ptp(second[-8:]) < 1.0  # the leaning line is level
    one = pictures.write_page("long.svg", lines, pictures.Page(height=None))
    assert len(one) == 1 and len(paths("long.svg")) == len(paths("p.svg")) + len(paths("p-2.svg"))
    assert pictures.write_page("none.svg", [np.empty((0, 3))]) == [Path("none.svg")]


def test_an_animation_writes_strokes_in_their_order_and_ends_with_all_of_them():
    lines = [hershey("first: it is."), hershey("then")]
    pictures.write_page("a.svg", lines, seconds=9)
    starts, last = [], None
    for _, path in paths("a.svg"):
        (move,) = list(path)
        times = [float(one) for one in move.attrib["keyTimes"].split(";")]
        starts.append(times[1])
        assert move.attrib["dur"] == "9s" and times == sorted(times)
        last = move.attrib["values"].split(";")[-1]
    assert starts == sorted(starts) and len(starts) == sum(len(to_lines(line)) for line in lines) and last in "01"
    pictures.write_line("l.svg", lines[0], pictures.Page(ink="#1a3d8f"), seconds=2)
    assert "#1a3d8f" in Path("l.svg").read_text()
    with pytest.raises(ValueError, match=r"only an \.svg"):
        pictures.write_line("l.png", lines[0], seconds=2)


def test_a_line_as_png_has_ink_and_little_paper_around_it():
    pictures.write_line("l.png", hershey("Hello, world"))
    image = imread("l.png")[..., :3].mean(axis=-1)
    dark = image < 0.5
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert 0.01 < dark.mean() < 0.2 and image.shape[1] > 3 * image.shape[0]
    assert rows[0] < image.shape[0] / 3 and columns[-1] > 0.9 * image.shape[1]
    for bad, message in (("l.gif", r"\.svg, \.png or \.pdf"), ("l.svg", "at least one point")):
        with pytest.raises(ValueError, match=message):
            pictures.write_line(bad, np.empty((0, 3)) if "svg" in bad else scribble())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": -1}, "`width` must be a positive"),
        ({"margin": 110}, "`margin` must leave room"),
        ({"line_height": 300}, "no line of 300 mm fits"),
        ({"pen": float("nan")}, "`pen`"),
    ],
)
def test_paper_that_nobody_can_write_on_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        pictures.Page(**arguments)
    with pytest.raises(ValueError, match="no paper 'b4'; there are a3, a4"):
        pictures.Page.of("b4")


def test_the_picture_of_a_window_is_its_weights_with_the_letters_beside_them():
    weights = np.random.default_rng(0).random((30, 16))
    ax = pictures.window(weights, "a $b_1$ line", Figure().add_subplot())
    np.testing.assert_array_equal(ax.images[0].get_array(), weights[:, :12].T)
    assert [one.get_text() for one in ax.get_yticklabels()] == list("a␣$b_1$␣line")
    ax.figure.savefig("w.png")
    with pytest.raises(ValueError, match=r"U at least the 17 characters .* \(30, 16\)"):
        pictures.window(weights, "x" * 17, ax)


# ---- what it is worth ------------------------------------------------------------------------------------------------


def test_the_floor_is_the_entropy_of_what_follows_each_state_of_the_pen():
    """Offsets of one normal after the pen was down and of another after a lift, lifts by chance: the entropy is known."""
    rng = np.random.default_rng(0)

    def drawn(count):
        lift = (rng.random(count) < 0.2).astype("float64")
        wide = np.concatenate([[0.0], lift[:-1]])
        return np.column_stack([rng.normal(size=(count, 2)) * np.where(wide, 5.0, 1.0)[:, None], lift])

    spec = train.spec_of(1)
    found = memoryless(spec, [drawn(6000)], test := [drawn(2000) for _ in range(4)], column=2, epochs=6)
    assert [len(one) for one in found] == [2000] * 4
    expected = 1 + np.log(2 * np.pi) + 0.2 * 2 * np.log(5.0) - 0.2 * np.log(0.2) - 0.8 * np.log(0.8)
    assert -np.mean(np.concatenate(found)) == pytest.approx(expected, abs=0.04)
    with pytest.raises(ValueError, match="after the value 1 in column 2"):
        memoryless(spec, [np.array([[0.0, 1, 0]] * 9)], test, column=2)
    assert isinstance(spec, mdn.JointSpec) and spec.target_size == 3


def test_nats_a_point_are_those_of_the_unit_of_the_line():
    lines = lines_of("Twice as large", "or half as large")
    twice = Handwriting([one * (2, 2, 1) for one in lines], lines.words)
    (small, frames), (large, others) = train.prepared(lines, 15), train.prepared(twice, 15)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    score = [np.full(len(one), -1.5) for one in small]
    gain = train.nats_a_point(score, others) - train.nats_a_point(score, frames)
    assert gain == pytest.approx(2 * np.log(2.0))
    spread, _ = train.prepared(twice, grid=1.0, seed=3)
    again, _ = train.prepared(twice, grid=1.0, seed=3)
    np.testing.assert_array_equal(spread[0], again[0])


@pytest.mark.data
def test_the_lines_of_unipen_are_those_of_the_file_and_most_can_be_learnt_from(data_folder):
    folder = data_folder / "handwriting"
    lines = read_handwriting(folder / "unipen_lines.npz").with_split(folder / "split.json")
    assert len(lines) == 5286 and [int(np.sum(lines.parts == part)) for part in ("train", "test")] == [5055, 231]
    with np.load(folder / "unipen_lines.npz") as file:
        first, last = file["offsets"][7:9]
        places = np.cumsum(file["stroke3"][first + 1 : last, :2].astype(int), axis=0)
    np.testing.assert_array_equal(np.cumsum(lines[7][:, :2], axis=0), places * (1, -1))
    lex = lines[lines.sources == "lex"]
    found = faults(lex)
    assert 1760 < np.sum(found == "") < 1810
    assert all(found[lex.texts == text].tolist().count("") < 2 for text in ("the machine as it swayed and",))
    cec = lines[lines.sources == "cec"]
    assert np.sum(faults(cec) == "goes back") == 41  # sentences over two lines
