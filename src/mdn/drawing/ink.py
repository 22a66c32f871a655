"""Ink: the strokes of a picture, and how they are drawn in an SVG, still or animated, or on axes of matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdn.data.strokes import places_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MADE, PAPER = "#22303c", "#d1495b", "#fdfcf8"  # colours: the prime, the rest by a model, the background
PEN = 1.8  # pixels
PICTURES = (".svg", ".png")  # endings of names
SHEETS = (*PICTURES, ".pdf")
_FOR_VIEWING = 0.75  # share of an animation's time in which it draws; then the drawing stays


@dataclass(frozen=True)
class Line:
    """A stroke or its part in one colour: its places `(n, 2)`, the index of the first in the drawing, whether `made`."""

    places: np.ndarray
    first: int
    made: bool


def ending_of(path, endings: Sequence[str] = PICTURES) -> str:
    """The ending of the name of a picture, which must be one of `endings`.

    Raises:
        ValueError: if it has another ending.
    """
    ending, (*known, last) = Path(path).suffix.lower(), endings
    if ending not in (*known, last):
        raise ValueError(f"a picture ends in {', '.join(known)} or {last}, but {Path(path).name!r} came.")
    return ending


def lines_of(drawing: np.ndarray, given: int | None = None) -> Iterator[Line]:
    """The strokes of a drawing, whose first `given` rows are the prime. A stroke that is partly prime becomes two lines."""
    if not len(drawing):
        return
    places = places_of(drawing)
    points = len(places) if given is None else given + 1  # points of the prime
    if points == 1:
        points = 0
    begins = np.concatenate([[0], np.flatnonzero(drawing[:-1, 2] > 0.5) + 2])
    for begin, end in zip(begins, [*begins[1:], len(places)], strict=True):
        if begin < points:
            yield Line(places[begin : min(end, points)], begin, False)
        if end > points:
            begin = begin if begin >= points else points - 1
            yield Line(places[begin:end], begin, True)


def bounds_of(lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest x and y."""
    if not lines:
        return np.zeros(2), np.zeros(2)
    places = np.concatenate([line.places for line in lines])
    return places.min(axis=0), places.max(axis=0)


def group(colour: str, width: float) -> str:
    """The start of an SVG's group of strokes."""
    return (
        f'<g fill="none" stroke="{colour}" stroke-width="{width:.4g}" stroke-linecap="round" stroke-linejoin="round">'
    )


def path_text(places: np.ndarray, digits: str) -> str:
    """The text of a path. One place becomes a line from it to itself, which a round pen shows as a dot."""
    if len(places) == 1:
        places = np.repeat(places, 2, axis=0)
    return "M" + "L".join(f"{x:{digits}} {y:{digits}}" for x, y in places.tolist())


def times_of(places: np.ndarray) -> np.ndarray:
    """The times, from 0 to 1, at which the pen is at the places `(T + 1, 2)`: it moves at one speed, lifted or not."""
    length = np.hypot(*np.diff(places, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(length if length.any() else np.ones(len(length)))])
    return way / way[-1]


def animated(line: Line, times: np.ndarray, seconds: float, pen: float = PEN) -> str:
    """The text of SVG after the path of a line that makes the pen draw it again and again; a round takes `seconds`."""
    start, end = _FOR_VIEWING * times[[line.first, line.first + len(line.places) - 1]]
    if np.ptp(line.places, axis=0).any():
        # One dash as long as the path moves into view; at first it is so far away that not even its round end shows
        length = float(np.sum(np.hypot(*np.diff(line.places, axis=0).T))) + pen
        how = f' stroke-dasharray="{length:.2f} {length + 2 * pen:.2f}">'
        name, values = "stroke-dashoffset", f"{length + pen:.2f};{length + pen:.2f};0;0"
    else:
        how, name, values = ">", "opacity", "0;0;1;1"
    return (
        f'{how}<animate attributeName="{name}" values="{values}" keyTimes="0;{start:.4f};{end:.4f};1" '
        f'dur="{seconds:g}s" repeatCount="indefinite"/></path>'
    )


def draw_lines(ax, lines: Sequence[Line], pen: float, ink: str = INK) -> None:
    """Draws lines on axes, `pen` points wide."""
    from matplotlib.collections import LineCollection

    ax.add_collection(
        LineCollection(
            [line.places for line in lines],
            colors=[MADE if line.made else ink for line in lines],
            linewidths=pen,
            capstyle="round",
            joinstyle="round",
        )
    )
    dots = [line for line in lines if not np.ptp(line.places, axis=0).any()]  # matplotlib shows no line of length 0
    places = np.array([line.places[0] for line in dots]).reshape(-1, 2)
    ax.scatter(places[:, 0], places[:, 1], s=pen**2, c=[MADE if line.made else ink for line in dots], linewidths=0)


def write_pdf(path, figures: Iterable[Figure]) -> None:
    """Writes figures of matplotlib as the pages of one PDF, which is the same file for the same figures."""
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(path, metadata={"CreationDate": None}) as pages:
        for figure in figures:
            pages.savefig(figure)
