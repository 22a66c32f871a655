"""Pictures of handwriting: a line or pages of lines, still or animated; and the weights of a window."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdn import plots
from mdn.applications.handwriting.data import base_line
from mdn.data import replacing, to_lines
from mdn.drawing.ink import (
    INK,
    PAPER,
    SHEETS,
    Line,
    animated,
    draw_lines,
    ending_of,
    group,
    path_text,
    times_of,
    write_pdf,
)
from mdn.drawing.pages import page_path, replacing_pages, save_png, save_svg
from mdn.drawing.paper import INCH, PIXEL, SIZES, size_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADVANCE = 1.8  # x-heights that a letter takes in width: the median of real lines, whose quartiles are 1.5 and 2.2
_X_HEIGHT, _BASE = 0.26, 0.68  # shares of the line height: the height of an x, and where the base line is
_DOTS = 150  # an inch, in a PNG
_MOST_LABELS = 80


@dataclass(frozen=True)
class Page:
    """A sheet of paper and how lines lie on it, in mm.

    Attributes:
        width: The width of the sheet.
        height: The height of the sheet; None: as high as its lines.
        margin: On all sides.
        line_height: From one base line to the next.
        pen: Width of the ink.
        ink: Its colour: a name of CSS, such as navy, or #rrggbb.
        paper: The colour of the sheet, likewise.
    """

    width: float = SIZES["a4"][0]
    height: float | None = SIZES["a4"][1]
    margin: float = 20.0
    line_height: float = 11.0
    pen: float = 0.45
    ink: str = INK
    paper: str = PAPER

    def __post_init__(self):
        for name in ("width", "line_height", "pen"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"`{name}` must be a positive number of mm, but {getattr(self, name)} came.")
        for name in ("ink", "paper"):
            if not _is_colour(getattr(self, name)):
                raise ValueError(
                    f"`{name}` must be the name of a colour, such as navy, or #rrggbb, but {getattr(self, name)!r} came."
                )
        if not 0 <= self.margin < self.width / 2:
            raise ValueError(f"`margin` must leave room on {self.width:g} mm, but {self.margin:g} came.")
        if self.height is not None and self.rows < 1:
            raise ValueError(
                f"no line of {self.line_height:g} mm fits between margins of {self.margin:g} mm on {self.height:g} mm."
            )

    @classmethod
    def of(cls, size: str, **others) -> Page:
        """A sheet of a size such as "a4".

        Args:
            size: "a3", "a4", "a5" or "letter", upright.
            **others: Of `Page`, except `width` and `height`.

        Raises:
            ValueError: if there is no such size, or if no line fits on it.
        """
        return cls(*size_of(size), **others)

    @property
    def rows(self) -> int:
        """How many lines fit on a sheet that has a height."""
        return int(((self.height or 0.0) - 2 * self.margin) / self.line_height)

    def sheets(self, count: int) -> int:
        """How many sheets so many lines take."""
        return 1 if self.height is None else -(-count // self.rows)

    @property
    def characters(self) -> int:
        """About how many characters a line holds: the `width` for `wrapped`."""
        return max(1, int((self.width - 2 * self.margin) / (ADVANCE * _X_HEIGHT * self.line_height)))


def _is_colour(text: str) -> bool:
    """Whether SVG and matplotlib know this colour by this name; the text goes into SVG as it is."""
    if re.fullmatch(r"#(?:[0-9a-fA-F]{3}){1,2}", text):
        return True
    from matplotlib.colors import CSS4_COLORS

    return text in CSS4_COLORS


def laid_out(lines: Iterable, page: Page) -> list[list[np.ndarray]]:
    """The strokes `(n, 2)` of each sheet, in mm from its upper left corner.

    Lines are level, stand on base lines one below the other, and begin at the margin. All have one scale: it fits the letters
    of the median line to the line height, or is smaller, so that the widest line ends at the margin.

    Args:
        lines: Stroke-3 `(T, 3)` each, y downwards; a line without points leaves its place empty.
        page: The sheet.
    """
    levelled = [_levelled(np.asarray(line, "float64")) for line in lines]
    written = [one for one in levelled if one is not None]
    if not written:
        return [[]]
    widest = max(float(np.ptp(np.concatenate(strokes)[:, 0])) for strokes, _ in written)
    scale = _X_HEIGHT * page.line_height / float(np.median([height for _, height in written]))
    if widest * scale > page.width - 2 * page.margin:
        scale = (page.width - 2 * page.margin) / widest
    rows = len(levelled) if page.height is None else page.rows
    sheets: list[list[np.ndarray]] = [[] for _ in range(page.sheets(len(levelled)))]
    for i, one in enumerate(levelled):
        if one is not None:
            left = min(float(stroke[:, 0].min()) for stroke in one[0])
            corner = (page.margin - scale * left, page.margin + (i % rows + _BASE) * page.line_height)
            sheets[i // rows] += [scale * stroke + corner for stroke in one[0]]
    return sheets


def _levelled(line: np.ndarray) -> tuple[list[np.ndarray], float] | None:
    """(strokes whose base line is y = 0, the x-height); None for a line without points."""
    if not len(line):
        return None
    strokes = to_lines(line)
    slope, height, x_height = base_line(line)
    turn = np.array([[1.0, slope], [-slope, 1.0]]) / np.hypot(1.0, slope)
    x_height = x_height or float(np.max(np.ptp(np.concatenate(strokes), axis=0))) or 1.0
    return [(stroke - (0.0, height)) @ turn.T for stroke in strokes], x_height


def write_page(path, lines: Iterable, page: Page | None = None, seconds: float | None = None) -> list[Path]:
    """Writes lines on paper, as .svg, .png or .pdf; returns the paths: one .pdf, or NAME.svg, NAME-2.svg, ... for each sheet.

    Args:
        path: The path of the first file.
        lines: Stroke-3 `(T, 3)` each, as `laid_out` takes them.
        page: The paper; A4 without it.
        seconds: Animates an SVG: it draws the strokes in their order, a sheet in so many seconds. None: still.

    Raises:
        ValueError: if the name ends otherwise, if `seconds` is set and it is no .svg, or if a later sheet would replace a file
            that is no sheet of such a picture.
    """
    page, lines = page or Page(), list(lines)
    height = page.height or 2 * page.margin + len(lines) * page.line_height
    path = Path(path)
    sheets = laid_out(lines, page)
    _write(path, sheets, (page.width, height), page, seconds)
    if path.suffix.lower() == ".pdf":
        return [path]
    return [page_path(path, number) for number in range(1, len(sheets) + 1)]


def write_line(path, line, page: Page | None = None, seconds: float | None = None) -> None:
    """Writes one line as .svg, .png or .pdf, as large as on a page, on a sheet no larger than needed.

    Args:
        path: The path of the file.
        line: Stroke-3 `(T, 3)`, with one point at least.
        page: Sets line height, pen, ink and paper.
        seconds: As in `write_page`.

    Raises:
        ValueError: as `write_page` does, and if there is no point.
    """
    page, levelled = page or Page(), _levelled(np.asarray(line, "float64"))
    if levelled is None:
        raise ValueError("a picture of a line needs at least one point.")
    strokes, height = levelled
    places = np.concatenate(strokes) * (scale := _X_HEIGHT * page.line_height / height)
    border = 0.3 * page.line_height
    corner = places.min(axis=0) - border
    size = np.ptp(places, axis=0) + 2 * border
    _write(Path(path), [[scale * stroke - corner for stroke in strokes]], tuple(size), page, seconds)


def _write(path: Path, sheets: Sequence[Sequence[np.ndarray]], size, page: Page, seconds: float | None) -> None:
    ending = ending_of(path, SHEETS)
    if ending != ".svg" and seconds is not None:
        raise ValueError(f"only an .svg can be written before one's eyes, but {path.name!r} came.")
    inked = list(map(_lines, sheets))
    if ending == ".pdf":
        with replacing(path) as temporary:
            write_pdf(temporary, (_figure(lines, size, page) for lines in inked))
        return
    with replacing_pages(path, len(sheets)) as pages:
        for (temporary, note), lines in zip(pages, inked, strict=True):
            if ending == ".svg":
                save_svg(temporary, _svg(lines, size, page, seconds), note)
            else:
                save_png(temporary, _figure(lines, size, page), _DOTS, note)


def _lines(strokes: Sequence[np.ndarray]) -> list[Line]:
    starts = np.cumsum([0, *map(len, strokes)])
    return [Line(stroke, int(first), False) for stroke, first in zip(strokes, starts, strict=False)]


def _svg(lines: Sequence[Line], size, page: Page, seconds: float | None) -> str:
    width, height = size
    times = times_of(np.concatenate([line.places for line in lines])) if lines and seconds is not None else None
    tails = ["/>" if times is None or seconds is None else animated(line, times, seconds, page.pen) for line in lines]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.2f} {height:.2f}" '
            f'width="{width / PIXEL:.0f}" height="{height / PIXEL:.0f}">',
            f'<rect width="{width:.2f}" height="{height:.2f}" fill="{page.paper}"/>',
            group(page.ink, page.pen),
            *(f'<path d="{path_text(line.places, ".2f")}"{tail}' for line, tail in zip(lines, tails, strict=True)),
            "</g>\n</svg>\n",
        ]
    )


def _figure(lines: Sequence[Line], size, page: Page) -> Figure:
    from matplotlib.figure import Figure

    width, height = size
    figure = Figure(figsize=(width / INCH, height / INCH), facecolor=page.paper)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), frame_on=False)
    ax.set_axis_off()
    draw_lines(ax, lines, page.pen * 72 / INCH, page.ink)
    return figure


def window(weights, text: str, ax=None, *, cmap=plots.HEAT):
    """Plots the weights of a soft window: letters upwards, points of the pen to the right, darker for more weight.

    Args:
        weights: Shape `(T, U)`, the weight of each character at each point; columns behind the end of the text are left out.
        text: U characters, or fewer.
        ax: Axes; by default the current ones of pyplot.
        cmap: Colours, from no weight to the largest.

    Returns:
        The axes.

    Raises:
        ValueError: if there are fewer columns than characters.
    """
    weights = np.asarray(weights, "float64")
    if weights.ndim != 2 or not len(weights) or not 0 < len(text) <= weights.shape[1]:
        raise ValueError(
            f"`weights` must have shape (T, U) with U at least the {len(text)} characters of the text, but are {weights.shape}."
        )
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    ax.imshow(weights[:, : len(text)].T, origin="lower", aspect="auto", cmap=cmap, vmin=0.0, interpolation="nearest")
    every = -(-len(text) // _MOST_LABELS)
    labels = [one if one != " " else "␣" for one in text[::every]]
    ax.set_yticks(np.arange(0, len(text), every), labels, parse_math=False, fontsize=8)
    ax.set(xlabel="point of the pen", ylabel="")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0, colors=plots.INK)
    return ax
