"""Sheets for print: real millimetres, as many pages as it takes, in the three formats."""

import re
import xml.etree.ElementTree as Xml
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import run_here
from mdn.drawing import write_animation, write_sheet
from mdn.drawing.pages import page_path
from mdn.drawing.paper import MARGIN, PIXEL, SIZES, Cells, printed

pytestmark = pytest.mark.project
CORNER = np.array([[30.0, 0.0, 0.0], [0.0, 40.0, 1.0]])


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def millimetres(path):
    """(the size of an SVG in mm, a function from its own unit to mm from the left upper corner of the paper)."""
    svg = Xml.parse(path).getroot()
    size = np.array([float(svg.get(name).removesuffix("mm")) for name in ("width", "height")])
    left, top, width, height = map(float, svg.get("viewBox").split())
    np.testing.assert_allclose(size / (width, height), size[0] / width, rtol=1e-3)  # nothing is stretched
    return size, lambda places: (np.asarray(places) - (left, top)) * size[0] / width


def lines_of(path):
    """The places of each path of an SVG."""
    texts = [one.get("d") for one in Xml.parse(path).iter("{http://www.w3.org/2000/svg}path")]
    return [np.array(re.findall(r"-?[\d.]+", text), float).reshape(-1, 2) for text in texts]


def pages_of(path):
    """The size of each page of a PDF in mm."""
    boxes = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", path.read_bytes())
    return np.array(boxes, float) / 72 * 25.4


# ---- cells on paper ------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(list(SIZES)), st.integers(1, 200), st.none() | st.integers(1, 12), st.none() | st.floats(5.0, 60.0)
)
def test_whatever_is_asked_every_cell_lies_within_the_margins_or_it_is_refused(paper, count, columns, side):
    cells = Cells(96.0, 8.0, 15.0)
    try:
        found = printed(cells, count, paper, columns, side)
    except ValueError:
        assert side is not None and (columns or 1) * 1.25 * side > SIZES[paper][0] - 2 * MARGIN
        return
    across, down = (found.unit * length for length in cells.size(found.columns, found.rows))
    width, height = SIZES[paper]
    assert across <= width - 2 * MARGIN + 1e-6 and down <= height - 2 * MARGIN + 1e-6
    assert side is None or abs(96.0 * found.unit - side) < 1e-9
    if columns is not None:
        assert found.columns == min(columns, count)
    elif side is None:
        assert found.columns * found.rows >= count, "all on one page"


def test_without_a_side_the_drawings_are_as_large_as_one_page_allows():
    """Against a search over all sides in steps of a tenth of a millimetre."""
    cells = Cells(96.0, 8.0)
    for count in (1, 2, 7, 30, 97):
        found = printed(cells, count, "a4")
        width, height = (length - 2 * MARGIN for length in SIZES["a4"])

        def holds(side, width=width, height=height):
            step, gap = side * 104.0 / 96.0, side * 8.0 / 96.0
            return int((width - gap) / step) * int((height - gap) / step)

        best = max(side for side in np.arange(5.0, 200.0, 0.1) if holds(side) >= count)
        assert best <= 96.0 * found.unit + 1e-9 < best + 0.11


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"paper": "a9"}, "there is no paper 'a9'; there are a3, a4, a5, letter"),
        ({"paper": "a5", "side": 300}, "takes 350 mm by 350 mm, but a5 has 124 mm by 186 mm between its margins"),
        ({"paper": "a4", "side": 70, "columns": 3}, "a row of 3 at 70 mm each takes 233 mm"),
        ({"side": -1}, "`side` must be a positive number, but -1 came"),
        ({"columns": 0}, "`columns` must be a positive number, but 0 came"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(how, message):
    with pytest.raises(ValueError, match=message):
        write_sheet("s.svg", [CORNER] * 4, **how)


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_a_side_is_measured_in_millimetres():
    """A drawing fills its cell but for a margin of 10 of 96 parts on each side: 76 parts of 96."""
    write_sheet("s.svg", [CORNER] * 6, columns=3, side=48.0)
    size, place = millimetres("s.svg")
    np.testing.assert_allclose(size, [3 * 52 + 4, 2 * 52 + 4], atol=0.01)
    first, second = (place(line) for line in lines_of("s.svg")[:2])
    np.testing.assert_allclose(np.ptp(first, axis=0).max(), 48.0 * 76 / 96, atol=0.02)
    np.testing.assert_allclose(second - first, [[52.0, 0.0]] * 3, atol=0.02)


@pytest.mark.parametrize("paper", list(SIZES))
def test_paper_has_its_size_and_drawings_keep_its_margins(paper):
    (path,) = write_sheet("s.svg", [CORNER, CORNER[::-1] * [[1, 1, 0], [1, 1, 1]]] * 9, paper=paper)
    size, place = millimetres(path)
    np.testing.assert_allclose(size, SIZES[paper], atol=0.01)
    places = place(np.concatenate(lines_of(path)))
    assert len(lines_of(path)) == 18
    assert (places >= MARGIN).all() and (places <= size - MARGIN).all()
    middle = (places[:, 0].min() + places[:, 0].max()) / 2
    np.testing.assert_allclose(middle, size[0] / 2, atol=2.0)
    assert "rect" not in path.read_text(), "ground and frames are for a screen"


def test_pages_take_all_drawings_each_once_with_its_label_and_its_colour():
    labels = [f"no. {i}" for i in range(7)]
    paths = write_sheet("s.svg", [CORNER * [i + 1, 1, 1] for i in range(7)], labels, 2, [1] * 7, side=80.0, paper="a4")
    assert [path.name for path in paths] == ["s.svg", "s-2.svg"]
    assert [page_path("x/s.svg", number).as_posix() for number in (1, 3)] == ["x/s.svg", "x/s-3.svg"]
    found = [[text.text for text in Xml.parse(path).iter("{http://www.w3.org/2000/svg}text")] for path in paths]
    assert found == [labels[:4], labels[4:]] or found == [labels[:6], labels[6:]]
    assert sum(path.read_text().count('stroke="#d1495b"') for path in paths) == 7


@pytest.mark.parametrize("name", ["she--et&1.svg", "sheet.png"])
def test_a_shorter_sheet_leaves_no_page_of_a_longer_one_and_no_other_file_is_overwritten(name):
    def write(count):
        return [path.name for path in write_sheet(name, [CORNER] * count, side=100.0, paper="a5")]

    stem, ending = name.split(".")
    later = [f"{stem}-{number}.{ending}" for number in (2, 3, 4)]
    Path(f"{stem}-5.{ending}").write_text("mine")
    assert write(4) == [name, *later]
    assert write(2) == [name, later[0]] and not Path(later[1]).exists() and not Path(later[2]).exists()
    write(3)
    Path(later[0]).write_text("mine, too")
    before = Path(name).read_bytes()
    with pytest.raises(
        ValueError, match=rf"'{later[0]}' is no page of '{name}', which has 3 pages and would replace it"
    ):
        write(3)
    assert Path(name).read_bytes() == before and write(1) == [name]
    assert Path(later[0]).read_text() == "mine, too" and Path(f"{stem}-5.{ending}").read_text() == "mine"
    write_sheet("other.svg", [CORNER] * 2, side=100.0, paper="a5")
    Path("other-2.svg").rename("sheet-2.svg")
    with pytest.raises(ValueError, match=r"'sheet-2\.svg' is no page of 'sheet\.svg'"):
        write_sheet("sheet.svg", [CORNER] * 2, side=100.0, paper="a5")


def write_words(count):
    return "write", "\n".join(["a"] * count), "--page", "a5", "--line-height", 90


COMMANDS = {
    "generate": ("draw", ("generate", "sketch", "--count", 3, "--paper", "a5", "--size", 100), 3),
    "copies": (
        "draw",
        ("generate", "sketch", "--count", 1, "--copies", "--data", "d.npz", "--paper", "a5", "--size", 100),
        2,
    ),
    "complete": ("complete", ("complete", "quickdraw", "--count", 2, "--paper", "a5", "--size", 100), 3),
    "write": ("write", write_words(3), 3),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_refuses_to_replace_a_file_that_is_no_page_before_its_work_and_says_why(name, tmp_path, monkeypatch):
    from mdn.applications import handwriting, sketch

    work, arguments, count = COMMANDS[name]
    worked = []
    monkeypatch.setattr(handwriting if work == "write" else sketch, work, lambda *args, **how: worked.append(args))
    Path("x-2.svg").write_text("<svg/>")
    ran = run_here(tmp_path, *arguments, "--out", "x.svg")
    printed = " ".join(ran.stderr.split())
    assert ran.exit_code == 2 and not worked, ran.output
    assert f"'x-2.svg' is no page of 'x.svg', which has {count} pages and would replace it" in printed
    assert "Older versions of mdn wrote no note of whose a page is" in printed
    assert Path("x-2.svg").read_text() == "<svg/>" and not Path("x.svg").exists()


def test_room_for_a_sheet_is_refused_as_the_sheet_is_and_else_found():
    from mdn.drawing.sheets import check_room

    def refusal(call, *arguments, **how):
        try:
            call(*arguments, side=55.0, paper="a5", **how)
        except ValueError as error:
            return str(error)
        return ""

    Path("x-2.svg").write_text("<svg/>")
    found = []
    for labels in ([], ["a"] * 6):
        for count in range(1, 7):
            found.append(refusal(check_room, "x.svg", count, labelled=bool(labels)))
            assert found[-1] == refusal(write_sheet, "x.svg", [CORNER] * count, labels[:count])
    assert found[:6] == [""] * 6 and "has 2 pages" in found[11], "labels take room"
    check_room("x.svg", 9)
    check_room("x.pdf", 9, side=100.0, paper="a5")
    with pytest.raises(ValueError, match="`side` must be a positive number, but 0 came"):
        check_room("x.svg", 9, side=0, paper="a5")
    with pytest.raises(ValueError, match="a row of 1 at 300 mm each takes"):
        check_room("x.svg", 9, side=300.0, paper="a5")


def test_an_animation_and_a_line_of_handwriting_leave_no_page_of_what_they_replace():
    from mdn.applications.handwriting.pictures import Page, write_line, write_page

    write_sheet("s.svg", [CORNER] * 2, side=100.0, paper="a5")
    write_animation("s.svg", [CORNER])
    assert not Path("s-2.svg").exists()
    page = Page.of("a5", line_height=90.0)
    line = np.array([[8.0, -9.0, 0.0], [8.0, 9.0, 1.0]] * 3)
    for ending in ("svg", "png"):
        assert len(write_page(f"w.{ending}", [line] * 2, page)) == 2
        write_line(f"w.{ending}", line, page)
        assert not Path(f"w-2.{ending}").exists() and Path(f"w.{ending}").exists()


def test_a_pdf_has_all_pages_in_one_file_and_is_the_same_each_time():
    drawings = [CORNER] * 7
    (path,) = write_sheet("s.pdf", drawings, columns=1, side=150.0, paper="letter")
    np.testing.assert_allclose(pages_of(path), [SIZES["letter"]] * 7, atol=0.1)
    (again,) = write_sheet("again.pdf", drawings, columns=1, side=150.0, paper="letter")
    assert path.read_bytes() == again.read_bytes()
    (alone,) = write_sheet("alone.pdf", drawings, columns=7)
    np.testing.assert_allclose(pages_of(alone), [np.array([8 + 7 * 104, 112]) * PIXEL], atol=0.1)


def test_a_png_for_print_has_three_hundred_dots_an_inch():
    from matplotlib.image import imread

    write_sheet("s.png", [CORNER] * 4, paper="a5")
    np.testing.assert_allclose(imread("s.png").shape[1::-1], np.array(SIZES["a5"]) / 25.4 * 300, atol=1)


def test_handwriting_on_paper_is_a_pdf_of_as_many_pages_as_its_lines_need():
    from mdn.applications.handwriting.pictures import Page, write_page

    page = Page.of("a5", line_height=30.0)
    line = np.array([[8.0, -9.0, 0.0], [8.0, 9.0, 1.0]] * 3)
    numbered = write_page("letter.svg", [line] * (page.rows + 1), page)
    assert [path.name for path in numbered] == ["letter.svg", "letter-2.svg"]
    (path,) = write_page("letter.pdf", [line] * (page.rows + 1), page)
    np.testing.assert_allclose(pages_of(path), [SIZES["a5"]] * 2, atol=0.1)
    with pytest.raises(ValueError, match=r"only an \.svg can be written before one's eyes, but 'letter\.pdf' came"):
        write_page("letter.pdf", [line], page, seconds=2.0)
