"""Drawings as pictures: one alone, many on a sheet, or animated; SVG without a script, PNG, or PDF for a sheet.

Drawings are stroke-3, as `mdn.data.strokes` says. A network may make an empty drawing; its cell stays empty.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

from mdn.data.strokes import places_of
from mdn.drawing.ink import (
    INK,
    MADE,
    PAPER,
    PEN,
    SHEETS,
    Line,
    animated,
    bounds_of,
    draw_lines,
    ending_of,
    group,
    lines_of,
    path_text,
    times_of,
    write_pdf,
)
from mdn.drawing.pages import check_pages, page_path, replacing_pages, save_png, save_svg
from mdn.drawing.paper import INCH, MARGIN, PIXEL, Cells, Print, printed
from mdn.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME, TEXT = "#e4e0d4", "#55606a"
_SIDE, _GAP, _LABEL, _MARGIN = (
    96.0,
    8.0,
    15.0,
    10.0,
)  # pixels: side of a cell, gap between cells, height of a label, margin within a cell
_POINT = INCH / 72  # mm
_DOTS, _PRINT_DOTS = 144, 300  # an inch, of a PNG for a screen and for paper
_FONTS = (
    "Noto Sans CJK JP",
    "Source Han Sans JP",
    "IPAexGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
)  # fonts that have kanji


def write_drawing(path, drawing) -> None:
    """Writes one drawing, as .svg in its own unit, so that `read_drawings` can read it, or as .png.

    Args:
        path: The path of the picture, .svg or .png.
        drawing: Stroke-3 `(T, 3)`.

    Raises:
        ValueError: if the name has another ending.

    Example:
        >>> from pathlib import Path
        >>> from mdn.drawing import write_drawing
        >>> write_drawing('corner.svg', [[3, 0, 0], [0, 4, 1]])
        >>> Path('corner.svg').exists()
        True
    """
    if ending_of(path) == ".png":
        write_sheet(path, [drawing])
        return
    lines = list(lines_of(np.asarray(drawing, "float64"), None))
    low, high = bounds_of(lines)
    side = float(np.max(high - low)) or 1.0
    margin = 0.08 * side
    left, top = low - margin
    width, height = high - low + 2 * margin
    scale = 400.0 / max(width, height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.7g} {top:.7g} {width:.7g} {height:.7g}" '
        f'width="{width * scale:.0f}" height="{height * scale:.0f}">',
        f'<rect x="{left:.7g}" y="{top:.7g}" width="{width:.7g}" height="{height:.7g}" fill="{PAPER}"/>',
        group(INK, 0.015 * side),
        *(f'<path d="{path_text(line.places, ".7g")}"/>' for line in lines),
        "</g>\n</svg>\n",
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def write_sheet(
    path,
    drawings: Iterable,
    labels: Sequence[str] = (),
    columns: int | None = None,
    given: Sequence[int] = (),
    *,
    side: float | None = None,
    paper: str | None = None,
) -> list[Path]:
    """Writes many drawings in rows, each as large as its cell allows, as .svg, .png or .pdf.

    On paper the drawings alone are printed, without frames and without a coloured ground. If they need several pages, a .pdf
    has all of them, and others are numbered: NAME.svg, NAME-2.svg, ... They replace all pages of an older sheet of that name.

    Args:
        path: The path of the (first) file.
        drawings: Stroke-3 `(T, 3)` each.
        labels: One for each drawing, or none.
        columns: Drawings a row; without it the sheet is about square, or fits the paper.
        given: How many rows of each drawing are its prime; the rows after them have another colour. Empty: one colour.
        side: The side of a drawing's cell in mm; without it 25.4, or as large as `columns` or one page of `paper` allow.
        paper: "a3", "a4", "a5" or "letter", upright; without it the sheet is as large as its drawings need.

    Returns:
        The paths of the files.

    Raises:
        ValueError: if the name has another ending, there are not as many labels or `given` as drawings, `columns` or `side` is
            not positive, there is no such paper, or a row does not fit on it; or if a numbered page would replace a file that
            is no page of a sheet of that name.

    Example:
        >>> from mdn.drawing import write_sheet
        >>> [path.name for path in write_sheet('sheet.svg', [[[3, 0, 0], [0, 4, 1]]] * 6, columns=3)]
        ['sheet.svg']
        >>> [path.name for path in write_sheet('print.svg', [[[3, 0, 0], [0, 4, 1]]] * 6, side=120, paper='a4')]
        ['print.svg', 'print-2.svg', 'print-3.svg']
    """
    ending = ending_of(path, SHEETS)
    if ending == ".pdf" and side is None and paper is None:
        side = _SIDE * PIXEL
    sheets = _pages(list(drawings), labels, columns, given, side, paper)
    if ending == ".pdf":
        with replacing(path) as temporary, _without_glyphs():
            write_pdf(temporary, (sheet.figure() for sheet in sheets))
        return [Path(path)]
    with replacing_pages(path, len(sheets)) as pages:
        for (temporary, note), sheet in zip(pages, sheets, strict=True):
            if ending == ".svg":
                save_svg(temporary, sheet.svg(), note)
            else:
                with _without_glyphs():
                    save_png(temporary, sheet.figure(), _DOTS if sheet.unit is None else _PRINT_DOTS, note)
    return [page_path(path, number) for number in range(1, len(sheets) + 1)]


def check_room(
    path,
    count: int,
    columns: int | None = None,
    *,
    labelled: bool = False,
    side: float | None = None,
    paper: str | None = None,
) -> None:
    """Refuses a sheet that `write_sheet` could not write: before its drawings are made, which may take minutes.

    Args:
        path: As in `write_sheet`.
        count: How many drawings.
        columns: As in `write_sheet`.
        labelled: Whether a drawing has a label.
        side: As in `write_sheet`.
        paper: As in `write_sheet`.

    Raises:
        ValueError: as `write_sheet` does.
    """
    _check_positive(columns, side)
    if paper is not None:
        found = _printed(count, labelled, columns, side, paper)
        if ending_of(path, SHEETS) != ".pdf":
            check_pages(path, -(-count // (found.columns * found.rows)))


def _check_positive(columns: int | None, side: float | None) -> None:
    for name, value in (("columns", columns), ("side", side)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"`{name}` must be a positive number, but {value} came.")


def _printed(count: int, labelled: bool, columns: int | None, side: float | None, paper: str) -> Print:
    return printed(_cells(labelled), count, paper, columns, side)


def _cells(labelled: bool) -> Cells:
    return Cells(_SIDE, _GAP, _LABEL if labelled else 0.0)


def _pages(drawings: list, labels, columns: int | None, given, side: float | None, paper: str | None) -> list[_Sheet]:
    """The pages of `write_sheet`."""
    _check_positive(columns, side)
    whole = _Sheet(drawings, labels, columns, given, None if side is None else side / _SIDE)
    if paper is None:
        return [whole]
    found = _printed(len(drawings), any(whole.labels), columns, side, paper)
    each = found.columns * found.rows
    pages = [slice(start, start + each) for start in range(0, len(drawings), each)]
    return [_Sheet(drawings[page], labels[page], found.columns, given[page], found.unit, found.paper) for page in pages]


def write_animation(
    path,
    drawings: Iterable,
    labels: Sequence[str] = (),
    columns: int | None = None,
    given: Sequence[int] = (),
    seconds: float = 6.0,
) -> None:
    """Writes an animated sheet as .svg: a browser draws all drawings stroke by stroke, at the same time, again and again.

    Where nothing moves (a page on paper, a converter), the drawings are complete.

    Args:
        path: The path of the file.
        drawings, labels, columns, given: As in `write_sheet`.
        seconds: The length of a round; in its last quarter the drawings stay.

    Raises:
        ValueError: as `write_sheet` does.

    Example:
        >>> from pathlib import Path
        >>> from mdn.drawing import write_animation
        >>> write_animation('corner.svg', [[[3, 0, 0], [0, 4, 1]]])
        >>> Path('corner.svg').exists()
        True
    """
    if ending_of(path) != ".svg":
        raise ValueError(f"an animation ends in .svg, but {Path(path).name!r} came.")
    sheet = _Sheet(drawings, labels, columns, given)
    with replacing_pages(path) as ((temporary, _),):
        save_svg(temporary, sheet.svg(seconds))


class _Sheet:
    """The layout of a sheet or of a page, in pixels from the upper left corner of its cells.

    Args:
        drawings, labels, columns, given: As in `write_sheet`.
        unit: mm of a pixel; None for a screen.
        paper: Width and height in mm; None: as large as needed, with frames.
    """

    def __init__(
        self,
        drawings: Iterable,
        labels: Sequence[str],
        columns: int | None,
        given: Sequence[int],
        unit: float | None = None,
        paper: tuple[float, float] | None = None,
    ):
        self.drawings = [np.asarray(one, "float64") for one in drawings]
        count = len(self.drawings)
        if not count:
            raise ValueError("a picture needs at least one drawing.")
        for name, values in (("labels", labels), ("given", given)):
            if len(values) not in (0, count):
                raise ValueError(f"`{name}` must be as many as the drawings, {count}, but there are {len(values)}.")
        self.labels = list(labels) or [""] * count
        self.columns = max(1, min(columns or int(np.ceil(np.sqrt(count * 1.3))), count))
        self.cells = _cells(any(self.labels))
        self.width, self.height = self.cells.size(self.columns, -(-count // self.columns))
        self.left = self.top = 0.0
        self.unit, self._framed = unit, paper is None
        if paper is not None and unit is not None:
            width, height = (length / unit for length in paper)
            self.left, self.top = -(width - self.width) / 2, -(MARGIN / unit)
            self.width, self.height = width, height
        starts = [None if not len(given) else int(rows) for rows in (given if len(given) else [0] * count)]
        self.lines = [
            self._fitted(i, list(lines_of(one, rows)))
            for i, (one, rows) in enumerate(zip(self.drawings, starts, strict=True))
        ]

    def corner(self, i: int) -> np.ndarray:
        row, column = divmod(i, self.columns)  # so many columns and rows lie before it
        return np.array(self.cells.size(column, row))

    def _fitted(self, i: int, lines: list[Line]) -> list[Line]:
        low, high = bounds_of(lines)
        scale = (_SIDE - 2 * _MARGIN) / (float(np.max(high - low)) or 1.0)
        middle = self.corner(i) + _SIDE / 2
        return [Line((line.places - (low + high) / 2) * scale + middle, line.first, line.made) for line in lines]

    def _frames(self) -> list[str]:
        return [
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="{PAPER}"/>',
            f'<g fill="white" stroke="{FRAME}">',
            *(
                f'<rect x="{x:g}" y="{y:g}" width="{_SIDE:g}" height="{_SIDE:g}" rx="5"/>'
                for x, y in map(self.corner, range(len(self.drawings)))
            ),
            "</g>",
        ]

    def svg(self, seconds: float | None = None) -> str:
        across, down = (
            f"{length:g}" if self.unit is None else f"{length * self.unit:.2f}mm"
            for length in (self.width, self.height)
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{self.left:g} {self.top:g} {self.width:g} {self.height:g}" '
            f'width="{across}" height="{down}">',
            *(self._frames() if self._framed else []),
            f'<g font-family="sans-serif" font-size="9.5" text-anchor="middle" fill="{TEXT}">',
            *(
                f'<text x="{x + _SIDE / 2:g}" y="{y + _SIDE + 11:g}">{escape(str(label))}</text>'
                for label, (x, y) in zip(self.labels, map(self.corner, range(len(self.drawings))), strict=True)
                if label
            ),
            "</g>",
        ]
        for drawing, lines in zip(self.drawings, self.lines, strict=True):
            times = None if seconds is None else times_of(places_of(drawing))
            parts.append(group(INK, PEN))
            for line in lines:
                colour = f' stroke="{MADE}"' if line.made else ""
                d = f'<path d="{path_text(line.places, ".2f")}"{colour}'
                parts.append(f"{d}/>" if times is None or seconds is None else d + animated(line, times, seconds, PEN))
            parts.append("</g>")
        return "\n".join([*parts, "</svg>\n"])

    def figure(self) -> Figure:
        """The sheet as a figure of matplotlib."""
        from matplotlib import font_manager
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        installed = {font.name for font in font_manager.fontManager.ttflist}
        fonts = ["sans-serif", *(name for name in _FONTS if name in installed)]
        point = 1.0 if self.unit is None else self.unit / _POINT  # points of a pixel
        figure = Figure(
            figsize=(self.width * point / 72.0, self.height * point / 72.0),
            facecolor=PAPER if self._framed else "white",
        )
        ax = figure.add_axes((0, 0, 1, 1), frame_on=False)
        ax.set(xlim=(self.left, self.left + self.width), ylim=(self.top + self.height, self.top))
        ax.set_axis_off()
        for i, label in enumerate(self.labels):
            x, y = self.corner(i)
            if self._framed:
                inner = _SIDE - 10
                ax.add_patch(
                    FancyBboxPatch((x + 5, y + 5), inner, inner, "round,pad=5", fc="white", ec=FRAME, lw=point)
                )
            at, size = (x + _SIDE / 2, y + _SIDE + 11), 7.5 * point
            ax.text(*at, str(label), ha="center", fontsize=size, color=TEXT, parse_math=False, family=fonts)
        draw_lines(ax, [line for lines in self.lines for line in lines], PEN * point)
        return figure


@contextlib.contextmanager
def _without_glyphs() -> Iterator[None]:
    """Without a font that has them, kanji in labels are boxes, and matplotlib need not say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield
