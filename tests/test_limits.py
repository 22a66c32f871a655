"""Small files that once ran code, crashed the process, hung it or filled its memory: each is refused with its sentence."""

import io
import json
import pickle
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mdn.data import limits, objects, read_drawings, read_handwriting, read_object_arrays, svg, to_lines

pytestmark = pytest.mark.project

RECONSTRUCT = np.zeros(0).__reduce__()[0]
SCALAR = np.float64(0).__reduce__()[0]
FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
ENCODE = b"c_codecs\nencode\n"
ADDRESSES = struct.pack("<2q", 0x41414141, 0x42424242)  # two pointers, if objects are what they are taken for


class Made:
    """Pickles as a call, and a state given to what comes of it."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def dtype(name, *state):
    return Made(np.dtype, (name, False, True), *([(3, *state)] if state else []))


def array(shape, numbers, content):
    return Made(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, shape, numbers, False, content))


def header(shape="(1,)", descr="'|O'", version=1):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return np.lib.format.magic(version, 0) + len(text).to_bytes(2, "little") + text


def npz(content, path="crafted.npz", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("train.npy", content)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- pickles ---------------------------------------------------------------------------------------------------------

OBJECTS = dtype("O8", "|", None, None, None, -1, -1, 63)
F8 = dtype("f8", "<", None, None, None, -1, -1, 0)
FIELD = ("|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 8, 63)
MADE = {
    "a type with a field of objects": (array((2,), dtype("V8", *FIELD), ADDRESSES), "names the type .*V8"),
    "numbers that become a field of objects": (array((2,), dtype("f8", *FIELD), ADDRESSES), "EMPTY_DICT"),
    "a name": (array((2,), dtype("f8", "<", None, ("a",), None, -1, -1, 0), ADDRESSES), "plain numbers are read alone"),
    "a part": (
        array((2,), dtype("f8", "<", (OBJECTS, (1,)), None, None, -1, -1, 0), ADDRESSES),
        "plain numbers are read alone",
    ),
    "a size of its own": (array((2,), dtype("f8", "<", None, None, None, 2**62, 1, 0), ADDRESSES), "plain numbers"),
    "an order that is none": (array((2,), dtype("f8", "O", None, None, None, -1, -1, 0), ADDRESSES), "order of bytes 'O'"),
    "bytes as objects": (array((2,), OBJECTS, ADDRESSES), "must be a list"),
    "text as objects": (array((2,), OBJECTS, ADDRESSES.decode("latin1")), "must be a list"),
    "a scalar of objects": (Made(SCALAR, (OBJECTS, ADDRESSES[:8])), "must be one of numbers"),
    "a buffer of objects": (Made(FROM_BUFFER, (ADDRESSES, OBJECTS, (2,), "C")), "must be one of numbers"),
    "objects within objects": (array((1,), OBJECTS, [array((0,), OBJECTS, [])]), "arrays of numbers, or numbers"),
    "strings": (array((1,), dtype("S8", "|", None, None, None, 8, 1, 0), ADDRESSES), "names the type .*S8"),
    "dates": (array((1,), dtype("M8", "<", None, None, None, -1, -1, 0), ADDRESSES), "names the type .*M8"),
    "a buffer that is too short": (array((3,), F8, ADDRESSES), r"shape is \(3,\), of <f8, but has 16 bytes"),
    "a size that wraps around": (array((2**62,), F8, ADDRESSES), r"shape is \(4611686018427387904,\), of <f8, but has 16 bytes"),
    "sizes below 0": (array((-1, -2), F8, ADDRESSES), r"shape is \(.*, of <f8, but has 16 bytes"),
    "a shape of fractions": (array((1.5e8, 3), F8, ADDRESSES), r"shape is \(.*, of <f8, but has 16 bytes"),
    "a giant that is empty": (array((0, 2**62), F8, b""), "too big"),
    "an array that is called": (Made(np.ndarray, ((150_000_000, 3),)), "calls what is no part"),
    "an array from a list": (array((2,), F8, [1.0, 2.0]), "must be bytes"),
    "an array without its state": (Made(RECONSTRUCT, (np.ndarray, (0,), b"b")), "arrays of numbers, or numbers"),
    "an argument too many": (Made(FROM_BUFFER, (ADDRESSES, F8, (2,), "C", 1)), "argument"),
    "a function of NumPy's": (Made(np.frombuffer, (ADDRESSES,)), "frombuffer, which is no part of an array"),
}  # fmt: skip


@pytest.mark.parametrize("what", MADE)
def test_a_pickle_gets_no_array_from_numpy_that_was_not_checked(what):
    """Fault 1 of issue 18: 326 bytes made the process take bytes of the file for pointers to objects."""
    element, message = MADE[what]
    for protocol in (2, 5):
        npz(header() + pickle.dumps(array((1,), OBJECTS, [element]), protocol))
        with pytest.raises(ValueError, match=rf"'crafted\.npz' is no file of arrays that can be trusted: .*{message}"):
            read_object_arrays("crafted.npz")


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (ENCODE + b"X\x01\x00\x00\x00aX\x08\x00\x00\x00punycode\x86R.", "encodes by 'punycode'"),
        (ENCODE + b"X\x01\x00\x00\x00aX\x03\x00\x00\x00bz2\x86R.", "encodes by 'bz2'"),
        (ENCODE + b"q\x00X\x30\x00\x00\x00" + b"a" * 48 + b"X\x06\x00\x00\x00latin1\x86q\x02R" + b"h\x00h\x02R" * 9 + b".",
         "makes more bytes than it has"),
        (b"cnumpy\nndarray\nK\x01\x85\x81.", "NEWOBJ"),
        (b"]N\x85b.", "changes what is no part of an array"),
        (b"]r\xff\xff\xff\xff.", "must hold arrays"),
        (b"B\xff\xff\xff\xffa.", "expected 4294967295 bytes"),
        (b"\x8e" + b"\xff" * 7 + b"\x3fa.", "bytes"),
        (b"\x8a\xff" + b"\x7f" * 255 + b".", "must hold arrays"),
        (b"I" + b"9" * 5000 + b"\n.", "limit"),
        (b"h\x07.", "7 is missing"),
        (b"N", "exhausted"),
        (b"\x86.", "more than it has made"),
        (b"t.", "pop from empty list"),
        (b"K\x01K\x02a.", "only lists grow"),
        (b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", r"names os\.system"),
        (b"cnumpy.core.multiarray\nscalar\nN\x85R.", "argument"),
    ],
)  # fmt: skip
def test_a_pickle_that_no_numpy_wrote_is_refused(pickled, message):
    """Faults 1 and 3 of issue 18: codecs that take hours, numbers that ask for all memory, tricks of the stack."""
    start = time.process_time()
    with pytest.raises(ValueError, match=rf"'crafted\.npz' is no file of arrays that can be trusted: .*({message})"):
        read_object_arrays(npz(header() + pickled))
    assert time.process_time() - start < 2


def test_one_array_in_a_million_places_is_refused(monkeypatch):
    """Fault 3 of issue 18: elements together are bounded like the file."""
    monkeypatch.setattr(limits, "UNPACKED", 10_000)
    one, found = np.zeros((300, 3)), np.empty(400, object)
    found[:] = [one] * len(found)
    np.savez("many.npz", train=found)
    assert Path("many.npz").stat().st_size * limits.UNPACKED_TIMES < one.nbytes * len(found)
    with pytest.raises(ValueError, match=r"'many\.npz'.*elements are 2,880,000 bytes large, but may be"):
        read_drawings("many.npz")
    monkeypatch.setattr(objects, "INSTRUCTIONS", 100)
    with pytest.raises(ValueError, match=r"'many\.npz'.*more than 100 instructions"):
        read_drawings("many.npz")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_numpy_pickles_comes_back(protocol):
    arrays = np.empty(8, object)
    arrays[:] = [np.arange(6, dtype="<i2").reshape(2, 3), np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
                 np.zeros((0, 4)), np.ones(3, bool), np.float32(0.5), np.int64(2**40), 1.5, 7]  # fmt: skip
    npz(header("(2, 4)") + pickle.dumps(arrays.reshape(2, 4), protocol))
    found = read_object_arrays("crafted.npz")["train"]
    assert found.shape == (2, 4)
    for one, other in zip(found.flat, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype and one.flags.writeable


# ---- .npz ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("(1,)", "[('a', '|O')]") + pickle.dumps([1], 2), "must hold numbers or text, but holds"),
        (header("(1,)", "[('a', '<f8'), ('b', '<f8')]") + bytes(16), "must hold numbers or text, but holds"),
        (header("(1,)", "('<f8', (2,))") + bytes(16), "no file of arrays"),
        (header("(1,)", "'<M8[s]'") + bytes(8), "must hold numbers or text, but holds"),
        (header("(1,)", "'|V8'") + bytes(8), "must hold numbers or text, but holds"),
        (header("(4611686018427387904,)", "'<f8'") + bytes(8), "but has 8 bytes"),
        (header("(4611686018427387904,)") + pickle.dumps(np.array([None], object), 2), "no file of arrays"),
        (header("(2147483648, 2147483648, 4)", "'<f4'"), "but has 0 bytes"),
        (header("(-1,)", "'<f8'") + bytes(8), "but has 8 bytes"),
        (header("(True,)", "'<f8'") + bytes(8), "but has 8 bytes"),
        (header("(1.5,)", "'<f8'") + bytes(8), "no file of arrays"),
        (header("(1,", "'<f8'") + bytes(8), "no file of arrays"),
        (header("(1,)", "'<U2'") + b"a\0\0\0\xff\xff\xff\x00", "no characters"),
        (header("(1,)", "'>U1'") + b"\x7f\0\0\0", "no characters"),
        (header("(1,)", "'<U536870911'") + bytes(8), "but has 8 bytes"),
        (header("(1,)", "'<f8'", version=3) + bytes(8), r"unknown version \(3, 0\)"),
        (b"", "no file of arrays"),
    ],
)
def test_the_header_of_an_array_asks_for_nothing_that_is_not_there(content, message):
    """Faults 1, 3 and 14 of issue 18: shapes and types from outside reached NumPy as they were."""
    with pytest.raises(
        ValueError, match=rf"'crafted\.npz' is no file of arrays that can be trusted: .*{message}|{message}"
    ):
        read_object_arrays(npz(content))


def test_an_npz_does_not_unpack_to_more_than_it_may(monkeypatch):
    """Fault 3 of issue 18: a bomb of zeros."""
    monkeypatch.setattr(limits, "UNPACKED", 10**5)
    zeros = np.zeros((500_000, 3), "int8")
    np.savez_compressed("bomb.npz", points=zeros, offsets=[0, len(zeros)])
    with pytest.raises(
        ValueError, match=r"'bomb\.npz'.* it would unpack to 1,500,\d+ bytes, but .* are the most that is read"
    ):
        read_drawings("bomb.npz")
    # one that says it is small: the size stands in the list at the end of the archive, 24 bytes after its mark
    lying = bytearray(Path("bomb.npz").read_bytes())
    place = lying.index(b"PK\x01\x02") + 24
    lying[place : place + 4] = (200).to_bytes(4, "little")
    Path("lying.npz").write_bytes(lying)
    with pytest.raises(ValueError, match=r"'lying\.npz' is no file of arrays"):
        read_drawings("lying.npz")
    with pytest.raises(ValueError, match=r"'crafted\.npz'.*packed in a way that is not read"):
        read_object_arrays(npz(header("(1,)", "'<f8'") + bytes(8), compression=zipfile.ZIP_BZIP2))


# ---- XML -------------------------------------------------------------------------------------------------------------

TRAPS = {
    "a default of thousands of paths": '<!ATTLIST path d CDATA "' + "M0 0L1 1" * 3000 + '">',
    "thousands of defaults": "<!ATTLIST path " + " ".join(f'a{i} CDATA "1"' for i in range(2000)) + ">",
    "thousands of namespaces": "<!ATTLIST path " + " ".join(f'xmlns:a{i} CDATA "1"' for i in range(2000)) + ">",
    "a fixed value": '<!ATTLIST path d CDATA #FIXED "M0 0L1 1">',
    "an entity": '<!ENTITY a "lol">',
    "an entity of parameters": '<!ENTITY % a "lol">',
    "an entity from elsewhere": '<!ENTITY a SYSTEM "file:///etc/hostname">',
}


@pytest.mark.parametrize("what", TRAPS)
def test_a_dtd_adds_nothing_to_the_elements_of_a_file(what):
    """Fault 3 of issue 18: a default attribute is a copy for each element, so that kilobytes became gigabytes."""
    start = time.process_time()
    Path("a.svg").write_text(f"<!DOCTYPE svg [{TRAPS[what]}]>\n<svg>" + "<path/>" * 20_000 + "</svg>")
    with pytest.raises(ValueError, match=r"'a\.svg': line 1: the SVG declares an? (entity|default).*may be a trap"):
        read_drawings("a.svg")
    declared = TRAPS[what].replace("ATTLIST path", "ATTLIST Point")
    Path("a-01.xml").write_text(f"<!DOCTYPE b [{declared}]>\n<WhiteboardCaptureSession/>")
    with pytest.raises(ValueError, match=r"'a-01\.xml': line 1: the XML declares an? (entity|default).*may be a trap"):
        read_handwriting("a-01.xml")
    assert time.process_time() - start < 5


def test_the_dtd_of_kanjivg_is_no_trap():
    declared = (
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.0//EN" "http://www.w3.org/TR/2001/REC-SVG-20010904/DTD/svg10.dtd" [\n'
        '<!ATTLIST g\nxmlns:kvg CDATA #FIXED "http://kanjivg.tagaini.net"\nkvg:element CDATA #IMPLIED >\n]>'
    )
    Path("a.svg").write_text(f'{declared}<svg><g kvg:element="一"><path d="M0 0L3 4"/></g></svg>')
    found = read_drawings("a.svg")
    assert found.words.tolist() == ["一"] and found[0].tolist() == [[3, 4, 1]]


# ---- SVG -------------------------------------------------------------------------------------------------------------


def test_thousands_of_arcs_are_read_in_bounded_time():
    """Fault 3 of issue 18: 6,000 arcs were 1.7 million points, each made by itself."""
    arcs = " ".join(f"5 5 0 1 1 {i % 7 + 1} {i % 50 + 1}" for i in range(2000))
    Path("a.svg").write_text(f'<svg viewBox="0 0 100 100"><path d="M0 0A{arcs}"/></svg>')
    start = time.process_time()
    drawing = read_drawings("a.svg")[0]
    assert time.process_time() - start < 8  # 1 s on a quiet machine
    assert 2000 < len(drawing) < 2000 * 20


def test_thousands_of_circles_are_read_in_bounded_time():
    """Fault 3 of issue 18: found by the fuzzer."""
    Path("a.svg").write_text("<svg>" + '<circle cx="5" cy="6" r="3" stroke="black"/>' * 2000 + "</svg>")
    start = time.process_time()
    first, *others = to_lines(read_drawings("a.svg")[0])
    assert time.process_time() - start < 5 and len(others) == 1999  # 0.3 s on a quiet machine
    np.testing.assert_allclose(np.hypot(*(first - (3, 0)).T), 3, rtol=1e-5)
    Path("a.svg").write_text('<svg><ellipse cx="5" rx="3" stroke="black"/></svg>')
    with pytest.raises(ValueError, match=r"'a\.svg': line 1: a circle needs a radius r, and an ellipse its two"):
        read_drawings("a.svg")


def test_arcs_stay_as_near_to_the_circle_as_is_asked_for():
    Path("a.svg").write_text('<svg viewBox="0 0 100 100"><path d="M10 50A40 40 0 1 1 50 90"/></svg>')
    for tolerance, most in ((0, 40 * 5e-5), (0.01, 1.0), (0.001, 0.1)):
        (line,) = to_lines(read_drawings("a.svg", tolerance)[0])
        places = line + np.array([10, 50])
        middles = (places[1:] + places[:-1]) / 2
        assert np.abs(np.hypot(*(np.concatenate([places, middles]) - 50).T) - 40).max() <= most
        np.testing.assert_allclose(places[-1], (50, 90), atol=1e-9)


def test_an_svg_has_no_more_points_than_it_may_and_no_place_is_absurd(monkeypatch):
    """Fault 3 of issue 18: the limits are stated."""
    curve = '<svg viewBox="0 0 1 1"><path d="M0 0C0 9 9 9 9 0"/></svg>'
    Path("a.svg").write_text(curve.replace("9 0", "1e300 0"))
    with pytest.raises(ValueError, match=r"'a\.svg' has a path that goes beyond ±1e\+09"):
        read_drawings("a.svg")
    Path("a.svg").write_text(curve)
    monkeypatch.setattr(svg, "POINTS", 20)
    with pytest.raises(ValueError, match=r"'a\.svg' has curves of .* points, but 20 is the most"):
        read_drawings("a.svg", tolerance=0)


# ---- text ------------------------------------------------------------------------------------------------------------

HELLO = {"text": "Hi", "strokes": [[[0, 0], [3, 4]]]}
CAT = {"word": "cat", "drawing": [[[0, 3], [0, 4]]]}


def test_no_more_text_is_held_at_once_than_is_stated(monkeypatch):
    """Fault 3 of issue 18: a file without an end, or a line without one."""
    monkeypatch.setattr(limits, "TEXT", 2000)
    Path("long.ndjson").write_text(f"{json.dumps(CAT)}\n" * 100)
    Path("long.jsonl").write_text(f"{json.dumps(HELLO)}\n" * 100)
    assert len(read_drawings("long.ndjson")) == len(read_handwriting("long.jsonl")) == 100  # the lines are short
    Path("line.ndjson").write_text(json.dumps({**CAT, "more": "x" * 2000}))
    Path("line.jsonl").write_text(json.dumps({**HELLO, "more": "x" * 2000}))
    Path("whole.json").write_text(json.dumps([HELLO] * 100))
    Path("whole.svg").write_text("<svg>" + " " * 2000 + '<path d="M0 0L1 1"/></svg>')
    Path("whole-01.xml").write_text("<WhiteboardCaptureSession>" + " " * 2000 + "</WhiteboardCaptureSession>")
    for read, path in ((read_drawings, "line.ndjson"), (read_handwriting, "line.jsonl")):
        with pytest.raises(ValueError, match=f"'{path}' has a line of more than .* MiB, the most that is read at once"):
            read(path)
    for read, path in (
        (read_handwriting, "whole.json"),
        (read_drawings, "whole.svg"),
        (read_handwriting, "whole-01.xml"),
    ):
        with pytest.raises(ValueError, match=f"'{path}' is larger than .* MiB, the most that is read at once"):
            read(path)


@pytest.mark.parametrize("number", ["1e300", "-1e300", "3e9", "1" + "0" * 400, "1e999"])
def test_coordinates_beyond_any_drawing_are_refused(number):
    """Faults 3 and 14 of issue 18: OverflowError, and lengths that no step divides."""
    Path("d.ndjson").write_text('{"drawing": [[[0, 1], [0, NUMBER]]]}'.replace("NUMBER", number))
    Path("raw.ndjson").write_text('{"drawing": [[[0, 1], [0, NUMBER], [0, 16]]]}'.replace("NUMBER", number))
    Path("h.json").write_text('{"text": "a", "strokes": [[[0, 0], [1, NUMBER]]]}'.replace("NUMBER", number))
    for read, path in ((read_drawings, "d.ndjson"), (read_drawings, "raw.ndjson"), (read_handwriting, "h.json")):
        with pytest.raises(ValueError, match=rf"{path}.*(more than 1e\+09|not finite|lists of numbers|list of points)"):
            read(path)


def test_drawings_too_small_for_floats_are_refused():
    Path("raw.ndjson").write_text('{"drawing": [[[0, 5e-324], [0, 0], [0, 16]]]}')
    with pytest.raises(ValueError, match=r"'raw\.ndjson': line 1: .*not finite"):
        read_drawings("raw.ndjson")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("x" * 1001, "it has 1,001 characters among its words, but 1,000 is the most"),
        (["a", ["b"]], "must be a text, but it is a list"),
        ("\ud800", "half a character"),
    ],
)
def test_one_long_label_does_not_make_all_of_them_as_long(label, message):
    """Fault 3 of issue 18: labels stand in one array, as wide as the longest of them."""
    Path("d.ndjson").write_text("".join(json.dumps(one) + "\n" for one in (CAT, {**CAT, "word": label})))
    with pytest.raises(ValueError, match=rf"'d\.ndjson': line 2: .*{message}"):
        read_drawings("d.ndjson")
    Path("h.json").write_text(json.dumps([HELLO, {**HELLO, "text": label}]))
    with pytest.raises(ValueError, match=rf"'h\.json': line 1: .*{message}"):
        read_handwriting("h.json")
    assert len(read_drawings("d.ndjson", go_on=True)) == len(read_handwriting("h.json", go_on=True)) == 1


def test_offsets_that_wrap_around_are_no_offsets():
    offsets = np.array([0, 2**62 + 1, 2**64 - 2**62, 1], "uint64")
    found = io.BytesIO()
    np.savez(found, points=np.ones((1, 3)), offsets=offsets)
    Path("o.npz").write_bytes(found.getvalue())
    with pytest.raises(ValueError, match=r"'o\.npz': `offsets` must rise from 0 to the 1 point"):
        read_drawings("o.npz")
    np.savez("s.npz", points=np.array([["1", "2", "x"]]), offsets=[0, 1])
    with pytest.raises(ValueError, match=r"'s\.npz': `points` must be \(N, 3\)"):
        read_drawings("s.npz")


def test_a_file_that_cannot_be_read_is_one_bad_drawing_of_its_folder():
    """Fault 14 of issue 18."""
    Path("f").mkdir()
    Path("f/a.ndjson").write_text(json.dumps(CAT))
    Path("f/b.npz").write_bytes(npz_bytes(format=np.ones(3), points=np.ones((2, 3)), offsets=np.array([0, 2])))
    found = read_drawings("f")
    assert len(found) == 1 and "b.npz" in found.skipped[0] and "may be damaged" in found.skipped[0]
    with pytest.raises(ValueError, match=r"b\.npz cannot be read as drawings: "):
        read_drawings("f/b.npz")


def npz_bytes(**arrays):
    found = io.BytesIO()
    np.savez(found, **arrays)
    return found.getvalue()
