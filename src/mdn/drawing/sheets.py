"""Drawings as pictures: one alone, many on a sheet, or animated; SVG without a script, or PNG.

Drawings are stroke-3, as `mdn.data.strokes` says. A network may make an empty drawing; its cell stays empty.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from mdn.data.strokes import places_of
from mdn.drawing.ink import (
    INK,
    MADE,
    PAPER,
    PEN,
    Line,
    animated,
    bounds_of,
    draw_lines,
    ending_of,
    group,
    lines_of,
    path_text,
    times_of,
)
from mdn.files import replacing

FRAME, TEXT = "#e4e0d4", "#55606a"
_SIDE, _GAP, _LABEL, _MARGIN = (
    96.0,
    8.0,
    15.0,
    10.0,
)  # pixels: side of a cell, gap between cells, height of a label, margin within a cell
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
) -> None:
    """Writes many drawings in rows, each as large as its cell allows, as .svg or .png.

    Args:
        path: The path of the file.
        drawings: Stroke-3 `(T, 3)` each.
        labels: One for each drawing, or none.
        columns: Drawings a row; without it the sheet is about square.
        given: How many rows of each drawing are its prime; the rows after them have another colour. Empty: one colour.

    Raises:
        ValueError: if the name has another ending, or there are not as many labels or `given` as drawings.

    Example:
        >>> from pathlib import Path
        >>> from mdn.drawing import write_sheet
        >>> write_sheet('sheet.svg', [[[3, 0, 0], [0, 4, 1]]] * 6, columns=3)
        >>> Path('sheet.svg').exists()
        True
    """
    ending = ending_of(path)
    sheet = _Sheet(drawings, labels, columns, given)
    with replacing(path) as temporary:
        if ending == ".svg":
            temporary.write_text(sheet.svg(), encoding="utf-8")
        else:
            _png(temporary, sheet)


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
    with replacing(path) as temporary:
        temporary.write_text(sheet.svg(seconds), encoding="utf-8")


class _Sheet:
    """The layout of a sheet, in pixels from the upper left corner."""

    def __init__(self, drawings: Iterable, labels: Sequence[str], columns: int | None, given: Sequence[int]):
        self.drawings = [np.asarray(one, "float64") for one in drawings]
        count = len(self.drawings)
        if not count:
            raise ValueError("a picture needs at least one drawing.")
        for name, values in (("labels", labels), ("given", given)):
            if len(values) not in (0, count):
                raise ValueError(f"`{name}` must be as many as the {count} drawings, but there are {len(values)}.")
        self.labels = list(labels) or [""] * count
        self.columns = max(1, min(columns or int(np.ceil(np.sqrt(count * 1.3))), count))
        self._row = _SIDE + _GAP + (_LABEL if any(self.labels) else 0.0)
        self.width = _GAP + self.columns * (_SIDE + _GAP)
        self.height = _GAP + -(-count // self.columns) * self._row
        starts = [None if not len(given) else int(rows) for rows in (given if len(given) else [0] * count)]
        self.lines = [
            self._fitted(i, list(lines_of(one, rows)))
            for i, (one, rows) in enumerate(zip(self.drawings, starts, strict=True))
        ]

    def corner(self, i: int) -> np.ndarray:
        row, column = divmod(i, self.columns)
        return np.array([_GAP + column * (_SIDE + _GAP), _GAP + row * self._row])

    def _fitted(self, i: int, lines: list[Line]) -> list[Line]:
        low, high = bounds_of(lines)
        scale = (_SIDE - 2 * _MARGIN) / (float(np.max(high - low)) or 1.0)
        middle = self.corner(i) + _SIDE / 2
        return [Line((line.places - (low + high) / 2) * scale + middle, line.first, line.made) for line in lines]

    def svg(self, seconds: float | None = None) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}">',
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="{PAPER}"/>',
            f'<g fill="white" stroke="{FRAME}">',
            *(
                f'<rect x="{x:g}" y="{y:g}" width="{_SIDE:g}" height="{_SIDE:g}" rx="5"/>'
                for x, y in map(self.corner, range(len(self.drawings)))
            ),
            "</g>",
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


def _png(path: Path, sheet: _Sheet) -> None:
    from matplotlib import font_manager
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    installed = {font.name for font in font_manager.fontManager.ttflist}
    fonts = ["sans-serif", *(name for name in _FONTS if name in installed)]
    figure = Figure(figsize=(sheet.width / 72.0, sheet.height / 72.0), facecolor=PAPER)  # a pixel is a point
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, sheet.width), ylim=(sheet.height, 0), frame_on=False)
    ax.set_axis_off()
    for i, label in enumerate(sheet.labels):
        x, y = sheet.corner(i)
        ax.add_patch(
            FancyBboxPatch((x + 5, y + 5), _SIDE - 10, _SIDE - 10, boxstyle="round,pad=5", fc="white", ec=FRAME, lw=1.0)
        )
        ax.text(
            x + _SIDE / 2,
            y + _SIDE + 11,
            str(label),
            ha="center",
            fontsize=7.5,
            color=TEXT,
            parse_math=False,
            family=fonts,
        )
    draw_lines(ax, [line for lines in sheet.lines for line in lines], PEN)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # without such a font, a label shows boxes
        figure.savefig(path, dpi=144, format="png")
